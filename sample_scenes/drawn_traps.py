"""Traps of a drawn site: each where such a thing belongs, at a place and in days of its own.

A trap is tried at random places until it fits its ground: what floats lies on water that is there
in winter too, what stands on land lies above the highest water, and nothing touches another trap.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import Polygon
from shapely.geometry.base import BaseGeometry

from sample_scenes.corridor import corridor_shapes
from sample_scenes.fields import generator
from sample_scenes.objects import RESERVOIR, RIVER, SceneObject
from sample_scenes.options import SampleOptions
from sample_scenes.shapes import bar, blob
from sample_scenes.site import Place, place
from sample_scenes.terrain import Terrain
from sample_scenes.trap import trap

_TRIES = 4000
_APART_M = 60.0  # between traps
_HIGH = {RIVER: 5.4, RESERVOIR: 16.0}  # m, highest water
_FIRST = date(2025, 1, 1)
Ymd = tuple[int, int, int]
Fits = Callable[[NDArray[np.float64]], bool]


class _Site:
    """The ground on which traps are tried, and those that found their place."""

    def __init__(self, options: SampleOptions, ground: Terrain) -> None:
        self.rng = generator(options.site, 32)
        self.number = options.site
        self.here: Place = place(options.site)
        self.ground = ground
        self.areas = corridor_shapes(options, ground)
        self.taken: list[BaseGeometry] = []
        for area in self.areas.values():
            shapely.prepare(area)

    def fit(self, name: str, corridor: str, draw: Callable[[], Polygon], fits: Fits) -> Polygon:
        """Draw until a shape lies in its corridor, apart from others, on ground that fits.

        Raises
        ------
        ValueError
            When none does: the site leaves no room for the trap.
        """
        for _ in range(_TRIES):
            shape = draw()
            if not self.areas[corridor].contains(shape):
                continue
            heights = self.ground.heights_in(shape, 1 if corridor == RIVER else 2)
            if not heights.size or not fits(heights):
                continue
            if all(t.distance(shape) > _APART_M for t in self.taken):
                self.taken.append(shape)
                return shape
        raise ValueError(f"site {self.number} has no room for {name}; choose another site")

    def days(self, first: int, last: int, least: int, most: int) -> tuple[Ymd, Ymd]:
        """Draw a start between two days of 2025, and an end after ``least`` to ``most`` days."""
        start = _FIRST + timedelta(days=int(self.rng.integers(first, last)))
        end = start + timedelta(days=int(self.rng.integers(least, most)))
        return (start.year, start.month, start.day), (end.year, end.month, end.day)

    def stream(self, beyond: tuple[float, float]) -> tuple[float, float, float]:
        """Draw a point along either bank; x, y and the stream's azimuth there."""
        y = float(self.rng.uniform(120, 3880))
        side = int(self.rng.choice((-1, 1)))
        river = self.here.river
        return *river.beside(y, side, float(self.rng.uniform(*beyond))), river.heading(y)

    def pool(self) -> tuple[float, float]:
        """Draw a point in the bounds of the reservoir's corridor."""
        x0, y0, x1, y1 = self.areas[RESERVOIR].bounds
        return float(self.rng.uniform(x0, x1)), float(self.rng.uniform(y0, y1))


def build(options: SampleOptions, ground: Terrain) -> tuple[SceneObject, ...]:
    """Place the traps of a drawn site; the same for all seeds on it.

    Raises
    ------
    ValueError
        When one finds no place.
    """
    site = _Site(options, ground)
    # What has few places comes first.
    return (
        *_mats(site), *_bridges(site), _dam(site), _levee(site), *_boats(site), *_debris(site),
        *_fields(site), *_felled(site),
    )  # fmt: skip


def _below(level: float, share: float = 0.9) -> Fits:
    return lambda z: float(np.mean(z < level)) >= share


def _above(level: float, share: float = 0.97) -> Fits:
    return lambda z: float(np.mean(z > level)) >= share


def _bridges(site: _Site) -> tuple[SceneObject, ...]:
    """Cross the river twice: by an old bridge, and by one whose three spans come in turn."""
    river, rng = site.here.river, site.rng

    def across(more: tuple[float, float], wide: float) -> Callable[[], Polygon]:
        def draw() -> Polygon:
            y = float(rng.uniform(250, 3750))
            x = float(river.centre_x(y))
            long = 2 * float(river.half_width(y)) + float(rng.uniform(*more))
            return bar(x, y, long, wide, river.heading(y) - 90 + float(rng.uniform(-10, 10)))

        return draw

    crosses: Fits = lambda z: 0.3 < float(np.mean(z < 1.5)) < 0.95  # noqa: E731
    old = site.fit("bridge-old", RIVER, across((180, 250), 13), crosses)
    whole = site.fit("bridge-new", RIVER, across((150, 220), 15), crosses)
    order = rng.permutation(3)
    first = int(rng.integers(5, 60))
    starts = [_FIRST + timedelta(days=first + int(k) * int(rng.integers(50, 80))) for k in order]
    return (
        trap("bridge-old", "bridge", old, "road"),
        *(
            trap(
                f"bridge-new-{i}", "bridge under construction", _third(whole, i), "rubble",
                (start.year, start.month, start.day),
            )
            for i, start in enumerate(starts)
        ),
    )  # fmt: skip


def _third(deck: Polygon, i: int) -> Polygon:
    """Cut a rectangle across its long sides; its ring begins with a short one."""
    a, b, c, d = (np.array(p) for p in deck.exterior.coords[:4])
    if np.hypot(*(b - a)) > np.hypot(*(d - a)):
        a, b, c, d = d, a, b, c
    low, high = i / 3, (i + 1) / 3
    return Polygon([a + low * (d - a), b + low * (c - b), b + high * (c - b), a + high * (d - a)])


def _dam(site: _Site) -> SceneObject:
    """Dress the air side of the dam."""
    dam_y, rng = site.here.reservoir.dam_y, site.rng
    foot = site.here.reservoir.arms[0][0][0][0]

    def draw() -> Polygon:
        return blob(rng, foot + float(rng.uniform(-150, 150)), dam_y + 35, 90, 40)

    # The dam's own slope, not the valley's: it ends at the body, and so has no height of it.
    shape = site.fit("dam-1", RESERVOIR, draw, lambda z: bool(np.isinf(z).mean() > 0.7))
    start, end = site.days(45, 165, 120, 190)
    return trap("dam-1", "authorised dam works", shape, "rubble", start, end, RESERVOIR)


def _levee(site: _Site) -> SceneObject:
    def draw() -> Polygon:
        x, y, along = site.stream((60, 64))
        return bar(x, y, 260, 40, along)

    shape = site.fit("levee-1", RIVER, draw, _above(_HIGH[RIVER]))
    start, end = site.days(15, 110, 110, 180)
    return trap("levee-1", "authorised levee works", shape, "red_soil", start, end)


def _mats(site: _Site) -> tuple[SceneObject, ...]:
    """Floating plants: in the inlet, along a bank, in an arm of the reservoir."""
    rng = site.rng
    (x0, y0), (x1, y1) = site.here.river.inlet

    def in_inlet() -> Polygon:
        at = float(rng.uniform(0.2, 0.6))
        return blob(rng, x0 + at * (x1 - x0), y0 + at * (y1 - y0), 130, 50)

    def along_bank() -> Polygon:
        x, y, _ = site.stream((-60, -35))
        return blob(rng, x, y, 80, 35)

    def in_arm() -> Polygon:
        return blob(rng, *site.pool(), 110, 60)

    dates = [site.days(130, 215, 50, 140) for _ in range(3)]
    inlet = site.fit("hyacinth-1", RIVER, in_inlet, _below(4.5, 0.7))
    bank = site.fit("hyacinth-2", RIVER, along_bank, _below(2.0))
    arm = site.fit("hyacinth-3", RESERVOIR, in_arm, _below(13.0))
    words, look = "floating hyacinth", "hyacinth"
    return (
        trap("hyacinth-1", words, inlet, look, *dates[0], afloat=1, strength=0.9),
        trap("hyacinth-2", words, bank, look, *dates[1], afloat=1, strength=0.85),
        trap("hyacinth-3", words, arm, look, *dates[2], RESERVOIR, afloat=1, strength=0.9),
    )


def _boats(site: _Site) -> tuple[SceneObject, ...]:
    """Barges and boats for some weeks, a pontoon for some months."""
    rng = site.rng

    def moored(beyond: tuple[float, float], long: float, wide: float) -> Callable[[], Polygon]:
        def draw() -> Polygon:
            x, y, along = site.stream(beyond)
            return bar(x, y, long, wide, along + float(rng.uniform(-10, 10)))

        return draw

    def on_pool() -> Polygon:
        return bar(*site.pool(), 28, 12, float(rng.uniform(0, 180)))

    out: list[SceneObject] = []
    for name, words, material, beyond, size, when in (
        ("pontoon", "pontoon", "deck", (-90, -60), (70, 14), (45, 150, 100, 200)),
        ("barge-1", "barge at anchor", "hull", (-200, -80), (68, 16), (10, 290, 35, 75)),
        ("barge-2", "barge at anchor", "hull", (-200, -80), (60, 15), (10, 290, 35, 75)),
        ("boats-1", "boats at anchor", "hull", (-60, -40), (45, 22), (10, 290, 35, 75)),
    ):
        shape = site.fit(name, RIVER, moored(beyond, *size), _below(0.5))
        out.append(trap(name, words, shape, material, *site.days(*when), afloat=1))
    shape = site.fit("boat-2", RESERVOIR, on_pool, _below(8.0))
    when = site.days(10, 260, 35, 100)
    return (*out, trap("boat-2", "boat at anchor", shape, "hull", *when, RESERVOIR, afloat=1))


def _debris(site: _Site) -> tuple[SceneObject, ...]:
    """Strand what a flood of the second year leaves: on the shore, and afloat in front of it."""
    floods = [d for d in site.here.levels.floods if d.year == _FIRST.year]
    out: list[SceneObject] = []
    for name, long, wide, float_ in (("debris-1", 90, 22, 0), ("debris-2", 70, 20, 1)):

        def draw(long: float = long, wide: float = wide) -> Polygon:
            x, y, _ = site.stream((-45, -25))
            return blob(site.rng, x, y, long, wide)

        shape = site.fit(name, RIVER, draw, _below(4.5))
        day = (floods[int(site.rng.integers(len(floods)))] - _FIRST).days
        when = site.days(day, day + 4, 35, 65)
        out.append(trap(name, "flood debris", shape, "drift", *when, afloat=float_, strength=0.7))
    return tuple(out)


def _fields(site: _Site) -> tuple[SceneObject, ...]:
    """Roofs that were always there; plots that are cut or flooded in their season."""

    def behind(long: float, wide: float, turn: tuple[float, float]) -> Callable[[], Polygon]:
        def draw() -> Polygon:
            x, y, along = site.stream((85, 115))
            return bar(x, y, long, wide, along + float(site.rng.uniform(*turn)))

        return draw

    dry = _above(_HIGH[RIVER])
    any_way, along = (0.0, 180.0), (-8.0, 8.0)
    roofs = [
        site.fit(f"roof-old-{i}", RIVER, behind(*size, any_way), dry)
        for i, size in ((1, (70, 45)), (2, (50, 30)))
    ]
    cut, late, paddy = (
        site.fit(name, RIVER, behind(*size, along), dry)
        for name, size in (
            ("harvest-1", (90, 55)),
            ("harvest-2", (100, 50)),
            ("paddy-1", (110, 60)),
        )
    )
    return (
        *(
            trap(f"roof-old-{i}", "permanent bright roof", roof, "bright_roof")
            for i, roof in enumerate(roofs, 1)
        ),
        # The early crop is cut in June or July, the late one from September on.
        trap("harvest-1", "harvest", cut, "stubble", *site.days(160, 200, 50, 80)),
        trap("harvest-2", "harvest", late, "stubble", *site.days(240, 285, 60, 90)),
        trap("paddy-1", "flooded paddy", paddy, "paddy", *site.days(92, 130, 75, 105)),
    )


def _felled(site: _Site) -> tuple[SceneObject, ...]:
    """Woods felled above the reservoir, away from its dam."""
    rng = site.rng
    out: list[SceneObject] = []
    for name, long, wide, first, last in (
        ("felled-1", 110, 75, 20, 150), ("felled-2", 80, 60, 120, 270),
    ):  # fmt: skip

        def draw(long: float = long, wide: float = wide) -> Polygon:
            while True:
                x, y = site.pool()
                if y < site.here.reservoir.dam_y - 100:
                    return blob(rng, x, y, long, wide)

        shape = site.fit(name, RESERVOIR, draw, _above(17.0, 0.95))
        start, _ = site.days(first, last, 1, 2)
        out.append(trap(name, "felled forest", shape, "stubble", start, None, RESERVOIR))
    return tuple(out)
