"""The ledger as a report reads it: counted case by case, a few of them in memory at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice

from pipeline.ledger import Event, LedgerStore, Whereabouts
from pipeline.model import Attribution, Case, Status
from pipeline.report.figures import Counting, Facts, Figures
from pipeline.report.frozen import Mark
from pipeline.report.period import ReportPeriod
from pipeline.report.replay import moves_in

_MANY = 500  # cases in memory at once


@dataclass(frozen=True)
class Standing:
    """A case that people work on, as a report rests on it."""

    revision: int
    status: Status  # at the end of the period


@dataclass(frozen=True)
class Counted:
    """What was counted of a ledger at one mark."""

    figures: Mapping[str, Figures]  # by name of the period
    standing: Mapping[str, Standing]  # by case in hand or issued at the end of the newest period


@dataclass(frozen=True, slots=True)
class _Placed:
    case_id: str
    revision: int
    facts: Facts
    history: tuple[Event, ...]


def count_at(
    ledger: LedgerStore, mark: Mark, periods: Iterable[ReportPeriod], counties: Sequence[str]
) -> Counted:
    """Count the cases of some counties (none: all) by the first so many events of a ledger."""
    counters = {p.name: Counting(p) for p in sorted(periods, key=lambda p: p.first)}
    newest = next(reversed(counters.values()))
    standing: dict[str, Standing] = {}
    for placed in _placed(ledger, mark):
        if counties and placed.facts.county not in counties:
            continue
        moves = moves_in(placed.case_id, placed.history)
        for counter in counters.values():
            counter.add(placed.case_id, moves, placed.facts)
        status = newest.standing.get(placed.case_id)
        if status is not None:
            standing[placed.case_id] = Standing(placed.revision, status)
    return Counted({name: c.figures() for name, c in counters.items()}, standing)


def standing_cases(ledger: LedgerStore, standing: Mapping[str, Standing]) -> Iterator[Case]:
    """Give cases as the report rests on them."""
    left = iter(sorted(standing.items()))
    while part := dict(islice(left, _MANY)):
        now = ledger.cases(list(part))
        same = [c for c in now if c.revision == part[c.case_id].revision]
        yield from same
        older = {i: s.revision for i, s in part.items()}
        for case in same:
            del older[case.case_id]
        yield from ledger.kept(older)


def facts_of(place: Whereabouts) -> Facts:
    """Say by what a case counts."""
    county = place.county_code or place.county_zh or ""
    return Facts(county, place.township_zh or "", place.corridor_id, place.kind.value)


def _placed(ledger: LedgerStore, mark: Mark) -> Iterator[_Placed]:
    """Give the cases that the events know, with what they were by the last of these events."""
    changed: dict[str, tuple[Event, ...]] = {}  # since: what they were is read of what was kept
    with closing(ledger.whereabouts()) as rows, closing(ledger.histories(mark.seq)) as histories:
        row: Whereabouts | None = None
        for case_id, history in histories:
            while row is None or row.case_id < case_id:
                row = next(rows)  # every event is of a case: the database sees to it
            if row.revision == history[-1].revision:
                yield _Placed(case_id, row.revision, facts_of(row), history)
                continue
            changed[case_id] = history
            if len(changed) == _MANY:
                yield from _before(ledger, changed)
                changed = {}
    yield from _before(ledger, changed)


def _before(ledger: LedgerStore, changed: Mapping[str, tuple[Event, ...]]) -> Iterator[_Placed]:
    for case in ledger.kept({i: history[-1].revision for i, history in changed.items()}):
        where = case.attribution or Attribution()
        place = Whereabouts(
            case.case_id,
            case.revision,
            case.corridor_id,
            case.kind,
            where.county_code,
            where.county_zh,
            where.township_zh,
        )
        yield _Placed(case.case_id, case.revision, facts_of(place), changed[case.case_id])
