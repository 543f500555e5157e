"""What a level between two known ones, or below all of them, uncovers without a fill.

History orders pixels by height only as finely as it saw levels. Inside the area that is water at
the next known level above today's, geometry has to help: a lower level uncovers a rim along the
whole shore, whose width follows the slope of the bank. The rest of the reach on the same date tells
how wide that rim is, bank by bank: banks whose known levels lie far apart are gentle and uncover
more. Below everything history saw, the next known level is the lowest one, and this is all there
is. All statistics are integer histograms with clipped distances, so tiles with a halo give the
whole's result exactly.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numba import njit
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from pipeline.bounds import of_one_shape
from pipeline.detect.distances import (
    CLIP_PX,
    along_rows,
    distance_at,
    distances,
    eroded,
    farther,
    nearest,
)
from pipeline.detect.level import N_BINS, UNSEEN
from pipeline.model import Ground

GENTLE_PX = 12
"""Radius in which the gentlest bank counts (a square, so the result has no ties)."""

HALO_PX = CLIP_PX + GENTLE_PX + 4
"""Halo that makes everything of this package exact at a tile's edge [px]."""

WIDTH_EDGES = (1.5, 3.0, 6.0, 12.0, 24.0)
"""Edges between the classes of bank gentleness: width of the band of known levels [px]."""

N_WIDTHS = len(WIDTH_EDGES) + 1

_LIMITS = np.array(WIDTH_EDGES, np.float32)
_WIDEST = int(WIDTH_EDGES[-1]) + 1  # a distance from which the band is of the last class
_UNASKED = 255


class RecessionOptions(BaseModel):
    """How far the shore of a reach may be taken to have receded."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    percentile: float = Field(
        default=75.0, ge=50, le=99, description="percentile of the recession of comparable shore"
    )
    min_shore_px: int = Field(
        default=40, ge=5, description="shore pixels a class of gentleness needs to speak for itself"
    )
    min_looks: int = Field(
        default=2,
        ge=1,
        description="clear looks before a pixel can belong to the water of a known level",
    )


Stretches = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint16]]
"""Of each row the first of its stretches (H + 1,), and where each ends and in which reach."""


class Band:
    """The band of known levels around each pixel of a window: wide bands are gentle banks.

    Its width [px] is the distance to ground that was never wet, less one, plus the distance to the
    always-wet area. Shores ask for the class of it, of their own pixels only.

    Parameters
    ----------
    bins : uint8 (H, W)
        Codes of :func:`pipeline.detect.level.frequency_bins`.
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
            return whole.kind_at(_in_whole(at, self._bins.shape, whole._bins.shape, where))
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


def _in_whole(
    at: NDArray[np.intp], own: tuple[int, ...], whole: tuple[int, ...], where: tuple[slice, slice]
) -> NDArray[np.intp]:
    """Give the places in a raveled window of those in a part of it."""
    r, c = np.divmod(at, own[1])
    rows, cols = where
    return (r + rows.indices(whole[0])[0]) * whole[1] + c + cols.indices(whole[1])[0]


@dataclass(frozen=True)
class Shore:
    """The area that is water at the next known level above that of a date, arrays (H, W).

    ``inside`` bool; ``edge`` bool, what of it touches other ground.
    """

    inside: NDArray[np.bool_]
    edge: NDArray[np.bool_]
    band: Band
    # The shore that this is a part of, and which part: depths are those of the whole.
    _of: tuple[Shore, tuple[slice, slice]] | None = field(default=None, repr=False, compare=False)

    @cached_property
    def edge_at(self) -> NDArray[np.intp]:
        """Give the places of ``edge`` in the raveled window, ascending."""
        return np.flatnonzero(self.edge)

    @cached_property
    def depth(self) -> NDArray[np.float32]:
        """Give the distance inside to the edge [px], 0 outside; measured for those who ask."""
        if self._of is not None:
            return self._of[0].depth[self._of[1]]
        depth = np.zeros(self.inside.shape, np.float32)
        depth[self.inside] = distance_at(~self.inside, self.inside)
        return depth

    def depth_at(self, at: NDArray[np.intp]) -> NDArray[np.float32]:
        """Give :attr:`depth` of places of the raveled window that lie inside, float32 (N,)."""
        if self._of is not None:
            return self._of[0].depth_at(self._whole(at))
        return distances(~self.inside, at)

    @cached_property
    def width(self) -> NDArray[np.uint8]:
        """Give the class of gentleness of the banks nearby, for those who ask it of every pixel.

        An index into the bins of :data:`WIDTH_EDGES`; 0 where no shore is near.
        """
        if self._of is not None:
            return self._of[0].width[self._of[1]]
        width = np.zeros(self.inside.shape, np.uint8)
        _gentlest(self.edge_at, self.band.kind_at(self.edge_at), GENTLE_PX, width)
        return width

    def width_at(self, at: NDArray[np.intp]) -> NDArray[np.uint8]:
        """Give :attr:`width` of places of the raveled window, uint8 (N,)."""
        if self._of is not None:
            return self._of[0].width_at(self._whole(at))
        out = np.empty(at.size, np.uint8)
        if "width" in vars(self):
            return self.width.ravel()[at]
        edge, shape = self.edge_at, self.inside.shape
        _gentlest_at(edge, self.band.kind_at(edge), shape, GENTLE_PX, at, out)
        return out

    def _whole(self, at: NDArray[np.intp]) -> NDArray[np.intp]:
        """Give the places in the whole window of places of this part."""
        assert self._of is not None
        whole, where = self._of
        return _in_whole(at, self.inside.shape, whole.inside.shape, where)

    def part(self, where: tuple[slice, slice]) -> Shore:
        """Give a part of the window."""
        return Shore(self.inside[where], self.edge[where], self.band.part(where), (self, where))


def find_shore(
    bins: NDArray[np.uint8],
    n_clear: NDArray[np.uint16],
    partial: tuple[NDArray[np.uint8], NDArray[np.uint16]],
    band: Band,
    options: RecessionOptions | None = None,
) -> Shore:
    """Find the area that is wet at the next known level.

    Parameters
    ----------
    bins : uint8 (H, W)
        Codes of :func:`pipeline.detect.level.frequency_bins`.
    n_clear : uint16 (H, W)
        Clear looks behind them.
    partial : uint8 (n_reach + 1,), uint16 (H, W)
        Partial bin of the date (:class:`pipeline.detect.level.Cut`) by reach, and pixels' reach.
    band : Band
        Of the same window.
    """
    o = options or RecessionOptions()
    # A river crosses its window: of most columns of a row nothing is known.
    inside, edge = np.zeros(bins.shape, np.bool_), np.zeros(bins.shape, np.bool_)
    # In one piece, as windows are and parts of them are not: compiled for that alone.
    bins, n_clear = np.ascontiguousarray(bins), np.ascontiguousarray(n_clear)
    # A majority of 3x3 heals single errors of the mask; each would be a shore of its own.
    level = (np.maximum(partial[0], np.uint8(1)), o.min_looks)
    _majority(bins, n_clear, level, (*band.columns, *band.stretches(partial[1])), inside)
    _edge_of(inside, band.columns, edge)
    return Shore(inside, edge, band)


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


@njit(cache=True, nogil=True)
def _majority(bins, n_clear, level, columns, inside):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Say where five of 3x3 pixels are wet; the edge of the window is repeated.

    ``inside`` is false beforehand, and stays so where nothing near a pixel was seen.
    """
    partial, least = level
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
            _wet_at(seen, partial[reach[k]], least, wet[begin : ends[k]])
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
def _wet_at(seen, partial, least, wet):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Say what history saw clearly often enough, and at the level ``partial`` under water."""
    bins, n_clear = seen
    for c in range(wet.size):
        wet[c] = (bins[c] != UNSEEN) & (n_clear[c] >= least) & (bins[c] >= partial)


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


@njit(cache=True, nogil=True)
def _along_shore(edge, kinds, radius, reached):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Spread the class of the band of each pixel of a shore along its row."""
    w = reached.shape[1]
    for i in range(edge.size):
        r, c, kind = edge[i] // w, edge[i] % w, kinds[i]
        for k in range(max(c - radius, 0), min(c + radius + 1, w)):
            reached[r, k] = max(reached[r, k], kind)


@njit(cache=True, nogil=True)
def _gentlest_at(edge, kinds, shape, radius, at, out):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Give what :func:`_gentlest` does at some places of the raveled window."""
    h, w = shape
    reached = np.zeros((h, w), np.uint8)
    _along_shore(edge, kinds, radius, reached)
    for k in range(at.size):
        r, c = at[k] // w, at[k] % w
        kind = np.uint8(0)
        for row in range(max(r - radius, 0), min(r + radius + 1, h)):
            kind = max(kind, reached[row, c])
        out[k] = kind


@njit(cache=True, nogil=True)
def _gentlest(edge, kinds, radius, width):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Give the class of the widest band of a shore in the square around each pixel.

    Few pixels are shore (``edge`` holds their places): each spreads along its row; then each row
    takes the largest of those around it, of 2, 4, 8, ... rows at a time.
    """
    h, w = width.shape
    high = h + 2 * radius
    reached = np.zeros((high, w), np.uint8)
    _along_shore(edge, kinds, radius, reached[radius : radius + h])
    rows = 1
    while 2 * rows <= 2 * radius + 1:
        for r in range(high - rows):
            _larger(reached[r], reached[r + rows], reached[r])
        rows *= 2
    for r in range(h):
        _larger(reached[r], reached[r + 2 * radius + 1 - rows], width[r])


@njit(cache=True, nogil=True, inline="always")
def _larger(one, other, out):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    for c in range(out.size):
        a, b = one[c], other[c]
        out[c] = a if a > b else b  # as bytes, many at once


def tally_recession(
    state: NDArray[np.uint8],
    shore: Shore,
    reach: NDArray[np.uint16],
    n_reach: int,
    part: NDArray[np.bool_] | None = None,
) -> NDArray[np.int64]:
    """Histogram how far the water of one date lies from the shore of the next known level.

    Parameters
    ----------
    state, reach : (H, W)
        Ground codes and 1-based reach index of a window with its halo.
    part : bool (H, W), optional
        Where shore pixels are counted (a tile's core); everywhere by default.

    Returns
    -------
    int64 (n_reach + 1, N_WIDTHS, CLIP_PX + 1)
        Shore pixels by whole pixels of distance to the nearest water; mergeable by ``+``. Shore
        whose nearest water may hide under a cloud is not counted.
    """
    unknown = state == Ground.UNKNOWN
    at = shore.edge_at
    counted = (reach.ravel()[at] > 0) & ~unknown.ravel()[at]
    if part is not None:
        counted &= part.ravel()[at]
    at = at[counted]
    distance = distances(state == Ground.WET, at)
    # UNKNOWN is also the thin band at every waterline; only what survives an erosion is cloud.
    clear = farther(eroded(unknown), at, np.minimum(distance + 3, CLIP_PX - 1))
    at, steps = at[clear], distance[clear].astype(np.int64)
    kind = reach.ravel()[at].astype(np.int64) * N_WIDTHS + shore.width_at(at)
    key = kind * (CLIP_PX + 1) + steps
    shape = (n_reach + 1, N_WIDTHS, CLIP_PX + 1)
    size = shape[0] * shape[1] * shape[2]
    return np.bincount(key, minlength=size)[:size].reshape(shape).astype(np.int64)


def expected_recession(
    hist: NDArray[np.int64], options: RecessionOptions | None = None
) -> NDArray[np.float32]:
    """Give the recession [px] that a bank of each gentleness may show without a fill.

    Parameters
    ----------
    hist : int64 (N_WIDTHS, CLIP_PX + 1)
        One reach of :func:`tally_recession`, the object's neighbourhood left out.

    Returns
    -------
    float32 (N_WIDTHS,)
        Percentile of the class, or of all shore where the class is too small; gentler banks never
        expect less than steeper ones. :data:`CLIP_PX` (nothing can be told) without enough shore.
    """
    o = options or RecessionOptions()
    everything = percentile_of(hist.sum(axis=0), o.percentile, o.min_shore_px)
    each = [percentile_of(row, o.percentile, o.min_shore_px) for row in hist]
    filled = [everything if e is None else e for e in each]
    known = [float(CLIP_PX) if f is None else f for f in filled]
    return np.maximum.accumulate(np.asarray(known, np.float32))


def percentile_of(counts: NDArray[np.int64], percent: float, at_least: int) -> float | None:
    """Percentile of an integer histogram [px], or None with fewer than ``at_least`` entries."""
    total = int(counts.sum())
    if total < at_least:
        return None
    return float(np.searchsorted(np.cumsum(counts), percent / 100 * total))
