"""Surface reflectance of what lies on the ground, and how it changes through the year.

Values are typical of Sentinel-2 L2A in the humid subtropics, rounded by eye from published
spectral libraries (ECOSTRESS, doi:10.1016/j.rse.2019.05.015); the crop calendar is the double
rice of Hunan. Rows follow ``options.BANDS``.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import numpy as np

from sample_scenes.fields import F32

MATERIALS: Final[dict[str, tuple[float, ...]]] = {
    #            blue   green  red    nir    nir08  swir16 swir22
    "canopy": (0.022, 0.042, 0.024, 0.330, 0.345, 0.155, 0.070),
    "dull_canopy": (0.026, 0.044, 0.034, 0.240, 0.255, 0.145, 0.072),
    "grass": (0.040, 0.072, 0.052, 0.320, 0.335, 0.210, 0.110),
    "dry_grass": (0.062, 0.088, 0.102, 0.225, 0.245, 0.255, 0.170),
    "crop": (0.028, 0.062, 0.032, 0.420, 0.440, 0.190, 0.085),
    "ripe": (0.050, 0.088, 0.100, 0.290, 0.310, 0.230, 0.140),
    "rape": (0.038, 0.115, 0.095, 0.400, 0.415, 0.190, 0.090),
    "stubble": (0.068, 0.092, 0.118, 0.195, 0.220, 0.265, 0.195),
    "wet_soil": (0.048, 0.064, 0.078, 0.105, 0.115, 0.120, 0.085),
    "paddy": (0.055, 0.075, 0.075, 0.070, 0.065, 0.035, 0.022),
    "town": (0.105, 0.118, 0.128, 0.170, 0.180, 0.185, 0.160),
    "bright_roof": (0.340, 0.365, 0.380, 0.410, 0.415, 0.390, 0.340),
    "blue_roof": (0.215, 0.225, 0.190, 0.225, 0.235, 0.245, 0.215),
    "road": (0.135, 0.150, 0.162, 0.185, 0.192, 0.205, 0.185),
    "red_soil": (0.070, 0.102, 0.165, 0.225, 0.245, 0.300, 0.245),
    "rubble": (0.155, 0.180, 0.205, 0.245, 0.255, 0.275, 0.240),
    "sand": (0.195, 0.230, 0.262, 0.305, 0.315, 0.345, 0.310),
    "mud": (0.078, 0.100, 0.122, 0.155, 0.165, 0.165, 0.120),
    "rock": (0.120, 0.135, 0.148, 0.175, 0.182, 0.200, 0.175),
    "hyacinth": (0.034, 0.068, 0.040, 0.380, 0.390, 0.170, 0.080),
    "hull": (0.150, 0.150, 0.160, 0.150, 0.145, 0.135, 0.120),
    "drift": (0.075, 0.092, 0.108, 0.165, 0.175, 0.185, 0.135),
    "deck": (0.230, 0.245, 0.250, 0.265, 0.265, 0.260, 0.230),
    "spoil": (0.165, 0.190, 0.210, 0.240, 0.250, 0.230, 0.185),
    "ash": (0.090, 0.098, 0.105, 0.130, 0.140, 0.190, 0.180),
    "water_clear": (0.036, 0.042, 0.024, 0.012, 0.010, 0.006, 0.004),
    "water_silty": (0.064, 0.092, 0.078, 0.036, 0.031, 0.011, 0.008),
    "water_flood": (0.090, 0.132, 0.165, 0.118, 0.106, 0.030, 0.020),
}
CLASSES: Final = (
    "forest",
    "forest_dark",
    "shrub",
    "grass",
    "rice_early",
    "rice_late",
    "rice_single",
    "rape_rice",
    "vegetables",
    "town",
    "bright_roof",
    "road",
    "red_soil",
    "sand",
    "mud",
    "rock",
)


def material(name: str) -> F32:
    """Reflectance of a material, ``(band,)``."""
    return np.array(MATERIALS[name], dtype=np.float32)


def day_of_year(when: datetime) -> float:
    """Days since the first of January."""
    return when.timetuple().tm_yday + when.hour / 24


def season(when: datetime, peak: float, width: float = 70.0) -> float:
    """Bell over the year, 1 at day ``peak``, periodic."""
    away = (day_of_year(when) - peak + 182.6) % 365.25 - 182.6
    return float(np.exp(-0.5 * (away / width) ** 2))


def class_spectra(when: datetime) -> F32:
    """Reflectance of every class of ``CLASSES`` on a date, ``(class, band)``."""
    green = 0.35 + 0.65 * season(when, 185, 80)
    evergreen = 0.7 + 0.3 * season(when, 160, 80)
    return np.stack(
        [
            _mix("dull_canopy", "canopy", evergreen),
            0.72 * _mix("dull_canopy", "canopy", evergreen),
            _mix("dull_canopy", "grass", green),
            _mix("dry_grass", "grass", green),
            _double_rice(when, 0),
            _double_rice(when, 14),
            _rice(when, (145, 190, 240, 262)),
            _rape_rice(when),
            _mix("stubble", "crop", 0.45 + 0.3 * season(when, 110, 30)),
            material("town"),
            material("bright_roof"),
            material("road"),
            material("red_soil"),
            material("sand"),
            material("mud"),
            material("rock"),
        ]
    ).astype(np.float32)


def _mix(dull: str, fresh: str, share: float) -> F32:
    return ((1 - share) * material(dull) + share * material(fresh)).astype(np.float32)


def _cycle(day: float, stages: tuple[float, float, float, float]) -> F32 | None:
    """One crop: flooded at planting, full canopy, ripe, cut; None outside of it."""
    plant, full, ripe, cut = stages
    if day < plant - 12 or day > cut:
        return None
    steps = (plant - 12, plant, full, ripe, cut)
    rows = np.stack([material(m) for m in ("wet_soil", "paddy", "crop", "crop", "ripe")])
    return np.array([np.interp(day, steps, column) for column in rows.T], dtype=np.float32)


def _fallow(day: float) -> F32:
    share = float(np.interp(day, (0, 90, 300, 365), (0.45, 0.75, 0.15, 0.45)))
    return _mix("stubble", "dry_grass", share)


def _rice(when: datetime, stages: tuple[float, float, float, float]) -> F32:
    day = day_of_year(when)
    grown = _cycle(day, stages)
    return _fallow(day) if grown is None else grown


def _double_rice(when: datetime, late: float) -> F32:
    day = day_of_year(when) - late
    early = _cycle(day, (115, 160, 188, 200))
    second = _cycle(day, (213, 250, 285, 302))
    if early is not None:
        return early
    return _fallow(day % 365) if second is None else second


def _rape_rice(when: datetime) -> F32:
    day = day_of_year(when)
    summer = _cycle(day, (155, 200, 245, 268))
    if summer is not None:
        return summer
    bloom = season(when, 82, 14)
    grown = float(np.interp(day, (0, 60, 120, 140, 290, 365), (0.55, 0.85, 0.8, 0.1, 0.05, 0.55)))
    mixed = (1 - bloom) * _mix("stubble", "crop", grown) + bloom * material("rape")
    return mixed.astype(np.float32)
