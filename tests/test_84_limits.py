"""The store as a cache: limited, shared by turns, and nothing lost that a run cannot read again."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import tiny

from pipeline.config import Workflow, choose_corridors, load_workflow
from pipeline.errors import ExitCode
from pipeline.io.atomic import write_json
from pipeline.ledger import open_ledger
from pipeline.model import Case
from pipeline.passes.limits import keep_within
from pipeline.passes.site import store_root
from pipeline.run import RunRequest, run_workflow

COMMAND = [sys.executable, "-c", "from pipeline.cli import main; main()"]


def limited(folder: Path, limit_gb: float | None) -> Workflow:
    store: dict[str, Any] = {"tile_px": 128, "limit_gb": limit_gb}
    return load_workflow(tiny.workflow(folder, folder, options={"store": store}))


def fill_store(root: Path) -> None:
    """Five passes of 1000 bytes of pixels and 500 of layers; the third is all cloud."""
    write_json(root / "store.json", {})
    for n in range(5):
        write_json(root / f"p{n}/pass.json", {"fingerprint": "f", "note": {}})
        os.utime(root / f"p{n}/pass.json", (1000 + n, 1000 + n))
        if n == 2:
            continue
        for folder in (f"p{n}", f"mask/k{n}/p{n}"):
            (root / folder).mkdir(parents=True, exist_ok=True)
        (root / f"p{n}/0_0.blk").write_bytes(bytes(1000))
        (root / f"mask/k{n}/p{n}/0_0.blk").write_bytes(bytes(500))
    # p0 is the oldest, and another workflow used it a moment ago.
    record = {"workflow": "other", "runs": [{"mask": {"p0": "k0"}}, {"mask": {"p3": "k3"}}]}
    write_json(root / "layers/r.json", record)
    os.utime(root / "layers/r.json", (5000, 5000))


def test_what_was_used_longest_ago_goes_and_what_a_run_uses_stays(tmp_path: Path) -> None:
    workflow = limited(tmp_path, None)
    corridors = choose_corridors(workflow)
    root = store_root(workflow, corridors[0], 10.0)
    fill_store(root)
    used = {"tiny": ["p1"]}
    assert keep_within(workflow, used, corridors) == []
    (said,) = keep_within(limited(tmp_path, 6e-6), used, corridors)
    assert "1 passes" in said
    assert "reads them again" in said
    # p1 is older and in use; p3 is next; p0 was used by another workflow.
    assert sorted(p.parent.name for p in root.glob("*/pass.json")) == ["p0", "p1", "p2", "p4"]
    assert not (root / "p3").exists()
    assert not (root / "mask/k3/p3").exists()
    # No run is said to have what is gone, and the record is as old as it was.
    assert json.loads((root / "layers/r.json").read_bytes())["runs"][1] == {"mask": {}}
    assert (root / "layers/r.json").stat().st_mtime == 5000
    (said,) = keep_within(limited(tmp_path, 1e-7), used, corridors)
    assert "what this run used" in said
    assert sorted(p.parent.name for p in root.glob("*/pass.json")) == ["p1", "p2"]
    assert limited(tmp_path, 1.0).config_hash() == workflow.config_hash()


def test_half_a_pass_that_a_killed_run_left_goes_too(tmp_path: Path) -> None:
    workflow = limited(tmp_path, 1e-7)
    corridors = choose_corridors(workflow)
    root = store_root(workflow, corridors[0], 10.0)
    fill_store(root)
    (root / "p4/pass.json").unlink()
    keep_within(workflow, {"tiny": ["p1"]}, corridors)
    assert not (root / "p4").exists()
    assert not (root / "mask/k4/p4").exists()


def projection(folder: Path) -> list[Case]:
    with open_ledger(folder / "state/ledger.sqlite", writing=False) as ledger:
        return [replace(c, revision=0, run_id="") for c in ledger.cases()]


@pytest.mark.thorough
def test_a_run_over_a_store_that_was_cut_finds_the_same(tmp_path: Path) -> None:
    images = tiny.write_scenes(tmp_path / "images")
    path = tiny.workflow(tmp_path, images)
    assert run_workflow(RunRequest(path)) == ExitCode.DONE
    before, outputs = projection(tmp_path), _said(tmp_path)
    short = {"from": "2024-03-15", "patrol_from": "2024-10-15", "to": "2025-03-31", "zone": "UTC"}
    options = {"store": {"tile_px": 128, "limit_gb": 1e-6}}
    (store,) = (tmp_path / "state/store").iterdir()
    more = {"name": "cut", "period": short, "options": options}
    # What a source that gave no answer has may be in use: nothing goes.
    sources = [tiny.source(images), tiny.SILENT]
    shutil.copytree(tmp_path / "state", tmp_path / "silent/state")
    silent = tiny.workflow(tmp_path / "silent", images, sources=sources, **more)
    assert run_workflow(RunRequest(silent)) == ExitCode.UNREACHABLE
    assert (tmp_path / "silent/state/store" / store.name / "20240105_tiny").exists()
    cut = tiny.workflow(tmp_path / "cut", images, state=str(tmp_path / "state"), **more)
    assert run_workflow(RunRequest(cut)) == ExitCode.DONE
    assert not (store / "20240105_tiny").exists()
    assert (store / "20241031_tiny").exists()
    assert run_workflow(RunRequest(path)) == ExitCode.DONE
    assert projection(tmp_path) == before
    assert _said(tmp_path) == outputs


def _said(folder: Path) -> dict[str, Any]:
    """Outputs but for revisions: the shorter period between has said something of its own.

    Chips lie under their revision, and the overview names it.
    """
    out = {name: json.loads(content) for name, content in tiny.outputs(folder).items()}
    for collection in out.values():
        for feature in collection["features"]:
            for name in ("revision", "chips"):
                feature["properties"].pop(name, None)
    return out


@pytest.mark.thorough
def test_two_runs_at_once_take_turns_and_harm_nothing(tmp_path: Path) -> None:
    images = tiny.write_scenes(tmp_path / "images")
    alone = tiny.workflow(tmp_path / "alone", images)
    assert run_workflow(RunRequest(alone)) == ExitCode.DONE
    path = tiny.workflow(tmp_path / "both", images)
    runs = [
        subprocess.Popen([*COMMAND, "run", str(path)], cwd=tiny.ROOT, stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    ended = [(run.communicate(timeout=400)[1].decode(), run.returncode) for run in runs]
    codes = sorted(code for _, code in ended)
    assert codes in ([0, 0], [0, 4]), ended
    assert all("held by another run" in said for said, code in ended if code == 4)
    assert tiny.outputs(tmp_path / "both") == tiny.outputs(tmp_path / "alone")
