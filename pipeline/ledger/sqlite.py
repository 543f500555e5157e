"""The ledger in one SQLite file.

Rollback journal and full synchronisation rather than WAL: one writer, few transactions, and a
kill or power cut at any instant leaves the state before or after a run. Never let GDAL open this
file in the same process.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event as sa_event
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlalchemy.pool import NullPool

from pipeline.errors import ConfigurationError, DiskFullError
from pipeline.io.atomic import disk_full_named
from pipeline.io.failpoints import failpoint
from pipeline.ledger.sql import SqlLedger
from pipeline.ledger.tables import REVISION
from pipeline.ledger.upgrade import bring_forward, form_of, refuse_newer


class SqliteLedger(SqlLedger):
    """A ledger in a file; see ``open_ledger``."""

    def __init__(self, path: Path, *, writing: bool = True) -> None:
        self.path = path
        self.name = str(path)
        self._engine = sa.create_engine(f"sqlite:///{path}", poolclass=NullPool)
        sa_event.listen(self._engine, "connect", _prepare_connection)
        sa_event.listen(self._engine, "begin", _begin_immediate if writing else _begin)

    def set_up(self, *, writing: bool = True) -> None:
        """Make the tables, or check that they are ours; one of an older form becomes ours.

        Before that a copy of it is made beside it, which nothing here removes again.

        Parameters
        ----------
        writing : bool
            A reader makes and changes nothing.

        Raises
        ------
        ConfigurationError
            If the file is no ledger, or one of a newer program.
        """
        try:
            with self.connect() as connection:
                form = form_of(connection, self.name)
                if form is None and not writing:
                    raise _unusable(self.path, "it holds no table of a ledger")
                if form is None:
                    bring_forward(connection, None)
            if writing and form is not None:
                refuse_newer(form, self.name)
            if writing and form is not None and form < REVISION:
                copy_file(self.path, self.path.with_name(f"{self.path.name}.before-{REVISION}"))
                with self.connect() as connection:
                    bring_forward(connection, form)
                    failpoint("ledger.before_upgrade")
        except DatabaseError as error:
            raise _unusable(self.path, str(error.orig)) from error

    @contextmanager
    def connect(self) -> Generator[sa.Connection]:
        """Give a connection within a transaction, which commits when left without an error."""
        with disk_full_named(self.path):
            try:
                with self._engine.begin() as connection:
                    yield connection
            except OperationalError as error:
                if "full" not in str(error.orig):
                    raise
                raise DiskFullError(
                    f"no space is left on the disk for the ledger {self.path}",
                    "Free some space, then run again: the ledger is as it was before",
                ) from error


def copy_file(path: Path, target: Path) -> None:
    """Copy a SQLite file as it stands at one instant, whole or not at all; a copy is never redone.

    Through SQLite's own backup, which other programs that write it meanwhile do not disturb.
    """
    if target.exists():
        return
    partial = target.with_name(f".{target.name}.partial")
    with disk_full_named(target):
        partial.unlink(missing_ok=True)
        try:
            with (
                closing(sqlite3.connect(path, timeout=120)) as source,
                closing(sqlite3.connect(partial)) as copy,
            ):
                source.backup(copy)
            partial.replace(target)
        except sqlite3.OperationalError as error:
            if "full" not in str(error):
                raise
            raise DiskFullError(
                f"no space is left on the disk while copying {path}",
                "Free some space, then run again: the ledger is as it was before",
            ) from error
        finally:
            partial.unlink(missing_ok=True)


def _unusable(path: Path, why: str) -> ConfigurationError:
    return ConfigurationError(
        f"{path} cannot be used as a ledger ({why})",
        "Name another file, or restore this one from a backup",
    )


def _prepare_connection(connection: Any, _record: Any) -> None:
    # The driver's own BEGIN comes too late and leaves DDL outside: we begin ourselves.
    connection.isolation_level = None
    for pragma in ("journal_mode=DELETE", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}").close()
    # Whoever lists a large ledger makes a run wait, and the other way round; neither shall fail.
    connection.execute("PRAGMA busy_timeout=120000").close()


def _begin(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN")


def _begin_immediate(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
