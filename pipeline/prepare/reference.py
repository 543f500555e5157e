"""Which looks a look is compared with: a year or more of whole quarters before its own.

What prepare knows of a place (dark history, usual brightness, the picture to register on, stable
ground) rests on a *reference*: the looks of whole calendar quarters (UTC) before the look's own, at
least a year of them and at least ``least_looks`` looks. So a new look is compared with what is
there already and touches no other look but by what it shows itself (``around``), and the result
depends on the set of looks and not on when they came. A series that is too young for that has one
reference, its first quarters that are a year and ``least_looks`` looks, or all there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict, Field


class ReferenceOptions(BaseModel):
    """How much history a look is compared with."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    least_looks: int = Field(
        default=24, ge=3, le=200, description="looks that make a reference; fewer are all taken"
    )
    least_quarters: int = Field(
        default=4, ge=1, le=40, description="calendar quarters that a reference spans: all seasons"
    )
    ahead_quarters: int = Field(
        default=2,
        ge=0,
        le=4,
        description="later quarters whose looks may show that a bright patch was no cloud",
    )


@dataclass(frozen=True)
class Epoch:
    """A calendar quarter with looks; indices into the series, ascending."""

    quarter: int  # of all quarters since year 0
    own: tuple[int, ...]
    reference: tuple[int, ...]
    around: tuple[int, ...]  # reference, own and ``ahead_quarters``: what a rescue compares


def quarter_of(when: datetime) -> int:
    """Give the calendar quarter (UTC) of a time, counted from year 0."""
    utc = when.astimezone(UTC)
    return utc.year * 4 + (utc.month - 1) // 3


def epochs(times: Sequence[datetime], options: ReferenceOptions) -> tuple[Epoch, ...]:
    """Group looks, in time order, by quarter, each with its reference.

    Parameters
    ----------
    times : sequence of aware datetime
        Of the looks, ascending.
    options : ReferenceOptions

    Returns
    -------
    tuple of Epoch
        Ascending; every look belongs to one.
    """
    quarters = [quarter_of(t) for t in times]
    out: list[Epoch] = []
    for quarter in sorted(set(quarters)):
        first, last = _reference(quarters, quarter, options)
        reference = _between(quarters, first, last)
        own = _between(quarters, quarter, quarter)
        ahead = _between(quarters, quarter, quarter + options.ahead_quarters)
        around = tuple(sorted({*reference, *ahead}))
        out.append(Epoch(quarter, own, reference, around))
    return tuple(out)


def _between(quarters: Sequence[int], first: int, last: int) -> tuple[int, ...]:
    return tuple(i for i, q in enumerate(quarters) if first <= q <= last)


def _reference(quarters: Sequence[int], own: int, options: ReferenceOptions) -> tuple[int, int]:
    """First and last quarter of the reference of a quarter."""
    begin, end = min(quarters), max(quarters)
    for first in range(own - options.least_quarters, begin - 1, -1):
        if len(_between(quarters, first, own - 1)) >= options.least_looks:
            return first, own - 1
    for last in range(begin + options.least_quarters - 1, end):
        if len(_between(quarters, begin, last)) >= options.least_looks:
            return begin, last
    return begin, end
