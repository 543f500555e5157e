"""From local metres to WGS 84 and RFC 7946."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import shapely
from pyproj import Transformer
from shapely.geometry import mapping
from shapely.geometry.base import BaseGeometry

from sample_scenes.options import EPSG, LEFT, TOP


@cache
def _to_wgs84() -> Transformer:
    return Transformer.from_crs(EPSG, 4326, always_xy=True)


def to_utm(local: BaseGeometry) -> BaseGeometry:
    """Move local metres (east, south) to EPSG:32649."""
    return shapely.transform(local, lambda c: np.column_stack([LEFT + c[:, 0], TOP - c[:, 1]]))


def to_wgs84(local: BaseGeometry) -> BaseGeometry:
    """Project local metres to lon/lat: 7 decimals, valid, right-hand rule."""

    def project(c: np.ndarray) -> np.ndarray:
        lon, lat = _to_wgs84().transform(LEFT + c[:, 0], TOP - c[:, 1])
        return np.round(np.column_stack([lon, lat]), 7)

    return shapely.orient_polygons(shapely.transform(local, project))


def geojson(wgs84: BaseGeometry) -> dict[str, Any]:
    """Give the GeoJSON object of a geometry, lists instead of tuples."""
    plain = mapping(wgs84)
    return {"type": plain["type"], "coordinates": _lists(plain["coordinates"])}


def _lists(value: Any) -> Any:
    return [_lists(v) for v in value] if isinstance(value, (tuple, list)) else value


def collection(features: list[dict[str, Any]]) -> dict[str, Any]:
    """Wrap features; no ``crs`` member, as RFC 7946 wants."""
    return {"type": "FeatureCollection", "features": features}
