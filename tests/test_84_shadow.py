"""A shadow run says what code and options would change, and changes nothing."""

from __future__ import annotations

import hashlib
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import parcel
import tiny

from pipeline.dispatch import run_beside
from pipeline.errors import ConfigurationError, ExitCode, LedgerHeldError
from pipeline.ledger.lock import hold
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


@pytest.mark.parametrize(
    ("asked", "dry", "inside", "said"),
    [
        (False, False, "", "--into goes with --shadow"),
        (True, True, "", "Ask for one of them"),
        (True, False, "state/store/here", "lays out a second time"),
        (True, False, "images", "no shadow run made"),
    ],
)
def test_what_is_no_shadow_is_refused(
    tmp_path: Path, asked: bool, dry: bool, inside: str, said: str
) -> None:
    (tmp_path / "state/store").mkdir(parents=True)
    (tmp_path / "images").mkdir()
    (tmp_path / "images/mine.txt").touch()
    request = RunRequest(workflow(tmp_path), dry_run=dry)
    before = content(tmp_path)
    with pytest.raises(ConfigurationError, match=said):
        run_beside(request, tmp_path / inside if inside else None, asked=asked)
    assert content(tmp_path) == before


@pytest.mark.thorough
@pytest.mark.timeout(400)
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
    assert sorted(p.name for p in place.iterdir()) == [
        ".siluan-shadow.lock",
        "would_change.geojson",
    ]
    (feature,) = json.loads((place / "would_change.geojson").read_bytes())["features"]
    assert feature["properties"]["changes"] == ["vanishes"]
    assert feature["properties"]["after"] is None
    assert feature["properties"]["before"]["kind"] == "zhan"

    # Of two at once the second would remove what the first works on.
    with hold(place / ".siluan-shadow"), pytest.raises(LedgerHeldError, match="another shadow"):
        run_beside(RunRequest(path), place)

    # A look that was used and lacks a block now: that it is missing is said, not left to the code.
    path = workflow(tmp_path)
    next((tmp_path / "state/store").glob("*/20241031_tiny/*.blk")).unlink()
    run_beside(RunRequest(path), None)
    out = capsys.readouterr().out
    assert "1 passes that were used would be read again (20241031_tiny)" in out

    # A scene that was used and is gone is no new code either.
    scene = sorted((tmp_path / "images").glob("*.tif"))[2]
    scene.rename(tmp_path / scene.name)
    run_beside(RunRequest(path), None)
    assert "1 passes that the last run used are not found now (20" in capsys.readouterr().out
    (tmp_path / scene.name).rename(scene)

    # Another size of tiles is another store, of which nothing is there: no finding.
    path = workflow(tmp_path, store={"tile_px": 64})
    with pytest.raises(ConfigurationError, match="holds no scene of tiny"):
        run_beside(RunRequest(path), None)


@pytest.mark.thorough
@pytest.mark.timeout(400)
def test_a_shadow_over_a_disk_compares_what_was_made_ready(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    disk = tmp_path / "disk"

    def send(indices: range) -> None:
        for index in indices:
            when = datetime.combine(tiny.days()[index], datetime.min.time(), UTC)
            bands = parcel.bands_of(tiny.look(index, fill=True))
            parcel.write_safe(disk, when.replace(hour=3, minute=1, second=12), bands)

    def told(**changes: object) -> RunRequest:
        options = {"store": {"tile_px": 128}, "evidence": {"pictures": False}, **changes}
        source = {"type": "disk", "path": str(disk)}
        of = {"sources": [source], "sensors": str(parcel.SENSORS)}
        return RunRequest(tiny.workflow(tmp_path, disk, options=options, **of))

    last = len(tiny.days()) - 1
    send(range(last))
    assert run_workflow(told()) == ExitCode.DONE
    send(range(last, last + 1))
    before = content(tmp_path)
    capsys.readouterr()
    assert run_beside(told(detect={"zhan": {"min_pixels": 5000}}), None) == ExitCode.WOULD_CHANGE
    out = capsys.readouterr().out
    assert "1 passes are not known to the state yet" in out
    assert "消失 vanishes" in out
    assert content(tmp_path) == before
