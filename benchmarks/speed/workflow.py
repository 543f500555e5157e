"""The made-up square as a static catalogue and a workflow, so that ``siluan run`` is timed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml
from shapely.geometry import box, mapping
from shapely.geometry.base import BaseGeometry

from benchmarks.speed.bands import KEYS
from benchmarks.speed.ground import EPSG, LEFT, RES, SIDE, TOP, River
from benchmarks.speed.looks import Day
from pipeline.grid import reproject

HERE = Path(__file__).resolve().parents[2]


def write_catalogue(scenes: Path, days: Sequence[Day], base: str = ".") -> None:
    """Write items of some dates and the catalogue that names them; assets lie at ``base``."""
    frame = box(LEFT, TOP - SIDE * RES, LEFT + SIDE * RES, TOP)
    footprint = mapping(_lonlat(frame))
    for day in days:
        item: dict[str, Any] = {
            "type": "Feature",
            "stac_version": "1.0.0",
            "id": day.name,
            "geometry": footprint,
            "bbox": list(_lonlat(frame).bounds),
            "properties": {
                "datetime": f"{day.when:%Y-%m-%dT%H:%M:%SZ}",
                "platform": "sentinel-2a",
                "view:sun_azimuth": 150.0,
                "view:sun_elevation": 40.0,
                "proj:epsg": EPSG,
            },
            "assets": {k: {"href": f"{base}/{day.name}_{k}.tif"} for k in KEYS.values()},
            "links": [],
        }
        (scenes / f"{day.name}.json").write_text(json.dumps(item), encoding="utf-8")
    links = [{"rel": "item", "href": f"./{d.name}.json"} for d in days]
    root = {"type": "Catalog", "id": "speed", "stac_version": "1.0.0", "description": "made"}
    (scenes / "catalog.json").write_text(json.dumps({**root, "links": links}), encoding="utf-8")


def write_workflow(
    folder: Path, scenes: Path, river: River, period: tuple[Day, Day, Day], threads: tuple[int, int]
) -> Path:
    """Write a workflow over (first date, first of the patrol, last date); give its path.

    ``threads`` are workers and readers.
    """
    folder.mkdir(parents=True, exist_ok=True)
    feature = {
        "type": "Feature",
        "geometry": mapping(_lonlat(river.corridor)),
        "properties": {
            "id": "speed",
            "name_zh": "长河",
            "water": "river",
            "accuracy_m": 10,
            "provenance": "made by a benchmark",
        },
    }
    collection = {"type": "FeatureCollection", "features": [feature]}
    (folder / "corridors.geojson").write_text(json.dumps(collection), encoding="utf-8")
    first, patrol, last = period
    content = {
        "name": "speed",
        "corridors": {"file": "corridors.geojson"},
        "sources": [
            {"type": "stac", "url": str(scenes / "catalog.json"), "sensor": "sentinel-2-l2a"}
        ],
        "period": {
            "from": first.when.date().isoformat(),
            "patrol_from": patrol.when.date().isoformat(),
            "to": (last.when + timedelta(days=1)).date().isoformat(),
            "zone": "UTC",
        },
        "state": str(folder / "state"),
        "out": str(folder / "out"),
        "sensors": str(HERE / "config/sensors"),
        "options": {"store": {"workers": threads[0], "io_threads": threads[1]}},
    }
    path = folder / "workflow.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def _lonlat(shape: BaseGeometry) -> BaseGeometry:
    return reproject(shape.segmentize(1000), f"EPSG:{EPSG}", "EPSG:4326")
