"""Corrected outlines: are they corrections at all, and can they be meant."""

from __future__ import annotations

import math

import shapely
from shapely.geometry import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from pipeline.errors import ConfigurationError
from pipeline.grid import reproject
from pipeline.io.datum import Datum, unshift
from pipeline.model import Case
from pipeline.publish.geometry import to_wgs84

NEAR_M = 100.0  # a correction further from the case is a slip, or in another datum
MOST_TIMES = 10.0  # a correction is of a few pixels, which may have been most of a small case
MOST_OF_SIZE = 0.5  # of the diagonal of a case, by which its outline may be moved
_SAME_DEG = 3e-7  # 3 cm: what rounding to 7 decimals, here and in a GIS, may move a vertex


def corrected_outline(case: Case, outline_wgs84: BaseGeometry | None) -> BaseGeometry | None:
    """Give a drawn outline if it is another than the case's.

    Raises
    ------
    ConfigurationError
        It is no polygon, empty, invalid, lies elsewhere, or is of another size; a shift to GCJ-02
        is recognised.
    """
    if outline_wgs84 is None:
        return None
    if outline_wgs84.is_empty:
        raise ConfigurationError("its outline is empty", "Draw it, or leave it out")
    if not isinstance(outline_wgs84, (Polygon, MultiPolygon)):
        raise ConfigurationError(
            f"its outline is a {outline_wgs84.geom_type}", "An outline is a polygon"
        )
    if not outline_wgs84.is_valid:
        why = shapely.is_valid_reason(outline_wgs84)
        raise ConfigurationError(f"its outline is invalid ({why})", "Draw it again in a GIS")
    if same_outline(outline_wgs84, to_wgs84(case.polygon, case.crs)):
        return None
    away = _distance_m(case, outline_wgs84)
    if away > NEAR_M:
        back = unshift(outline_wgs84, Datum.GCJ02)
        looks = " (it is in GCJ-02, it seems)" if _distance_m(case, back) <= NEAR_M else ""
        raise ConfigurationError(
            f"its outline lies {away:.0f} m from the case{looks}",
            f"Outlines are WGS 84, and within {NEAR_M:.0f} m of the case",
        )
    _meant(case, reproject(outline_wgs84, "EPSG:4326", case.crs))
    return outline_wgs84


def _meant(case: Case, drawn: BaseGeometry) -> None:
    """Refuse what is too large, too small or reaches too far to be a correction of this case."""
    times = drawn.area / case.polygon.area
    if not 1 / MOST_TIMES <= times <= MOST_TIMES:
        size = f"{times:.0f} times as large as" if times > 1 else f"1/{1 / times:.0f} of"
        raise ConfigurationError(
            f"its outline ({drawn.area:.0f} m²) is {size} the case",
            f"A correction is within {MOST_TIMES:.0f} times of it; else it is another case",
        )
    west, south, east, north = case.polygon.bounds
    most = max(NEAR_M, MOST_OF_SIZE * math.hypot(east - west, north - south))
    reach = float(shapely.hausdorff_distance(drawn, case.polygon))
    if reach > most:
        raise ConfigurationError(
            f"its outline reaches {reach:.0f} m from that of the case",
            f"A correction stays within {most:.0f} m of it; else it is another case",
        )


def same_outline(one: BaseGeometry, other: BaseGeometry) -> bool:
    """Tell whether two outlines in WGS 84 are one, but for rounding."""
    if one.is_empty or other.is_empty:
        return one.is_empty and other.is_empty
    return bool(shapely.hausdorff_distance(one.boundary, other.boundary) <= _SAME_DEG)


def _distance_m(case: Case, outline_wgs84: BaseGeometry) -> float:
    moved = reproject(outline_wgs84, "EPSG:4326", case.crs)
    return float(moved.distance(case.polygon)) if moved.is_valid else float("inf")
