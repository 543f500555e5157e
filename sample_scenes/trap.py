"""One trap: something that looks like a case and is none."""

from __future__ import annotations

from shapely.geometry import Polygon

from sample_scenes.objects import RIVER, SceneObject, utc
from sample_scenes.shapes import valid

LONG_AGO = utc(2000, 1, 1)


def trap(
    ident: str,
    words: str,
    shape: Polygon,
    material: str,
    start: tuple[int, int, int] | None = None,
    end: tuple[int, int, int] | None = None,
    corridor_id: str = RIVER,
    **more: float,
) -> SceneObject:
    """Describe a trap; without ``start`` it was always there, without ``end`` it stays."""
    solid = valid(shape)
    return SceneObject(
        id=ident,
        kind=None,
        trap=words,
        corridor_id=corridor_id,
        shape=solid,
        truth=solid,
        material=material,
        steps=((utc(*start) if start else LONG_AGO, 1.0),),
        until=utc(*end) if end else None,
        crest=more.get("crest"),
        afloat=bool(more.get("afloat", 0)),
        drowns=words in ("harvest", "felled forest"),
        strength=more.get("strength", 1.0),
    )
