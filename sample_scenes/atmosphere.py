"""Clouds with their shadows, cirrus and haze between the ground and the satellite."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sample_scenes.fields import F32, enlarge, generator, power_noise
from sample_scenes.options import RES, SampleOptions
from sample_scenes.schedule import Day

CLOUD = np.array([0.72, 0.70, 0.71, 0.76, 0.77, 0.52, 0.38], dtype=np.float32)
HAZE = np.array([0.26, 0.23, 0.21, 0.21, 0.21, 0.13, 0.09], dtype=np.float32)
CIRRUS = np.array([0.42, 0.41, 0.41, 0.42, 0.42, 0.30, 0.22], dtype=np.float32)
# What a shadow leaves: skylight is blue.
SHADE = np.array([0.58, 0.46, 0.38, 0.30, 0.29, 0.24, 0.24], dtype=np.float32)
COARSE = 4  # the sky is drawn at 40 m


@dataclass(frozen=True)
class Sky:
    """Opacities 0..1 on the padded grid."""

    cloud: F32
    shadow: F32
    cirrus: F32
    haze: F32


def sky(options: SampleOptions, day: Day) -> Sky:
    """Draw the sky of a date, clouds outside the scene included (their shadows may be inside)."""
    rng = generator(options.seed, 7, day.index)
    n = options.padded
    cloud, shadow = np.zeros((2, n, n), dtype=np.float32)
    if day.cloud > 0:
        field = power_noise(rng, 256, 1.75, 60)
        opacity = _opacity(field, day.cloud)
        height = rng.uniform(700, 1900)
        away = height / np.tan(np.radians(day.sun_elevation)) / (RES * COARSE)
        azimuth = np.radians(day.sun_azimuth)
        step = (round(away * np.cos(azimuth)), round(-away * np.sin(azimuth)))
        cloud = _crop(opacity, n)
        shadow = _crop(np.roll(opacity, step, axis=(0, 1)), n) ** 0.7
    cirrus = np.zeros((n, n), dtype=np.float32)
    if day.cirrus > 0:
        streaks = power_noise(rng, 256, 1.9, 120)
        cirrus = day.cirrus * 0.28 * np.clip(0.6 + 0.5 * _crop(streaks, n), 0, 1.6)
    veil = power_noise(rng, 64, 2.0, 60)
    haze = day.haze * np.clip(0.30 + 0.07 * enlarge(veil, (n + 64) / 64)[:n, :n], 0, 0.6)
    return Sky(cloud, shadow, cirrus.astype(np.float32), haze.astype(np.float32))


def _opacity(field: F32, share: float) -> F32:
    if share >= 1:
        return np.clip(0.93 + 0.05 * field, 0.8, 1).astype(np.float32)
    low = float(np.quantile(field, 1 - share))
    return np.clip((field - low + 0.06) / 0.75, 0, 1).astype(np.float32) ** 0.8


def _crop(field: F32, n: int) -> F32:
    rows = -(-n // COARSE) + 2
    part = enlarge(field[40 : 40 + rows, 60 : 60 + rows], COARSE)
    return np.clip(part[:n, :n], np.float32(field.min()), None)


def through(surface: F32, air: Sky) -> F32:
    """Look at ``surface`` ``(band, row, col)`` through the sky."""
    dimmed = surface * (1 - air.shadow * (1 - SHADE[:, None, None]))
    hazy = dimmed * (1 - air.haze) + air.haze * HAZE[:, None, None]
    veiled = hazy * (1 - air.cirrus) + air.cirrus * CIRRUS[:, None, None]
    tops = (0.62 + 0.38 * air.cloud) * CLOUD[:, None, None]
    return (veiled + air.cloud * (tops - veiled)).astype(np.float32)
