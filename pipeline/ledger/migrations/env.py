"""Alembic's door: the connection comes from whoever upgrades, never from a file."""

from __future__ import annotations

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
