"""Kilometres and days that could be looked at, could not, and of which nothing is known. Pure.

A day counts as *seen* where a clear look lies in the ``window`` days up to and with it: by that
rule a run lists reaches as not observed, so the two agree. Else it is *not seen* as far as the
corridor was patrolled by then, and *unknown* before its first look and after its newest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
class CorridorLooks:
    """What all looks at one corridor saw."""

    first: date  # of all looks, clear or not
    newest: date
    clear: Mapping[str, frozenset[date]]  # by reach: days of clear looks


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
    stretches: Iterable[Stretch],
    looks: Mapping[str, CorridorLooks],
    period: ReportPeriod,
    window: int,
) -> tuple[Seen, ...]:
    """Add up a period.

    Parameters
    ----------
    looks : mapping of corridor id to CorridorLooks
    window : int
        Days for which a clear look speaks, its own included (``report.unseen_days``).
    """
    sums: dict[tuple[str, str, bool], list[float]] = {}
    for one in stretches:
        seen, unseen = _days_of(one, looks.get(one.corridor), period, window)
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
    one: Stretch, looks: CorridorLooks | None, period: ReportPeriod, window: int
) -> tuple[int, int]:
    """Give the days (seen, unseen) of a stretch."""
    if looks is None:
        return 0, 0
    seen: set[date] = set()
    for day in looks.clear.get(one.reach, ()):
        seen.update(_between(day, day + timedelta(days=window - 1), period))
    patrolled = set(_between(looks.first, looks.newest, period))
    return len(seen), len(patrolled - seen)


def _between(first: date, last: date, period: ReportPeriod) -> list[date]:
    """Give the days of the period from one day to another, both included."""
    first, last = max(first, period.first), min(last, period.last)
    return [first + timedelta(days=i) for i in range((last - first).days + 1)]
