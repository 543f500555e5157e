"""One problem is one case where corridors overlap, and where their file was drawn anew.

Corridors of rivers that meet share ground, and each of them finds what stands there. Of what they
found one is left, the whole before a part, and it goes to the corridor that has the case: what
people hold before what is listed, and that before what was lost. Before there is a case it is of
the corridor that stands first in the file. An id that the file has no longer is nobody's: its cases
go on in the corridor in which they lie, with what people said of them.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import shapely
from shapely.geometry.base import BaseGeometry

from pipeline.grid import reproject
from pipeline.ledger.context import LedgerContext
from pipeline.ledger.interface import LedgerReader
from pipeline.ledger.match import (
    MatchOptions,
    Outline,
    candidate_key,
    overlaps,
    pair_of,
    pairs_of,
    ranked,
)
from pipeline.ledger.reach import touched
from pipeline.model import Candidate, Case

_MOST = 0.5  # of a case's outline: it lies in the corridor that holds more than lies outside
_PART = 1.5  # times as large: then the other is a part, which its corridor saw up to its own edge
_LOST = 2  # rank of a case that no run finds any more


@dataclass(frozen=True)
class Placed:
    """Candidates that are left, each in the corridor whose case it is or will be."""

    candidates: tuple[Candidate, ...]
    doubles: int = 0  # left out: another corridor has the same thing


def heirs_of(
    cases: Iterable[Case], areas: Mapping[str, BaseGeometry], ids: Collection[str]
) -> dict[str, str]:
    """Give the corridor in which cases of corridors that are no more go on, by case id.

    Parameters
    ----------
    areas : mapping of corridor id to polygon (WGS 84)
        Of this run, in the order of the file; of several that hold a case the first has it.
    ids : collection of str
        All that the file holds: their cases stay theirs.
    """
    out: dict[str, str] = {}
    for case in cases:
        if case.corridor_id in ids or case.merged_into is not None:
            continue
        ground = reproject(case.polygon, case.crs, "EPSG:4326")
        for name, area in areas.items():
            if ground.intersection(area).area >= _MOST * ground.area:
                out[case.case_id] = name
                break
    return out


def inherit(cases: Iterable[Case], heirs: Mapping[str, str]) -> tuple[Case, ...]:
    """Give cases in the corridors in which they go on."""
    return tuple(
        replace(c, corridor_id=heirs[c.case_id]) if c.case_id in heirs else c for c in cases
    )


def place_candidates(
    reader: LedgerReader,
    candidates: Sequence[Candidate],
    live: Sequence[Case],
    context: LedgerContext,
    options: MatchOptions | None = None,
) -> Placed:
    """Leave one of what several corridors found, in the corridor that has its case.

    Parameters
    ----------
    live : sequence of Case
        Of the corridors of this run. What other corridors of the file have at these places is read
        from the ledger: they were not looked at, and their cases go on when they are.
    """
    order = (*context.siblings, *(c for c in context.corridors if c not in context.siblings))
    if len(order) < 2 or not candidates:
        return Placed(tuple(candidates))
    options = options or MatchOptions()
    ground = _Ground.of(candidates, live, options)
    left = _one_of_each(ground, order, options)
    placed = [replace(candidates[i], corridor_id=ground.home(i)) for i in left]
    absent = [name for name in order if name not in context.corridors]
    there = _Ground.of(placed, _read_near(reader, placed, absent, options), options)
    # What people hold goes on hearing of its place, whatever else there is.
    held = [ground.own_rank(i) == 0 for i in left]
    kept = [c for n, c in enumerate(placed) if held[n] or not there.has_most_of(n)]
    return Placed(tuple(kept), len(candidates) - len(kept))


def homes_of(
    reader: LedgerReader,
    candidates: Sequence[Candidate],
    corridors: Sequence[str],
    options: MatchOptions | None = None,
) -> list[str]:
    """Give the corridor of what single spots show: that which has its case.

    For flights and leads, which are placed in one of several corridors that hold them.
    """
    if len(corridors) < 2 or not candidates:
        return [c.corridor_id for c in candidates]
    options = options or MatchOptions()
    near = _read_near(reader, candidates, corridors, options)
    ground = _Ground.of(candidates, near, options)
    return [ground.home(i) for i in range(len(candidates))]


@dataclass(frozen=True)
class _Ground:
    """Which cases candidates may be, of whatever corridor."""

    candidates: Sequence[Candidate]
    at: Mapping[int, Sequence[Case]]  # by index of the candidate, best fit first

    @classmethod
    def of(
        cls, candidates: Sequence[Candidate], cases: Sequence[Case], options: MatchOptions
    ) -> _Ground:
        # A matching is within one corridor; here all ground is one.
        asked = [replace(c, corridor_id="") for c in candidates]
        live = [c for c in cases if c.merged_into is None]
        known = [Outline(c.case_id, c.kind, "", c.crs, c.seen_polygon, c.detector) for c in live]
        at: dict[int, list[Case]] = {}
        for pair in ranked(pairs_of(asked, known, options), asked, known):
            at.setdefault(pair.candidate, []).append(live[pair.case])
        return cls(candidates, at)

    def home(self, i: int) -> str:
        """Give the corridor that has the case of a candidate; its own without one."""
        own = self.candidates[i].corridor_id
        cases = sorted(self.at.get(i, ()), key=lambda c: (_rank(c), c.corridor_id != own))
        return cases[0].corridor_id if cases else own

    def own_rank(self, i: int) -> int:
        """Give how its own corridor's case stands: 0 people hold it, 1 listed, 2 lost, 3 none."""
        own = self.candidates[i].corridor_id
        return min((_rank(c) for c in self.at.get(i, ()) if c.corridor_id == own), default=3)

    def has_most_of(self, i: int) -> bool:
        """Tell whether a case that stands is a candidate, and no small part of it."""
        area = self.candidates[i].area_m2
        return any(_rank(c) < _LOST and _PART * c.area_m2 >= area for c in self.at.get(i, ()))


def _rank(case: Case) -> int:
    if case.issued and not case.decided:
        return 0
    return 1 if case.decided or case.produced else _LOST


def _one_of_each(ground: _Ground, order: Sequence[str], options: MatchOptions) -> list[int]:
    """Give the indices of the candidates without those that another corridor has too.

    The whole goes before the part that another saw up to its edge; of like ones that which has a
    case, then that of the corridor which is first in the file. Two that people hold stay two:
    which of them is meant is not ours to say.
    """
    candidates = ground.candidates
    beside = _overlapping(candidates, options)

    def preference(i: int) -> tuple[object, ...]:
        c = candidates[i]
        size = math.floor(math.log(max(c.area_m2, 1.0), _PART))
        return -size, ground.own_rank(i), order.index(c.corridor_id), candidate_key(c)

    kept: set[int] = set()
    for i in sorted(range(len(candidates)), key=preference):
        spoken = ground.own_rank(i) == 0
        if all(spoken and ground.own_rank(k) == 0 for k in beside.get(i, ()) if k in kept):
            kept.add(i)
    return sorted(kept)


def _overlapping(candidates: Sequence[Candidate], options: MatchOptions) -> dict[int, list[int]]:
    """Give for each candidate those of other corridors that may be the same thing."""
    if len({c.corridor_id for c in candidates}) < 2:
        return {}
    crs = candidates[0].crs
    shapes = [reproject(c.polygon, c.crs, crs) for c in candidates]
    beside: dict[int, list[int]] = {}
    tree = shapely.STRtree(shapes)
    for a, b in tree.query(shapes, predicate="intersects").T.tolist():
        one, other = candidates[a], candidates[b]
        if one.corridor_id == other.corridor_id or one.of_pictures != other.of_pictures:
            continue
        if overlaps(pair_of(a, b, shapes[a], shapes[b]), options):
            beside.setdefault(a, []).append(b)
    return beside


def _read_near(
    reader: LedgerReader,
    candidates: Sequence[Candidate],
    corridors: Sequence[str],
    options: MatchOptions,
) -> tuple[Case, ...]:
    """Read the cases of some corridors that candidates may be."""
    asked = [replace(c, corridor_id=name) for name in corridors for c in candidates]
    ids = touched(reader, asked, options) if asked else set()
    return reader.cases(ids) if ids else ()
