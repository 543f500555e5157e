"""Outlines of objects in local metres, and their sub-pixel footprints."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio.features import shapes
from shapely import affinity
from shapely.geometry import LineString, MultiPolygon, Polygon, box, shape
from shapely.geometry.base import BaseGeometry
from shapely.ops import unary_union

from sample_scenes.fields import F32
from sample_scenes.options import FINE, PAD, RES
from sample_scenes.terrain import Terrain

SMALLEST_M2 = 1.0  # a hundredth of a pixel: nothing that anybody could look for


@dataclass(frozen=True)
class Footprint:
    """Where an object lies on the padded grid, and which part of it comes first."""

    rows: slice  # 10 m px
    cols: slice
    order: F32  # fine; 0..1 share of growth at which the sub-pixel is covered, inf outside

    def cover(self, grown: float) -> F32:
        """Share of each pixel that is covered when ``grown`` (0..1) of the object is there."""
        rows, cols = (s // FINE for s in self.order.shape)
        inside = (self.order <= grown).reshape(rows, FINE, cols, FINE)
        return inside.mean(axis=(1, 3), dtype=np.float32)


def footprint(area: Polygon, order_from: LineString | None, n: int) -> Footprint | None:
    """Burn a polygon at FINE sub-pixels per pixel.

    Parameters
    ----------
    area : Polygon
        Local metres.
    order_from : LineString or None
        The object grows away from this line; from its centre when None.
    n : int
        Side of the padded grid [10 m px].

    Returns
    -------
    Footprint or None
        None when the polygon lies outside the padded grid.
    """
    x0, y0, x1, y1 = area.bounds
    low = [max(int(np.floor(v / RES)) + PAD, 0) for v in (y0, x0)]
    high = [min(int(np.ceil(v / RES)) + PAD, n) for v in (y1, x1)]
    if low[0] >= high[0] or low[1] >= high[1]:
        return None
    ys, xs = (
        (np.arange(a * FINE, b * FINE) + 0.5) * RES / FINE - PAD * RES
        for a, b in zip(low, high, strict=True)
    )
    gx, gy = np.meshgrid(xs, ys)
    inside = shapely.contains_xy(area, gx.ravel(), gy.ravel()).reshape(gx.shape)
    origin = area.centroid if order_from is None else order_from
    away = np.asarray(shapely.distance(shapely.points(gx, gy), origin))
    reach = float(away[inside].max()) if inside.any() else 1.0
    order = np.where(inside, away / max(reach, 1e-6), np.inf).astype(np.float32)
    return Footprint(slice(low[0], high[0]), slice(low[1], high[1]), order)


def walk(
    ground: Terrain, start: tuple[float, float], towards: float, level: float
) -> tuple[float, float, float]:
    """Go from ``start`` at azimuth ``towards`` [degrees from east, southwards] to the shore.

    The shore is where the ground first crosses ``level`` [m]. Where there is none ahead, look
    behind: another seed bends the shore elsewhere.

    Returns
    -------
    tuple
        x, y of the shore [m], and the azimuth from there into the water.

    Raises
    ------
    ValueError
        When there is none within 900 m either way: the layout and the object do not fit.
    """
    below = ground.height_at(*start) < level
    for azimuth in (towards, towards + 180):
        ux, uy = np.cos(np.radians(azimuth)), np.sin(np.radians(azimuth))
        for step in np.arange(0, 900, 2.5):
            x, y = float(start[0] + step * ux), float(start[1] + step * uy)
            if (ground.height_at(x, y) < level) != below:
                return x, y, azimuth + 180 if below else azimuth
    raise ValueError(f"no shore at level {level} m from {start} towards {towards} degrees")


def rough_box(
    rng: np.random.Generator, along: float, low: float, high: float, roughness: float = 0.07
) -> Polygon:
    """Draw a rounded, uneven rectangle: x in ±along/2, y from ``low`` to ``high`` [m]."""
    plain = box(-along / 2, low, along / 2, high)
    radius = 0.22 * min(along, high - low)
    rounded = plain.buffer(-radius).buffer(radius)
    ring = np.asarray(rounded.exterior.segmentize(6.0).coords)[:-1]
    angle = np.linspace(0, 2 * np.pi, len(ring), endpoint=False)
    wave = sum(
        rng.normal(0, 1) * np.cos(k * angle) + rng.normal(0, 1) * np.sin(k * angle)
        for k in range(2, 7)
    )
    centre = np.array(rounded.centroid.coords[0])
    ring = centre + (ring - centre) * (1 + roughness * np.asarray(wave)[:, None] / 2)
    return valid(Polygon(ring))


def blob(rng: np.random.Generator, x: float, y: float, long: float, wide: float) -> Polygon:
    """Draw an irregular round patch of about ``long`` by ``wide`` metres."""
    patch = rough_box(rng, long, -wide / 2, wide / 2, 0.13)
    return affinity.translate(affinity.rotate(patch, rng.uniform(0, 180), origin=(0, 0)), x, y)


def bar(x: float, y: float, long: float, wide: float, towards: float) -> Polygon:
    """Draw a plain rectangle, ``long`` side at azimuth ``towards`` [degrees from east]."""
    plain = box(-long / 2, -wide / 2, long / 2, wide / 2)
    return affinity.translate(affinity.rotate(plain, towards, origin=(0, 0)), x, y)


def place(area: Polygon, x: float, y: float, outward: float) -> Polygon:
    """Turn the y axis of ``area`` to azimuth ``outward`` [degrees from east] and move it."""
    return affinity.translate(affinity.rotate(area, outward - 90, origin=(0, 0)), x, y)


def valid(area: BaseGeometry) -> Polygon:
    """Give the largest polygon of a repaired shape."""
    repaired = shapely.make_valid(area)
    parts = [p for p in shapely.get_parts(repaired) if isinstance(p, Polygon)]
    return max(parts, key=lambda p: p.area)


def clip(area: BaseGeometry, frame: Polygon) -> BaseGeometry:
    """Give the polygons of ``area`` inside ``frame``; empty when it has none there.

    Where an outline runs along the frame's edge, the intersection also holds lines and points,
    which cover no ground. Parts of less than SMALLEST_M2 would collapse when they are rounded.
    """
    parts = [p for p in shapely.get_parts(area.intersection(frame)) if isinstance(p, Polygon)]
    large = [p for p in parts if p.area >= SMALLEST_M2]
    return large[0] if len(large) == 1 else MultiPolygon(large)


def outline(mask: NDArray[np.bool_], smallest_m2: float = 800.0) -> BaseGeometry:
    """Outline a fine mask of the padded grid in local metres, without parts that are too small."""
    step = RES / FINE
    affine = Affine(step, 0, -PAD * RES, 0, step, -PAD * RES)
    found = [shape(g) for g, _ in shapes(mask.astype(np.uint8), mask, transform=affine)]
    big = [p.simplify(3.0) for p in found if p.area > smallest_m2]
    return unary_union(big).buffer(0)
