"""Outlines as RFC 7946 wants them: WGS 84, counter-clockwise, 7 decimals, valid after rounding."""

from __future__ import annotations

from typing import Any

import shapely
from shapely.geometry import MultiPolygon, Point, Polygon, mapping
from shapely.geometry.base import BaseGeometry

from pipeline.errors import ContractError
from pipeline.grid import reproject

DECIMALS = 7  # about a centimetre


def to_wgs84(geometry: BaseGeometry, crs: str) -> Polygon | MultiPolygon:
    """Move an outline to WGS 84, on the lattice of 7 decimals, right-hand rule.

    Raises
    ------
    ContractError
        If nothing with an area is left.
    """
    moved = reproject(geometry, crs, "EPSG:4326")
    # The precision model moves vertices to the lattice and repairs what that would break; the
    # rounding after it only strips the noise of binary fractions.
    snapped = shapely.set_precision(shapely.make_valid(moved), 10.0**-DECIMALS)
    rounded = shapely.transform(_areal(snapped), lambda xy: xy.round(DECIMALS))
    ordered = shapely.orient_polygons(shapely.normalize(rounded))
    if not isinstance(ordered, (Polygon, MultiPolygon)) or ordered.is_empty:
        raise ContractError("an outline has no area left after rounding to 7 decimals")
    if not ordered.is_valid:
        raise ContractError("an outline is invalid after rounding to 7 decimals")
    return ordered


def as_geojson(geometry: BaseGeometry) -> dict[str, Any]:
    """Give the geometry object with lists instead of tuples."""
    shape = mapping(geometry)
    return {"type": shape["type"], "coordinates": _lists(shape["coordinates"])}


def bbox(geometries: list[BaseGeometry]) -> list[float]:
    """Give [west, south, east, north] of all; empty where there is nothing."""
    if not geometries:
        return []
    return [round(float(v), DECIMALS) for v in shapely.total_bounds(geometries)]


def inner_point(outline: Polygon | MultiPolygon) -> tuple[float, float]:
    """Give a point (lon, lat) that is inside the outline also after rounding to 7 decimals.

    Raises
    ------
    ContractError
        If there is none: the outline is thinner than a centimetre.
    """
    parts = list(outline.geoms) if isinstance(outline, MultiPolygon) else [outline]
    for part in sorted(parts, key=lambda p: (-p.area, p.wkb)):
        tries = (part.point_on_surface(), part.representative_point(), part.centroid)
        for point in tries:
            lon, lat = round(point.x, DECIMALS), round(point.y, DECIMALS)
            if outline.contains(Point(lon, lat)):
                return lon, lat
    raise ContractError("no point lies inside an outline at 7 decimals")


def _areal(geometry: BaseGeometry) -> BaseGeometry:
    """Keep polygons only; lines and points are what rounding leaves of slivers."""
    parts = shapely.get_parts(shapely.get_parts(geometry))  # twice: collections may be nested
    polygons = [p for p in parts if isinstance(p, Polygon)]
    return polygons[0] if len(polygons) == 1 else MultiPolygon(polygons)


def _lists(value: Any) -> Any:
    return [_lists(v) for v in value] if isinstance(value, (list, tuple)) else float(value)
