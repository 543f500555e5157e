"""Where a flight lies: what of it shows ground, and which corridors it covers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
import shapely
from rasterio import features
from shapely.geometry import MultiPoint, Point, shape
from shapely.geometry.base import BaseGeometry

from pipeline.grid import geodesic_area_m2, metric_crs, reproject
from pipeline.io.raster import crs_text
from pipeline.model import Corridor

_COARSE_PX = 512  # longer side of the mask from which a footprint is made
_STEP_M = 10.0  # along an outline, when it is projected onto a centreline
_LEAST_M2 = 1.0


@dataclass(frozen=True, slots=True)
class Covered:
    """What a flight covers of one corridor."""

    id: str
    name_zh: str
    area_m2: float
    length_m: float | None  # along the centreline; None without one
    of_m: float | None  # length of the centreline
    photos: int = 0  # that were taken in it, of a drop without a mosaic


def footprint_wgs84(cog: Path) -> BaseGeometry:
    """Outline of what has data, lon/lat, to about 1/500 of its extent."""
    with rasterio.open(cog, driver="GTiff") as source:
        factor = max(1.0, max(source.shape) / _COARSE_PX)
        size = tuple(max(1, round(n / factor)) for n in source.shape)
        mask = np.asarray(source.dataset_mask(out_shape=size)) > 0
        scale = (source.width / size[1], source.height / size[0])
        transform = source.transform * source.transform.scale(*scale)
        crs = crs_text(source.crs)
    parts = features.shapes(mask.astype(np.uint8), mask=mask, transform=transform)
    outline = shapely.union_all([shape(g) for g, _ in parts])
    outline = shapely.make_valid(outline.simplify(transform.a))
    return shapely.orient_polygons(reproject(outline, crs, "EPSG:4326"))


def covered(footprint: BaseGeometry, corridors: Sequence[Corridor]) -> tuple[Covered, ...]:
    """Give the corridors that a footprint (WGS 84) touches, and how much of each."""
    if isinstance(footprint, MultiPoint):
        return _with_points(footprint, corridors)
    found: list[Covered] = []
    for corridor in corridors:
        common = footprint & corridor.polygon_wgs84
        area = geodesic_area_m2(_areal(common), "EPSG:4326") if not common.is_empty else 0.0
        if area < _LEAST_M2:
            continue
        length, of = _lengths(common, corridor)
        found.append(Covered(corridor.id, corridor.name_zh, area, length, of))
    return tuple(found)


def _with_points(points: MultiPoint, corridors: Sequence[Corridor]) -> tuple[Covered, ...]:
    """Give the corridors in which any of the points lies."""
    places = shapely.get_parts(points)
    counts = [(c, int(shapely.contains(c.polygon_wgs84, places).sum())) for c in corridors]
    return tuple(Covered(c.id, c.name_zh, 0.0, None, None, n) for c, n in counts if n)


def _areal(geometry: BaseGeometry) -> BaseGeometry:
    parts = [g for g in shapely.get_parts(geometry) if shapely.get_dimensions(g) == 2]
    return shapely.union_all(parts)


def _lengths(common: BaseGeometry, corridor: Corridor) -> tuple[float | None, float | None]:
    """Length covered along the centreline, and of all of it [m].

    Each part covers the stretch that its outline is nearest to: a flight along a bank need not
    reach the line itself.
    """
    line = corridor.centreline_wgs84
    if line is None or line.geom_type != "LineString":
        return None, None
    centre = common.centroid
    crs = metric_crs(centre.x, centre.y)
    line, area = (reproject(g, "EPSG:4326", crs) for g in (line, _areal(common)))
    spans: list[tuple[float, float]] = []
    for part in shapely.get_parts(area):
        outline = shapely.get_coordinates(part.segmentize(_STEP_M))
        along = [line.project(Point(x, y)) for x, y in outline]
        spans.append((min(along), max(along)))
    return _union_length(spans), float(line.length)


def _union_length(spans: Sequence[tuple[float, float]]) -> float:
    total, end = 0.0, -np.inf
    for first, last in sorted(spans):
        total += max(0.0, last - max(first, end))
        end = max(end, last)
    return float(total)


def overlap(footprint: BaseGeometry, other: BaseGeometry) -> float:
    """Share of ``footprint`` that ``other`` covers, 0..1."""
    return float((footprint & other).area / footprint.area) if footprint.area else 0.0
