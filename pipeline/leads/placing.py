"""Where a lead lies: in degrees of WGS 84, in which corridor, and what ground is its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import shapely
from shapely.geometry import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from pipeline.adjudicate.areas import Spot
from pipeline.errors import ConfigurationError
from pipeline.grid import geodesic_area_m2, metric_crs, reproject
from pipeline.io.datum import Datum, unshift
from pipeline.model import LEAD_OUTLINE, LEAD_POINT, Corridor

MOST_M2 = 1e6
"""Of one lead: a polygon beyond a square kilometre is no place of one problem. No source."""

_LONLAT = "EPSG:4326"


@dataclass(frozen=True)
class Placed:
    """The ground of a lead."""

    corridor_id: str
    polygon: BaseGeometry  # in ``crs``, m
    crs: str
    area_m2: float  # geodesic
    detector: str  # LEAD_POINT | LEAD_OUTLINE


def place_lead(
    shape_wgs84: BaseGeometry, corridors: Sequence[Corridor], datum: Datum, radius_m: float
) -> Placed:
    """Give the ground of a lead and its corridor.

    Parameters
    ----------
    shape_wgs84 : geometry
        Lon/lat, the shift of its datum taken out.
    radius_m : float
        Around a point or a line [m].

    Raises
    ------
    ConfigurationError
        It is no valid geometry, too large, or in no corridor; a shift that would put it into one is
        named.
    """
    if not shape_wgs84.is_valid:
        why = shapely.is_valid_reason(shape_wgs84)
        raise ConfigurationError(f"its outline is invalid ({why})", "Draw it again in a GIS")
    drawn = isinstance(shape_wgs84, (Polygon, MultiPolygon))
    middle = shape_wgs84.centroid
    crs = metric_crs(middle.x, middle.y)
    moved = reproject(shape_wgs84, _LONLAT, crs)
    ground = shapely.normalize(moved if drawn else moved.buffer(radius_m))
    area = round(geodesic_area_m2(ground, crs), 2)
    if area > MOST_M2:
        raise ConfigurationError(
            f"its ground is {area / 1e6:.1f} km²", "A lead is the place of one problem: divide it"
        )
    if area <= 0:
        raise ConfigurationError("its outline has no area", "Draw it again, or send a point")
    corridor = _corridor_of(ground, crs, corridors)
    if corridor is None:
        raise ConfigurationError(
            f"it lies in no corridor of this workflow{_hint(shape_wgs84, corridors, datum)}",
            "Check its place and --datum; a new water needs a corridor first",
        )
    return Placed(corridor.id, ground, crs, area, LEAD_OUTLINE if drawn else LEAD_POINT)


def _corridor_of(ground: BaseGeometry, crs: str, corridors: Sequence[Corridor]) -> Corridor | None:
    """Give the corridor that holds most of it; else the nearest within what corridors are off."""
    spot = Spot.of(ground, crs)
    best: list[tuple[float, float, str, Corridor]] = []
    for c in corridors:
        # A working corridor may be hundreds of metres off: nobody's report is refused for that.
        if spot.lonlat.distance(c.polygon_wgs84) > 0.1:
            continue
        area = reproject(c.polygon_wgs84, _LONLAT, spot.crs)
        away = float(area.distance(spot.outline))
        if away <= c.accuracy_m:
            share = spot.outline.intersection(area).area / spot.outline.area
            best.append((-round(share, 6), round(away, 3), c.id, c))
    return min(best, key=lambda b: b[:3])[3] if best else None


def _hint(shape_wgs84: BaseGeometry, corridors: Sequence[Corridor], datum: Datum) -> str:
    if datum.shifted:
        return ""
    for other in (Datum.GCJ02, Datum.BD09):
        back = unshift(shape_wgs84, other)
        if any(c.polygon_wgs84.intersects(back) for c in corridors):
            return f" (taken for {other.value} it would)"
    return ""
