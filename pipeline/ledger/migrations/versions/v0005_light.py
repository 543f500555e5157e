"""What finds a case without reading its body, and bodies that a file keeps packed.

Rows that lie there stay as they are; what is written from now on is packed, which older programs
cannot read.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the columns and fill them from the bodies, and index what events say."""
    text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    op.add_column("cases", sa.Column("detector", sa.Text))
    op.add_column("cases", sa.Column("traced", sa.LargeBinary))
    op.add_column("cases", sa.Column("newest", text))
    connection = op.get_bind()
    connection.exec_driver_sql(_FILL[connection.dialect.name])
    if connection.dialect.name == "sqlite":  # whose older libraries have no unhex()
        _fill_traced(connection)
    op.drop_index("cases_traced", "cases")
    connection.exec_driver_sql(
        "CREATE INDEX cases_traced ON cases (corridor_id) WHERE traced IS NOT NULL"
    )
    op.create_index("cases_newest", "cases", ["corridor_id", "newest"])
    for what in ("lead", "status"):
        where = sa.text(f"what = '{what}'")
        op.create_index(
            f"events_{what}", "events", ["new"], sqlite_where=where, postgresql_where=where
        )


def _fill_traced(connection: sa.Connection) -> None:
    found = connection.exec_driver_sql(
        "SELECT case_id, json_extract(body, '$.traced') FROM cases "
        "WHERE json_extract(body, '$.traced') IS NOT NULL"
    )
    rows = [(bytes.fromhex(traced), case_id) for case_id, traced in found]
    for row in rows:
        connection.exec_driver_sql("UPDATE cases SET traced = ? WHERE case_id = ?", row)


_FILL = {
    "sqlite": "UPDATE cases SET detector = json_extract(body, '$.detector'), "
    "newest = json_extract(body, '$.looks[#-1].on')",
    "postgresql": "UPDATE cases SET detector = CAST(body AS json) ->> 'detector', "
    "newest = CAST(body AS json) -> 'looks' -> -1 ->> 'on', "
    "traced = decode(CAST(body AS json) ->> 'traced', 'hex')",
}
