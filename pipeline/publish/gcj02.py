"""GCJ-02, the shifted datum of Chinese web maps.

The transform is the publicly documented approximation on the Krasovsky 1940 ellipsoid (a = 6378245
m, e² = 0.00669342162296594323) with origin 105° E, 35° N. Around Zhuzhou it moves a point by about
550 m east and 370 m south.
"""

from __future__ import annotations

from math import cos, pi, radians, sin, sqrt

_A = 6378245.0
_E2 = 0.00669342162296594323
_LON = (72.004, 137.8347)  # outside of this box the published transform leaves points alone
_LAT = (0.8293, 55.8271)


def applies(lon: float, lat: float) -> bool:
    """Tell whether GCJ-02 differs from WGS 84 there."""
    return _LON[0] <= lon <= _LON[1] and _LAT[0] <= lat <= _LAT[1]


def to_gcj02(lon: float, lat: float) -> tuple[float, float]:
    """Shift a WGS 84 point [°] to GCJ-02; outside of China it stays."""
    if not applies(lon, lat):
        return lon, lat
    x, y = lon - 105.0, lat - 35.0
    north = -100.0 + 2 * x + 3 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * sqrt(abs(x))
    north += _waves((20, 6 * x), (20, 2 * x)) + _waves((20, y), (40, y / 3))
    north += _waves((160, y / 12), (320, y / 30))
    east = 300.0 + x + 2 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * sqrt(abs(x))
    east += _waves((20, 6 * x), (20, 2 * x)) + _waves((20, x), (40, x / 3))
    east += _waves((150, x / 12), (300, x / 30))
    w2 = 1 - _E2 * sin(radians(lat)) ** 2
    meridian = _A * (1 - _E2) / w2**1.5  # radius of curvature in the meridian [m]
    parallel = _A / sqrt(w2) * cos(radians(lat))  # radius of the parallel [m]
    return lon + east / parallel * 180 / pi, lat + north / meridian * 180 / pi


def _waves(*terms: tuple[float, float]) -> float:
    """Sum 2/3 · amplitude · sin(π · argument)."""
    return sum(2.0 / 3.0 * amplitude * sin(pi * argument) for amplitude, argument in terms)
