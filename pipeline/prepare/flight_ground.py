"""Where two flights both have a picture, and windows spread over it.

A flight along a river leaves a narrow band of picture in a frame that is mostly empty. Windows on
a grid over the frame hold next to none of it; so where the frame is not full they are placed along
what both flights show, as large as it is wide.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.model import Window

Real = NDArray[np.float64]
Mask = NDArray[np.bool_]
_FULL = 0.5  # of a window on the grid with ground in it: it serves
_MOSTLY = 0.75  # of the windows on the grid that must serve
_FILLED = 0.3  # of a placed window with ground in it
_APART = 0.5  # of its side that placed windows lie from each other
_PLACES = 4096  # most places that are looked at


@dataclass(frozen=True)
class CommonGround:
    """What two flights both show, in coarse cells."""

    mask: Mask  # (H, W)
    step: int  # pixels along the side of a cell
    shape: tuple[int, int]  # rows and columns of the frame [px]

    @cached_property
    def places(self) -> Real:
        """Middles of cells with ground, (N, 2) row and column [px]; evenly some, if many."""
        cells = np.argwhere(self.mask)
        some = cells[:: max(1, len(cells) // _PLACES)]
        return np.asarray((some + 0.5) * self.step, np.float64)

    @cached_property
    def width(self) -> float:
        """How wide the ground is where it is widest but for a tenth [cells]."""
        if not self.mask.any():
            return 0.0
        to_edge = np.asarray(ndimage.distance_transform_edt(np.pad(self.mask, 1)))[1:-1, 1:-1]
        ridge = self.mask & (to_edge >= ndimage.maximum_filter(to_edge, 3))
        return 2 * float(np.percentile(to_edge[ridge], 90))

    def windows(self, grid: list[Window], side: int, most: int) -> list[Window]:
        """Give the windows of a grid if most hold ground, else windows placed along the ground.

        Parameters
        ----------
        grid : list of Window
            On the whole frame, ``side`` by ``side`` [px].
        side : int
            Of a placed window [px].
        most : int
            Placed windows.

        Returns
        -------
        list of Window
            Placed ones in an order of which every beginning is spread over the ground, all inside
            of the frame where it is no smaller; none where too little ground lies together.
        """
        corners = np.array([(w.row0, w.col0) for w in grid], np.int64).reshape(-1, 2)
        if len(grid) and (self._filled(corners, side) >= _FULL).mean() >= _MOSTLY:
            return grid
        found = self._placed(side, most)
        return [Window(r, r + side, c, c + side) for r, c in found.tolist()]

    def _placed(self, side: int, most: int) -> NDArray[np.int64]:
        last = np.maximum(np.array(self.shape) - side, 0)
        corners = np.clip(np.rint(self.places - side / 2).astype(np.int64), 0, last)
        fill = self._filled(corners, side)
        corners, fill = corners[fill >= _FILLED], fill[fill >= _FILLED]
        chosen: list[int] = []
        if len(corners):
            chosen.append(int(np.argmax(fill)))
            apart = self._far(corners, chosen[0], side)
            while len(chosen) < most:
                # Far from all others, and full rather than half empty.
                best = int(np.argmax(np.where(apart >= _APART, apart * fill, -1)))
                if apart[best] < _APART:
                    break
                chosen.append(best)
                apart = np.minimum(apart, self._far(corners, best, side))
        return corners[chosen]

    @staticmethod
    def _far(corners: NDArray[np.int64], one: int, side: int) -> Real:
        return np.asarray(np.abs(corners - corners[one]).max(axis=1) / side, np.float64)

    @cached_property
    def _sums(self) -> Real:
        sums = np.zeros((self.mask.shape[0] + 1, self.mask.shape[1] + 1))
        sums[1:, 1:] = self.mask.cumsum(axis=0).cumsum(axis=1)
        return sums

    def _filled(self, corners: NDArray[np.int64], side: int) -> Real:
        """Share of the ground of windows by their corners."""
        cells = np.array(self.mask.shape)
        low = np.minimum(corners // self.step, cells - 1)
        high = np.clip(-(-(corners + side) // self.step), low + 1, cells)
        (r0, c0), (r1, c1) = low.T, high.T
        s = self._sums
        held = s[r1, c1] - s[r0, c1] - s[r1, c0] + s[r0, c0]
        return np.asarray(held / np.prod(high - low, axis=1), np.float64)
