"""A patrol judges new looks only: what was found of a look is kept, and changes nothing."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parent))
import tiny

from pipeline.cli import app
from pipeline.passes import change, levels, watch

KINDS = ("levels", "shores", "zhan", "ground", "run")


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

    noted(levels, "tally_levels")
    noted(levels, "tally_shore")
    noted(watch, "candidates")
    noted(change, "deviation")
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
    assert {"tally_levels", "tally_shore", "candidates", "deviation"} <= set(calls)
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


@pytest.mark.thorough
def test_a_look_that_comes_later_is_judged_as_if_it_had_been_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What both ways keep under one name is the same, and only the new look is searched."""
    whole, weekly = tmp_path / "whole", tmp_path / "weekly"
    calls = counted(monkeypatch)
    run(tiny.workflow(whole, tiny.write_scenes(whole / "images")))
    every = calls.count("candidates")
    last = len(tiny.LEVELS) - 1
    images = tiny.write_scenes(weekly / "images", only=range(last))
    path = tiny.workflow(weekly, images)
    run(path)
    tiny.write_scenes(weekly / "images", only=range(last, last + 1))
    calls.clear()
    run(path)
    assert 0 < calls.count("candidates") < every
    one, other = kept(whole), kept(weekly)
    assert {n: a for n, a in other.items() if n in one} == one  # all that the whole run has
    assert shown(weekly) == shown(whole)
    assert shown(whole)
