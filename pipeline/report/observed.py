"""Kilometres and days that could be looked at, could not, and of which nothing is known. Pure.

A run says two things: up to its newest usable look, which reaches had a clear look within the last
``window`` days, and since when the others had none. A day on which no run speaks is *unknown*, and
never counted as seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from pydantic import BaseModel, ConfigDict

from pipeline.report.period import ReportPeriod


@dataclass(frozen=True, slots=True)
class Stretch:
    """A reach, or its part in one county."""

    corridor: str
    reach: str
    county: str  # code; "" where it is not known
    km: float | None  # None: it has no centreline, and counts as one piece


@dataclass(frozen=True, slots=True)
class RunLooks:
    """What a run says of one corridor."""

    corridor: str
    newest: date | None  # day of its newest usable look
    gaps: Mapping[str, tuple[date, date]]  # by reach: no clear look after the first, to the second
    run_id: str


class Seen(BaseModel):
    """Stretches times days, by corridor and county: km·days, or pieces·days without a line."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    corridor: str
    county: str
    in_km: bool
    size: float  # km, or pieces
    seen: float
    unseen: float
    unknown: float


def tally(
    stretches: Iterable[Stretch], runs: Sequence[RunLooks], period: ReportPeriod, window: int
) -> tuple[Seen, ...]:
    """Add up a period.

    Parameters
    ----------
    window : int
        Days within which a clear look counts a reach as seen (the run's ``report.unseen_days``).
    """
    ordered = sorted(runs, key=lambda r: (r.newest or date.min, r.run_id))
    sums: dict[tuple[str, str, bool], list[float]] = {}
    for one in stretches:
        seen, unseen = _days_of(one, ordered, period, window)
        size = 1.0 if one.km is None else one.km
        row = sums.setdefault((one.corridor, one.county, one.km is not None), [0.0] * 4)
        parts = (1, seen, unseen, period.days - seen - unseen)
        for at, days in enumerate(parts):
            row[at] += size * days
    return tuple(
        Seen(
            corridor=corridor,
            county=county,
            in_km=in_km,
            size=round(row[0], 3),
            seen=round(row[1], 1),
            unseen=round(row[2], 1),
            unknown=round(row[3], 1),
        )
        for (corridor, county, in_km), row in sorted(sums.items())
    )


def _days_of(
    one: Stretch, runs: Sequence[RunLooks], period: ReportPeriod, window: int
) -> tuple[int, int]:
    """Give the days (seen, unseen) of a stretch; where runs differ, the newest look decides."""
    told: dict[date, bool] = {}
    for run in runs:
        if run.corridor != one.corridor:
            continue
        gap = run.gaps.get(one.reach) or run.gaps.get(one.corridor)
        if gap is not None:
            told.update(dict.fromkeys(_between(*gap, period), False))
        elif run.newest is not None:
            since = run.newest - timedelta(days=window)
            told.update(dict.fromkeys(_between(since, run.newest, period), True))
    seen = sum(told.values())
    return seen, len(told) - seen


def _between(after: date, until: date, period: ReportPeriod) -> list[date]:
    """Give the days of the period after one day, up to another."""
    first = max(after + timedelta(days=1), period.first)
    last = min(until, period.last)
    return [first + timedelta(days=i) for i in range((last - first).days + 1)]
