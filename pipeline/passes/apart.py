"""Ground whose water does not hang together with the channel: it tells no level, and has none.

What hangs together is asked of the whole corridor (:mod:`pipeline.detect.channel_map`), once for
each history, and is kept beside it, ``past/KEY/apart-KEY``.
"""

from __future__ import annotations

import json
from collections.abc import Callable
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
from pipeline.passes.past import Past
from pipeline.passes.reduce import reaches_mark

_NAME = "apart"
_SHARES = "shares.json"
_HELD = 8  # windows at a time: all looks at a tile ask for the same


@dataclass(frozen=True)
class Apart:
    """What is apart in a history; ``share`` 0: nothing is.

    Unlike a :class:`pipeline.passes.past.Past` it rests on more than the tile: a recheck, which
    holds the tiles of some reaches, has one of its own.
    """

    past: Past
    share: float

    def __getstate__(self) -> dict[str, Any]:
        return {"past": self.past, "share": self.share}  # what is held stays here

    @cached_property
    def _folder(self) -> str:
        site = self.past.states.site
        tiles = [site.store.tile_name(t) for t in site.store.tiles]
        return f"past/{self.past.key}/apart-{content_key(self.share, tiles, reaches_mark(site))}"

    def find(self) -> None:
        """Find it, unless it is kept; before any of the other methods."""
        store = self.past.states.site.store
        by_place = {_place(store, t): t for t in store.tiles}
        if not self.share or {store.tile_name(t) for t in store.tiles} <= store.written(
            self._folder
        ):
            return
        site = self.past.states.site
        found = map_tiles(self._bins, store.tiles, site.workers)
        bins = dict(zip(by_place, found, strict=True))
        reaches = {place: site.reach(tile.core) for place, tile in by_place.items()}
        channel = Channel(self.share, store.grid.res_m, slack_bins(len(self.past.ids)))
        counts = np.zeros((2, site.n_reach + 1), np.int64)
        for place, flags in apart_of(bins, reaches, channel):
            tile = by_place[place]
            layer = store.pack(flags.astype(np.int16), tile, 1)
            store.write(self._folder, tile, {_NAME: layer}, durable=False)
            wet = reaches[place][bins[place] > 0]
            counts[0] += np.bincount(wet, minlength=site.n_reach + 1)
            wet = reaches[place][(bins[place] > 0) & flags]
            counts[1] += np.bincount(wet, minlength=site.n_reach + 1)
        of = counts[1, 1:] / np.maximum(counts[0, 1:], 1)
        write_json(store.root / self._folder / _SHARES, [round(float(s), 3) for s in of])

    def shares(self) -> list[float] | None:
        """Give, by reach, the share of what was water at some time that is apart, 0..1.

        None where nothing is, or where it was not found.
        """
        path = self.past.states.site.store.root / self._folder / _SHARES
        if not self.share or not path.exists():
            return None
        return [float(s) for s in json.loads(path.read_bytes())]

    def _bins(self, tile: Tile) -> NDArray[np.uint8]:
        own = np.zeros(tile.core.shape, np.uint8)
        own[self.past.states.site.store.kept(tile.core)] = self.past.stored(tile).bins[0]
        own[own == UNSEEN] = 0
        return own

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
        return self.past.states.site.store.dense(self._folder, _NAME, window)[0] == 1


def _place(store: CorridorStore, tile: Tile) -> Place:
    return tile.core.row0 // store.tile_px, tile.core.col0 // store.tile_px
