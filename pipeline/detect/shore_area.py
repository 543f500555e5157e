"""Where water lies at the next known level above that of a date."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pipeline.detect.level_band import Band
from pipeline.detect.shore import Shore
from pipeline.detect.water_frequency import UNSEEN


def find_shore(
    bins: NDArray[np.uint8],
    n_clear: NDArray[np.uint16],
    partial: tuple[NDArray[np.uint8], NDArray[np.uint16]],
    band: Band,
    min_looks: int,
) -> Shore:
    """Find the area that is wet at the next known level.

    Parameters
    ----------
    bins : uint8 (H, W)
        Codes of :func:`pipeline.detect.water_frequency.frequency_bins`.
    n_clear : uint16 (H, W)
        Clear looks behind them.
    partial : uint8 (n_reach + 1,), uint16 (H, W)
        Partial bin of the date (:class:`pipeline.detect.level.Cut`) by reach, and pixels' reach.
    band : Band
        Of the same window.
    min_looks : int
        Clear looks before a pixel can belong to the water of a known level.
    """
    # A river crosses its window: of most columns of a row nothing is known.
    inside, edge = np.zeros(bins.shape, np.bool_), np.zeros(bins.shape, np.bool_)
    # In one piece, as windows are and parts of them are not: compiled for that alone.
    bins, n_clear = np.ascontiguousarray(bins), np.ascontiguousarray(n_clear)
    # A majority of 3x3 heals single errors of the mask; each would be a shore of its own.
    level = (np.maximum(partial[0], np.uint8(1)), min_looks, np.uint8(UNSEEN))
    _majority(bins, n_clear, level, (*band.columns, *band.stretches(partial[1])), inside)
    _edge_of(inside, band.columns, edge)
    return Shore(inside, edge, band)


@njit(cache=True, nogil=True)
def _majority(bins, n_clear, level, columns, inside):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Say where five of 3x3 pixels are wet; the edge of the window is repeated.

    ``inside`` is false beforehand, and stays so where nothing near a pixel was seen.
    """
    partial, least, unseen = level
    first, last, starts, ends, reach = columns
    h, w = bins.shape
    rows = np.zeros((3, w), np.uint8)  # wet pixels of three in a row, of the last three rows
    left, right = np.zeros(3, np.int64), np.zeros(3, np.int64)  # and the columns they may be in
    wet = np.zeros(w, np.uint8)
    for r in range(-1, h + 1):
        own, slot = min(max(r, 0), h - 1), (r + 1) % 3
        begin, stop = first[own], last[own]
        wet[:] = 0
        for k in range(starts[own], starts[own + 1]):  # of one reach: its pixels are one step
            seen = (bins[own, begin : ends[k]], n_clear[own, begin : ends[k]])
            _wet_at(seen, (partial[reach[k]], least, unseen), wet[begin : ends[k]])
            begin = ends[k]
        rows[slot, left[slot] : right[slot]] = 0
        left[slot], right[slot] = max(first[own] - 1, 0), min(stop + 1, w)
        _three_in_a_row(wet, left[slot], right[slot], rows[slot])
        if r >= 1:
            begin, end = left.min(), right.max()
            one, two, three = rows[0, begin:end], rows[1, begin:end], rows[2, begin:end]
            out = inside[r - 1, begin:end]
            for c in range(out.size):
                out[c] = one[c] + two[c] + three[c] >= 5


@njit(cache=True, nogil=True)
def _wet_at(seen, level, wet):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Say what history saw clearly often enough, and at the level ``partial`` under water."""
    bins, n_clear = seen
    partial, least, unseen = level
    for c in range(wet.size):
        wet[c] = (bins[c] != unseen) & (n_clear[c] >= least) & (bins[c] >= partial)


@njit(cache=True, nogil=True)
def _three_in_a_row(wet, begin, end, line):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Count pixels of some columns of a row with their neighbours; the ends are repeated."""
    n = wet.size
    b, e = max(begin, 1), min(end, n - 1)
    if b < e:
        left, own, right, out = wet[b - 1 : e - 1], wet[b:e], wet[b + 1 : e + 1], line[b:e]
        for c in range(out.size):
            out[c] = left[c] + own[c] + right[c]
    if begin == 0:
        line[0] = 2 * wet[0] + wet[min(1, n - 1)]
    if end == n:
        line[n - 1] = 2 * wet[n - 1] + wet[max(n - 2, 0)]


@njit(cache=True, nogil=True)
def _edge_of(inside, columns, edge):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Say which pixels of an area have one of their eight neighbours outside of it.

    No pixel of it lies further from ``columns`` than one; ``edge`` is false beforehand.
    """
    first, last = columns
    h, w = inside.shape
    rows = np.zeros((3, w), np.uint8)
    left, right = np.zeros(3, np.int64), np.zeros(3, np.int64)
    own = np.zeros(w, np.uint8)
    for r in range(-1, h + 1):
        row, slot = min(max(r, 0), h - 1), (r + 1) % 3
        rows[slot, left[slot] : right[slot]] = 0
        # A pixel of the area may owe that to the rows above and below.
        up, low = max(row - 1, 0), min(row + 1, h - 1)
        begin, end = w, 0
        for near in (up, row, low):
            if first[near] < last[near]:
                begin, end = min(begin, first[near] - 2), max(end, last[near] + 2)
        begin = max(begin, 0)
        left[slot], right[slot] = begin, max(min(end, w), begin)
        own[:] = 0
        source, some = inside[row, begin : right[slot]], own[begin : right[slot]]
        for c in range(some.size):
            some[c] = source[c]
        _three_in_a_row(own, left[slot], right[slot], rows[slot])
        if r >= 1:
            begin, end = left.min(), right.max()
            one, two, three = rows[0, begin:end], rows[1, begin:end], rows[2, begin:end]
            area, out = inside[r - 1, begin:end], edge[r - 1, begin:end]
            for c in range(out.size):
                out[c] = area[c] & (one[c] + two[c] + three[c] != 9)
