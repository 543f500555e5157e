"""A corridor gets another outline: said before, read again, the old store goes, no case is lost."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from shapely.affinity import scale
from shapely.geometry import mapping, shape

sys.path.insert(0, str(Path(__file__).parent))
import office
import tiny

from pipeline.baseline import BuildRequest, build_baseline
from pipeline.config import choose_corridors, load_workflow
from pipeline.errors import ConfigurationError, ExitCode
from pipeline.io.datum import Datum
from pipeline.io.settings import NAME
from pipeline.ledger import open_ledger
from pipeline.office.corridors import AddRequest, add_corridor
from pipeline.office.releasing import plan_release, release
from pipeline.passes.old_stores import LOST, describe_old, drop_old_stores, note_use
from pipeline.passes.site import store_root
from pipeline.run import RunRequest, run_workflow


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_scenes(tmp_path_factory.mktemp("scenes") / "images")


def redraw(folder: Path, xfact: float, origin: str | tuple[float, float]) -> None:
    """Make the corridor narrower or wider."""
    feature = tiny.corridor()
    area = scale(shape(feature["geometry"]), xfact, 1, origin=origin)
    feature["geometry"] = mapping(area)
    content = {"type": "FeatureCollection", "features": [feature]}
    (folder / "corridors.geojson").write_text(json.dumps(content), encoding="utf-8")


def stores(folder: Path) -> list[str]:
    return sorted(p.name for p in (folder / "state/store").iterdir())


@pytest.mark.thorough
def test_it_is_said_and_the_old_store_goes(
    tmp_path: Path, images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tiny.workflow(tmp_path, images)
    assert run_workflow(RunRequest(path)) == ExitCode.DONE
    (case,) = tiny.features(tmp_path, "cases.geojson")
    (before,) = stores(tmp_path)
    redraw(tmp_path, 0.98, "centroid")
    capsys.readouterr()
    for said in (
        lambda: run_workflow(RunRequest(path, dry_run=True)),
        lambda: build_baseline(BuildRequest(path, years=2, dry_run=True)),
    ):
        assert said() == ExitCode.DONE
        out = capsys.readouterr().out
        assert "a new store begins, and 15 passes are read again" in out
        assert "The old store (" in out
    assert stores(tmp_path) == [before]
    assert run_workflow(RunRequest(path)) == ExitCode.DONE
    err = capsys.readouterr().err
    assert "a new store begins" in err
    assert f"the old store {before} (" in err
    (after,) = stores(tmp_path)
    assert after != before
    (same,) = tiny.features(tmp_path, "cases.geojson")
    assert same["id"] == case["id"]
    assert run_workflow(RunRequest(path)) == ExitCode.DONE
    assert "store" not in capsys.readouterr().err.replace("stored", "")


@pytest.mark.thorough
def test_a_case_outside_the_new_outline_is_not_lost(tmp_path: Path, images: Path) -> None:
    path = tiny.workflow(tmp_path, images)
    assert run_workflow(RunRequest(path)) == ExitCode.DONE
    (case,) = tiny.features(tmp_path, "cases.geojson")
    west, south, _, _ = shape(tiny.corridor()["geometry"]).bounds
    redraw(tmp_path, 0.5, (west, south))  # the fill lies in the eastern half
    assert run_workflow(RunRequest(path)) == ExitCode.DONE
    with open_ledger(tmp_path / "state/ledger.sqlite") as ledger:
        (kept,) = ledger.cases()
    assert kept.case_id == case["id"]
    assert kept.produced
    assert [f["id"] for f in tiny.features(tmp_path, "cases.geojson")] == [case["id"]]


@pytest.mark.thorough
def test_a_store_that_another_workflow_uses_is_kept_until_it_too_has_moved_on(
    tmp_path: Path, images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tiny.workflow(tmp_path, images, name="other", out="other")
    assert run_workflow(RunRequest(path)) == ExitCode.DONE
    path = tiny.workflow(tmp_path, images)
    assert run_workflow(RunRequest(path)) == ExitCode.DONE
    (before,) = stores(tmp_path)
    redraw(tmp_path, 0.98, "centroid")
    assert run_workflow(RunRequest(path)) == ExitCode.DONE
    assert "is used by other, and is kept" in capsys.readouterr().err
    assert before in stores(tmp_path)
    path = tiny.workflow(tmp_path, images, name="other", out="other")
    redraw(tmp_path, 0.98, "centroid")
    assert run_workflow(RunRequest(path)) == ExitCode.DONE
    assert before not in stores(tmp_path)
    assert len(stores(tmp_path)) == 1


def beside(folder: Path, old_ids: tuple[str, ...], new_ids: tuple[str, ...]) -> tuple[Path, Any]:
    """Lay an old store and today's beside each other; give the old one and what drops it."""
    workflow = load_workflow(tiny.workflow(folder, folder))
    (corridor,) = choose_corridors(workflow, ())
    old = folder / "state/store/tiny-00000000-10m"
    for root, ids in ((old, old_ids), (store_root(workflow, corridor, 10), new_ids)):
        for name in ids:
            (root / name).mkdir(parents=True)
            (root / name / "pass.json").write_text("{}", encoding="utf-8")
    note_use(old, workflow)
    return old, lambda: drop_old_stores(workflow, corridor)


def test_an_old_store_stays_while_the_new_one_lacks_passes_of_it(tmp_path: Path) -> None:
    old, drop = beside(tmp_path, ("a", "b", "c"), ("c", "d"))
    (line,) = drop()
    assert "is kept: 2 of its passes are not in the new one yet" in line
    assert (old / "a/pass.json").exists()


def test_a_leftover_of_an_interrupted_removal_is_in_nobodys_way(tmp_path: Path) -> None:
    old, drop = beside(tmp_path, ("a",), ("a",))
    (old.with_name(f".{old.name}.gone") / "a").mkdir(parents=True)
    (line,) = drop()
    assert "was removed" in line
    assert old.name not in " ".join(stores(tmp_path))


def test_an_old_store_that_cannot_be_removed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, drop = beside(tmp_path, ("a",), ("a",))

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "rename", refuse)
    (line,) = drop()
    assert "could not be removed: Permission denied" in line
    assert old.exists()


def test_replacing_a_corridor_says_what_it_costs(tmp_path: Path) -> None:
    config = office.make_config(tmp_path)
    file = office.write_geojson(
        tmp_path / "area.geojson", [office.feature(office.lonlat(office.river().buffer(300)))]
    )
    request = AddRequest(file, "river", Datum.CGCS2000, config, accuracy_m=20)
    with pytest.raises(ConfigurationError, match="reads its history again"):
        add_corridor(request)
    lines = add_corridor(AddRequest(**{**request.__dict__, "replace": True}))
    assert any(
        "another outline of river: the next run reads its history again" in line for line in lines
    )
    line = office.write_geojson(
        tmp_path / "line.geojson", [office.feature(office.lonlat(office.river()))]
    )
    lines = add_corridor(AddRequest(line, "river", Datum.CGCS2000, config, replace=True))
    assert not any("another outline" in said for said in lines)


@pytest.mark.parametrize("damage", [b"", b"{", b"\xff\xfe", b'{"a": 1}', b'["a", 1]', b'"tiny"'])
def test_a_damaged_list_of_users_ends_no_run_and_frees_no_store(
    tmp_path: Path, damage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    old, drop = beside(tmp_path, ("a",), ("a",))
    workflow = load_workflow(tmp_path / "workflow.yaml")
    (corridor,) = choose_corridors(workflow, ())
    today = store_root(workflow, corridor, 10)
    for root in (old, today):
        (root / "used_by.json").write_bytes(damage)
    (known,) = describe_old(workflow, corridor)  # as the doctor asks, which only reads
    assert known.others(workflow) == (LOST,)
    for _ in range(2):
        note_use(today, workflow)
        (line,) = drop()
        assert f"is used by {LOST}, and is kept" in line
    for root in (old, today):
        assert caplog.text.count(f"{root / 'used_by.json'} is damaged") == 1
    assert json.loads((today / "used_by.json").read_text()) == [LOST, workflow.name]
    note_use(old, workflow)  # drawn as it was before, and back again
    (line,) = drop()
    assert old.exists()
    assert re.fullmatch(NAME, LOST) is None
    path = tmp_path / "workflow.yaml"
    with pytest.raises(ConfigurationError, match=f"in use by {LOST}"):
        plan_release(path, corridor.id, ())
    release(plan_release(path, corridor.id, (LOST,)))
    assert not old.exists()
