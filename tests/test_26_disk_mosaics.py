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
from pyproj import Transformer
from shapely.geometry import box, mapping

sys.path.insert(0, str(Path(__file__).parent))
import parcel
import tiny

from pipeline.acquire.disk.source import DiskSource
from pipeline.config import choose_corridors, load_workflow
from pipeline.errors import (
    ConfigurationError,
    ExitCode,
    SceneUnusableError,
    SourceUnreachableError,
)
from pipeline.model import Scene
from pipeline.passes import pictures
from pipeline.passes.corridor import Judged
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


def over_pictures(tmp_path: Path, pairs: list[tuple[str, NDArray[np.uint8], date, date]]) -> Path:
    """Write a workflow over six calibrated looks and some pictures."""
    disk = tmp_path / "disk"
    images = tiny.write_scenes(tmp_path / "images", only=range(6))
    mosaics: list[dict[str, Any]] = []
    for name, data, first, last in pairs:
        parcel.write_raster(disk / f"{name}.tif", data, 1280 / data.shape[1])
        mosaics.append({"pattern": f"{name}.tif", "from": first, "to": last, "zone": "UTC"})
    sources = [tiny.source(images), {"type": "disk", "path": str(disk), "mosaics": mosaics}]
    period = {"from": "2023-01-01", "patrol_from": "2024-04-01", "to": "2024-12-31", "zone": "UTC"}
    path = tiny.workflow(tmp_path, images, sources=sources, period=period)
    table = (parcel.SENSORS / "mosaic-rgb8.yaml").read_bytes()
    (tmp_path / "sensors" / "mosaic-rgb8.yaml").write_bytes(table)
    return path


def test_one_picture_alone_is_named_and_harms_nothing(tmp_path: Path) -> None:
    path = over_pictures(tmp_path, [("a", picture(4), date(2024, 2, 1), date(2024, 3, 1))])
    assert run_workflow(RunRequest(path)) == ExitCode.DONE
    record = json.loads((tmp_path / "out/latest/run.json").read_text("utf-8"))
    assert len(record["inputs"]) == 6
    (aside,) = record["set_aside"]
    assert aside["what"] == "a"
    assert "2024-02-01 to 2024-03-01 enters no history" in aside["reason"]


def fields_with_a_roof(roof: bool, seed: int) -> NDArray[np.uint8]:
    """Soil and crops at 2 m, and a bright grey roof of 40 m by 60 m."""
    plots = np.random.default_rng(3).integers(60, 130, (32, 32))
    grey = np.kron(plots, np.ones((20, 20))) + np.random.default_rng(seed).normal(0, 4, (640, 640))
    out = np.stack([grey * 1.05, grey, grey * 0.7])
    if roof:
        out[:, 300:320, 305:335] = np.array([205, 205, 210])[:, None, None]
    return out.clip(1, 255).astype("uint8")


@pytest.mark.thorough
def test_two_pictures_put_a_new_roof_on_watch_and_nowhere_else(tmp_path: Path) -> None:
    first, second = fields_with_a_roof(False, 1), fields_with_a_roof(True, 2)
    path = over_pictures(
        tmp_path,
        [
            ("old", first, date(2023, 5, 1), date(2023, 6, 1)),
            ("new", second, date(2024, 4, 10), date(2024, 5, 20)),
        ],
    )
    assert run_workflow(RunRequest(path)) == ExitCode.DONE
    assert tiny.features(tmp_path, "cases.geojson") == []
    (sighting,) = tiny.features(tmp_path, "watch.geojson")
    stated = sighting["properties"]
    assert (stated["evidence_state"], stated["detector"]) == ("first", "image-change/1")
    assert stated["appeared_after"].startswith("2023-06-01")
    assert stated["first_seen"].startswith("2024-05-20")
    assert 0.5 < stated["area_m2"] / (40 * 60) < 2
    x, y = _utm(stated["point_wgs84"])
    assert 700_610 < x < 700_670
    assert 3_079_360 < y < 3_079_400
    record = json.loads((tmp_path / "out/latest/run.json").read_text("utf-8"))
    assert {i["id"] for i in record["inputs"]} >= {"picture_old", "picture_new"}
    before = tiny.outputs(tmp_path)
    assert run_workflow(RunRequest(path)) == ExitCode.DONE
    assert tiny.outputs(tmp_path) == before


@pytest.mark.parametrize(
    ("error", "silent"),
    [
        (SourceUnreachableError("no answer", "wait"), ["no answer"]),
        (SceneUnusableError("torn", "copy it again"), []),
    ],
)
def test_pictures_that_cannot_be_read_are_unread_and_not_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, silent: list[str]
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(pictures, "_Sheet", fail)
    workflow = load_workflow(tiny.workflow(tmp_path, tmp_path))
    (corridor,) = choose_corridors(workflow, ())
    made = [
        (name, "mosaic-rgb8", "", datetime(2024, month, 20, tzinfo=UTC), box(113, 27, 114, 28))
        for name, month in (("old", 11), ("new", 12))
    ]
    pair = [Scene(*one, {}, "", "", "", None, None, None) for one in made]
    judged = Judged("tiny")
    pictures.add_pictures(workflow, corridor, pair, judged, None)
    assert (judged.counted, judged.unread) == ((), ("picture_old", "picture_new"))
    assert judged.unreachable == silent


def _utm(point: list[float]) -> tuple[float, float]:
    x, y = Transformer.from_crs("EPSG:4326", parcel.CRS, always_xy=True).transform(*point)
    return x, y


def test_pictures_whose_dates_overlap_are_not_compared(tmp_path: Path) -> None:
    path = over_pictures(
        tmp_path,
        [
            ("old", fields_with_a_roof(False, 1), date(2024, 1, 1), date(2024, 4, 20)),
            ("new", fields_with_a_roof(True, 2), date(2024, 4, 10), date(2024, 5, 20)),
        ],
    )
    assert run_workflow(RunRequest(path)) == ExitCode.DONE
    assert tiny.features(tmp_path, "watch.geojson") == []
    record = json.loads((tmp_path / "out/latest/run.json").read_text("utf-8"))
    assert all("overlap" in a["reason"] for a in record["set_aside"])
    assert len(record["set_aside"]) == 2
