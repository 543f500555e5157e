"""Water occurrence from the corridor store of a workflow: what its runs have seen."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from pipeline.config import choose_corridors, load_workflow
from pipeline.errors import ConfigurationError
from pipeline.grid import reproject
from pipeline.io.blocks import DamagedBlockError
from pipeline.io.looks import LookReader
from pipeline.io.occurrence import write_occurrence
from pipeline.io.store import CorridorStore, open_store
from pipeline.io.tasks import Progress
from pipeline.ledger import open_ledger
from pipeline.model import Corridor, Grid, Ground
from pipeline.passes.layers import forget_states, newest_states
from pipeline.passes.mending import drop_damaged
from pipeline.passes.site import store_root

_MIN_LOOKS = 3  # fewer say nothing of how often


def keep_occurrence(workflow: Path, name: str, config: Path, progress: Progress | None) -> Path:
    """Write the occurrence that a workflow's store has of a corridor; give the file.

    Raises
    ------
    ConfigurationError
        The corridor was not run yet, or what its runs made is damaged: that is dropped then, and
        the next run makes it again.
    LedgerHeldError
        Something is damaged, and a run works on it.
    """
    loaded = load_workflow(workflow)
    (corridor,) = choose_corridors(loaded, (name,))
    root = store_root(loaded, corridor)
    if not (root / "store.json").exists():
        raise ConfigurationError(
            f"{workflow} has no history of {name}", f"Run it first: siluan run {workflow}"
        )
    store = _open(root, corridor, loaded.options.store.tile_px, loaded.options.store.context_m)
    path = config / "water" / f"{name}.tif"
    try:
        share = occurrence(store, loaded.name, progress)
    except DamagedBlockError as error:
        with open_ledger(loaded.ledger_place):  # no run makes layers meanwhile
            drop_damaged(store, loaded.options.store.io_threads, progress)
            forget_states(store, newest_states(store, loaded.name))
        raise ConfigurationError(
            f"{error}, so the water that runs have seen of {name} is not known whole; what was "
            "damaged has been dropped",
            f"Let a run make it again, then derive again: siluan run {workflow}",
        ) from error
    write_occurrence(path, share, store.grid)
    return path


def occurrence(
    store: CorridorStore, workflow: str, progress: Progress | None = None
) -> NDArray[np.float32]:
    """Give the share of clear looks that showed water, NaN where fewer than three looked.

    Of several runs over the store the one with the most passes counts, the newest of equals; runs
    of ``workflow`` come before those of others.
    """
    keys = newest_states(store, workflow)
    if not keys:
        raise ConfigurationError(f"{store.root} holds no ground states", "Run the workflow first")
    reader = LookReader(store)
    share = np.full(store.grid.shape, np.nan, dtype=np.float32)
    for done, tile in enumerate(store.tiles, 1):
        wet = np.zeros(tile.core.shape, dtype=np.int32)
        clear = np.zeros(tile.core.shape, dtype=np.int32)
        for name, key in sorted(keys.items()):
            codes = reader.codes(f"state/{key}/{name}", "state", tile.core)
            wet += codes == Ground.WET
            clear += codes != Ground.UNKNOWN
        with np.errstate(invalid="ignore", divide="ignore"):
            found = (wet / clear).astype(np.float32)
        share[tile.core.slices] = np.where(clear >= _MIN_LOOKS, found, np.nan)
        if progress:
            progress("water history", done, len(store.tiles))
    return share


def _open(root: Path, corridor: Corridor, tile_px: int, context_m: float) -> CorridorStore:
    dummy = Grid("EPSG:4326", Affine.identity(), (1, 1))
    crs = str(json.loads((root / "store.json").read_text(encoding="utf-8"))["crs"])
    stored = reproject(corridor.polygon_wgs84, "EPSG:4326", crs).buffer(context_m)
    return open_store(root, dummy, tile_px, stored)
