"""Folders of files: what a name says, and names that cannot be told apart."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

sys.path.insert(0, str(Path(__file__).parent))
import tiny
from shapely.geometry import box

from pipeline.acquire import folder as module
from pipeline.acquire.bands import SensorTable, load_sensor_table
from pipeline.acquire.folder import Folder, FolderSource
from pipeline.acquire.source import Wanted
from pipeline.errors import ConfigurationError

SENSORS = Path(__file__).resolve().parents[1] / "config" / "sensors"
STACK12 = load_sensor_table(SENSORS, "sentinel-2-l2a-stack12")
BANDS12 = ("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B11", "B12")


def catalogued(
    folder: Path, table: SensorTable, **stated: Any
) -> tuple[list[dict[str, Any]], list[str]]:
    """Catalogue ``folder/files``: its items, and what was set aside, in words."""
    source = FolderSource(
        path=str(folder / "files"),
        sensor=table.name,
        time_of_day=time(3),
        zone="UTC",
        **stated,
    )
    path, aside, _ = Folder(source, table, folder / "cache").catalogue
    links = json.loads(path.read_text(encoding="utf-8"))["links"]
    items = [json.loads((path.parent / k["href"]).read_text(encoding="utf-8")) for k in links]
    return items, [a.reason for a in aside]


def table_of(indices: dict[str, int], **stated: Any) -> SensorTable:
    """Give a table of a stack, scaled by 1e-4; bands are called by ``stated["called"]`` too."""
    called = stated.pop("called", {})
    bands = {
        n: {"index": i, "gsd_m": 10, "called": called.get(n, ())} for n, i in indices.items()
    } | stated.pop("beside", {})
    table = {"name": "t", "title": "t", "source": "t", "scale": 1e-4, "bands": bands}
    return SensorTable.model_validate(table | stated)


def stack(folder: Path, name: str, count: int = 12, names: tuple[str, ...] = ()) -> None:
    path = folder / "files" / name
    path.parent.mkdir(exist_ok=True)
    tiny.write_stack(path, np.full((count, 64, 64), 1000, "int16"))
    with rasterio.open(path, "r+") as sink:
        for i, said in enumerate(names, 1):
            sink.set_band_description(i, said)


def dates(folder: Path, names: list[str], pattern: str | None = None) -> list[str]:
    files = folder / "files"
    files.mkdir()
    for name in names:
        tiny.write_stack(files / name, np.full((12, 64, 64), 1000, "int16"))
    stated = {} if pattern is None else {"pattern": pattern}
    items, aside = catalogued(folder, STACK12, **stated)
    assert not aside
    return [i["properties"]["datetime"] for i in items]


@pytest.mark.parametrize(
    "name",
    [
        "S2A_MSIL2A_20230815T095031_N0509_R079_T33TWL_20241103T155057.tif",
        "LC08_L2SP_123041_20230815_20241103_02_T1.tif",
        "Boadella_2023-08-15.tif",
    ],
)
def test_the_first_date_of_a_name_is_the_day_of_the_look(tmp_path: Path, name: str) -> None:
    # A product's name ends with the day it was processed, months later for an old scene.
    assert [d[:10] for d in dates(tmp_path, [name])] == ["2023-08-15"]


def test_files_that_cannot_be_told_apart_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"east_2024-03-05\.tif and west_2024-03-05\.tif"):
        dates(tmp_path, ["east_2024-03-05.tif", "west_2024-03-05.tif", "x_2024-03-06.tif"])


def test_a_tile_tells_them_apart(tmp_path: Path) -> None:
    pattern = r"(?P<tile>\w+)_(?P<date>[\d-]+)\.tif"
    assert len(dates(tmp_path, ["east_2024-03-05.tif", "west_2024-03-05.tif"], pattern)) == 2


def test_a_day_of_the_year_is_no_month_and_day(tmp_path: Path) -> None:
    # strptime alone reads 1999322 as the 22nd of March.
    pattern = r"LE7022049(?P<date>\d{7})EDC\d\d_stack\.tif"
    found = dates(tmp_path, ["LE70220491999322EDC01_stack.tif"], pattern)
    assert found == ["1999-11-18T03:00:00Z"]


def test_what_is_no_date_of_our_time_is_named(tmp_path: Path) -> None:
    # Path 123, row 041, then year and day: the first eight digits make a day of the year 8123.
    stack(tmp_path, "LC81230412023227LGN00.tif")
    stack(tmp_path, "R_20230815.TIF")
    items, aside = catalogued(tmp_path, STACK12, pattern=r"(?i)\D+\d??(?P<date>\d{8}).*\.tif")
    assert [i["id"] for i in items] == ["R_20230815"]
    assert len(aside) == 1
    assert "'81230412' in the file name is no date" in aside[0]


@pytest.mark.parametrize(
    ("written", "day"),
    [
        ("20240305", "2024-03-05"),
        ("2024-03-05", "2024-03-05"),
        ("2024_03_05", "2024-03-05"),
        ("2024-1-15", "2024-01-15"),
        ("2024.3.15", "2024-03-15"),
        ("2024-11-5", "2024-11-05"),
        ("2024年11月5日", "2024-11-05"),
        ("2024115", "2024-04-24"),
        ("2024-115", "2024-04-24"),
        ("2024-15", ""),
        ("2024-1150", ""),
        ("24-3-15", ""),
        ("15.3.2024", ""),
        ("2024-13-5", ""),
        ("2024-366", "2024-12-31"),
        ("2023-366", ""),
        ("202435", ""),
        ("2024-3-5-10", ""),
    ],
)
def test_a_date_may_be_written_without_zeros_and_is_no_day_of_the_year_then(
    tmp_path: Path, written: str, day: str
) -> None:
    stack(tmp_path, f"R_{written}.tif")
    items, aside = catalogued(tmp_path, STACK12, pattern=r"R_(?P<date>.+)\.tif")
    assert [i["properties"]["datetime"][:10] for i in items] == ([day] if day else [])
    assert bool(aside) == (not day)


@pytest.mark.parametrize(
    "name",
    [
        "L1A0007654321_20240305.tif",  # an order
        "20010112345_20240305.tif",
        "12345678_20240305.tif",
        "20249999_20240305.tif",
        "LT51230411990123_20240305.tif",
        "S2_2024_03_05.tif",
        "R_2024年03月05日.tif",
        "R_2024年3月5日.tif",
        "JL1_20240305T032541.tif",
        "PL_20240305032541.tif",
        "PL_202403050325.tif",
        "composite_2024-03-05_2024-03-31.tif",
        "2024-03-05-00_00_L2A.tiff",
    ],
)
def test_a_longer_number_in_a_name_is_no_date(tmp_path: Path, name: str) -> None:
    assert [d[:10] for d in dates(tmp_path, [name])] == ["2024-03-05"]


def test_names_in_chinese_stay_two_scenes(tmp_path: Path) -> None:
    pattern = r"(?P<tile>\w)_(?P<date>[\d-]+)\.tif"
    assert len(dates(tmp_path, ["东_2024-03-05.tif", "西_2024-03-05.tif"], pattern)) == 2
    links = json.loads(next(tmp_path.glob("cache/*/catalog.json")).read_text("utf-8"))["links"]
    assert len({k["href"] for k in links}) == 2


def test_classes_lie_beside_a_stack(tmp_path: Path) -> None:
    names = ("green", "red", "nir")
    bands = {n: {"keys": ["BOA"], "index": i, "gsd_m": 10} for i, n in enumerate(names, 1)}
    table = SensorTable.model_validate(
        {
            "name": "t",
            "title": "t",
            "source": "t",
            "scale": 1e-4,
            "bands_in_file": 3,
            "bands": {**bands, "scl": {"keys": ["SCL"], "gsd_m": 20}},
        }
    )
    stack(tmp_path, "x_2024-03-05_BOA.tif", 3)
    stack(tmp_path, "x_2024-03-05_SCL.tif", 1)
    pattern = r"x_(?P<date>[\d-]+)_(?P<band>\w+)\.tif"
    items, aside = catalogued(tmp_path, table, pattern=pattern)
    assert not aside
    files = {n: Path(a["href"]).name for n, a in items[0]["assets"].items()}
    assert files == {
        "green": "x_2024-03-05_BOA.tif",
        "red": "x_2024-03-05_BOA.tif",
        "nir": "x_2024-03-05_BOA.tif",
        "scl": "x_2024-03-05_SCL.tif",
    }
    # The group may be missing in the name of the stack, whatever sorts first.
    for path in (tmp_path / "files").iterdir():
        path.rename(path.with_name(path.name.replace("_BOA", "")))
    pattern = r"x_(?P<date>[\d-]+?)(_(?P<band>SCL))?\.tif"
    items, aside = catalogued(tmp_path, table, pattern=pattern)
    assert not aside
    assert Path(items[0]["assets"]["scl"]["href"]).name == "x_2024-03-05_SCL.tif"
    assert Path(items[0]["assets"]["nir"]["href"]).name == "x_2024-03-05.tif"


def test_files_without_the_bands_say_what_they_are_called(tmp_path: Path) -> None:
    stack(tmp_path, "x_2024-03-05_BOA.tif", 3)
    pattern = r"x_(?P<date>[\d-]+)_(?P<band>\w+)\.tif"
    items, aside = catalogued(
        tmp_path, load_sensor_table(SENSORS, "sentinel-2-l2a"), pattern=pattern
    )
    assert not items
    assert "no file is green, red, nir" in aside[0]
    assert "BOA" in aside[0]
    assert "B03" in aside[0]


@pytest.mark.parametrize(
    ("names", "count", "said"),
    [
        (BANDS12, 12, ""),
        (("", *BANDS12[1:]), 12, ""),
        (tuple(f"x{i}" for i in range(12)), 12, ""),
        ((*BANDS12[:3], "B08", *BANDS12[4:7], "Band 4", *BANDS12[8:]), 12, "'B08' and not red"),
        ((), 13, "13 bands and not 12"),
        # All bands of a collection, masks and classes behind them.
        ((*BANDS12, "AOT", "SCL", "QA60"), 15, ""),
        ((*BANDS12[:11], "", "SCL"), 13, "13 bands and not 12"),
        ((*BANDS12[:9], "B9", "B10", "B11", "B12"), 13, "13 bands and not 12"),
        (tuple(f"Band {i}" for i in range(1, 14)), 13, "13 bands and not 12"),
        (tuple(f"Band {i}" for i in range(1, 13)), 12, ""),
        ((), 5, "no band 8 (nir) in a file of 5"),
    ],
)
def test_a_file_that_says_otherwise_than_its_table_is_set_aside(
    tmp_path: Path, names: tuple[str, ...], count: int, said: str
) -> None:
    stack(tmp_path, "R_2024-03-05.tif", count, names)
    items, aside = catalogued(tmp_path, STACK12)
    assert len(items) == (not said)
    assert bool(aside) == bool(said)
    assert said in "".join(aside)


def test_a_scale_that_a_file_states_is_held_against_the_table(tmp_path: Path) -> None:
    stack(tmp_path, "R_2024-03-05.tif")
    path = tmp_path / "files" / "R_2024-03-05.tif"
    for offset, fits in ((0.0, True), (-0.1, False)):
        with rasterio.open(path, "r+") as sink:
            sink.scales = (0.0001,) * 12
            sink.offsets = (offset,) * 12
        items, aside = catalogued(tmp_path, STACK12)
        assert len(items) == fits, aside
    assert "states scale 0.0001 and offset -0.1" in aside[0]


def test_rasters_that_the_pattern_passes_over_are_named(tmp_path: Path) -> None:
    stack(tmp_path, "R_2024-03-05.tif")
    stack(tmp_path, "五月.tif")
    (tmp_path / "files" / "notes.txt").write_text("")
    source = FolderSource(
        path=str(tmp_path / "files"), sensor=STACK12.name, time_of_day=time(3), zone="UTC"
    )
    always = (datetime(2024, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC))
    found = Folder(source, STACK12, tmp_path / "cache").search(
        Wanted(box(-180, -90, 180, 90), *always)
    )
    assert len(found.scenes) == 1
    assert len(found.notes) == 1
    assert "五月.tif" in found.notes[0]
    assert "notes.txt" not in found.notes[0]


@pytest.mark.parametrize("name", ["sentinel-2-l2a", "landsat-c2-l2"])
def test_a_table_by_band_is_not_for_stacks(tmp_path: Path, name: str) -> None:
    # Its index is 1 throughout: every band would be read from the first one.
    stack(tmp_path, "R_2024-03-05.tif")
    items, aside = catalogued(tmp_path, load_sensor_table(SENSORS, name))
    assert not items
    assert "blue and green are both read from band 1: the table is not for stacks" in aside[0]


def test_one_near_infrared_may_be_both(tmp_path: Path) -> None:
    stack(tmp_path, "R_2024-03-05.tif", 4)
    table = table_of({"blue": 1, "green": 2, "red": 3, "nir": 4, "nir08": 4})
    assert not catalogued(tmp_path, table)[1]


def test_classes_are_no_band_of_the_stack_where_their_file_is_missing(tmp_path: Path) -> None:
    indices = {"green": 3, "red": 4, "nir": 8}
    stack(tmp_path, "x_2024-03-05.tif", 11)
    for scl, read in (
        ({"keys": ["SCL"], "gsd_m": 20}, False),
        ({"keys": ["SCL"], "index": 11, "gsd_m": 20}, True),
    ):
        items, aside = catalogued(tmp_path, table_of(indices, beside={"scl": scl}))
        assert not aside
        assert ("scl" in items[0]["assets"]) == read


def test_places_are_no_names(tmp_path: Path) -> None:
    own = {"blue": 1, "green": 2, "red": 3, "nir": 4}
    called = {"blue": ["B02"], "green": ["B03"], "red": ["B04"], "nir": ["B08"]}
    table = table_of(own, called=called)
    for names in (("Band 1", "Band_2", "", "band 4"), ("B1", "B2", "B3", "B4")):
        stack(tmp_path, "R_2024-03-05.tif", 4, names)
        _, aside = catalogued(tmp_path, table)
        assert bool(aside) == (names[0] == "B1"), names
    # A file of one band calls it the first, whatever its own number is.
    by_band = {n: {"keys": [f"B{i}"], "gsd_m": 30} for n, i in own.items()}
    for i in own.values():
        stack(tmp_path, f"L_20240306_B{i}.tif", 1, ("Band 1",))
    pattern = r"L_(?P<date>\d{8})_(?P<band>B\d)\.tif"
    assert not catalogued(tmp_path, table_of({}, beside=by_band), pattern=pattern)[1]
    stack(tmp_path, "L_20240306_B4.tif", 1, ("Band 3",))
    assert "calls its band 1 'Band 3' and not nir" in str(
        catalogued(tmp_path, table_of({}, beside=by_band), pattern=pattern)[1]
    )


def test_an_offset_may_be_stated_in_numbers_of_the_file(tmp_path: Path) -> None:
    table = table_of({"green": 1, "red": 2, "nir": 3}, offset=-0.1)
    stack(tmp_path, "R_2024-03-05.tif", 3)
    for scale, offset, fits in ((1e-4, -1000.0, True), (1e-4, -900.0, False), (1e-4, 0.0, False)):
        with rasterio.open(tmp_path / "files" / "R_2024-03-05.tif", "r+") as sink:
            sink.scales, sink.offsets = (scale,) * 3, (offset,) * 3
        assert bool(catalogued(tmp_path, table)[1]) != fits, offset


def test_files_of_bands_that_the_table_does_not_know_are_named(tmp_path: Path) -> None:
    table = load_sensor_table(SENSORS, "sentinel-2-l2a")
    for band in ("B03", "B04", "B08", "SCL_20m"):
        stack(tmp_path, f"T_20240305_{band}.tif", 1)
        stack(tmp_path, f"T_20240306_{band}.tif", 1)
    source = FolderSource(
        path=str(tmp_path / "files"),
        sensor=table.name,
        pattern=r"T_(?P<date>\d{8})_(?P<band>\w+)\.tif",
        time_of_day=time(3),
        zone="UTC",
    )
    always = (datetime(2024, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC))
    found = Folder(source, table, tmp_path / "cache").search(
        Wanted(box(-180, -90, 180, 90), *always)
    )
    assert len(found.scenes) == 2
    assert [n.split(": ", 1)[1] for n in found.notes] == [
        "not read, for sentinel-2-l2a knows no such band: SCL_20m"
    ]


def test_a_folder_is_catalogued_once_a_run_and_not_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack(tmp_path, "R_2024-03-05.tif")
    source = FolderSource(
        path=str(tmp_path / "files"), sensor=STACK12.name, time_of_day=time(3), zone="UTC"
    )
    opened: list[str] = []
    real = module.raster_profile
    monkeypatch.setattr(module, "raster_profile", lambda href: opened.append(href) or real(href))
    always = (datetime(2024, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC))
    folder = Folder(source, STACK12, tmp_path / "cache")
    found = [folder.search(Wanted(box(a, -90, a + 180, 90), *always)) for a in (-180, 0)]
    assert sum(len(f.scenes) for f in found) == 1
    assert len(opened) == 1
    items = sorted((tmp_path / "cache").rglob("*.json"))
    before = [p.stat().st_mtime_ns for p in items]
    assert Folder(source, STACK12, tmp_path / "cache").catalogue[0] in items
    assert [p.stat().st_mtime_ns for p in items] == before
