"""Which candidate is which known case.

Pairs overlap (intersection over union, or one mostly inside the other), or lie within the tolerance
of registration of each other with a similar size. What overlaps less and lies as near is the same
where half of the tolerance would put one mostly inside the other: a thing of 20 m that drifts by
12 m keeps a third of itself, and pixels of another size leave no similar one. Where one of the two
is a drone's, sizes must not differ too much, or a heap would give its outline to the river bank it
lies on, and the tolerance is that of flights. One candidate gets one case, best pair first; the
ties are broken by content, so that the order of the input never matters.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import shapely
from pydantic import BaseModel, ConfigDict, Field
from shapely.geometry.base import BaseGeometry

from pipeline.grid import reproject
from pipeline.model import DRONE_DETECTORS, LEAD_POINT, Candidate, Kind


class MatchOptions(BaseModel):
    """When a candidate is a known case."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_iou: float = Field(default=0.2, gt=0, le=1, description="intersection over union")
    min_containment: float = Field(
        default=0.5, gt=0, le=1, description="intersection over the smaller of the two"
    )
    tolerance_m: float = Field(
        default=20.0, ge=0, le=500, description="shift of the centroid still put to registration"
    )
    min_size_ratio: float = Field(
        default=0.5, gt=0, le=1, description="smaller over larger area needed for a mere shift"
    )
    drone_tolerance_m: float = Field(
        default=3.0, ge=0, le=100, description="the shift where one of the two is a drone's"
    )
    drone_size_ratio: float = Field(
        default=0.1,
        gt=0,
        le=1,
        description="smaller over larger area needed for any match where one is a drone's",
    )


class Known(Protocol):
    """What must be known of a case to match it: a Case, or its Outline."""

    @property
    def case_id(self) -> str:
        """Its id."""
        ...

    @property
    def kind(self) -> Kind:
        """Its kind."""
        ...

    @property
    def corridor_id(self) -> str:
        """Where it lies."""
        ...

    @property
    def crs(self) -> str:
        """CRS of its outline."""
        ...

    @property
    def seen_polygon(self) -> BaseGeometry:
        """Imagery's own outline, in crs."""
        ...

    @property
    def detector(self) -> str:
        """Of its last candidate."""
        ...

    @property
    def of_drone(self) -> bool:
        """Whether its outline is a drone's."""
        ...


@dataclass(frozen=True, slots=True)
class Outline:
    """What finds a case; a ledger gives it without reading the case."""

    case_id: str
    kind: Kind
    corridor_id: str
    crs: str
    seen_polygon: BaseGeometry  # in ``crs``, m: imagery's own where people drew another
    detector: str

    @property
    def of_drone(self) -> bool:
        """Whether its outline is a drone's."""
        return self.detector in DRONE_DETECTORS


@dataclass(frozen=True, slots=True)
class Pair:
    """A candidate and a case that may be the same, by index."""

    candidate: int
    case: int
    iou: float  # 0..1
    containment: float  # 0..1, intersection over the smaller
    inside: float  # 0..1, share of the case inside the candidate
    distance_m: float  # between centroids


@dataclass(frozen=True, slots=True)
class Matching:
    """The outcome, by index into the sequences that were given."""

    case_of: dict[int, int]  # candidate -> case, one to one
    absorbed: dict[int, tuple[int, ...]]  # candidate -> further cases that it swallows
    parent_of: dict[int, int]  # candidate without a case -> case that it split from


def match(
    candidates: Sequence[Candidate],
    cases: Sequence[Known],
    options: MatchOptions | None = None,
) -> Matching:
    """Match candidates with known cases of the same corridor, one to one.

    Parameters
    ----------
    candidates : sequence of Candidate
        Of one run.
    cases : sequence of Case
        Known, not merged into others. A case in another CRS is moved into the candidate's.

    Returns
    -------
    Matching
        Independent of the order of either sequence, up to the indices. A case that a candidate is
        apart from may be its parent, and nothing else.
    """
    options = options or MatchOptions()
    pairs = ranked(pairs_of(candidates, cases, options), candidates, cases)
    case_of: dict[int, int] = {}
    taken: set[int] = set()
    same = [p for p in pairs if cases[p.case].case_id not in candidates[p.candidate].apart_from]
    for pair in same:
        if pair.candidate not in case_of and pair.case not in taken:
            case_of[pair.candidate] = pair.case
            taken.add(pair.case)
    absorbed: dict[int, list[int]] = {}
    parent_of: dict[int, int] = {}
    swallowed: set[int] = set()
    for pair in pairs:
        if pair.candidate not in case_of:
            parent_of.setdefault(pair.candidate, pair.case)
    for pair in same:
        if (
            pair.candidate in case_of
            and pair.case not in taken
            and pair.case not in swallowed
            and pair.inside >= options.min_containment
            # What a drone told apart a coarser picture does not join.
            and (candidates[pair.candidate].of_drone or not cases[pair.case].of_drone)
        ):
            absorbed.setdefault(pair.candidate, []).append(pair.case)
            swallowed.add(pair.case)
    return Matching(case_of, {c: tuple(v) for c, v in absorbed.items()}, parent_of)


def best_cases(
    candidates: Sequence[Candidate], cases: Sequence[Known], options: MatchOptions | None = None
) -> dict[int, int]:
    """Give the case that each candidate fits best, by index; several may fit one case."""
    pairs = pairs_of(candidates, cases, options or MatchOptions())
    best: dict[int, int] = {}
    for pair in ranked(pairs, candidates, cases):
        best.setdefault(pair.candidate, pair.case)
    return best


def pairs_of(
    candidates: Sequence[Candidate], cases: Sequence[Known], options: MatchOptions
) -> list[Pair]:
    """Give all admissible pairs, unsorted, found through a spatial index."""
    pairs: list[Pair] = []
    at: dict[tuple[str, str], list[int]] = {}
    for i, c in enumerate(candidates):
        at.setdefault((c.crs, c.corridor_id), []).append(i)
    there: dict[str, list[int]] = {}
    for j, k in enumerate(cases):
        there.setdefault(k.corridor_id, []).append(j)
    for (crs, corridor), mine in sorted(at.items()):
        known = there.get(corridor, [])
        if not known:
            continue
        shapes = [reproject(cases[j].seen_polygon, cases[j].crs, crs) for j in known]
        tree = shapely.STRtree(shapes)
        polygons = np.array([candidates[i].polygon for i in mine], dtype=object)
        # Centroids lie inside the hulls, so hulls further apart than the tolerance cannot match.
        hits = tree.query(polygons, predicate="dwithin", distance=max(options.tolerance_m, 1e-9))
        for a, b in hits.T:
            pair = pair_of(mine[int(a)], known[int(b)], polygons[int(a)], shapes[int(b)])
            both = (candidates[pair.candidate], cases[pair.case])
            # The outline of a point has no size that could differ.
            point = any(c.detector == LEAD_POINT for c in both)
            drone = any(c.of_drone for c in both) and not point
            if _admissible(pair, polygons[int(a)], shapes[int(b)], options, drone=drone):
                pairs.append(pair)
    return pairs


def overlaps(pair: Pair, options: MatchOptions) -> bool:
    """Tell whether the two share enough of the ground to be one, whatever else is known."""
    return pair.iou >= options.min_iou or pair.containment >= options.min_containment


def pair_of(candidate: int, case: int, one: BaseGeometry, other: BaseGeometry) -> Pair:
    """Measure two outlines in one CRS [m] against each other."""
    common = float(one.intersection(other).area)
    union = one.area + other.area - common
    smaller = min(one.area, other.area)
    return Pair(
        candidate,
        case,
        iou=common / union if union else 0.0,
        containment=common / smaller if smaller else 0.0,
        inside=common / other.area if other.area else 0.0,
        distance_m=float(one.centroid.distance(other.centroid)),
    )


def _admissible(
    pair: Pair, one: BaseGeometry, other: BaseGeometry, options: MatchOptions, *, drone: bool
) -> bool:
    small, large = sorted((one.area, other.area))
    if drone and small < options.drone_size_ratio * large:
        return False
    if overlaps(pair, options):
        return True
    tolerance = options.drone_tolerance_m if drone else options.tolerance_m
    if pair.distance_m > tolerance:
        return False
    if small >= options.min_size_ratio * large:
        return True
    return not drone and pair.containment >= options.min_iou and _within(one, other, options)


def _within(one: BaseGeometry, other: BaseGeometry, options: MatchOptions) -> bool:
    """Whether the smaller lies mostly inside the larger once that is grown by half the tolerance.

    Asked of pairs that overlap as it is and whose centres are near: what lies beside something
    large, or out of its edge, is another thing.
    """
    small, large = sorted((one, other), key=lambda shape: shape.area)
    grown = large.buffer(options.tolerance_m / 2)
    return bool(small.intersection(grown).area >= options.min_containment * small.area)


def ranked(
    pairs: Iterable[Pair], candidates: Sequence[Candidate], cases: Sequence[Known]
) -> list[Pair]:
    """Give pairs best first; the same kind before another, overlap before nearness.

    Ties are told by content, which is read for them only: it costs more than all the rest.
    """
    alike: dict[tuple[object, ...], list[Pair]] = {}
    for pair in pairs:
        alike.setdefault(_rank(pair, candidates, cases), []).append(pair)
    found: list[Pair] = []
    for _, tied in sorted(alike.items(), key=lambda item: item[0]):
        if len(tied) > 1:
            tied.sort(key=lambda p: candidate_key(candidates[p.candidate]))
        found += tied
    return found


def _rank(
    pair: Pair, candidates: Sequence[Candidate], cases: Sequence[Known]
) -> tuple[object, ...]:
    candidate, case = candidates[pair.candidate], cases[pair.case]
    return (
        candidate.evidence.hits == 0,  # what was never seen takes no case from what was
        candidate.kind is not case.kind,
        -round(pair.iou, 9),
        -round(pair.containment, 9),
        round(pair.distance_m, 3),
        case.case_id,
    )


def candidate_key(candidate: Candidate) -> tuple[str, str, bytes, str]:
    """Order candidates by content."""
    outline = shapely.to_wkb(shapely.normalize(candidate.polygon), byte_order=1)
    return candidate.corridor_id, candidate.kind.value, outline, repr(candidate.looks)
