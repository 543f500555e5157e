"""The shore of the next known level, and how deep inside it and how gentle its banks are."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pipeline.detect.distances import distance_at, distances
from pipeline.detect.level_band import Band, in_whole

GENTLE_PX = 12
"""Radius in which the gentlest bank counts (a square, so the result has no ties)."""


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

        As of :meth:`~pipeline.detect.level_band.Band.kind_at`; 0 where no shore is near.
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
        return in_whole(at, self.inside.shape, whole.inside.shape, where)

    def part(self, where: tuple[slice, slice]) -> Shore:
        """Give a part of the window."""
        return Shore(self.inside[where], self.edge[where], self.band.part(where), (self, where))


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
