"""Strips of a window: how sweeps that compare all dates keep their memory off the dates' number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.io.store import CorridorStore
from pipeline.model import Tile, Window

T = TypeVar("T", bound=np.generic)

_STRIP_BYTES = 12 << 20
_LEAST_ROWS = 4


def strips(window: Window, dates: int, layers: int) -> list[Window]:
    """Cut a window into rows of which ``layers`` float32 stacks of all dates fit in 12 MB."""
    row = max(dates * layers * window.shape[1] * 4, 1)
    rows = max(_STRIP_BYTES // row, _LEAST_ROWS)
    return [
        Window(start, min(start + rows, window.row1), window.col0, window.col1)
        for start in range(window.row0, window.row1, rows)
    ]


def pixels_at_once(dates: int, layers: int) -> int:
    """Give the pixels of which ``layers`` float32 stacks of all dates fit in 12 MB."""
    return max(_STRIP_BYTES // max(dates * layers * 4, 1), 1)


@dataclass(frozen=True, slots=True)
class Packed:
    """Rows of a tile, and which of their pixels the store keeps: bool, of the window's shape."""

    window: Window
    kept: NDArray[np.bool_]

    def take(self, values: NDArray[T]) -> NDArray[T]:
        """Give the stored pixels of an array over the window, row-major, as one row (1, N).

        One row, so that what works on images works on it, pixel by pixel.
        """
        return values[self.kept][None]


def packed_strips(store: CorridorStore, tile: Tile, dates: int, layers: int) -> list[Packed]:
    """Cut a tile as :func:`strips`, counting stored pixels only: a river is a fifth of its tiles.

    For what looks at nothing but the pixel itself: strips one after the other are a packed layer.
    """
    core, kept = tile.core, store.kept(tile.core)
    before = np.concatenate([[0], kept.sum(axis=1).cumsum()])
    most = pixels_at_once(dates, layers)
    out: list[Packed] = []
    start, rows = 0, kept.shape[0]
    while start < rows:
        stop = int(np.searchsorted(before, before[start] + most, side="right")) - 1
        stop = min(max(stop, start + _LEAST_ROWS), rows)
        window = Window(core.row0 + start, core.row0 + stop, core.col0, core.col1)
        out.append(Packed(window, kept[start:stop]))
        start = stop
    return out
