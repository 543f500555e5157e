"""Cases, revisions and events, as the first ledgers had them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables, and let the database refuse to alter what was delivered."""
    text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "meta",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    )
    op.create_table(
        "cases",
        sa.Column("case_id", text, primary_key=True),
        sa.Column("corridor_id", text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("evidence_state", sa.Text, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("merged_into", sa.Text),
        sa.Column("crs", text, nullable=False),
        *(
            sa.Column(name, sa.Float, nullable=False)
            for name in ("min_x", "min_y", "max_x", "max_y")
        ),
        sa.Column("geometry", sa.LargeBinary, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_index("ix_cases_corridor_id", "cases", ["corridor_id"])
    op.create_index("ix_cases_status", "cases", ["status"])
    op.create_index("cases_box", "cases", ["min_x", "max_x", "min_y", "max_y"])
    op.create_table(
        "revisions",
        sa.Column("case_id", text, sa.ForeignKey("cases.case_id"), primary_key=True),
        sa.Column("revision", sa.Integer, primary_key=True),
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("geometry", sa.LargeBinary, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_table(
        "events",
        sa.Column("seq", number, primary_key=True, autoincrement=True),
        sa.Column("case_id", text, sa.ForeignKey("cases.case_id"), nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("as_of", sa.Text, nullable=False),
        sa.Column("what", sa.Text, nullable=False),
        sa.Column("old", sa.Text),
        sa.Column("new", sa.Text),
        sa.Column("detail", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_events_case_id", "events", ["case_id"])
    for statement in _FROZEN[op.get_bind().dialect.name]:
        op.execute(statement)
    op.execute("INSERT INTO meta (key, value) VALUES ('schema_version', '1')")


_FROZEN = {
    "sqlite": tuple(
        f"CREATE TRIGGER IF NOT EXISTS {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
        f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        for table in ("events", "revisions")
        for verb in ("UPDATE", "DELETE")
    ),
    "postgresql": (
        "CREATE FUNCTION append_only() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "RAISE EXCEPTION USING MESSAGE = TG_TABLE_NAME || ' is append-only', "
        "ERRCODE = 'integrity_constraint_violation'; END $$",
        *(
            f"CREATE TRIGGER {table}_frozen BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION append_only()"
            for table in ("events", "revisions")
        ),
    ),
}
