"""The waterline and outlines, finer than a pixel.

A waterline is the zero contour of a signed field by marching squares (Bishop-Taylor 2019,
doi:10.3390/rs11242984). A normalised index is not linear in the share of water in a mixed pixel, so
its zero contour lies off the half-way line by an amount that depends on both covers. A single band
is linear: its value half-way between the *local* water and the *local* land is the waterline.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy import ndimage
from shapely.geometry import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry
from skimage.measure import find_contours

from pipeline.model import Grid, Ground

Float = NDArray[np.float32]
_TOP = 0.9  # quantile of what became lighter that is taken for the whole change
_LEAST_CHANGE = 0.03  # length of the change in reflectance below which noise makes the line


def water_fraction(
    band: Float, state: NDArray[np.uint8], radius_px: int = 6, min_pixels: int = 6
) -> Float:
    """Share of water in each pixel minus one half, from local endmembers.

    Parameters
    ----------
    band : float32 (H, W)
        A reflectance in which water is dark: SWIR, or NIR.
    state : uint8 (H, W)
        Ground codes; WET and DRY or GREEN pixels that touch no other class are endmembers.
    radius_px : int
        Half side of the square over which endmembers are averaged [px].

    Returns
    -------
    float32 (H, W)
        In -0.5..0.5, positive in water; NaN where one endmember is missing nearby.
    """
    finite = np.isfinite(band)
    # A pixel away from any other class: the sensor blurs its neighbours into each pixel.
    water = _pure((state == Ground.WET) & finite)
    ground = (state == Ground.DRY) | (state == Ground.GREEN)
    land = _pure(ground & finite)
    wet, dry = (_local_mean(band, m, radius_px, min_pixels) for m in (water, land))
    contrast = dry - wet
    with np.errstate(divide="ignore", invalid="ignore"):
        share = (dry - band) / contrast
    share[~(contrast > 0.01)] = np.nan
    return (np.clip(share, 0, 1) - 0.5).astype(np.float32)


def _pure(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return np.asarray(ndimage.binary_erosion(mask, np.ones((3, 3))), bool)


def _local_mean(band: Float, mask: NDArray[np.bool_], radius: int, at_least: int) -> Float:
    size = 2 * radius + 1
    weight = ndimage.uniform_filter(mask.astype(np.float64), size, mode="constant")
    total = ndimage.uniform_filter(
        np.where(mask, band, 0).astype(np.float64), size, mode="constant"
    )
    few = weight * size * size < at_least - 0.5
    return np.where(few, np.nan, total / np.maximum(weight, 1e-9)).astype(np.float32)


def covered_share(
    before: Float, after: Float, footprint: NDArray[np.bool_], dry: Sequence[int] = ()
) -> Float:
    """Share of each pixel that the object covers, along the line from before to after.

    Reflectance of a mixed pixel is linear in what covers it, so the place of a pixel's change on
    the line from what the object's core was to what it is now is the share that changed; half of it
    is the edge, whatever the two covers are. A water index has its zero elsewhere.

    Parameters
    ----------
    before, after : float32 (bands, H, W)
        Reflectance, e.g. medians of looks at like water levels; NaN where unknown.
    footprint : bool (H, W)
        The object's pixels; those that touch no other pixel are its core, where there are any.
    dry : sequence of int
        Bands in which all ground is lighter than water: near infrared and SWIR.

    Returns
    -------
    float32 (H, W)
        0 unchanged, 1 changed like the core; may leave 0..1. NaN where one side is unknown, and
        everywhere if the core did not change, or became lighter in none of the ``dry`` bands: that
        is water which cleared, and no ground.
    """
    core = _pure(footprint)
    change = after - before
    core = core if np.count_nonzero(core) >= 3 else _lightest(change, footprint)
    inside = change[:, core]
    inside = inside[:, np.isfinite(inside).all(axis=0)]
    if inside.shape[1] == 0:
        return np.full(footprint.shape, np.nan, np.float32)
    line = np.median(inside, axis=1)
    length = float((line**2).sum())
    cleared = len(dry) > 0 and float(line[list(dry)].max()) <= 0
    if length < _LEAST_CHANGE**2 or cleared:
        return np.full(footprint.shape, np.nan, np.float32)
    return (np.tensordot(line, change, axes=1) / length).astype(np.float32)


def _lightest(change: Float, footprint: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Give what of an object became half as much lighter as the lightest, where it has no core.

    What SWIR of 20 m shows is blurred: around a small object lies a rim twice its size that the
    finer bands see as water still, clearer or more turbid than before.
    """
    lighter = np.where(footprint, change.sum(axis=0), np.nan)
    known = np.isfinite(lighter)
    if not known.any():
        return footprint
    return known & (lighter >= np.quantile(lighter[known], _TOP) / 2)


def share_beside(
    band: Float, whole: NDArray[np.bool_], clear: NDArray[np.bool_], radius_px: int = 6
) -> Float:
    """Share of each pixel that an object covers on one look, from what it is and what is beside it.

    As :func:`covered_share`, where no look before is like what lies around now: a bed that fell
    dry has changed as well.

    Parameters
    ----------
    band : float32 (H, W)
        A reflectance of the sensor's finest pixels, or a mean of some.
    whole : bool (H, W)
        The object's pixels, which may lack its mixed rim.
    clear : bool (H, W)
        Pixels that are seen.
    radius_px : int
        Half side of the square over which either side is averaged [px].

    Returns
    -------
    float32 (H, W)
        0 beside the object, 1 within; may leave 0..1. NaN where a pixel or one side is not seen, or
        where the two differ too little.
    """
    seen = clear & np.isfinite(band)
    # Beyond three pixels lies nothing of its rim, and nothing that the sensor blurs into it.
    apart = ~np.asarray(ndimage.binary_dilation(whole, np.ones((3, 3)), 3), bool)
    sides = (_pure(whole) & seen, apart & seen)
    own, other = (_local_mean(band, m, radius_px, 4) for m in sides)
    contrast = own - other
    with np.errstate(divide="ignore", invalid="ignore"):
        share = (band - other) / contrast
    share[~(np.abs(contrast) > _LEAST_CHANGE) | ~seen] = np.nan
    return share.astype(np.float32)


def width_of_change(
    before: Float, after: Float, footprint: NDArray[np.bool_], length_px: float
) -> float:
    """Give the mean width of what brightened, across a length [px]; NaN if unknown.

    Parameters
    ----------
    before, after : float32 (H, W)
        One band of the sensor's finest pixels, in which water is dark; NaN unknown.
    footprint : bool (H, W)
        The object, which may be wider than what made it where other bands are blurred.
    length_px : float
        Of a deck from bank to bank (:func:`pipeline.detect.objects.closes`).
    """
    change = (after - before)[footprint]
    change = change[np.isfinite(change)]
    if change.size < 4:
        return float("nan")
    top = float(np.quantile(change, 0.9))
    if top < _LEAST_CHANGE:
        return float("nan")
    pixels = int(np.count_nonzero(footprint))
    whole = float(np.clip(change / top, 0, 1).sum()) * pixels / change.size
    return whole / max(length_px, 1.0)


def smallest_rectangle(rows: NDArray[np.intp], cols: NDArray[np.intp]) -> BaseGeometry:
    """Give the smallest rectangle, at any angle, around pixels, in x (columns) and y (rows) [px].

    Around their corners, that is: joining squares first costs ten times it and changes no bit. Of
    a row only the ends can be corners of the hull, which is all that counts.
    """
    top = int(rows.min())
    high = int(rows.max()) - top + 1
    left, right = np.full(high, np.iinfo(np.intp).max), np.full(high, -1)
    np.minimum.at(left, rows - top, cols)
    np.maximum.at(right, rows - top, cols)
    y = np.flatnonzero(right >= 0)
    x0, x1, y = left[y], right[y] + 1, y + top
    x = np.concatenate([x0, x1, x0, x1])
    corners = np.stack([x, np.concatenate([y, y, y + 1, y + 1])], axis=1)
    points: BaseGeometry = shapely.multipoints(corners.astype(np.float64))  # type: ignore[assignment]
    return points.minimum_rotated_rectangle


def waterline(field: Float, grid: Grid, level: float = 0.0) -> list[NDArray[np.float64]]:
    """Trace a contour of a signed field through pixel centres.

    Parameters
    ----------
    field : float32 (H, W)
        :func:`water_fraction`, or a water score; NaN breaks the line.

    Returns
    -------
    list of float64 (N, 2)
        x, y in the grid's CRS.
    """
    return [_to_xy(line, grid, 0) for line in find_contours(field, level)]


def outline(inside: Float, footprint: NDArray[np.bool_], grid: Grid) -> Polygon | MultiPolygon:
    """Outline an object by the zero of a field, finer than a pixel.

    Parameters
    ----------
    inside : float32 (H, W)
        Positive in the object, e.g. :func:`covered_share` less one half; NaN unknown.
    footprint : bool (H, W)
        The object's pixels; the outline may leave them by one pixel.

    Returns
    -------
    shapely Polygon or MultiPolygon
        In the grid's CRS, valid, holes kept; the pixels themselves where the field says nothing,
        or draws less than one of them: objects have several, and of specks around the centres of
        pixels no point can be told.
    """
    field = inside.astype(np.float64)
    near = np.asarray(ndimage.binary_dilation(footprint, np.ones((3, 3))), bool)
    known = np.isfinite(field) & near
    scale = float(np.median(np.abs(field[known]))) if known.any() else 0.5
    scale = max(scale, 1e-3)
    field = np.clip(field, -scale, scale)
    # Where nothing is known the footprint decides; outside of it nothing is filled.
    field = np.where(np.isfinite(field), field, np.where(footprint, scale, -scale))
    field[~near] = -scale
    polygon = _fill(field, grid)
    pixel = abs(grid.transform.a * grid.transform.e - grid.transform.b * grid.transform.d)
    if polygon.area < pixel:
        polygon = _fill(np.where(footprint, 1.0, -1.0), grid)
    return polygon


def _fill(field: NDArray[np.float64], grid: Grid) -> Polygon | MultiPolygon:
    padded = np.pad(field, 1, constant_values=-float(np.abs(field).max(initial=1e-3)))
    rings = [_to_xy(line, grid, 1) for line in find_contours(padded, 0.0)]
    lines = [shapely.LineString(r) for r in rings if len(r) >= 4]
    if not lines:
        return Polygon()
    area = shapely.make_valid(shapely.build_area(shapely.MultiLineString(lines)))
    parts = [p for p in shapely.get_parts(area) if isinstance(p, Polygon)]
    whole = shapely.union_all(parts)
    return whole if isinstance(whole, Polygon | MultiPolygon) else Polygon()


def _to_xy(line: NDArray[np.float64], grid: Grid, pad: int) -> NDArray[np.float64]:
    col, row = line[:, 1] - pad + 0.5, line[:, 0] - pad + 0.5
    t = grid.transform
    return np.stack([t.a * col + t.b * row + t.c, t.d * col + t.e * row + t.f], axis=1)
