"""From events of the ledger to numbers of the feed, without reading the ledger whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from pipeline import __version__
from pipeline.deliver.changes import Change, Held, Item, after, by_case, concerned, item_of
from pipeline.deliver.contract import check_page
from pipeline.deliver.evidence import gather
from pipeline.deliver.features import Dressing, handed_over, restated
from pipeline.deliver.feed import Head, Page, event_mark, make_page, numbers, page_path, read_page
from pipeline.deliver.outbox import Outbox
from pipeline.deliver.outbox_tables import FEED, Cursor
from pipeline.errors import ConfigurationError, ContractError
from pipeline.ledger import LedgerStore

BATCH = 2000  # events that are read at once


@dataclass(frozen=True)
class Sheet:
    """What one number of the feed will say."""

    items: tuple[Item, ...]
    to: Cursor  # everything up to here is in it, or in earlier numbers


@dataclass(frozen=True)
class Plan:
    """What is to be handed over, in numbers of the feed."""

    sheets: tuple[Sheet, ...]
    cursor: Cursor  # after all of it
    epoch: int = 0

    @property
    def items(self) -> tuple[Item, ...]:
        """All items in order."""
        return tuple(i for s in self.sheets for i in s.items)


@dataclass(frozen=True)
class Maker:
    """What is needed to make numbers of the feed."""

    folder: Path
    evidence: Path | None  # output folder
    dressing: Dressing = field(default_factory=Dressing)
    size: int = 250  # cases in a number
    epoch: int = 0  # see ``features.epoch_of``

    def page(self, store: LedgerStore, sheet: Sheet, number: int) -> Page:
        """Make a number of what changed; pictures are copied beside the feed first.

        Raises
        ------
        ContractError
            It would break its schema, or the ledger has not kept a revision.
        """
        cases = {c.case_id: c for c in store.kept({i.case_id: i.revision for i in sheet.items})}
        lost = [i.case_id for i in sheet.items if i.case_id not in cases]
        if lost:
            raise ContractError(f"the ledger has not kept the revision of {', '.join(lost)}")
        features = [
            handed_over(
                cases[item.case_id],
                item,
                gather(self.evidence, self.folder, item.case_id, item.revision),
                number,
                self.dressing,
                self.epoch,
            )
            for item in sheet.items
        ]
        return self._checked(_head(number, sheet.to), features)

    def full(self, outbox: Outbox, first: int, cursor: Cursor) -> Iterator[Page]:
        """Make the numbers of a full set: all open cases as they were last handed over."""
        ids = outbox.ids()
        parts = [ids[i : i + self.size] for i in range(0, len(ids), self.size)] or [[]]
        for part, some in enumerate(parts, 1):
            number = first + part - 1
            features = [restated(f, Change.SNAPSHOT, number) for f in outbox.features(some)]
            head = _head(number, cursor)
            yield self._checked(replace(head, full=True, part=part, parts=len(parts)), features)

    @staticmethod
    def _checked(head: Head, features: list[dict[str, object]]) -> Page:
        page = make_page(head, features)
        check_page(page.data)
        return page


def catch_up(folder: Path, outbox: Outbox) -> bool:
    """Take in numbers that lie in the feed and that the outbox does not know.

    One is left by a kill between the two; all of them where the outbox was lost.

    Returns
    -------
    bool
        True where the outbox had known none, and there are some.
    """
    newest = outbox.newest()
    found = [n for n in numbers(folder) if n > newest]
    for number in found:
        outbox.take_in(read_page(page_path(folder, number)))
    return newest == 0 and bool(found)


def known_place(store: LedgerStore, cursor: Cursor) -> bool:
    """Tell whether the ledger still has the event that was read last."""
    if cursor.seq == 0:
        return True
    found = store.events_since(cursor.seq - 1, 1)
    return bool(found) and found[0][0] == cursor.seq and event_mark(*found[0]) == cursor.mark


def require_same(store: LedgerStore, outbox: Outbox) -> None:
    """Check that the ledger is the one that the feed was made of.

    Raises
    ------
    ConfigurationError
        It was put back from a backup, or is another one.
    """
    cursor = outbox.cursor(FEED)
    if not known_place(store, cursor):
        raise ConfigurationError(
            f"the feed goes up to event {cursor.seq} of the ledger, and the ledger has another one "
            "there, or none: it was put back from a backup, or the feed is another office's",
            "If it was put back, run siluan deliver --full: all cases are handed over again",
        )


def plan(
    store: LedgerStore, outbox: Outbox, size: int, *, epoch: int = 0, again: bool = False
) -> Plan:
    """Work out what is to be handed over since the last time; changes nothing.

    Parameters
    ----------
    size : int
        Cases in one number.
    epoch : int
        What was handed over in an earlier one is handed over again.
    again : bool
        From the first event, whatever was handed over: the ledger was put back from a backup.
    """
    start = Cursor() if again else outbox.cursor(FEED)
    binder = _Binder(size, start)
    told: dict[str, Held] = {}
    at = start
    while events := store.events_since(at.seq, BATCH):
        batch = [event for _, event in events]
        known = outbox.held({e.case_id for e in batch}, epoch) | told
        ids = concerned(batch, known)
        heard = by_case(batch, ids)
        at = Cursor(events[-1][0], event_mark(*events[-1]))
        items: list[Item] = []
        for case in store.cases(ids) if ids else ():
            item = item_of(case, known.get(case.case_id), heard[case.case_id])
            if item is not None:
                items.append(item)
                told[case.case_id] = after(item)
        binder.add(items, at)
    return Plan(binder.end(), at)


class _Binder:
    """Cuts items into numbers, each with how far it has read."""

    def __init__(self, size: int, start: Cursor) -> None:
        self._size, self._at = size, start
        self._open: list[Item] = []
        self._sheets: list[Sheet] = []

    def add(self, items: list[Item], to: Cursor) -> None:
        """Add what the events up to ``to`` say."""
        there = {i.case_id for i in self._open}
        if any(i.case_id in there for i in items):
            self._cut(self._at)  # a case stands once in a number
        self._open += items
        while len(self._open) > self._size:
            # More of the same events follows: a number that ends here has not read them all, and
            # what it said is not said again.
            self._cut(self._at, self._size)
        self._at = to
        if len(self._open) == self._size:
            self._cut(to)

    def end(self) -> tuple[Sheet, ...]:
        """Give all numbers."""
        self._cut(self._at)
        return tuple(self._sheets)

    def _cut(self, to: Cursor, size: int | None = None) -> None:
        taken, self._open = self._open[:size], self._open[size:] if size else []
        if taken:
            self._sheets.append(Sheet(tuple(taken), to))


def _head(number: int, to: Cursor) -> Head:
    return Head(number, False, 1, 1, to.seq, to.mark, __version__)
