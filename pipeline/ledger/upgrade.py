"""Bringing a ledger of an earlier form to today's, by alembic; from inside one transaction."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from pipeline.errors import ConfigurationError
from pipeline.ledger.tables import READABLE, REVISION, alembic_version, create_tables, meta

_MARKED = {"1": "0001", "2": "0002"}  # schema versions of ledgers from before there were migrations


def form_of(connection: sa.Connection, name: str) -> str | None:
    """Give the migration that a ledger is at; None where there is no ledger yet.

    Raises
    ------
    ConfigurationError
        It was written by a newer program.
    """
    tables = set(sa.inspect(connection).get_table_names())
    if "meta" not in tables:
        return None
    query = sa.select(meta.c.value).where(meta.c.key == "schema_version")
    found = connection.execute(query).scalar_one()
    if found not in READABLE:
        raise ConfigurationError(
            f"the ledger {name} has schema version {found}, this program {READABLE[-1]}",
            "Use the program that wrote it, or a newer one",
        )
    if "alembic_version" not in tables:
        return _MARKED[found]
    return str(connection.execute(sa.select(alembic_version.c.version_num)).scalar_one())


def refuse_newer(form: str, name: str) -> None:
    """Refuse to write a ledger that a newer program has extended.

    Raises
    ------
    ConfigurationError
        It would no longer be whole for that program.
    """
    if form > REVISION:
        raise ConfigurationError(
            f"the ledger {name} is of form {form}, and this program writes {REVISION} (it can "
            "still read it)",
            "Use the program that wrote it, or a newer one",
        )


def bring_forward(connection: sa.Connection, form: str | None, to: str = REVISION) -> None:
    """Make a new ledger, or take one of an earlier form to ``to``."""
    if form is None and to == REVISION:
        create_tables(connection)
        return
    # A quarter of a second, and most ledgers are of today's form.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", (Path(__file__).parent / "migrations").as_posix())
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    if form is not None and "alembic_version" not in sa.inspect(connection).get_table_names():
        command.stamp(config, form)
    command.upgrade(config, to)
