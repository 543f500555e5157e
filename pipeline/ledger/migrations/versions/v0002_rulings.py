"""Rulings, and what people said: in the body of a case, so no table changes.

A program of before cannot read them, so the schema version counts up.
"""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Say that programs of version 1 cannot read this ledger any more."""
    op.execute("UPDATE meta SET value = '2' WHERE key = 'schema_version'")
