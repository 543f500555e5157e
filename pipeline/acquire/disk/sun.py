"""Where the sun stood, from time and place: to check times whose zone a file does not state.

Source: NOAA Global Monitoring Laboratory, "General solar position calculations"; good to about
half a degree between the polar circles.
"""

from __future__ import annotations

from datetime import UTC, datetime
from math import acos, asin, cos, degrees, pi, radians, sin


def sun_position(when: datetime, lon_deg: float, lat_deg: float) -> tuple[float, float]:
    """Zenith and azimuth (clockwise from north) of the sun [degree] at an aware time."""
    utc = when.astimezone(UTC)
    hour = utc.hour + utc.minute / 60 + utc.second / 3600
    g = 2 * pi / 365 * (utc.timetuple().tm_yday - 1 + (hour - 12) / 24)
    equation_min = 229.18 * (
        0.000075
        + 0.001868 * cos(g)
        - 0.032077 * sin(g)
        - 0.014615 * cos(2 * g)
        - 0.040849 * sin(2 * g)
    )
    declination = (
        0.006918
        - 0.399912 * cos(g)
        + 0.070257 * sin(g)
        - 0.006758 * cos(2 * g)
        + 0.000907 * sin(2 * g)
        - 0.002697 * cos(3 * g)
        + 0.00148 * sin(3 * g)
    )
    angle = radians(((hour * 60 + equation_min + 4 * lon_deg) / 4 - 180 + 180) % 360 - 180)
    lat = radians(lat_deg)
    elevation = asin(sin(lat) * sin(declination) + cos(lat) * cos(declination) * cos(angle))
    cosine = (sin(declination) - sin(elevation) * sin(lat)) / (cos(elevation) * cos(lat))
    azimuth = degrees(acos(min(1.0, max(-1.0, cosine))))
    return 90 - degrees(elevation), azimuth if angle <= 0 else 360 - azimuth


def sun_distance_au(when: datetime) -> float:
    """Distance of the sun [astronomical unit], to 0.0005 (Spencer 1971)."""
    g = 2 * pi / 365 * (when.astimezone(UTC).timetuple().tm_yday - 1)
    inverse_square = (
        1.00011
        + 0.034221 * cos(g)
        + 0.00128 * sin(g)
        + 0.000719 * cos(2 * g)
        + 0.000077 * sin(2 * g)
    )
    return inverse_square**-0.5
