"""A working corridor from observed water: arrays and a grid in, geometry out.

The ministry's order where no management boundary exists is: outer toe of the levee, road or canal,
line of villages, foot of the hill, scarp, flood trace. Water history can give only the last one,
the flood trace (洪水痕迹): all that was ever seen as water. What is derived is a working geometry
to find and to watch, never a legal one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy.ndimage import binary_closing, distance_transform_edt, gaussian_filter1d
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import dijkstra
from shapely.geometry import LineString
from shapely.geometry.base import BaseGeometry
from skimage.measure import label
from skimage.morphology import disk, skeletonize

from pipeline.adjudicate.candidates import outline
from pipeline.errors import ConfigurationError
from pipeline.grid import reproject
from pipeline.model import Grid

RULE = (
    "flood trace (洪水痕迹), the last in the ministry's order: levee toe, road or canal, line of "
    "villages, foot of the hill and scarp cannot be had from water history"
)


class DeriveOptions(BaseModel):
    """How a corridor is drawn from water."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    channel: float = Field(default=0.5, gt=0, le=1, description="share of looks: the channel")
    flood: float = Field(default=0.05, gt=0, lt=1, description="share of looks: the flood trace")
    gap_m: float = Field(default=60.0, ge=0, description="bridges and gaps that are closed [m]")
    smooth_m: float = Field(default=150.0, gt=0, description="along the centreline, 1 sigma [m]")
    margin_m: float = Field(default=50.0, ge=0, description="added around the flood trace [m]")
    simplify_px: float = Field(default=1.0, ge=0, description="tolerance of outlines [px]")
    min_px: int = Field(default=200, ge=10, description="a smaller channel is none [px]")


@dataclass(frozen=True)
class Derived:
    """A working corridor in the CRS of the grid."""

    polygon: BaseGeometry
    centreline: LineString | None  # of a river; direction not known
    accuracy_m: float
    line_accuracy_m: float  # half the width of the channel: islands pull its middle so far
    rule: str


def derive(
    occurrence: NDArray[np.float32], grid: Grid, options: DeriveOptions, *, river: bool
) -> Derived:
    """Draw a corridor around the largest water.

    Parameters
    ----------
    occurrence : float32 (row, col)
        Share of looks that showed water, 0..1, NaN where nobody looked.
    grid : Grid
        In metres.
    river : bool
        Draw a centreline too: the longest path through the skeleton of the channel, smoothed.

    Raises
    ------
    ConfigurationError
        There is no water of a useful size.
    """
    seen = np.nan_to_num(occurrence, nan=0.0)
    radius = round(options.gap_m / 2 / grid.res_m)
    channel = _largest(_closed(seen >= options.channel, radius))
    if int(channel.sum()) < options.min_px:
        raise ConfigurationError(
            f"fewer than {options.min_px} pixels were seen as water in {options.channel:.0%} of "
            "the looks",
            "Give a raster or a history that holds the water, or draw the corridor by hand",
        )
    flood = _connected(_closed(seen >= options.flood, radius) | channel, channel)
    rows, cols = np.nonzero(flood)
    trace = outline(rows.astype(np.int32), cols.astype(np.int32), grid)
    tolerance = options.simplify_px * grid.res_m
    polygon = trace.buffer(options.margin_m).simplify(tolerance)
    line = centreline(channel, grid, options) if river else None
    accuracy = max(2.0 * grid.res_m, 30.0)
    half = (
        float(np.median(np.asarray(distance_transform_edt(channel))[skeletonize(channel)]))
        * grid.res_m
    )
    return Derived(_largest_part(polygon), line, accuracy, max(accuracy, round(half)), RULE)


def centreline(channel: NDArray[np.bool_], grid: Grid, options: DeriveOptions) -> LineString:
    """Give the longest path through the skeleton of a channel, smoothed along itself."""
    rows, cols = np.nonzero(skeletonize(channel))
    order = _longest_path(rows, cols)
    xy = _centres(grid.transform, rows[order], cols[order])
    step = float(np.mean(np.hypot(*np.diff(xy, axis=0).T))) if len(xy) > 1 else grid.res_m
    smooth = gaussian_filter1d(xy, options.smooth_m / step, axis=0, mode="nearest")
    smooth[0], smooth[-1] = xy[0], xy[-1]
    line = LineString(smooth).simplify(grid.res_m / 2)
    return LineString(line.coords)


def orient(
    line: LineString, upstream: tuple[float, float] | None, like: BaseGeometry | None, crs: str
) -> tuple[LineString, bool]:
    """Turn a line downstream; give (line, whether the direction is known).

    Parameters
    ----------
    upstream : (lon, lat), optional
        A place near the upper end.
    like : line in WGS 84, optional
        A line that runs downstream, however rough.
    crs : str
        Of ``line``.
    """
    if upstream is not None:
        top = reproject(shapely.Point(upstream), "EPSG:4326", crs)
        near_end = line.interpolate(1.0, normalized=True).distance(top) < (
            line.interpolate(0.0).distance(top)
        )
        return (LineString(line.reverse().coords) if near_end else line), True
    if like is None:
        return line, False
    known = shapely.line_merge(reproject(like, "EPSG:4326", crs))
    start, end = (
        known.project(line.interpolate(0.0)),
        known.project(line.interpolate(1.0, normalized=True)),
    )
    if abs(end - start) < 0.2 * line.length:
        return line, False  # the rough line says nothing of so different a course
    return (line if end > start else LineString(line.reverse().coords)), True


def _longest_path(rows: NDArray[np.int_], cols: NDArray[np.int_]) -> NDArray[np.int_]:
    """Give pixels of the longest shortest path between any two ends, in order (double sweep)."""
    index = {(int(r), int(c)): i for i, (r, c) in enumerate(zip(rows, cols, strict=True))}
    start: list[int] = []
    stop: list[int] = []
    length: list[float] = []
    for (r, c), i in index.items():
        for dr, dc in ((0, 1), (1, -1), (1, 0), (1, 1)):
            j = index.get((r + dr, c + dc))
            if j is not None:
                start.append(i)
                stop.append(j)
                length.append(float(np.hypot(dr, dc)))
    graph = coo_matrix((length, (start, stop)), shape=(len(rows), len(rows))).tocsr()
    first = _farthest(graph, 0)[0]
    last, before = _farthest(graph, first)
    path = [last]
    while path[-1] != first:
        path.append(int(before[path[-1]]))
    return np.array(path)


def _farthest(graph: object, source: int) -> tuple[int, NDArray[np.int32]]:
    distance, before = dijkstra(graph, directed=False, indices=source, return_predecessors=True)
    distance = np.where(np.isfinite(distance), distance, -1)
    return int(np.argmax(distance)), before


def _closed(mask: NDArray[np.bool_], radius: int) -> NDArray[np.bool_]:
    if radius < 1:
        return mask
    padded = np.pad(mask, radius)
    closed = binary_closing(padded, structure=disk(radius))
    return np.asarray(closed[radius:-radius, radius:-radius], dtype=bool)


def _largest(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    numbers = np.asarray(label(mask, connectivity=2))
    sizes = np.bincount(numbers.ravel())
    sizes[0] = 0
    return (numbers == int(np.argmax(sizes))) & mask


def _connected(mask: NDArray[np.bool_], seed: NDArray[np.bool_]) -> NDArray[np.bool_]:
    numbers = np.asarray(label(mask, connectivity=2))
    wanted = np.unique(numbers[seed])
    return np.isin(numbers, wanted[wanted > 0])


def _largest_part(geometry: BaseGeometry) -> BaseGeometry:
    return max(shapely.get_parts(geometry), key=lambda p: p.area)


def _centres(
    transform: Affine, rows: NDArray[np.int_], cols: NDArray[np.int_]
) -> NDArray[np.float64]:
    t = transform
    x, y = cols + 0.5, rows + 0.5
    return np.column_stack((t.c + x * t.a + y * t.b, t.f + x * t.d + y * t.e))
