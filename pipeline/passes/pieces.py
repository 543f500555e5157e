"""Pieces of one object are one candidate: what hangs together on the ground is one place to visit.

A large heap or building is not seen whole on every date: haze, a level or bare ground beneath part
it, and every part would open a case of its own. Pieces of changed ground that touch, as far as
10 m pixels can tell, are one object where nothing says that they came at different times, or where
the later one is no more than growth: a heap that grows by loads grows at its rim. So are parts of
a fill that different levels showed, once each of them is suspected. So are a pit and what was dug
out of it: a pond where none was, and beside it ground where water belongs, of one day and about as
large.

A bridge is cut as well: its span is ground in the water to one detector, and its ramps on both
banks are changed ground to the other. Ramps are as narrow as the deck, lie near its ends, and came
when it came.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from pipeline.grid import reproject
from pipeline.model import Candidate, Case, Evidence, EvidenceState, Kind
from pipeline.passes.change import DETECTOR as GROUND

TOUCH_M = 15.0
"""One and a half pixels: blurred edges of neighbours meet."""

_GROWTH = 2.0  # a later piece up to this times the earlier one is its growth
_SEEN_WITH = 0.5  # of the looks at dark ground, on which what it is the rim of was seen too
_POND = 0.5  # share of water: beside a fill or a heap it is another problem
_OVERLAID = 0.5  # of the larger one, from which two outlines are of one thing
_SHORE_M = 40.0  # of bare shore between a bank and the water: what lies on it looks like its bed
_BESIDE_PX = 1.0  # changed ground no farther from what was water at times lies at that shore
_FACING = 0.75  # of the root of the smaller area: strips end to end do not lie across
_RIM_M = 25.0  # between pond and spoil is a SWIR pixel of 20 m that is half water, and its blur
_SPOIL = 6.0  # what was dug out is no more than so many times larger or smaller than its pond
_CLAIM = 0.2  # of the smaller one: as much of a common edge is no common place
_RAMP_M = 60.0  # ground between deck and ramp may be bare already
_RAMP_WIDTH_M = 45.0  # of the outline: a deck of one pixel, its blur, and a shift

Groups = list[list[int]]


def together(one: Evidence, other: Evidence) -> bool:
    """Tell whether two objects may have come on one day, as far as looks between can tell.

    Each came after its last clear miss and by its first sighting; unknown without a miss.
    """
    after = (one.appeared_after, other.appeared_after)
    first = (one.first_seen, other.first_seen)
    if after[0] is None or after[1] is None or first[0] is None or first[1] is None:
        return False
    return after[0] < first[1] and after[1] < first[0]


def pieces(candidates: Sequence[Candidate]) -> Groups:
    """Group changed ground that is one object; indices, the largest piece of a group first.

    What has gone takes and gives nothing, and dark ground is no piece of what is lighter.
    """
    alive = [
        i
        for i, c in enumerate(candidates)
        if c.detector == GROUND and c.evidence.state is not EvidenceState.EXPIRED
    ]
    return _joined(candidates, alive, lambda a, b: _is_dark(a) == _is_dark(b) and one_object(a, b))


def _is_dark(candidate: Candidate) -> bool:
    return bool(candidate.measures.get("dark"))


def dark_by_itself(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Leave out dark ground that is the shade or the damp rim of what it touches.

    It is that where the other, lighter or wet, is no smaller, and half of the looks that saw the
    one saw the other: what lay there before is seen no more. No state is asked, since a patrol of
    one look knows nothing but first sightings.
    """
    alive = [c for c in candidates if not _gone(c)]
    others = [c for c in alive if not _is_dark(c)]

    def is_rim(own: Candidate) -> bool:
        return any(
            c.area_m2 >= own.area_m2
            and c.polygon.dwithin(own.polygon, TOUCH_M)
            and len(own.seen_on & c.seen_on) >= _SEEN_WITH * len(own.seen_on)
            for c in others
        )

    return [c for c in candidates if _gone(c) or not _is_dark(c) or not is_rim(c)]


def told_twice(candidates: Sequence[Candidate], known: Sequence[Case] = ()) -> Groups:
    """Group what is suspected, touches and is one object, by either detector.

    Both ends of a fill need not touch (:func:`over_a_shore`).

    A pond is one with what rose out of the water beside it when it came (:func:`spoil_of`), and
    with nothing else. A shore that receded may touch a fill: what is not suspected stays for
    itself. What was taken away is no part of what was put there. Growth is told from what stood
    first: a row of heaps, each no more than the growth of its neighbour, is no object.

    Parameters
    ----------
    known : sequence of Case
        Of the ledger, in any CRS. What are two cases stays two; and beside a case that people hold,
        have closed or decided on only what that case has at its own place is part of it: they spoke
        of nothing else.
    """
    told = [
        i
        for i, c in enumerate(candidates)
        if c.evidence.state in (EvidenceState.SUSPECTED, EvidenceState.RELAPSED)
    ]
    claims = claimed(candidates, told, known)
    issued = frozenset(c.case_id for c in known if c.issued)

    def alike(one: Sequence[int], other: Sequence[int]) -> bool:
        a, b = (frozenset[str]().union(*(claims[i] for i in g)) for g in (one, other))
        if a != b and ((a | b) & issued or not (a <= b or b <= a)):
            return False
        early, late = sorted((one[0], other[0]), key=lambda i: _age(candidates[i]))
        if any(is_pond(candidates[i]) for i in (early, late)):
            return spoil_of(candidates[early], candidates[late])
        pairs = [(i, j) for i in one for j in other]
        if not any(touch(i, j) for i, j in pairs):
            # Two fills at one bank are two, and so are two banks beside one fill.
            alone = all(candidates[i].detector != candidates[j].detector for i, j in pairs)
            return alone and any(over_a_shore(candidates[i], candidates[j]) for i, j in pairs)
        taken = [candidates[i].kind is Kind.CAI for i in (early, late)]
        # What is light beside dark ground is taken for the rim of a hollow.
        dark = any(_is_dark(candidates[i]) for i in (early, late))
        return (dark or taken[0] == taken[1]) and one_object(candidates[early], candidates[late])

    def touch(i: int, j: int) -> bool:
        return candidates[i].polygon.dwithin(candidates[j].polygon, TOUCH_M)

    return [g for g in _gathered(candidates, told, alike) if len(g) > 1]


def is_pond(candidate: Candidate) -> bool:
    """Tell water where ground belongs."""
    return candidate.measures.get("wet_share", 0.0) >= _POND


def spoil_of(one: Candidate, other: Candidate) -> bool:
    """Tell a pond and what was dug out of it, where that lies in the water: one digging.

    They came on one day, as far as looks can tell, and neither is many times the other. A bridge or
    a fill that came at another time is another problem.
    """
    pond, fill = (one, other) if is_pond(one) else (other, one)
    if is_pond(fill) or fill.detector == GROUND or fill.measures.get("strip"):
        return False
    large, small = sorted((pond.area_m2, fill.area_m2), reverse=True)
    return large <= _SPOIL * small and together(pond.evidence, fill.evidence)


def over_a_shore(one: Candidate, other: Candidate) -> bool:
    """Tell what may be both ends of a fill over a bare shore: what is seen of it on bank and water.

    Its middle would lie on ground that was as bare before, where nothing says whether it is new; it
    is not looked at. They came on one day, as far as looks can tell, lie across from each other at
    what was water at times, are about as large, and neither is a pit, a pond or a bridge.
    """
    fill, bank = (one, other) if other.detector == GROUND else (other, one)
    if fill.detector == GROUND or bank.detector != GROUND or fill.measures.get("strip"):
        return False
    if Kind.CAI in (fill.kind, bank.kind) or is_pond(bank):
        return False
    large, small = sorted((fill.area_m2, bank.area_m2), reverse=True)
    beside = bank.measures.get("shore_px", np.inf) <= _BESIDE_PX
    if not beside or large > _SPOIL * small or not together(fill.evidence, bank.evidence):
        return False
    return _facing(fill.polygon, bank.polygon) >= _FACING * float(np.sqrt(small))


def _facing(one: BaseGeometry, other: BaseGeometry) -> float:
    """Give how long the sides are that two outlines turn to each other [m].

    Across the shortest line between them.
    """
    ends = shapely.get_coordinates(shapely.shortest_line(one, other))
    way = ends[-1] - ends[0]
    size = float(np.hypot(*way))
    if size == 0:
        return 0.0
    side = np.array([-way[1], way[0]]) / size
    parts = (a.intersection(b.buffer(_SHORE_M)) for a, b in ((one, other), (other, one)))
    along = [shapely.get_coordinates(p) @ side for p in parts]
    return min(float(np.ptp(v)) if v.size else 0.0 for v in along)


def claimed(
    candidates: Sequence[Candidate], which: Sequence[int], known: Sequence[Case]
) -> dict[int, frozenset[str]]:
    """Give the ids of the known cases at whose place each candidate lies, by its index."""
    out: dict[int, set[str]] = {i: set() for i in which}
    live = [c for c in known if c.merged_into is None]
    for crs in sorted({candidates[i].crs for i in which}) if live else ():
        mine = [i for i in which if candidates[i].crs == crs]
        places = [reproject(c.seen_polygon, c.crs, crs) for c in live]
        shapes = np.array([candidates[i].polygon for i in mine], dtype=object)
        for a, b in shapely.STRtree(places).query(shapes, predicate="intersects").T:
            one, place = shapes[int(a)], places[int(b)]
            if one.intersection(place).area >= _CLAIM * min(one.area, place.area):
                out[mine[int(a)]].add(live[int(b)].case_id)
    return {i: frozenset(names) for i, names in out.items()}


def one_object(one: Candidate, other: Candidate) -> bool:
    """Tell whether two that touch came on one day, or the later one is growth of the earlier.

    What lies on the same ground, to half of the larger, is one object, whenever it came.
    """
    if together(one.evidence, other.evidence) or _overlaid(one.polygon, other.polygon):
        return True
    early, late = sorted((one, other), key=_age)
    return late.area_m2 <= _GROWTH * early.area_m2


def _overlaid(one: BaseGeometry, other: BaseGeometry) -> bool:
    """Tell whether two outlines share half of the larger: a small thing in a field is not it."""
    return bool(one.intersection(other).area >= _OVERLAID * max(one.area, other.area))


def _age(candidate: Candidate) -> tuple[datetime, float]:
    """Order by the first sighting, of equals the largest first."""
    return _first(candidate), -candidate.area_m2


def _first(candidate: Candidate) -> datetime:
    first = candidate.evidence.first_seen
    assert first is not None
    return first


def _joined(
    candidates: Sequence[Candidate],
    which: Sequence[int],
    alike: Callable[[Candidate, Candidate], bool],
) -> Groups:
    root = {i: i for i in which}

    def find(i: int) -> int:
        while root[i] != i:
            i = root[i]
        return i

    shapes = [candidates[i].polygon for i in which]
    tree = shapely.STRtree(shapes)
    near = tree.query(np.array(shapes, dtype=object), predicate="dwithin", distance=TOUCH_M)
    for a, b in near.T:
        i, j = which[int(a)], which[int(b)]
        if i < j and alike(candidates[i], candidates[j]):
            low, high = sorted((find(i), find(j)))
            root[high] = low
    groups: dict[int, list[int]] = {}
    for i in which:
        groups.setdefault(find(i), []).append(i)
    return [sorted(g, key=lambda i: (-candidates[i].area_m2, i)) for g in groups.values()]


def _gathered(
    candidates: Sequence[Candidate],
    which: Sequence[int],
    alike: Callable[[Sequence[int], Sequence[int]], bool],
) -> Groups:
    """Join what touches, the oldest first; groups are compared, each with its oldest in front."""

    def age(i: int) -> tuple[datetime, float, int]:
        return (*_age(candidates[i]), i)

    order = sorted(which, key=age)
    shapes = np.array([candidates[i].polygon for i in order], dtype=object)
    near = shapely.STRtree(shapes).query(shapes, predicate="dwithin", distance=_SHORE_M)
    group = {i: [i] for i in order}
    for a, b in sorted((int(a), int(b)) for a, b in near.T if a < b):
        if not shapes[a].dwithin(shapes[b], _reach(candidates[order[a]], candidates[order[b]])):
            continue
        one, other = group[order[a]], group[order[b]]
        if one is not other and alike(one, other):
            whole = sorted([*one, *other], key=age)
            group |= dict.fromkeys(whole, whole)
    once = {g[0]: g for g in group.values()}
    return [sorted(g, key=lambda i: (-candidates[i].area_m2, i)) for _, g in sorted(once.items())]


def _reach(one: Candidate, other: Candidate) -> float:
    """Give how far apart two may lie to be one object [m]."""
    if is_pond(one) != is_pond(other):
        return _RIM_M
    return _SHORE_M if one.detector != other.detector else TOUCH_M


def ramps(candidates: Sequence[Candidate]) -> dict[int, list[int]]:
    """Give the ramps of every bridge that both detectors cut up, by index of its span."""
    out: dict[int, list[int]] = {}
    for i, span in enumerate(candidates):
        if span.detector == GROUND or not span.measures.get("strip") or _gone(span):
            continue
        own = [
            j
            for j, c in enumerate(candidates)
            if c.detector == GROUND
            and not _gone(c)
            and c.area_m2 <= span.area_m2
            and c.polygon.dwithin(span.polygon, _RAMP_M)
            and _width(c.polygon) <= _RAMP_WIDTH_M
            and together(c.evidence, span.evidence)
        ]
        if own:
            out[i] = own
    return out


def _gone(candidate: Candidate) -> bool:
    """Tell what has gone: it takes nothing and gives nothing, or its misses would end the rest."""
    return candidate.evidence.state is EvidenceState.EXPIRED


def _width(shape: BaseGeometry) -> float:
    """Give the shorter side of the smallest rectangle around an outline [m]."""
    box = shape.minimum_rotated_rectangle
    points = shapely.get_coordinates(box)[:3]
    sides = np.hypot(*np.diff(points, axis=0).T)
    return float(sides.min()) if sides.size == 2 else 0.0


def lead(parts: Sequence[Candidate]) -> Candidate:
    """Give the leading piece the kind of the whole: the mean of the scores, by area."""
    own, whole = parts[0], sum(c.area_m2 for c in parts)
    names = sorted({n for c in parts for n in c.measures if n.startswith("kind_")})
    if not names:
        return own
    scores = {
        n: round(sum(c.measures.get(n, 0.0) * c.area_m2 for c in parts) / whole, 3) for n in names
    }
    best = max(names, key=lambda n: (scores[n], n == f"kind_{own.kind.value}"))
    measures = dict(sorted((dict(own.measures) | scores).items()))
    return replace(own, kind=Kind(best.removeprefix("kind_")), measures=measures)
