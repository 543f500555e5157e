"""Geometry made fit for use, with every change reported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import shapely
from shapely.geometry import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from pipeline.grid import geodesic_area_m2
from pipeline.office.reference import LAYER_CRS

_CHINA = shapely.box(73.0, 3.0, 136.0, 54.0)


@dataclass(frozen=True)
class Cleaned:
    """Features that can be used, and what was done and set aside."""

    kept: tuple[int, ...]  # index of the feature in the file
    geometries: tuple[BaseGeometry, ...]  # EPSG:4490
    repaired: tuple[str, ...]
    set_aside: tuple[str, ...]  # somebody should mend these
    shared: tuple[str, ...]  # outlines that stand twice with other fields: both are kept


Said = tuple[str | None, ...]
"""The fields of one feature, as the file has them."""


def clean(
    geometries: Sequence[BaseGeometry | None],
    labels: Sequence[str],
    said: Sequence[Said],
    *,
    areal: bool,
) -> Cleaned:
    """Repair, drop what is empty or stands twice or lies outside China; name each.

    Twice is what has the outline of another feature and the same fields: a renewed permit, a later
    verdict or a second rule stands on the same ground, and is a feature of its own. So is one that
    says less: a permit without its matter explains more than one with it.

    Parameters
    ----------
    geometries : sequence
        EPSG:4490, lon/lat.
    labels : sequence of str
        How each feature is named in the report.
    said : sequence of tuples
        What each says in the fields that are read.
    areal : bool
        Only polygons are wanted; a closed line becomes one.
    """
    kept: list[int] = []
    good: list[BaseGeometry] = []
    repaired: list[str] = []
    aside: list[str] = []
    shared: list[str] = []
    seen: dict[bytes, dict[Said, int]] = {}
    for i, (given, label) in enumerate(zip(geometries, labels, strict=True)):
        geometry = given
        if geometry is None or geometry.is_empty:
            aside.append(f"{label} has no geometry")
            continue
        if not _CHINA.intersects(shapely.envelope(geometry)):
            aside.append(f"{label} lies outside China")
            continue
        if areal:
            fixed = _as_polygons(geometry)
            if fixed is None:
                aside.append(f"{label} is a {geometry.geom_type} that encloses no area")
                continue
            geometry, note = fixed
            if note:
                repaired.append(f"{label} {note}")
        before = seen.setdefault(shapely.normalize(geometry).wkb, {})
        if said[i] in before:
            same = labels[before[said[i]]]
            aside.append(f"{label} is the same as {same}, in outline and fields")
            continue
        if before:
            first = labels[next(iter(before.values()))]
            shared.append(f"{label} has the outline of {first} and other fields")
        before[said[i]] = i
        kept.append(i)
        good.append(geometry)
    return Cleaned(tuple(kept), tuple(good), tuple(repaired), tuple(aside), tuple(shared))


def _as_polygons(geometry: BaseGeometry) -> tuple[BaseGeometry, str] | None:
    """Give polygons and what was done; None if nothing encloses an area."""
    note = ""
    if geometry.geom_type in ("LineString", "MultiLineString", "LinearRing"):
        rings = [p for p in shapely.get_parts(geometry) if p.is_ring and len(p.coords) > 3]
        if not rings or len(rings) != len(shapely.get_parts(geometry)):
            return None
        geometry = MultiPolygon([Polygon(r) for r in rings])
        note = "was a closed line and became a polygon"
    if not geometry.is_valid:
        reason = shapely.is_valid_reason(geometry)
        before = geodesic_area_m2(geometry, LAYER_CRS)
        geometry = shapely.make_valid(geometry)
        after = geodesic_area_m2(polygons_of(geometry), LAYER_CRS)
        note = f"was invalid ({reason}); area {before:.0f} m² before, {after:.0f} m² after repair"
    geometry = polygons_of(geometry)
    return None if geometry.is_empty or geometry.area == 0 else (geometry, note)


def polygons_of(geometry: BaseGeometry) -> BaseGeometry:
    """Keep the polygons of a geometry; lines and points are what a repair leaves of slivers."""
    parts = [
        p
        for part in shapely.get_parts(geometry)
        for p in shapely.get_parts(part)
        if isinstance(p, Polygon)
    ]
    return parts[0] if len(parts) == 1 else MultiPolygon(parts)
