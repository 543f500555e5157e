"""The shifted datums of Chinese web maps, GCJ-02 and BD-09, to and from WGS 84.

GCJ-02 is the publicly documented approximation on the Krasovsky 1940 ellipsoid (a = 6378245 m,
e² = 0.00669342162296594323) with origin 105° E, 35° N. Around Zhuzhou it moves a point by about
550 m east and 370 m south. BD-09 turns and stretches GCJ-02 once more (about 700-1300 m in all).
Both are defined forwards; the way back is found by iteration, to less than a millimetre.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

Points = NDArray[np.float64]  # (n, 2), lon/lat [°]

_A = 6378245.0
_E2 = 0.00669342162296594323
_LON = (72.004, 137.8347)  # outside of this box the published transform leaves points alone
_LAT = (0.8293, 55.8271)
_BD_WAVE = np.pi * 3000.0 / 180.0


class Datum(StrEnum):
    """What a layer's coordinates refer to, as the office declares it."""

    CGCS2000 = "cgcs2000"
    WGS84 = "wgs84"
    GCJ02 = "gcj02"
    BD09 = "bd09"

    @property
    def shifted(self) -> bool:
        """True for the datums of web maps."""
        return self in (Datum.GCJ02, Datum.BD09)


def applies(lon: float, lat: float) -> bool:
    """Tell whether GCJ-02 differs from WGS 84 there."""
    return _LON[0] <= lon <= _LON[1] and _LAT[0] <= lat <= _LAT[1]


def to_gcj02(lon: float, lat: float) -> tuple[float, float]:
    """Shift a WGS 84 point [°] to GCJ-02; outside of China it stays."""
    moved = wgs84_to_gcj02(np.array([[lon, lat]], dtype=np.float64))
    return float(moved[0, 0]), float(moved[0, 1])


def wgs84_to_gcj02(points: Points) -> Points:
    """Shift WGS 84 points to GCJ-02; outside of China they stay."""
    lon, lat = points[:, 0], points[:, 1]
    x, y = lon - 105.0, lat - 35.0
    root = np.sqrt(np.abs(x))
    north = -100.0 + 2 * x + 3 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * root
    north += _waves((20, 6 * x), (20, 2 * x)) + _waves((20, y), (40, y / 3))
    north += _waves((160, y / 12), (320, y / 30))
    east = 300.0 + x + 2 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * root
    east += _waves((20, 6 * x), (20, 2 * x)) + _waves((20, x), (40, x / 3))
    east += _waves((150, x / 12), (300, x / 30))
    w2 = 1 - _E2 * np.sin(np.radians(lat)) ** 2
    meridian = _A * (1 - _E2) / w2**1.5  # radius of curvature in the meridian [m]
    parallel = _A / np.sqrt(w2) * np.cos(np.radians(lat))  # radius of the parallel [m]
    moved = np.column_stack((lon + np.degrees(east / parallel), lat + np.degrees(north / meridian)))
    inside = (lon >= _LON[0]) & (lon <= _LON[1]) & (lat >= _LAT[0]) & (lat <= _LAT[1])
    return np.where(inside[:, None], moved, points)


def wgs84_to_bd09(points: Points) -> Points:
    """Shift WGS 84 points to BD-09, by way of GCJ-02; outside of China they stay."""
    gcj = wgs84_to_gcj02(points)
    lon, lat = gcj[:, 0], gcj[:, 1]
    radius = np.hypot(lon, lat) + 0.00002 * np.sin(lat * _BD_WAVE)
    angle = np.arctan2(lat, lon) + 0.000003 * np.cos(lon * _BD_WAVE)
    moved = np.column_stack((radius * np.cos(angle) + 0.0065, radius * np.sin(angle) + 0.006))
    inside = (points[:, 0] >= _LON[0]) & (points[:, 0] <= _LON[1])
    inside &= (points[:, 1] >= _LAT[0]) & (points[:, 1] <= _LAT[1])
    return np.where(inside[:, None], moved, points)


def from_shifted(points: Points, datum: Datum) -> Points:
    """Take the shift of ``datum`` out of points; WGS 84 and CGCS2000 stay as they are."""
    forward = FORWARD.get(datum)
    if forward is None or len(points) == 0:
        return points
    found = points
    for _ in range(12):
        found = found + (points - forward(found))
    return found


def unshift(geometry: BaseGeometry, datum: Datum) -> BaseGeometry:
    """Take the shift of ``datum`` out of a lon/lat geometry."""
    if not datum.shifted:
        return geometry
    return shapely.transform(geometry, lambda xy: from_shifted(xy, datum))


def _waves(*terms: tuple[float, NDArray[np.float64]]) -> NDArray[np.float64]:
    """Sum 2/3 · amplitude · sin(π · argument)."""
    return np.sum([2.0 / 3.0 * a * np.sin(np.pi * argument) for a, argument in terms], axis=0)


FORWARD: dict[Datum, Callable[[Points], Points]] = {
    Datum.GCJ02: wgs84_to_gcj02,
    Datum.BD09: wgs84_to_bd09,
}
