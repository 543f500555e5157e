"""Outlines of the two corridors."""

from __future__ import annotations

from shapely.geometry import box
from shapely.geometry.base import BaseGeometry

from sample_scenes.options import RES, RESERVOIR, RIVER, SampleOptions
from sample_scenes.shapes import clip, outline, valid
from sample_scenes.terrain import Terrain

LAND_M = 150.0  # of land on each side of the water that belongs to a corridor


def corridor_shapes(options: SampleOptions, ground: Terrain) -> dict[str, BaseGeometry]:
    """Outline both corridors in local metres: the water at its highest and LAND_M around it."""
    side = options.size * RES
    frame = box(0, 0, side, side)
    z, body = ground.fine_z, ground.fine_body
    out: dict[str, BaseGeometry] = {}
    for ident, number, high in ((RIVER, 1, 5.4), (RESERVOIR, 2, 16.0)):
        water = outline((body == number) & (z < high), 5000.0)
        if water.is_empty:
            continue
        inside = clip(water.buffer(LAND_M).simplify(8.0), frame)
        if not inside.is_empty:
            out[ident] = valid(inside)
    return out
