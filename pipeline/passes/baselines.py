"""Baselines of one quarter by window: objects of several dates and the sweeps share them.

A worker of a cluster gets a cache anew with every sweep; what it built for the same cache in an
earlier one is kept in its process, for the last few of them.
"""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import Any
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from pipeline.detect.expect import Baseline
from pipeline.model import Tile, Window
from pipeline.passes.past import Past

_ROUND_PX = 64  # windows of objects are widened to this lattice so that dates share a baseline
_HELD_BYTES = 48 << 20  # of baselines; a tile of 512 px with its halo is 6 to 15 MB
_BAND_BYTES = 3  # of a pixel, once somebody asks for a shore
_SENT_KEPT = 2  # caches of other processes whose baselines are kept here

_Held = OrderedDict[Window, Baseline]
_sent: OrderedDict[str, tuple[_Held, Lock]] = OrderedDict()
_sent_lock = Lock()


class BaselineCache:
    """Baselines that were asked for last, up to a number of bytes."""

    def __init__(self, past: Past, ranks: NDArray[np.float32]) -> None:
        self._past = past
        self._ranks = ranks
        self._forget()

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in vars(self).items() if k not in ("_held", "_lock")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        with _sent_lock:
            self._held, self._lock = _sent.setdefault(self._name, (OrderedDict(), Lock()))
            _sent.move_to_end(self._name)
            while len(_sent) > _SENT_KEPT:
                _sent.popitem(last=False)

    def _forget(self) -> None:
        self._name = uuid4().hex  # of what is held, for copies in other processes
        self._held: _Held = OrderedDict()
        self._lock = Lock()

    def clear(self) -> None:
        """Forget what was built."""
        with self._lock:
            self._held.clear()
            self._name = uuid4().hex

    def over(self, window: Window) -> Baseline:
        """Give the baseline of exactly ``window``; call it for windows that recur."""
        with self._lock:
            if window in self._held:
                self._held.move_to_end(window)
                return self._held[window]
        built = self._past.baseline(window, self._ranks)
        with self._lock:
            self._held[window] = built
            size = sum(_bytes(b) for b in self._held.values())
            while size > _HELD_BYTES and len(self._held) > 1:
                size -= _bytes(self._held.popitem(last=False)[1])
        return built

    def stored(self, tile: Tile, at: NDArray[np.intp]) -> Baseline:
        """Give the baseline of some stored pixels of a tile (:meth:`Past.stored`); not held."""
        return self._past.stored(tile, self._ranks, at)

    def around(self, window: Window) -> Baseline:
        """Give the baseline of ``window``, cut from that of a rounder one."""
        grid = self._past.states.site.store.grid.window
        wide = _rounded(window).intersect(grid) or window
        return self.over(wide).part(window.within(wide))


def _bytes(base: Baseline) -> int:
    held = (base.bins, base.n_clear, base.history)
    return sum(a.nbytes for a in held) + _BAND_BYTES * base.bins.size


def _rounded(w: Window) -> Window:
    k = _ROUND_PX
    return Window(w.row0 // k * k, -(-w.row1 // k) * k, w.col0 // k * k, -(-w.col1 // k) * k)
