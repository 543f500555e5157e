"""Is a layer shifted as web maps shift? It is held against what was observed.

A layer is tried in each datum: as CGCS2000, with the GCJ-02 shift taken out, with the BD-09 shift
taken out. Two measures: the outlines of counties and of the old layer *follow* lines, so the cost
of a sample is its distance to them; a management area *holds* the middle of the water, so the cost
of a sample of the water's axis is what it lacks of lying 150 m inside (not more: a flood plain on
one side is no shift). Costs are capped, so that
what has no counterpart says the same in every datum. Samples are pooled in square cells, because
neighbours err together; a datum wins if its mean cost is clearly lower, if the cells agree on it
(paired t over cells), and if a free search for any translation finds none that is better: chance
could do one of these, hardly all three.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import shapely
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy.spatial import KDTree
from shapely.geometry import LineString, MultiLineString, MultiPoint
from shapely.geometry.base import BaseGeometry

from pipeline.grid import metric_crs, reproject
from pipeline.io.datum import Datum, unshift
from pipeline.office.reference import LAYER_CRS

Points = NDArray[np.float64]
Measure = Literal["follow", "hold"]
Cost = Callable[[tuple[float, float]], NDArray[np.float64]]  # metres moved to metres of cost
TRIED = (Datum.CGCS2000, Datum.GCJ02, Datum.BD09)


class OffsetOptions(BaseModel):
    """When a layer counts as shifted, and when as in place."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reach_m: float = Field(default=2500.0, gt=0, description="samples up to here say something [m]")
    cap_m: float = Field(default=1000.0, gt=0, description="largest cost of a sample [m]")
    deep_m: float = Field(default=150.0, gt=0, description="inside is deep enough from here [m]")
    step_m: float = Field(default=100.0, gt=0, description="between samples on a line [m]")
    search_m: float = Field(default=1200.0, gt=0, description="of the free search, each way [m]")
    search_step_m: float = Field(default=150.0, gt=0, description="of the free search [m]")
    near_m: float = Field(default=300.0, gt=0, description="free optimum to the shift [m]")
    even_m: float = Field(default=25.0, ge=0, description="and costs as even as this are [m]")
    as_good: float = Field(default=1.1, ge=1, description="ratio to the free optimum")
    better: float = Field(default=0.8, gt=0, lt=1, description="ratio of mean costs that decides")
    t: float = Field(default=4.0, gt=0, description="paired t over cells that accuses")
    t_agrees: float = Field(default=3.0, gt=0, description="paired t over cells that acquits")
    on_m: float = Field(default=250.0, gt=0, description="an outline that follows is so near [m]")
    on_share: float = Field(default=0.35, ge=0, le=1, description="of its samples, at the least")
    in_share: float = Field(default=0.7, ge=0, le=1, description="of the axis in what holds it")
    min_cells: int = Field(default=8, ge=3, description="cells without which nothing is said")
    max_samples: int = Field(default=3000, ge=100, description="more are thinned")


@dataclass(frozen=True)
class Reference:
    """Something whose place is known, as points."""

    name: str
    accuracy_m: float
    points: Points  # (n, 2) lon/lat, WGS 84
    measure: Measure


@dataclass(frozen=True, slots=True)
class PositionCheck:
    """What holding a layer against the references gave."""

    position: Literal["agrees", "shifted", "unverified"]
    reference: str = ""
    fits: Datum | None = None  # the datum that fits better than the declared one
    declared_cost_m: float | None = None
    best_cost_m: float | None = None
    cells: int = 0

    def __str__(self) -> str:
        if self.position == "unverified":
            return "could not be checked: nothing near it whose place is known"
        cost = f"mean misfit {self.declared_cost_m:.0f} m"
        if self.position == "agrees":
            return f"{cost} against {self.reference}"
        return (
            f"{cost} against {self.reference}, and {self.best_cost_m:.0f} m read as "
            f"{self.fits.value if self.fits else '?'}"
        )


def check_position(
    geometries: Sequence[BaseGeometry],
    declared: Datum,
    references: Sequence[Reference],
    options: OffsetOptions | None = None,
) -> PositionCheck:
    """Hold a layer against references, the most exact first; the first that can tell decides.

    Parameters
    ----------
    geometries : sequence
        Lon/lat as in the file, with the shift of ``declared`` still in them.
    """
    options = options or OffsetOptions()
    for reference in sorted(references, key=lambda r: r.accuracy_m):
        found = _against(geometries, declared, reference, options)
        if found.position != "unverified":
            return found
    return PositionCheck("unverified")


def _against(
    geometries: Sequence[BaseGeometry],
    declared: Datum,
    reference: Reference,
    options: OffsetOptions,
) -> PositionCheck:
    plain = Datum.CGCS2000 if declared is Datum.WGS84 else declared
    nothing = PositionCheck("unverified")
    whole = _whole(geometries, reference.measure)
    if whole.is_empty or len(reference.points) < 2:
        return nothing
    crs = metric_crs(whole.centroid.x, whole.centroid.y)
    placed = {d: reproject(unshift(whole, d), LAYER_CRS, crs) for d in TRIED}
    known = _to_metric(reference.points, crs)
    made = (_follow if reference.measure == "follow" else _hold)(placed, plain, known, options)
    if made is None:
        return nothing
    samples, costs = made
    mean = {d: float(np.mean(c((0.0, 0.0)))) for d, c in costs.items()}
    cells = _cells(samples, 500.0 if reference.accuracy_m <= 100 else 2000.0)
    count = len(np.unique(cells))
    if count < options.min_cells:
        return nothing
    optimum, least = _search(costs[plain], options)
    centre = np.array(placed[plain].centroid.coords[0])
    for datum in TRIED:
        to = np.array(placed[datum].centroid.coords[0]) - centre
        rivals = [d for d in TRIED if d is not datum]
        decisive = options.t_agrees
        if datum is not plain:
            rivals, decisive = [plain], options.t
        wins = all(mean[datum] <= options.better * mean[r] for r in rivals) and all(
            _t(costs[r]((0, 0)) - costs[datum]((0, 0)), cells) >= decisive for r in rivals
        )
        wins &= _whole_fit(costs[datum]((0, 0)), reference.measure, options)
        # Along a straight river many translations are as good: then as good is near enough.
        near = np.hypot(*(optimum - to)) <= options.near_m
        if wins and (near or mean[datum] <= options.as_good * least + options.even_m):
            best = None if datum is plain else datum
            return PositionCheck(
                "agrees" if best is None else "shifted",
                reference.name,
                best,
                round(mean[plain], 1),
                round(mean[datum], 1),
                count,
            )
    return nothing


def _whole(geometries: Sequence[BaseGeometry], measure: Measure) -> BaseGeometry:
    """Give all outlines, borders between neighbours included, or the area that all enclose."""
    if measure == "hold":
        return shapely.union_all([shapely.make_valid(g) for g in geometries])
    return MultiLineString([p for g in geometries for p in _lines(g)])


def _whole_fit(cost: NDArray[np.float64], measure: Measure, options: OffsetOptions) -> bool:
    """Tell whether a layer fits all along: a short piece is near something by chance."""
    if measure == "follow":
        return bool(np.mean(cost <= options.on_m) >= options.on_share)
    return bool(np.mean(cost < options.deep_m) >= options.in_share)


def _follow(
    placed: dict[Datum, BaseGeometry], plain: Datum, known: Points, options: OffsetOptions
) -> tuple[Points, dict[Datum, Cost]] | None:
    """Take samples on the layer's outlines; the cost is their distance to known points."""
    tree = KDTree(known)
    fine = _paired(placed, options.step_m)
    base = fine[plain]
    if len(base) == 0:
        return None
    near = tree.query(base, distance_upper_bound=options.reach_m)[0] < np.inf
    if not near.any():
        return None
    chosen = _thinned(np.flatnonzero(near), options.max_samples)

    def cost_of(points: Points) -> Cost:
        return lambda by: np.minimum(tree.query(points + np.asarray(by))[0], options.cap_m)

    return base[chosen], {d: cost_of(f[chosen]) for d, f in fine.items()}


def _paired(placed: dict[Datum, BaseGeometry], step_m: float) -> dict[Datum, Points]:
    """Give points that correspond between datums: segments cut into equal parts."""
    first = {d: [shapely.get_coordinates(p) for p in _lines(g)] for d, g in placed.items()}
    lengths = [np.hypot(*np.diff(c, axis=0).T) for c in next(iter(first.values()))]
    parts = [np.maximum(1, np.ceil(n / step_m)).astype(int) for n in lengths]
    return {d: _cut(lines, parts) for d, lines in first.items()}


def _cut(lines: Sequence[Points], parts: Sequence[NDArray[np.int_]]) -> Points:
    out: list[Points] = []
    for line, cuts in zip(lines, parts, strict=True):
        start = np.repeat(line[:-1], cuts, axis=0)
        step = np.repeat(np.diff(line, axis=0) / cuts[:, None], cuts, axis=0)
        index = np.concatenate([np.arange(n) for n in cuts])[:, None]
        out.append(start + step * index)
    return np.concatenate(out) if out else np.empty((0, 2))


def _hold(
    placed: dict[Datum, BaseGeometry], plain: Datum, known: Points, options: OffsetOptions
) -> tuple[Points, dict[Datum, Cost]] | None:
    """Take known points of the water's axis; the cost is how shallow they lie inside."""
    near = shapely.dwithin(placed[plain], shapely.points(known), options.reach_m / 2)
    if not near.any():
        return None
    chosen = known[_thinned(np.flatnonzero(near), options.max_samples)]

    def cost_of(geometry: BaseGeometry) -> Cost:
        tree = KDTree(_outline_points(geometry, options.step_m / 4))
        shapely.prepare(geometry)

        def cost(by: tuple[float, float]) -> NDArray[np.float64]:
            at = chosen - np.asarray(by)  # the layer moves by ``by``
            deep = tree.query(at)[0]
            inside = shapely.contains_xy(geometry, at[:, 0], at[:, 1])
            signed = np.clip(np.where(inside, deep, -deep), -options.cap_m, options.deep_m)
            return options.deep_m - signed

        return cost

    return chosen, {d: cost_of(g) for d, g in placed.items()}


def _search(cost: Cost, options: OffsetOptions) -> tuple[Points, float]:
    """Give the translation [m] of the declared layer that fits best, and its mean cost [m]."""
    steps = np.arange(-options.search_m, options.search_m + 1, options.search_step_m)
    best = min((float(np.mean(cost((dx, dy)))), dx, dy) for dx in steps for dy in steps)
    return np.array(best[1:]), best[0]


def _t(gain: NDArray[np.float64], cells: NDArray[np.int_]) -> float:
    """Paired t of a gain over cells."""
    _, index = np.unique(cells, return_inverse=True)
    means = np.bincount(index, gain) / np.bincount(index)
    spread = float(np.std(means, ddof=1)) / np.sqrt(len(means))
    return float(np.mean(means)) / spread if spread > 0 else 0.0


def _cells(samples: Points, side_m: float) -> NDArray[np.int_]:
    square = np.floor(samples / side_m).astype(int)
    return np.unique(square, axis=0, return_inverse=True)[1].ravel()


def _thinned(index: NDArray[np.int_], most: int) -> NDArray[np.int_]:
    return index[:: -(-len(index) // most)]


def _lines(geometry: BaseGeometry) -> list[LineString]:
    is_line = shapely.get_dimensions(geometry) == 1
    outline = geometry if is_line else shapely.boundary(geometry)
    return [LineString(p.coords) for p in shapely.get_parts(outline) if len(p.coords) > 1]


def _outline_points(geometry: BaseGeometry, step_m: float) -> Points:
    lines = [shapely.segmentize(p, step_m) for p in _lines(geometry)]
    return shapely.get_coordinates(lines)


def _to_metric(points: Points, crs: str) -> Points:
    return shapely.get_coordinates(reproject(MultiPoint(points), "EPSG:4326", crs))
