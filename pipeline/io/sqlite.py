"""SQLite files that must outlive a kill at any instant, through SQLAlchemy.

Rollback journal and full synchronisation rather than WAL: one writer, few transactions, and a kill
or power cut leaves the state before or after one of them.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event as sa_event
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import Pool

from pipeline.errors import DiskFullError
from pipeline.io.atomic import disk_full_named

_PRAGMAS = ("journal_mode=DELETE", "synchronous=FULL", "foreign_keys=ON")


def open_engine(
    path: Path | None, pool: type[Pool], *, busy_s: float = 10, writing: bool = True
) -> sa.Engine:
    """Give the engine of a file; None: of a database in memory.

    Parameters
    ----------
    busy_s : float
        For which a connection waits while another holds the file [s].
    writing : bool
        A transaction takes the file at once, so that it cannot be refused in its middle.
    """
    engine = sa.create_engine(f"sqlite:///{path}" if path else "sqlite://", poolclass=pool)

    def prepare(connection: Any, _record: Any) -> None:
        # The driver's own BEGIN comes too late and leaves DDL outside: we begin ourselves.
        connection.isolation_level = None
        for pragma in (*_PRAGMAS, f"busy_timeout={busy_s * 1000:.0f}"):
            connection.execute(f"PRAGMA {pragma}").close()

    def begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")

    sa_event.listen(engine, "connect", prepare)
    sa_event.listen(engine, "begin", begin)
    return engine


@contextmanager
def connected(engine: sa.Engine, path: Path, what: str, kept: str) -> Generator[sa.Connection]:
    """Give a connection within a transaction, which commits when left without an error.

    Parameters
    ----------
    what, kept : str
        What the file is, and what can be said of it after a full disk.

    Raises
    ------
    DiskFullError
        If the disk is full.
    """
    with disk_full_named(path):
        try:
            with engine.begin() as connection:
                yield connection
        except OperationalError as error:
            if "full" not in str(error.orig):
                raise
            raise DiskFullError(
                f"no space is left on the disk for the {what} {path}",
                f"Free some space, then run again: {kept}",
            ) from error
