"""Known cases looked at again, and nothing searched: the patrol's relook on its own.

A corridor is read, registered and masked whole, into the patrol's own store, because registration
and masks of a look rest on all of it: so a recheck judges the very looks that a patrol would, and
the next patrol finds them there. What comes after, levels, water history and normal ground, is done
for the tiles of the reaches in which the cases lie.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from pipeline.config import Workflow
from pipeline.detect.disturb import MARGIN_PX
from pipeline.detect.zhan import HALO_PX
from pipeline.io.tasks import Progress, Workers
from pipeline.model import Case, Corridor, Pass, Tile, Window
from pipeline.passes.change import box_of
from pipeline.passes.corridor import (
    Judged,
    Span,
    follow_options,
    inputs_of,
    prepare_looks,
    stage,
)
from pipeline.passes.follow import relook
from pipeline.passes.ground import Site
from pipeline.passes.known import case_pixels, earlier_cases, known_pixels, proved_fills
from pipeline.passes.mending import mended
from pipeline.passes.old_stores import note_use
from pipeline.passes.site import open_site, why_unopened
from pipeline.passes.watch import keep_histories, watch_first

log = logging.getLogger("siluan")

_AROUND_PX = max(MARGIN_PX, HALO_PX + 2)  # of a case, that its looks need


@dataclass(frozen=True)
class Asked:
    """What a recheck of a corridor is about."""

    known: Sequence[Case]  # the ledger's: what began before the patrol stays out of history
    cases: Sequence[Case]  # of them, those to look at again
    span: Span


def recheck_corridor(
    workflow: Workflow,
    corridor: Corridor,
    passes: Sequence[Pass],
    asked: Asked,
    progress: Progress | None,
    workers: Workers | None = None,
) -> Judged:
    """Look again at cases of one corridor; nothing here touches the ledger or the output.

    Raises
    ------
    ConfigurationError
        The store is damaged beyond what one run repairs.
    """
    judged = Judged(corridor.id, inputs=inputs_of(passes))
    site = open_site(workflow, corridor, passes, progress, workers) if passes else None
    if site is None:
        judged.counts = {"passes": len(passes), "usable": 0, "looked_at": 0}
        judged.set_aside, judged.unreachable = why_unopened(passes)
        return judged
    note_use(site.store.root, workflow)
    return mended(site, lambda: _look(workflow, site, passes, asked, replace(judged)))


def _look(
    workflow: Workflow, site: Site, passes: Sequence[Pass], asked: Asked, judged: Judged
) -> Judged:
    looks, _ = prepare_looks(workflow, site, passes, judged)
    start, how = asked.span.start, follow_options(workflow)
    with stage(judged, "recheck"):
        earlier = earlier_cases(site.corridor.id, asked.known, start)
        flagged = known_pixels(site, looks, earlier, start)
        part = only_around(site, asked.cases)
        least = how.watch.zhan.expect.level.silent_looks
        filled = proved_fills(site, earlier, start, least)
        watched = watch_first(part, looks, start, how.watch, flagged, filled)
        judged.judged = bool(watched.epochs)
        judged.relooks = relook(part, looks, watched, asked.cases, (how, start))
        keep_histories(part, "recheck", watched)
    tiles = (len(part.store.tiles), len(site.store.tiles))
    judged.counts = {
        "passes": len(passes),
        "usable": len(looks.passes),
        "looked_at": len(judged.relooks),
        "tiles": tiles[0],
        "tiles_of_corridor": tiles[1],
    }
    log.info("%s: %d cases, %d of %d tiles", site.corridor.id, len(asked.cases), *tiles)
    return judged


def only_around(site: Site, cases: Sequence[Case]) -> Site:
    """Give a site with the tiles only that looking at some cases needs.

    The level of a reach rests on all its tiles, and its shore on the levels of the reaches beside.
    """
    store = site.store
    every = store.all_tiles
    windows = [w for c in cases if (w := _window(site, c)) is not None]
    own = _reaches(site, windows)
    first = [t for t in every if own & _reaches(site, [t.core])]
    near = _reaches(site, [t.core.pad(HALO_PX) for t in first])
    chosen = tuple(t for t in every if near & _reaches(site, [t.core]) or _touches(t, windows))
    return replace(site, store=replace(store, chosen=chosen))


def _window(site: Site, case: Case) -> Window | None:
    pixels = case_pixels(site, case)
    if pixels[0].size == 0:
        return None
    return box_of(pixels).pad(_AROUND_PX).intersect(site.store.grid.window)


def _reaches(site: Site, windows: Sequence[Window]) -> set[int]:
    whole = site.store.grid.window
    cut = (w.intersect(whole) for w in windows)
    return {int(i) for w in cut if w is not None for i in np.unique(site.reach(w)) if i}


def _touches(tile: Tile, windows: Sequence[Window]) -> bool:
    return any(tile.core.intersect(w) is not None for w in windows)
