"""What is left where two flights were brought together: ties of the pictures, blocks of surfaces.

A map of these says where a pair can be trusted less than its one error: a corner that was flown
at another height, a strip that is bent.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from shapely.geometry import MultiPoint, box, mapping

from pipeline.grid import reproject
from pipeline.model import SurfaceFit
from pipeline.passes.flight_pairs import FlightPair
from pipeline.prepare.flight_register import Registration

Feature = dict[str, Any]


def residual_features(
    pair: FlightPair, laid: Registration, fit: SurfaceFit | None
) -> tuple[Feature, ...]:
    """Give GeoJSON features (lon/lat) of a pair: a point a tie, and a square a block of surface."""
    ties = _ties(pair, laid)
    return (*ties, *_blocks(pair, fit)) if fit is not None else tuple(ties)


def _feature(pair: FlightPair, what: str, geometry: Any, **more: Any) -> Feature:
    said = {"before": pair.before.id, "after": pair.after.id, "what": what, **more}
    return {"type": "Feature", "geometry": geometry, "properties": said}


def _ties(pair: FlightPair, laid: Registration) -> Sequence[Feature]:
    t, res = pair.grid.transform, pair.grid.res_m
    rows, cols = laid.places[:, 0], laid.places[:, 1]
    there = MultiPoint(np.column_stack([t.c + t.a * cols, t.f + t.e * rows]))
    lonlat = reproject(there, pair.grid.crs, "EPSG:4326")
    out: list[Feature] = []
    for point, (down, right), agreed in zip(
        lonlat.geoms,  # pyright: ignore[reportAttributeAccessIssue] - points stay points
        laid.residuals * res,
        laid.agreed,
        strict=True,
    ):
        off = {"east_m": round(float(right), 3), "north_m": round(float(-down), 3)}
        size = round(float(np.hypot(down, right)), 3)
        place = {"type": "Point", "coordinates": [round(point.x, 7), round(point.y, 7)]}
        out.append(
            _feature(pair, "picture_tie", place, residual_m=size, **off, agreed=bool(agreed))
        )
    return out


def _blocks(pair: FlightPair, fit: SurfaceFit) -> Sequence[Feature]:
    left, bottom, right, top = pair.grid.bounds
    down, across = fit.residual_m.shape
    high, wide = (top - bottom) / down, (right - left) / across
    out: list[Feature] = []
    for (r, c), value in np.ndenumerate(fit.residual_m):
        square = box(left + c * wide, top - (r + 1) * high, left + (c + 1) * wide, top - r * high)
        place = mapping(reproject(square, pair.grid.crs, "EPSG:4326"))
        known = None if np.isnan(value) else round(float(value), 3)
        out.append(_feature(pair, "surface_block", place, residual_m=known))
    return out
