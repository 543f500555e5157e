"""What the ledger's events say of a case on any day. Pure.

The day of what a person did is the day it holds for (``on``), not that on which it was typed; of a
run it is the end of its period. Within a case days never go back: a decision that was entered
late, with a day before the one it followed, counts on that one's day. A run whose period ends after
somebody decided counts on the day of the decision, because it was before it in the ledger.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import groupby

from pipeline.ledger import Event
from pipeline.ledger.context import CONFIRMED
from pipeline.model import EvidenceState, Status, office_day

_OPENING = frozenset({Status.WATCH, Status.SUSPECTED})
_DECIDED = frozenset({Status.REJECTED, Status.PERMITTED, Status.WITHDRAWN})


@dataclass(frozen=True, slots=True)
class State:
    """How a case stands, as far as reports count it."""

    status: Status
    absorbed: bool = False  # another case took it over
    produced: bool = True
    suppressed: bool = False
    overdue: bool = False  # 逾期
    on_account: bool = False  # 挂账


@dataclass(frozen=True, slots=True)
class Move:
    """A case went from one state to another; ``before`` is None where it was opened."""

    case_id: str
    on: date
    before: State | None
    after: State
    reason: str  # code, "" where none was given


def moves_of(events: Iterable[Event]) -> dict[str, tuple[Move, ...]]:
    """Give the moves of every case, oldest first.

    Parameters
    ----------
    events : iterable of Event
        In the ledger's order; the first so many of them are the ledger as it was then.
    """
    ordered = sorted(events, key=lambda e: e.case_id)  # stable: each case keeps its order
    found = ((i, list(g)) for i, g in groupby(ordered, key=lambda e: e.case_id))
    return {i: moves_in(i, history) for i, history in found}


def moves_in(case_id: str, history: Sequence[Event]) -> tuple[Move, ...]:
    """Give the moves of one case, oldest first, of its events in the ledger's order."""
    return tuple(_moves(case_id, history))


def state_on(moves: Sequence[Move], day: date) -> State | None:
    """Give the state at the end of a day; None before the case was opened."""
    known = [m.after for m in moves if m.on <= day]
    return known[-1] if known else None


def _moves(case_id: str, history: Sequence[Event]) -> list[Move]:
    moves: list[Move] = []
    state: State | None = None
    for event, on in zip(history, _days(history), strict=True):
        after = _after(state, event)
        if after is not None and after != state:
            moves.append(Move(case_id, on, state, after, event.detail.get("reason", "")))
            state = after
    return moves


def _after(state: State | None, event: Event) -> State | None:
    """Give the state after an event."""
    new = event.new
    if event.what == "opened":
        confirmed = EvidenceState(new or "first") in CONFIRMED
        return State(Status.SUSPECTED if confirmed else Status.WATCH)
    if state is None:
        return None
    changes: dict[str, dict[str, bool]] = {
        "absorbed": {"absorbed": new is not None},
        "lost": {"produced": False},
        "found": {"produced": True},
        "screened": {"suppressed": (new or "").startswith("suppressed")},
        "overdue": {"overdue": new is not None},
        "on_account": {"on_account": new is not None},
        "lead": {"produced": True} if state.status in _OPENING else {},
    }
    if event.what == "status":
        return _moved(state, Status(new or state.status))
    return replace(state, **changes.get(event.what, {}))


def _moved(state: State, status: Status) -> State:
    """Give the state with another status; what a person takes in again is on a list again."""
    if state.status in _DECIDED and status not in _DECIDED:
        return replace(state, status=status, produced=True, suppressed=False)
    return replace(state, status=status)


def _days(history: Sequence[Event]) -> list[date]:
    """Give the day each event of a case counts on, in the ledger's order; they never go back."""
    days: list[date] = []
    latest = date.max
    for event in reversed(history):  # what came before a decision is not after it
        own = _own_day(event)
        if not _of_person(event):
            own = min(own, latest)
        else:
            latest = own if latest is date.max else min(latest, own)
        days.append(own)
    days.reverse()
    for i in range(1, len(days)):
        days[i] = max(days[i], days[i - 1])
    return days


def _of_person(event: Event) -> bool:
    return "by" in event.detail


def _own_day(event: Event) -> date:
    said = event.detail.get("on") if _of_person(event) else None
    return date.fromisoformat(said) if said else office_day(event.as_of)
