"""Catalogues: an API and static files say the same, and servers that lie do no harm."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from shapely.geometry import box, mapping
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

sys.path.insert(0, str(Path(__file__).parent))
import tiny

from pipeline.acquire.bands import load_sensor_table
from pipeline.acquire.local_api import serve
from pipeline.acquire.passes import drop_duplicates, merge_passes
from pipeline.acquire.stac import StacSource, Wanted, search_stac
from pipeline.errors import ConfigurationError, SceneUnusableError, SourceUnreachableError
from pipeline.io.asset_reader import AssetReader
from pipeline.io.corridors import load_corridors, reaches_of, utm_crs
from pipeline.io.raster import raster_profile
from pipeline.model import Asset, Grid, Window
from pipeline.office.corridor_file import content_of

ROOT = Path(__file__).resolve().parents[1]
SLOVENIA = ROOT.parent / "shared" / "data" / "s2_l2a_multidate_slovenia_120m"
TABLE = load_sensor_table(ROOT / "config" / "sensors", "sentinel-2-l2a")
HERE = box(113.0, 27.7, 113.1, 27.8)
WANTED = Wanted(HERE, datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 12, 31, tzinfo=UTC))


def item(name: str, when: str | None, **changes: Any) -> dict[str, Any]:
    out: dict[str, Any] = {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": name,
        "collection": "c",
        "geometry": mapping(HERE),
        "bbox": list(HERE.bounds),
        "properties": {
            "datetime": when,
            "platform": "sentinel-2a",
            "grid:code": "MGRS-49RGL",
            "s2:processing_baseline": "05.09",
        },
        "assets": {
            b: {"href": f"./{b}.tif", "raster:bands": [{"scale": 0.0001, "offset": -0.1}]}
            for b in ("blue", "green", "red", "nir", "nir08", "swir16", "swir22", "scl")
        },
        "links": [],
    }
    out["properties"].update(changes.pop("properties", {}))
    out.update(changes)
    return out


def catalogue(folder: Path, items: list[dict[str, Any]]) -> Path:
    links = []
    for entry in items:
        path = folder / "c" / entry["id"] / f"{entry['id']}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(entry), encoding="utf-8")
        links.append({"rel": "item", "href": f"./{entry['id']}/{entry['id']}.json"})
    collection = {
        "type": "Collection",
        "id": "c",
        "stac_version": "1.0.0",
        "description": "c",
        "license": "other",
        "extent": {
            "spatial": {"bbox": [list(HERE.bounds)]},
            "temporal": {"interval": [["2024-01-01T00:00:00Z", None]]},
        },
        "links": links,
    }
    (folder / "c" / "collection.json").write_text(json.dumps(collection), encoding="utf-8")
    root = {
        "type": "Catalog",
        "id": "r",
        "stac_version": "1.0.0",
        "description": "r",
        "links": [{"rel": "child", "href": "./c/collection.json"}],
    }
    path = folder / "catalog.json"
    path.write_text(json.dumps(root), encoding="utf-8")
    return path


def five(folder: Path) -> Path:
    return catalogue(folder, [item(f"s{i}", f"2024-0{i}-05T03:00:00.5Z") for i in range(1, 6)])


def source(url: str | Path, **changes: Any) -> StacSource:
    return StacSource(url=str(url), sensor=TABLE.name, **changes)


def test_an_api_and_static_files_say_the_same(tmp_path: Path) -> None:
    path = five(tmp_path)
    static = search_stac(source(path), TABLE, WANTED)
    with ExitStack() as stack:
        served = search_stac(source(path, local_api=True, page_size=2), TABLE, WANTED, stack)
    assert [s.id for s in static.scenes] == ["s1", "s2", "s3", "s4", "s5"]
    assert [s.id for s in served.scenes] == [s.id for s in static.scenes]
    assert [s.acquired for s in served.scenes] == [s.acquired for s in static.scenes]
    assert static.scenes[0].acquired.tzinfo is UTC
    assert static.scenes[0].assets["green"].href == str(tmp_path / "c/s1/green.tif")
    assert served.scenes[0].assets["green"].href.endswith("/data/c/s1/green.tif")
    assert static.scenes[0].assets["red"].offset == -0.1
    assert static.scenes[0].assets["scl"].scale == 1.0


def failing(times: int, status: int) -> Callable[[Request], Response | None]:
    left = [times]

    def fault(request: Request) -> Response | None:
        if request.url.path == "/search" and left[0] > 0:
            left[0] -= 1
            return Response(status_code=status)
        return None

    return fault


@pytest.mark.parametrize("status", [429, 503])
def test_a_server_that_stumbles_twice_is_asked_again(tmp_path: Path, status: int) -> None:
    with serve(five(tmp_path), failing(2, status)) as url:
        assert len(search_stac(source(url), TABLE, WANTED).scenes) == 5


def test_a_server_that_goes_on_stumbling_is_unreachable(tmp_path: Path) -> None:
    with (
        serve(five(tmp_path), failing(99, 503)) as url,
        pytest.raises(SourceUnreachableError, match="does not answer"),
    ):
        search_stac(source(url, retries=1), TABLE, WANTED)


def test_a_next_link_that_loops_ends(tmp_path: Path) -> None:
    one = item("s1", "2024-01-05T03:00:00Z")

    def loop(request: Request) -> Response | None:
        if request.url.path != "/search":
            return None
        again = {"rel": "next", "href": str(request.url), "method": "POST", "body": {"token": "1"}}
        page = {"type": "FeatureCollection", "features": [one, one], "links": [again]}
        return JSONResponse(page)

    with serve(five(tmp_path), loop) as url:
        assert [s.id for s in search_stac(source(url), TABLE, WANTED).scenes] == ["s1"]


def test_results_are_filtered_again(tmp_path: Path) -> None:
    late, far = item("late", "2025-01-05T03:00:00Z"), item("far", "2024-02-05T03:00:00Z")
    far["geometry"] = mapping(box(10, 10, 11, 11))
    good = item("good", "2024-03-05T03:00:00Z")

    def lies(request: Request) -> Response | None:
        if request.url.path != "/search":
            return None
        return JSONResponse(
            {"type": "FeatureCollection", "features": [late, far, good], "links": []}
        )

    with serve(five(tmp_path), lies) as url:
        assert [s.id for s in search_stac(source(url), TABLE, WANTED).scenes] == ["good"]


def test_items_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    lacking = item("lacking", "2024-02-05T03:00:00Z")
    del lacking["assets"]["green"]
    cloud = item("cloud", "2024-03-05T03:00:00Z")
    cloud["assets"]["red"]["href"] = "gs://bucket/red.tif"
    bare = item("bare", "2024-03-05T03:00:00")
    path = catalogue(tmp_path, [item("undated", None), lacking, cloud, bare])
    found = search_stac(source(path), TABLE, WANTED)
    reasons = {a.what: a.reason for a in found.set_aside}
    assert "no datetime" in reasons["undated"]
    assert "green" in reasons["lacking"]
    assert "gs://" in reasons["cloud"]
    assert "no time zone" in reasons["bare"]
    assert found.scenes == ()
    assert all(a.remedy for a in found.set_aside)


def test_a_place_without_scenes_is_told_from_an_empty_catalogue(tmp_path: Path) -> None:
    path = five(tmp_path)
    far = Wanted(box(10, 10, 11, 11), WANTED.start, WANTED.end)
    old = Wanted(HERE, datetime(2001, 1, 1, tzinfo=UTC), datetime(2001, 2, 1, tzinfo=UTC))
    for changes in ({}, {"local_api": True}):
        with ExitStack() as stack:
            assert search_stac(source(path, **changes), TABLE, far, stack).elsewhere
            assert not search_stac(source(path, **changes), TABLE, old, stack).elsewhere


def test_duplicates_are_dropped_and_one_overflight_is_one_pass(tmp_path: Path) -> None:
    when = "2024-03-05T03:00:00Z"
    other = {"grid:code": "MGRS-49RFL"}
    items = [
        item("old", when, properties={"s2:processing_baseline": "04.00"}),
        item("new", when),
        item("west", "2024-03-05T03:00:14Z", properties=other),
        item("next", "2024-03-10T03:00:00Z"),
    ]
    found = search_stac(source(catalogue(tmp_path, items)), TABLE, WANTED)
    kept, dropped = drop_duplicates(found.scenes)
    assert [(a.what, a.remedy) for a in dropped] == [("old", "")]
    passes = merge_passes(kept)
    assert [[s.id for s in p.scenes] for p in passes] == [["new", "west"], ["next"]]
    assert passes == merge_passes(kept[::-1])


def grid(**changes: Any) -> Grid:
    return Grid("EPSG:32649", raster_profile(changes["href"]).transform, (128, 128))


def asset(href: Path | str, index: int = 1) -> Asset:
    return Asset("green", str(href), index, 1.0, 0.0, 0.0, 10.0)


def test_rasters_by_range_and_their_faults(tmp_path: Path) -> None:
    path = five(tmp_path)
    data = np.arange(128 * 128, dtype="uint16").reshape(1, 128, 128) + 1
    tiny.write_stack(tmp_path / "good.tif", data)
    (tmp_path / "cut.tif").write_bytes((tmp_path / "good.tif").read_bytes()[:9000])
    (tmp_path / "page.tif").write_text("<html></html>", encoding="utf-8")
    trap = '<VRTDataset rasterXSize="9" rasterYSize="9"></VRTDataset>'
    (tmp_path / "trap.tif").write_text(trap, encoding="utf-8")
    area = grid(href=str(tmp_path / "good.tif"))
    with serve(path) as url:
        for href in (str(tmp_path / "good.tif"), f"{url}/data/good.tif"):
            with AssetReader(asset(href), area) as reader:
                values, valid = reader.read(Window(-8, 40, 100, 140))
                assert (reader.factor, reader.warped) == (1, False)
            assert not valid[:8].any()
            assert not valid[:, 28:].any()
            assert (values[8:, :28] == data[0, :40, 100:128]).all()
        for name, said in (("none.tif", "404"), ("page.tif", "raster"), ("trap.tif", "raster")):
            with pytest.raises(SceneUnusableError, match=said):
                raster_profile(f"{url}/data/{name}")
    for name in ("page.tif", "trap.tif", "none.tif"):
        with pytest.raises(SceneUnusableError, match=name):
            raster_profile(str(tmp_path / name))
    with (
        pytest.raises(SceneUnusableError, match="truncated"),
        AssetReader(asset(tmp_path / "cut.tif"), area) as reader,
    ):
        reader.read(Window(0, 128, 0, 128))
    with (
        pytest.raises(SceneUnusableError, match="no band 4"),
        AssetReader(asset(tmp_path / "good.tif", 4), area),
    ):
        pass


def test_two_numbers_for_nodata_are_both_believed(tmp_path: Path) -> None:
    data = np.full((1, 128, 128), 7, "uint16")
    data[0, 0, :2] = 0
    data[0, 1, :3] = 65535
    tiny.write_stack(tmp_path / "a.tif", data)
    one = Asset("green", str(tmp_path / "a.tif"), 1, 1.0, 0.0, 65535.0, 10.0)
    with AssetReader(one, grid(href=str(tmp_path / "a.tif"))) as reader:
        _, valid = reader.read(Window(0, 128, 0, 128))
    assert np.count_nonzero(~valid) == 5


def test_what_is_no_number_is_no_data_beside_a_number_of_the_table(tmp_path: Path) -> None:
    data = np.full((1, 128, 128), 0.25, "float32")
    data[0, 0, :2] = 0
    data[0, 1, :3] = np.nan
    tiny.write_stack(tmp_path / "a.tif", data)
    with rasterio.open(tmp_path / "a.tif", "r+") as sink:
        sink.nodata = float("nan")
    one = Asset("green", str(tmp_path / "a.tif"), 1, 1.0, 0.0, 0.0, 10.0)
    with AssetReader(one, grid(href=str(tmp_path / "a.tif"))) as reader:
        values, valid = reader.read(Window(0, 128, 0, 128))
    assert np.count_nonzero(~valid) == 5
    assert np.isfinite(values[valid]).all()


def test_what_ships_in_config_is_good() -> None:
    corridors = load_corridors(ROOT / "config" / "corridors.geojson")
    assert len(corridors) == 6
    for path in (ROOT / "config" / "sensors").glob("*.yaml"):
        assert load_sensor_table(path.parent, path.stem).name == path.stem
    with pytest.raises(ConfigurationError, match="no band table 'sentinel'"):
        load_sensor_table(ROOT / "config" / "sensors", "sentinel")


def test_a_folder_without_band_tables_says_where_they_are(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="holds no band table 's2'") as caught:
        load_sensor_table(tmp_path, "s2")
    assert "write 'sensors: FOLDER' into the workflow" in caught.value.remedy


def test_a_byte_order_mark_spoils_no_corridor_file(tmp_path: Path) -> None:
    """Windows programs write one; lists and layers are read with it too."""
    path = tmp_path / "corridors.geojson"
    features = {"type": "FeatureCollection", "features": [tiny.corridor()]}
    path.write_text(json.dumps(features), encoding="utf-8-sig")
    assert [c.id for c in load_corridors(path)] == ["tiny"]
    assert len(content_of(path)["features"]) == 1


def test_reaches_partition_a_river() -> None:
    river = next(c for c in load_corridors(ROOT / "config/corridors.geojson") if c.id == "lushui")
    reaches = reaches_of(river, utm_crs(river.polygon_wgs84))
    whole = reaches_of(
        type(river)(
            **{**{f: getattr(river, f) for f in river.__slots__}, "centreline_wgs84": None}
        ),
        utm_crs(river.polygon_wgs84),
    )[0].polygon
    assert len(reaches) > 5
    assert sum(r.polygon.area for r in reaches) == pytest.approx(whole.area, rel=1e-6)


@pytest.mark.real
def test_items_are_read_as_their_producer_wrote_them() -> None:
    if not SLOVENIA.is_dir():
        if os.environ.get("SILUAN_REQUIRE_REAL"):
            pytest.fail(f"{SLOVENIA} is missing and SILUAN_REQUIRE_REAL is set")
        pytest.skip(f"real imagery is not beside the checkout ({SLOVENIA})")
    wanted = Wanted(
        box(-180, -90, 180, 90), datetime(2023, 1, 1, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=UTC)
    )
    found = search_stac(source(SLOVENIA / "catalog.json"), TABLE, wanted)
    assert len(found.scenes) == 4, found.set_aside
    first = found.scenes[0]
    assert (first.tile, first.platform, first.baseline) == ("MGRS-33TWL", "sentinel-2b", "05.09")
    assert first.sun_azimuth_deg is not None
    # The items state an offset and that it was applied already; both cannot be.
    assert first.assets["red"].offset == 0.0
    assert "taken as applied" in first.properties["radiometry"]
    # The items describe 10 m; the files beside them are 120 m without any georeference: refused,
    # because a place is never guessed.
    with pytest.raises(SceneUnusableError, match="no coordinate reference system"):
        raster_profile(first.assets["red"].href)
    assert len(merge_passes(drop_duplicates(found.scenes)[0])) == 4


def test_a_tile_that_comes_later_does_not_rename_its_pass(tmp_path: Path) -> None:
    late = {"grid:code": "MGRS-49RFL", "s2:datatake_id": "GS2A_20240305T025541_045_N05.09"}
    same = {"s2:datatake_id": late["s2:datatake_id"]}
    items = [
        item("first", "2024-03-05T03:00:14Z", properties=same),
        item("late", "2024-03-05T03:00:00Z", properties=late),
    ]
    found = search_stac(source(catalogue(tmp_path, items)), TABLE, WANTED)
    late_one, first = found.scenes
    (alone,) = merge_passes([first])
    (both,) = merge_passes([first, late_one])
    assert alone.id == both.id == "20240305T025541_sentinel-2a_sentinel-2-l2a"
    bare = [
        type(s)(**{**{n: getattr(s, n) for n in s.__slots__}, "datatake": ""}) for s in found.scenes
    ]
    assert {p.id for p in (*merge_passes(bare), *merge_passes(bare[1:]))} == {
        "20240305_sentinel-2a_sentinel-2-l2a"
    }


def test_two_halves_of_a_cut_tile_are_no_duplicates(tmp_path: Path) -> None:
    take = {"s2:datatake_id": "GS2A_20240305T025541_045_N05.09"}
    halves = [
        item("a", "2024-03-05T03:00:00Z", properties=take),
        item("b", "2024-03-05T03:00:09Z", properties=take),
    ]
    halves[0]["geometry"] = mapping(box(113.0, 27.7, 113.1, 27.76))
    halves[1]["geometry"] = mapping(box(113.0, 27.75, 113.1, 27.8))
    found = search_stac(source(catalogue(tmp_path, halves)), TABLE, WANTED)
    kept, dropped = drop_duplicates(found.scenes)
    assert dropped == []
    assert [[s.id for s in p.scenes] for p in merge_passes(kept)] == [["a", "b"]]


def test_a_part_processed_again_does_not_replace_the_whole(tmp_path: Path) -> None:
    whole = item("whole", "2024-03-05T03:00:00Z", properties={"s2:processing_baseline": "05.00"})
    part = item("part", "2024-03-05T03:00:00Z", properties={"s2:processing_baseline": "05.10"})
    part["geometry"] = mapping(box(113.0, 27.7, 113.02, 27.8))
    bow = [[113.0, 27.7], [113.1, 27.8], [113.1, 27.7], [113.0, 27.8], [113.0, 27.7]]
    crossed = item("crossed", "2024-03-06T03:00:00Z")
    crossed["geometry"] = {"type": "Polygon", "coordinates": [bow]}
    again = {**crossed, "id": "again"}
    found = search_stac(source(catalogue(tmp_path, [whole, part, crossed, again])), TABLE, WANTED)
    kept, dropped = drop_duplicates(found.scenes)
    assert {s.id for s in kept} >= {"whole", "part"}
    assert len(dropped) == 1
