"""What is really there: the events and the traps, and the two corridors, as GeoJSON."""

from __future__ import annotations

from typing import Any

import numpy as np
from shapely.geometry import box
from shapely.geometry.base import BaseGeometry

from sample_scenes import traps
from sample_scenes.atmosphere import Sky
from sample_scenes.corridor import corridor_shapes
from sample_scenes.geo import collection, geojson, to_wgs84
from sample_scenes.objects import SceneObject
from sample_scenes.options import FINE, RES, RESERVOIR, RIVER, SampleOptions
from sample_scenes.schedule import Day
from sample_scenes.shapes import Footprint, clip
from sample_scenes.site import place
from sample_scenes.surface import World, level_field, present
from sample_scenes.terrain import Terrain


def visible(world: World, day: Day, air: Sky) -> frozenset[str]:
    """Ids of the objects that could be seen on a date: there, not drowned, no cloud on them."""
    seen: list[str] = []
    for thing, foot in world.objects:
        where = (foot.rows, foot.cols)
        cover = foot.cover(thing.grown(day.when))
        veil = np.maximum(air.cloud[where], np.maximum(air.shadow[where], 2 * air.cirrus[where]))
        if present(thing, day) and cover.sum() > 0 and (veil * cover).sum() < 0.1 * cover.sum():
            seen.append(thing.id)
    return frozenset(seen)


def would_be_wet(world: World, day: Day, foot: Footprint) -> float:
    """Share of the footprint that would be under water on that date, were the object not there."""
    rows, cols = (slice(s.start * FINE, s.stop * FINE) for s in (foot.rows, foot.cols))
    below = world.ground.fine_z[rows, cols] < level_field(world.ground, day, fine=True)[rows, cols]
    inside = np.isfinite(foot.order)
    return float(below[inside].mean())


def truth(world: World, days: tuple[Day, ...], seen: dict[int, frozenset[str]]) -> dict[str, Any]:
    """Describe every event and trap that exists by the last date.

    Parameters
    ----------
    seen : dict
        Day index to the ids that ``visible`` gave.
    """
    side = world.options.size * RES
    frame = box(0, 0, side, side)
    features: list[dict[str, Any]] = []
    for thing, foot in world.objects:
        dates = [d for d in days if thing.id in seen.get(d.index, ())]
        area = clip(thing.truth, frame)
        if area.is_empty or not any(thing.grown(d.when) > 0 for d in days):
            continue
        wet = [d for d in dates if would_be_wet(world, d, foot) > 0.5]
        features.append(_feature(thing, area, dates, wet))
    for still in traps.static(world.options, world.ground, days):
        features.append(
            {
                "type": "Feature",
                "id": still.id,
                "geometry": geojson(to_wgs84(still.truth)),
                "properties": {
                    "id": still.id, "kind": None, "is_trap": True, "trap": still.trap,
                    "corridor_id": still.corridor_id, "appeared": None, "ended": None,
                    "visible_dates": [], "wet_dates": [],
                    "area_m2": round(still.truth.area, 1),
                },
            }
        )  # fmt: skip
    return collection(features)


def _feature(
    thing: SceneObject, area: BaseGeometry, dates: list[Day], wet: list[Day]
) -> dict[str, Any]:
    appeared = thing.steps[0][0].date().isoformat() if thing.steps[0][0].year > 2000 else None
    return {
        "type": "Feature",
        "id": thing.id,
        "geometry": geojson(to_wgs84(area)),
        "properties": {
            "id": thing.id,
            "kind": thing.kind,
            "is_trap": thing.kind is None,
            "trap": thing.trap,
            "corridor_id": thing.corridor_id,
            "appeared": appeared,
            "ended": thing.until.date().isoformat() if thing.until else None,
            "visible_dates": [d.when.date().isoformat() for d in dates],
            "wet_dates": [d.when.date().isoformat() for d in wet],
            "area_m2": round(area.area, 1),
        },
    }


def corridors(options: SampleOptions, ground: Terrain) -> dict[str, Any]:
    """Describe both corridors, and the river's centreline."""
    names = {
        RIVER: ("样例江段（虚构）", "river"),
        RESERVOIR: ("样例水库（虚构）", "reservoir"),
    }
    made_by = "fictional, made by sample_scenes"
    features: list[dict[str, Any]] = [
        {
            "type": "Feature",
            "id": ident,
            "geometry": geojson(to_wgs84(area)),
            "properties": {
                "id": ident,
                "name_zh": names[ident][0],
                "water": names[ident][1],
                "accuracy_m": 10.0,
                "provenance": made_by,
            },
        }
        for ident, area in corridor_shapes(options, ground).items()
    ]
    features.append(
        {
            "type": "Feature",
            "id": f"{RIVER}-centreline",
            "geometry": geojson(to_wgs84(place(options.site).river.centreline(options.size * RES))),
            "properties": {
                "id": f"{RIVER}-centreline", "of": RIVER, "accuracy_m": 40.0, "provenance": made_by
            },
        }
    )  # fmt: skip
    return collection(features)
