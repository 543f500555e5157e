"""What leaves the office of what happened in the ledger. Pure.

Only cases that people hold leave, the first time when they are issued (or found to be a problem);
from then on every revision does until they end. What ended is not spoken of again unless its status
changes or it comes back. A case that imagery has again (taken in again, not yet issued) is shown as
people last decided on it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from pipeline.ledger import Event
from pipeline.model import Case, Status

OUT = frozenset({Status.ISSUED, Status.VERIFIED, Status.RECTIFYING, Status.RELAPSED})
"""Statuses in which a case is the receiver's too."""

ENDED = frozenset({Status.CLOSED, Status.REJECTED, Status.PERMITTED, Status.WITHDRAWN})

_MOVED = frozenset(s.value for s in OUT)


class Change(StrEnum):
    """What a delivery says."""

    NEW = "new"
    UPDATED = "updated"
    ENDED = "ended"
    REOPENED = "reopened"
    SNAPSHOT = "snapshot"  # of a full number: it stands so


@dataclass(frozen=True, slots=True)
class Held:
    """What was last handed over of a case."""

    revision: int
    status: Status
    ended: bool


@dataclass(frozen=True, slots=True)
class Item:
    """One case that is to be handed over, at one revision."""

    case_id: str
    revision: int
    change: Change
    old_status: Status | None
    status: Status
    reason: str | None  # of its end: a code, or "merged"
    successor: str | None
    events: tuple[Event, ...]  # since it was last handed over
    automatic: bool = False  # imagery issued it, by a rule of the office


AUTOMATIC = "siluan deliver (automatic issue)"
"""The command that stands in the events of what was issued by a rule."""


def concerned(events: Iterable[Event], held: Collection[str]) -> list[str]:
    """Give the ids of which something may have to be said: known outside, or moved there."""
    found = {
        e.case_id for e in events if e.case_id in held or (e.what == "status" and e.new in _MOVED)
    }
    return sorted(found)


def item_of(case: Case, held: Held | None, events: tuple[Event, ...]) -> Item | None:
    """Give what is to be said of a case; None where there is nothing.

    Parameters
    ----------
    case : Case
        As it stands.
    held : Held, optional
        As it was last handed over.
    events : tuple of Event
        Of this case, those not heard of yet, oldest first.
    """
    revision, status, reason = case.revision, case.status, _reason(case)
    if case.merged_into is None and status not in OUT | ENDED:
        end = _last_end(events)
        if held is None or held.ended or end is None:
            return None
        revision, status, reason = end.revision, Status(str(end.new)), end.detail.get("reason")
    ended = case.merged_into is not None or status in ENDED
    change = _change(held, revision, status, ended)
    if change is None:
        return None
    return Item(
        case_id=case.case_id,
        revision=revision,
        change=change,
        old_status=held.status if held else None,
        status=status,
        reason=reason if ended else None,
        successor=case.merged_into,
        events=tuple(e for e in events if e.revision <= revision),
        automatic=_automatic(events) if change in (Change.NEW, Change.REOPENED) else False,
    )


def after(item: Item) -> Held:
    """Give what is held of a case once an item was handed over."""
    ended = item.successor is not None or item.status in ENDED
    return Held(item.revision, item.status, ended)


def by_case(events: Iterable[Event], ids: Collection[str]) -> Mapping[str, tuple[Event, ...]]:
    """Sort events by case, of some cases, in their order."""
    found: dict[str, list[Event]] = {i: [] for i in ids}
    for event in events:
        if event.case_id in found:
            found[event.case_id].append(event)
    return {i: tuple(e) for i, e in found.items()}


def _change(held: Held | None, revision: int, status: Status, ended: bool) -> Change | None:
    if held is None:
        return None if ended else Change.NEW
    if revision <= held.revision:
        return None
    if ended:
        if not held.ended:
            return Change.ENDED
        return Change.UPDATED if status is not held.status else None
    return Change.REOPENED if held.ended else Change.UPDATED


def _reason(case: Case) -> str | None:
    if case.merged_into is not None:
        return "merged"
    if case.status is Status.CLOSED:
        return "closed"
    return case.people.reason if case.people else None


def _last_end(events: Iterable[Event]) -> Event | None:
    ends = [e for e in events if e.what == "status" and e.new in ENDED]
    return ends[-1] if ends else None


def _automatic(events: Iterable[Event]) -> bool:
    issued = [e for e in events if e.what == "status" and e.new == Status.ISSUED]
    return bool(issued) and issued[-1].detail.get("command") == AUTOMATIC
