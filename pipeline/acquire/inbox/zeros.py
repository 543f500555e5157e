"""Undeclared zeros of a surface: which stand for no height.

Ground near the sea holds zeros too: there the heights beside them are nearly the same. A hole falls
off at its rim, or has none at all. Zeros that hang together are judged as one, however the file is
stored and in whatever windows it is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from pipeline.model import Window

Mask = NDArray[np.bool_]
Ids = NDArray[np.int64]


@dataclass(frozen=True)
class Seen:
    """What a window shows (H, W)."""

    zero: Mask  # 0, and not declared as no height
    other: Mask  # any other height
    far: Mask  # of these, more than a step off 0


@dataclass(frozen=True)
class Holes:
    """Which zeros of which window are holes."""

    first: dict[Window, int]  # number of the first piece of zeros of a window
    falls: Mask  # (pieces,)

    def of(self, window: Window, zero: Mask) -> Mask:
        """Give the holes of a window that was surveyed, from the same zeros (H, W)."""
        labels, count = _labelled(zero)
        start = self.first[window]
        own = np.concatenate([[False], self.falls[start : start + count]])
        return np.asarray(own[labels], bool)


def survey(
    windows: Iterable[Window], shape: tuple[int, int], read: Callable[[Window], Seen]
) -> Holes:
    """Judge all zeros of a surface.

    Parameters
    ----------
    windows : iterable of Window
        Each pixel once, row by row.
    shape : tuple of int
        Rows and columns of the surface.
    read : callable
        Reads a window, which is one pixel wider than those given where the surface goes on.
    """
    pieces = _Pieces(np.zeros(shape[1], np.int64))
    whole = Window(0, shape[0], 0, shape[1])
    for window in windows:
        reach = window.pad(1).intersect(whole)
        assert reach is not None  # windows lie within the surface
        pieces.add(window, reach, read(reach))
    return pieces.judged()


@dataclass
class _Pieces:
    """Pieces of zeros, one window after the other; numbers are 1-based, 0 is none."""

    above: Ids  # pieces of the row above, by column
    first: dict[Window, int] = field(default_factory=dict[Window, int])
    count: int = 0
    rims: list[Ids] = field(default_factory=list[Ids])
    fars: list[Ids] = field(default_factory=list[Ids])
    joined: list[Ids] = field(default_factory=list[Ids])  # (pairs, 2)
    beside: tuple[int, int, Ids] | None = None  # row0, col1 and last column of the last window

    def add(self, window: Window, reach: Window, seen: Seen) -> None:
        inner = window.within(reach)
        labels, count = _labelled(seen.zero[inner])
        self.first[window] = start = self.count
        self.count += count
        ids = np.where(labels > 0, labels.astype(np.int64) + start, 0)
        self._count_rims(ids, start, count, inner, seen)
        self._join(self.above[window.col0 : window.col1], ids[0])
        if self.beside is not None and self.beside[:2] == (window.row0, window.col0):
            self._join(self.beside[2], ids[:, 0])
        self.above[window.col0 : window.col1] = ids[-1]
        self.beside = (window.row0, window.col1, ids[:, -1])

    def _count_rims(
        self, ids: Ids, start: int, count: int, inner: tuple[slice, slice], seen: Seen
    ) -> None:
        if not count:
            return
        around = np.zeros(seen.zero.shape, np.int64)
        around[inner] = ids
        rim = np.where(seen.other, ndimage.maximum_filter(around, 3), 0)
        own = rim[rim > 0] - start - 1
        self.rims.append(np.bincount(own, minlength=count))
        self.fars.append(np.bincount(own[seen.far[rim > 0]], minlength=count))

    def _join(self, one: Ids, two: Ids) -> None:
        """Note which pieces of two lines of pixels touch, at corners too."""
        for s in (-1, 0, 1):
            a = one[max(0, s) : one.size + min(0, s)]
            b = two[max(0, -s) : two.size + min(0, -s)]
            both = (a > 0) & (b > 0)
            if both.any():
                self.joined.append(np.unique(np.stack([a[both], b[both]], axis=1), axis=0))

    def judged(self) -> Holes:
        """Tell pieces that fall off at most of the rim of all that hang together, or have none."""
        if not self.count:
            return Holes(self.first, np.zeros(0, bool))
        pairs = np.concatenate([np.zeros((0, 2), np.int64), *self.joined]) - 1
        links = coo_array((np.ones(len(pairs)), pairs.T), (self.count, self.count))
        found: Any = connected_components(links, directed=False)
        group = np.asarray(found[1])
        rims = np.bincount(group, np.concatenate(self.rims))
        fars = np.bincount(group, np.concatenate(self.fars))
        return Holes(self.first, np.asarray(((rims == 0) | (2 * fars > rims))[group], bool))


def _labelled(zero: Mask) -> tuple[NDArray[np.int32], int]:
    labels = np.zeros(zero.shape, np.int32)
    count: Any = ndimage.label(zero, np.ones((3, 3)), output=labels) if zero.any() else 0
    return labels, int(count)
