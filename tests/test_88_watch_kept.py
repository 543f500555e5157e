"""A patrol judges new looks only: what was found of a look is kept, and changes nothing."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parent))
import tiny

from pipeline.cli import app
from pipeline.passes import change, follow, levels, watch

KINDS = ("levels", "shores", "zhan", "ground", "run", "at_water")


def run(path: Path) -> None:
    result = CliRunner().invoke(app, ["run", str(path)])
    assert result.exit_code in (0, 10), result.output


def kept(folder: Path) -> dict[str, dict[str, bytes]]:
    """Give what a store's folder keeps of looks: entry → arrays."""
    (vault,) = (folder / "state/store").rglob("kept")
    out: dict[str, dict[str, bytes]] = {}
    for kind in KINDS:
        for path in (vault / kind).glob("*.npz"):
            with path.open("rb") as file:
                file.seek(8)
                with np.load(file) as arrays:
                    out[f"{kind}/{path.stem}"] = {n: arrays[n].tobytes() for n in arrays.files}
    return out


def shown(folder: Path) -> list[tuple[object, object, object]]:
    """Give what is said of objects; how often the ledger was written is left out."""
    every = [f for name in ("cases.geojson", "watch.geojson") for f in tiny.features(folder, name)]
    own = ("kind", "evidence_state", "dates_seen", "misses", "level_ranks", "area_m2", "detector")
    return [(f["geometry"], f["id"], [f["properties"][n] for n in own]) for f in every]


def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note every look that is judged."""
    calls: list[str] = []

    def noted(module: object, name: str) -> None:
        plain: Callable[..., object] = getattr(module, name)

        def work(*given: object, **more: object) -> object:
            calls.append(name)
            return plain(*given, **more)

        monkeypatch.setattr(module, name, work)

    noted(levels, "tally_level")
    noted(levels, "tally_shore")
    noted(watch, "candidates")
    noted(change, "deviation")
    noted(follow, "_shown")
    return calls


@pytest.mark.thorough
def test_what_is_kept_is_not_judged_again_and_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = counted(monkeypatch)
    path = tiny.workflow(tmp_path, tiny.write_scenes(tmp_path / "images"))
    run(path)
    once = tiny.outputs(tmp_path)
    assert json.loads(once["cases.geojson"])["features"] or json.loads(once["watch.geojson"])
    assert {"tally_level", "tally_shore", "candidates", "deviation"} <= set(calls)
    entries = kept(tmp_path)
    assert {name.split("/")[0] for name in entries} == set(KINDS)

    calls.clear()
    run(path)
    assert calls == []
    assert tiny.outputs(tmp_path) == once

    (vault,) = (tmp_path / "state/store").rglob("kept")
    for kind in KINDS:
        shutil.rmtree(vault / kind)
    (past,) = (tmp_path / "state/store").rglob("past")
    shutil.rmtree(past)
    run(path)
    assert tiny.outputs(tmp_path) == once
    assert kept(tmp_path) == entries


ALL = frozenset(range(len(tiny.LEVELS)))
LOOSER = {"detect": {"zhan": {"min_pixels": 3}}}
BEFORE_AND_AFTER: dict[str, tuple[frozenset[int], dict[str, Any], dict[str, Any]]] = {
    "the newest look comes": (ALL - {14}, {}, {}),
    "a look of the patrol comes late": (ALL - {12}, {}, {}),
    "a look of the history comes late": (ALL - {3}, {}, {}),
    "an option changes": (ALL, {}, {"options": {"store": {"tile_px": 128}, **LOOSER}}),
    "the patrol begins later": (ALL, {}, {"patrol_from": "2025-01-15"}),
}


def setting(folder: Path, held: frozenset[int], changes: dict[str, Any]) -> Path:
    """Write scenes and a workflow; scenes that are not held go."""
    images = folder / "images"
    shutil.rmtree(images, ignore_errors=True)
    for index in sorted(held):
        tiny.write_scenes(images, only=range(index, index + 1))
    more = {k: v for k, v in changes.items() if k == "options"}
    path = tiny.workflow(folder, images, **more)
    if "patrol_from" in changes:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        content["period"]["patrol_from"] = changes["patrol_from"]
        path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


@pytest.mark.thorough
@pytest.mark.parametrize("what", BEFORE_AND_AFTER)
def test_what_is_kept_is_what_a_fresh_store_would_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    first, before, after = BEFORE_AND_AFTER[what]
    whole, grown = tmp_path / "whole", tmp_path / "grown"
    calls = counted(monkeypatch)
    run(setting(whole, ALL, after))
    every = calls.count("candidates")
    run(setting(grown, first, before))
    shutil.rmtree(grown / "out")
    (grown / "state/ledger.sqlite").unlink()  # what cases remember is the ledger's to prove
    calls.clear()
    run(setting(grown, ALL, after))
    if what == "the newest look comes":
        assert 0 < calls.count("candidates") < every
    one, other = kept(whole), kept(grown)
    assert {n: a for n, a in other.items() if n in one} == one  # all that the fresh one has
    assert shown(grown) == shown(whole)
    assert shown(whole)


def grown(folder: Path, upto: int) -> Path:
    """Write the looks up to one, the newest with a longer fill; give the later patrol."""
    path = setting(folder, frozenset(range(upto + 1)), {"patrol_from": "2025-01-15"})
    for index in range(12, upto + 1):
        seen = tiny.look(index, fill=True)
        seen[:, 64 : 60 + 6 * (index - 11), 72:92] = seen[:, 50:51, 72:92]
        tiny.write_look(folder / "images", tiny.days()[index], seen)
    return path


@pytest.mark.thorough
def test_a_case_that_a_new_look_outlines_anew_leaves_the_history_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = counted(monkeypatch)
    run(setting(tmp_path, frozenset(range(12)), {}))
    calls.clear()
    run(grown(tmp_path, 13))
    one = calls.count("candidates")
    before = {f["id"]: f["geometry"] for f in tiny.features(tmp_path, "cases.geojson")}
    calls.clear()
    run(grown(tmp_path, 14))
    after = {f["id"]: f["geometry"] for f in tiny.features(tmp_path, "cases.geojson")}
    assert 0 < calls.count("candidates") <= one  # of the new look alone
    assert before
    assert after != before
    every = tiny.outputs(tmp_path)
    calls.clear()
    run(grown(tmp_path, 14))
    assert set(calls) <= {"_shown"}  # its new outline is asked of all looks, once
    assert tiny.outputs(tmp_path) == every
