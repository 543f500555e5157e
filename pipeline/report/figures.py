"""The numbers of a report, counted from the ledger's events. Pure.

*In hand* (在办) are problems that people verified and that are neither struck off nor corrected
away: status verified, rectifying or relapsed. Each move into and out of it is counted once, so

    opening + new + again + relapsed - closed - removed = closing

holds for every group, the sum over any grouping is the total, and the closing of a period is the
opening of the next one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date, timedelta
from operator import add, attrgetter
from statistics import median

from pipeline.model import Status
from pipeline.report.period import ReportPeriod
from pipeline.report.replay import Move, State, state_on

STOCK = frozenset({Status.VERIFIED, Status.RECTIFYING, Status.RELAPSED})
_OPENING = frozenset({Status.WATCH, Status.SUSPECTED})
_EXCLUDED = frozenset({Status.REJECTED, Status.PERMITTED})
_UNLISTED = _EXCLUDED | {Status.WATCH, Status.WITHDRAWN}


@dataclass(frozen=True, slots=True)
class Facts:
    """Where a case lies and what it is, by the revision that the report rests on."""

    county: str  # code, else name, else ""
    township: str  # name, else ""
    corridor: str
    kind: str  # code


@dataclass(frozen=True, slots=True)
class Count:
    """Counts of one group; moves are counted, so a case may count twice in a period."""

    opening: int = 0  # in hand at the end of the day before
    new: int = 0  # verified for the first time
    again: int = 0  # verified again, or a 销号 taken back
    relapsed: int = 0  # closed, and relapsed by a person's word
    closed: int = 0  # 销号
    removed: int = 0  # corrected: rejected, permitted, withdrawn, issued anew, merged, not relapsed
    closing: int = 0  # in hand at the end of the last day
    to_rectifying: int = 0  # moves to rectifying
    # Of ``closing``:
    waiting: int = 0  # verified
    rectifying: int = 0
    back: int = 0  # relapsed
    overdue: int = 0
    on_account: int = 0
    # For the office only:
    suspected_new: int = 0  # cases that imagery confirmed, or people issued, for the first time
    suspected_open: int = 0  # suspected and on the list at the end
    issued_new: int = 0  # moves to issued
    issued_open: int = 0  # issued and not yet inspected at the end

    def __add__(self, other: Count) -> Count:
        """Add count by count."""
        return Count(*map(add, _VALUES(self), _VALUES(other)))


NAMES = tuple(f.name for f in fields(Count))
_VALUES = attrgetter(*NAMES)
PUBLIC = NAMES[: NAMES.index("suspected_new")]
"""Counts of verified problems; the others never leave the office."""


@dataclass(frozen=True, slots=True)
class Waited:
    """How long one step took, of those that ended in the period."""

    count: int
    median_days: float | None
    most_days: int | None


STEPS: Mapping[str, tuple[Status, Status]] = {
    "issued_verified": (Status.ISSUED, Status.VERIFIED),
    "verified_rectifying": (Status.VERIFIED, Status.RECTIFYING),
    "rectifying_closed": (Status.RECTIFYING, Status.CLOSED),
    "issued_closed": (Status.ISSUED, Status.CLOSED),
}
GROUPS: Mapping[str, Callable[[Facts], str]] = {
    "county": lambda f: f.county,
    "township": lambda f: f"{f.county}/{f.township}",
    "corridor": lambda f: f.corridor,
    "kind": lambda f: f.kind,
}


@dataclass(frozen=True)
class Figures:
    """All numbers of a period, at one revision of the ledger."""

    total: Count = Count()
    groups: Mapping[str, Mapping[str, Count]] = field(
        default_factory=dict[str, Mapping[str, Count]]
    )
    waited: Mapping[str, Waited] = field(default_factory=dict[str, Waited])
    excluded: Mapping[tuple[str, str], int] = field(default_factory=dict[tuple[str, str], int])
    in_hand: tuple[str, ...] = ()  # ids at the end of the last day
    issued: tuple[str, ...] = ()  # likewise, waiting for an inspection


def count_cases(
    moves: Mapping[str, Sequence[Move]], facts: Mapping[str, Facts], period: ReportPeriod
) -> Figures:
    """Count the cases that ``facts`` names; others are left out.

    Returns
    -------
    Figures
        ``excluded`` is by (code of the reason, "desk" or "field"): before or after it was issued.
    """
    counter = Counting(period)
    for case_id in sorted(facts):
        if case_id in moves:
            counter.add(case_id, moves[case_id], facts[case_id])
    return counter.figures()


class Counting:
    """Counts cases one by one, in any order; none is kept but the ids of those in hand."""

    def __init__(self, period: ReportPeriod) -> None:
        self._period = period
        self._total = Count()
        self._groups: dict[str, dict[str, Count]] = {name: {} for name in GROUPS}
        self._days: dict[str, list[int]] = {name: [] for name in STEPS}
        self._excluded: Counter[tuple[str, str]] = Counter()
        self.standing: dict[str, Status] = {}  # in hand or issued at the end of the last day

    def add(self, case_id: str, moves: Sequence[Move], facts: Facts) -> None:
        """Count a case with its moves, oldest first."""
        count = _count(moves, self._period)
        self._total += count
        for name, key_of in GROUPS.items():
            table, key = self._groups[name], key_of(facts)
            table[key] = table.get(key, Count()) + count
        for name, step in STEPS.items():
            self._days[name] += _waited(moves, *step, self._period)
        self._excluded.update(_excluded(m for m in moves if _in(m.on, self._period)))
        end = state_on(moves, self._period.last)
        if end is not None and (_stock(end) or _is(end, Status.ISSUED)):
            self.standing[case_id] = end.status

    def figures(self) -> Figures:
        """Give the numbers of all cases that were added."""
        return Figures(
            self._total,
            {name: dict(sorted(table.items())) for name, table in self._groups.items()},
            {
                name: Waited(len(days), float(median(days)), max(days))
                if days
                else Waited(0, None, None)
                for name, days in self._days.items()
            },
            dict(sorted(self._excluded.items())),
            tuple(sorted(i for i, s in self.standing.items() if s in STOCK)),
            tuple(sorted(i for i, s in self.standing.items() if s is Status.ISSUED)),
        )


def _count(moves: Sequence[Move], period: ReportPeriod) -> Count:
    tally: Counter[str] = Counter()
    been, shown = False, False  # in hand, on the list, ever before
    for move in moves:
        name = _flow(move, been)
        first = not shown and move.after.status not in _UNLISTED
        if _in(move.on, period):
            tally.update([name] if name else [])
            tally["to_rectifying"] += _entered(move, Status.RECTIFYING)
            tally["issued_new"] += _entered(move, Status.ISSUED)
            tally["suspected_new"] += first
        been = been or _stock(move.after)
        shown = shown or first
    opening = state_on(moves, period.first - timedelta(days=1))
    end = state_on(moves, period.last)
    tally["opening"] = int(_stock(opening))
    if end is not None and _stock(end):
        word = {Status.VERIFIED: "waiting", Status.RECTIFYING: "rectifying"}
        tally.update(["closing", word.get(end.status, "back")])
        tally["overdue"], tally["on_account"] = int(end.overdue), int(end.on_account)
    listed = end is not None and end.produced and not end.suppressed
    tally["suspected_open"] = int(listed and _is(end, Status.SUSPECTED))
    tally["issued_open"] = int(_is(end, Status.ISSUED))
    return Count(**tally)


def _flow(move: Move, been: bool) -> str | None:
    """Name a move into or out of the stock; ``been``: it was in hand before."""
    was, now = _stock(move.before), _stock(move.after)
    if was == now:
        return None
    if now:
        from_closed = move.before is not None and move.before.status is Status.CLOSED
        if from_closed and move.after.status is Status.RELAPSED:
            return "relapsed"
        return "again" if been else "new"
    closed = move.after.status is Status.CLOSED and not move.after.absorbed
    corrected = move.before is not None and move.before.status is Status.RELAPSED
    return "closed" if closed and not corrected else "removed"


def _waited(moves: Sequence[Move], start: Status, end: Status, period: ReportPeriod) -> list[int]:
    """Measure a step of one case [days]; begun several times, from its last beginning."""
    adjacent = (start, end) != STEPS["issued_closed"]
    days: list[int] = []
    since: date | None = None
    for move in moves:
        if _entered(move, start):
            since = move.on
        if since is None or not _entered(move, end):
            continue
        came = move.before.status if move.before else None
        if _in(move.on, period) and (came is start or not adjacent):
            days.append((move.on - since).days)
        since = None
    return days


def _excluded(moves: Iterable[Move]) -> Counter[tuple[str, str]]:
    found: Counter[tuple[str, str]] = Counter()
    for move in moves:
        before = move.before.status if move.before else Status.WATCH
        if move.after.status in _EXCLUDED and before not in _EXCLUDED:
            found[move.reason, "desk" if before in _OPENING else "field"] += 1
    return found


def _entered(move: Move, status: Status) -> bool:
    """Tell whether a move of the status (and not of a flag) leads there."""
    was = move.before.status if move.before else None
    return move.after.status is status and was is not status


def _stock(state: State | None) -> bool:
    return state is not None and not state.absorbed and state.status in STOCK


def _is(state: State | None, status: Status) -> bool:
    return state is not None and not state.absorbed and state.status is status


def _in(day: date, period: ReportPeriod) -> bool:
    return period.first <= day <= period.last
