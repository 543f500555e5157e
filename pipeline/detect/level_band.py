"""How gentle the banks of a window are, by the band between its lowest and highest known water."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pipeline.bounds import of_one_shape
from pipeline.detect.distances import along_rows, nearest
from pipeline.detect.water_frequency import N_BINS, UNSEEN

WIDTH_EDGES = (1.5, 3.0, 6.0, 12.0, 24.0)
"""Edges between the classes of bank gentleness: width of the band of known levels [px]."""

N_WIDTHS = len(WIDTH_EDGES) + 1

_LIMITS = np.array(WIDTH_EDGES, np.float32)
_WIDEST = int(WIDTH_EDGES[-1]) + 1  # a distance from which the band is of the last class
_UNASKED = 255

Stretches = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint16]]
"""Of each row the first of its stretches (H + 1,), and where each ends and in which reach."""


class Band:
    """The band of known levels around each pixel of a window: wide bands are gentle banks.

    Its width [px] is the distance to ground that was never wet, less one, plus the distance to the
    always-wet area. Shores ask for the class of it, of their own pixels only.

    Parameters
    ----------
    bins : uint8 (H, W)
        Codes of :func:`pipeline.detect.water_frequency.frequency_bins`.
    """

    def __init__(
        self, bins: NDArray[np.uint8], of: tuple[Band, tuple[slice, slice]] | None = None
    ) -> None:
        self._bins, self._of = bins, of
        self._asked: tuple[NDArray[np.uint16], Stretches] | None = None

    def part(self, where: tuple[slice, slice]) -> Band:
        """Give a part of the window: its banks are those of the whole."""
        return Band(self._bins[where], (self, where))

    def kind_at(self, at: NDArray[np.intp]) -> NDArray[np.uint8]:
        """Give the class at places of the raveled window, an index into the bins of the widths.

        Of :data:`WIDTH_EDGES`, uint8 (N,); what was asked once is known.
        """
        if self._of is not None:
            whole, where = self._of
            return whole.kind_at(in_whole(at, self._bins.shape, whole._bins.shape, where))
        held = self._held
        new = at[held[at] == _UNASKED]
        if new.size:
            never, always = (np.empty(new.size, np.float32) for _ in range(2))
            for along, away in zip(self._along, (never, always), strict=True):
                nearest(along, _WIDEST, new, away)
            width = np.maximum(never - 1, 0) + always
            held[new] = np.searchsorted(_LIMITS, width, side="right")
        return held[at]

    @cached_property
    def columns(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Give the columns of each row from which on, and up to which, history saw anything."""
        found = (np.empty(len(self._bins), np.int64), np.empty(len(self._bins), np.int64))
        _columns(np.ascontiguousarray(self._bins), np.uint8(UNSEEN), *found)
        return found

    def stretches(self, reach: NDArray[np.uint16]) -> Stretches:
        """Give where :attr:`columns` lie in one reach, uint16 (H, W); who asks again is told so.

        Looks at a window share its reaches.
        """
        asked = self._asked
        if asked is not None and asked[0] is reach:
            return asked[1]
        of_one_shape(self._bins, reach)
        found: Stretches = _stretches(np.ascontiguousarray(reach), self.columns)
        self._asked = (reach, found)
        return found

    @cached_property
    def _held(self) -> NDArray[np.uint8]:
        return np.full(self._bins.size, _UNASKED, np.uint8)

    @cached_property
    def _along(self) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Give how far both ends of a band are along each row; beyond the widest none matters."""
        never = (self._bins == 0) | (self._bins == UNSEEN)
        found = (np.empty(self._bins.shape, np.uint8), np.empty(self._bins.shape, np.uint8))
        for mask, along in zip((never, self._bins == N_BINS - 1), found, strict=True):
            along_rows(mask, _WIDEST, along)
        return found


def in_whole(
    at: NDArray[np.intp], own: tuple[int, ...], whole: tuple[int, ...], where: tuple[slice, slice]
) -> NDArray[np.intp]:
    """Give the places in a raveled window of those in a part of it."""
    r, c = np.divmod(at, own[1])
    rows, cols = where
    return (r + rows.indices(whole[0])[0]) * whole[1] + c + cols.indices(whole[1])[0]


@njit(cache=True, nogil=True)
def _columns(bins, unseen, begin, end):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    h, w = bins.shape
    for r in range(h):
        b, e = 0, w
        while b < w and bins[r, b] == unseen:
            b += 1
        while e > b and bins[r, e - 1] == unseen:
            e -= 1
        begin[r], end[r] = (b, e) if b < e else (0, 0)


@njit(cache=True, nogil=True)
def _stretches(reach, columns):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    first, last = columns
    h = reach.shape[0]
    starts = np.zeros(h + 1, np.int64)
    for r in range(h):
        n = np.int64(first[r] < last[r])
        for c in range(first[r] + 1, last[r]):
            n += reach[r, c] != reach[r, c - 1]
        starts[r + 1] = starts[r] + n
    ends, of = np.empty(starts[h], np.int64), np.empty(starts[h], np.uint16)
    for r in range(h):
        k = starts[r]
        for c in range(first[r], last[r]):
            if c + 1 == last[r] or reach[r, c + 1] != reach[r, c]:
                ends[k], of[k] = c + 1, reach[r, c]
                k += 1
    return starts, ends, of
