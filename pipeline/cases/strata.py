"""What an audit draws from, and what its answers come to. Pure.

Every square of the observed corridors is in one stratum: that of the best case in it (issued,
suspected, on watch, set aside), or of ground where no case lies, beside a case or away from all.
Each stratum is drawn from by itself, without putting back: squares without a case with the same
chance, those with one by groups that touch, with a chance that grows with the group's size, and one
square of each, weighed by its chance.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.adjudicate.intervals import exact
from pipeline.model import Case, EvidenceState, Status

T = TypeVar("T")


class Stratum(StrEnum):
    """Where a place stands before anybody looks."""

    ISSUED = "issued"
    SUSPECTED = "suspected"
    WATCH = "watch"
    SUPPRESSED = "suppressed"
    BESIDE = "beside"
    UNFLAGGED = "unflagged"


CASES = (Stratum.ISSUED, Stratum.SUSPECTED, Stratum.WATCH, Stratum.SUPPRESSED)
"""Best first: a square that several cases share is of the first of these."""

SHOWN = CASES[:3]
"""Best first: recall is told of the first, the first two, and all three."""

_DESK = frozenset({Status.REJECTED, Status.PERMITTED, Status.WITHDRAWN})


def set_aside(case: Case) -> bool:
    """Tell whether a case is on no list: gone, no longer produced, or explained by a layer."""
    gone = not case.produced or case.evidence.state is EvidenceState.EXPIRED
    return gone or case.suppressed


def stratum_of(
    case: Case, issued: Collection[str], suppressed: Callable[[Case], bool] = set_aside
) -> Stratum | None:
    """Give the stratum of a case; None if it became part of another, or only a lead points at it.

    Parameters
    ----------
    issued : collection of str
        Ids of cases that were ever issued, whatever became of them: else those that were rejected
        afterwards would be missing, and the precision too high.
    suppressed : callable
        Whether a case was kept from the lists.
    """
    if case.merged_into is not None or case.of_lead:
        return None  # what people pointed at says nothing of how accurate imagery is
    if case.case_id in issued:
        return Stratum.ISSUED
    if case.status in _DESK or suppressed(case):
        return Stratum.SUPPRESSED
    return Stratum.WATCH if case.status is Status.WATCH else Stratum.SUSPECTED


def allot(sizes: Mapping[Stratum, int], n: int) -> dict[Stratum, int]:
    """Share out ``n`` draws: evenly, what a small stratum cannot take goes to the others."""
    left: dict[Stratum, int] = {s: size for s, size in sizes.items() if size}
    out = dict.fromkeys(sizes, 0)
    while n and left:
        share, rest = divmod(n, len(left))
        # The rest goes to the largest, which is the least known, of those that got least.
        for i, (*_, s) in enumerate(sorted((out[s], -size, s) for s, size in left.items())):
            take = min(left[s], share + (i < rest))
            out[s] += take
            left[s] -= take
            n -= take
        left = {s: size for s, size in left.items() if size}
    return out


@dataclass(frozen=True, slots=True)
class Drawn(Generic[T]):
    """What was drawn, and for how much of its stratum it ``stands``, over what each would evenly.

    1 where all of a stratum are of one size; what is drawn for certain stands for itself alone,
    which is more than that.
    """

    stratum: Stratum
    what: T
    stands: float


def draw(
    strata: Mapping[Stratum, Sequence[T]],
    n: int,
    rng: np.random.Generator,
    size: Callable[[T], int] = lambda _: 1,
) -> list[Drawn[T]]:
    """Draw ``n`` places, each stratum without putting back, in random order.

    The chance grows with the size, so that of few large ones, which are most of a stratum, none is
    missed by chance alone (systematic sampling with chances by size, Madow 1949,
    doi:10.1214/aoms/1177729988).
    """
    take = allot({s: len(v) for s, v in strata.items()}, n)
    drawn: list[Drawn[T]] = []
    for s in sorted(strata):
        sizes = np.array([size(u) for u in strata[s]], np.float64)
        chances = chances_by_size(sizes, take[s])
        for i in _systematic(chances, take[s], rng):
            even = take[s] * sizes[i] / sizes.sum()
            drawn.append(Drawn(s, strata[s][i], round(float(even / chances[i]), 9)))
    return [drawn[int(i)] for i in rng.permutation(len(drawn))]


def chances_by_size(sizes: NDArray[np.float64], take: int) -> NDArray[np.float64]:
    """Give the chance of each of being among ``take`` that are drawn by their size.

    Parameters
    ----------
    sizes : float64 (N,)
        1 and more.
    take : int
        0 to N.

    Returns
    -------
    float64 (N,)
        0..1; their sum is ``take``. What would have more than 1 is certain, and leaves its rest to
        the others.
    """
    certain = np.zeros(sizes.size, bool)
    while True:
        rest = take - np.count_nonzero(certain)
        chances = rest * sizes / max(sizes[~certain].sum(), 1.0)
        more = ~certain & (chances >= 1)
        chances[certain] = 1.0
        if not more.any():
            return chances
        certain |= more


def _systematic(chances: NDArray[np.float64], take: int, rng: np.random.Generator) -> list[int]:
    order = rng.permutation(chances.size)
    ends = np.cumsum(chances[order])
    at = np.searchsorted(ends, rng.random() + np.arange(take), side="right")
    # Sums of floats may end a hair before the whole number that they should.
    return [int(order[i]) for i in np.minimum(at, chances.size - 1)]


@dataclass(frozen=True, slots=True)
class Weighed:
    """Answers by how many squares each stands for: sums of the weights, and of their squares."""

    yes: float
    no: float
    squared: float


@dataclass(frozen=True, slots=True)
class Tally:
    """What a stratum was found to hold; what is of cases: of squares with one's inner point.

    Without weights every answer stands for as many squares as any other of its stratum.
    """

    of: int  # squares in the stratum
    yes: int = 0
    no: int = 0
    unclear: int = 0  # could not be told
    silent: int = 0  # not answered
    cases_yes: int = 0
    cases_no: int = 0
    weighed: Weighed | None = None
    cases_weighed: Weighed | None = None

    @property
    def told(self) -> int:
        """Places of which something is known."""
        return self.yes + self.no


@dataclass(frozen=True, slots=True)
class Share:
    """A share with its interval at 95 %; None where nothing can be said."""

    value: float | None
    low: float
    high: float


def share_of_squares(tally: Tally) -> Share:
    """Give the share of a stratum's squares that hold a problem, with the exact interval."""
    return _share(*_counted(tally))


def precision(tally: Tally) -> Share:
    """Give the share of a stratum's cases that are problems, with the exact interval.

    A case counts by the square of its inner point, once, whatever its size; weighed by the chance
    with which that was drawn, their share among those drawn is that of all of them.
    """
    yes, no = tally.cases_yes, tally.cases_no
    return _share(*_effective(yes, no, tally.cases_weighed))


def _counted(tally: Tally) -> tuple[float, float]:
    return _effective(tally.yes, tally.no, tally.weighed)


def _effective(yes: int, no: int, weighed: Weighed | None) -> tuple[float, float]:
    """Give (yes, told) of as many equal answers as say as much (Kish's effective size).

    With these in the exact interval it is that of Korn & Graubard 1998 (Survey Methodology 24:193).
    """
    if weighed is None or not weighed.squared:
        return yes, yes + no
    total = weighed.yes + weighed.no
    size = total * total / weighed.squared
    return size * (weighed.yes / total), size


def _share(yes: float, told: float) -> Share:
    if not told:
        return Share(None, 0.0, 1.0)
    return Share(yes / told, *exact(yes, told))


def recall(tallies: Mapping[Stratum, Tally], within: Iterable[Stratum]) -> Share:
    """Give the share of all squares with a problem that lies in some strata.

    The number of squares with a problem in stratum h is estimated as N_h p_h, with p_h the share
    among the answers, weighed, and the recall as the ratio of their sums. Its interval takes the
    exact one of every stratum at 1 - 0.05 / k and sets those within to their worst and the others
    to their best, and the reverse: it holds at 95 % whatever the shares, and is wide.
    """
    inside = frozenset(within)
    known = {s: t for s, t in tallies.items() if t.of}
    level = 1 - 0.05 / max(len(known), 1)
    ends = {s: exact(*_counted(t), level) for s, t in known.items()}
    low = _ratio({s: t.of * ends[s][s not in inside] for s, t in known.items()}, inside)
    high = _ratio({s: t.of * ends[s][s in inside] for s, t in known.items()}, inside)
    value = None
    if all(t.told for t in known.values()):
        shares = {s: yes / told for s, t in known.items() for yes, told in [_counted(t)]}
        value = _ratio({s: t.of * shares[s] for s, t in known.items()}, inside)
    return Share(value, low or 0.0, 1.0 if high is None else high)


def _ratio(found: Mapping[Stratum, float], inside: Collection[Stratum]) -> float | None:
    total = sum(found.values())
    return sum(v for s, v in found.items() if s in inside) / total if total else None
