"""The office's commands end to end: layers reach cases, corridors are kept, doctor only reads."""

from __future__ import annotations

import json
import sys
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
import shapely.affinity
import shapely.ops
from shapely.geometry import shape

sys.path.insert(0, str(Path(__file__).parent))
import office
import tiny

from pipeline.errors import ConfigurationError, ExitCode
from pipeline.grid import reproject
from pipeline.io.corridors import load_corridors
from pipeline.io.datum import Datum
from pipeline.io.occurrence import read_occurrence
from pipeline.office.corridors import AddRequest, add_corridor
from pipeline.office.doctor import Checkup, examine, exit_code, report
from pipeline.office.importing import ImportRequest, import_layer
from pipeline.office.kinds import LayerKind
from pipeline.run import RunRequest, run_workflow


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_scenes(tmp_path_factory.mktemp("scenes") / "images")


def test_imported_layers_reach_the_cases(tmp_path: Path, images: Path) -> None:
    path = tiny.workflow(tmp_path / "work", images, layers="../config/layers")
    assert run_workflow(RunRequest(path)) == ExitCode.DONE
    (before,) = tiny.features(tmp_path / "work", "cases.geojson")
    properties = before["properties"]
    assert properties["county_code"] is None
    assert properties["in_management_area"] == "unknown"
    assert (properties["revision"], properties["reasons"]) == (1, [])

    around = shapely.box(*shape(before["geometry"]).buffer(0.02).bounds)
    config = tmp_path / "config"
    config.mkdir()
    for kind, fields in (("counties", {"code": "430211", "name": "天元区"}), ("boundary", {})):
        file = office.write_geojson(
            tmp_path / f"{kind}.geojson", [office.feature(around, **fields)]
        )
        import_layer(ImportRequest(file, LayerKind(kind), config, datum=Datum.CGCS2000))
    assert run_workflow(RunRequest(path)) == ExitCode.DONE
    (after,) = tiny.features(tmp_path / "work", "cases.geojson")
    properties = after["properties"]
    assert after["id"] == before["id"]
    assert (properties["county_code"], properties["county_zh"]) == ("430211", "天元区")
    assert properties["in_management_area"] == "yes"
    assert properties["boundary_used"] == "legal"
    assert "管理范围线位置未经核验" in properties["reasons"]
    assert properties["revision"] == 2  # a reader can see the change
    assert after["geometry"] == before["geometry"]

    content = tiny.outputs(tmp_path / "work")
    assert run_workflow(RunRequest(path)) == ExitCode.DONE
    assert tiny.outputs(tmp_path / "work") == content


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return office.make_config(tmp_path)


def ids(config: Path) -> list[str]:
    return [c.id for c in load_corridors(config / "corridors.geojson")]


@pytest.mark.thorough
def test_a_corridor_is_added_and_the_others_stay(tmp_path: Path, config: Path) -> None:
    before = json.loads((config / "corridors.geojson").read_text("utf-8"))["features"]
    line = shapely.affinity.translate(office.river(), 9000, 0)
    pieces = [shapely.ops.substring(line, a, a + 10_000) for a in (0, 10_000, 20_000)]
    file = office.write_shapefile(
        tmp_path / "支流.shp", pieces, {"名称": ["a", "b", "c"]}, "EPSG:4547"
    )
    words = ["corridor", "add", file, "--id", "second", "--datum", "cgcs2000", "--config", config]
    code, _, error = office.siluan(*words, "--width", "600")
    assert code == 2
    assert "needs --name, --water, --accuracy" in error
    words += ["--width", "600", "--name", "支流", "--water", "river", "--accuracy", "20"]
    code, out, error = office.siluan(*words)
    assert (code, error) == (0, "")
    assert "added second" in out
    assert ids(config) == ["river", "second"]
    second = load_corridors(config / "corridors.geojson")[1]
    assert second.accuracy_m == 20
    assert second.centreline_wgs84 is not None
    first = shapely.Point(second.centreline_wgs84.coords[0])
    assert first.distance(office.lonlat(shapely.Point(line.coords[0]))) < 1e-6
    after = json.loads((config / "corridors.geojson").read_text("utf-8"))["features"]
    assert after[0] == before[0]
    content = (config / "corridors.geojson").read_bytes()
    code, out, _ = office.siluan(*words)
    assert (code, "already so" in out) == (0, True)
    assert (config / "corridors.geojson").read_bytes() == content
    code, _, error = office.siluan(*words[:-1], "25")
    assert code == 2
    assert "Add --replace" in error
    code, out, _ = office.siluan(*words[:-1], "25", "--replace", "--reverse")
    assert (code, "replaced second" in out) == (0, True)
    turned = load_corridors(config / "corridors.geojson")[1].centreline_wgs84
    assert turned is not None
    assert shapely.Point(turned.coords[-1]).distance(first) < 1e-6


def test_a_polygon_and_then_its_centreline(tmp_path: Path, config: Path) -> None:
    area = office.write_geojson(
        tmp_path / "a.geojson", [office.feature(office.lonlat(office.river().buffer(300)))]
    )
    line = office.write_geojson(
        tmp_path / "l.geojson", [office.feature(office.lonlat(office.river()))]
    )

    def add(file: Path, **more: Any) -> list[str]:
        return add_corridor(AddRequest(file, "river", Datum.CGCS2000, config, **more))

    with pytest.raises(ConfigurationError, match="Add --width"):
        add(line)
    add(area, accuracy_m=15, replace=True)
    (corridor,) = load_corridors(config / "corridors.geojson")
    assert (corridor.accuracy_m, corridor.centreline_wgs84) == (15, None)
    add(line, chainage_from_m=1200)
    (corridor,) = load_corridors(config / "corridors.geojson")
    assert corridor.centreline_wgs84 is not None
    assert corridor.chainage_from_m == 1200
    with pytest.raises(ConfigurationError, match="Leave --width out"):
        add(area, accuracy_m=15, width_m=100, replace=True)
    loose = [
        office.feature(office.lonlat(g))
        for g in (
            shapely.LineString([(420_000, 3_060_000), (420_000, 3_061_000)]),
            shapely.LineString([(421_000, 3_060_000), (421_000, 3_061_000)]),
        )
    ]
    with pytest.raises(ConfigurationError, match="2 lines that do not join"):
        add(office.write_geojson(tmp_path / "m.geojson", loose), width_m=100, replace=True)


@pytest.mark.thorough
def test_derive_propose_accept(tmp_path: Path, images: Path) -> None:
    work = tmp_path / "work"
    path = tiny.workflow(work, images)
    config = tmp_path / "config"
    config.mkdir()
    words = ["corridor", "derive", "tiny", "--config", config]
    code, _, error = office.siluan(
        *words, "--workflow", path, "--name", "小河", "--water-kind", "river"
    )
    assert code == 2
    assert "has no history of tiny" in error
    assert run_workflow(RunRequest(path)) == ExitCode.DONE
    code, out, error = office.siluan(
        *words, "--workflow", path, "--name", "小河", "--water-kind", "river"
    )
    assert (code, error) == (0, "")
    assert "direction unknown" in out
    assert "flood trace" in out
    assert not (config / "corridors.geojson").exists()  # only a proposal
    occurrence, grid = read_occurrence(config / "water" / "tiny.tif")
    assert grid.crs == "EPSG:32649"
    assert np.nanmax(occurrence) == 1
    code, out, error = office.siluan(
        "corridor", "accept", "tiny", "--by", "王工", "--config", config
    )
    assert (code, error) == (0, "")
    (corridor,) = load_corridors(config / "corridors.geojson")
    assert not corridor.downstream_known
    assert "working geometry" in corridor.provenance
    assert "王工" in (config / "corridors.geojson").read_text("utf-8")
    assert list((config / "proposals").iterdir()) == []
    # The water runs north: 28 pixels wide at the median level, in the middle of 128.
    assert corridor.centreline_wgs84 is not None
    metric = reproject(corridor.centreline_wgs84, "EPSG:4326", "EPSG:32649")
    assert abs(metric.centroid.x - (700_000 + 640)) < 30
    code, _, error = office.siluan("corridor", "accept", "tiny", "--by", "王工", "--config", config)
    assert (code, "there is no proposal" in error) == (2, True)


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    files = [p for p in folder.rglob("*") if p.is_file()]
    return {str(p): (p.stat().st_mtime_ns, p.stat().st_size) for p in files}


def test_doctor_names_cost_and_remedy_and_only_reads(tmp_path: Path, images: Path) -> None:
    work = tmp_path / "work"
    path = tiny.workflow(work, images)
    config = office.make_config(tmp_path, accuracy_m=3000)
    permit = office.feature(
        office.lonlat(office.river().buffer(100)),
        id="A1",
        **{"from": "2020-01-01", "to": "2021-01-01"},
    )
    file = office.write_geojson(tmp_path / "permits.geojson", [permit])
    import_layer(ImportRequest(file, LayerKind.PERMITS, config, datum=Datum.CGCS2000))
    import_layer(
        ImportRequest(
            file, LayerKind.TOWNSHIPS, config, datum=Datum.CGCS2000, fields={"name": "id"}
        )
    )
    (config / "proposals").mkdir()
    (config / "proposals" / "river.geojson").write_text("{}")
    before = snapshot(tmp_path)
    checkup = Checkup(
        config, (path,), date(2025, 1, 1), (("PROJ_LIB", "/usr/share/proj"),), lambda _: 10**9
    )
    findings = examine(checkup)
    told = "\n".join(report(findings + examine(Checkup(config))))
    assert "drafts" not in "\n".join(report(findings))  # the workflow's own corridor is none
    for wanted in (
        "PROJ_LIB is set to /usr/share/proj",
        "1 of 1 are drafts: river (小江) ±3000 m",
        "a derived corridor waits: river.geojson",
        "boundary (管理范围) was not imported",
        "in_management_area is unknown",
        "permits (许可): 1 of 1 have run out: A1",
        "permits (许可): nobody vouches for the position of permits",
        "townships (乡级行政区): the position of permits is unverified",
        "the table of severity is not confirmed",
        "only 1.0 GB are free",
        "it has never run",
    ):
        assert wanted in told
    assert all(f.remedy and f.cost for f in findings)
    assert exit_code(findings, strict=False) == ExitCode.DONE
    assert exit_code(findings, strict=True) == ExitCode.SET_ASIDE
    (config / "layers" / "boundary.gpkg").write_bytes(b"x")
    broken = examine(Checkup(config, (tmp_path / "no.yaml",), free_bytes=lambda _: 10**12))
    assert exit_code(broken, strict=False) == ExitCode.CONFIGURATION
    (config / "layers" / "boundary.gpkg").unlink()
    assert snapshot(tmp_path) == before
    code, out, error = office.siluan("doctor", "--config", config, "--workflow", path)
    assert (code, error) == (0, "")
    assert "findings, 0 of them keep a run from being right" in out
