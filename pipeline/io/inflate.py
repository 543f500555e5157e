"""Blocks of ordinary GeoTIFFs without GDAL: inflated, straight to the pixels that a store keeps.

Ordinary is DEFLATE in tiles of little-endian numbers of one or two bytes, a band apart, with the
horizontal predictor or without, as most Sentinel-2 files are. All else is GDAL's, and so is each
block that does not decode: it says what is wrong with it. Needs the package ``deflate``, that is
libdeflate (``pip install 'siluan[fast]'``); without it GDAL reads all, to the same bytes.
Format: TIFF 6.0 (Adobe, 1992), sections 14 and 15; Photoshop TIFF Technical Notes (Adobe, 2002).
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from io import RawIOBase
from itertools import count
from pathlib import Path
from threading import local
from typing import Any, TypeGuard

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pipeline.io.recent import Recent
from pipeline.io.runs import Runs
from pipeline.io.tiff_parts import TiffHead, parse

_HEAD_BYTES, _MOST_HEAD_BYTES = 16_384, 1 << 20
_ROOM_BYTES = 1 << 19
_KEPT_BYTES = 96 << 20  # of decoded blocks: a block is of use until the next row of tiles

Block = NDArray[np.uint8 | np.uint16]
Fetch = Callable[[int, int], bytes | memoryview]
"""Gives the bytes of a file from the first one to the one after the last; the thread's next call
may write over them."""


class NotInflatedError(Exception):
    """A block is not there, or does not decode."""


@cache
def inflating() -> Callable[[Any, int], bytearray] | None:
    """Give what inflates so many bytes, None without the package."""
    try:
        return importlib.import_module("deflate").zlib_decompress
    except ImportError:
        return None


_kept: Recent[tuple[int, int], Block] = Recent(_KEPT_BYTES, lambda block: block.nbytes)
_numbers = count()


@dataclass(frozen=True)
class Like:
    """What GDAL says of a band: its size and that of its blocks, its place from 1, its type."""

    shape: tuple[int, int]
    block: tuple[int, int]
    band: int
    number_bytes: int


class Blocks:
    """The blocks of one band of an open file.

    Parameters
    ----------
    head
        Its directory.
    like
        The band.
    fetch
        Gives bytes of the file.
    close
        Closes it.
    """

    def __init__(self, head: TiffHead, like: Like, fetch: Fetch, close: Callable[[], None]) -> None:
        self._head, self._like, self._fetch, self._close = head, like, fetch, close
        self._type = np.dtype(f"<u{head.number_bytes}")
        self._file = next(_numbers)

    @property
    def numbers(self) -> int:
        """How many different numbers a pixel may hold."""
        return 1 << 8 * self._type.itemsize

    def close(self) -> None:
        """Close the file, and let go of what is decoded."""
        self._close()
        _kept.drop(lambda key: key[0] == self._file)

    def stored(
        self, corner: tuple[int, int], runs: Runs, table: NDArray[np.int16], nodata: int
    ) -> NDArray[np.int16]:
        """Give the pixels of a tile that a store keeps; blocks without any are not read.

        Parameters
        ----------
        corner
            Row and column of the band where the tile begins; it may reach beyond the file.
        runs
            The pixels of the tile that are kept.
        table : int16 (``numbers``,)
            What is kept of each number.
        nodata
            What is kept beyond the file.

        Returns
        -------
        int16 (N,)
            In row-major order.

        Raises
        ------
        NotInflatedError
            A block is not in the file, or does not decode.
        """
        out = np.full(runs.size, nodata, np.int16)
        if not out.size:
            return out
        rows, cols = self._head.block
        # From the first to the last kept row and column, within the file.
        lines = np.flatnonzero(np.diff(runs.rows))
        r0 = max(corner[0] + int(lines[0]), 0)
        r1 = min(corner[0] + int(lines[-1]) + 1, self._like.shape[0])
        c0 = max(corner[1] + int(runs.begin.min()), 0)
        c1 = min(corner[1] + int(runs.end.max()), self._like.shape[1])
        where = (runs.rows, runs.begin, runs.end, runs.at)
        for row in range(r0 // rows, -(-r1 // rows)):
            for col in range(c0 // cols, -(-c1 // cols)):
                part = (  # of the tile, what lies in this block
                    max(row * rows, r0) - corner[0],
                    min((row + 1) * rows, r1) - corner[0],
                    max(col * cols, c0) - corner[1],
                    min((col + 1) * cols, c1) - corner[1],
                )
                if touched(where, part):
                    at = (corner[0] - row * rows, corner[1] - col * cols)
                    take(self._block(row, col), where, part, at, table, out)
        return out

    def _block(self, row: int, col: int) -> Block:
        number, inflate = self._head.index(row, col, self._like.band), inflating()
        if number is None or inflate is None:
            raise NotInflatedError
        known = _kept.get((self._file, number))
        if known is not None:
            return known
        first, end = self._head.spans[number]
        rows, cols = self._head.block
        size = rows * cols * self._type.itemsize
        if not 0 < end - first <= size + size // 64 + 1024:  # DEFLATE adds little at its worst
            raise NotInflatedError
        try:
            raw = inflate(self._fetch(first, end), size)
        except (OSError, ValueError, importlib.import_module("deflate").DeflateError):
            raise NotInflatedError from None
        if len(raw) != size:
            raise NotInflatedError
        block: Block = np.frombuffer(raw, self._type).reshape(rows, cols)
        if self._head.predicted:
            summed(block)
        _kept.put((self._file, number), block)
        return block


def open_blocks(place: Path | bytes, like: Like) -> Blocks | None:
    """Open a file by its path, or the bytes of one; None if GDAL has to read it."""
    if inflating() is None:
        return None
    if isinstance(place, bytes):
        view, head = memoryview(place), parse(place)
        if not _ordinary(head, like):
            return None
        return Blocks(head, like, lambda first, end: view[first:end], lambda: None)
    with ExitStack() as stack:
        try:
            file = stack.enter_context(place.open("rb", buffering=0))
            head = _head_of(file)
        except OSError:
            return None
        if not _ordinary(head, like):
            return None
        closing = stack.pop_all()

    def fetch(first: int, end: int) -> memoryview:
        file.seek(first)
        return _read_into(file, _room(end - first))

    return Blocks(head, like, fetch, closing.close)


_rooms = local()


def _room(size: int) -> memoryview:
    """Give room for a packed block, this thread's own and the same each time.

    Fresh memory is cleared by the system page by page, which takes as long as reading.
    """
    held = getattr(_rooms, "held", b"")
    if len(held) < size:
        held = _rooms.held = bytearray(max(size, _ROOM_BYTES))
    return memoryview(held)[:size]


def _read_into(file: RawIOBase, room: memoryview) -> memoryview:
    """Read as much as there is room for; give less where the file ends before."""
    done = 0
    while done < len(room) and (more := file.readinto(room[done:])):
        done += more
    return room[:done]


def _ordinary(head: TiffHead | int | None, like: Like) -> TypeGuard[TiffHead]:
    """Tell whether blocks can be inflated here, and are what GDAL takes them for."""
    return (
        isinstance(head, TiffHead)
        and head.number_bytes == like.number_bytes
        and head.block == like.block
    )


def _head_of(file: RawIOBase) -> TiffHead | int | None:
    size = _HEAD_BYTES
    while True:
        file.seek(0)
        raw = file.read(size)
        head = parse(raw)
        if not isinstance(head, int) or len(raw) < size or head > _MOST_HEAD_BYTES:
            return head
        size = head


@njit(cache=True, nogil=True)
def summed(block):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Undo the horizontal predictor, in place; sums wrap around, as differences did."""
    for r in range(block.shape[0]):
        for c in range(1, block.shape[1]):
            block[r, c] += block[r, c - 1]


@njit(cache=True, nogil=True)
def touched(runs, part):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Tell whether a part of a tile holds a kept pixel."""
    first, begin, end, _ = runs
    row0, row1, col0, col1 = part
    found = False
    for k in range(first[row0], first[row1]):
        found |= begin[k] < col1 and end[k] > col0
    return found


@njit(cache=True, nogil=True)
def take(block, runs, part, at, table, out):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Keep the pixels of a part of a tile; ``at`` is the tile's corner in the block."""
    first, begin, end, place = runs
    row0, row1, col0, col1 = part
    for r in range(row0, row1):
        for k in range(first[r], first[r + 1]):
            shift = place[k] - begin[k]
            for c in range(max(begin[k], col0), min(end[k], col1)):
                out[shift + c] = table[block[r + at[0], c + at[1]]]
