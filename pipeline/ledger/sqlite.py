"""The ledger in one SQLite file.

Never let GDAL open this file in the same process.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from filecmp import cmp
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import DatabaseError
from sqlalchemy.pool import NullPool

from pipeline.errors import ConfigurationError, DiskFullError
from pipeline.io.atomic import disk_full_named
from pipeline.io.failpoints import failpoint
from pipeline.io.sqlite import connected, open_engine
from pipeline.ledger.sql import SqlLedger
from pipeline.ledger.tables import REVISION
from pipeline.ledger.upgrade import bring_forward, form_of, refuse_newer


class SqliteLedger(SqlLedger):
    """A ledger in a file; see ``open_ledger``."""

    def __init__(self, path: Path, *, writing: bool = True) -> None:
        self.path = path
        self.name = str(path)
        # Whoever lists a large ledger makes a run wait, and the reverse; neither shall fail.
        self._engine = open_engine(path, NullPool, busy_s=120, writing=writing)

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
            if form is not None and not writing:
                self.form = form
            if writing and form is not None:
                refuse_newer(form, self.name)
            if writing and form is not None and form < REVISION:
                keep_before(self.path, f"{self.path.name}.before-{REVISION}")
                with self.connect() as connection:
                    bring_forward(connection, form)
                    failpoint("ledger.before_upgrade")
        except DatabaseError as error:
            raise _unusable(self.path, str(error.orig)) from error

    @contextmanager
    def connect(self) -> Generator[sa.Connection]:
        """Give a connection within a transaction, which commits when left without an error."""
        kept = "the ledger is as it was before"
        with connected(self._engine, self.path, "ledger", kept) as connection:
            yield connection


def keep_before(path: Path, name: str) -> Path:
    """Copy a file beside itself before it is changed; one that was kept already is not kept twice.

    Another file that lay there once keeps its copy: this one's has a number behind the name.
    """
    fresh = path.with_name(f".{name}.new")
    fresh.unlink(missing_ok=True)
    copy_file(path, fresh)
    n, kept = 1, path.with_name(name)
    while kept.exists():
        if cmp(fresh, kept, shallow=False):
            fresh.unlink()
            return kept
        n += 1
        kept = path.with_name(f"{name}-{n}")
    fresh.replace(kept)
    return kept


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
