"""Cells of a flight, averaged once and kept for a while: windows overlap, and objects are near.

A block of cells costs a read of its pixels, their resampling and their averaging; the noise, the
judgement and the measuring of objects ask for the same ones. Blocks are kept by last use, up to a
number of bytes, so memory does not grow with the mosaic.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Lock
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.model import Cover, FlightCells, FlightReader, Grid, Window
from pipeline.prepare.flight_cells import cells_of

BLOCK = 128
"""Side of a block [cells]."""

COVER_BLOCK = 4 * BLOCK
"""Side of a block of cover [cells]; each looks some metres around itself."""

_LOOK_PX = 16  # one look in so many pixels tells where a flight shows anything; divides BLOCK
_ABOUT = 2  # looks around a block that count as its own: what is seen there may reach into it
_FEW = 256  # blocks; of smaller frames every block is read
_MOST_BYTES = 96 * 2**20  # of one flight; a strip of blocks over 2 km of cells of 0.2 m
_MOST_COVER = 32 * 2**20  # of one flight; 130 ha of cells of 0.2 m
_Key = tuple[int, int]
T = TypeVar("T")


@dataclass(frozen=True)
class _Parts:
    """Arrays of a window that are filled block by block."""

    colour: NDArray[np.float32]
    nir: NDArray[np.float32] | None
    valid: NDArray[np.bool_]
    height: NDArray[np.float32] | None


class Kept(Generic[T]):
    """Blocks by place, made once and kept by last use up to a number of bytes; for threads."""

    def __init__(self, make: Callable[[_Key], T], size: Callable[[T], int], most: int) -> None:
        self._make, self._size, self._most = make, size, most
        self._blocks: OrderedDict[_Key, Future[T]] = OrderedDict()
        self._lock = Lock()
        self._bytes = 0

    def __call__(self, key: _Key) -> T:
        """Give a block; who asks for one that is being made waits for it."""
        with self._lock:
            known = self._blocks.get(key)
            if known is not None:
                self._blocks.move_to_end(key)
            mine: Future[T] = Future()
            if known is None:
                self._blocks[key] = mine
        if known is not None:
            return known.result()
        try:
            block = self._make(key)
        except BaseException as error:
            with self._lock:
                self._blocks.pop(key, None)
            mine.set_exception(error)
            raise
        mine.set_result(block)
        self._count(block)
        return block

    def _count(self, block: T) -> None:
        """Count a new block, and let those go that were not used for longest."""
        with self._lock:
            self._bytes += self._size(block)
            for key in list(self._blocks):
                if self._bytes <= self._most:
                    break
                oldest = self._blocks[key]
                if oldest.done():  # others are being made, and counted when they are
                    self._bytes -= self._size(oldest.result())
                    del self._blocks[key]


def _over(window: Window, side: int) -> Iterator[tuple[_Key, Window, Window]]:
    """Give the blocks that a window touches: key, the block's own window, what both share."""
    for r in range(window.row0 // side, -(-window.row1 // side)):
        for c in range(window.col0 // side, -(-window.col1 // side)):
            own = Window(r * side, (r + 1) * side, c * side, (c + 1) * side)
            both = own.intersect(window)
            assert both is not None
            yield (r, c), own, both


class CellSource:
    """Cells of one flight by window; may be asked by several threads."""

    def __init__(
        self, read: FlightReader, step: int, grid: Grid, most_bytes: int = _MOST_BYTES
    ) -> None:
        self._read, self._step, self._res_m = read, step, grid.res_m
        self.frame = Window(0, -(-grid.shape[0] // step), 0, -(-grid.shape[1] // step))
        self._kept = Kept(self._made, _bytes, most_bytes)
        self._void: FlightCells | None = None
        self._shown: NDArray[np.bool_] | None = None
        self._lock = Lock()

    def shows(self, window: Window) -> bool:
        """Tell whether a window (of cells) may hold a picture or a surface; False is sure."""
        shown = self._blocks()
        inside = window.intersect(self.frame)
        if inside is None:
            return False
        rows, cols = (
            slice(a // BLOCK, -(-b // BLOCK))
            for a, b in ((inside.row0, inside.row1), (inside.col0, inside.col1))
        )
        return bool(shown[rows, cols].any())

    def _blocks(self) -> NDArray[np.bool_]:
        """Give which blocks of the frame may show anything, from one coarse look at all."""
        with self._lock:
            if self._shown is None:
                rows, cols = (-(-n // BLOCK) for n in self.frame.shape)
                if rows * cols <= _FEW:
                    self._shown = np.ones((rows, cols), bool)
                else:
                    self._shown = np.stack([self._row(r, cols) for r in range(rows)])
            return self._shown

    def _row(self, row: int, cols: int) -> NDArray[np.bool_]:
        side, rim = BLOCK * self._step, _ABOUT * _LOOK_PX
        top = row * side - rim
        pixels = self._read(Window(top, top + side + 2 * rim, -rim, cols * side + rim), _LOOK_PX)
        seen = np.asarray(pixels.valid.any(axis=0), np.bool_)
        if pixels.height is not None:
            seen |= np.asarray(np.isfinite(pixels.height).any(axis=0), np.bool_)
        each = side // _LOOK_PX
        starts = range(0, cols * each, each)
        return np.array([seen[c : c + each + 2 * _ABOUT].any() for c in starts])

    def __call__(self, window: Window) -> FlightCells:
        """Give the cells of a window (of cells); it may reach beyond the mosaic."""
        out: _Parts | None = None
        for key, own, both in _over(window, BLOCK):
            cells = self._kept(key) if self.shows(own) else self._nothing()
            out = out or _empty(cells, window.shape)
            _fill(out, cells, both.within(window), both.within(own))
        assert out is not None
        return FlightCells(out.colour, out.nir, out.valid, out.height, self._res_m * self._step)

    def _nothing(self) -> FlightCells:
        """Give a block beyond the frame; which bands it has is asked of one cell."""
        if self._void is None:
            one = self._read(Window(0, self._step, 0, self._step), 1)
            cells, shape = cells_of(one, self._step, self._res_m), (BLOCK, BLOCK)
            self._void = FlightCells(
                np.zeros((len(cells.colour), *shape), np.float32),
                None if cells.nir is None else np.zeros(shape, np.float32),
                np.zeros(shape, bool),
                None if cells.height is None else np.full(shape, np.nan, np.float32),
                cells.cell_m,
            )
        return self._void

    def _made(self, key: _Key) -> FlightCells:
        side = BLOCK * self._step
        r, c = (k * side for k in key)
        # An overview of half the pixels holds means of four of them: the cells are the same, and a
        # quarter is decoded and sampled.
        fine = 2 if self._step % 4 == 0 else 1
        pixels = self._read(Window(r, r + side, c, c + side), fine)
        return cells_of(pixels, self._step // fine, self._res_m * fine)


class CoverSource:
    """What covers the cells of one flight, made once a block: noise, judgement and objects ask."""

    def __init__(
        self, cells: CellSource, judge: Callable[[FlightCells], NDArray[np.uint8]], halo: int
    ) -> None:
        self._cells, self._judge, self._halo = cells, judge, halo
        self._kept = Kept[NDArray[np.uint8]](self._made, lambda b: b.nbytes, _MOST_COVER)

    def __call__(self, window: Window) -> NDArray[np.uint8]:
        """Give the codes of :class:`pipeline.model.Cover` of a window (of cells)."""
        out = np.full(window.shape, Cover.VOID, np.uint8)
        for key, own, both in _over(window, COVER_BLOCK):
            if not self._cells.shows(own):
                continue
            out[both.within(window)] = self._kept(key)[both.within(own)]
        return out

    def _made(self, key: _Key) -> NDArray[np.uint8]:
        r, c = (k * COVER_BLOCK for k in key)
        own = Window(r, r + COVER_BLOCK, c, c + COVER_BLOCK)
        # What lies farther beyond the frame than a cell can look changes nothing.
        wide = own.pad(self._halo).intersect(self._cells.frame.pad(self._halo))
        assert wide is not None
        out = np.full(own.shape, Cover.VOID, np.uint8)
        cells = self._cells(wide)
        if cells.valid.any():
            inside = own.intersect(wide)
            assert inside is not None
            out[inside.within(own)] = self._judge(cells)[inside.within(wide)]
        return out


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
