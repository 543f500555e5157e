"""Ground whose water does not hang together with the channel: it tells no level, and has none.

What hangs together is asked of the whole corridor (:mod:`pipeline.detect.channel_map`), once for
each history, and is kept beside it, ``past/KEY/apart-KEY``.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.detect.channel import slack_bins
from pipeline.detect.channel_map import Channel, apart_of
from pipeline.detect.channel_pieces import Place
from pipeline.detect.water_frequency import UNSEEN
from pipeline.io.atomic import write_json
from pipeline.io.store import CorridorStore
from pipeline.io.tasks import map_tiles
from pipeline.io.vault import content_key
from pipeline.model import Tile, Window
from pipeline.passes.ground import Site
from pipeline.passes.past import Past
from pipeline.passes.reduce import reaches_mark

log = logging.getLogger("siluan")

_NAME = "apart"
_MOST = 0.5  # share of the water of a reach from which it is said how much does not speak
_SHARES = "shares.json"
_HELD = 8  # windows at a time: all looks at a tile ask for the same


@dataclass(frozen=True)
class Apart:
    """What is apart in a history; ``share`` 0: nothing is.

    Unlike a :class:`pipeline.passes.past.Past` it rests on more than the tile.
    """

    past: Past
    share: float

    def __getstate__(self) -> dict[str, Any]:
        return {"past": self.past, "share": self.share}  # what is held stays here

    @cached_property
    def _folder(self) -> str:
        """The folder of what rests on all tiles, or on those of this site where that is not there.

        A recheck holds the tiles of some reaches; what a patrol found of the whole river is better.
        """
        store = self.past.states.site.store
        whole = self._named(store.all_tiles)
        return whole if self._is_whole(whole, store.all_tiles) else self._named(store.tiles)

    def _named(self, tiles: Sequence[Tile]) -> str:
        site = self.past.states.site
        names = [site.store.tile_name(t) for t in tiles]
        return f"past/{self.past.key}/apart-{content_key(self.share, names, reaches_mark(site))}"

    def _is_whole(self, folder: str, tiles: Sequence[Tile]) -> bool:
        store = self.past.states.site.store
        blocks = {store.tile_name(t) for t in tiles} <= store.written(folder)
        return blocks and self._read_shares(folder) is not None

    def find(self) -> None:
        """Find it, unless it is kept; before any of the other methods."""
        site = self.past.states.site
        store = site.store
        if not self.share or self._is_whole(self._folder, store.tiles):
            return
        by_place = {_place(store, t): t for t in store.tiles}
        found = map_tiles(self._bins, store.tiles, site.workers)
        bins = {place: own for place, (own, _) in zip(by_place, found, strict=True)}
        looks = sum(n for _, n in found) / max(1, sum(np.count_nonzero(b) for b in bins.values()))
        reaches = {place: site.reach(tile.core) for place, tile in by_place.items()}
        channel = Channel(self.share, store.grid.res_m, slack_bins(round(looks)))
        told, each = apart_of(bins, reaches, channel)
        counts = np.zeros((2, site.n_reach + 1), np.int64)
        for place, flags in each:
            tile = by_place[place]
            layer = store.pack(flags.astype(np.int16), tile, 1)
            store.write(self._folder, tile, {_NAME: layer}, durable=False)
            wet = bins[place] > 0
            for row, of in enumerate((wet, wet & flags)):
                counts[row] += np.bincount(reaches[place][of], minlength=site.n_reach + 1)
        of_reach = counts[1] / np.maximum(counts[0], 1)
        shares = [
            round(float(of_reach[r]), 3) if r in told else None for r in range(1, len(of_reach))
        ]
        write_json(store.root / self._folder / _SHARES, shares)
        _tell(site, shares)

    def shares(self) -> list[float | None] | None:
        """Give, by reach, the share of what was water at some time that is apart, 0..1.

        None for a reach along which no channel was found: all of its water tells its level. None
        for all where nothing is asked for, or it was not found.
        """
        return self._read_shares(self._folder) if self.share else None

    def _read_shares(self, folder: str) -> list[float | None] | None:
        try:
            said = json.loads((self.past.states.site.store.root / folder / _SHARES).read_bytes())
            return [None if s is None else float(s) for s in said]
        except (OSError, ValueError, TypeError):
            return None  # it is found again

    def _bins(self, tile: Tile) -> tuple[NDArray[np.uint8], int]:
        """Give the water frequency over a tile, and the clear looks at what was ever water."""
        base = self.past.stored(tile)
        own = np.zeros(tile.core.shape, np.uint8)
        own[self.past.states.site.store.kept(tile.core)] = base.bins[0]
        own[own == UNSEEN] = 0
        ever = (base.bins[0] > 0) & (base.bins[0] != UNSEEN)
        return own, int(base.n_clear[0][ever].sum())

    def stored(self, tile: Tile) -> NDArray[np.bool_] | None:
        """Give it of the stored pixels of a tile's core, bool (N,); None: nothing is."""
        if not self.share:
            return None
        layer = self.past.states.site.store.packed(self._folder, _NAME, tile)
        return None if layer is None else np.asarray(layer.values) == 1

    def over(self, window: Window) -> NDArray[np.bool_] | None:
        """Give it of a window, bool (H, W), not to be written to; None: nothing is."""
        return self._over(window) if self.share else None

    @cached_property
    def _over(self) -> Callable[[Window], NDArray[np.bool_]]:
        return lru_cache(maxsize=_HELD)(self._read)

    def _read(self, window: Window) -> NDArray[np.bool_]:
        store = self.past.states.site.store
        own = set(store.tiles)
        touched = store.touched(window)
        # Beside the tiles of a recheck nothing was asked: what is not there is not apart.
        there = [t for t in touched if t in own or store.block_path(self._folder, t).exists()]
        if len(there) == len(touched):
            return store.dense(self._folder, _NAME, window)[0] == 1
        out = np.zeros(window.shape, np.bool_)
        for tile in there:
            part = tile.core.intersect(window)
            assert part is not None
            out[part.within(window)] = store.dense(self._folder, _NAME, part)[0] == 1
        return out


def _tell(site: Site, shares: Sequence[float | None]) -> None:
    """Say where most of the water does not speak, and where no channel was found."""
    names = [r.id for r in site.reaches]
    most = [f"{n} {s:.0%}" for n, s in zip(names, shares, strict=True) if s and s > _MOST]
    none = [n for n, s in zip(names, shares, strict=True) if s is None]
    if most:
        what = "most of the water hangs together with no channel and tells no level"
        log.info("%s: %s: %s", site.corridor.id, what, ", ".join(most))
    if none:
        what = "no channel was found along, so that all water tells the level of"
        log.info("%s: %s: %s", site.corridor.id, what, ", ".join(none))


def _place(store: CorridorStore, tile: Tile) -> Place:
    return tile.core.row0 // store.tile_px, tile.core.col0 // store.tile_px
