"""When the satellite came by, how high the water stood and what the sky did."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import numpy as np

from sample_scenes.fields import generator
from sample_scenes.options import SampleOptions
from sample_scenes.site import Levels, place
from sample_scenes.spectra import day_of_year, season

Level = Callable[[SampleOptions, datetime], float]
LATITUDE: Final = 27.85  # degrees north
Air = tuple[float, float, float]  # cloud, haze, cirrus
SKIES: Final[dict[str, tuple[Air, ...]]] = {
    "half": (
        (0.0, 0.05, 0.0), (0.45, 0.1, 0.0), (0.0, 0.0, 0.0), (0.25, 0.0, 0.0), (0.02, 0.1, 0.0),
        (0.0, 0.65, 0.0), (0.75, 0.2, 0.0), (0.0, 0.05, 0.0), (0.12, 0.0, 0.7), (0.04, 0.0, 0.0),
        (0.9, 0.3, 0.3), (0.0, 0.1, 0.0), (0.35, 0.0, 0.0), (0.03, 0.15, 0.0),
    ),
    "third": (
        *((0.0, 0.05, 0.0), (0.0, 0.0, 0.0), (0.02, 0.1, 0.0), (0.0, 0.1, 0.0)) * 2,
        (0.04, 0.15, 0.0), (0.0, 0.0, 0.0), (0.2, 0.0, 0.0), (0.1, 0.65, 0.0),
        *((0.97, 0.3, 0.0),) * 24,
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Day:
    """One acquisition and everything about it that is not the ground."""

    index: int
    when: datetime  # UTC
    platform: str  # "sentinel-2a" | "sentinel-2b"
    sun_azimuth: float  # degrees from north
    sun_elevation: float  # degrees
    river_level: float  # m
    pool_level: float  # m
    river_high: float  # m, highest of the last 40 days: what has been dry that long may be green
    pool_high: float  # m
    silt: float  # 0 clear .. 1 ordinary .. 2 flood
    cloud: float  # 0..1 wanted cover
    haze: float  # 0..1
    cirrus: float  # 0..1
    glint: float  # reflectance added to water
    gain: float  # radiometric, 1 for a good product
    bias: float  # reflectance, 0 for a good product
    shift_px: tuple[float, float]  # (row, col) by which the image is displaced
    dn_offset: int  # 0 or 1000, in the pixels
    lies: bool  # the metadata deny the offset
    swath_edge: bool  # a corner lies outside the swath


def make(options: SampleOptions) -> tuple[Day, ...]:
    """Draw the calendar; roles are handed out by position so that every length has them."""
    rng = generator(options.seed, 2)
    levels = place(options.site).levels
    times = _acquisitions(options, rng)
    n = len(times)
    sky = _skies(times, rng, SKIES[options.sky])
    clear = [i for i in range(n) if sky[i][0] < 0.08 and sky[i][1] < 0.2 and sky[i][2] == 0]
    role = {
        "outlier": clear[int(0.30 * len(clear))],
        "shift": clear[int(0.55 * len(clear))],
        "lie": clear[int(0.80 * len(clear))],
        "edge": clear[int(0.45 * len(clear))],
    }
    shifts = rng.normal(0, options.shift_px, (n, 2))
    shifts[role["shift"]] = (0.8, -0.75)
    gains = 1 + rng.normal(0, 0.012, n)
    wiggle = rng.normal(0, 1, (n, 3))
    out: list[Day] = []
    for i, when in enumerate(times):
        azimuth, elevation = _sun(when)
        river, river_high = _recent(options, when, _river_level)
        pool, pool_high = _recent(options, when, _pool_level)
        flood = _flood(levels, when)
        summer = elevation > 62 and sky[i][0] < 0.3 and wiggle[i, 2] > -0.4
        out.append(
            Day(
                index=i,
                when=when,
                platform="sentinel-2a" if (when - options.start).days % 10 < 5 else "sentinel-2b",
                sun_azimuth=azimuth,
                sun_elevation=elevation,
                river_level=float(np.clip(river + 0.22 * wiggle[i, 0], 0.4, 5.6)),
                pool_level=float(min(pool + 0.10 * wiggle[i, 1], 15.95)),
                river_high=river_high,
                pool_high=pool_high,
                silt=float(min(0.55 + 0.4 * season(when, levels.peak_day, 50) + 1.3 * flood, 2.0)),
                cloud=sky[i][0],
                haze=sky[i][1],
                cirrus=sky[i][2],
                glint=float(0.012 + 0.03 * abs(wiggle[i, 2])) if summer else 0.0,
                gain=1.3 if i == role["outlier"] else float(gains[i]),
                bias=0.03 if i == role["outlier"] else 0.0,
                shift_px=(float(shifts[i, 0]), float(shifts[i, 1])),
                dn_offset=1000 if 2 * i >= n else 0,
                lies=i == role["lie"] and 2 * i >= n,
                swath_edge=i == role["edge"],
            )
        )
    return tuple(out)


def normal_levels(options: SampleOptions) -> tuple[float, float]:
    """Level of river and reservoir that is exceeded on a quarter of the days of a year [m]."""
    days = [options.start + timedelta(days=d) for d in range(0, 365, 5)]
    river = [_river_level(options, d) for d in days]
    pool = [_pool_level(options, d) for d in days]
    return float(np.quantile(river, 0.75)), float(np.quantile(pool, 0.75))


def lowest_pool(options: SampleOptions, days: tuple[Day, ...]) -> tuple[float, float]:
    """Lowest reservoir level of the first year and of all [m], as the satellite saw it."""
    first = [d.pool_level for d in days if d.when < options.start + timedelta(days=365)]
    return min(first), min(d.pool_level for d in days)


def _acquisitions(options: SampleOptions, rng: np.random.Generator) -> list[datetime]:
    step = options.revisit_days
    count = int(options.months * 30.4 / step)
    possible = [options.start + timedelta(days=step * i) for i in range(count)]
    kept: list[datetime] = []
    for month in range(options.months):
        low, high = 30.4 * month, 30.4 * (month + 1)
        inside = [t for t in possible if low <= (t - options.start).days < high]
        take = min(options.per_month, len(inside))
        # The plum rains of spring take one look of a month now and then.
        if take > 1 and month % 12 in (3, 4) and rng.random() < 0.5:
            take -= 1
        chosen = sorted(rng.choice(len(inside), size=take, replace=False))
        kept += [inside[i] for i in chosen]
    second = rng.integers(0, 40, len(kept))
    return [
        t.replace(hour=2, minute=58, second=0) + timedelta(seconds=int(s))
        for t, s in zip(kept, second, strict=True)
    ]


def _skies(times: list[datetime], rng: np.random.Generator, pattern: tuple[Air, ...]) -> list[Air]:
    """Give (cloud, haze, cirrus) per date."""
    n = len(times)
    skies: list[Air] = []
    while len(skies) < n:
        order = rng.permutation(len(pattern))
        skies += [pattern[i] for i in order]
    skies = skies[:n]
    skies[int(0.37 * n)] = (1.0, 0.3, 0.0)
    return skies


def _sun(when: datetime) -> tuple[float, float]:
    """Azimuth and elevation [degrees] at 10:58 solar time (Spencer's declination in short form)."""
    lat = np.radians(LATITUDE)
    dec = np.radians(23.44) * np.sin(2 * np.pi * (day_of_year(when) - 81) / 365.25)
    hour = np.radians(-17.0)
    sin_el = np.sin(lat) * np.sin(dec) + np.cos(lat) * np.cos(dec) * np.cos(hour)
    east = -np.cos(dec) * np.sin(hour)
    north = np.cos(lat) * np.sin(dec) - np.sin(lat) * np.cos(dec) * np.cos(hour)
    return float(np.degrees(np.arctan2(east, north)) % 360), float(np.degrees(np.arcsin(sin_el)))


def _flood(levels: Levels, when: datetime) -> float:
    peaks = (datetime(d.year, d.month, d.day, tzinfo=when.tzinfo) for d in levels.floods)
    return float(sum(np.exp(-0.5 * ((when - p).total_seconds() / 86400 / 5) ** 2) for p in peaks))


def _river_level(options: SampleOptions, when: datetime) -> float:
    """Level of the river [m]; low in winter, high in early summer, floods on top."""
    levels = place(options.site).levels
    slow = 0.25 * np.sin(((when.toordinal() + levels.slow_shift) % 97) / 97 * 2 * np.pi)
    risen = levels.rise_m * season(when, levels.peak_day, levels.season_days)
    return float(levels.low_m + risen + slow + levels.flood_m * _flood(levels, when))


def _pool_level(options: SampleOptions, when: datetime) -> float:
    """Level of the reservoir [m]."""
    months = (when - options.start).total_seconds() / 86400 / 30.4
    return float(np.interp(months, *np.transpose(place(options.site).levels.pool)))


def _recent(options: SampleOptions, when: datetime, level: Level) -> tuple[float, float]:
    """Level now, and the highest of the last 40 days [m]."""
    past = [level(options, when - timedelta(days=d)) for d in range(0, 41, 4)]
    return float(past[0]), float(max(past))
