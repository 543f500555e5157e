"""A dry run foretells what the next run does, look by look and tile by tile, and writes nothing."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import tiny

from pipeline.config import choose_corridors, load_workflow
from pipeline.dispatch import run_beside
from pipeline.errors import ExitCode
from pipeline.passes.foreseen import Foresight
from pipeline.passes.foretelling import (
    ANEW,
    JUDGED,
    NOTHING_KNOWN,
    busy_lines,
    foretell,
    sum_line,
)
from pipeline.passes.search import search
from pipeline.passes.site import known_site
from pipeline.run import RunRequest, run_workflow

Tree = dict[str, tuple[int, int]]


def tree(folder: Path) -> Tree:
    """Name, inode and time of every file: any writing shows, of the same bytes as well."""
    return {
        p.relative_to(folder).as_posix(): (p.stat().st_ino, p.stat().st_mtime_ns)
        for p in folder.rglob("*")
        if p.is_file()
    }


def known(folder: Path) -> Path:
    """A state that knows all looks but the newest, which lies beside it; gives the workflow."""
    images = tiny.write_scenes(folder / "images")
    newest = sorted(images.glob("*.tif"))[-1]
    newest.rename(folder / newest.name)
    path = workflow(folder)
    assert run_workflow(RunRequest(path, dry_run=True)) == ExitCode.DONE
    assert not (folder / "out").exists()
    assert not (folder / "state").exists()
    assert run_workflow(RunRequest(path)) == ExitCode.DONE
    return path


def workflow(folder: Path, **changes: object) -> Path:
    plain = {"store": {"tile_px": 128}, "evidence": {"pictures": False}}
    return tiny.workflow(folder, folder / "images", options={**plain, **changes})


def foretold(path: Path, scratch: Path) -> Foresight:
    workflow = load_workflow(path)
    (corridor,) = choose_corridors(workflow)
    with ExitStack() as stack:
        searched = search(workflow, (corridor,), stack, scratch)
    site = known_site(workflow, corridor)
    assert site is not None
    return foretell(workflow, site, searched.passes[corridor.id], ask=True)


def new_scene(folder: Path) -> None:
    (scene,) = folder.glob("tiny_*.tif")
    shutil.copy2(scene, folder / "images" / scene.name)


def changed_scene(folder: Path) -> None:
    scene = sorted((folder / "images").glob("*.tif"))[3]
    tiny.write_look(folder / "images", tiny.days()[3], tiny.look(3, fill=True) * 1.01)
    assert scene.is_file()


def cut_block(folder: Path) -> None:
    block = sorted((folder / "state/store").glob("*/2024*/*.blk"))[2]
    block.write_bytes(block.read_bytes()[:-9])


def bad_note(folder: Path) -> None:
    sorted((folder / "state/store").glob("*/2024*/pass.json"))[2].write_text("{bad")


def lost_block(folder: Path) -> None:
    sorted((folder / "state/store").glob("*/2024*/*.blk"))[2].unlink()


def lost_states(folder: Path) -> None:
    shutil.rmtree(sorted((folder / "state/store").glob("*/state/*"))[2])


def nothing(folder: Path) -> None:
    del folder


def options(**changes: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        workflow(folder, **changes)

    return change


CHANGES: dict[str, tuple[Callable[[Path], None], dict[str, int]]] = {
    "nothing": (nothing, {"skip": 14}),
    "new": (new_scene, {"new": 1, "skip": 14}),
    "recompute": (changed_scene, {"recompute": 1, "skip": 13}),
    "damaged": (cut_block, {"damaged": 1, "skip": 13}),
    "note": (bad_note, {"damaged": 1, "skip": 13}),
    "lost": (lost_block, {"damaged": 1, "skip": 13}),
    "states": (lost_states, {"skip": 14}),
    "mask": (options(prepare={"mask": {"dilate_cloud_m": 150}}), {"skip": 14}),
    "water": (options(detect={"water": {"threshold": 0.02}}), {"skip": 14}),
}


def made_by(before: Tree, after: Tree) -> dict[str, set[str]]:
    """What a run wrote: looks by step, pixels too."""
    found: dict[str, set[str]] = {"pixels": set(), "mask": set(), "state": set()}
    for name, mark in after.items():
        parts = name.split("/")[1:]
        if parts[-1].endswith(".blk") and before.get(name) != mark:
            top = {"sky": "mask", "mask": "mask", "state": "state"}.get(parts[0], "pixels")
            if len(parts) == 2 or top != "pixels":
                look = parts[0] if len(parts) == 2 else parts[2]
                found[top] |= {look} if look[:2] == "20" else set()
    return found


@pytest.mark.parametrize(
    "name", ["new", *(pytest.param(n, marks=pytest.mark.thorough) for n in CHANGES if n != "new")]
)
def test_the_plan_is_what_the_run_then_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    folder = tmp_path / "w"
    path = known(folder)
    assert capsys.readouterr().out.count(" new: ") == len(tiny.LEVELS) - 1
    change, expected = CHANGES[name]
    change(folder)
    before = tree(folder)
    found = foretold(path, tmp_path / "scratch")
    capsys.readouterr()
    assert run_workflow(RunRequest(path, dry_run=True)) == ExitCode.DONE
    assert tree(folder) == before  # nothing at all is written
    said = capsys.readouterr().out.splitlines()
    assert said[-1].endswith(JUDGED)
    counts = {w: sum(v == w for v in found.what.values()) for w in {*found.what.values()}}
    assert counts == expected

    assert run_workflow(RunRequest(path)) == ExitCode.DONE
    kept = (folder / "out/latest/run.log").read_text(encoding="utf-8").splitlines()
    log = [line.split(" ", 2)[2] for line in kept if line.count(" ") > 1]
    busy = busy_lines(found)
    assert [line for line in log if line in busy] == busy
    assert set(busy) <= set(said)
    store = folder / "state/store"
    kept = {n.removeprefix("state/store/"): m for n, m in before.items() if "state/store/" in n}
    made = made_by(kept, tree(store))
    assert made["pixels"] == set(found.reads)
    for step in ("mask", "state"):
        certain = found.made(step)
        assert certain <= made[step] <= certain | found.following(step), step
    if name == "new":
        workflow(folder, detect={"zhan": {"min_pixels": 5}})
        assert sum_line(foretold(path, tmp_path / "scratch")).endswith(ANEW)
        workflow(folder)
        shadow_says_nothing_would_change(path, capsys)


def shadow_says_nothing_would_change(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = path.parent
    before = {part: tree(folder / part) for part in ("state", "out")}
    capsys.readouterr()
    assert run_beside(RunRequest(path), None) == ExitCode.DONE
    assert capsys.readouterr().out == "nothing would change\n"
    after = {part: tree(folder / part) for part in ("state", "out")}
    own = {n for n in after["state"] if n.startswith("shadow/")}
    assert own == {"shadow/.siluan-shadow.lock", "shadow/would_change.geojson"}
    assert {n: v for n, v in after["state"].items() if n not in own} == before["state"]
    assert after["out"] == before["out"]


def test_of_a_first_run_nothing_is_said_to_be_kept() -> None:
    first = Foresight("far", {"a": "new"}, {"a": ()}, (), frozenset(), read_bytes=1.0)
    assert sum_line(first).endswith(NOTHING_KNOWN)
    assert sum_line(replace(first, what={"a": "new", "b": "skip"})).endswith(JUDGED)
