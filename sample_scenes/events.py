"""The true events: twenty-three cases of the four chaos in the second year."""

from __future__ import annotations

from datetime import datetime

import numpy as np
from shapely import affinity
from shapely.geometry import LineString, box

from sample_scenes.fields import generator
from sample_scenes.objects import RESERVOIR, RIVER, SceneObject, utc
from sample_scenes.options import SampleOptions
from sample_scenes.schedule import normal_levels
from sample_scenes.shapes import bar, blob, place, rough_box, valid, walk
from sample_scenes.site import place as place_of
from sample_scenes.terrain import FULL_POOL, Terrain

Steps = tuple[tuple[datetime, float], ...]
_HERE = place_of(0).river  # they are laid out for this place alone
Site = tuple[str, float, float, float]  # id, start x, start y, azimuth from east southwards


def build(options: SampleOptions, ground: Terrain) -> tuple[SceneObject, ...]:
    """Place all events; none when the options say so."""
    if not options.events:
        return ()
    rng = generator(options.seed, 4)
    return (
        *_fills(options, ground, rng),
        *_mines(ground, rng),
        *_heaps(ground, rng),
        *_buildings(ground),
    )


def _mid(y: float) -> float:
    return float(_HERE.centre_x(y))


def _fills(
    options: SampleOptions, ground: Terrain, rng: np.random.Generator
) -> tuple[SceneObject, ...]:
    """乱占: land pushed out of the shore into the water."""
    river, pool = normal_levels(options)
    east, west = 0.0, 180.0

    def grow(*parts: tuple[int, int, int, float]) -> Steps:
        return tuple((utc(y, m, d), g) for y, m, d, g in parts)

    def fill(
        site: Site, size: tuple[float, float], steps: Steps, material: str, **more: float
    ) -> SceneObject:
        ident, x, y, towards = site
        in_river = x < 1900
        level = more.get("level", river if in_river else pool)
        px, py, inward = walk(ground, (x, y), towards, level)
        shape = place(rough_box(rng, size[0], -14, size[1]), px, py, inward)
        half_plane = place(box(-400, 0, 400, 400).buffer(0), px, py, inward)
        along = LineString([(-300, -14), (300, -14)])
        turned = affinity.rotate(along, inward - 90, origin=(0, 0))
        start = affinity.translate(turned, px, py)
        green = utc(2025, 6, 20) if more.get("green") else None
        return SceneObject(
            id=ident,
            kind="zhan",
            trap=None,
            corridor_id=RIVER if in_river else RESERVOIR,
            shape=shape,
            truth=valid(shape.intersection(half_plane)),
            material=material,
            steps=steps,
            crest=more.get("crest", level + (2.4 if in_river else 1.2)),
            grows_from=start,
            green_from=green,
        )

    return (
        fill(("zhan-1", _mid(560), 560, east), (120, 58), grow((2025, 2, 10, 1.0)), "red_soil"),
        fill(
            ("zhan-2", _mid(1050), 1050, west), (52, 26), grow((2025, 3, 20, 1.0)), "rubble"
        ),
        fill(  # from the island's flank
            ("zhan-3", _mid(1900) + 20, 1960, east), (85, 42), grow((2025, 1, 25, 1.0)), "rubble",
            level=2.0,
        ),
        fill(
            ("zhan-4", _mid(2450), 2450, west), (185, 88),
            grow((2025, 1, 15, 0.4), (2025, 4, 10, 0.7), (2025, 6, 5, 1.0)), "red_soil", green=1,
        ),
        fill(("zhan-5", _mid(3420), 3420, west), (34, 22), grow((2025, 4, 20, 1.0)), "rubble"),
        fill(  # in the gentle western arm
            ("zhan-6", 2560, 2365, 250), (95, 52), grow((2025, 2, 25, 1.0)), "red_soil"
        ),
        fill(("zhan-7", 2990, 1750, east), (80, 56), grow((2025, 3, 5, 1.0)), "rubble"),
        fill(  # late, when the reservoir stands lower than ever
            ("zhan-8", 2940, 2660, east), (75, 62), grow((2025, 9, 25, 1.0)), "rubble",
            level=11.3, crest=14.0,
        ),
        fill(("zhan-9", 3330, 2200, 300), (42, 30), grow((2025, 2, 5, 1.0)), "red_soil"),
        fill(
            ("zhan-10", 2930, 2930, 170), (110, 78),
            grow((2025, 1, 30, 0.5), (2025, 5, 10, 1.0)), "rubble",
        ),
    )  # fmt: skip


def _plain(
    ident: str,
    kind: str,
    shape: object,
    material: str,
    steps: Steps,
    corridor_id: str = RIVER,
    crest: float | None = None,
) -> SceneObject:
    outline = valid(shape)  # type: ignore[arg-type]
    return SceneObject(
        ident, kind, None, corridor_id, outline, outline, material, steps, crest=crest
    )


def _off(y: float, side: int, beyond: float) -> tuple[float, float]:
    """Give the point ``beyond`` metres from the bank, side +1 east or -1 west."""
    return _HERE.beside(y, side, beyond)


def _bar(ground: Terrain, y: float, towards: float, level: float) -> tuple[float, float]:
    """Give the point of a point bar at height ``level`` [m]."""
    return walk(ground, (_mid(y), y), towards, level)[:2]


def _above_pool(
    ground: Terrain, start: tuple[float, float], towards: float, beyond: float
) -> tuple[float, float]:
    """Give the point ``beyond`` metres behind the reservoir's highest shore."""
    x, y, inward = walk(ground, start, towards, FULL_POOL + 0.3)
    away = np.radians(inward + 180)
    return float(x + beyond * np.cos(away)), float(y + beyond * np.sin(away))


def _mines(ground: Terrain, rng: np.random.Generator) -> tuple[SceneObject, ...]:
    """乱采: pits on bars, and ponds dug behind the bank."""
    dry = ((utc(2025, 1, 20), 0.5), (utc(2025, 3, 1), 1.0))
    late = ((utc(2025, 8, 25), 0.6), (utc(2025, 10, 15), 1.0))
    return (
        _plain("cai-1", "cai", blob(rng, *_bar(ground, 420, 180, 1.9), 110, 42), "spoil", dry,
               crest=3.0),
        _plain("cai-2", "cai", blob(rng, *_off(2650, 1, -80), 90, 50), "water_silty", dry),
        _plain("cai-3", "cai", blob(rng, *_off(1500, 1, 95), 80, 60), "water_silty",
               ((utc(2025, 2, 20), 0.6), (utc(2025, 5, 1), 1.0))),
        _plain("cai-4", "cai", blob(rng, *_off(3250, -1, 90), 95, 70), "water_silty",
               ((utc(2025, 3, 10), 1.0),)),
        _plain("cai-5", "cai", blob(rng, *_bar(ground, 2200, 0, 1.5), 120, 44), "spoil", late,
               crest=2.8),
    )  # fmt: skip


def _heaps(ground: Terrain, rng: np.random.Generator) -> tuple[SceneObject, ...]:
    """乱堆: heaps of rubble, ash, soil and sand."""

    def since(month: int, day: int) -> Steps:
        return ((utc(2025, month, day), 0.5), (utc(2025, min(month + 3, 12), day), 1.0))

    return (
        _plain("dui-1", "dui", blob(rng, *_off(350, 1, 95), 55, 40), "rubble", since(1, 20)),
        _plain("dui-2", "dui", blob(rng, *_off(1750, -1, 85), 42, 32), "ash", since(4, 15)),
        _plain("dui-3", "dui", blob(rng, *_off(2250, 1, 90), 70, 45), "sand", since(3, 1)),
        _plain("dui-4", "dui", blob(rng, *_above_pool(ground, (3150, 2180), 270, 38), 48, 36),
               "red_soil", since(5, 5), RESERVOIR),
    )  # fmt: skip


def _buildings(ground: Terrain) -> tuple[SceneObject, ...]:
    """乱建: sheds and houses, their roofs in order."""

    def since(month: int, day: int) -> Steps:
        return ((utc(2025, month, day), 1.0),)

    return (
        _plain("jian-1", "jian", bar(*_off(720, -1, 90), 62, 28, 12), "blue_roof", since(2, 5)),
        _plain("jian-2", "jian", bar(*_off(2100, -1, 100), 45, 24, 80), "bright_roof",
               since(5, 12)),
        _plain("jian-3", "jian", bar(*_off(3000, -1, 95), 80, 36, 5), "bright_roof", since(3, 18)),
        _plain("jian-4", "jian", bar(*_above_pool(ground, (2990, 1480), 0, 60), 40, 24, 35),
               "town", since(6, 10), RESERVOIR),
    )  # fmt: skip
