"""What stays in a store: what the last run of any workflow used, and no more than that."""

from __future__ import annotations

import os
import re
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import valley

from pipeline.passes import align, clearsky, naming, steady
from pipeline.passes.ground import Site
from pipeline.passes.layers import keep_looks, keep_used, newest_looks, newest_states
from pipeline.passes.reduce import reduce_dates
from pipeline.prepare.options import PrepareOptions
from pipeline.prepare.radiometry import RadiometryOptions


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return valley.site(tmp_path, 64, 64)


def run(site: Site, owner: str, number: int, passes: int = 1) -> dict[str, str]:
    """Use masks and states of a number as a run does."""
    keys = {f"pass{i}": f"{owner}{number}" for i in range(passes)}
    for layer in ("mask", "state", "feature"):
        (site.store.root / layer / f"{owner}{number}" / "x").mkdir(parents=True, exist_ok=True)
    keep_looks(replace(site, owner=owner), keys, keys)
    return keys


def left(site: Site, layer: str = "state") -> set[str]:
    return {p.name for p in (site.store.root / layer).iterdir()}


def test_workflows_do_not_push_each_other_out(site: Site) -> None:
    run(site, "yearly", 0)
    for number in range(9):
        run(site, "weekly", number)
    for layer in ("mask", "state", "feature"):
        assert left(site, layer) == {"yearly0", "weekly7", "weekly8"}
    run(site, "weekly", 7)  # again, as a schedule does
    run(site, "weekly", 7)
    assert left(site) == {"yearly0", "weekly7", "weekly8"}


def test_what_the_newest_run_of_a_workflow_looked_at(site: Site) -> None:
    run(site, "weekly", 0, passes=3)
    run(site, "weekly", 1, passes=2)
    run(site, "yearly", 0, passes=4)
    assert newest_looks(site.store, "weekly") == {"pass0", "pass1"}
    assert newest_looks(site.store, "another") == frozenset()


def test_old_and_too_many_workflows_are_forgotten(site: Site) -> None:
    now = time.time()
    for number in range(15):
        run(site, f"w{number:02d}-", 0)
        for record in (site.store.root / "layers").glob("*.json"):
            stat = record.stat()
            os.utime(record, (stat.st_atime, stat.st_mtime - 60))
    assert left(site) == {f"w{number:02d}-0" for number in range(3, 15)}
    for record in (site.store.root / "layers").glob("*.json"):
        os.utime(record, (now, now - 401 * 86_400))
    run(site, "new", 0)
    assert left(site) == {"new0"}


def test_a_record_that_cannot_be_read_is_dropped(site: Site) -> None:
    run(site, "a", 0)
    for name, text in {"of_before": '{"mask": {}, "state": {}}', "empty": ""}.items():
        (site.store.root / "layers" / f"{name}.json").write_text(text, encoding="utf-8")
    run(site, "a", 1)
    assert left(site) == {"a0", "a1"}
    assert len(list((site.store.root / "layers").glob("*.json"))) == 1


def test_states_are_those_of_the_workflow_that_is_asked_for(site: Site) -> None:
    assert newest_states(site.store, "a") == {}
    long = run(site, "a", 0, passes=5)
    short = run(site, "a", 1, passes=2)
    assert newest_states(site.store, "a") == long
    run(site, "b", 0, passes=9)
    assert newest_states(site.store, "a") == long
    assert newest_states(site.store, "nobody") == {f"pass{i}": "b0" for i in range(9)}
    run(site, "a", 2, passes=2)
    assert newest_states(site.store, "a") != short


def test_steps_keep_what_they_use_each_for_itself(site: Site) -> None:
    def use(step: str, key: str) -> set[str]:
        (site.store.root / "normal" / key).mkdir(parents=True, exist_ok=True)
        keep_used(site, "normal", [key], runs=2, step=step)
        return left(site, "normal")

    use("inventory", "all")
    assert [use("watch", f"q{i}") for i in range(4)][-1] == {"all", "q2", "q3"}
    keep_used(site, "normal", [], step="watch")  # a run that used none takes nothing away
    assert left(site, "normal") == {"all", "q2", "q3"}


def test_another_workflow_over_the_store_makes_nothing_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes = valley.fill(site, valley.looks(6, 64), {})
    options = PrepareOptions(radiometry=RadiometryOptions(step_tolerance=0.01))
    first, second = replace(site, owner="first"), replace(site, owner="second")

    def reduced(where: Site, chosen: slice) -> object:
        found = reduce_dates(where, passes[chosen], options)
        keep_looks(where, found.mask_keys, {})
        return found

    found = reduced(first, slice(0, 5))
    layers = {n: left(site, n) for n in ("mask", "sky", "align") if (site.store.root / n).exists()}
    reduced(second, slice(1, 6))
    for name, before in layers.items():
        assert before <= left(site, name), name

    def no_work(*_: object) -> None:
        raise AssertionError("made again although it was there")

    for module, name in ((clearsky, "_flag"), (clearsky, "_finish"), (steady, "_write_ground")):
        monkeypatch.setattr(module, name, no_work)
    monkeypatch.setattr(align, "_votes", no_work)
    assert reduced(first, slice(0, 5)) == found


def test_what_judges_looks_is_named_among_the_code_that_results_rest_on() -> None:
    """Whatever following and watching import of the passes; what is left out is named here."""
    # Layers have names of their own; what is known and the office's rules come after judging.
    elsewhere = {"align", "bands", "clearsky", "fetched_bands", "gather", "layers", "reduce"}
    elsewhere |= {"sky", "states", "steady", "naming", "known", "known_looks", "rules"}
    here = Path(naming.__file__).parent
    todo, seen = ["follow", "follow_ground", "watch", "change"], set[str]()
    while todo:
        name = todo.pop()
        if name not in seen and (here / f"{name}.py").exists():
            seen.add(name)
            text = (here / f"{name}.py").read_text(encoding="utf-8")
            todo += re.findall(r"^from pipeline\.passes\.(\w+) import", text, re.MULTILINE)
    assert seen - elsewhere <= set(naming._JUDGING)  # pyright: ignore[reportPrivateUsage]
