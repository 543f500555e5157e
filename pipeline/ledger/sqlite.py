"""The ledger in one SQLite file, through SQLAlchemy.

Rollback journal and full synchronisation rather than WAL: one writer, few transactions, and a
kill or power cut at any instant leaves the state before or after a run. Never let GDAL open this
file in the same process.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, TypeAlias

import shapely
import sqlalchemy as sa
from sqlalchemy import event as sa_event
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlalchemy.pool import NullPool

from pipeline.errors import ConfigurationError, DiskFullError
from pipeline.io.atomic import disk_full_named
from pipeline.ledger.codec import dump_case, load_case
from pipeline.ledger.lifecycle import Event
from pipeline.ledger.lock import hold, refuse_network_share
from pipeline.model import Case

SCHEMA_VERSION = "2"
"""Counts up when an older program could not read what this one writes."""

_READABLE = ("1", SCHEMA_VERSION)  # 1: without rulings and what people said; read as it is

_Query: TypeAlias = "sa.Select[*tuple[Any, ...]]"

_tables = sa.MetaData()

meta = sa.Table(
    "meta",
    _tables,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)
cases = sa.Table(
    "cases",
    _tables,
    sa.Column("case_id", sa.Text, primary_key=True),
    sa.Column("corridor_id", sa.Text, nullable=False, index=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False, index=True),
    sa.Column("evidence_state", sa.Text, nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("merged_into", sa.Text),
    sa.Column("crs", sa.Text, nullable=False),
    sa.Column("min_x", sa.Float, nullable=False),  # box of the outline, in crs
    sa.Column("min_y", sa.Float, nullable=False),
    sa.Column("max_x", sa.Float, nullable=False),
    sa.Column("max_y", sa.Float, nullable=False),
    sa.Column("geometry", sa.LargeBinary, nullable=False),  # WKB, in crs
    sa.Column("body", sa.Text, nullable=False),  # JSON, see codec
)
sa.Index("cases_box", cases.c.min_x, cases.c.max_x, cases.c.min_y, cases.c.max_y)
revisions = sa.Table(
    "revisions",
    _tables,
    sa.Column("case_id", sa.Text, sa.ForeignKey("cases.case_id"), primary_key=True),
    sa.Column("revision", sa.Integer, primary_key=True),
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("geometry", sa.LargeBinary, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
)
events = sa.Table(
    "events",
    _tables,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("case_id", sa.Text, sa.ForeignKey("cases.case_id"), nullable=False, index=True),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("as_of", sa.Text, nullable=False),
    sa.Column("what", sa.Text, nullable=False),
    sa.Column("old", sa.Text),
    sa.Column("new", sa.Text),
    sa.Column("detail", sa.Text, nullable=False),
    sqlite_autoincrement=True,
)

# What was delivered stays as it was: the file itself refuses to alter it.
_FROZEN = tuple(
    f"CREATE TRIGGER IF NOT EXISTS {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
    f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
    for table in ("events", "revisions")
    for verb in ("UPDATE", "DELETE")
)


class SqliteTransaction:
    """One run's reading and writing."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def cases(self, only: Collection[str] | None = None) -> tuple[Case, ...]:
        """Give the whole projection, or the cases of some ids, by case id."""
        query = sa.select(cases.c.body, cases.c.geometry).order_by(cases.c.case_id)
        rows = [r for q in _narrowed(query, cases.c.case_id, only) for r in self._rows(q)]
        return tuple(load_case(r["body"], shapely.from_wkb(r["geometry"])) for r in rows)

    def events(self, only: Collection[str] | None = None) -> tuple[Event, ...]:
        """Give all events, or those of some case ids, oldest first."""
        query = sa.select(events).order_by(events.c.seq)
        rows = [r for q in _narrowed(query, events.c.case_id, only) for r in self._rows(q)]
        return tuple(_event(dict(row)) for row in sorted(rows, key=lambda row: row["seq"]))

    def _rows(self, query: _Query) -> Sequence[sa.RowMapping]:
        return self._connection.execute(query).mappings().all()

    def write(self, changed: Sequence[Case], new_events: Sequence[Event]) -> None:
        """Keep changed cases, their new revisions, and append events."""
        for case in changed:
            row = _row(case)
            upsert = insert(cases).values(row)
            self._connection.execute(
                upsert.on_conflict_do_update(index_elements=["case_id"], set_=row)
            )
            names = ("case_id", "revision", "geometry", "body")
            kept = {name: row[name] for name in names} | {"run_id": case.run_id}
            # New looks that could not see change the row but make no revision.
            self._connection.execute(insert(revisions).values(kept).on_conflict_do_nothing())
        if new_events:
            self._connection.execute(sa.insert(events), [_event_row(e) for e in new_events])


class SqliteLedger:
    """A ledger in a file; see ``open_ledger``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._engine = sa.create_engine(f"sqlite:///{path}", poolclass=NullPool)
        sa_event.listen(self._engine, "connect", _prepare_connection)
        sa_event.listen(self._engine, "begin", _begin_immediate)

    @contextmanager
    def transaction(self, before_commit: Callable[[], None]) -> Generator[SqliteTransaction]:
        """Open the transaction of a run; it commits when left without an error.

        Raises
        ------
        DiskFullError
            If the disk is full; the ledger is as it was before.
        """
        with self._connect() as connection:
            yield SqliteTransaction(connection)
            before_commit()

    def cases(self, only: Collection[str] | None = None) -> tuple[Case, ...]:
        """Give the whole projection, or the cases of some ids, by case id."""
        with self._connect() as connection:
            return SqliteTransaction(connection).cases(only)

    def events(self, only: Collection[str] | None = None) -> tuple[Event, ...]:
        """Give all events, or those of some case ids, oldest first."""
        with self._connect() as connection:
            return SqliteTransaction(connection).events(only)

    def revisions(self, case_id: str) -> tuple[Case, ...]:
        """Give all revisions of a case as they were delivered, oldest first."""
        query = sa.select(revisions.c.body, revisions.c.geometry)
        query = query.where(revisions.c.case_id == case_id).order_by(revisions.c.revision)
        with self._connect() as connection:
            rows = connection.execute(query).all()
        return tuple(load_case(body, shapely.from_wkb(wkb)) for body, wkb in rows)

    def events_since(self, seq: int, limit: int) -> tuple[tuple[int, Event], ...]:
        """Give the events after a number, each with its own, oldest first; at most ``limit``."""
        query = sa.select(events).where(events.c.seq > seq).order_by(events.c.seq).limit(limit)
        with self._connect() as connection:
            rows = connection.execute(query).mappings().all()
        return tuple((int(row["seq"]), _event(dict(row))) for row in rows)

    def kept(self, wanted: Mapping[str, int]) -> tuple[Case, ...]:
        """Give cases as the named revision of each was delivered, by case id; unknown ones not."""
        pair = sa.tuple_(revisions.c.case_id, revisions.c.revision)
        query = sa.select(revisions.c.body, revisions.c.geometry).order_by(revisions.c.case_id)
        pairs = sorted(wanted.items())
        with self._connect() as connection:
            rows = [
                row
                for i in range(0, len(pairs), 250)
                for row in connection.execute(query.where(pair.in_(pairs[i : i + 250]))).all()
            ]
        return tuple(load_case(body, shapely.from_wkb(wkb)) for body, wkb in rows)

    def set_up(self, *, writing: bool = True) -> None:
        """Make the tables, or check that they are ours; one of an older version becomes ours.

        Parameters
        ----------
        writing : bool
            A reader makes and changes nothing.

        Raises
        ------
        ConfigurationError
            If the file is no ledger, or one of another version.
        """
        try:
            with self._connect() as connection:
                if writing:
                    _make_tables(connection)
                query = sa.select(meta.c.value).where(meta.c.key == "schema_version")
                found = connection.execute(query).scalar_one()
                if found not in _READABLE:
                    raise ConfigurationError(
                        f"the ledger {self.path} has schema version {found}, "
                        f"this program {SCHEMA_VERSION}",
                        "Use the program that wrote it, or a newer one",
                    )
                if writing and found != SCHEMA_VERSION:
                    connection.execute(
                        sa.update(meta)
                        .where(meta.c.key == "schema_version")
                        .values(value=SCHEMA_VERSION)
                    )
        except DatabaseError as error:
            raise ConfigurationError(
                f"{self.path} cannot be used as a ledger ({error.orig})",
                "Name another file, or restore this one from a backup",
            ) from error

    @contextmanager
    def _connect(self) -> Generator[sa.Connection]:
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


@contextmanager
def open_ledger(path: Path, *, writing: bool = True) -> Generator[SqliteLedger]:
    """Open the ledger, making it where there is none.

    Parameters
    ----------
    writing : bool
        Hold it against other runs for as long as the block runs. A reader needs no lock.

    Raises
    ------
    LedgerHeldError
        If another run holds it.
    ConfigurationError
        If it would lie on a network share, is no ledger, or one of another version.
    """
    path = path.resolve()
    refuse_network_share(path)
    with ExitStack() as stack:
        if writing:
            stack.enter_context(hold(path))
        elif not path.exists():
            raise ConfigurationError(f"there is no ledger at {path}", "Run a workflow first")
        ledger = SqliteLedger(path)
        ledger.set_up(writing=writing)
        yield ledger


def _make_tables(connection: sa.Connection) -> None:
    _tables.create_all(connection)
    for trigger in _FROZEN:
        connection.execute(sa.text(trigger))
    mine = insert(meta).values(key="schema_version", value=SCHEMA_VERSION)
    connection.execute(mine.on_conflict_do_nothing())


def _prepare_connection(connection: Any, _record: Any) -> None:
    # The driver's own BEGIN comes too late and leaves DDL outside: we begin ourselves.
    connection.isolation_level = None
    for pragma in ("journal_mode=DELETE", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}").close()
    connection.execute("PRAGMA busy_timeout=10000").close()


def _begin_immediate(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _narrowed(query: _Query, column: sa.Column[Any], only: Collection[str] | None) -> list[_Query]:
    """Ask for some ids in parts that the database takes; for all of them at once."""
    if only is None:
        return [query]
    ids = sorted(set(only))
    return [query.where(column.in_(ids[i : i + 500])) for i in range(0, len(ids), 500)]


def _row(case: Case) -> dict[str, Any]:
    min_x, min_y, max_x, max_y = case.polygon.bounds
    return {
        "case_id": case.case_id,
        "corridor_id": case.corridor_id,
        "kind": case.kind.value,
        "status": case.status.value,
        "evidence_state": case.evidence.state.value,
        "revision": case.revision,
        "merged_into": case.merged_into,
        "crs": case.crs,
        "min_x": min_x,
        "min_y": min_y,
        "max_x": max_x,
        "max_y": max_y,
        "geometry": shapely.to_wkb(case.polygon, byte_order=1),
        "body": dump_case(case),
    }


def _event_row(event: Event) -> dict[str, Any]:
    return {
        "case_id": event.case_id,
        "revision": event.revision,
        "run_id": event.run_id,
        "as_of": event.as_of.isoformat(),
        "what": event.what,
        "old": event.old,
        "new": event.new,
        "detail": json.dumps(dict(event.detail), ensure_ascii=False, sort_keys=True),
    }


def _event(row: dict[str, Any]) -> Event:
    del row["seq"]
    row |= {"as_of": datetime.fromisoformat(row["as_of"]), "detail": json.loads(row["detail"])}
    return Event(**row)
