"""What the fictional office knows: the list of works it has approved, as such lists come."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sample_scenes import traps
from sample_scenes.geo import collection, geojson, to_wgs84
from sample_scenes.objects import SceneObject
from sample_scenes.options import SampleOptions
from sample_scenes.terrain import Terrain

SITE_M = 20.0  # around what is worked on: a site is approved with its access and storage
WORKS = "works.geojson"
ANSWERS = "sample_scenes（虚构）"  # who answers for where the works lie
_NAMES = {"levee-1": "堤防加固工程（虚构）", "dam-1": "大坝护坡整治工程（虚构）"}


def works(options: SampleOptions, ground: Terrain) -> dict[str, Any]:
    """Give the approved works as GeoJSON in WGS 84.

    A site is the rectangle around what is worked on and ``SITE_M`` of ground; it is approved from
    the first day of the month of the works to a month after them.
    """
    return collection([_work(t) for t in traps.build(options, ground) if t.id in _NAMES])


def _work(thing: SceneObject) -> dict[str, Any]:
    start, end = thing.steps[0][0], thing.until
    if end is None:
        raise ValueError(f"works without an end: {thing.id}")
    site = thing.truth.minimum_rotated_rectangle.buffer(SITE_M, join_style="mitre")
    return {
        "type": "Feature",
        "id": thing.id,
        "geometry": geojson(to_wgs84(site)),
        "properties": {
            "名称": _NAMES[thing.id],
            "开工日期": start.replace(day=1).date().isoformat(),
            "完工日期": (end + timedelta(days=31)).date().isoformat(),
        },
    }
