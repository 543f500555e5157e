"""``siluan doctor`` over the sources of a workflow: what a run would stumble over."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
import yaml
from shapely.geometry import box, mapping, shape

sys.path.insert(0, str(Path(__file__).parent))
import office
import parcel
import tiny

from pipeline.baseline import BuildRequest, build_baseline
from pipeline.cli import app
from pipeline.errors import ConfigurationError, ExitCode
from pipeline.office.doctor import Checkup, examine, exit_code
from pipeline.office.finding import Finding, Weight
from pipeline.run import RunRequest, run_workflow


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return office.make_config(tmp_path / "office", accuracy_m=3000)


def about(config: Path, path: Path) -> dict[str, Finding]:
    """Findings about a workflow, by what they say."""
    found = examine(Checkup(config, (path,), free_bytes=lambda _: 10**12))
    return {f.what: f for f in found if f.group == f"workflow {path.name}"}


def heights(path: Path, west: float, crs: str | None = "EPSG:4326") -> Path:
    data = np.full((1, 40, 40), 50, "float32")
    return parcel.write_raster(path, data, 0.01, crs, (west, 28.0))


def disk_of(tmp_path: Path, **source: Any) -> Path:
    disk = tmp_path / "disk"
    disk.mkdir(exist_ok=True)
    (disk / "note.txt").write_text("x")
    sources = [{"type": "disk", "path": str(disk), **source}]
    return tiny.workflow(tmp_path, disk, sources=sources)


def test_the_doctor_names_a_program_of_alerts_that_cannot_be_run(
    tmp_path: Path, config: Path
) -> None:
    path = disk_of(tmp_path)
    with path.open("a", encoding="utf-8") as file:
        file.write("alerts: {command: [./tell.sh]}\n")
    program = path.parent / "tell.sh"
    program.write_text("#!/bin/sh\n")
    said = f"the command of alerts is not there, or may not be run: {program}"
    assert "chmod" in about(config, path)[said].remedy
    program.chmod(0o755)
    assert said not in about(config, path)


def test_a_workflow_that_is_well_has_nothing_but_that_it_never_ran(
    tmp_path: Path, config: Path
) -> None:
    west = shape(tiny.corridor()["geometry"]).bounds[0]
    dem = {"path": str(heights(tmp_path / "dem.tif", west - 0.2)), "heights": "ellipsoid"}
    assert set(about(config, disk_of(tmp_path, dem=dem))) == {"it has never run"}
    images = tiny.write_scenes(tmp_path / "images", only=range(4))
    path = tiny.workflow(tmp_path, images)
    assert set(about(config, path)) == {"it has never run"}
    assert build_baseline(BuildRequest(path, years=2, yes=True)) == ExitCode.DONE
    assert set(about(config, path)) == {"its history was fetched, but it has never run"}
    assert run_workflow(RunRequest(path)) == ExitCode.DONE
    assert not about(config, path)


@pytest.mark.parametrize("crs", ["EPSG:4326", None])
def test_a_terrain_that_places_nothing_is_found(
    tmp_path: Path, config: Path, crs: str | None
) -> None:
    dem = {"path": str(heights(tmp_path / "dem.tif", 100.0, crs)), "heights": "ellipsoid"}
    found = about(config, disk_of(tmp_path, dem=dem))
    (what,) = set(found) - {"it has never run"}
    assert str(tmp_path / "dem.tif") in what
    assert ("leaves 100% of what is wanted uncovered" in what) == (crs is not None)
    assert "set aside" in found[what].cost
    gone = {"path": str(tmp_path / "no.tif"), "heights": "ellipsoid"}
    assert any("no.tif" in what for what in about(config, disk_of(tmp_path, dem=gone)))


def test_a_disk_that_is_not_in_and_a_bad_date_layer_keep_a_run_from_starting(
    tmp_path: Path, config: Path
) -> None:
    layer = tmp_path / "dates.geojson"
    office.write_geojson(layer, [office.feature(box(112, 27, 114, 29), day="last autumn")])
    mosaic = {
        "pattern": "*.tif", "dates": {"file": str(layer), "field": "day"}, "zone": "UTC"
    }  # fmt: skip
    path = disk_of(tmp_path, mosaics=[mosaic])
    found = about(config, path)
    (what,) = set(found) - {"it has never run"}
    assert "says 'last autumn' in day, which is no date" in what
    assert found[what].weight is Weight.WRONG
    layer.unlink()
    assert any("dates.geojson cannot be read" in what for what in about(config, path))
    sources = [{"type": "disk", "path": str(tmp_path / "away")}]
    found = about(config, tiny.workflow(tmp_path, tmp_path, sources=sources))
    away = found[f"the folder {tmp_path / 'away'} of a source does not exist"]
    assert (away.weight, "the disk is in" in away.remedy) == (Weight.WRONG, True)
    (tmp_path / "away").mkdir()
    found = about(config, tiny.workflow(tmp_path, tmp_path, sources=sources))
    assert f"the folder {tmp_path / 'away'} of a source is empty" in found


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"sensor": "tinny"}, "holds no band table 'tinny'"),
        ({"path": "/no/such/folder"}, "the folder /no/such/folder of a source does not exist"),
        ({"pattern": r"x(?P<date>\d+)\.tif"}, "fits the pattern"),
    ],
)
def test_a_folder_that_gives_nothing_is_found(
    tmp_path: Path, config: Path, change: Mapping[str, str], said: str
) -> None:
    images = tiny.write_scenes(tmp_path / "images", only=range(1))
    path = tiny.workflow(tmp_path, images, sources=[{**tiny.source(images), **change}])
    assert any(said in w and f.weight is Weight.WRONG for w, f in about(config, path).items())


@pytest.mark.parametrize("kind", ["folder", "stac"])
@pytest.mark.parametrize(
    ("lacking", "why"),
    [("nir", ": three colours alone tell neither water nor plants. Give"), ("blue", ". Give")],
)
def test_a_table_without_a_band_of_a_look_is_refused_once_and_before_anything_is_read(
    tmp_path: Path, config: Path, kind: str, lacking: str, why: str
) -> None:
    images = tiny.write_scenes(tmp_path / "images", only=range(1))
    folder = {**tiny.source(images), "sensor": "rgb"}
    stac = {"type": "stac", "url": str(tmp_path / "none" / "catalog.json"), "sensor": "rgb"}
    path = tiny.workflow(tmp_path, images, sources=[folder if kind == "folder" else stac])
    table = yaml.safe_load((tmp_path / "sensors/tiny.yaml").read_text(encoding="utf-8"))
    table["bands"].pop(lacking)
    (tmp_path / "sensors/rgb.yaml").write_text(yaml.safe_dump(table), encoding="utf-8")
    said = (
        f"rgb.yaml has no {lacking}, and a satellite's look is judged by blue, green, red and nir"
    )
    assert any(said in w and f.weight is Weight.WRONG for w, f in about(config, path).items())
    for dry in (True, False):
        with pytest.raises(ConfigurationError, match=said):
            run_workflow(RunRequest(path, dry_run=dry))
    with pytest.raises(ConfigurationError, match=f"red and nir{why}"):
        run_workflow(RunRequest(path))
    assert not list(tmp_path.rglob("items"))


def test_a_catalogue_says_which_variables_are_missing(
    tmp_path: Path, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OFFICE_KEY", raising=False)
    monkeypatch.delenv("OFFICE_SECRET", raising=False)
    s3 = {"endpoint": "https://s3.example", "key_env": "OFFICE_KEY", "secret_env": "OFFICE_SECRET"}
    source = {**tiny.SILENT, "access": {"s3": s3}}
    path = tiny.workflow(tmp_path, tmp_path, sources=[source])
    found = about(config, path)
    (what,) = set(found) - {"it has never run"}
    assert "environment variable(s) that are not set: OFFICE_KEY, OFFICE_SECRET" in what
    monkeypatch.setenv("OFFICE_KEY", "a")
    monkeypatch.setenv("OFFICE_SECRET", "b")
    assert set(about(config, path)) == {"it has never run"}
    source = {**tiny.SILENT, "url": "gone/catalog.json"}
    path = tiny.workflow(tmp_path, tmp_path, sources=[source])
    assert any("gone/catalog.json does not exist" in what for what in about(config, path))


def test_the_corridors_of_the_workflow_are_judged(tmp_path: Path, config: Path) -> None:
    images = tiny.write_scenes(tmp_path / "images", only=range(1))
    path = tiny.workflow(tmp_path, images)
    named = [f.what for f in examine(Checkup(config)) if f.group == "corridors"]
    assert any("river (小江) ±3000 m" in what for what in named)
    found = examine(Checkup(config, (path,)))
    named = [f.what for f in found if f.group == "corridors"]
    assert named == ["tiny (小河) has no centreline"]
    (config / "corridors.geojson").unlink()
    assert exit_code(examine(Checkup(config, (path,))), strict=False) == ExitCode.DONE
    assert exit_code(examine(Checkup(config)), strict=False) == ExitCode.CONFIGURATION


def test_every_command_that_the_doctor_names_can_be_given(tmp_path: Path, config: Path) -> None:
    content = json.loads((config / "corridors.geojson").read_text("utf-8"))
    area = office.lonlat(office.river().buffer(400))
    content["features"][0]["geometry"] = mapping(area)
    (config / "corridors.geojson").write_text(json.dumps(content), encoding="utf-8")
    found = [*examine(Checkup(config)), *examine(Checkup(tmp_path / "nowhere"))]
    named = {r for f in found for r in re.findall(r"siluan ((?:\w+ )?\w+)([^,:]*)", f.remedy)}
    assert {"corridor add", "corridor derive", "layers import"} <= {command for command, _ in named}
    for command, words in named:
        node: Any = typer.main.get_command(app)
        for word in command.split():
            node = node.commands.get(word, node) if hasattr(node, "commands") else node
        needed = {p.opts[0] for p in node.params if p.required and p.opts[0].startswith("--")}
        assert all(option in words for option in needed), (command, words)
