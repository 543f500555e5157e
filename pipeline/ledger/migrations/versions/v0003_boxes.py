"""A box index over all cases, and in PostgreSQL a geometry for maps.

Additions only, which whoever writes rows need not know: triggers keep the index.
"""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the index and fill it."""
    op.create_index("cases_crs", "cases", ["corridor_id", "crs"])
    for statement in _ADDED[op.get_bind().dialect.name]:
        op.get_bind().exec_driver_sql(statement)


_ADDED = {
    "sqlite": (
        "CREATE TABLE case_boxes (id INTEGER PRIMARY KEY, case_id TEXT NOT NULL UNIQUE)",
        "CREATE VIRTUAL TABLE case_tree USING rtree(id, min_x, max_x, min_y, max_y)",
        "CREATE TRIGGER cases_boxed AFTER INSERT ON cases BEGIN "
        "INSERT INTO case_boxes (case_id) VALUES (new.case_id); "
        "INSERT INTO case_tree SELECT id, new.min_x, new.max_x, new.min_y, new.max_y "
        "FROM case_boxes WHERE case_id = new.case_id; END",
        "CREATE TRIGGER cases_boxed_again AFTER UPDATE OF min_x, max_x, min_y, max_y ON cases "
        "BEGIN UPDATE case_tree SET min_x = new.min_x, max_x = new.max_x, min_y = new.min_y, "
        "max_y = new.max_y WHERE id = (SELECT id FROM case_boxes WHERE case_id = new.case_id); "
        "END",
        'CREATE INDEX cases_traced ON cases (corridor_id) WHERE instr(body, \'"traced": "\') > 0',
        "INSERT INTO case_boxes (case_id) SELECT case_id FROM cases ORDER BY case_id",
        "INSERT INTO case_tree SELECT b.id, c.min_x, c.max_x, c.min_y, c.max_y "
        "FROM case_boxes b JOIN cases c ON c.case_id = b.case_id",
    ),
    "postgresql": (
        "CREATE INDEX cases_tree ON cases "
        "USING gist (box(point(min_x, min_y), point(max_x, max_y)))",
        "CREATE INDEX cases_traced ON cases (corridor_id) "
        'WHERE position(\'"traced": "\' in body) > 0',
        "ALTER TABLE cases ADD COLUMN shape public.geometry(Geometry, 4490) GENERATED ALWAYS AS ("
        "public.ST_Transform(public.ST_GeomFromWKB(geometry, "
        "CAST(substring(crs from '^EPSG:([0-9]+)$') AS integer)), 4490)) STORED",
        "CREATE INDEX cases_shape ON cases USING gist (shape)",
    ),
}
