"""What of siluan itself is timed beside the command: the store as a peer, and a slow server.

:mod:`benchmarks.speed.own_main` runs a task in a process of its own, which imports what siluan
imports for it, and nothing of what makes the scenes.

``store`` makes the output of :mod:`benchmarks.speed.wet` from the corridor store, after gathering;
``fetch`` gathers all bands with the workflow's readers, ``fetch-one`` as one thread.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from numba import njit
from numpy.typing import NDArray

from benchmarks.speed.bands import KEYS
from benchmarks.speed.wet import USED, Wet
from pipeline.config import choose_corridors, load_workflow
from pipeline.io.store import CorridorStore
from pipeline.model import Pass, Tile
from pipeline.passes import gather as gathering
from pipeline.passes.ground import Site
from pipeline.passes.search import search
from pipeline.passes.site import open_site

_NAMES = {key: band for band, key in KEYS.items()}


def site_of(workflow: Path, names: Sequence[str]) -> tuple[Site, list[Pass]]:
    """Open the corridor of a workflow with its passes of some dates."""
    given = load_workflow(workflow)
    corridor = choose_corridors(given)[0]
    with ExitStack() as stack:
        found = search(given, [corridor], stack).passes[corridor.id]
    passes = [p for p in found if p.scenes[0].id in names]
    site = open_site(given, corridor, passes, None)
    assert site is not None
    return site, passes


def store(workflow: Path, layout: Path, names: Sequence[str]) -> str:
    """Gather the looks into the corridor store, and make the output from there."""
    site, passes = site_of(workflow, names)
    gathering.gather(site, passes)
    out = Wet(json.loads(layout.read_text(encoding="utf-8")))
    for i, tile in enumerate(site.store.tiles):
        for key in USED:
            out.add_packed(i, key, _looks(site.store, [p.id for p in passes], _NAMES[key], tile))
    return out.digest()


def _looks(
    corridor: CorridorStore, passes: Sequence[str], band: str, tile: Tile
) -> NDArray[np.uint16]:
    """Give a band of a tile at its stored pixels on all dates, (T, N), as the store has them."""
    runs = corridor.runs(tile.core)
    looks = np.empty((len(passes), runs.size), np.uint16)
    for pass_id, out in zip(passes, looks, strict=True):
        layer = corridor.packed(pass_id, band, tile)
        assert layer is not None
        if layer.factor == 1:
            out[:] = layer.values
            continue
        dense, factor = corridor.dense(pass_id, band, tile.core)
        _repeat(dense, factor, (runs.rows, runs.begin, runs.end, runs.at), out)
    return looks


@njit(cache=True, nogil=True)
def _repeat(coarse, factor, runs, out):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    first, begin, end, at = runs
    for r in range(first.size - 1):
        for k in range(first[r], first[r + 1]):
            for c in range(begin[k], end[k]):
                out[at[k] - begin[k] + c] = coarse[r // factor, c // factor]


def fetch(workflow: Path, layout: Path, names: Sequence[str]) -> str:
    """Gather all bands, with as many readers as the workflow says."""
    site, passes = site_of(workflow, names)
    found = gathering.gather(site, passes)
    if not all(g.usable for g in found):
        raise SystemExit(f"not all of {names} could be read: {found}")
    return f"{len(found)} passes"


def fetch_one(workflow: Path, layout: Path, names: Sequence[str]) -> str:
    """Gather all bands as one thread would: a file, and a block, after the other."""
    gathering.read_remotely = _never
    return fetch(workflow, layout, names)


def _never(href: str, access: object) -> bool:
    return False


TASKS: dict[str, Callable[[Path, Path, Sequence[str]], str]] = {
    "store": store,
    "fetch": fetch,
    "fetch-one": fetch_one,
}
