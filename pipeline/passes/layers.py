"""Which layers of a store recent runs used: a record per workflow and step, and the rest goes.

Masks, states and references are named by what they depend on, and runs of several workflows over
one store may share them or not. So each workflow writes down what it used, ``layers/NAME.json`` in
the store, and nothing goes that the last run of any workflow used. A workflow that has not run for
longer than a year, or more of them than a store is for, is forgotten; what it used is then made
again if it comes back.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.io.atomic import write_json
from pipeline.io.store import CorridorStore
from pipeline.io.vault import Vault, content_key
from pipeline.passes.ground import Site

KEPT_TURNS = 2
"""Newest quarters of which references stay: where a new look is expected."""

_KEPT_BYTES = 256 << 20  # of small results in one corridor's store, and by reach
_KEPT_BYTES_REACH = 2 << 20
_RUNS = 2  # last runs of a workflow that differ: the usual one, and one over another period
_WORKFLOWS = 12  # that use one store
_DAYS = 400  # a patrol is at least yearly
_BY_PASS = ("mask", "state")  # layers that are recorded by pass

_Run = Mapping[str, Mapping[str, str]]
"""Layer → what it was for → key of the folder below the layer."""


@dataclass(frozen=True)
class _Record:
    path: Path
    workflow: str
    runs: Sequence[_Run]  # newest first
    used_ns: int

    @property
    def age_days(self) -> float:
        return (time.time_ns() - self.used_ns) / 86_400e9


def keep_looks(site: Site, masks: Mapping[str, str], states: Mapping[str, str]) -> None:
    """Record masks and states of this run by pass; drop what no recent run used."""
    _record(site, "looks", {"mask": masks, "state": states}, _RUNS)
    _drop_others(site.store, ("mask", "state"))


def keep_used(site: Site, layer: str, keys: Collection[str], runs: int = 1, step: str = "") -> None:
    """Record the folders of a layer that this run used; drop those that no recent run used.

    Parameters
    ----------
    keys
        Names of folders below the layer's.
    runs
        Last runs of this workflow, this one included, that keep what they used.
    step
        What uses the layer, where several steps of a workflow do, each for itself.
    """
    if keys:
        keep_together(site, step or layer, {layer: keys}, runs)


def keep_together(
    site: Site, step: str, used: Mapping[str, Collection[str]], runs: int = 1
) -> None:
    """Record folders of several layers that one step used; as :func:`keep_used`."""
    _record(site, step, {layer: {key: key for key in keys} for layer, keys in used.items()}, runs)
    _drop_others(site.store, tuple(used))


def trim_results(site: Site) -> None:
    """Drop small results that were unused for longest: at the end, when what is used was used."""
    most = _KEPT_BYTES + site.n_reach * _KEPT_BYTES_REACH
    Vault(site.store.root / "kept").trim(most)


def newest_states(store: CorridorStore, workflow: str) -> Mapping[str, str]:
    """Give the state keys by pass of the run with the most passes, the newest of equals.

    Runs of ``workflow`` come before those of others.
    """
    runs = [
        (r.workflow == workflow, len(run["state"]), r.used_ns, -place, run["state"])
        for r in _records(store)
        for place, run in enumerate(r.runs)
        if run.get("state")
    ]
    return max(runs, key=lambda r: r[:4])[4] if runs else {}


def newest_looks(store: CorridorStore, workflow: str) -> frozenset[str]:
    """Give the passes that the newest run of a workflow used; none where none has ended."""
    runs = [(r.used_ns, r.runs[0]) for r in _records(store) if r.workflow == workflow and r.runs]
    own = [(used, run["state"]) for used, run in runs if run.get("state")]
    return frozenset(max(own, key=lambda r: r[0])[1]) if own else frozenset()


def last_used(root: Path) -> dict[str, int]:
    """Give when each pass of a store was used last [ns], of those that a record of runs names."""
    found: dict[str, int] = {}
    for path in (root / "layers").glob("*.json"):
        record = _read(path)
        # Only of its newest run a record tells the time.
        for run in record.runs[:1] if record is not None else ():
            for pass_id in {**run.get("mask", {}), **run.get("state", {})}:
                found[pass_id] = max(found.get(pass_id, 0), record.used_ns if record else 0)
    return found


def forget_states(store: CorridorStore, states: Mapping[str, str]) -> None:
    """Forget the runs that used these states by pass: something of them is damaged.

    A run that uses them makes what is missing, and records them again.
    """
    for record in _records(store):
        left = [run for run in record.runs if run.get("state") != states]
        if not left:
            record.path.unlink(missing_ok=True)
        elif len(left) < len(record.runs):
            write_json(record.path, {"workflow": record.workflow, "runs": left})


def forget_passes(root: Path, passes: Collection[str]) -> None:
    """Take passes whose layers are gone out of what runs used; when they ran stays as it was."""
    for path in (root / "layers").glob("*.json"):
        record = _read(path)
        if record is None:
            continue
        left = [
            {k: v if k not in _BY_PASS else {i: key for i, key in v.items() if i not in passes}
             for k, v in run.items()}
            for run in record.runs
        ]  # fmt: skip
        if left != record.runs:
            write_json(path, {"workflow": record.workflow, "runs": left})
            os.utime(path, ns=(record.used_ns, record.used_ns))


def _record(site: Site, step: str, used: _Run, runs: int) -> None:
    path = site.store.root / "layers" / f"{content_key(site.owner, step)}.json"
    now = {layer: dict(sorted(keys.items())) for layer, keys in used.items()}
    old = _read(path)
    before = [dict(run) for run in old.runs] if old else []
    kept = [now, *(run for run in before if run != now)][:runs]
    if kept == before:
        os.utime(path)
    else:
        write_json(path, {"workflow": site.owner, "runs": kept})
    _forget_old(site)


def _forget_old(site: Site) -> None:
    """Forget workflows that have not run for long, and the oldest where they are too many."""
    newest: dict[str, int] = {}
    records = _records(site.store)
    for strange in {*_files(site.store)} - {r.path for r in records}:
        strange.unlink(missing_ok=True)
    for r in records:
        newest[r.workflow] = max(newest.get(r.workflow, 0), r.used_ns)
    newest.pop(site.owner, None)
    others = sorted(newest, key=lambda name: newest[name], reverse=True)[: _WORKFLOWS - 1]
    for r in records:
        if r.workflow not in (site.owner, *others) or r.age_days > _DAYS:
            r.path.unlink(missing_ok=True)


def _drop_others(store: CorridorStore, layers: Collection[str]) -> None:
    held = [run for r in _records(store) for run in r.runs]
    for layer in layers:
        used = {key for run in held for key in run.get(layer, {}).values()}
        for top in (layer, "feature") if layer == "state" else (layer,):
            for folder in (store.root / top).glob("*"):
                if folder.name not in used:
                    shutil.rmtree(folder, ignore_errors=True)


def _records(store: CorridorStore) -> list[_Record]:
    found = [_read(path) for path in _files(store)]
    return [r for r in found if r is not None]


def _files(store: CorridorStore) -> list[Path]:
    return sorted((store.root / "layers").glob("*.json"))


def _read(path: Path) -> _Record | None:
    """Give a record; None where there is none that can be read."""
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        runs = [{k: dict(v) for k, v in run.items()} for run in content["runs"]]
        return _Record(path, str(content["workflow"]), runs, path.stat().st_mtime_ns)
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        return None
