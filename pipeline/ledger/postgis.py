"""The ledger in a PostgreSQL database with PostGIS, in a schema of its own.

Whoever opens it for writing holds an advisory lock for as long; it is a lock of the connection, so
a dead holder lets go. All transactions of the holder run on that same connection: once it is lost
nothing more can be written, and nobody can have written in between.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Generator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event as sa_event
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import NullPool, QueuePool

from pipeline.errors import (
    ConfigurationError,
    DiskFullError,
    LedgerHeldError,
    LedgerUnreachableError,
)
from pipeline.io.secrets import clean, hide
from pipeline.ledger.address import PASSWORD_ENV
from pipeline.ledger.maps import create_views
from pipeline.ledger.sql import SqlLedger
from pipeline.ledger.tables import REVISION
from pipeline.ledger.upgrade import bring_forward, form_of, refuse_newer

SCHEMA = "siluan"
"""Schema of the tables. One database holds one office's ledger."""

_LOCK = 0x51A4  # with the hash of the schema's name: the advisory lock of the one writer
_GONE_S = 5.0  # the server ends the statement of a holder that was killed before it sees that
_WHY_MOST = 300  # characters of what a database says: several hosts say the same several times
_DISK_FULL, _NO_RIGHT = "53100", "42501"
_UNREACHED = ("08", "28", "3D", "57")  # classes: connection, log-in, no such database, shut down

# A lost network is noticed within a minute, on either side, and the lock goes with it.
_PATIENCE = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
}
_SERVER = (
    f"-c search_path={SCHEMA},public -c tcp_keepalives_idle=30 -c tcp_keepalives_interval=10 "
    "-c tcp_keepalives_count=3 -c timezone=UTC"
)


class PostgisLedger(SqlLedger):
    """A ledger in a database; see ``open_ledger``."""

    def __init__(self, url: str, *, pooled: bool = False) -> None:
        """Name a database; ``pooled`` keeps connections for whoever reads often, until closed."""
        self.name = url
        self._engine = _engine(url, pooled=pooled)
        self._held: sa.Connection | None = None

    def set_up(self, *, writing: bool = True) -> None:
        """Make the tables, or check that they are ours; one of an older form becomes ours.

        Raises
        ------
        ConfigurationError
            There is no ledger to read, PostGIS is missing, or a newer program wrote it.
        """
        with self.connect() as connection:
            if writing:
                _make_ready(connection, self.name)
            form = form_of(connection, self.name)
            if form is None and not writing:
                raise ConfigurationError(
                    f"there is no ledger at {self.name}", "Run a workflow first"
                )
            if not writing:
                self.form = form or REVISION
                return
            if form is not None:
                refuse_newer(form, self.name)
            if form != REVISION:
                if form is not None:
                    _copy_schema(connection, form)
                bring_forward(connection, form)
                create_views(connection)

    def close(self) -> None:
        """Let go of the connections that were kept."""
        self._engine.dispose()

    @contextmanager
    def hold(self) -> Generator[None]:
        """Hold the ledger against other runs for as long as the block runs.

        Raises
        ------
        LedgerHeldError
            If another run holds it, on this machine or another.
        """
        with self._said():
            connection = self._engine.connect()
        try:
            with self._said():
                holder = _take(connection)
            if holder is not None:
                raise LedgerHeldError(
                    f"the ledger {self.name} is held by another run ({holder})",
                    "Wait until it ends, or end it, then run again",
                )
            self._held = connection
            yield
        finally:
            self._held = None
            connection.close()  # the session ends, and the lock with it

    @contextmanager
    def connect(self) -> Generator[sa.Connection]:
        """Give a connection within a transaction, which commits when left without an error."""
        with self._said():
            if self._held is not None:
                with self._held.begin():
                    yield self._held
            else:
                with self._engine.begin() as connection:
                    yield connection

    @contextmanager
    def _said(self) -> Generator[None]:
        """Turn what the database says into sentences without secrets."""
        try:
            yield
        except DBAPIError as error:
            state = getattr(error.orig, "sqlstate", None)
            lines = clean(str(error.orig)).strip().splitlines() or [type(error.orig).__name__]
            if state == _DISK_FULL:
                raise DiskFullError(
                    f"no space is left on the disk of the ledger {self.name}",
                    "Free some space there, then run again: the ledger is as it was before",
                ) from error
            if state == _NO_RIGHT:
                raise ConfigurationError(
                    f"the database {self.name} refuses what a ledger needs ({lines[0]})",
                    "Give its user the right to create a schema in it; see docs/postgis.md",
                ) from error
            lost = isinstance(error, OperationalError) and (state or "08")[:2] in _UNREACHED
            if error.connection_invalidated or lost:
                # All of it: what it says last may be the end of a sentence, or the cause.
                why = " ".join(" ".join(lines).split())[:_WHY_MOST]
                raise LedgerUnreachableError(
                    f"the ledger {self.name} cannot be reached ({why})",
                    "See that the database runs and that its password stands in "
                    f"{PASSWORD_ENV}, then run again: the ledger is as it was before",
                ) from None
            raise


def _engine(url: str, *, pooled: bool) -> sa.Engine:
    if find_spec("psycopg") is None:
        raise ConfigurationError(
            f"the ledger is {url}, and the driver of PostgreSQL is not installed",
            "Install it: pip install 'siluan[postgis]'",
        )
    password = os.environ.get(PASSWORD_ENV) or None
    for secret in (password, os.environ.get("PGPASSWORD")):
        hide(secret)
    address = sa.make_url(url).set(drivername="postgresql+psycopg", password=password)
    engine = sa.create_engine(
        address,
        # The lock is of its connection: a pool would keep both. Nobody holds it over a pool.
        poolclass=QueuePool if pooled else NullPool,
        pool_pre_ping=pooled,  # the server may have been restarted since
        isolation_level="REPEATABLE READ",
        hide_parameters=True,  # names of persons have no business in messages of errors
        connect_args={
            **_PATIENCE,
            "options": _SERVER,
            "application_name": f"siluan {os.getpid()}@{socket.gethostname()}"[:63],
        },
    )
    sa_event.listen(engine, "connect", _prepare)
    return engine


def _prepare(connection: Any, _record: Any) -> None:
    connection.prepare_threshold = None  # poolers between us and the server lose prepared ones


def _take(connection: sa.Connection) -> str | None:
    """Take the lock; say who holds it where that cannot be."""
    ask = sa.text("SELECT pg_try_advisory_lock(:lock, hashtext(:schema))")
    until = time.monotonic() + _GONE_S
    while True:
        with connection.begin():
            if connection.execute(ask, {"lock": _LOCK, "schema": SCHEMA}).scalar_one():
                return None
            if time.monotonic() > until:
                return _holder(connection)
        time.sleep(0.1)


def _holder(connection: sa.Connection) -> str:
    """Say who holds the lock, as far as the database tells us."""
    query = (
        "SELECT a.application_name FROM pg_locks l JOIN pg_stat_activity a USING (pid) "
        "WHERE l.locktype = 'advisory' AND l.classid = :lock AND l.granted "
        "AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    return connection.execute(sa.text(query), {"lock": _LOCK}).scalar() or "unknown"


def _make_ready(connection: sa.Connection, name: str) -> None:
    there = "SELECT count(*) FROM pg_extension WHERE extname = 'postgis'"
    if not connection.execute(sa.text(there)).scalar_one():
        raise ConfigurationError(
            f"the database {name} has no PostGIS",
            "Let its administrator run there: CREATE EXTENSION postgis",
        )
    found = connection.execute(
        sa.text("SELECT count(*) FROM pg_namespace WHERE nspname = :schema"), {"schema": SCHEMA}
    )
    if not found.scalar_one():
        connection.exec_driver_sql(f"CREATE SCHEMA {SCHEMA}")


def _copy_schema(connection: sa.Connection, form: str) -> None:
    """Keep the tables of an earlier form beside the ledger, before they are changed."""
    copy = _free_schema(connection, f"{SCHEMA}_before_{REVISION}")
    connection.exec_driver_sql(f"CREATE SCHEMA {copy}")
    for table in ("meta", "cases", "revisions", "events"):
        connection.exec_driver_sql(f"CREATE TABLE {copy}.{table} AS TABLE {SCHEMA}.{table}")
    connection.exec_driver_sql(f"COMMENT ON SCHEMA {copy} IS 'ledger of form {form}'")


def _free_schema(connection: sa.Connection, name: str) -> str:
    """Give a schema's name that is not taken: an earlier copy stays as it is."""
    found = connection.execute(sa.text("SELECT nspname FROM pg_namespace")).scalars()
    taken = set(found)
    n, free = 1, name
    while free in taken:
        n += 1
        free = f"{name}_{n}"
    return free
