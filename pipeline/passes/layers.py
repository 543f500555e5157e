"""Which layers of masks and ground states recent runs used: a record each, and the rest goes.

Masks and states are named look by look, and looks of several runs share them. A run writes down
which ones it used, ``layers/NAME.json`` in the store, named by its content.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.io.atomic import write_json
from pipeline.io.store import CorridorStore
from pipeline.io.vault import Vault, content_key

_KEPT_BYTES = 256 << 20  # of small results in one corridor's store
_KEPT_RUNS = 3  # of as many workflows over one store


def keep_layers(store: CorridorStore, masks: Mapping[str, str], states: Mapping[str, str]) -> None:
    """Record what this run used; drop layers and small results that no recent run had."""
    record = {"mask": dict(sorted(masks.items())), "state": dict(sorted(states.items()))}
    path = store.root / "layers" / f"{content_key(record)}.json"
    if path.exists():
        os.utime(path)
    else:
        write_json(path, record)
    records = sorted(path.parent.glob("*.json"), key=lambda p: (p == path, p.stat().st_mtime_ns))
    for old in records[:-_KEPT_RUNS]:
        old.unlink(missing_ok=True)
    held = [_read(p) for p in records[-_KEPT_RUNS:]]
    for layer, name in (("mask", "mask"), ("state", "state"), ("feature", "state")):
        used = {key for record in held for key in record[name].values()}
        for folder in (store.root / layer).glob("*"):
            if folder.name not in used:
                shutil.rmtree(folder, ignore_errors=True)
    Vault(store.root / "kept").trim(_KEPT_BYTES)


def newest_states(store: CorridorStore) -> Mapping[str, str]:
    """Give the state keys by pass of the run with the most passes, the newest of equals."""
    records = list((store.root / "layers").glob("*.json"))
    if not records:
        return {}
    read = {p: _read(p)["state"] for p in records}
    return read[max(records, key=lambda p: (len(read[p]), p.stat().st_mtime_ns, p.name))]


def _read(path: Path) -> dict[str, dict[str, str]]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return {name: dict(content[name]) for name in ("mask", "state")}
