"""A shadow run says what code and options would change, and changes nothing."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import tiny

from pipeline.dispatch import run_beside
from pipeline.errors import ConfigurationError, ExitCode
from pipeline.run import RunRequest, run_workflow


def content(folder: Path) -> dict[str, str]:
    """Digests of all that a run has left in ``state`` and ``out``, but for the shadow's folder."""
    return {
        p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
        for part in ("state", "out")
        for p in (folder / part).rglob("*")
        if p.is_file() and "shadow" not in p.parts
    }


def workflow(folder: Path, **changes: object) -> Path:
    plain = {"store": {"tile_px": 128}, "evidence": {"pictures": False}}
    return tiny.workflow(folder, folder / "images", options={**plain, **changes})


@pytest.mark.thorough
def test_a_shadow_says_what_would_change_and_changes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny.write_scenes(tmp_path / "images")
    path = workflow(tmp_path)
    with pytest.raises(ConfigurationError, match="holds no store"):
        run_beside(RunRequest(path), None)
    assert run_workflow(RunRequest(path)) == ExitCode.DONE
    before = content(tmp_path)
    capsys.readouterr()
    assert run_beside(RunRequest(path), None) == ExitCode.DONE
    assert capsys.readouterr().out == "nothing would change\n"
    assert content(tmp_path) == before
    assert json.loads((tmp_path / "state/shadow/would_change.geojson").read_bytes()) == {
        "type": "FeatureCollection",
        "features": [],
    }

    # More than the fill's area is asked for: the case that stands would go.
    path = workflow(tmp_path, detect={"zhan": {"min_pixels": 5000}})
    place = tmp_path / "elsewhere"
    assert run_beside(RunRequest(path), place) == ExitCode.WOULD_CHANGE
    out = capsys.readouterr().out
    assert "1 cases would change" in out
    assert "消失 vanishes" in out
    assert content(tmp_path) == before
    assert sorted(p.name for p in place.iterdir()) == [".siluan-shadow", "would_change.geojson"]
    (feature,) = json.loads((place / "would_change.geojson").read_bytes())["features"]
    assert feature["properties"]["changes"] == ["vanishes"]
    assert feature["properties"]["after"] is None
    assert feature["properties"]["before"]["kind"] == "zhan"
