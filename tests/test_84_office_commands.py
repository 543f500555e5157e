"""The office's commands end to end: layers reach the cases, corridors are kept, doctor only reads."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import shapely
from shapely.geometry import shape

sys.path.insert(0, str(Path(__file__).parent))
import office
import tiny

from pipeline.errors import ExitCode
from pipeline.io.datum import Datum
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
