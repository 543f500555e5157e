"""Leads, grades, answers of receivers and looks that wait: in the body of a case.

No table changes. A program of before cannot read such a body, so the schema version counts up.
"""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Say that programs of version 2 cannot read this ledger any more."""
    op.execute("UPDATE meta SET value = '3' WHERE key = 'schema_version'")
