"""Copying databases for a backup: whole, or named as damaged."""

from __future__ import annotations

import sqlite3
import zlib
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
    """Say of a database that cannot be read through that it is damaged.

    A page may be whole for SQLite where the packed text of a row in it is not.

    Raises
    ------
    ConfigurationError
        It is.
    """
    try:
        yield
    except (sqlite3.DatabaseError, DatabaseError, zlib.error) as error:
        said = error.orig if isinstance(error, DatabaseError) else error
        if not isinstance(said, sqlite3.DatabaseError | zlib.error) or isinstance(said, _BUSY):
            raise
        raise ConfigurationError(
            f"{path} is damaged ({' '.join(str(said).split())}), and nothing was kept",
            "Restore it from an earlier backup; see siluan restore",
        ) from error


@contextmanager
def named_as(copy: Path, path: Path) -> Generator[None]:
    """Let what is wrong with a copy be said of the file that it was made of.

    Raises
    ------
    ConfigurationError
        Something is.
    """
    try:
        yield
    except ConfigurationError as error:
        what = error.what.replace(str(copy), str(path))
        raise ConfigurationError(what, error.remedy) from error
