"""8-bit mosaics: dated by the office, never part of a spectral history."""

from __future__ import annotations

import json
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from shapely.geometry import box, mapping

sys.path.insert(0, str(Path(__file__).parent))
import parcel
import tiny

from pipeline.acquire.disk.source import DiskSource
from pipeline.errors import ConfigurationError, ExitCode
from pipeline.run import RunRequest, run_workflow

RANGE = {
    "pattern": "*mosaic*.tif",
    "from": "2023-10-01",
    "to": "2023-11-15",
    "zone": "Asia/Shanghai",
}


def picture(bands: int = 3) -> NDArray[np.uint8]:
    return np.random.default_rng(1).integers(1, 255, (bands, 128, 128)).astype("uint8")


def write(disk: Path, bands: int = 3, crs: str | None = parcel.CRS) -> Path:
    return parcel.write_raster(disk / "zhuzhou_mosaic.tif", picture(bands), 10, crs)


@pytest.mark.parametrize("bands", [3, 4])
def test_a_declared_range_makes_an_uncalibrated_scene(tmp_path: Path, bands: int) -> None:
    write(tmp_path / "disk", bands)
    found = parcel.search(tmp_path / "disk", tmp_path / "state", mosaics=[RANGE])
    assert not found.set_aside
    (scene,) = found.scenes
    assert scene.properties["uncalibrated"] is True
    assert scene.properties["date_range"] == ["2023-09-30T16:00:00Z", "2023-11-15T15:59:59Z"]
    assert scene.acquired == datetime(2023, 11, 15, 15, 59, 59, tzinfo=UTC)
    assert set(scene.assets) == {"red", "green", "blue"}
    (item,) = (tmp_path / "state" / "catalogues").rglob("zhuzhou_mosaic.json")
    stated = json.loads(item.read_text("utf-8"))["properties"]
    assert stated["siluan:uncalibrated"] is True
    assert stated["start_datetime"] == "2023-09-30T16:00:00Z"


def test_nothing_says_when_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "disk")
    found = parcel.search(tmp_path / "disk", tmp_path / "state")
    assert not found.scenes
    why = parcel.reasons(found)["zhuzhou_mosaic.tif"]
    assert "nothing says when" in why
    assert "'mosaics' of the source" in why


def test_no_crs_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "disk", crs=None)
    found = parcel.search(tmp_path / "disk", tmp_path / "state", mosaics=[RANGE])
    assert "no coordinate reference system" in parcel.reasons(found)["zhuzhou_mosaic.tif"]


def layer(tmp_path: Path, parts: list[tuple[Any, Any]]) -> dict[str, Any]:
    features = [
        {"type": "Feature", "geometry": mapping(g), "properties": {"taken": d}} for g, d in parts
    ]
    path = tmp_path / "dates.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}), "utf-8")
    return {
        "pattern": "*mosaic*.tif",
        "dates": {"file": str(path), "field": "taken"},
        "zone": "Asia/Shanghai",
    }


WEST, EAST = box(113.0, 27.7, 113.037, 27.9), box(113.037, 27.7, 113.1, 27.9)
FAR = box(114, 27, 115, 28)


def test_a_date_layer_gives_the_range_of_what_is_wanted(tmp_path: Path) -> None:
    write(tmp_path / "disk")
    dated = layer(tmp_path, [(WEST, "2023-10-02"), (EAST, "2023-11-05"), (FAR, "2019-01-01")])
    (scene,) = parcel.search(tmp_path / "disk", tmp_path / "state", mosaics=[dated]).scenes
    assert [d[:10] for d in scene.properties["date_range"]] == ["2023-10-01", "2023-11-05"]


def test_a_date_layer_with_a_hole_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "disk")
    dated = layer(tmp_path, [(WEST, "2023-10-02")])
    found = parcel.search(tmp_path / "disk", tmp_path / "state", mosaics=[dated])
    assert not found.scenes
    assert "without a date" in parcel.reasons(found)["zhuzhou_mosaic.tif"]


@pytest.mark.parametrize("bad", ["date", "field", "file"])
def test_a_bad_date_layer_is_the_office_s_to_mend(tmp_path: Path, bad: str) -> None:
    write(tmp_path / "disk")
    dated = layer(
        tmp_path, [(WEST, "autumn" if bad == "date" else "2023-10-02"), (EAST, "2023-10-02")]
    )
    if bad == "field":
        dated["dates"]["field"] = "when"
    if bad == "file":
        Path(dated["dates"]["file"]).write_text("no layer", "utf-8")
    with pytest.raises(ConfigurationError, match="date layer"):
        parcel.search(tmp_path / "disk", tmp_path / "state", mosaics=[dated])


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"to": None}, "either from and to, or dates"),
        ({"to": "2023-01-01"}, "before it begins"),
        ({"zone": "Mars/Base"}, "no time zone"),
        ({"dates": {"file": "a", "field": "b"}}, "either from and to, or dates"),
    ],
)
def test_half_a_date_is_no_date(change: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        DiskSource.model_validate({"path": "x", "mosaics": [{**RANGE, **change}]})


def test_it_never_enters_a_history(tmp_path: Path) -> None:
    """A run names it, and neither its passes nor its exit code know of it."""
    disk = tmp_path / "disk"
    images = tiny.write_scenes(tmp_path / "images", only=range(6))
    parcel.write_raster(disk / "a_mosaic.tif", picture(4), 10)
    mosaic = {**RANGE, "from": date(2024, 2, 1), "to": date(2024, 3, 1)}
    sources = [tiny.source(images), {"type": "disk", "path": str(disk), "mosaics": [mosaic]}]
    path = tiny.workflow(tmp_path, images, sources=sources)
    table = (parcel.SENSORS / "mosaic-rgb8.yaml").read_bytes()
    (tmp_path / "sensors" / "mosaic-rgb8.yaml").write_bytes(table)
    assert run_workflow(RunRequest(path)) == ExitCode.DONE
    record = json.loads((tmp_path / "out/latest/run.json").read_text("utf-8"))
    assert len(record["inputs"]) == 6
    (aside,) = record["set_aside"]
    assert aside["what"] == "a_mosaic"
    assert "uncalibrated picture of 2024-01-31 to 2024-03-01" in aside["reason"]
