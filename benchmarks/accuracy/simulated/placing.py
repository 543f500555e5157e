"""Objects of the four kinds at random places of the simulated world, 400 m² to 5 ha.

Sizes are log-uniform, one per stratum, so that every seed holds the whole range. An object keeps
clear of the others and of the drawn traps; land objects stand on ground that was never wet and
not on towns, roads or roofs, where the same thing already stands.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import affinity
from shapely.geometry import LineString, Point, Polygon
from shapely.geometry.base import BaseGeometry

from sample_scenes import truth
from sample_scenes.fields import generator
from sample_scenes.landcover import CODE
from sample_scenes.objects import RESERVOIR, RIVER, SceneObject, utc
from sample_scenes.options import PAD, RES
from sample_scenes.schedule import Day
from sample_scenes.shapes import bar, blob, outline, place, rough_box, valid
from sample_scenes.surface import World
from sample_scenes.terrain import Terrain

SMALLEST_M2, LARGEST_M2 = 400.0, 50_000.0
KINDS = ("zhan",) * 5 + ("cai",) * 5 + ("dui",) * 3 + ("jian",) * 3
FIRST, LAST = utc(2025, 1, 5), utc(2025, 10, 15)
_GAP_M = 40.0  # between objects
_TRIES = 600
_HIGH = {RIVER: 5.4, RESERVOIR: 16.0}  # m, the corridor's highest water
_TAKEN_COVER = tuple(CODE[c] for c in ("town", "bright_roof", "road", "rock"))

Draft = tuple[str, Polygon, BaseGeometry, dict[str, float | LineString | None]]


@dataclass(frozen=True)
class Placed:
    """An object and where it stands: shore, bar, or land."""

    thing: SceneObject
    setting: str


class _Ground:
    """What placing asks of the world of one corridor."""

    def __init__(self, world: World, corridor: str, days: tuple[Day, ...]) -> None:
        self.ground: Terrain = world.ground
        self.main = world.cover.main
        self.corridor = corridor
        self.number = 1 if corridor == RIVER else 2
        whole = truth.corridor_shapes(world.options, world.ground)
        self.area = whole[corridor].buffer(-20)
        levels = [d.river_level if corridor == RIVER else d.pool_level for d in days]
        self.level: Callable[[float], float] = lambda q: float(np.quantile(levels, q))
        self.taken: list[BaseGeometry] = [
            t.shape for t, _ in world.objects if t.corridor_id == corridor
        ]
        self._water: dict[float, BaseGeometry] = {}

    def water(self, level: float) -> BaseGeometry:
        """Outline of the body at a level."""
        if level not in self._water:
            mask = (self.ground.fine_body == self.number) & (self.ground.fine_z < level)
            self._water[level] = outline(mask, 5000.0)
        return self._water[level]

    def heights(self, shape: Polygon) -> NDArray[np.float64]:
        """Heights on a 5 m lattice inside a shape [m]; 99 elsewhere than in this body."""
        return np.minimum(self.ground.heights_in(shape, self.number), 99.0)

    def cover(self, x: float, y: float) -> int:
        """Class of the land cover at a point."""
        return int(self.main[int(y / RES) + PAD, int(x / RES) + PAD])

    def free(self, shape: BaseGeometry) -> bool:
        """Tell whether a shape lies in the corridor and away from all others."""
        if not self.area.contains(shape):
            return False
        return all(t.distance(shape) > _GAP_M for t in self.taken)


def scatter(world: World, corridor: str, days: tuple[Day, ...]) -> tuple[Placed, ...]:
    """Place one set of objects in a corridor; what finds no place is left out."""
    rng = generator(world.options.seed, 21)
    where = _Ground(world, corridor, days)
    n = len(KINDS)
    share = (rng.permutation(n) + rng.random(n)) / n
    sizes = SMALLEST_M2 * (LARGEST_M2 / SMALLEST_M2) ** share
    out: list[Placed] = []
    # Large ones first: they find a place less easily.
    for k in np.argsort(-sizes):
        kind = KINDS[int(k)]
        found = _find(where, rng, kind, float(sizes[k]), turn=int(k))
        if found is not None:
            out.append(_finish(rng, f"{kind}-{k}", corridor, found))
            where.taken.append(found[1])
    return tuple(out)


def _find(
    where: _Ground, rng: np.random.Generator, kind: str, area: float, *, turn: int
) -> Draft | None:
    for _ in range(_TRIES):
        if kind == "zhan":
            draft = _fill(where, rng, area)
        elif kind == "cai" and turn % 2:
            draft = _pit(where, rng, area)
        else:
            draft = _on_land(where, rng, kind, area)
        if draft is not None and where.free(draft[1]):
            return draft
    return None


def _fill(where: _Ground, rng: np.random.Generator, area: float) -> Draft | None:
    """Push land out of a shore at one of the usual levels.

    The truth is what lies below the level that the water exceeds on a quarter of the dates, as in
    the sample: what is higher was never taken from the water.
    """
    level = where.level(float(rng.choice((0.5, 0.65, 0.75))))
    water = where.water(level)
    shore = water.boundary.intersection(where.area)
    if shore.is_empty:
        return None
    spot = shore.interpolate(float(rng.uniform(0, shore.length)))
    ring = shapely.intersection(water.boundary, spot.buffer(15))
    if ring.is_empty or not isinstance(ring, LineString):
        return None
    (x0, y0), (x1, y1) = ring.coords[0], ring.coords[-1]
    along = np.degrees(np.arctan2(y1 - y0, x1 - x0))
    inward = next(
        (
            a
            for a in (along + 90, along - 90)
            if water.contains(
                Point(spot.x + 12 * np.cos(np.radians(a)), spot.y + 12 * np.sin(np.radians(a)))
            )
        ),
        None,
    )
    if inward is None:
        return None
    out = float(np.sqrt(area / rng.uniform(1.0, 3.0)))
    shape = place(rough_box(rng, area / out, -14, out), spot.x, spot.y, inward)
    true = valid(shape.intersection(where.water(where.level(0.75))))
    if not 0.8 * area <= true.area <= 1.3 * area:
        return None
    start = place_line(LineString([(-300, -14), (300, -14)]), spot.x, spot.y, inward)
    crest = level + float(rng.uniform(1.2, 2.4))
    material = str(rng.choice(("red_soil", "rubble", "sand")))
    return material, shape, true, {"crest": crest, "from": start}


def place_line(line: LineString, x: float, y: float, outward: float) -> LineString:
    """Turn the y axis of a line to azimuth ``outward`` [degrees from east] and move it."""
    return affinity.translate(affinity.rotate(line, outward - 90, origin=(0, 0)), x, y)


def _point(where: _Ground, rng: np.random.Generator) -> tuple[float, float]:
    x0, y0, x1, y1 = where.area.bounds
    while True:
        x, y = float(rng.uniform(x0, x1)), float(rng.uniform(y0, y1))
        if where.area.contains(Point(x, y)):
            return x, y


def _sides(rng: np.random.Generator, area: float, longest: float) -> tuple[float, float]:
    ratio = float(rng.uniform(1.1, longest))
    return float(np.sqrt(area * ratio)), float(np.sqrt(area / ratio))


def _pit(where: _Ground, rng: np.random.Generator, area: float) -> Draft | None:
    """Dig in a bar, or in the drawdown zone: bare spoil, or a hole full of water."""
    x, y = _point(where, rng)
    low, high = where.level(0.25), where.level(0.9)
    if not low < where.ground.height_at(x, y) < high:
        return None
    long, wide = _sides(rng, area, 2.5)
    shape = _resized(blob(rng, x, y, long, wide), area)
    z = where.heights(shape)
    if z.size == 0 or np.mean((z > low) & (z < high + 0.3)) < 0.9:
        return None
    if rng.random() < 0.5:
        return "spoil", shape, shape, {"crest": float(z.max()) + 0.3, "from": None}
    return "water_silty", shape, shape, {"crest": None, "from": None}


def _on_land(where: _Ground, rng: np.random.Generator, kind: str, area: float) -> Draft | None:
    x, y = _point(where, rng)
    if where.ground.height_at(x, y) < _HIGH[where.corridor]:
        return None
    long, wide = _sides(rng, area, 3.0 if kind == "jian" else 2.0)
    if kind == "jian":
        shape = bar(x, y, long, wide, float(rng.uniform(0, 180)))
    else:
        shape = _resized(blob(rng, x, y, long, wide), area)
    if where.cover(x, y) in _TAKEN_COVER or (where.heights(shape) < _HIGH[where.corridor]).any():
        return None
    material = {
        "cai": ("water_silty",),
        "dui": ("rubble", "ash", "sand", "red_soil"),
        "jian": ("blue_roof", "bright_roof", "town"),
    }[kind]
    return str(rng.choice(material)), shape, shape, {"crest": None, "from": None}


def _resized(shape: Polygon, area: float) -> Polygon:
    factor = float(np.sqrt(area / shape.area))
    return valid(affinity.scale(shape, factor, factor))


def _finish(rng: np.random.Generator, ident: str, corridor: str, draft: Draft) -> Placed:
    material, shape, true, more = draft
    kind = ident.split("-", maxsplit=1)[0]
    began = FIRST + float(rng.random()) * (LAST - FIRST)
    crest, start = more["crest"], more["from"]
    thing = SceneObject(
        id=ident,
        kind=kind,
        trap=None,
        corridor_id=corridor,
        shape=valid(shape),
        truth=true,
        material=material,
        steps=_steps(rng, began, grows=kind != "jian" and bool(rng.random() < 0.5)),
        crest=None if crest is None else float(crest),  # pyright: ignore[reportArgumentType]
        grows_from=start if isinstance(start, LineString) else None,
    )
    if kind == "zhan":
        return Placed(thing, "shore")
    on_bar = kind == "cai" and int(ident.split("-")[1]) % 2 == 1
    return Placed(thing, "bar" if on_bar else "land")


def _steps(
    rng: np.random.Generator, began: datetime, *, grows: bool
) -> tuple[tuple[datetime, float], ...]:
    if not grows:
        return ((began, 1.0),)
    days = [0.0, *np.cumsum(rng.uniform(15, 45, 2))]
    return tuple(
        (began + timedelta(days=float(d)), g) for d, g in zip(days, (0.4, 0.7, 1.0), strict=True)
    )
