"""The edge between the ledger's rules and whatever keeps it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from pipeline.ledger.context import Event
from pipeline.ledger.match import Outline
from pipeline.ledger.proposing import ProposeOptions
from pipeline.model import Case, EvidenceState, Kind, Status


@dataclass(frozen=True, slots=True)
class Box:
    """A place at which cases are asked for."""

    corridor_id: str
    crs: str  # cases in other CRS are not meant
    min_x: float  # m, in crs
    min_y: float
    max_x: float
    max_y: float


@dataclass(frozen=True, slots=True)
class Narrow:
    """Which cases are asked for, by what is told without reading them; None: whatever it is."""

    corridors: Collection[str] | None = None
    kinds: Collection[Kind] | None = None
    statuses: Collection[Status] | None = None
    states: Collection[EvidenceState] | None = None
    merged: bool = True  # those that became part of another as well


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """What a case is and where it lies: as much as a report counts by."""

    case_id: str
    revision: int
    corridor_id: str
    kind: Kind
    county_code: str | None
    county_zh: str | None
    township_zh: str | None


class LedgerReader(Protocol):
    """What can be read of a ledger; every answer is of one instant."""

    def cases(
        self, only: Collection[str] | None = None, *, corridors: Collection[str] | None = None
    ) -> tuple[Case, ...]:
        """Give the whole projection, or the cases of some ids or corridors, by case id."""
        ...

    def outlines(self, boxes: Sequence[Box]) -> tuple[Outline, ...]:
        """Give what finds the cases whose outlines may touch one of some boxes, by case id."""
        ...

    def newest_looks(self) -> dict[str, datetime]:
        """Give the newest look (UTC) at any case by corridor."""
        ...

    def systems(self, corridors: Collection[str] | None = None) -> tuple[tuple[str, str], ...]:
        """Give each corridor (of some, or of all) with each CRS that its cases have, sorted."""
        ...

    def names(self, wanted: Collection[str]) -> frozenset[str]:
        """Give the ids that are taken among ``wanted`` and those numbered after them (X-2)."""
        ...

    def count(self) -> int:
        """Count the cases, merged ones too."""
        ...

    def count_events(self) -> int:
        """Count the events."""
        ...

    def events(self, only: Collection[str] | None = None) -> tuple[Event, ...]:
        """Give all events, or those of some case ids, oldest first."""
        ...

    def proposing(self) -> ProposeOptions:
        """Give by which numbers the last patrol proposed; the default before there was one."""
        ...

    def told(self, what: Literal["lead", "status"], new: Collection[str]) -> tuple[Event, ...]:
        """Give the events that said one of some words, oldest first."""
        ...


class LedgerTransaction(LedgerReader, Protocol):
    """One run's reading and writing; all of it becomes visible, or nothing."""

    def write(self, changed: Sequence[Case], events: Sequence[Event], /) -> None:
        """Keep changed cases, their new revisions, and append events."""
        ...

    def keep_proposing(self, options: ProposeOptions, /) -> None:
        """Keep by which numbers a patrol proposes: edits and inspections then say the same."""
        ...


class LedgerStore(LedgerReader, Protocol):
    """A ledger that was opened; opening for writing holds it against other runs.

    Reads side by side (one iterator begun before another has ended, several threads) are for a
    store that was opened for reading; one that is held for writing promises nothing of the kind.
    """

    def transaction(
        self, before_commit: Callable[[], None]
    ) -> AbstractContextManager[LedgerTransaction]:
        """Open the transaction of a run; it commits when left without an error."""
        ...

    def scan(self, narrow: Narrow | None = None) -> Iterator[Case]:
        """Give all cases, or those asked for, by id, a few in memory at a time."""
        ...

    def revisions(self, case_id: str) -> tuple[Case, ...]:
        """Give all revisions of a case as they were delivered, oldest first."""
        ...

    def events_since(self, seq: int, limit: int) -> tuple[tuple[int, Event], ...]:
        """Give the events after a number, each with its own, oldest first; at most ``limit``.

        Numbers count up in the order in which events were kept, may have gaps, and begin above 0.
        """
        ...

    def whereabouts(self) -> Generator[Whereabouts]:
        """Give what and where all cases are, by id, a few in memory at a time."""
        ...

    def histories(self, upto: int) -> Generator[tuple[str, tuple[Event, ...]]]:
        """Give the events of each case up to a number, cases by id, a few in memory at a time."""
        ...

    def kept(self, wanted: Mapping[str, int]) -> tuple[Case, ...]:
        """Give cases as the named revision of each was delivered, by case id; unknown ones not."""
        ...
