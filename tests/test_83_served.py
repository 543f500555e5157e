"""Scenes behind a server: what failed once is tried again, and two zones are one pass."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from pyproj import Transformer
from shapely.geometry import box, mapping

sys.path.insert(0, str(Path(__file__).parent))
import tiny

from pipeline.errors import ExitCode
from pipeline.io.asset_reader import AssetReader
from pipeline.io.store import CorridorStore
from pipeline.model import Asset, Grid
from pipeline.passes.bands import read_tile
from pipeline.run import RunRequest, run_workflow


def served(folder: Path) -> dict[str, Any]:
    """Catalogue the tiny scenes for the local API; give the source."""
    images = tiny.write_scenes(folder / "scenes" / "images")
    links = []
    for path in sorted(images.glob("*.tif")):
        day = path.stem.removeprefix("tiny_")
        entry = {
            "type": "Feature",
            "stac_version": "1.0.0",
            "id": path.stem,
            "geometry": tiny.corridor()["geometry"],
            "bbox": list(box(113, 27, 114, 28).bounds),
            "properties": {"datetime": f"{day}T03:00:00Z", "platform": "tiny"},
            "assets": {b: {"href": f"./{path.name}"} for b in tiny.BANDS},
            "links": [],
        }
        (images / f"{path.stem}.json").write_text(json.dumps(entry), encoding="utf-8")
        links.append({"rel": "item", "href": f"./images/{path.stem}.json"})
    root = {
        "type": "Catalog",
        "id": "tiny",
        "stac_version": "1.0.0",
        "description": "tiny",
        "links": links,
    }
    (folder / "scenes" / "catalog.json").write_text(json.dumps(root), encoding="utf-8")
    url = str(folder / "scenes" / "catalog.json")
    return {"type": "stac", "url": url, "sensor": "tiny", "local_api": True}


@pytest.mark.thorough
def test_a_file_that_was_missing_is_read_once_it_is_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = served(tmp_path)
    path = tiny.workflow(tmp_path, tmp_path, sources=[source])
    victim = sorted((tmp_path / "scenes/images").glob("*.tif"))[-2]
    whole = victim.read_bytes()
    victim.unlink()
    assert run_workflow(RunRequest(path)) == ExitCode.SET_ASIDE
    said = capsys.readouterr().err
    assert victim.stem in said
    assert "answers 404" in said
    assert tiny.features(tmp_path, "cases.geojson")[0]["properties"]["hits"] == 4
    assert run_workflow(RunRequest(path, dry_run=True)) == ExitCode.DONE
    assert capsys.readouterr().out.count(" retry: ") == 1
    victim.write_bytes(whole)
    assert run_workflow(RunRequest(path)) == ExitCode.DONE
    assert tiny.features(tmp_path, "cases.geojson")[0]["properties"]["hits"] == 5


def test_scenes_of_two_zones_keep_their_coarse_bands(tmp_path: Path) -> None:
    grid = Grid("EPSG:32649", Affine(10, 0, 790_000, 0, -10, 3_080_000), (64, 128))
    store = CorridorStore(tmp_path, grid, 128, box(790_000, 3_079_360, 791_280, 3_080_000))
    (tile,) = store.tiles
    common = {"driver": "GTiff", "count": 1, "dtype": "uint16", "nodata": 0}
    west = tmp_path / "west.tif"
    place = {"crs": grid.crs, "transform": Affine(20, 0, 790_000, 0, -20, 3_080_000)}
    with rasterio.open(west, "w", height=32, width=32, **common, **place) as sink:
        sink.write(np.full((1, 32, 32), 500, "uint16"))
    east = tmp_path / "east.tif"
    x, y = Transformer.from_crs("EPSG:32649", "EPSG:32650", always_xy=True).transform(
        790_500, 3_080_200
    )
    place = {"crs": "EPSG:32650", "transform": Affine(20, 0, x, 0, -20, y)}
    with rasterio.open(east, "w", height=80, width=80, **common, **place) as sink:
        sink.write(np.full((1, 80, 80), 900, "uint16"))
    assert mapping(store.stored)
    readers = [
        AssetReader(Asset("swir16", str(p), 1, 1e-4, 0.0, 0.0, 20.0), grid) for p in (west, east)
    ]
    with readers[0], readers[1]:
        assert [(r.factor, r.warped) for r in readers] == [(2, False), (1, True)]
        for order in (readers, readers[::-1]):
            named: Any = [("scene", r) for r in order]
            layer = read_tile(store, "swir16", named, tile)
            values = layer.values.reshape(64, 128)
            assert layer.factor == 1
            assert (values[:, :48] == 500).all()
            assert (values[:, 66:120] == 900).all()
