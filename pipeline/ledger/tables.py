"""The ledger's tables, the same in SQLite and in PostgreSQL.

``create_tables`` makes what the newest of ``migrations/versions`` leads to; a test holds the two
against each other in both databases.
"""

from __future__ import annotations

import zlib
from typing import Any

import sqlalchemy as sa

SCHEMA_VERSION = "3"
"""Counts up when an older program could not read what this one writes.

It does with every new field, and every new word of a field, in the body of a case: ``load_case``
knows those of its own program only. A test holds the fields against this number.
"""

READABLE = ("1", "2", SCHEMA_VERSION)
"""1: without rulings and what people said; 2: without leads, grades, answers. Read as they are."""

REVISION = "0005"
"""The newest migration; additions that an older program can do without count up only here."""


class Packed(sa.types.TypeDecorator[str]):
    """Text that a file keeps packed (zlib), a quarter of its size; PostgreSQL packs by itself.

    What was written before as text is read as it is.
    """

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> Any:
        """Pack text on its way into a file."""
        if value is None or dialect.name != "sqlite":
            return value
        return zlib.compress(value.encode(), 1)

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> str | None:
        """Unpack what is packed."""
        return zlib.decompress(value).decode() if isinstance(value, bytes) else value


_text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")  # the same order in both
_number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

metadata = sa.MetaData()

meta = sa.Table(
    "meta",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)
cases = sa.Table(
    "cases",
    metadata,
    sa.Column("case_id", _text, primary_key=True),
    sa.Column("corridor_id", _text, nullable=False, index=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False, index=True),
    sa.Column("evidence_state", sa.Text, nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("merged_into", sa.Text),
    sa.Column("crs", _text, nullable=False),
    sa.Column("min_x", sa.Float, nullable=False),  # box of the outline, in crs
    sa.Column("min_y", sa.Float, nullable=False),
    sa.Column("max_x", sa.Float, nullable=False),
    sa.Column("max_y", sa.Float, nullable=False),
    sa.Column("geometry", sa.LargeBinary, nullable=False),  # WKB, in crs
    sa.Column("body", Packed, nullable=False),  # JSON, see codec
    # Of the body, so that a case is found without reading it; see ``codec.light_of``.
    sa.Column("detector", sa.Text),
    sa.Column("traced", sa.LargeBinary),  # WKB, in crs: imagery's own where people drew another
    sa.Column("newest", _text),  # day and time of the last look
)
LIGHT = ("detector", "traced", "newest")
"""Columns of cases that say again what the body says."""

sa.Index("cases_box", cases.c.min_x, cases.c.max_x, cases.c.min_y, cases.c.max_y)
sa.Index("cases_crs", cases.c.corridor_id, cases.c.crs)
sa.Index("cases_newest", cases.c.corridor_id, cases.c.newest)
revisions = sa.Table(
    "revisions",
    metadata,
    sa.Column("case_id", _text, sa.ForeignKey("cases.case_id"), primary_key=True),
    sa.Column("revision", sa.Integer, primary_key=True),
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("geometry", sa.LargeBinary, nullable=False),
    sa.Column("body", Packed, nullable=False),
)
events = sa.Table(
    "events",
    metadata,
    sa.Column("seq", _number, primary_key=True, autoincrement=True),
    sa.Column("case_id", _text, sa.ForeignKey("cases.case_id"), nullable=False, index=True),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("as_of", sa.Text, nullable=False),
    sa.Column("what", sa.Text, nullable=False),
    sa.Column("old", sa.Text),
    sa.Column("new", sa.Text),
    sa.Column("detail", sa.Text, nullable=False),
    sqlite_autoincrement=True,
)
alembic_version = sa.Table(
    "alembic_version",
    metadata,
    sa.Column("version_num", sa.String(32), nullable=False),
    sa.PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)

# Which event said what: leads by their number, and what people issued.
WORDS = ("lead", "status")
for _what in WORDS:
    _where = sa.text(f"what = '{_what}'")
    sa.Index(f"events_{_what}", events.c.new, sqlite_where=_where, postgresql_where=_where)

# The box is that of the outline which people drew; imagery finds a case by its own. Such are few.
TRACED = "traced IS NOT NULL"

_KEPT = ("events", "revisions")

# What was delivered stays as it was: the database itself refuses to alter it.
_SQLITE_FROZEN = tuple(
    f"CREATE TRIGGER IF NOT EXISTS {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
    f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
    for table in _KEPT
    for verb in ("UPDATE", "DELETE")
)
_POSTGRES_FROZEN = (
    "CREATE FUNCTION append_only() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
    "RAISE EXCEPTION USING MESSAGE = TG_TABLE_NAME || ' is append-only', "
    "ERRCODE = 'integrity_constraint_violation'; END $$",
    *(
        f"CREATE TRIGGER {table}_frozen BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION append_only()"
        for table in _KEPT
    ),
)

# A box index. Ids of its own, because SQLite may number the rows of ``cases`` anew.
_SQLITE_BOXES = (
    "CREATE TABLE case_boxes (id INTEGER PRIMARY KEY, case_id TEXT NOT NULL UNIQUE)",
    "CREATE VIRTUAL TABLE case_tree USING rtree(id, min_x, max_x, min_y, max_y)",
    "CREATE TRIGGER cases_boxed AFTER INSERT ON cases BEGIN "
    "INSERT INTO case_boxes (case_id) VALUES (new.case_id); "
    "INSERT INTO case_tree SELECT id, new.min_x, new.max_x, new.min_y, new.max_y "
    "FROM case_boxes WHERE case_id = new.case_id; END",
    "CREATE TRIGGER cases_boxed_again AFTER UPDATE OF min_x, max_x, min_y, max_y ON cases BEGIN "
    "UPDATE case_tree SET min_x = new.min_x, max_x = new.max_x, min_y = new.min_y, "
    "max_y = new.max_y WHERE id = (SELECT id FROM case_boxes WHERE case_id = new.case_id); END",
    f"CREATE INDEX cases_traced ON cases (corridor_id) WHERE {TRACED}",
)
_POSTGRES_BOXES = (
    "CREATE INDEX cases_tree ON cases USING gist (box(point(min_x, min_y), point(max_x, max_y)))",
    f"CREATE INDEX cases_traced ON cases (corridor_id) WHERE {TRACED}",
    # For maps: in CGCS 2000 degrees, made by the database from the outline itself.
    "ALTER TABLE cases ADD COLUMN shape public.geometry(Geometry, 4490) GENERATED ALWAYS AS ("
    "public.ST_Transform(public.ST_GeomFromWKB(geometry, "
    "CAST(substring(crs from '^EPSG:([0-9]+)$') AS integer)), 4490)) STORED",
    "CREATE INDEX cases_shape ON cases USING gist (shape)",
)

FROZEN = {"sqlite": _SQLITE_FROZEN, "postgresql": _POSTGRES_FROZEN}
BOXES = {"sqlite": _SQLITE_BOXES, "postgresql": _POSTGRES_BOXES}


def create_tables(connection: sa.Connection) -> None:
    """Make a new ledger, empty and of the newest form."""
    metadata.create_all(connection)
    for statement in (*FROZEN[connection.dialect.name], *BOXES[connection.dialect.name]):
        connection.exec_driver_sql(statement)
    connection.execute(sa.insert(meta).values(key="schema_version", value=SCHEMA_VERSION))
    connection.execute(sa.insert(alembic_version).values(version_num=REVISION))
