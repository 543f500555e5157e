"""Where the world lies: the course of the river, the valley of the reservoir, their levels.

Site 0 is the place of the sample. Every other number draws a place of its own, so that what is
measured on many sites is measured on many rivers. The ranges are this file's own: they keep what a
site must be (a river of 300 to 600 m with bends and bars, a dammed valley with arms, the highest
water in early summer), and have no source.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import lru_cache

import numpy as np
from shapely.geometry import LineString

from sample_scenes.fields import F32, Real, generator

Point = tuple[float, float]
Wave = tuple[float, float, float, float]  # amplitude [m], length [m], shift [m], phase [rad]
Arm = tuple[tuple[Point, ...], float, float, float]  # way points, floor at both ends, exponent
SIDE_M = 4000.0
_BANKS = (240.0, 1600.0)  # m, easting between which a river's banks lie
_APART = 720.0  # m, from the river's bank to an axis of the reservoir


@dataclass(frozen=True)
class River:
    """The river's plan: its centreline by northing, its width, what lies in it."""

    x: float = 1010.0
    bends: tuple[Wave, ...] = ((330.0, 3400.0, 300.0, 0.0), (55.0, 1500.0, 0.0, 1.0))
    half_m: float = 190.0
    swell: Wave = (28.0, 2100.0, 0.0, 0.5)
    widening: tuple[float, float, float] = (62.0, 1900.0, 430.0)  # m, at y, over
    island: tuple[float, float, float, float] = (1900.0, 25.0, 330.0, 85.0)  # y, offset, half axes
    inlet: tuple[Point, Point] = ((1180.0, 3060.0), (1620.0, 2930.0))

    def centre_x(self, y: Real | float) -> F32:
        """Easting of the centreline at ``y`` [m]."""
        x: Real | float = self.x
        for wave in self.bends:
            x = x + _sine(wave, y)
        return np.asarray(x, dtype=np.float32)

    def half_width(self, y: Real | float) -> F32:
        """Half of the width at bank top [m]."""
        rise, at, over = self.widening
        bell = rise * np.exp(-(((np.asarray(y) - at) / over) ** 2))
        return np.asarray(self.half_m + _sine(self.swell, y) + bell, dtype=np.float32)

    def centreline(self, size_m: float) -> LineString:
        """Draw the centreline from north to south, in local metres."""
        y = np.arange(0, size_m + 1, 40.0, dtype=np.float32)
        return LineString(np.column_stack([self.centre_x(y), y]))

    def heading(self, y: float) -> float:
        """Azimuth of the stream at ``y`` [degrees from east, southwards]."""
        lean = float(self.centre_x(y + 20)) - float(self.centre_x(y - 20))
        return float(np.degrees(np.arctan2(40.0, lean)))

    def beside(self, y: float, side: int, beyond: float) -> Point:
        """Give the point ``beyond`` metres from the bank, side +1 east or -1 west."""
        return float(self.centre_x(y)) + side * (float(self.half_width(y)) + beyond), y


@dataclass(frozen=True)
class Reservoir:
    """The drowned valley: its dam and its arms."""

    dam_y: float = 3150.0
    dam_x: tuple[float, float] = (2500.0, 3450.0)  # between which the dam may stand
    side_slope: float = 0.085  # usual rise of the banks per metre
    arms: tuple[Arm, ...] = (
        (((2950, 3400), (2930, 2700), (3050, 2100), (2960, 1500), (3120, 800)), 1.5, 17.5, 1.5),
        (((2985, 2400), (3300, 2230), (3480, 1960), (3820, 1820)), 4.5, 17.5, 1.2),
        (((2990, 2620), (2700, 2420), (2480, 2330), (2230, 2080)), 4.0, 17.0, 0.9),
        (((3050, 1980), (2760, 1720), (2610, 1430)), 7.5, 17.0, 1.0),
    )


@dataclass(frozen=True)
class Levels:
    """The course of both waters over the two years."""

    # Reservoir [m] by month since January of the first year; the second autumn is a drought.
    pool: tuple[Point, ...] = (
        (0, 14.2), (2, 14.8), (4.5, 15.7), (6, 15.4), (7.5, 14.0), (9, 12.4), (10.5, 11.7),
        (12, 12.4), (14, 13.9), (16.5, 15.6), (18, 15.0), (19.5, 13.2), (21, 11.0), (22.3, 9.2),
        (23, 8.6), (24, 8.9), (27, 14.0), (60, 14.0),
    )  # fmt: skip
    floods: tuple[date, ...] = (date(2024, 6, 20), date(2025, 5, 28), date(2025, 6, 26))
    flood_m: float = 1.9
    low_m: float = 0.95  # river in winter
    rise_m: float = 1.9  # of its season
    peak_day: float = 165.0
    season_days: float = 58.0  # spread of its season
    slow_shift: int = 0  # days


@dataclass(frozen=True)
class Place:
    """One site; the lane crosses the plain at ``y = at + slope x``."""

    river: River = field(default_factory=River)
    reservoir: Reservoir = field(default_factory=Reservoir)
    levels: Levels = field(default_factory=Levels)
    plain_m: float = 330.0  # from the bank to the woods
    lane: Point = (640.0, 0.12)


@lru_cache(maxsize=64)
def place(site: int) -> Place:
    """Draw a site; 0 is the sample's."""
    if site == 0:
        return Place()
    rng = generator(site, 31)
    river = _river(rng)
    return Place(
        river=river,
        reservoir=_reservoir(rng, river),
        levels=_levels(rng),
        plain_m=float(rng.uniform(280, 380)),
        lane=(float(rng.uniform(300, 3500)), float(rng.uniform(-0.2, 0.2))),
    )


def _sine(wave: Wave, y: Real | float) -> Real:
    amplitude, length, shift, phase = wave
    return np.asarray(amplitude * np.sin(2 * np.pi * (np.asarray(y) + shift) / length + phase))


def _river(rng: np.random.Generator) -> River:
    """Draw bends until the banks keep to their side of the world and the bends are no loops."""
    y = np.arange(0.0, SIDE_M, 20.0)
    while True:
        bends = tuple(
            (float(rng.uniform(*a)), float(rng.uniform(*n)), 0.0, float(rng.uniform(0, 2 * np.pi)))
            for a, n in (((220, 380), (2500, 4000)), ((30, 70), (1200, 1800)))
        )
        island_y = float(rng.uniform(700, 3300))
        at_zero = River(
            x=0.0,
            bends=bends,
            half_m=float(rng.uniform(155, 225)),
            swell=(
                float(rng.uniform(10, 35)), float(rng.uniform(1500, 2800)), 0.0,
                float(rng.uniform(0, 2 * np.pi)),
            ),
            widening=(float(rng.uniform(45, 80)), island_y, float(rng.uniform(350, 500))),
            island=(
                island_y, float(rng.uniform(-40, 40)), float(rng.uniform(220, 380)),
                float(rng.uniform(60, 90)),
            ),
        )  # fmt: skip
        centre, half = at_zero.centre_x(y), at_zero.half_width(y)
        room = _BANKS[0] - float((centre - half).min()), _BANKS[1] - float((centre + half).max())
        if room[0] < room[1] and float(np.abs(np.gradient(centre, 20.0)).max()) < 0.8:
            moved = replace(at_zero, x=float(rng.uniform(*room)))
            return replace(moved, inlet=_inlet(rng, moved))


def _inlet(rng: np.random.Generator, river: River) -> tuple[Point, Point]:
    """Let a gentle inlet leave the river, away from its island and inside the world."""
    while True:
        y = float(rng.uniform(500, 3500))
        side = int(rng.choice((-1, 1)))
        x0, _ = river.beside(y, side, -45)
        x1, y1 = x0 + side * float(rng.uniform(400, 450)), y + float(rng.uniform(-150, 150))
        if abs(y - river.island[0]) > river.island[2] + 150 and 100 < x1 < 2000:
            return (x0, y), (x1, y1)


def _reservoir(rng: np.random.Generator, river: River) -> Reservoir:
    dam_y = float(rng.uniform(3000, 3350))
    stretch = float(rng.uniform(0.88, 1.05))
    steps = (250.0, -450.0, -1050.0, -1650.0, -2350.0)
    middle = float(rng.uniform(2920, 3080))
    spread = (30.0, 70.0, 110.0, 120.0, 160.0)
    axis = tuple(
        (middle + float(rng.uniform(-s, s)), dam_y + stretch * d)
        for s, d in zip(spread, steps, strict=True)
    )
    floor = float(rng.uniform(1.0, 2.5))
    arms: list[Arm] = [(axis, floor, 17.5, float(rng.uniform(1.3, 1.7)))]
    slots = ((-1, 450.0, 620.0), (1, 600.0, 850.0), (-1, 1100.0, 1300.0), (1, 1350.0, 1550.0))
    kept = sorted(rng.choice(len(slots), size=int(rng.integers(2, 5)), replace=False))
    for side, near, far in (slots[k] for k in kept):
        y = dam_y - stretch * float(rng.uniform(near, far))
        arms.append(_arm(rng, river, (_on(axis, y), y), side, (dam_y - y) / 2350))
    # On the west the plain of the river begins, where no dam may stand.
    west = max(2300.0, river.beside(dam_y, 1, 650)[0])
    return Reservoir(dam_y, (west, 3800.0), float(rng.uniform(0.065, 0.115)), tuple(arms))


def _on(axis: tuple[Point, ...], y: float) -> float:
    """Easting of the valley's axis at ``y`` [m]; the axis runs north."""
    xs, ys = np.transpose(axis[::-1])
    return float(np.interp(y, ys, xs))


def _arm(rng: np.random.Generator, river: River, start: Point, side: int, up: float) -> Arm:
    """Bend an arm up the valley, within the world and clear of the river."""
    points = [start]
    heading = float(rng.uniform(20, 45))  # degrees north of the side
    for _ in range(int(rng.integers(2, 4))):
        heading += float(rng.uniform(-15, 20))
        reach = float(rng.uniform(230, 340))
        x = points[-1][0] + side * reach * np.cos(np.radians(heading))
        y = points[-1][1] - reach * np.sin(np.radians(heading))
        low = max(river.beside(v, 1, _APART)[0] for v in (y - 150, y, y + 150))
        points.append((float(np.clip(x, low, SIDE_M - 180)), float(y)))
    floor = 2.5 + 6.5 * up + float(rng.uniform(0, 1.5))
    return tuple(points), floor, float(rng.uniform(16.5, 17.5)), float(rng.uniform(0.8, 1.3))


def _levels(rng: np.random.Generator) -> Levels:
    moved = float(rng.uniform(-1.2, 1.2))  # months
    full, again = (float(v) for v in rng.uniform(14.9, 15.9, 2))
    low = float(rng.uniform(11.0, 13.2))
    lowest = low - float(rng.uniform(0.3, 4.3))
    first = float(rng.uniform(13.2, 14.6))

    def between(high: float, deep: float, share: float) -> float:
        return deep + share * (high - deep)

    course = (
        (2 + moved, between(full, first, 0.4)), (4.5 + moved, full), (6 + moved, full - 0.3),
        (7.5 + moved, between(full, low, 0.58)), (9 + moved, between(full, low, 0.2)),
        (10.5 + moved, low), (12 + moved, between(again, low, 0.2)),
        (14 + moved, between(again, low, 0.56)), (16.5 + moved, again), (18 + moved, again - 0.6),
        (19.5 + moved, between(again, lowest, 0.66)), (21 + moved, between(again, lowest, 0.34)),
        (22.3 + moved, between(again, lowest, 0.1)), (23 + moved, lowest),
        (24 + moved, lowest + 0.3), (27 + moved, 14.0), (60.0, 14.0),
    )  # fmt: skip
    peak = float(rng.uniform(140, 195))
    floods: list[date] = []
    for year, least, most in ((2024, 0, 3), (2025, 1, 4)):
        days = peak + rng.uniform(-50, 55, int(rng.integers(least, most)))
        floods += [date(year, 1, 1) + timedelta(days=int(d)) for d in sorted(days)]
    return Levels(
        pool=((0.0, first), *course),
        floods=tuple(floods),
        flood_m=float(rng.uniform(1.3, 2.2)),
        low_m=float(rng.uniform(0.65, 1.15)),
        rise_m=float(rng.uniform(1.4, 2.1)),
        peak_day=peak,
        season_days=float(rng.uniform(46, 66)),
        slow_shift=int(rng.integers(0, 97)),
    )
