"""The squares of ground that an audit visits.

One lattice and one unit for all: what was seen is cut into squares, and a square is of the best
case that lies in it. So every place can be drawn, in one way only, and its shape tells nothing.
Squares of cases that touch are one group, of which one is visited: else closeness would tell.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import shapely
from shapely.geometry import box
from shapely.geometry.base import BaseGeometry

from pipeline.grid import metric_crs, reproject
from pipeline.io.corridors import reaches_of
from pipeline.io.observed import read_looks
from pipeline.model import Case, Corridor

SIDE_M = 100.0
LEAST_M2 = 100.0
"""A pixel of ten metres: less of a problem or a case than this is not in a square."""


@dataclass(frozen=True, slots=True, order=True)
class Square:
    """A square of the lattice of its reference system."""

    corridor_id: str
    crs: str  # metric
    col: int
    row: int

    @property
    def polygon(self) -> BaseGeometry:
        """The square, in its reference system [m]."""
        x, y = self.col * SIDE_M, self.row * SIDE_M
        return box(x, y, x + SIDE_M, y + SIDE_M)


@dataclass(frozen=True, slots=True)
class Marked:
    """A case on its way into squares: its standing is that of its stratum, best first."""

    case: Case
    standing: int


@dataclass(frozen=True, slots=True)
class Place:
    """A square, the best standing of the cases in it, and the case whose inner point it holds."""

    square: Square
    standing: int | None  # None: no case
    case_id: str | None = None  # of that standing
    beside: bool = False  # no case, and a square with one touches it


def places_of(crs: str, seen: Mapping[str, BaseGeometry], marked: Iterable[Marked]) -> list[Place]:
    """Cut what was seen of corridors into squares, each of which is one place.

    A square is of the ground that was seen if its middle is, and of the first corridor by name
    where several overlap. A case, of whichever corridor, lies in a square if it covers ``LEAST_M2``
    of it or has its inner point there; of several the best standing counts. Squares beyond are left
    out even where a case lies in them: only cases would be drawn from there.

    Parameters
    ----------
    crs : str
        Reference system of the lattice.
    seen : mapping of corridor id to geometry
        In ``crs``.
    """
    owner: dict[tuple[int, int], str] = {}
    for corridor_id, ground in sorted(seen.items()):
        for cell in _middles_in(ground):
            owner.setdefault(cell, corridor_id)
    best: dict[tuple[int, int], int] = {}
    inner: dict[tuple[int, int], tuple[int, str]] = {}
    for m in marked:
        shape = reproject(m.case.polygon, m.case.crs, crs)
        point = shape.point_on_surface()
        home = (int(point.x // SIDE_M), int(point.y // SIDE_M))
        for cell in {home, *_covered(shape)}:
            best[cell] = min(best.get(cell, m.standing), m.standing)
        mine = (m.standing, m.case.case_id)
        inner[home] = min(inner.get(home, mine), mine)
    return [
        Place(
            Square(corridor_id, crs, *cell),
            best.get(cell),
            _of_standing(inner.get(cell), best.get(cell)),
            beside=cell not in best and any(c in best for c in _around(cell)),
        )
        for cell, corridor_id in sorted(owner.items())
    ]


def groups_of(places: Iterable[Place]) -> list[tuple[Place, ...]]:
    """Put squares that touch, at a side or a corner, into one group; in the order of the first."""
    left = {(p.square.crs, p.square.col, p.square.row): p for p in places}
    groups: list[tuple[Place, ...]] = []
    while left:
        at = next(iter(left))
        group, todo = [left.pop(at)], [at]
        while todo:
            crs, *cell = todo.pop()
            near = [(crs, *c) for c in _around((cell[0], cell[1])) if (crs, *c) in left]
            group += [left.pop(k) for k in near]
            todo += near
        groups.append(tuple(group))
    return groups


def one_of(group: Sequence[Place], rng: np.random.Generator) -> tuple[Place, float]:
    """Draw one square of a group; (square, how many its answer stands for: 1 / its chance).

    With one chance in two it holds the inner point of a case, where some do and some do not:
    the precision is told of those.
    """
    inner = [p for p in group if p.case_id is not None]
    outer = [p for p in group if p.case_id is None]
    if not inner or not outer:
        return group[int(rng.integers(len(group)))], float(len(group))
    side = inner if rng.random() < 0.5 else outer
    return side[int(rng.integers(len(side)))], 2.0 * len(side)


def seen_ground(state: Path, corridor: Corridor, since: date) -> BaseGeometry:
    """Give the reaches that some look since a day saw, in the corridor's reference system.

    Raises
    ------
    ConfigurationError
        What was observed is damaged.
    """
    known = read_looks(state, corridor)
    looks = known.looks.values() if known else ()
    clear = {reach for look in looks if look.on >= since for reach in look.clear}
    reaches = reaches_of(corridor, crs_of(corridor))
    return shapely.union_all([r.polygon for r in reaches if r.id in clear])


def _middles_in(ground: BaseGeometry) -> list[tuple[int, int]]:
    if ground.is_empty:
        return []
    left, bottom, right, top = ground.bounds
    cols = np.arange(int(left // SIDE_M), int(right // SIDE_M) + 1)
    rows = np.arange(int(bottom // SIDE_M), int(top // SIDE_M) + 1)
    col, row = (a.ravel() for a in np.meshgrid(cols, rows))
    shapely.prepare(ground)
    inside = shapely.contains_xy(ground, (col + 0.5) * SIDE_M, (row + 0.5) * SIDE_M)
    return [(int(c), int(r)) for c, r in zip(col[inside], row[inside], strict=True)]


def _covered(shape: BaseGeometry) -> list[tuple[int, int]]:
    left, bottom, right, top = (int(v // SIDE_M) for v in shape.bounds)
    cells = [(c, r) for c in range(left, right + 1) for r in range(bottom, top + 1)]
    boxes = shapely.box(*(np.array([(c, r, c + 1, r + 1) for c, r in cells]) * SIDE_M).T)
    areas = shapely.area(shapely.intersection(shape, boxes))
    return [cell for cell, area in zip(cells, areas, strict=True) if area >= LEAST_M2]


def _around(cell: tuple[int, int]) -> list[tuple[int, int]]:
    col, row = cell
    return [(col + c, row + r) for c in (-1, 0, 1) for r in (-1, 0, 1) if c or r]


def _of_standing(inner: tuple[int, str] | None, standing: int | None) -> str | None:
    return inner[1] if inner is not None and inner[0] == standing else None


def crs_of(corridor: Corridor) -> str:
    """Give the reference system in which a corridor is cut into squares."""
    middle = corridor.polygon_wgs84.centroid
    return metric_crs(middle.x, middle.y)
