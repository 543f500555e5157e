"""Layers of coarser pixels, brought to the pixels of the grid, compiled."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pipeline.io.runs import Runs


def get_ready() -> None:
    """Call a compiled function once: numba brings a hundred modules with the first of a process."""
    _repeated_at(
        np.zeros((1, 1), np.uint8), 1, (0, 0), (np.zeros(1, np.int64),) * 4, np.empty(0, np.uint8)
    )


def between(
    start: int, stop: int, first: int, factor: int
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Give the coarse pixels between which fine ones lie, as :func:`bilinear` asks for them.

    Parameters
    ----------
    start, stop : int
        Fine pixels along one axis, half open.
    first : int
        Coarse pixel that has index 0.
    factor : int
        How many fine ones a coarse one is long.
    """
    position = (np.arange(start, stop, dtype=np.float64) + 0.5) / factor - 0.5
    below = np.floor(position).astype(np.intp)
    return below - first, (position - below).astype(np.float32)


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
