"""What looks like a case and is none: at least as many as there are events."""

from __future__ import annotations

import numpy as np
from shapely.geometry import box

from sample_scenes import drawn_traps
from sample_scenes.fields import generator
from sample_scenes.objects import RESERVOIR, RIVER, SceneObject, StaticTrap
from sample_scenes.options import RES, WORLD, SampleOptions
from sample_scenes.schedule import Day, lowest_pool
from sample_scenes.shapes import bar, blob, clip, outline
from sample_scenes.site import place
from sample_scenes.terrain import Terrain
from sample_scenes.trap import trap

_HERE = place(0).river


def build(options: SampleOptions, ground: Terrain) -> tuple[SceneObject, ...]:
    """Place the traps that are drawn: at their places in the sample, anywhere on another site."""
    if options.site:
        return drawn_traps.build(options, ground)
    rng = generator(options.seed, 5)
    return (*_structures(), *_boats(rng), *_plants(rng), *_works(rng))


def _mid(y: float, off: float = 0.0) -> tuple[float, float]:
    return float(_HERE.centre_x(y)) + off, y


def _off(y: float, side: int, beyond: float) -> tuple[float, float]:
    return _HERE.beside(y, side, beyond)


def _structures() -> tuple[SceneObject, ...]:
    """Bridges old and new, a pontoon, roofs that were always bright."""
    x, y = _mid(1270)
    old = bar(x, y, 2 * float(_HERE.half_width(y)) + 260, 13, 8)
    x, y = _mid(3620)
    span = 2 * float(_HERE.half_width(y)) + 200
    piers = (trap("bridge-old", "bridge", old, "road"),)
    parts = tuple(
        trap(
            f"bridge-new-{i}", "bridge under construction",
            bar(x + (i - 1) * span / 3, y, span / 3, 15, 0), "rubble", start,
        )
        for i, start in enumerate(((2025, 1, 10), (2025, 6, 1), (2025, 3, 15)))
    )  # fmt: skip
    return (
        *piers,
        *parts,
        trap("pontoon", "pontoon", bar(*_off(3050, -1, -75), 70, 14, 95), "deck",
              (2025, 4, 1), (2025, 9, 20), afloat=1),
        trap("roof-old-1", "permanent bright roof", bar(*_off(950, 1, 100), 70, 45, 10),
              "bright_roof"),
        trap("roof-old-2", "permanent bright roof", bar(*_off(2000, 1, 105), 50, 30, 70),
              "bright_roof"),
    )  # fmt: skip


def _boats(rng: np.random.Generator) -> tuple[SceneObject, ...]:
    """Boats and barges at anchor for two or three looks, drift wood after the flood."""
    x, y = _mid(1600)
    return (
        trap("barge-1", "barge at anchor", bar(x - 60, y, 68, 16, 85), "hull",
              (2025, 2, 1), (2025, 4, 10), afloat=1),
        trap("barge-2", "barge at anchor", bar(*_mid(2750, -70), 60, 15, 100), "hull",
              (2025, 7, 10), (2025, 9, 10), afloat=1),
        trap("boats-1", "boats at anchor", bar(*_off(300, 1, -42), 45, 22, 95), "hull",
              (2025, 5, 5), (2025, 7, 12), afloat=1),
        trap("boat-2", "boat at anchor", bar(2985, 2250, 28, 12, 40), "hull",
              (2025, 2, 12), (2025, 5, 20), RESERVOIR, afloat=1),
        trap("debris-1", "flood debris", blob(rng, *_off(2300, 1, -42), 90, 22), "drift",
              (2025, 6, 24), (2025, 8, 10), strength=0.7),
        trap("debris-2", "flood debris", blob(rng, *_off(480, -1, -30), 70, 20), "drift",
              (2025, 6, 24), (2025, 8, 20), afloat=1, strength=0.7),
    )  # fmt: skip


def _plants(rng: np.random.Generator) -> tuple[SceneObject, ...]:
    """Floating mats, harvested plots, a felled wood."""
    return (
        trap("hyacinth-1", "floating hyacinth", blob(rng, 1430, 2995, 130, 50), "hyacinth",
              (2025, 6, 10), (2025, 10, 25), afloat=1, strength=0.9),
        trap("hyacinth-2", "floating hyacinth", blob(rng, *_off(1350, -1, -40), 80, 35),
              "hyacinth", (2025, 7, 20), (2025, 9, 10), afloat=1, strength=0.85),
        trap("hyacinth-3", "floating hyacinth", blob(rng, 2420, 2260, 110, 60), "hyacinth",
              (2025, 5, 20), (2025, 8, 30), RESERVOIR, afloat=1, strength=0.9),
        trap("harvest-1", "harvest", bar(*_off(1200, -1, 90), 90, 55, 15), "stubble",
              (2025, 6, 25), (2025, 9, 1)),
        trap("harvest-2", "harvest", bar(*_off(2880, 1, 110), 100, 50, 80), "stubble",
              (2025, 9, 10), (2025, 12, 1)),
        trap("paddy-1", "flooded paddy", bar(*_off(420, -1, 110), 110, 60, 5), "paddy",
              (2025, 4, 20), (2025, 7, 20)),
        trap("felled-1", "felled forest", blob(rng, 3190, 1250, 110, 75), "stubble",
              (2025, 3, 10), None, RESERVOIR),
        trap("felled-2", "felled forest", blob(rng, 3590, 2330, 80, 60), "stubble",
              (2025, 8, 1), None, RESERVOIR),
    )  # fmt: skip


def _works(rng: np.random.Generator) -> tuple[SceneObject, ...]:
    """Place what was permitted: a levee cleared and repaired, a slope of the dam dressed."""
    return (
        trap("levee-1", "authorised levee works", bar(*_off(2450, 1, 62), 40, 260, 0),
              "red_soil", (2025, 2, 15), (2025, 8, 1)),
        trap("dam-1", "authorised dam works", blob(rng, 3060, 3185, 90, 40), "rubble",
              (2025, 4, 10), (2025, 9, 30), RESERVOIR),
    )  # fmt: skip


def static(
    options: SampleOptions, ground: Terrain, days: tuple[Day, ...]
) -> tuple[StaticTrap, ...]:
    """Outline what the falling water uncovers, and what glitters."""
    z, body = ground.fine_z, ground.fine_body
    first_year, lowest = lowest_pool(options, days)
    river_low = min(d.river_level for d in days)
    side = options.size * RES
    channel = (body == 1) & (z < 3.3)
    bars = (body == 1) & (z > river_low) & (z < 3.3)
    seen = (body == 2) & (z > first_year) & (z < 16)
    deeper = (body == 2) & (z > lowest) & (z <= first_year)
    frame = box(0, 0, side, side)
    whole = WORLD * RES
    north, south = box(0, 0, whole, 1600), box(0, 1600, whole, whole)
    parts = (
        ("bars-north", "bar or shore exposed by low water", RIVER, bars, north),
        ("bars-south", "bar or shore exposed by low water", RIVER, bars, south),
        ("drawdown", "drawdown", RESERVOIR, seen, frame),
        ("drawdown-record", "drawdown below all history", RESERVOIR, deeper, frame),
        ("glint", "sun glint or turbid flood", RIVER, channel, frame),
    )
    out: list[StaticTrap] = []
    for ident, words, corridor, mask, part in parts:
        region = clip(clip(outline(mask), part), frame)
        if not region.is_empty:
            out.append(StaticTrap(ident, words, corridor, region))
    return tuple(out)
