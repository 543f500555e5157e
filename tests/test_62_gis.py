"""What a run leaves for a GIS: styled, in CGCS2000, the same again; and edits in it are kept."""

from __future__ import annotations

import json
import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pyogrio
import pytest
import rasterio
import shapely
from pyogrio import raw
from rasterio.transform import from_origin
from shapely.geometry import LineString, box
from shapely.geometry.base import BaseGeometry

sys.path.insert(0, str(Path(__file__).parent))
from test_62_publish import RECORD, UNSEEN, X, Y, case

from pipeline.cases.tables import read_table
from pipeline.grid import reproject
from pipeline.io.chips import ChipBands, geotiff
from pipeline.io.layers import (
    LayerFeature,
    LayerRecord,
    OfficeLayer,
    PositionRecord,
    SourceRecord,
)
from pipeline.model import Corridor, Grid
from pipeline.publish import PublishContext, Published, Shelves, publish_run
from pipeline.publish.geometry import to_wgs84
from pipeline.publish.gis.geopackage import was_edited
from pipeline.publish.gis.mosaic import mosaics_of
from pipeline.publish.gis.pictures import pictures_of
from pipeline.publish.rows import PERSONS

REACH = box(113.0, 27.7, 113.3, 28.0)
CORRIDOR = Corridor("xiangjiang", "湘江", "river", REACH, None, 50.0, "手绘")


def office(kind: str, *shapes: Any) -> OfficeLayer:
    source = SourceRecord(
        source="市局", file="f", sha256="0", datum="cgcs2000", crs="EPSG:4490", encoding="utf-8",
        layer="f", mapping={}, imported_on="2026-01-01T00:00:00Z", features=len(shapes),
        position=PositionRecord(position="unverified", detail=""), revision=1,
    )  # fmt: skip
    features = tuple(LayerFeature(s, "市局", {"name": "湘江段"}) for s in shapes)
    return OfficeLayer(LayerRecord(kind=kind, revision=1, sources=(source,)), features)


def publish(out: Path, **more: Any) -> Published:
    levee, road = box(113.1, 27.8, 113.11, 27.81), LineString([(113, 28), (114, 28)])
    layers = {
        "boundary": office("boundary", box(113.1, 27.7, 113.2, 28.0)),
        "works": office("works", levee, road),
    }
    context = PublishContext(
        {"xiangjiang": "湘江"}, corridors=(CORRIDOR,), office=layers,
        reasons_zh={"crop": "农作物"}, extras=more.get("extras", {}),
    )  # fmt: skip
    shelves = Shelves((case(),), tuple(more.get("watch", ())))
    return publish_run(out, shelves, [UNSEEN], RECORD, context)


def edit(file: sqlite3.Connection, sql: str) -> None:
    """Change a row as a GIS does; the functions that its triggers name are the GIS's own."""
    for name in ("ST_IsEmpty", "ST_MinX", "ST_MaxX", "ST_MinY", "ST_MaxY"):
        file.create_function(name, 1, lambda _: 0)
    file.execute(sql)
    file.commit()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return publish(tmp_path_factory.mktemp("run")).folder


def test_the_geopackage_is_of_version_1_2_and_in_cgcs2000(folder: Path) -> None:
    path = folder / "cases.gpkg"
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as file:
        assert file.execute("PRAGMA application_id").fetchone()[0] == 0x47504B47
        assert file.execute("PRAGMA user_version").fetchone()[0] == 10200
        assert file.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        contents = dict(file.execute("SELECT table_name, identifier FROM gpkg_contents"))
        styles = list(file.execute("SELECT f_table_name, useAsDefault, styleQML FROM layer_styles"))
    assert contents["cases"] == "疑似问题"
    assert contents["corridors"] == "巡查范围（非管理范围）"
    names = {"cases", "watch", "suppressed", "not_observed", "boundary", "works", "corridors"}
    assert set(contents) == names | {"layer_styles"}
    assert {s[0] for s in styles} == names
    assert all(s[1] == 1 and ET.fromstring(s[2]).tag == "qgis" for s in styles)
    assert {pyogrio.read_info(path, layer=n)["crs"] for n in names} == {"EPSG:4490"}
    meta, _, wkb, data = raw.read(path, layer="cases")
    row = dict(zip(map(str, meta["fields"]), (c[0] for c in data), strict=True))
    assert (row["kind_zh"], row["river_zh"], row["revision"]) == ("乱占", "湘江", 1)
    assert not PERSONS & set(row)
    outline = to_wgs84(case().polygon, case().crs)
    assert shapely.from_wkb(wkb[0]).equals(shapely.MultiPolygon([outline]))
    counts = json.loads((folder / "run.json").read_text(encoding="utf-8"))["counts"]["gis"]
    assert counts["layers"]["works"] == 1
    assert counts["points_and_lines_left_out"] == {"works": 1}
    assert counts["before_after"] == 0


def test_a_rerun_at_another_moment_changes_no_byte(tmp_path: Path, folder: Path) -> None:
    time.sleep(1.1)  # a GeoPackage says its time to the millisecond, SQLite's own to the second
    again = publish(tmp_path).folder
    for name in ("cases.gpkg", "siluan.qgs"):
        assert (again / name).read_bytes() == (folder / name).read_bytes()


def test_the_project_has_relative_paths_and_no_pictures_that_are_not_there(folder: Path) -> None:
    text = (folder / "siluan.qgs").read_text(encoding="utf-8")
    root = ET.fromstring(text.split("\n", 1)[1])
    sources = [e.text or "" for e in root.iter("datasource")]
    assert sources[0] == "./cases.gpkg|layername=cases"
    assert all(s.startswith("./cases.gpkg|") for s in sources)
    groups = [e.get("name") for e in root.iter("layer-tree-group") if e.get("name")]
    assert groups == ["问题", "范围和图层"]
    assert str(folder) not in text


def test_before_and_after_are_of_the_newest_revision(tmp_path: Path) -> None:
    names = [f"evidence/c1/{r}/{n}.tif" for r in (2, 10) for n in ("before", "before_false", "dh")]
    (one,) = pictures_of([*names, "evidence/c1/notes.txt", "other/c1/1/after.tif"])
    assert (one.path, one.revision, one.time) == ("evidence/c1/10/before.tif", 10, "before")
    path = tmp_path / "after.tif"
    with rasterio.open(
        path, "w", driver="GTiff", width=4, height=4, count=1, dtype="uint8", crs="EPSG:32649",
        transform=from_origin(710000, 3080000, 10, 10),
    ) as file:  # fmt: skip
        file.write(np.ones((1, 4, 4), np.uint8))
    done = publish(tmp_path / "out", extras={"evidence/c1/1/after.tif": path.read_bytes()})
    text = (done.folder / "siluan.qgs").read_text(encoding="utf-8")
    root = ET.fromstring(text.split("\n", 1)[1])
    groups = [e.get("name") for e in root.iter("layer-tree-group") if e.get("name")]
    assert groups == ["问题", "范围和图层", "后期影像"]
    assert "./mosaics/after_1.vrt" in text
    assert "../evidence/c1/1/after.tif" in (done.folder / "mosaics/after_1.vrt").read_text()
    counts = json.loads((done.folder / "run.json").read_text(encoding="utf-8"))["counts"]
    assert counts["gis"]["before_after"] == 1


def test_neighbours_of_other_dates_do_not_hide_each_other(tmp_path: Path) -> None:
    """Three pictures that overlap, each of one colour; nodata of one lets the others through."""
    outlines: dict[str, BaseGeometry] = {}
    for n, value in enumerate((500, 900, 1300)):
        left = X + 100 * n
        data = np.full((4, 40, 40), value, np.int16)
        data[:, :, :3] = -32768
        grid = Grid("EPSG:32649", from_origin(left, Y + 400, 10, 10), (40, 40))
        place = tmp_path / f"evidence/c{n}/1/before.tif"
        place.parent.mkdir(parents=True)
        bands = ChipBands(("red", "green", "blue", "nir"), data, -32768)
        place.write_bytes(geotiff(grid, bands, {}))
        own = box(left + 150, Y + 150, left + 200, Y + 200)
        outlines[f"c{n}"] = reproject(own, "EPSG:32649", "EPSG:4326")
    names = [p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*.tif")]
    (mosaic,) = mosaics_of(tmp_path, pictures_of(names), outlines)
    assert [look.zh for look in mosaic.looks] == ["真彩色", "假彩色（近红外/红/绿）"]
    assert [look.bands for look in mosaic.looks] == [(1, 2, 3), (4, 1, 2)]
    (tmp_path / "mosaics").mkdir()
    (tmp_path / mosaic.path).write_bytes(mosaic.content)
    with rasterio.open(tmp_path / mosaic.path) as file:
        assert file.descriptions == ("red", "green", "blue", "nir")
        assert (file.width, file.height, file.nodata) == (60, 40, -32768)
        for n, value in enumerate((500, 900, 1300)):
            seen = next(iter(file.sample([(X + 100 * n + 175, Y + 175)])))
            assert seen.tolist() == [value] * 4
        far = next(iter(file.sample([(X + 5, Y + 175)])))
        assert far.tolist() == [-32768] * 4
        # The second picture has no data here: the first shows through.
        assert next(iter(file.sample([(X + 105, Y + 5)]))).tolist() == [500] * 4


def test_edits_in_a_folder_are_kept_before_it_is_written_again(tmp_path: Path) -> None:
    done = publish(tmp_path)
    path = done.folder / "cases.gpkg"
    with closing(sqlite3.connect(path)) as file:  # a GIS that only looks rewrites the header
        file.execute("PRAGMA journal_mode = wal")
        file.execute("PRAGMA journal_mode = delete")
    assert not was_edited(path)
    publish(tmp_path)
    assert not (tmp_path / "edited").exists()
    with closing(sqlite3.connect(path)) as file:
        file.execute("PRAGMA journal_mode = wal")
        edit(file, "UPDATE cases SET kind = 'cai'")
        project = done.folder / "siluan.qgs"
        project.write_text(project.read_text(encoding="utf-8") + "<!-- 我的 -->", encoding="utf-8")
        publish(tmp_path, watch=[])
    kept = {p.suffix: p for p in (tmp_path / "edited").iterdir()}
    assert set(kept) == {".gpkg", ".qgs"}
    assert [r["kind"] for r in read_table(kept[".gpkg"]).rows] == ["cai"]
    assert [r["kind"] for r in read_table(path).rows] == ["zhan"]
    publish(tmp_path)
    assert len(list((tmp_path / "edited").iterdir())) == 2


def test_what_a_run_leaves_can_be_imported(tmp_path: Path) -> None:
    from test_64_cases import candidate, make, read, siluan

    state = tmp_path / "state"
    (name,) = make(state, [candidate(0)])
    cases = tuple(read(state).values())
    folder = publish_run(tmp_path / "out", Shelves(cases), [], RECORD).folder
    file = folder / "cases.gpkg"
    out = siluan("import", file, "--state", state, "--by", "王工")
    assert "applied 0, known already 0, not applied 0" in out
    assert "not read" not in out
    with closing(sqlite3.connect(file)) as changed:
        edit(changed, "UPDATE cases SET kind = 'jian', note = '看过'")
    assert f"{name}: noted" in siluan("import", file, "--state", state, "--by", "王工")
    assert read(state)[name].kind.value == "jian"
