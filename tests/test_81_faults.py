"""Bad input gets a sentence and a code; a run that dies anywhere is finished by the next."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

sys.path.insert(0, str(Path(__file__).parent))
import tiny

from pipeline.errors import ConfigurationError, ExitCode
from pipeline.io.corridors import load_corridors
from pipeline.io.failpoints import NAMES
from pipeline.run import RunRequest, run_workflow

COMMAND = [sys.executable, "-c", "from pipeline.cli import main; main()"]


def siluan(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, **environment}
    return subprocess.run(
        [*COMMAND, *words], capture_output=True, text=True, check=False, env=env, cwd=tiny.ROOT
    )


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_scenes(tmp_path_factory.mktemp("scenes") / "images")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, images: Path) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("undisturbed")
    assert siluan("run", str(tiny.workflow(folder, images))).returncode == 0
    return tiny.outputs(folder)


_OFTEN = ("gather.block", "ledger.before_commit")  # the others belong to the longer lane


@pytest.mark.parametrize(
    "name",
    [n if n in _OFTEN else pytest.param(n, marks=pytest.mark.thorough) for n in sorted(NAMES)],
)
def test_a_killed_run_is_finished_by_the_next(
    tmp_path: Path, images: Path, undisturbed: dict[str, bytes], name: str
) -> None:
    path = tiny.workflow(tmp_path, images)
    nth = ":3" if name.startswith("gather.") else ""
    killed = siluan("run", str(path), SILUAN_FAILPOINT=f"{name}{nth}=kill")
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert run_workflow(RunRequest(path)) == ExitCode.DONE
    assert tiny.outputs(tmp_path) == undisturbed


@pytest.mark.parametrize(
    ("action", "code"),
    [pytest.param("interrupt", 130, marks=pytest.mark.thorough), ("enospc", 5)],
)
@pytest.mark.parametrize(
    "name",
    [
        "publish.before_swap",
        pytest.param("gather.block", marks=pytest.mark.thorough),
        pytest.param("prepare.reduced", marks=pytest.mark.thorough),
    ],
)
def test_ctrl_c_and_a_full_disk(
    tmp_path: Path,
    images: Path,
    undisturbed: dict[str, bytes],
    name: str,
    action: str,
    code: int,
) -> None:
    path = tiny.workflow(tmp_path, images)
    ended = siluan("run", str(path), SILUAN_FAILPOINT=f"{name}={action}")
    assert ended.returncode == code, ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stderr.lower().count("no space") == (action == "enospc")  # said once
    assert run_workflow(RunRequest(path)) == ExitCode.DONE
    assert tiny.outputs(tmp_path) == undisturbed


def test_sigterm_is_143(tmp_path: Path, images: Path) -> None:
    path = tiny.workflow(tmp_path, images)
    code = "import os, signal, pipeline.run as r\n"
    code += "r.search = lambda *a: os.kill(os.getpid(), signal.SIGTERM)\n"
    code += "from pipeline.cli import main; main()"
    command = [sys.executable, "-c", code, "run", str(path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tiny.ROOT)
    assert ended.returncode == 143, ended.stderr


def refused(folder: Path, images: Path, **changes: Any) -> str:
    ended = siluan("run", str(tiny.workflow(folder, images, **changes)))
    assert ended.returncode == 2, ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (folder / "out").exists()
    return ended.stderr


def test_a_misspelt_key_is_named_with_the_right_one(tmp_path: Path, images: Path) -> None:
    said = refused(tmp_path, images, options={"detect": {"zhan": {"min_pixel": 4}}}, perod={})
    assert "'options.detect.zhan.min_pixel' (did you mean 'min_pixels'?)" in said
    assert "'perod' (did you mean 'period'?)" in said


def test_unknown_corridors_are_all_named(tmp_path: Path, images: Path) -> None:
    ids = {"file": "corridors.geojson", "ids": ["tinny", "nowhere"]}
    said = refused(tmp_path, images, corridors=ids)
    assert "'tinny' (did you mean 'tiny'?)" in said
    assert "'nowhere'" in said


def test_a_corridor_outside_all_scenes_is_named(tmp_path: Path, images: Path) -> None:
    said = refused(tmp_path, images, corridors={"file": "corridors.geojson"})
    assert "outside all scenes of the sources: corridor(s) far" in said


def test_a_folder_that_cannot_be_written_is_named_before_the_work(
    tmp_path: Path, images: Path
) -> None:
    said = refused(tmp_path, images, out="/proc/nowhere")
    assert "/proc/nowhere cannot be written" in said


def test_bad_corridors_are_all_named(tmp_path: Path, images: Path) -> None:
    path = tiny.workflow(tmp_path, images)
    bare, twin = tiny.corridor(), tiny.corridor()
    bare["geometry"] = None
    line = {"type": "LineString", "coordinates": [[113.0, 27.8], [113.0, 27.9]]}
    stray = {"type": "Feature", "geometry": line, "properties": {"of": "nobody"}}
    features = [tiny.corridor(), twin, bare, stray]
    content = {"type": "FeatureCollection", "features": features}
    (tmp_path / "corridors.geojson").write_text(json.dumps(content), encoding="utf-8")
    ended = siluan("run", str(path))
    assert ended.returncode == 2
    assert "feature 3: it has no geometry" in ended.stderr
    assert "the id 'tiny' stands more than once" in ended.stderr
    assert "a centreline is of 'nobody', which is no corridor" in ended.stderr


def test_corridors_in_metres_are_named_with_what_the_file_says(tmp_path: Path) -> None:
    line = {"type": "LineString", "coordinates": [[480_000, 4_690_000], [481_000, 4_690_000]]}
    lake = {"type": "LineString", "coordinates": [[113.0, 27.8], [113.0, 27.9]]}
    own = {"id": "a", "name_zh": "a", "water": "river", "accuracy_m": 9, "provenance": "p"}
    features = [
        {"type": "Feature", "geometry": line, "properties": own | {"half_width_m": 100}},
        {"type": "Feature", "geometry": lake, "properties": {"id": "b"}},
    ]
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32631"}}
    path = tmp_path / "corridors.geojson"
    path.write_text(json.dumps({"crs": crs, "features": features}), encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load_corridors(path)
    said = caught.value.what
    assert "feature 1: coordinates are not WGS 84" in said
    assert "EPSG::32631" in said
    assert "--id ID --datum DATUM" in said
    # A key that is missing hides no other fault of its feature.
    assert "missing key 'provenance'" in said
    assert "a line needs half_width_m" in said


@pytest.mark.parametrize(
    "geometry",
    [
        {"type": "Polygon", "coordinates": [[[0, 0], [1, 1]]]},
        {"type": "LineString", "coordinates": [[113.0, 27.8]]},
        {"type": "Foo", "coordinates": []},
        {"type": "Polygon", "coordinates": [[["a", 1]]]},
    ],
)
@pytest.mark.parametrize("stated", [{}, {"provenance": "p"}, {"of": "b"}])
def test_a_shape_that_is_none_is_named_with_what_else_is_wrong(
    tmp_path: Path, geometry: dict[str, object], stated: dict[str, str]
) -> None:
    own = {"id": "a", "name_zh": "a", "water": "river", "accuracy_m": 9, **stated}
    feature = {"type": "Feature", "geometry": geometry, "properties": own}
    path = tmp_path / "corridors.geojson"
    path.write_text(json.dumps({"features": [feature]}), encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load_corridors(path)
    assert "feature 1: " in caught.value.what
    assert "its geometry is no shape" in caught.value.what
    assert ("missing key 'provenance'" in caught.value.what) == (not stated)


def test_scenes_of_a_folder_that_lie_in_no_corridor_are_named(tmp_path: Path, images: Path) -> None:
    strays = tmp_path / "images"
    shutil.copytree(images, strays)
    first = sorted(strays.glob("*.tif"))[0]
    with rasterio.open(first, "r+") as sink:
        sink.crs = "EPSG:32648"  # the zone beside the true one
    ended = siluan("run", str(tiny.workflow(tmp_path, strays)), "--dry-run", "--corridor", "tiny")
    assert ended.returncode == 0, ended.stderr
    assert f"no corridor of this run is touched by {first.stem};" in ended.stderr


def test_an_empty_search_is_done_with_a_warning(tmp_path: Path, images: Path) -> None:
    period = {"from": "2019-01-01", "to": "2019-12-31", "zone": "UTC"}
    ended = siluan("run", str(tiny.workflow(tmp_path, images, period=period)))
    assert ended.returncode == 0
    assert "no scenes in the period; 15 lie outside it, 2024-01-05 to 2025-02-28" in ended.stderr
    assert "look at period and sources" in ended.stdout
    assert tiny.features(tmp_path, "cases.geojson") == []


@pytest.mark.thorough
def test_a_server_that_does_not_answer_is_3(tmp_path: Path, images: Path) -> None:
    dead = {"type": "stac", "url": "http://127.0.0.1:9/", "sensor": "tiny", "retries": 0}
    ended = siluan("run", str(tiny.workflow(tmp_path, images, sources=[dead])))
    assert ended.returncode == 3
    assert "does not answer" in ended.stderr
    # What could be done is done where another source answers.
    both = [dead, tiny.source(images)]
    ended = siluan("run", str(tiny.workflow(tmp_path, images, sources=both)))
    assert ended.returncode == 3
    assert len(tiny.features(tmp_path, "cases.geojson")) == 1


def test_bad_scenes_are_set_aside_by_name_and_the_run_goes_on(tmp_path: Path) -> None:
    images = tiny.write_scenes(tmp_path / "images")
    files = sorted(images.glob("*.tif"))
    whole = files[3].read_bytes()
    files[3].write_bytes(whole[: len(whole) // 2])
    tiny.write_stack(files[4], np.full((2, 128, 128), 500, "uint16"))
    files[5].write_text("<html>not found</html>", encoding="utf-8")
    tiny.write_stack(files[6], np.full((6, 128, 128), 500, "uint16"), crs=None)
    ended = siluan("run", str(tiny.workflow(tmp_path, images)))
    assert ended.returncode == 10, ended.stderr
    for file in files[3:7]:
        assert file.stem in ended.stderr
    assert "damaged or truncated" in ended.stderr
    assert "no band" in ended.stderr
    assert "no coordinate reference system" in ended.stderr
    record = json.loads((tmp_path / "out/latest/run.json").read_text(encoding="utf-8"))
    assert len(record["set_aside"]) >= 4


def test_a_held_ledger_is_4(tmp_path: Path, images: Path) -> None:
    path = tiny.workflow(tmp_path, images)
    (tmp_path / "state").mkdir()
    with (tmp_path / "state/ledger.sqlite.lock").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ended = siluan("run", str(path))
    assert ended.returncode == 4, ended.stderr
    assert "held by another run" in ended.stderr


def test_help_has_examples() -> None:
    ended = siluan("run", "--help")
    assert ended.returncode == 0
    assert "Examples" in ended.stdout
