"""One corridor that fails in the middle stops no other, and keeps what was known of it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import tiny

import pipeline.run as run_module
from pipeline.errors import ConfigurationError, DiskFullError, ExitCode, SourceUnreachableError
from pipeline.passes.failing import Failures
from pipeline.run import RunRequest, run_workflow


@pytest.mark.thorough
def test_the_others_are_finished_and_its_cases_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = tiny.write_scenes(tmp_path / "images")
    path = tiny.workflow(tmp_path, images)
    places = {"type": "FeatureCollection", "features": [tiny.corridor(), tiny.corridor()]}
    places["features"][1]["properties"]["id"] = "other"
    (tmp_path / "corridors.geojson").write_text(json.dumps(places), encoding="utf-8")
    text = path.read_text("utf-8").replace("- tiny\n", "- tiny\n  - other\n")
    path.write_text(text, encoding="utf-8")
    assert run_workflow(RunRequest(path)) == ExitCode.DONE
    before = tiny.features(tmp_path, "cases.geojson")
    assert {f["properties"]["corridor_id"] for f in before} >= {"tiny"}
    real = run_module.run_corridor

    def broken(workflow: Any, corridor: Any, *rest: Any) -> Any:
        if corridor.id == "tiny":
            raise RuntimeError("torn")
        return real(workflow, corridor, *rest)

    monkeypatch.setattr(run_module, "run_corridor", broken)
    assert run_workflow(RunRequest(path)) == ExitCode.BUG
    assert tiny.features(tmp_path, "cases.geojson") == before
    report = json.loads((tmp_path / "out/latest/run.json").read_text("utf-8"))
    assert report["counts"]["failed"] == {"tiny": "a bug, or a broken disk: RuntimeError('torn')"}
    assert set(report["counts"]["corridors"]) == {"other"}
    assert report["counts"]["corridors"]["other"]["newest_clear"] == "2025-02-28T03:00:00Z"


def test_where_there_is_but_one_no_others_are_said_to_go_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    for alone, times in ((True, 0), (False, 1)):
        failures = Failures(alone=alone)
        with failures.of("a"):
            raise SourceUnreachableError("silent")
        assert caplog.text.count("the others go on") == times
        with pytest.raises(SourceUnreachableError):
            failures.raise_if_all(1)


def test_what_concerns_all_ends_the_run() -> None:
    failures = Failures()
    for error in (DiskFullError("full"), KeyboardInterrupt(), OSError(28, "full")):
        with pytest.raises(type(error)), failures.of("a"):
            raise error
    assert failures.worse_than(ExitCode.DONE) == ExitCode.DONE
    with failures.of("a"):
        raise SourceUnreachableError("silent")
    assert failures.worse_than(ExitCode.SET_ASIDE) == ExitCode.UNREACHABLE
    with failures.of("b"):
        raise ConfigurationError("the store is damaged")
    assert failures.worse_than(ExitCode.DONE) == ExitCode.BUG
    failures.raise_if_all(3)
    with pytest.raises(SourceUnreachableError):
        failures.raise_if_all(2)
