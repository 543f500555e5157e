"""One problem is one case where corridors overlap, and where their file was drawn anew.

Corridors of rivers that meet share ground, and each of them finds what stands there. Such ground
belongs to the case that is there already, and before there is one to the corridor that stands first
in the file. An id that the file has no longer is nobody's: its cases go on in the corridor in which
they lie, with what people said of them, and are not opened anew beside the old ones.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import shapely
from shapely.geometry.base import BaseGeometry

from pipeline.grid import reproject
from pipeline.ledger.context import LedgerContext
from pipeline.ledger.interface import LedgerReader
from pipeline.ledger.match import MatchOptions, pairs_of, ranked
from pipeline.ledger.reach import touched
from pipeline.model import Candidate, Case

_MOST = 0.5  # of a case's outline: it lies in the corridor that holds more than lies outside
_LARGER = 1.5  # times: then the other corridor saw a part of it, up to its own edge


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
    if len({*context.corridors, *context.siblings}) < 2:
        return Placed(tuple(candidates))
    if not candidates:
        return Placed(())
    options, crs = options or MatchOptions(), candidates[0].crs
    here = _Ground([c for c in live if c.merged_into is None], crs, options)
    there = _Ground(_of_others(reader, candidates, context, options), crs, options)
    order = [*context.siblings, *(c for c in context.corridors if c not in context.siblings)]
    left = _one_of_each(candidates, here, order, options)
    placed = [_at_its_case(c, here, there, context) for c in left]
    kept = tuple(c for c in placed if c is not None)
    return Placed(kept, len(candidates) - len(kept))


def homes_of(
    reader: LedgerReader,
    candidates: Sequence[Candidate],
    corridors: Sequence[str],
    options: MatchOptions | None = None,
) -> list[str]:
    """Give the corridor of what single spots show: that whose case it may be, its own first.

    For flights and leads, which are placed in one of several corridors that hold them.
    """
    own = [c.corridor_id for c in candidates]
    if len(corridors) < 2:
        return own
    options = options or MatchOptions()
    asked = [replace(c, corridor_id=name) for c in candidates for name in corridors]
    ids = touched(reader, asked, options)
    live = [c for c in reader.cases(ids) if c.merged_into is None] if ids else []
    homes: dict[int, str] = {}
    for pair in ranked(pairs_of(asked, live, options), asked, live):
        i, there = pair.candidate // len(corridors), live[pair.case].corridor_id
        if there == own[i]:
            homes[i] = there
        homes.setdefault(i, there)
    return [homes.get(i, name) for i, name in enumerate(own)]


def _one_of_each(
    candidates: Sequence[Candidate],
    known: _Ground,
    order: Sequence[str],
    options: MatchOptions,
) -> list[Candidate]:
    """Give the candidates without those that another corridor has too.

    The corridor that has a case there keeps its own, else the first of ``order``; what another saw
    more than half as large again is the whole of it, and the rest are parts.
    """
    groups = _groups(candidates, options)
    if not groups:
        return list(candidates)
    dropped: set[int] = set()
    for group in groups:
        sizes: dict[str, float] = {}
        cases: dict[str, list[Case]] = {}
        for i in group:
            own = candidates[i].corridor_id
            sizes[own] = sizes.get(own, 0.0) + candidates[i].area_m2
            case = known.best(candidates[i], {own})
            cases.setdefault(own, []).extend([case] if case else [])
        # What people speak of goes on before what imagery alone has said, and that before nothing.
        rank = {c: 2 - bool(k) - any(case.issued for case in k) for c, k in cases.items()}
        first = min(sizes, key=lambda c: (rank[c], order.index(c)))
        largest = max(sizes, key=lambda c: (sizes[c], c == first, c))
        keeper = largest if sizes[largest] > _LARGER * sizes[first] else first
        dropped |= {
            # Two that people speak of stay two: which of them is meant is not ours to say.
            i
            for i in group
            if candidates[i].corridor_id != keeper and rank[candidates[i].corridor_id] > 0
        }
    return [c for i, c in enumerate(candidates) if i not in dropped]


def _at_its_case(
    candidate: Candidate, here: _Ground, there: _Ground, context: LedgerContext
) -> Candidate | None:
    """Give a candidate in the corridor that has its case; None where that was not looked at."""
    if here.best(candidate, {candidate.corridor_id}):
        return candidate
    found = here.best(candidate, context.corridors)
    if found is not None:
        return replace(candidate, corridor_id=found.corridor_id)
    return None if there.best(candidate, context.siblings) else candidate


class _Ground:
    """Outlines of cases, to be asked whose a place is."""

    def __init__(self, cases: Sequence[Case], crs: str, options: MatchOptions) -> None:
        self._cases, self._crs, self._options = cases, crs, options
        moved = [reproject(c.seen_polygon, c.crs, crs) for c in cases]
        self._shapes = moved
        self._tree = shapely.STRtree(moved)

    def best(self, candidate: Candidate, corridors: Container[str]) -> Case | None:
        """Give that case of some corridors which fits best; None where none of them has one.

        Pictures stand beside a case and open none at it: that is the plan's own rule.
        """
        ground = reproject(candidate.polygon, candidate.crs, self._crs)
        found: list[tuple[float, str, int]] = []
        for j in self._tree.query(ground, predicate="intersects").tolist():
            case = self._cases[j]
            if case.corridor_id in corridors and candidate.of_pictures == case.of_pictures:
                fits = _overlap(ground, self._shapes[j], self._options)
                found += [(-fits, case.case_id, j)] if fits else []
        return self._cases[min(found)[2]] if found else None


def _overlap(one: BaseGeometry, other: BaseGeometry, options: MatchOptions) -> float:
    """Give the intersection over union of what overlaps enough to be one thing, else 0."""
    common = one.intersection(other).area
    iou = common / (one.area + other.area - common)
    inside = common / min(one.area, other.area)
    return iou if iou >= options.min_iou or inside >= options.min_containment else 0.0


def _groups(candidates: Sequence[Candidate], options: MatchOptions) -> list[list[int]]:
    """Group candidates that overlap those of another corridor."""
    if len({c.corridor_id for c in candidates}) < 2:
        return []
    crs = candidates[0].crs
    shapes = [reproject(c.polygon, c.crs, crs) for c in candidates]
    root = list(range(len(candidates)))

    def top(i: int) -> int:
        while root[i] != i:
            i = root[i]
        return i

    tree = shapely.STRtree(shapes)
    met: set[int] = set()
    for a, b in tree.query(shapes, predicate="intersects").T.tolist():
        one, other = candidates[a], candidates[b]
        if one.corridor_id == other.corridor_id or one.of_pictures != other.of_pictures:
            continue
        if _overlap(shapes[a], shapes[b], options):
            root[max(top(a), top(b))] = min(top(a), top(b))
            met |= {a, b}
    groups: dict[int, list[int]] = {}
    for i in sorted(met):
        groups.setdefault(top(i), []).append(i)
    return list(groups.values())


def _of_others(
    reader: LedgerReader,
    candidates: Sequence[Candidate],
    context: LedgerContext,
    options: MatchOptions,
) -> list[Case]:
    """Read the cases at these places of the corridors that this run did not look at."""
    absent = sorted(set(context.siblings) - set(context.corridors))
    asked = [replace(c, corridor_id=name) for name in absent for c in candidates]
    ids = touched(reader, asked, options) if asked else set()
    return [c for c in reader.cases(ids) if c.merged_into is None] if ids else []
