"""Reading and writing a ledger through SQLAlchemy, the same for every database."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict
from datetime import datetime
from typing import Any, Literal, TypeAlias, TypeVar

import shapely
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from pipeline.errors import ConfigurationError
from pipeline.ledger.codec import dump_case, load_case
from pipeline.ledger.context import Event
from pipeline.ledger.interface import Box, Narrow, Whereabouts
from pipeline.ledger.match import Outline
from pipeline.ledger.proposing import ProposeOptions
from pipeline.ledger.streams import event_of, histories, streamed, whereabouts
from pipeline.ledger.tables import REVISION, TRACED, cases, events, meta, revisions
from pipeline.model import Case, Kind

_Query: TypeAlias = "sa.Select[*tuple[Any, ...]]"

_T = TypeVar("_T")

_PART = 500  # ids that are asked for at once
_PROPOSING = "proposing"  # key of what the ledger keeps of a patrol's options
_ROWS = 1000  # rows that are written or streamed at once

# Which cases touch which of some boxes (a JSON list); the first table of a join is read first.
_NEAR = {
    "sqlite": "SELECT {columns} FROM json_each(:boxes) w "
    "CROSS JOIN case_tree t ON t.min_x <= json_extract(w.value, '$.max_x') "
    "AND t.max_x >= json_extract(w.value, '$.min_x') "
    "AND t.min_y <= json_extract(w.value, '$.max_y') "
    "AND t.max_y >= json_extract(w.value, '$.min_y') "
    "CROSS JOIN case_boxes b ON b.id = t.id "
    "CROSS JOIN cases c ON c.case_id = b.case_id "
    "AND c.corridor_id = json_extract(w.value, '$.corridor_id') "
    "AND c.crs = json_extract(w.value, '$.crs')",
    "postgresql": "SELECT {columns} FROM json_to_recordset(CAST(:boxes AS json)) AS "
    "w(corridor_id text, crs text, min_x float8, min_y float8, max_x float8, max_y float8) "
    "JOIN cases c ON box(point(c.min_x, c.min_y), point(c.max_x, c.max_y)) && "
    "box(point(w.min_x, w.min_y), point(w.max_x, w.max_y)) "
    "AND c.corridor_id = w.corridor_id AND c.crs = w.crs",
}


_OUTLINE = "c.case_id, c.kind, c.corridor_id, c.crs, c.detector, coalesce(c.traced, c.geometry)"


class SqlTransaction:
    """Reading and writing within one transaction of a connection."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._dialect = connection.dialect.name

    def cases(
        self, only: Collection[str] | None = None, *, corridors: Collection[str] | None = None
    ) -> tuple[Case, ...]:
        """Give the whole projection, or the cases of some ids or corridors, by case id."""
        query = sa.select(cases.c.body, cases.c.geometry).order_by(cases.c.case_id)
        parts = [
            narrower
            for q in _narrowed(query, cases.c.case_id, only)
            for narrower in _narrowed(q, cases.c.corridor_id, corridors)
        ]
        found = [_case(row) for q in parts for row in self._connection.execute(q)]
        return tuple(sorted(found, key=lambda c: c.case_id)) if len(parts) > 1 else tuple(found)

    def scan(self, narrow: Narrow | None = None) -> Iterator[Case]:
        """Give all cases, or those asked for, by id, a few in memory at a time."""
        query = sa.select(cases.c.body, cases.c.geometry).order_by(cases.c.case_id)
        query = query.where(*_conditions(narrow or Narrow()))
        with self._connection.execute(streamed(query)) as rows:
            for row in rows:
                yield _case(row)

    def outlines(self, boxes: Sequence[Box]) -> tuple[Outline, ...]:
        """Give what finds the cases whose outlines may touch one of some boxes, by case id."""
        asked = json.dumps([asdict(b) for b in boxes], ensure_ascii=False, allow_nan=False)
        near = sa.text(_NEAR[self._dialect].format(columns=_OUTLINE))
        rows = {row[0]: row for row in self._connection.execute(near, {"boxes": asked})}
        # The index knows the outline that people drew, and imagery finds a case by its own.
        c = cases.alias("c")
        drawn = sa.select(sa.text(_OUTLINE)).select_from(c).where(sa.text(f"c.{TRACED}"))
        for query in _narrowed(drawn, c.c.corridor_id, {b.corridor_id for b in boxes}):
            rows |= {row[0]: row for row in self._connection.execute(query)}
        found = sorted(rows.values(), key=lambda row: row[0])
        shapes = shapely.from_wkb([bytes(row[5]) for row in found])
        return tuple(
            Outline(row[0], Kind(row[1]), row[2], row[3], shape, row[4])
            for row, shape in zip(found, shapes, strict=True)
        )

    def newest_looks(self) -> dict[str, datetime]:
        """Give the newest look (UTC) at any case by corridor."""
        query = sa.select(cases.c.corridor_id, sa.func.max(cases.c.newest))
        rows = self._connection.execute(query.group_by(cases.c.corridor_id))
        return {name: datetime.fromisoformat(on) for name, on in rows if on is not None}

    def systems(self, corridors: Collection[str] | None = None) -> tuple[tuple[str, str], ...]:
        """Give each corridor (of some, or of all) with each CRS that its cases have, sorted."""
        query = sa.select(cases.c.corridor_id, cases.c.crs).distinct()
        parts = _narrowed(query, cases.c.corridor_id, corridors)
        return tuple(sorted((r[0], r[1]) for q in parts for r in self._connection.execute(q)))

    def names(self, wanted: Collection[str]) -> frozenset[str]:
        """Give the ids that are taken among ``wanted`` and those numbered after them (X-2)."""
        query = sa.select(cases.c.case_id)
        parts = _narrowed(query, cases.c.case_id, wanted)
        taken = {name for q in parts for name in self._connection.execute(q).scalars()}
        numbered: set[str] = set()
        for name in taken:  # X-2 was only ever given where X was taken, and nothing is deleted
            later = (cases.c.case_id >= f"{name}-", cases.c.case_id <= f"{name}-~")
            numbered.update(self._connection.execute(query.where(*later)).scalars())
        return frozenset(taken | numbered)

    def count(self) -> int:
        """Count the cases, merged ones too."""
        query = sa.select(sa.func.count()).select_from(cases)
        return int(self._connection.execute(query).scalar_one())

    def count_events(self) -> int:
        """Count the events."""
        query = sa.select(sa.func.count()).select_from(events)
        return int(self._connection.execute(query).scalar_one())

    def events(self, only: Collection[str] | None = None) -> tuple[Event, ...]:
        """Give all events, or those of some case ids, oldest first."""
        query = sa.select(events).order_by(events.c.seq)
        parts = _narrowed(query, events.c.case_id, only)
        rows = [r for q in parts for r in self._connection.execute(q).mappings()]
        return tuple(event_of(row) for row in sorted(rows, key=lambda row: row["seq"]))

    def told(self, what: Literal["lead", "status"], new: Collection[str]) -> tuple[Event, ...]:
        """Give the events that said one of some words, oldest first."""
        # Literally, or SQLite does not see that its index is that of these.
        query = sa.select(events).where(sa.text(f"events.what = '{what}'"))
        parts = _narrowed(query, events.c.new, new)
        rows = [r for q in parts for r in self._connection.execute(q).mappings()]
        return tuple(event_of(row) for row in sorted(rows, key=lambda row: row["seq"]))

    def proposing(self) -> ProposeOptions:
        """Give by which numbers the last patrol proposed; the default before there was one."""
        query = sa.select(meta.c.value).where(meta.c.key == _PROPOSING)
        kept = self._connection.execute(query).scalar()
        return ProposeOptions() if kept is None else ProposeOptions.model_validate_json(kept)

    def keep_proposing(self, options: ProposeOptions) -> None:
        """Keep by which numbers a patrol proposes: edits and inspections then say the same."""
        if options != self.proposing():
            row = {"key": _PROPOSING, "value": options.model_dump_json()}
            insert = sqlite.insert if self._dialect == "sqlite" else postgresql.insert
            upsert = insert(meta).values(row)
            self._connection.execute(upsert.on_conflict_do_update(index_elements=["key"], set_=row))

    def events_since(self, seq: int, limit: int) -> tuple[tuple[int, Event], ...]:
        """Give events with their numbers, from the first after ``seq``, at most ``limit``."""
        query = sa.select(events).where(events.c.seq > seq).order_by(events.c.seq).limit(limit)
        rows = self._connection.execute(query).mappings()
        return tuple((row["seq"], event_of(row)) for row in rows)

    def revisions(self, case_id: str) -> tuple[Case, ...]:
        """Give all revisions of a case as they were delivered, oldest first."""
        query = sa.select(revisions.c.body, revisions.c.geometry)
        query = query.where(revisions.c.case_id == case_id).order_by(revisions.c.revision)
        return tuple(_case(row) for row in self._connection.execute(query))

    def kept(self, wanted: Mapping[str, int]) -> tuple[Case, ...]:
        """Give cases as the named revision of each was delivered, by case id; unknown ones not."""
        pair = sa.tuple_(revisions.c.case_id, revisions.c.revision)
        query = sa.select(revisions.c.body, revisions.c.geometry).order_by(revisions.c.case_id)
        pairs = sorted(wanted.items())
        parts = [pairs[i : i + _PART // 2] for i in range(0, len(pairs), _PART // 2)]
        return tuple(
            _case(row)
            for part in parts
            for row in self._connection.execute(query.where(pair.in_(part)))
        )

    def write(self, changed: Sequence[Case], new_events: Sequence[Event]) -> None:
        """Keep changed cases, their new revisions, and append events."""
        insert = sqlite.insert if self._dialect == "sqlite" else postgresql.insert
        upsert = insert(cases)
        upsert = upsert.on_conflict_do_update(
            index_elements=["case_id"],
            set_={c.name: upsert.excluded[c.name] for c in cases.columns if c.name != "case_id"},
        )
        # New looks that could not see change the row but make no revision.
        keep = insert(revisions).on_conflict_do_nothing()
        names = ("case_id", "revision", "geometry", "body")
        for part in _parts(changed):
            rows = [_row(case) for case in part]
            self._connection.execute(upsert, rows)
            kept = [
                {name: row[name] for name in names} | {"run_id": case.run_id}
                for row, case in zip(rows, part, strict=True)
            ]
            self._connection.execute(keep, kept)
        for part in _parts(new_events):
            self._connection.execute(sa.insert(events), [_event_row(e) for e in part])


class SqlLedger(ABC):
    """A ledger that was opened; how a transaction begins and ends is the database's own."""

    name: str  # for sentences; holds no secret
    form: str = REVISION  # what a reader found; whoever writes has brought it forward

    @abstractmethod
    def connect(self) -> AbstractContextManager[sa.Connection]:
        """Give a connection within a transaction, which commits when left without an error."""

    @contextmanager
    def transaction(self, before_commit: Callable[[], None]) -> Generator[SqlTransaction]:
        """Open the transaction of a run; it commits when left without an error.

        Raises
        ------
        DiskFullError
            If the disk is full; the ledger is as it was before.
        """
        with self.connect() as connection:
            yield SqlTransaction(connection)
            before_commit()

    def cases(
        self, only: Collection[str] | None = None, *, corridors: Collection[str] | None = None
    ) -> tuple[Case, ...]:
        """Give the whole projection, or the cases of some ids or corridors, by case id."""
        with self.connect() as connection:
            return SqlTransaction(connection).cases(only, corridors=corridors)

    def scan(self, narrow: Narrow | None = None) -> Iterator[Case]:
        """Give all cases, or those asked for, by id, a few in memory at a time."""
        with self.connect() as connection:
            yield from SqlTransaction(connection).scan(narrow)

    def outlines(self, boxes: Sequence[Box]) -> tuple[Outline, ...]:
        """Give what finds the cases whose outlines may touch one of some boxes, by case id."""
        self._refuse_older()
        with self.connect() as connection:
            return SqlTransaction(connection).outlines(boxes)

    def newest_looks(self) -> dict[str, datetime]:
        """Give the newest look (UTC) at any case by corridor."""
        self._refuse_older()
        with self.connect() as connection:
            return SqlTransaction(connection).newest_looks()

    def proposing(self) -> ProposeOptions:
        """Give by which numbers the last patrol proposed; the default before there was one."""
        with self.connect() as connection:
            return SqlTransaction(connection).proposing()

    def told(self, what: Literal["lead", "status"], new: Collection[str]) -> tuple[Event, ...]:
        """Give the events that said one of some words, oldest first."""
        with self.connect() as connection:
            return SqlTransaction(connection).told(what, new)

    def systems(self, corridors: Collection[str] | None = None) -> tuple[tuple[str, str], ...]:
        """Give each corridor (of some, or of all) with each CRS that its cases have, sorted."""
        with self.connect() as connection:
            return SqlTransaction(connection).systems(corridors)

    def names(self, wanted: Collection[str]) -> frozenset[str]:
        """Give the ids that are taken among ``wanted`` and those numbered after them (X-2)."""
        with self.connect() as connection:
            return SqlTransaction(connection).names(wanted)

    def count(self) -> int:
        """Count the cases, merged ones too."""
        with self.connect() as connection:
            return SqlTransaction(connection).count()

    def count_events(self) -> int:
        """Count the events."""
        with self.connect() as connection:
            return SqlTransaction(connection).count_events()

    def events(self, only: Collection[str] | None = None) -> tuple[Event, ...]:
        """Give all events, or those of some case ids, oldest first."""
        with self.connect() as connection:
            return SqlTransaction(connection).events(only)

    def events_since(self, seq: int, limit: int) -> tuple[tuple[int, Event], ...]:
        """Give events with their numbers, from the first after ``seq``, at most ``limit``."""
        with self.connect() as connection:
            return SqlTransaction(connection).events_since(seq, limit)

    def revisions(self, case_id: str) -> tuple[Case, ...]:
        """Give all revisions of a case as they were delivered, oldest first."""
        with self.connect() as connection:
            return SqlTransaction(connection).revisions(case_id)

    def kept(self, wanted: Mapping[str, int]) -> tuple[Case, ...]:
        """Give cases as the named revision of each was delivered, by case id; unknown ones not."""
        with self.connect() as connection:
            return SqlTransaction(connection).kept(wanted)

    def whereabouts(self) -> Generator[Whereabouts]:
        """Give what and where all cases are, by id, a few in memory at a time."""
        with self.connect() as connection:
            yield from whereabouts(connection)

    def histories(self, upto: int) -> Generator[tuple[str, tuple[Event, ...]]]:
        """Give the events of each case up to a number, cases by id, a few in memory at a time."""
        with self.connect() as connection:
            yield from histories(connection, upto)

    def _refuse_older(self) -> None:
        """Refuse to look for columns that a ledger of an earlier form has not got."""
        if self.form < REVISION:
            raise ConfigurationError(
                f"the ledger {self.name} is of form {self.form}, and this asks for what comes with "
                f"{REVISION}",
                "Let a run, or an edit by siluan cases, bring it forward first; a copy of it as it "
                "is stays beside it",
            )


def _conditions(narrow: Narrow) -> list[sa.ColumnElement[bool]]:
    asked: list[tuple[sa.Column[Any], Collection[str] | None]] = [
        (cases.c.corridor_id, narrow.corridors),
        (cases.c.kind, narrow.kinds),
        (cases.c.status, narrow.statuses),
        (cases.c.evidence_state, narrow.states),
    ]
    found: list[sa.ColumnElement[bool]] = [
        column.in_(sorted(set(words))) for column, words in asked if words is not None
    ]
    return found if narrow.merged else [*found, cases.c.merged_into.is_(None)]


def _narrowed(query: _Query, column: sa.Column[Any], only: Collection[str] | None) -> list[_Query]:
    """Ask for some ids in parts that the database takes; for all of them at once."""
    if only is None:
        return [query]
    ids = sorted(set(only))
    return [query.where(column.in_(ids[i : i + _PART])) for i in range(0, len(ids), _PART)]


def _parts(items: Sequence[_T]) -> Iterator[Sequence[_T]]:
    return (items[i : i + _ROWS] for i in range(0, len(items), _ROWS))


def _case(row: Iterable[Any]) -> Case:
    body, wkb = row
    return load_case(body, shapely.from_wkb(bytes(wkb)))


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
        "detector": case.detector,
        "traced": None if case.traced is None else shapely.to_wkb(case.traced),
        "newest": case.looks[-1].on.isoformat() if case.looks else None,
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
