"""Levels and shores of looks against one history: counts of all tiles, each look counted once.

Nothing here depends on other looks than those of the history, and on what looks before it showed to
be filled (:mod:`pipeline.passes.silent`), so that what was counted of a look is kept
(:mod:`pipeline.passes.book`) and asked for by every later run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pipeline.detect.distances import CLIP_PX
from pipeline.detect.expect import (
    Baseline,
    Days,
    ExpectOptions,
    View,
    by_shore,
    judge_levels,
    tally_shore,
)
from pipeline.detect.level import reaches_in, tally_level
from pipeline.detect.level_band import N_WIDTHS
from pipeline.detect.water_frequency import N_BINS
from pipeline.detect.zhan import HALO_PX
from pipeline.io.tasks import map_tiles
from pipeline.model import Pass, Tile, Window
from pipeline.passes.apart import Apart
from pipeline.passes.book import Book
from pipeline.passes.ground import States
from pipeline.passes.past import Past

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Levels:
    """Looks against the history of a quarter."""

    past: Past
    book: Book
    options: ExpectOptions

    @cached_property
    def apart(self) -> Apart:
        """What hangs together with no channel, and so tells no level and has none.

        The water of a reservoir that has fallen lies in many pieces, and all of them are its own.
        """
        river = self.states.site.corridor.water == "river"
        return Apart(self.past, self.options.level.channel_share if river else 0.0)

    @property
    def states(self) -> States:
        """Ground states of all looks."""
        return self.past.states

    def view(
        self, p: Pass, window: Window, base: Baseline, reach: NDArray[np.uint16] | None = None
    ) -> View:
        """Give one look over the window of a baseline; who asks for several gives their reaches.

        What a look of the history shows is in the baseline already.
        """
        site, quality = self.states.site, self.states.looks.quality[p.id]
        res = site.store.grid.res_m
        assert base.bins.shape == window.shape
        held = self.past.look(p.id, base)
        state = self.states.of(p.id, window) if held is None else held
        reach = site.reach(window) if reach is None else reach
        silent = self.book.silent.over(p.acquired, window)
        residual = quality.residual_m / res
        return View(window, state, reach, base, residual, res, silent, self.apart.over(window))

    def levels(self, passes: Sequence[Pass], what: str) -> tuple[list[Counts], list[Days]]:
        """Count what all tiles say of the level of every look, and judge it by reach.

        Returns
        -------
        list of int64 (n_reach + 1, N_BINS, 2), list of Days
        """
        site, apart = self.states.site, self.apart
        apart.find()

        def tally(part: Tile, missing: Sequence[Pass]) -> list[Counts]:
            # Of the whole tile: what lies outside its part lies in no reach.
            (tile,) = site.store.touched(part.core)
            bins, reach = self.past.stored(tile).bins, site.stored_reach(tile)[None]
            none = apart.stored(tile)
            if none is not None:
                reach = np.where(none, np.uint16(0), reach)
            out: list[Counts] = []
            for p in missing:
                silent = self.book.silent.over(p.acquired, tile.core)
                own = reach
                if silent is not None:
                    own = np.where(silent[site.store.kept(tile.core)], np.uint16(0), reach)
                state = self.states.stored(p.id, tile)[None]
                out.append(tally_level(state, bins, own, site.n_reach))
            return out

        sums = self._sums(("levels", (N_BINS, 2)), passes, tally, what)
        return sums, [judge_levels(s, self.options) for s in sums]

    def shores(
        self, passes: Sequence[Pass], days: Sequence[Days], over: Callable[[Window], Baseline]
    ) -> list[Counts]:
        """Count how far the shores receded on every look; ``over`` gives baselines of windows."""
        site, by_id = self.states.site, {p.id: d for p, d in zip(passes, days, strict=True)}

        def tally(tile: Tile, missing: Sequence[Pass]) -> list[Counts]:
            window = tile.core.pad(HALO_PX).intersect(site.store.grid.window)
            assert window is not None
            base = over(window)
            own, reach = [by_id[p.id] for p in missing], site.reach(window)
            found: dict[int, Counts] = {}
            for i in by_shore(own, reach):
                view = self.view(missing[i], window, base, reach)
                found[i] = tally_shore(view, own[i], tile.core, self.options)
            return [found[i] for i in range(len(own))]

        return self._sums(("shores", (N_WIDTHS, CLIP_PX + 1)), passes, tally, "shores")

    def _sums(
        self,
        of: tuple[str, tuple[int, int]],
        passes: Sequence[Pass],
        tally: Callable[[Tile, Sequence[Pass]], list[Counts]],
        what: str,
    ) -> list[Counts]:
        """Give counts of looks over all tiles: what is kept, and what is not is counted.

        ``of`` names what is counted, and the shape of its counts for one reach.
        """
        kind, shape = of
        site = self.states.site
        held = {p.id: self.book.sums(kind, p) for p in passes}
        missing = [p for p in passes if held[p.id] is None]

        def one(tile: Tile) -> tuple[NDArray[np.uint16], Counts]:
            # A tile tells of the reaches that it holds: a long river has many of both.
            here = reaches_in(site.reach(tile.core))
            return here, np.stack([counts[here] for counts in tally(tile, missing)])

        if missing:
            parts = map_tiles(one, site.parts, site.workers, site.progress, what)
            total = np.zeros((len(missing), site.n_reach + 1, *shape), np.int64)
            for here, own in parts:
                total[:, here] += own
            for p, own in zip(missing, total, strict=True):
                held[p.id] = own
                self.book.keep_sums(kind, p, own)
        return [np.asarray(held[p.id], np.int64) for p in passes]
