"""The inventory as GeoJSON: objects that stand there, for people to go through once."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import shapely
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from pipeline.model import Attribution, Kind
from pipeline.publish.geometry import as_geojson, bbox, inner_point, to_wgs84
from pipeline.publish.words import NOTICE

STOCK_SCHEMA_VERSION = "1.0.0"


def stock_feature(
    where: tuple[str, BaseGeometry, str],
    scores: Mapping[Kind, float],
    measures: Mapping[str, float],
    place: Attribution,
    river_zh: str,
) -> dict[str, Any]:
    """Make the feature of one standing object.

    Parameters
    ----------
    where : (str, geometry, str)
        Corridor id, outline, and the CRS of the outline.
    scores : mapping
        Kinds by score, best first.
    """
    corridor_id, polygon, crs = where
    flat = to_wgs84(polygon, crs)
    point = inner_point(flat)
    kind = next(iter(scores))
    ident = hashlib.sha256(f"{corridor_id} {point[0]:.5f} {point[1]:.5f}".encode()).hexdigest()[:8]
    return {
        "type": "Feature",
        "id": f"stock-{corridor_id}-{ident}",
        "bbox": bbox([flat]),
        "geometry": as_geojson(flat),
        "properties": {
            "stock_id": f"stock-{corridor_id}-{ident}",
            "status": "stock",
            "status_zh": "存量，待梳理",
            "kind": kind.value,
            "kind_zh": kind.zh,
            "alternatives": [{"kind": k.value, "score": round(v, 4)} for k, v in scores.items()],
            "area_m2": round(measures["area_m2"], 2),
            "linear": bool(measures["linear"]),
            "looks": int(measures["looks"]),
            "corridor_id": corridor_id,
            "river_zh": river_zh,
            "point_wgs84": list(point),
            "chainage_m": place.chainage_m,
            "bank": place.bank,
            "county_code": place.county_code,
            "county_zh": place.county_zh,
            "township_code": place.township_code,
            "township_zh": place.township_zh,
            "in_management_area": place.in_management_area,
            "notice": NOTICE,
            "schema_version": STOCK_SCHEMA_VERSION,
        },
    }


def keep_ids(new: Sequence[dict[str, Any]], old: Sequence[Mapping[str, Any]]) -> None:
    """Let objects that were listed before keep their id, in place; best overlap first."""
    if not new or not old:
        return
    shapes = [shape(f["geometry"]) for f in new]
    tree = shapely.STRtree([shape(f["geometry"]) for f in old])
    pairs: list[tuple[float, int, int]] = []
    for i, one in enumerate(shapes):
        for j in tree.query(one, predicate="intersects"):
            other = shape(old[int(j)]["geometry"])
            common = one.intersection(other).area
            pairs.append((-common / (one.area + other.area - common), i, int(j)))
    used_new: set[int] = set()
    used_old: set[int] = set()
    for iou, i, j in sorted(pairs):
        if -iou < 0.2 or i in used_new or j in used_old:
            continue
        used_new.add(i)
        used_old.add(j)
        new[i]["id"] = new[i]["properties"]["stock_id"] = str(old[j]["id"])
