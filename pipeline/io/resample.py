"""Sub-pixel shifting of a block of reflectance, the same bits whatever the tiling.

A registration shift is constant over a pass, so one set of four Catmull-Rom weights per axis serves
every pixel, and an output pixel depends on nothing but its sixteen neighbours.

Source: Catmull & Rom (1974), DOI 10.1016/B978-0-12-079050-0.50020-5; with tension 1/2 it is the
cubic convolution of Keys (1981), DOI 10.1109/TASSP.1981.1163711.
"""

from __future__ import annotations

from math import ceil, floor

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pipeline.io.runs import Runs

TAPS_PX = 2  # how far the four taps reach beyond the integer part of a shift


def margin_px(dy: float, dx: float) -> int:
    """Give the margin [px] that ``resample_shift`` needs around the wanted block."""
    return 0 if dy == 0 and dx == 0 else ceil(max(abs(dy), abs(dx))) + TAPS_PX


def resample_shift(block: NDArray[np.float32], dy: float, dx: float, m: int) -> NDArray[np.float32]:
    """Resample a block at ``(row + dy, col + dx)``.

    Parameters
    ----------
    block : float32 (H + 2m, W + 2m)
        Values, NaN without data.
    dy, dx : float
        Shift [px] to add to output coordinates to find the value in ``block``.
    m : int
        Margin [px] of ``block`` around the output; at least ``margin_px(dy, dx)``.

    Returns
    -------
    float32 (H, W)
        Interpolated values. Where a needed tap has no data the nearest pixel is taken instead, NaN
        if that has none, so that edges of data neither grow nor erode by the kernel.

    Raises
    ------
    ValueError
        If the margin is too small.
    """
    _check_margin(dy, dx, m)
    height, width = block.shape[0] - 2 * m, block.shape[1] - 2 * m
    if dy == 0 and dx == 0:
        return block[m : m + height, m : m + width].astype(np.float32, copy=True)
    out = np.empty((height, width), dtype=np.float32)
    _convolve(block, *_taps(dy, dx, m), out)
    return out


def resample_at(
    block: NDArray[np.float32], shift: tuple[float, float], m: int, runs: Runs
) -> NDArray[np.float32]:
    """Resample as :func:`resample_shift` at the stored pixels of a tile only, float32 (N,)."""
    dy, dx = shift
    _check_margin(dy, dx, m)
    out = np.empty(runs.size, np.float32)
    _convolve_at(block, *_taps(dy, dx, m), (runs.rows, runs.begin, runs.end, runs.at), out)
    return out


def _check_margin(dy: float, dx: float, m: int) -> None:
    need = margin_px(dy, dx)
    if m < need:
        raise ValueError(f"a shift of ({dy}, {dx}) px needs a margin of {need} px, got {m}")


_Taps = tuple[NDArray[np.float32], NDArray[np.float32], tuple[int, int], tuple[int, int]]


def _taps(dy: float, dx: float, m: int) -> _Taps:
    """Give weights, where the first tap of the first pixel lies, and where the nearest pixel."""
    row, col = floor(dy), floor(dx)
    # Weights are floats of float32 precision so that the kernel has one arithmetic only.
    weights_y = catmull_rom_weights(dy - row)
    weights_x = catmull_rom_weights(dx - col)
    near = (round_half_up(dy), round_half_up(dx))
    return weights_y, weights_x, (m + row - 1, m + col - 1), (m + near[0], m + near[1])


def catmull_rom_weights(fraction: float) -> NDArray[np.float32]:
    """Weights of the taps at -1, 0, 1, 2 for a point at ``fraction`` (0..1) past tap 0; sum 1."""
    f = fraction
    return np.array(
        [
            ((-0.5 * f + 1.0) * f - 0.5) * f,
            (1.5 * f - 2.5) * f * f + 1.0,
            ((-1.5 * f + 2.0) * f + 0.5) * f,
            (0.5 * f - 0.5) * f * f,
        ],
        dtype=np.float32,
    )


def round_half_up(value: float) -> int:
    """Round to the nearest integer, halves upwards (Python's own rounds them to even)."""
    return floor(value + 0.5)


@njit(cache=True, nogil=True)
def _convolve(block, weights_y, weights_x, origin, nearest, out):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    lines = np.empty((4, out.shape[1]), np.float32)
    held = np.full(4, -1)
    for r in range(out.shape[0]):
        for i in range(4):
            if weights_y[i] != 0 and held[(r + i) % 4] != r + i:
                _across(block[r + origin[0] + i], weights_x, origin[1], lines[(r + i) % 4])
                held[(r + i) % 4] = r + i
        _down(lines, weights_y, r, out[r])
        _nearest(block[r + nearest[0]], nearest[1], 0, out[r])


@njit(cache=True, nogil=True)
def _convolve_at(block, weights_y, weights_x, origin, nearest, where, out):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    first, begin, end, at = where
    if out.size == 0:
        return
    low, high = begin.min(), end.max()  # columns that any row asks for
    lines = np.empty((4, high - low), np.float32)
    held = np.full(4, -1)
    row = np.empty(high - low, np.float32)
    for r in range(first.size - 1):
        if first[r] == first[r + 1]:
            continue
        for i in range(4):
            if weights_y[i] != 0 and held[(r + i) % 4] != r + i:
                _across(block[r + origin[0] + i], weights_x, origin[1] + low, lines[(r + i) % 4])
                held[(r + i) % 4] = r + i
        _down(lines, weights_y, r, row)
        for k in range(first[r], first[r + 1]):
            part = out[at[k] : at[k] + end[k] - begin[k]]
            part[:] = row[begin[k] - low : end[k] - low]
            _nearest(block[r + nearest[0]], nearest[1], begin[k], part)


# Whole rows at a time, which compilers turn into vectors; a pixel's sums have the same order as one
# by one, four of a row first and then the four rows, so that they have the same bits.


@njit(cache=True, nogil=True, inline="always")
def _across(source, weights_x, first, line):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    line[:] = np.float32(0.0)
    for j in range(4):
        if weights_x[j] != 0:
            for c in range(line.size):
                line[c] += weights_x[j] * source[c + first + j]


@njit(cache=True, nogil=True, inline="always")
def _down(lines, weights_y, r, row):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    row[:] = np.float32(0.0)
    for i in range(4):
        if weights_y[i] != 0:
            line = lines[(r + i) % 4]
            for c in range(row.size):
                row[c] += weights_y[i] * line[c]


@njit(cache=True, nogil=True, inline="always")
def _nearest(source, near, first, row):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    for c in range(row.size):
        if np.isnan(row[c]):
            row[c] = source[c + first + near]
