"""Unpacking the store's layers into windows, compiled: most of what a sweep reads passes here.

A packed layer holds the stored pixels of its tile in row-major order. Where they lie is kept as
runs, stretches of stored pixels in a row: a river crosses a tile in one or two runs a row, so that
a window costs its stored pixels and not all of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pipeline.io.stretches import draw_coarse, stretches

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Runs:
    """Where the stored pixels of a tile lie.

    ``rows`` int64 (H + 1,): index of the first run of each row; ``begin``, ``end`` int64: columns
    of each run, half open; ``at`` int64: place of its first pixel in the packed layer.
    """

    rows: Ints
    begin: Ints
    end: Ints
    at: Ints

    @property
    def size(self) -> int:
        """How many pixels they hold."""
        return int(self.at[-1] + self.end[-1] - self.begin[-1]) if self.at.size else 0


def get_ready() -> None:
    """Call a compiled function once: numba brings a hundred modules with the first of a process."""
    _repeated_at(
        np.zeros((1, 1), np.uint8), 1, (0, 0), (np.zeros(1, np.int64),) * 4, np.empty(0, np.uint8)
    )


def runs_of(mask: NDArray[np.bool_]) -> Runs:
    """Give the runs of a mask of stored pixels, bool (H, W)."""
    rows, begin, end = stretches(np.ascontiguousarray(mask, np.bool_).view(np.uint8))
    length = end - begin
    return Runs(rows, begin, end, length.cumsum() - length)


def coarser(runs: Runs, shape: tuple[int, int], factor: int) -> Runs:
    """Give the runs of coarse pixels, ``factor`` times as long, that hold any of ``runs``.

    ``shape`` is that of the fine mask (H, W), multiples of the factor.
    """
    rows, cols = shape
    if rows % factor or cols % factor or runs.rows.size != rows + 1:
        raise ValueError(f"{shape} is no mask of whole pixels at {factor}")
    mask = np.zeros((rows // factor, cols // factor), np.bool_)
    draw_coarse(runs.rows, runs.begin, runs.end, factor, mask)
    return runs_of(mask)


def mask_of(runs: Runs, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Give the mask bool (H, W) that :func:`runs_of` took apart, the caller's own."""
    mask = np.zeros(shape, np.bool_)
    _draw(runs.rows, runs.begin, runs.end, mask)
    return mask


def areas_of(image: NDArray[np.uint16]) -> tuple[Runs, NDArray[np.uint16]]:
    """Give the runs of one number each of an image uint16 (H, W), and these; 0 is left out."""
    rows, begin, end = stretches(np.ascontiguousarray(image))
    at = np.arange(begin.size)  # of its number
    row = np.repeat(np.arange(image.shape[0]), np.diff(rows))
    return Runs(rows, begin, end, at), image[row, begin]


def fill(
    numbers: NDArray[np.uint16],
    areas: Runs,
    part: tuple[slice, slice],
    out: NDArray[np.uint16],
    corner: tuple[int, int],
) -> None:
    """Draw a part of the image that :func:`areas_of` took apart, as :func:`place` does."""
    where = (part[0].start, part[0].stop, part[1].start, part[1].stop, *corner)
    _fill(numbers, areas.rows, areas.begin, areas.end, where, out)


def place(
    values: NDArray[np.generic],
    runs: Runs,
    part: tuple[slice, slice],
    out: NDArray[np.generic],
    corner: tuple[int, int],
) -> None:
    """Copy the stored pixels of a part of a tile into ``out``; the rest of it stays as it is.

    Parameters
    ----------
    part
        Rows and columns of the tile.
    corner
        Row and column of ``out`` where the part's first pixel goes; ``out`` has the type of
        ``values``.
    """
    where = (part[0].start, part[0].stop, part[1].start, part[1].stop, *corner)
    _place(values, runs.rows, runs.begin, runs.end, runs.at, where, out)


def place_scaled(
    values: NDArray[np.int16],
    runs: Runs,
    part: tuple[slice, slice],
    out: NDArray[np.float32],
    corner: tuple[int, int],
    number: tuple[int, float, float],
) -> None:
    """Copy as :func:`place`, divided: ``number`` is (no data, divisor, what stands for no data)."""
    where = (part[0].start, part[0].stop, part[1].start, part[1].stop, *corner)
    how = (np.int16(number[0]), np.float32(number[1]), np.float32(number[2]))
    _place_scaled(values, runs.rows, runs.begin, runs.end, runs.at, where, out, how)


def place_codes(
    values: NDArray[np.int16],
    runs: Runs,
    part: tuple[slice, slice],
    out: NDArray[np.uint8],
    corner: tuple[int, int],
    nodata: int,
) -> None:
    """Copy as :func:`place`, as bytes; what is ``nodata`` is left as it is in ``out``."""
    where = (part[0].start, part[0].stop, part[1].start, part[1].stop, *corner)
    _place_codes(values, runs.rows, runs.begin, runs.end, runs.at, where, out, np.int16(nodata))


def scaled(
    values: NDArray[np.int16], at: NDArray[np.intp] | None, number: tuple[int, float, float]
) -> NDArray[np.float32]:
    """Give packed pixels divided and moved, NaN without data.

    Parameters
    ----------
    values : int16 (N,)
        A packed layer.
    at : intp (M,), optional
        Places of those that are wanted; all by default.
    number
        (no data, divisor, what is added).

    Returns
    -------
    float32 (N,) or (M,)
    """
    out = np.empty(values.size if at is None else at.size, np.float32)
    how = (np.int16(number[0]), np.float32(number[1]), np.float32(number[2]))
    if at is None:
        _scaled(values, how, out)
    else:
        if at.size and not -values.size <= int(at.min()) <= int(at.max()) < values.size:
            raise IndexError(f"a place beyond the {values.size} pixels of a layer")
        _scaled_at(values, at, how, out)
    return out


def codes_of(values: NDArray[np.int16], nodata: int, blank: int) -> NDArray[np.uint8]:
    """Give a packed layer of codes as bytes, uint8 (N,), ``blank`` without data."""
    out = np.empty(values.size, np.uint8)
    _codes_of(values, np.int16(nodata), np.uint8(blank), out)
    return out


def holds_any(values: NDArray[np.int16], wanted: NDArray[np.bool_]) -> bool:
    """Tell whether one of the lower bytes of a packed layer is wanted, bool (256,)."""
    return bool(_holds_any(values, wanted))


def bilinear(
    coarse: NDArray[np.float32],
    rows: tuple[NDArray[np.intp], NDArray[np.float32]],
    cols: tuple[NDArray[np.intp], NDArray[np.float32]],
) -> NDArray[np.float32]:
    """Interpolate between pixels; the nearest one where a neighbour has no data.

    Parameters
    ----------
    coarse : float32 (h, w)
        NaN without data.
    rows, cols : (intp (H,), float32 (H,)), (intp (W,), float32 (W,))
        Index of the pixel before, and the weight 0..1 of the one after it.

    Returns
    -------
    float32 (H, W)
    """
    out = np.empty((rows[0].size, cols[0].size), np.float32)
    _bilinear(np.ascontiguousarray(coarse), *rows, *cols, out)
    return out


def bilinear_at(
    coarse: NDArray[np.float32],
    rows: tuple[NDArray[np.intp], NDArray[np.float32]],
    cols: tuple[NDArray[np.intp], NDArray[np.float32]],
    runs: Runs,
) -> NDArray[np.float32]:
    """Interpolate as :func:`bilinear` at the stored pixels of a tile only.

    Returns
    -------
    float32 (N,)
        In their order.
    """
    out = np.empty(runs.size, np.float32)
    where = (runs.rows, runs.begin, runs.end, runs.at)
    _bilinear_at(np.ascontiguousarray(coarse), *rows, *cols, where, out)
    return out


def bilinear_known(
    coarse: NDArray[np.float32],
    rows: tuple[NDArray[np.intp], NDArray[np.float32]],
    cols: tuple[NDArray[np.intp], NDArray[np.float32]],
) -> NDArray[np.float32]:
    """Interpolate as :func:`bilinear` where that gives a number.

    Returns
    -------
    float32 (N,)
        Row-major, without NaN: a river is a fifth of its tile.
    """
    out = np.empty(rows[0].size * cols[0].size, np.float32)
    return out[: _bilinear_known(np.ascontiguousarray(coarse), *rows, *cols, out)]


def repeated_at(
    coarse: NDArray[np.uint8], factor: int, first: tuple[int, int], runs: Runs
) -> NDArray[np.uint8]:
    """Give the codes of coarse pixels at the stored pixels of a tile.

    ``first``: row and column of the tile's first pixel within the first coarse pixel.
    """
    out = np.empty(runs.size, np.uint8)
    _repeated_at(coarse, factor, first, (runs.rows, runs.begin, runs.end, runs.at), out)
    return out


@njit(cache=True, nogil=True)
def _draw(rows, begin, end, out):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    for r in range(out.shape[0]):
        for k in range(rows[r], rows[r + 1]):
            for c in range(begin[k], end[k]):
                out[r, c] = True


@njit(cache=True, nogil=True)
def _place(values, first, begin, end, at, where, out):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    row0, row1, col0, col1, top, left = where
    for r in range(row0, row1):
        for k in range(first[r], first[r + 1]):
            b, e = max(begin[k], col0), min(end[k], col1)
            if b < e:  # a stretch of its own, of which many pixels are one step
                own = values[at[k] - begin[k] + b : at[k] - begin[k] + e]
                line = out[r - row0 + top, b - col0 + left : e - col0 + left]
                for c in range(own.size):
                    line[c] = own[c]


@njit(cache=True, nogil=True)
def _fill(numbers, first, begin, end, where, out):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    row0, row1, col0, col1, top, left = where
    for r in range(row0, row1):
        for k in range(first[r], first[r + 1]):
            b, e = max(begin[k], col0), min(end[k], col1)
            if b < e:
                line = out[r - row0 + top, b - col0 + left : e - col0 + left]
                for c in range(line.size):
                    line[c] = numbers[k]


@njit(cache=True, nogil=True)
def _place_scaled(values, first, begin, end, at, where, out, how):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    nodata, divisor, blank = how
    row0, row1, col0, col1, top, left = where
    for r in range(row0, row1):
        for k in range(first[r], first[r + 1]):
            b, e = max(begin[k], col0), min(end[k], col1)
            if b < e:
                own = values[at[k] - begin[k] + b : at[k] - begin[k] + e]
                line = out[r - row0 + top, b - col0 + left : e - col0 + left]
                for c in range(own.size):
                    known = np.float32(own[c]) / divisor
                    line[c] = blank if own[c] == nodata else known


@njit(cache=True, nogil=True)
def _place_codes(values, first, begin, end, at, where, out, nodata):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    row0, row1, col0, col1, top, left = where
    for r in range(row0, row1):
        for k in range(first[r], first[r + 1]):
            b, e = max(begin[k], col0), min(end[k], col1)
            if b < e:
                own = values[at[k] - begin[k] + b : at[k] - begin[k] + e]
                line = out[r - row0 + top, b - col0 + left : e - col0 + left]
                for c in range(own.size):
                    line[c] = line[c] if own[c] == nodata else np.uint8(own[c])


@njit(cache=True, nogil=True, error_model="numpy")
def _scaled(values, how, out):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    nodata, divisor, more = how
    nan = np.float32(np.nan)
    for i in range(out.size):
        known = np.float32(values[i]) / divisor + more
        out[i] = nan if values[i] == nodata else known


@njit(cache=True, nogil=True, error_model="numpy")
def _scaled_at(values, at, how, out):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    nodata, divisor, more = how
    nan = np.float32(np.nan)
    for i in range(out.size):
        value = values[at[i]]
        known = np.float32(value) / divisor + more
        out[i] = nan if value == nodata else known


@njit(cache=True, nogil=True, error_model="numpy")
def _codes_of(values, nodata, blank, out):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    for i in range(out.size):
        out[i] = blank if values[i] == nodata else np.uint8(values[i])


@njit(cache=True, nogil=True)
def _holds_any(values, wanted):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    for i in range(values.size):  # codes come in stretches
        if (i == 0 or values[i] != values[i - 1]) and wanted[values[i] & 0xFF]:
            return True
    return False


@njit(cache=True, nogil=True)
def _bilinear(coarse, rows, rw, cols, cw, out):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    one, half = np.float32(1), np.float32(0.5)
    along = np.empty(coarse.shape[1], np.float32)
    for r in range(rows.size):
        w = rw[r]
        for c in range(along.size):
            along[c] = coarse[rows[r], c] * (one - w) + coarse[rows[r] + 1, c] * w
        near = rows[r] + (1 if w >= half else 0)
        for c in range(cols.size):
            k, v = cols[c], cw[c]
            value = along[k] * (one - v) + along[k + 1] * v
            if np.isnan(value):
                value = coarse[near, k + (1 if v >= half else 0)]
            out[r, c] = value


@njit(cache=True, nogil=True)
def _bilinear_at(coarse, rows, rw, cols, cw, where, out):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    first, begin, end, at = where
    one, half = np.float32(1), np.float32(0.5)
    along = np.empty(coarse.shape[1], np.float32)
    for r in range(rows.size):
        w, done = rw[r], 0
        near = rows[r] + (1 if w >= half else 0)
        for i in range(first[r], first[r + 1]):
            for k in range(max(cols[begin[i]], done), cols[end[i] - 1] + 2):
                along[k] = coarse[rows[r], k] * (one - w) + coarse[rows[r] + 1, k] * w
                done = k + 1
            shift = at[i] - begin[i]
            for c in range(begin[i], end[i]):
                k, v = cols[c], cw[c]
                value = along[k] * (one - v) + along[k + 1] * v
                if np.isnan(value):
                    value = coarse[near, k + (1 if v >= half else 0)]
                out[shift + c] = value


@njit(cache=True, nogil=True)
def _bilinear_known(coarse, rows, rw, cols, cw, out):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    one, half = np.float32(1), np.float32(0.5)
    height, width = coarse.shape
    along = np.empty(width, np.float32)
    left, right = np.full(height, width), np.zeros(height, np.int64)  # what a row holds
    for r in range(height):
        for k in range(width):
            if not np.isnan(coarse[r, k]):
                left[r] = min(left[r], k)
                right[r] = k + 1
    n = 0
    for r in range(rows.size):
        row, w = rows[r], rw[r]
        begin, end = min(left[row], left[row + 1]), max(right[row], right[row + 1])
        begin, end = max(begin - 1, 0), min(end + 1, width)
        for k in range(begin, end):
            along[k] = coarse[row, k] * (one - w) + coarse[row + 1, k] * w
        near = row + (1 if w >= half else 0)
        for c in range(np.searchsorted(cols, begin), np.searchsorted(cols, end - 1)):
            k, v = cols[c], cw[c]
            value = along[k] * (one - v) + along[k + 1] * v
            if np.isnan(value):
                value = coarse[near, k + (1 if v >= half else 0)]
            if not np.isnan(value):
                out[n] = value
                n += 1
    return n


@njit(cache=True, nogil=True)
def _repeated_at(coarse, factor, top_left, where, out):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    first, begin, end, at = where
    top, left = top_left
    for r in range(first.size - 1):
        row = (r + top) // factor
        for i in range(first[r], first[r + 1]):
            shift = at[i] - begin[i]
            for c in range(begin[i], end[i]):
                out[shift + c] = coarse[row, (c + left) // factor]
