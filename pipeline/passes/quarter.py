"""What the looks of a quarter are held against: its water history, and its normal ground."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.detect.change_options import ChangeOptions
from pipeline.detect.expect import Baseline, Days
from pipeline.detect.features import MODELLED
from pipeline.detect.look_surface import Surface, surface_of
from pipeline.detect.normal import Normal
from pipeline.model import Pass, Tile, Window
from pipeline.passes.book import Book
from pipeline.passes.ground import Site, States
from pipeline.passes.normals import day_of, read_normal, stored_normal
from pipeline.passes.stored import Stored, stored_values


class Baselines(Protocol):
    """Where the water history of a window comes from."""

    def around(self, window: Window) -> Baseline:
        """Give the history of a window."""
        ...

    def stored(self, tile: Tile, at: NDArray[np.intp]) -> Baseline:
        """Give the history of some stored pixels of a tile, as one row."""
        ...


@dataclass(frozen=True)
class Quarter:
    """What the levels of a quarter have established before ground is compared."""

    name: str  # "2025-01"
    states: States
    history: tuple[Pass, ...]
    judged: tuple[Pass, ...]
    ranks: NDArray[np.float32]  # (history, n_reach + 1)
    days: Sequence[Days]  # of the judged passes
    baselines: Baselines
    book: Book

    @property
    def site(self) -> Site:
        """The corridor."""
        return self.states.site

    @property
    def top(self) -> NDArray[np.float32]:
        """Highest level rank of the history by reach; -inf where it has none."""
        return np.max(np.where(np.isnan(self.ranks), -np.inf, self.ranks), axis=0, initial=-np.inf)


@dataclass(frozen=True)
class Normals:
    """Surfaces of any look over any window, against one quarter's normal."""

    quarter: Quarter
    folder: str
    options: ChangeOptions

    def surface(
        self, p: Pass, window: Window, ranks: NDArray[np.float32], given: tuple[Normal, Baseline]
    ) -> Surface:
        """Put one look beside its normal; ``ranks`` (n_reach + 1,), NaN unknown."""
        states = self.quarter.states
        look = (states.features(p.id, window), states.of(p.id, window))
        return self._beside(p, look, given, (window, states.site.reach(window)), ranks)

    def stored(
        self, p: Pass, pixels: Stored, ranks: NDArray[np.float32], given: tuple[Normal, Baseline]
    ) -> Surface:
        """Put stored pixels of one look beside their normal as :meth:`surface`, as one row."""
        states, tile, at = self.quarter.states, pixels.tile, pixels.at
        folder = f"feature/{states.looks.state_keys[p.id]}/{p.id}"
        seen = stored_values(states.site.store, folder, MODELLED, (tile, at), float("nan"))
        row = (seen[:, None], states.stored(p.id, tile)[at][None])
        return self._beside(p, row, given, (Window(0, 1, 0, at.size), pixels.reach[None]), ranks)

    def _beside(
        self,
        p: Pass,
        look: tuple[NDArray[np.float32], NDArray[np.uint8]],
        given: tuple[Normal, Baseline],
        where: tuple[Window, NDArray[np.uint16]],
        ranks: NDArray[np.float32],
    ) -> Surface:
        states, both = self.quarter.states, (ranks, self.quarter.top)
        res = states.site.store.grid.res_m
        seen = (*look, states.looks.quality[p.id].residual_m / res)
        day = day_of(p.acquired)
        return surface_of(seen, given[0], day, given[1], (*where, res), both, self.options)

    def given_at(self, pixels: Stored) -> tuple[Normal, Baseline]:
        """Give the normal and the water history of stored pixels, as one row."""
        site, where = self.quarter.site, (pixels.tile, pixels.at)
        normal = stored_normal(site.store, self.folder, *where)
        return normal, self.quarter.baselines.stored(*where)

    def given(self, window: Window) -> tuple[Normal, Baseline]:
        """Give the normal and the water history of a window."""
        normal = read_normal(self.quarter.site.store, self.folder, window)
        return normal, self.quarter.baselines.around(window)


def ranks_of(days: Days) -> NDArray[np.float32]:
    """Level rank per reach; NaN where the date is not judged."""
    return np.array([np.nan if d.unusable else d.level.rank for d in days], np.float32)
