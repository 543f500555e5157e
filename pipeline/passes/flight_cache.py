"""Cells of a flight, averaged once and kept for a while: windows overlap, and objects are near.

A block of cells costs a read of its pixels, their resampling and their averaging; the noise, the
judgement and the measuring of objects ask for the same ones. Blocks are kept by last use, up to a
number of bytes, so memory does not grow with the mosaic.
"""

from __future__ import annotations

from collections import OrderedDict
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from pipeline.model import FlightCells, FlightReader, Window
from pipeline.prepare.flight_cells import cells_of

BLOCK = 128
"""Side of a block [cells]."""

_MOST_BYTES = 96 * 2**20  # of one flight; a strip of blocks over 2 km of cells of 0.2 m
_Key = tuple[int, int]


@dataclass(frozen=True)
class _Parts:
    """Arrays of a window that are filled block by block."""

    colour: NDArray[np.float32]
    nir: NDArray[np.float32] | None
    valid: NDArray[np.bool_]
    height: NDArray[np.float32] | None


class CellSource:
    """Cells of one flight by window; may be asked by several threads."""

    def __init__(
        self, read: FlightReader, step: int, res_m: float, most_bytes: int = _MOST_BYTES
    ) -> None:
        self._read, self._step, self._res_m, self._most = read, step, res_m, most_bytes
        self._blocks: OrderedDict[_Key, Future[FlightCells]] = OrderedDict()
        self._lock = Lock()
        self._bytes = 0

    def __call__(self, window: Window) -> FlightCells:
        """Give the cells of a window (of cells); it may reach beyond the mosaic."""
        rows = range(window.row0 // BLOCK, -(-window.row1 // BLOCK))
        cols = range(window.col0 // BLOCK, -(-window.col1 // BLOCK))
        out: _Parts | None = None
        for r in rows:
            for c in cols:
                cells = self._block((r, c))
                out = out or _empty(cells, window.shape)
                own = Window(r * BLOCK, (r + 1) * BLOCK, c * BLOCK, (c + 1) * BLOCK)
                both = own.intersect(window)
                assert both is not None
                _fill(out, cells, both.within(window), both.within(own))
        assert out is not None
        return FlightCells(out.colour, out.nir, out.valid, out.height, self._res_m * self._step)

    def _block(self, key: _Key) -> FlightCells:
        with self._lock:
            known = self._blocks.get(key)
            if known is not None:
                self._blocks.move_to_end(key)
            mine: Future[FlightCells] = Future()
            if known is None:
                self._blocks[key] = mine
        if known is not None:
            return known.result()
        try:
            cells = self._made(key)
        except BaseException as error:
            with self._lock:
                self._blocks.pop(key, None)
            mine.set_exception(error)
            raise
        mine.set_result(cells)
        self._keep(cells)
        return cells

    def _made(self, key: _Key) -> FlightCells:
        side = BLOCK * self._step
        r, c = (k * side for k in key)
        pixels = self._read(Window(r, r + side, c, c + side), 1)
        return cells_of(pixels, self._step, self._res_m)

    def _keep(self, cells: FlightCells) -> None:
        """Count a new block, and let those go that were not used for longest."""
        with self._lock:
            self._bytes += _bytes(cells)
            for key in list(self._blocks):
                if self._bytes <= self._most:
                    break
                oldest = self._blocks[key]
                if oldest.done():  # others are being made, and counted when they are
                    self._bytes -= _bytes(oldest.result())
                    del self._blocks[key]


def _bytes(cells: FlightCells) -> int:
    parts = (cells.colour, cells.nir, cells.valid, cells.height)
    return sum(p.nbytes for p in parts if p is not None)


def _empty(like: FlightCells, shape: tuple[int, int]) -> _Parts:
    return _Parts(
        np.empty((len(like.colour), *shape), np.float32),
        None if like.nir is None else np.empty(shape, np.float32),
        np.empty(shape, np.bool_),
        None if like.height is None else np.empty(shape, np.float32),
    )


def _fill(
    out: _Parts, cells: FlightCells, into: tuple[slice, slice], at: tuple[slice, slice]
) -> None:
    out.colour[:, into[0], into[1]] = cells.colour[:, at[0], at[1]]
    out.valid[into] = cells.valid[at]
    if out.nir is not None and cells.nir is not None:
        out.nir[into] = cells.nir[at]
    if out.height is not None and cells.height is not None:
        out.height[into] = cells.height[at]
