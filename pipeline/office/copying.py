"""Copying databases for a backup: whole, or named as damaged."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy.exc import DatabaseError

from pipeline.errors import ConfigurationError
from pipeline.ledger.sqlite import copy_file

_BUSY = sqlite3.OperationalError  # locked, or not to be opened: says nothing of what it holds


def copy_whole(path: Path, target: Path) -> None:
    """Copy a database as it stands; raises ``sqlite3.DatabaseError`` where the copy is damaged.

    A page that was cut off at the end is copied without a word, as zeros.
    """
    copy_file(path, target)
    with closing(sqlite3.connect(target)) as copy:
        found = [str(line) for (line,) in copy.execute("PRAGMA quick_check(1)")]
    if found != ["ok"]:
        raise sqlite3.DatabaseError(found[0] if found else "it has no pages")


@contextmanager
def unharmed(path: Path) -> Generator[None]:
    """Say of a database that SQLite cannot read through that it is damaged.

    Raises
    ------
    ConfigurationError
        It is.
    """
    try:
        yield
    except (sqlite3.DatabaseError, DatabaseError) as error:
        said = error.orig if isinstance(error, DatabaseError) else error
        if not isinstance(said, sqlite3.DatabaseError) or isinstance(said, _BUSY):
            raise
        raise ConfigurationError(
            f"{path} is damaged ({' '.join(str(said).split())}), and nothing was kept",
            "Restore it from an earlier backup; see siluan restore",
        ) from error
