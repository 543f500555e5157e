"""``siluan layers check``: defects that imagery shows in the management boundary.

The boundary is held against water that was there in nearly every look of the history. A boundary of
a management area lies at the levee or the flood line and never at the waterline, so water that is
always there lies inside it: where it does not, either the line is wrong there or it is displaced.
Nothing changes the layer: what is found is reported with its evidence, for whoever keeps it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import shapely
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from rasterio.features import shapes
from scipy import ndimage
from shapely.geometry import MultiPoint, Point, shape
from shapely.geometry.base import BaseGeometry
from skimage.morphology import skeletonize

from pipeline.grid import metric_crs, reproject
from pipeline.io.burn import burn
from pipeline.model import Grid

LONLAT = "EPSG:4326"
_EIGHT = np.ones((3, 3))
_CROSSING = re.compile(r"(Self-intersection|Ring Self-intersection)\[(-?[\d.]+) (-?[\d.]+)\]")


class DefectOptions(BaseModel):
    """When permanent water says that a boundary is wrong."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    permanent: float = Field(
        default=0.9, gt=0, le=1, description="share of looks with water, of what is always water"
    )
    beyond_m: float = Field(
        default=30.0, ge=0, description="outside by more than boundary (20 m) and pixel allow [m]"
    )
    least_m2: float = Field(default=2000.0, gt=0, description="smaller pieces are not named [m²]")
    search_m: float = Field(default=600.0, gt=0, description="of the search for a shift [m]")
    step_m: float = Field(default=30.0, gt=0, description="of that search [m]")
    outside_share: float = Field(
        default=0.05, gt=0, lt=1, description="of the water outside, to look for a shift at all"
    )
    left_share: float = Field(
        default=0.2, gt=0, lt=1, description="of it still outside after a shift that explains it"
    )
    along: float = Field(
        default=0.3, gt=0, le=1, description="of the squares of 500 m with water, some outside"
    )


@dataclass(frozen=True)
class Defect:
    """One defect, with what shows it."""

    code: Literal["water-outside", "shifted", "self-crossing"]
    geometry_wgs84: BaseGeometry
    text: str  # Chinese
    area_m2: float | None = None  # of water outside
    outside_share: float | None = None  # of the permanent water that the boundary should hold
    shift_m: tuple[float, float] | None = None  # east, north: the boundary moved by it fits


def crossings(source: str, repaired: Sequence[str]) -> list[Defect]:
    """Give the self-crossing parts that an import repaired; ``repaired`` are its sentences."""
    out: list[Defect] = []
    for line in repaired:
        found = _CROSSING.search(line)
        if found is not None:
            at = Point(float(found[2]), float(found[3]))
            text = f"管理范围线（{source}）自相交，导入时已修复，请核对原图：{line}"
            out.append(Defect("self-crossing", at, text))
    return out


def against_water(
    boundary_wgs84: Sequence[BaseGeometry],
    occurrence: NDArray[np.float32],
    grid: Grid,
    options: DefectOptions | None = None,
) -> list[Defect]:
    """Hold a boundary against how often water was seen.

    Parameters
    ----------
    boundary_wgs84 : sequence of polygons
        All parts of the layer.
    occurrence : float32 (H, W)
        Share of the looks with water, 0..1; NaN where nobody looked.
    grid : Grid
        Of the occurrence.

    Returns
    -------
    list of Defect
        Empty where none of that water lies in the boundary: then it speaks of another place. Water
        beyond the ends of the boundary, where the river goes on, is not named.
    """
    o = options or DefectOptions()
    whole = shapely.union_all([shapely.make_valid(g) for g in boundary_wgs84])
    metric = metric_crs(whole.centroid.x, whole.centroid.y)
    area = reproject(whole, LONLAT, metric)
    water = np.nan_to_num(occurrence, nan=0.0) >= o.permanent
    held = water & burn(reproject(area, metric, grid.crs), grid)
    numbers = _numbered(water)
    water &= np.isin(numbers, np.unique(numbers[held]))
    if not held.any():
        return []
    near = burn(reproject(area.buffer(o.beyond_m), metric, grid.crs), grid)
    counted = water & ~_beyond_ends(water, near, np.isnan(occurrence))
    outside = _numbered(counted & ~near)
    points = _points(counted, grid, metric)
    out = _shift(area, points, metric, o)
    for number in range(1, int(outside.max(initial=0)) + 1):
        found = _piece(outside == number, grid, metric, counted, o)
        out += [found] if found is not None else []
    return out


def _numbered(mask: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Give each piece of a mask its number from 1 on; pixels that touch at a corner are one."""
    out = np.zeros(mask.shape, np.int32)
    ndimage.label(mask, _EIGHT, output=out)
    return out


def _beyond_ends(
    water: NDArray[np.bool_], near: NDArray[np.bool_], unseen: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Mask the water of the river beyond the ends of a boundary.

    It lies at a part of the river's axis that leaves the boundary and goes on to the rim of what
    was observed.
    """
    axis = np.asarray(skeletonize(water), bool)
    if not axis.any():
        return np.zeros(water.shape, bool)
    deep = np.asarray(ndimage.distance_transform_edt(np.pad(water, 1)))
    rim = np.pad(np.zeros(tuple(n - 2 for n in water.shape), bool), 1, constant_values=True)
    # An axis ends half a width before the rim.
    far = np.asarray(ndimage.distance_transform_edt(~(rim | unseen))) > float(deep.max()) + 2
    runs = _numbered(axis & ~near)
    going_on = np.setdiff1d(np.unique(runs[~far]), [0])
    rows, cols = np.asarray(
        ndimage.distance_transform_edt(~axis, return_distances=False, return_indices=True)
    )
    return water & ~near & np.isin(runs[rows, cols], going_on)


def _piece(
    mask: NDArray[np.bool_], grid: Grid, metric: str, water: NDArray[np.bool_], o: DefectOptions
) -> Defect | None:
    found = shapes(mask.astype(np.uint8), mask=mask, connectivity=8, transform=grid.transform)
    lonlat = reproject(shapely.union_all([shape(g) for g, _ in found]), grid.crs, LONLAT)
    area = float(reproject(lonlat, LONLAT, metric).area)
    if area < o.least_m2:
        return None
    share = float(np.count_nonzero(mask) / np.count_nonzero(water))
    text = (
        f"常年水面约 {area:.0f} m² 位于管理范围线外 {o.beyond_m:.0f} m 以上"
        f"（占相邻常年水面的 {share:.1%}），请核对该段管理范围线"
    )
    return Defect("water-outside", lonlat, text, round(area, 1), round(share, 4))


def _points(mask: NDArray[np.bool_], grid: Grid, metric: str) -> NDArray[np.float64]:
    """Give at most some thousand pixels of water as points (n, 2) in metres."""
    rows, cols = np.nonzero(mask)
    thin = slice(None, None, max(1, len(rows) // 2000))
    t = grid.transform
    x = t.c + (cols[thin] + 0.5) * t.a + (rows[thin] + 0.5) * t.b
    y = t.f + (cols[thin] + 0.5) * t.d + (rows[thin] + 0.5) * t.e
    points = MultiPoint(np.column_stack((x, y)))
    return shapely.get_coordinates(reproject(points, grid.crs, metric))


def _shift(
    area: BaseGeometry, points: NDArray[np.float64], metric: str, o: DefectOptions
) -> list[Defect]:
    """Look for the smallest shift of the boundary that takes nearly all of the water in."""
    shapely.prepare(area)

    def out_of(dx: float, dy: float) -> NDArray[np.bool_]:
        return ~shapely.contains_xy(area, points[:, 0] - dx, points[:, 1] - dy)

    now = out_of(0.0, 0.0)
    share = float(now.mean())
    squares = [len(np.unique(np.floor(p / 500.0), axis=0)) for p in (points[now], points)]
    if share < o.outside_share or squares[0] < o.along * squares[1]:
        return []
    steps = np.arange(-o.search_m, o.search_m + 1, o.step_m)
    tried = [
        (float(out_of(dx, dy).mean()), float(np.hypot(dx, dy)), dx, dy)
        for dx in steps
        for dy in steps
    ]
    least = min(tried)[0]
    if least > o.left_share * share:
        return []
    left, metres, dx, dy = min(
        (t for t in tried if t[0] <= least + 0.1 * o.left_share * share), key=lambda t: t[1]
    )
    text = (
        f"管理范围线与影像常年水面整体偏离：向东 {dx:.0f} m、向北 {dy:.0f} m（约 {metres:.0f} m）"
        f"移动后，位于线外的常年水面由 {share:.1%} 减至 {left:.1%}，请核对坐标系和来源"
    )
    outline = reproject(area, metric, LONLAT)
    moved = (round(float(dx), 1), round(float(dy), 1))
    return [Defect("shifted", outline, text, None, round(share, 4), moved)]
