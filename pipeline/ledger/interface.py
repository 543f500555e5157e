"""The edge between the ledger's rules and whatever keeps it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from pipeline.ledger.lifecycle import Event
from pipeline.model import Case


class LedgerTransaction(Protocol):
    """One run's reading and writing; all of it becomes visible, or nothing."""

    def cases(self, only: Collection[str] | None = None) -> tuple[Case, ...]:
        """Give the whole projection, or the cases of some ids, by case id."""
        ...

    def events(self, only: Collection[str] | None = None) -> tuple[Event, ...]:
        """Give all events, or those of some case ids, oldest first."""
        ...

    def write(self, changed: Sequence[Case], events: Sequence[Event], /) -> None:
        """Keep changed cases, their new revisions, and append events."""
        ...


class LedgerStore(Protocol):
    """A ledger that was opened; opening for writing holds it against other runs."""

    def transaction(
        self, before_commit: Callable[[], None]
    ) -> AbstractContextManager[LedgerTransaction]:
        """Open the transaction of a run; it commits when left without an error."""
        ...

    def cases(self, only: Collection[str] | None = None) -> tuple[Case, ...]:
        """Give the whole projection, or the cases of some ids, by case id."""
        ...

    def events(self, only: Collection[str] | None = None) -> tuple[Event, ...]:
        """Give all events, or those of some case ids, oldest first."""
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
