"""The history of a quarter in one piece: what each of its looks says of a pixel, two bits a look.

A baseline (:class:`pipeline.detect.expect.Baseline`) folds all looks of a history over a window,
and every sweep over tiles, every object and every look again asks for some. Read look by look that
is a block for every look and tile; packed it is one block a tile, written when it is first asked
for, under ``past/KEY/states`` with a name made of the looks' layers and of what was flagged in
them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pipeline.detect.expect import Baseline
from pipeline.detect.look_history import LookHistory
from pipeline.detect.lookbits import PER_WORD, packed
from pipeline.io.blocks import DamagedBlockError, Layer
from pipeline.io.vault import content_key
from pipeline.model import Pass, Tile, Window
from pipeline.passes.ground import States
from pipeline.passes.naming import code_mark, history_content


@dataclass(frozen=True)
class Past:
    """The packed history of some looks."""

    states: States
    ids: tuple[str, ...]
    key: str

    @classmethod
    def of(cls, states: States, history: Sequence[Pass]) -> Past:
        """Name the history of some looks; nothing is written yet."""
        key = content_key(code_mark(), history_content(states, history))
        return cls(states, tuple(p.id for p in history), key)

    @property
    def folder(self) -> str:
        """Folder of the product in the store."""
        return f"past/{self.key}/states"

    @cached_property
    def _names(self) -> tuple[str, ...]:
        return tuple(f"s{k}" for k in range(-(-len(self.ids) // PER_WORD)))

    def baseline(self, window: Window, ranks: NDArray[np.float32] | None = None) -> Baseline:
        """Fold the history of a window.

        Parameters
        ----------
        ranks : float32 (looks, n_reach + 1), optional
            Level rank of every reach on every look; without them only the water frequency is known,
            and the history by level is empty.
        """
        site = self.states.site
        if ranks is None:
            ranks = np.full((len(self.ids), site.n_reach + 1), np.nan, np.float32)
        for tile in site.store.touched(window):
            self._make(tile)
        words = (self._word(name, window) for name in self._names)
        return Baseline.fold(words, ranks, site.reach(window))

    def look(self, pass_id: str, base: Baseline) -> NDArray[np.uint8] | None:
        """Give the ground codes of a look from what is folded, uint8 (H, W).

        None where that does not hold them as they were seen: the look is none of the history, some
        of its pixels are none, or so many looks are held by level.
        """
        place = self._places.get(pass_id)
        if place is None or not isinstance(base.history, LookHistory):
            return None
        return None if self.states.flagged.get(pass_id) else base.history.look(place)

    @cached_property
    def _places(self) -> dict[str, int]:
        return {pass_id: t for t, pass_id in enumerate(self.ids)}

    def stored(
        self,
        tile: Tile,
        ranks: NDArray[np.float32] | None = None,
        at: NDArray[np.intp] | slice = slice(None),
    ) -> Baseline:
        """Fold the history of stored pixels of a tile's core, all (1, N).

        Parameters
        ----------
        ranks : float32 (looks, n_reach + 1), optional
            As of :meth:`baseline`.
        at : intp (N,), optional
            Places of those that are wanted among the stored pixels; all of them by default.
        """
        site = self.states.site
        self._make(tile)
        if ranks is None:
            ranks = np.full((len(self.ids), site.n_reach + 1), np.nan, np.float32)
        words = (self._stored_word(name, tile)[at][None] for name in self._names)
        return Baseline.fold(words, ranks, site.stored_reach(tile)[at][None])

    def _stored_word(self, name: str, tile: Tile) -> NDArray[np.int16]:
        store = self.states.site.store
        layer = store.packed(self.folder, name, tile)
        if layer is None:  # left out, it would shift all later words onto other looks
            path = store.block_path(self.folder, tile)
            raise DamagedBlockError(f"{path} has no layer {name}", path)
        return np.asarray(layer.values, np.int16)

    def _make(self, tile: Tile) -> None:
        """Write the packed states of a tile that are not there yet."""
        if not self.states.site.store.block_path(self.folder, tile).exists():
            self._write(tile)

    def _word(self, name: str, window: Window) -> NDArray[np.int16]:
        values, _ = self.states.site.store.dense(self.folder, name, window)
        return np.asarray(values, np.int16)

    def _write(self, tile: Tile) -> None:
        """Pack the states of a tile; two threads that do so write the same."""
        store = self.states.site.store
        words = packed(self.states.each(self.ids, tile.core))
        layers: dict[str, Layer] = {
            name: store.pack(word, tile, 1) for name, word in zip(self._names, words, strict=True)
        }
        store.write(self.folder, tile, layers, durable=False)
