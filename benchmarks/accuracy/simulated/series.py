"""One seed on disk: scenes, catalogue, corridors, and what is true of it.

Only what a run reads is rendered: dates that are overcast are left out, as a catalogue's filter on
cloud cover leaves them out.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from shapely.geometry import LineString
from shapely.geometry.base import BaseGeometry

from benchmarks.accuracy.simulated.placing import Placed, scatter
from sample_scenes import atmosphere, office, schedule, scl, sensor, stacio, traps, truth
from sample_scenes.geo import to_utm
from sample_scenes.make import NEW, OLD
from sample_scenes.objects import RESERVOIR, RIVER
from sample_scenes.options import FINE, SampleOptions
from sample_scenes.schedule import Day
from sample_scenes.shapes import Footprint, footprint
from sample_scenes.site import place
from sample_scenes.stacio import Product
from sample_scenes.surface import World, build_world, reflectance

OVERCAST = 0.9  # cloud cover from which a catalogue is not asked for a scene
LEAST_LOOKS = 4  # looks in which an object could be seen, without which it is not asked for


@dataclass(frozen=True)
class Made:
    """One seed as it lies on disk; ``days`` are those that were rendered."""

    options: SampleOptions
    world: World
    days: tuple[Day, ...]
    placed: tuple[Placed, ...]
    chances: dict[str, tuple[str, ...]]  # object id → ISO times of looks that could show it


def options_of(seed: int) -> SampleOptions:
    """Give the simulator's options: a site for each seed, two years, one look in three clear."""
    return SampleOptions(seed=seed, site=seed, per_month=7, sky="third", events=False)


def home_of(seed: int) -> str:
    """Give the corridor that holds the objects of a seed; the other one stays without a case."""
    return RIVER if seed % 2 == 0 else RESERVOIR


def make_series(root: Path, seed: int, *, objects: bool = True) -> Made:
    """Render a seed into the empty folder ``root``."""
    options = options_of(seed)
    world = build_world(options)
    every = schedule.make(options)
    days = tuple(d for d in every if d.cloud < OVERCAST)
    placed = scatter(world, home_of(seed), every) if objects else ()
    drawn = list(world.objects)
    for p in placed:
        foot = footprint(p.thing.shape, p.thing.grows_from, options.padded)
        if foot is not None:
            drawn.append((p.thing, foot))
    world = replace(world, objects=tuple(drawn))
    products = [Product(d, "49RGL", (0, options.size), NEW if d.dn_offset else OLD) for d in days]
    chances: dict[str, list[str]] = {p.thing.id: [] for p in placed}
    for product in products:
        _render(root, world, product, chances)
    stacio.write_catalogue(root, products, options)
    corridors = truth.corridors(options, world.ground)
    (root / "corridors.geojson").write_text(json.dumps(corridors), encoding="utf-8")
    works = json.dumps(office.works(options, world.ground), ensure_ascii=False)
    (root / office.WORKS).write_text(works, encoding="utf-8")
    return Made(options, world, days, placed, {k: tuple(v) for k, v in chances.items()})


def _render(root: Path, world: World, product: Product, chances: dict[str, list[str]]) -> None:
    day = product.day
    surface, _ = reflectance(world, day)
    air = atmosphere.sky(world.options, day)
    seen = sensor.observe(world.options, day, atmosphere.through(surface, air))
    stacio.write(root, world.options, product, seen, scl.classify(world.options, day, seen, air))
    visible = truth.visible(world, day, air)
    for thing, foot in world.objects:
        if thing.id in chances and thing.id in visible:
            # A fill shows where water belongs, a pit in a bar where the bar is dry.
            drowned = _below(world, foot, day) > 0.5
            if drowned == (thing.kind == "zhan"):
                chances[thing.id].append(day.when.isoformat())


def _below(world: World, foot: Footprint, day: Day) -> float:
    """Share of a footprint that would be under water without the object."""
    rows, cols = (slice(s.start * FINE, s.stop * FINE) for s in (foot.rows, foot.cols))
    levels = np.array([-99.0, day.river_level, day.pool_level])
    body = world.ground.fine_body[rows, cols]
    below = world.ground.fine_z[rows, cols] < levels[body]
    return float(below[np.isfinite(foot.order)].mean())


def lengths_km(made: Made) -> dict[str, float]:
    """Measure each corridor along its water: centreline of the river, axes of the reservoir's arms.

    Only what lies inside the corridor counts.
    """
    area = truth.corridor_shapes(made.options, made.world.ground)
    side = made.options.size * 10.0
    here = place(made.options.site)
    axes: dict[str, list[BaseGeometry]] = {
        RIVER: [here.river.centreline(side)],
        RESERVOIR: [LineString(points) for points, *_ in here.reservoir.arms],
    }
    return {
        ident: sum(line.intersection(shape).length for line in axes[ident]) / 1000
        for ident, shape in area.items()
    }


def trap_shapes(made: Made) -> list[tuple[str, str, BaseGeometry]]:
    """Give (words, corridor, outline in UTM) of everything that invites a false alarm."""
    drawn = [
        (t.trap, t.corridor_id, to_utm(t.truth))
        for t, _ in made.world.objects
        if t.trap is not None
    ]
    still = traps.static(made.options, made.world.ground, made.days)
    return drawn + [(s.trap, s.corridor_id, to_utm(s.truth)) for s in still]
