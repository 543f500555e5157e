"""A recheck: what newer imagery says of cases in hand, and that it says what a patrol says."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from affine import Affine
from shapely.geometry import box

sys.path.insert(0, str(Path(__file__).parent))
import tiny
from test_60_ledger_rules import candidate, context

import pipeline.recheck as recheck_module
from pipeline.dispatch import run_any
from pipeline.errors import ConfigurationError, ExitCode
from pipeline.io import corridors
from pipeline.io.settings import kind_of
from pipeline.io.store import CorridorStore
from pipeline.ledger import Command, Edit, apply, change, open_ledger
from pipeline.ledger.plan import plan
from pipeline.ledger.status import Reason
from pipeline.model import Case, Grid, Kind, Reach, Status
from pipeline.passes.ground import Site
from pipeline.passes.recheck import only_around
from pipeline.passes.recheck_workflow import load_recheck
from pipeline.run import RunRequest, run_workflow

HANDED = date(2025, 3, 1)
LEVELS = (0.8, 0.6, 0.75, 0.85, 0.7, 0.65, 0.8, 0.75, 0.6)


def later(n: int) -> date:
    return date(2025, 3, 20) + timedelta(days=12 * n)


def write_later(images: Path, shows: str) -> None:
    """Write scenes after the patrol; ``f``: with the fill, ``.``: without it."""
    for n, what in enumerate(shows):
        look = tiny.scene(LEVELS[n], 500 + n, fill=what == "f")
        tiny.write_look(images, later(n), look)


def say(state: Path, statuses: Sequence[Status], on: date = HANDED) -> None:
    """Move the only case through some statuses."""
    with open_ledger(state / "ledger.sqlite") as ledger:
        (case,) = ledger.cases()
        for status in statuses:
            edit = Edit(case.case_id, "王工", on, status=status, reason=Reason.CROP)
            said = Command("test", f"t-{status}", datetime(2025, 3, 1, tzinfo=UTC), "0")
            assert not change(ledger, [edit], said).refused


def the_case(folder: Path) -> Case:
    with open_ledger(folder / "state/ledger.sqlite", writing=False) as ledger:
        (case,) = ledger.cases()
    return case


def recheck(folder: Path, **changes: Any) -> Path:
    """Write the workflow of a recheck beside that of the patrol."""
    path = folder / "recheck.yaml"
    content = {"name": "again", "kind": "recheck", "patrol": "workflow.yaml", "out": "again"}
    path.write_text(yaml.safe_dump(content | changes), encoding="utf-8")
    return path


def said(folder: Path) -> list[dict[str, Any]]:
    text = (folder / "again/latest/recheck.geojson").read_text(encoding="utf-8")
    return [f["properties"] for f in json.loads(text)["features"]]


@pytest.fixture(scope="module")
def patrolled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A patrol up to the end of February, with one suspected fill."""
    folder = tmp_path_factory.mktemp("patrolled")
    images = tiny.write_scenes(folder / "images")
    small = {"options": {"store": {"tile_px": 64}}}
    path = tiny.workflow(folder, images, **small)
    assert run_workflow(RunRequest(path)) == ExitCode.DONE
    return folder


def again(patrolled: Path, folder: Path, shows: str, statuses: Sequence[Status]) -> Path:
    """A copy of it with later scenes, its case handed on, and a period up to the newest."""
    for name in ("state", "images"):
        shutil.copytree(patrolled / name, folder / name)
    write_later(folder / "images", shows)
    say(folder / "state", statuses)
    period = {"from": "2024-01-01", "patrol_from": "2024-10-15", "to": "2025-12-31", "zone": "UTC"}
    small = {"options": {"store": {"tile_px": 64}}}
    tiny.workflow(folder, folder / "images", period=period, **small)
    return recheck(folder)


IN_HAND = (Status.ISSUED, Status.VERIFIED, Status.RECTIFYING)


@pytest.mark.thorough
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("shows", "statuses", "word"),
    [
        (".....", IN_HAND, "已恢复"),
        ("fff", IN_HAND, "未恢复"),
        (".....fff", (*IN_HAND, Status.CLOSED), "回弹"),
    ],
)
def test_a_recheck_says_what_a_patrol_proposes_and_moves_nothing(
    tmp_path: Path, patrolled: Path, shows: str, statuses: Sequence[Status], word: str
) -> None:
    path = again(patrolled, tmp_path, shows, statuses)
    assert run_any(RunRequest(path)) == ExitCode.DONE
    (found,) = said(tmp_path)
    assert (found["word"], found["status"]) == (word, statuses[-1].value), found
    seen = [str(later(n)) for n, c in enumerate(shows) if c == "f"]
    assert found["dates_seen"] == seen
    assert found["counted_after"] == str(HANDED)
    case = the_case(tmp_path)
    assert (case.proposal, case.status) == (word, statuses[-1])
    before = (tmp_path / "again/latest/recheck.geojson").read_bytes()
    assert run_any(RunRequest(path)) == ExitCode.DONE
    assert (tmp_path / "again/latest/recheck.geojson").read_bytes() == before
    assert the_case(tmp_path) == case
    # The patrol over the same passes, from where the last one left the ledger.
    shutil.rmtree(tmp_path / "state")
    shutil.copytree(patrolled / "state", tmp_path / "state")
    say(tmp_path / "state", statuses)
    assert run_workflow(RunRequest(tmp_path / "workflow.yaml")) == ExitCode.DONE
    patrol = the_case(tmp_path)
    assert (patrol.case_id, patrol.proposal, patrol.status) == (
        case.case_id,
        case.proposal,
        case.status,
    )
    new = {later(n) for n in range(len(shows))}
    assert [(k.pass_id, k.seen) for k in patrol.looks if k.on.date() in new] == [
        (k.pass_id, k.seen) for k in case.looks if k.on.date() in new
    ]


def seeded(folder: Path, statuses: Sequence[Status] = (), **changes: Any) -> Path:
    """A ledger with one case, a patrol in whose period there is no scene, and its recheck."""
    images = tiny.write_scenes(folder / "images", only=range(1))
    period = {"from": "2025-06-01", "patrol_from": "2025-09-01", "to": "2025-12-31", "zone": "UTC"}
    tiny.workflow(folder, images, period=period)
    found = candidate(700_720, 3_079_360, 140, "hhh", corridor_id="tiny", kind=Kind.ZHAN)
    (folder / "state").mkdir()
    with open_ledger(folder / "state/ledger.sqlite") as ledger:
        where = context()
        apply(ledger, [found], type(where)(**{**vars(where), "corridors": ("tiny",)}))
    say(folder / "state", statuses)
    return recheck(folder, **changes)


def test_a_recheck_without_a_ledger_says_what_to_run_first(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    tiny.workflow(tmp_path, tmp_path / "images")
    with pytest.raises(ConfigurationError, match="no case to look at again"):
        run_any(RunRequest(recheck(tmp_path)))
    with pytest.raises(ConfigurationError, match="patrl"):
        run_any(RunRequest(recheck(tmp_path, patrl="workflow.yaml")))


@pytest.mark.parametrize("dry", [True, False])
def test_a_recheck_without_cases_reads_nothing_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], dry: bool
) -> None:
    path = seeded(tmp_path)
    assert run_any(RunRequest(path, dry_run=dry)) == ExitCode.DONE
    out = capsys.readouterr().out
    assert "nothing to recheck" in out
    assert (tmp_path / "again").exists() is not dry
    if not dry:
        assert said(tmp_path) == []
        assert "复核 rechecked: 0 · in" in out
        report = tmp_path / "again/latest/run.json"
        assert "part" not in json.loads(report.read_text("utf-8"))["counts"]
        assert run_any(RunRequest(path, corridors=("tiny",))) == ExitCode.DONE
        assert json.loads(report.read_text("utf-8"))["counts"]["part"] is True


def test_where_nobody_could_look_it_is_unknown_and_the_case_stays_as_it_was(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = seeded(tmp_path, IN_HAND)
    before = the_case(tmp_path)
    assert run_any(RunRequest(path, dry_run=True)) == ExitCode.DONE
    assert f"{before.case_id}: rectifying in tiny would be looked at again" in (
        capsys.readouterr().out
    )
    assert run_any(RunRequest(path)) == ExitCode.DONE
    (found,) = said(tmp_path)
    assert (found["word"], found["why"]) == ("不明", "本期没有影像，尚不能判断")
    assert the_case(tmp_path) == before
    record = json.loads((tmp_path / "again/latest/run.json").read_text(encoding="utf-8"))
    assert record["counts"]["recheck"] == {"不明": 1}
    assert record["counts"]["cases"] == {before.case_id: "不明"}
    assert "recheck.geojson" in record["files"]


def test_a_corridor_that_fails_stops_no_other_and_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = seeded(tmp_path)
    places = {"type": "FeatureCollection", "features": [tiny.corridor(), tiny.corridor()]}
    places["features"][1]["properties"]["id"] = "far"
    (tmp_path / "corridors.geojson").write_text(json.dumps(places), encoding="utf-8")
    far = candidate(700_300, 3_079_360, 140, "hhh", corridor_id="far", kind=Kind.ZHAN)
    with open_ledger(tmp_path / "state/ledger.sqlite") as ledger:
        where = context()
        apply(ledger, [far], type(where)(**{**vars(where), "corridors": ("far",), "run_id": "r9"}))
        for status in IN_HAND:
            told = Command("test", f"t-{status}", datetime(2025, 3, 1, tzinfo=UTC), "0")
            edits = [Edit(c.case_id, "王工", HANDED, status=status) for c in ledger.cases()]
            assert not change(ledger, edits, told).refused
    workflow = tmp_path / "workflow.yaml"
    workflow.write_text(
        workflow.read_text("utf-8").replace("- tiny\n", "- tiny\n  - far\n"), "utf-8"
    )
    real = recheck_module.recheck_corridor

    def broken(patrol: Any, corridor: Any, *rest: Any) -> Any:
        if corridor.id == "tiny":
            raise RuntimeError("torn")
        return real(patrol, corridor, *rest)

    monkeypatch.setattr(recheck_module, "recheck_corridor", broken)
    assert run_any(RunRequest(path)) == ExitCode.BUG
    why = {p["corridor_id"]: p["why"] for p in said(tmp_path)}
    assert why["tiny"] == "该河段本次处理失败，尚不能判断"
    assert why["far"] == "本期没有影像，尚不能判断"
    record = json.loads((tmp_path / "again/latest/run.json").read_text("utf-8"))
    assert record["counts"]["failed"] == {"tiny": "a bug, or a broken disk: RuntimeError('torn')"}
    assert set(record["counts"]["corridors"]) == {"far"}
    only = tmp_path / "workflow.yaml"
    only.write_text(only.read_text("utf-8").replace("  - far\n", ""), "utf-8")
    with pytest.raises(RuntimeError, match="torn"):
        run_any(RunRequest(path))


def test_only_the_tiles_that_a_case_needs_are_judged(tmp_path: Path) -> None:
    """A river of five reaches over ten tiles: the reach of the case, and those beside it."""
    grid = Grid("EPSG:32649", Affine(10, 0, 0, 0, -10, 6400), (640, 64))
    stored = box(0, 0, 640, 6400)
    store = CorridorStore(tmp_path, grid, 64, stored)
    reaches = tuple(
        Reach(i, f"r-{i}", box(0, 6400 - 1280 * i, 640, 6400 - 1280 * (i - 1))) for i in range(1, 6)
    )
    place = corridors.load_corridors(_corridor_file(tmp_path))[0]
    site = Site(place, store, reaches)
    (case,) = plan((), [candidate(300, 5900, 60, "hhh")], context()).cases
    part = only_around(site, [case])
    rows = [t.core.row0 for t in part.store.tiles]
    # Reach 1 ends at row 128; the halo of its tiles reaches into reach 2, which goes to row 256.
    assert rows == [0, 64, 128, 192]
    assert part.store.all_tiles == store.all_tiles
    assert len(store.tiles) == 10


def _corridor_file(folder: Path) -> Path:
    path = folder / "c.geojson"
    content = {"type": "FeatureCollection", "features": [tiny.corridor()]}
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def test_the_workflow_that_ships_is_one() -> None:
    root = Path(__file__).parents[1] / "workflows"
    assert kind_of(root / "recheck.yaml") == "recheck"
    assert kind_of(root / "patrol.yaml") == "patrol"
    own, patrol = load_recheck(root / "recheck.yaml")
    assert (own.patrol, patrol.name) == ((root / "patrol.yaml").resolve(), "patrol")
    assert own.config_hash(patrol) != patrol.config_hash()
