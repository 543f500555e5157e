"""The sample's flights: written whole, in the river, and scored as they should be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import rasterio
from shapely.geometry import box, mapping, shape

from pipeline.grid import reproject
from sample_scenes.flights import origin, write
from sample_scenes.score_flights import lines

RIVER = box(110.10, 27.80, 110.12, 27.81)


def corridors(folder: Path) -> Path:
    path = folder / "corridors.geojson"
    feature = {"type": "Feature", "geometry": mapping(RIVER), "properties": {"id": "sample-river"}}
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    return path


@pytest.mark.thorough  # eight seconds of drawing; `make sample` does it as well
def test_two_flights_and_their_truth_lie_in_the_river(tmp_path: Path) -> None:
    out = tmp_path / "flights"
    number = write(out, corridors(tmp_path), 3)
    west, north = origin(corridors(tmp_path), 80.0)
    names = sorted(p.name for p in out.iterdir())
    assert names == ["2025-06-12", "2025-11-20", "truth.geojson"]
    with rasterio.open(out / names[0] / "ortho.tif") as mosaic:
        assert (mosaic.bounds.left, mosaic.bounds.top) == (west, north)
        place = reproject(box(*mosaic.bounds), mosaic.crs.to_string(), "EPSG:4326")
    assert RIVER.contains(place)
    truth = json.loads((out / "truth.geojson").read_text(encoding="utf-8"))["features"]
    assert len(truth) == number > 4
    assert all(place.buffer(1e-5).contains(shape(f["geometry"])) for f in truth)


def feature(x: float, **properties: Any) -> dict[str, Any]:
    return {"geometry": mapping(box(x, 27.8, x + 1e-4, 27.8001)), "properties": properties}


def test_a_case_beside_every_object_is_false() -> None:
    heap = feature(110.1, name="heap", fill_m3=10.0, cut_m3=0.0)
    volume = {"net": 9.0, "low": 8.0, "high": 10.5}
    there = feature(110.1, kind="dui", kind_zh="乱堆", volume_m3=volume)
    beside = feature(110.2, kind="dui", kind_zh="乱堆", volume_m3=volume | {"high": 9.5})
    assert lines([heap], [beside, there])[-1] == "drone flights: 1 of 1 objects found, 1 false"
    assert "inside" in lines([heap], [there])[0]
    assert lines([heap], [beside])[-1] == "drone flights: 0 of 1 objects found, 1 false"
