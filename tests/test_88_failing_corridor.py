"""One corridor that fails in the middle stops no other, and keeps what was known of it."""

from __future__ import annotations

import json
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import tiny

import pipeline.run as run_module
from pipeline.config import choose_corridors, load_workflow
from pipeline.errors import ConfigurationError, DiskFullError, ExitCode, SourceUnreachableError
from pipeline.io.corridors import reaches_of, utm_crs
from pipeline.io.observed import LookedAt, note_looks
from pipeline.passes.failing import Failures
from pipeline.passes.unseen import unseen_of_failed
from pipeline.run import RunRequest, run_workflow
from pipeline.schedule.leavings import last_report


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
    unseen = tiny.features(tmp_path, "not_observed.geojson")
    assert {f["properties"]["corridor_id"] for f in before} >= {"tiny"}
    real = run_module.run_corridor

    def broken(workflow: Any, corridor: Any, *rest: Any) -> Any:
        if corridor.id == "tiny":
            raise RuntimeError("torn")
        return real(workflow, corridor, *rest)

    monkeypatch.setattr(run_module, "run_corridor", broken)
    assert run_workflow(RunRequest(path)) == ExitCode.BUG
    assert tiny.features(tmp_path, "cases.geojson") == before
    after = tiny.features(tmp_path, "not_observed.geojson")
    assert [f["properties"] for f in after] == [f["properties"] for f in unseen]
    report = json.loads((tmp_path / "out/latest/run.json").read_text("utf-8"))
    assert report["counts"]["failed"] == {"tiny": "a bug, or a broken disk: RuntimeError('torn')"}
    assert set(report["counts"]["corridors"]) == {"other"}
    assert report["counts"]["corridors"]["other"]["newest_clear"] == "2025-02-28T03:00:00Z"
    assert "part" not in report["counts"]
    # A run of the other corridor alone hides the failure from nobody.
    monkeypatch.setattr(run_module, "run_corridor", real)
    assert run_workflow(RunRequest(path, corridors=("other",))) == ExitCode.DONE
    report = json.loads((tmp_path / "out/latest/run.json").read_text("utf-8"))
    assert report["counts"]["part"] is True
    assert set(last_report(tmp_path / "out").counts.failed) == {"tiny"}
    assert run_workflow(RunRequest(path)) == ExitCode.DONE
    assert set(last_report(tmp_path / "out").newest_clear) == {"tiny", "other"}
    assert not last_report(tmp_path / "out").counts.failed


def test_what_was_not_observed_of_a_failed_corridor_is_known_from_earlier_runs(
    tmp_path: Path,
) -> None:
    tiny.workflow(tmp_path, tmp_path)
    workflow = load_workflow(tmp_path / "workflow.yaml")
    (corridor,) = choose_corridors(workflow)
    ids = [r.id for r in reaches_of(corridor, utm_crs(corridor.polygon_wgs84))]
    start, end = workflow.period.span
    newest = end - timedelta(days=2)

    def unseen() -> dict[str, tuple[date | None, int]]:
        found = unseen_of_failed(workflow, corridor, newest)
        assert all(n.corridor_id == corridor.id and n.polygon_wgs84.area > 0 for n in found)
        return {n.reach_id: (n.last_clear, n.days) for n in found}

    whole = (newest.date() - start.date()).days
    assert unseen() == dict.fromkeys(ids, (None, whole))
    long_ago = newest.date() - timedelta(days=workflow.options.report.unseen_days)
    looks = {
        "old": LookedAt(on=long_ago, clear=tuple(ids)),
        "before": LookedAt(on=start.date() - timedelta(days=1), clear=tuple(ids)),
        "drone_1": LookedAt(on=newest.date(), clear=tuple(ids)),
        "cloud": LookedAt(on=newest.date(), clear=()),
    }
    note_looks(workflow.state, corridor, looks)
    days = workflow.options.report.unseen_days
    assert unseen() == dict.fromkeys(ids, (long_ago, days))
    seen = LookedAt(on=long_ago + timedelta(days=1), clear=tuple(ids[:1]))
    note_looks(workflow.state, corridor, {"new": seen})
    assert unseen() == dict.fromkeys(ids[1:], (long_ago, days))
    (workflow.state / "observed" / f"{corridor.id}.json").write_text("{")
    assert unseen() == dict.fromkeys(ids, (None, whole))


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
