"""The edge between the ledger's rules and whatever keeps it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from pipeline.ledger.lifecycle import Event
from pipeline.model import Case


@dataclass(frozen=True, slots=True)
class Box:
    """A place at which cases are asked for."""

    corridor_id: str
    crs: str  # cases in other CRS are not meant
    min_x: float  # m, in crs
    min_y: float
    max_x: float
    max_y: float


class LedgerReader(Protocol):
    """What can be read of a ledger; every answer is of one instant."""

    def cases(
        self, only: Collection[str] | None = None, *, corridors: Collection[str] | None = None
    ) -> tuple[Case, ...]:
        """Give the whole projection, or the cases of some ids or corridors, by case id."""
        ...

    def near(self, boxes: Sequence[Box]) -> tuple[Case, ...]:
        """Give the cases whose outlines may touch one of some boxes, by case id."""
        ...

    def systems(self, corridors: Collection[str]) -> tuple[tuple[str, str], ...]:
        """Give each corridor with each CRS that its cases have, sorted."""
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


class LedgerTransaction(LedgerReader, Protocol):
    """One run's reading and writing; all of it becomes visible, or nothing."""

    def write(self, changed: Sequence[Case], events: Sequence[Event], /) -> None:
        """Keep changed cases, their new revisions, and append events."""
        ...


class LedgerStore(LedgerReader, Protocol):
    """A ledger that was opened; opening for writing holds it against other runs."""

    def transaction(
        self, before_commit: Callable[[], None]
    ) -> AbstractContextManager[LedgerTransaction]:
        """Open the transaction of a run; it commits when left without an error."""
        ...

    def scan(self) -> Iterator[Case]:
        """Give all cases by id, a few in memory at a time."""
        ...

    def revisions(self, case_id: str) -> tuple[Case, ...]:
        """Give all revisions of a case as they were delivered, oldest first."""
        ...

    def events_since(self, seq: int, limit: int) -> tuple[tuple[int, Event], ...]:
        """Give the events after a number, each with its own, oldest first; at most ``limit``.

        Numbers count up in the order in which events were kept, may have gaps, and begin above 0.
        """
        ...

    def kept(self, wanted: Mapping[str, int]) -> tuple[Case, ...]:
        """Give cases as the named revision of each was delivered, by case id; unknown ones not."""
        ...
