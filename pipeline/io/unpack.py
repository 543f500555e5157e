"""Unpacking the store's layers into windows, compiled: most of what a sweep reads passes here.

A packed layer holds the stored pixels of its tile in row-major order. Where they lie is kept as
runs (:mod:`pipeline.io.runs`).
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pipeline.io.runs import Runs


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
