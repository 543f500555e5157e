"""Damaged blocks of a corridor's store: what can be made again is dropped and made again.

Pixels of imagery were waited for when they were written, so one that is damaged speaks of the disk:
a few are read again from their source, more are not. Layers made from them were not waited for. A
loss of power may leave any number of them empty at once, so the first that is found damaged is the
sign to look at all of them; the pixels stay.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from pipeline.errors import ConfigurationError
from pipeline.io.blocks import DamagedBlockError, damaged_in
from pipeline.io.progress import DETAIL
from pipeline.io.store import CorridorStore
from pipeline.io.tasks import Progress, map_tiles
from pipeline.passes.ground import Site

log = logging.getLogger("siluan")

_PIXELS = 20  # damaged blocks of imagery that are read again; more is a broken disk
_ROUNDS = 3  # times that layers are made again; a disk that damages them thrice is broken

R = TypeVar("R")


def mended(site: Site, work: Callable[[], R]) -> R:
    """Do work over a store; where it meets a damaged block, mend the store and do it again.

    Parameters
    ----------
    work
        Makes what is missing in the store before it reads it; safe to repeat. The caller holds the
        store against others.

    Raises
    ------
    ConfigurationError
        More is damaged than is mended without a person.
    """
    store = site.store
    pixels = rounds = 0
    while True:
        try:
            done = work()
        except DamagedBlockError as error:
            if error.path is None:
                raise
            # Said once; the log of the run alone has the others.
            log.warning("%s and is made again", error, extra={DETAIL: pixels + rounds > 0})
            if store.derived(error.path):
                rounds += 1
                if rounds > _ROUNDS:
                    raise ConfigurationError(
                        f"{error}, {_ROUNDS} times in a row after it was made again",
                        "Check the disk and run again; the pixels read from scenes are kept",
                    ) from error
                drop_damaged(store, site.io_threads, site.progress)
                continue
            pixels += 1
            if pixels > _PIXELS:
                raise ConfigurationError(
                    f"the store {store.root} has more than {_PIXELS} damaged blocks of imagery",
                    "Check the disk, delete that folder and run again",
                ) from error
            store.forget(error.path)
        else:
            if pixels + rounds > 1:
                log.warning("%s: mended %d times in this run", store.root, pixels + rounds)
            return done


def drop_damaged(
    store: CorridorStore, threads: int = 1, progress: Progress | None = None
) -> Sequence[Path]:
    """Drop every damaged block that was made from pixels, and give what was dropped."""
    folders = sorted({block.parent for block in store.root.glob("*/*/**/*.blk")})
    what = "checking the store"
    found = map_tiles(damaged_in, folders, threads, progress, what)
    dropped = [block for blocks in found for block in blocks]
    store.look_again()
    for block in dropped:
        block.unlink(missing_ok=True)
    # A state says that its features are there as well, and is made together with them.
    root = store.root
    states = root.glob("state/*/*/*.blk")
    widowed = [s for s in states if not (root / "feature" / s.relative_to(root / "state")).exists()]
    for block in widowed:
        block.unlink(missing_ok=True)
    if dropped:
        log.warning("%s: %d damaged blocks of layers were dropped", store.root, len(dropped))
    return [*dropped, *widowed]
