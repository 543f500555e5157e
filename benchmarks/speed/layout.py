"""What the floor and peers must know of a corridor, written beside its workflow."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from benchmarks.speed.bands import FINE, KEYS
from benchmarks.speed.ground import RES, River
from benchmarks.speed.own import site_of


def write_layout(path: Path, workflow: Path, scenes: Path, river: River, name: str) -> Path:
    """Write what peers must know: the corridor's grid, tiles and pixels, and the touched blocks."""
    site, _ = site_of(workflow, [name])
    store = site.store
    masks = {str(i): store.kept(t.core) for i, t in enumerate(store.tiles)}
    kept = path.with_suffix(".npz")
    np.savez(kept, **masks)  # pyright: ignore[reportArgumentType] - a stub's guess
    touched = {k: river.touched(RES if b in FINE else 2 * RES) for b, k in KEYS.items()}
    content = {
        "scenes": str(scenes),
        "kept": str(kept),
        "block": river.block,
        "touched": touched,
        "crs": store.grid.crs,
        "transform": list(store.grid.transform)[:6],
        "file_transform": list(river.transform)[:6],
        "shape": store.grid.shape,
        "tiles": [(t.core.row0, t.core.row1, t.core.col0, t.core.col1) for t in store.tiles],
    }
    path.write_text(json.dumps(content), encoding="utf-8")
    return path
