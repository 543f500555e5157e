"""Which suspected cases are proposed for issue this month, and which wait. Pure.

A county can look after so many cases in a month; the rest must wait where everybody sees them. In
each county cases are ordered by

    probability x severity x zone x recency

with the weights of ``BudgetOptions``, and the first ones are proposed, as many as the month has
left after what people issued in it. It is an order and no probability; nobody issues anything here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta

from pydantic import BaseModel, ConfigDict, Field

from pipeline.adjudicate.calibration import on_one_scale
from pipeline.adjudicate.grading import GradeOptions, lower_area_m2
from pipeline.model import NO_PLACE_ZH, Attribution, Case, Kind, Proposed, Status

_DAY = timedelta(days=1)


class BudgetOptions(BaseModel):
    """How many cases are proposed for issue, and what puts one before another."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    per_county_month: int | None = Field(
        default=None,
        ge=0,
        le=100_000,
        description="cases of a county that are proposed in a month; default: no budget, because "
        "only the office knows how many its people can visit",
    )
    severe: float = Field(default=3.0, ge=1, le=10, description="weight of 严重")
    heavy: float = Field(default=2.0, ge=1, le=10, description="weight of 较重")
    light: float = Field(default=1.0, ge=1, le=10, description="weight of 一般")
    ungraded_most: float = Field(
        default=2.0,
        ge=1,
        le=10,
        description="weight of an endless area without a grade; without an area it is 1",
    )
    half_area_m2: float = Field(
        default=1000.0, gt=0, le=1e6, description="area halfway from 1 to it [m2]"
    )
    zone_weight: float = Field(
        default=1.5, ge=1, le=10, description="weight of a zone; of a no-mining area for 乱采 again"
    )
    half_life_days: float = Field(
        default=90.0, gt=0, le=3650, description="days since it was last seen that halve it [d]"
    )


def score(
    case: Case, newest: datetime | None, probability: float, options: BudgetOptions | None = None
) -> float:
    """Give the priority of a case, 0 or more, rounded to 6 digits.

    Parameters
    ----------
    newest : datetime or None
        UTC, of the newest look at anything in its corridor: recency is counted to it.
    probability : float
        0..1, calibrated where there is a calibration.
    """
    o = options or BudgetOptions()
    return round(probability * _severity(case, o) * _zone(case, o) * _recency(case, newest, o), 6)


def propose(
    cases: Iterable[Case],
    month: str,
    issued: Mapping[str, int],
    confidence: Mapping[str, float] | None = None,
    options: BudgetOptions | None = None,
    newest: Mapping[str, datetime] | None = None,
) -> dict[str, Proposed]:
    """Propose cases for issue, by county.

    Parameters
    ----------
    cases : iterable of Case
        Any; those that could be issued are suspected, and no layer explains them.
    month : str
        "2026-03", in the office's zone.
    issued : mapping of county to int
        How many people issued in that month already; see ``pot_of`` for the keys.
    confidence : mapping of case id to float, optional
        Calibrated confidence; where a case of a county has none, all of that county are ordered by
        the uncalibrated score.
    newest : mapping of corridor to datetime, optional
        UTC, of the newest look at anything in a corridor, where ``cases`` are not all of it.

    Returns
    -------
    dict of case id to Proposed
        Of every case that could be issued; ties go by id, so the order of the input does not
        matter. Empty where there is no budget.
    """
    o = options or BudgetOptions()
    if o.per_county_month is None:
        return {}
    everything = sorted(cases, key=lambda c: c.case_id)
    newest = newest_looks(everything) if newest is None else newest
    pots: dict[str, list[Case]] = {}
    for c in everything:
        if could_be_issued(c):
            pots.setdefault(pot_of(c), []).append(c)
    out: dict[str, Proposed] = {}
    for pot, own in pots.items():
        known = on_one_scale(own, confidence)
        scored = [
            (score(c, newest.get(c.corridor_id), known.get(c.case_id, c.score), o), c) for c in own
        ]
        scored.sort(key=lambda pair: (-pair[0], pair[1].case_id))
        used = issued.get(pot, 0)
        left = max(o.per_county_month - used, 0)
        for rank, (value, c) in enumerate(scored, 1):
            waits = None if rank <= left else _waits(pot, rank, used, o.per_county_month)
            out[c.case_id] = Proposed(rank, len(scored), month, pot, value, waits)
    return out


def could_be_issued(case: Case) -> bool:
    """Tell whether a case is one that people may issue without a further reason."""
    return (
        case.status is Status.SUSPECTED
        and case.merged_into is None
        and case.produced
        and not case.suppressed
    )


def pot_of(case: Case) -> str:
    """Give the county whose budget a case is of; one pot for all that have none."""
    place = case.attribution or Attribution()
    return place.county_code or place.county_zh or NO_PLACE_ZH


def newest_looks(cases: Iterable[Case]) -> dict[str, datetime]:
    """Give the newest look (UTC) at anything by corridor."""
    out: dict[str, datetime] = {}
    for c in cases:
        for look in c.looks[-1:]:
            out[c.corridor_id] = max(out.get(c.corridor_id, look.on), look.on)
    return out


def issued_in(month: str, days: Iterable[tuple[Case, date]]) -> dict[str, int]:
    """Count what people issued in a month by county; a case that was issued twice counts once."""
    once = {c.case_id: pot_of(c) for c, on in days if f"{on:%Y-%m}" == month}
    return dict(Counter(once.values()))


def budget_line(found: Mapping[str, Proposed], names: Mapping[str, str]) -> str | None:
    """Say in a line how many are proposed and how many wait; None where there is no budget.

    Parameters
    ----------
    names : mapping of county to str
        What a county is called where its code is the key.
    """
    if not found:
        return None
    every = list(found.values())
    pots = sorted({p.county for p in every})
    parts = [
        f"{names.get(pot, pot)} {_going(every, pot)} of {sum(p.county == pot for p in every)}"
        for pot in pots
    ]
    going = sum(p.waits is None for p in every)
    return (
        f"提请交办 proposed for issue in {every[0].month}: {going} of {len(every)} "
        f"({', '.join(parts)}) · waiting: {len(every) - going}"
    )


def _going(every: Sequence[Proposed], pot: str) -> int:
    return sum(p.waits is None for p in every if p.county == pot)


def _waits(pot: str, rank: int, used: int, most: int) -> str:
    where = "未定县区的问题" if pot == NO_PLACE_ZH else "本县区"
    return f"{where}本月额度{most}件，已交办{used}件，按优先顺序排第{rank}，待下月或有余额时提请"


def _severity(case: Case, o: BudgetOptions) -> float:
    graded = case.grade.severity if case.grade else None
    if graded is not None:
        return {"严重": o.severe, "较重": o.heavy}.get(graded.grade, o.light)
    area = lower_area_m2(case, GradeOptions()) or 0.0
    return 1.0 + (o.ungraded_most - 1.0) * area / (area + o.half_area_m2)


def _zone(case: Case, o: BudgetOptions) -> float:
    place = case.attribution or Attribution()
    weight = o.zone_weight if place.zone else 1.0
    if place.no_mining and case.kind is Kind.CAI:
        weight *= o.zone_weight
    return weight


def _recency(case: Case, newest: datetime | None, o: BudgetOptions) -> float:
    last = case.evidence.last_seen
    age = max((newest - last) / _DAY, 0.0) if last and newest else 0.0
    return float(0.5 ** (age / o.half_life_days))
