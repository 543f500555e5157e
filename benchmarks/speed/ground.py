"""The ground of a made-up square: a river of 200 km that winds through it, and what it looks like.

Only blocks that the corridor touches hold the river; everywhere else lie blocks of the same texture
and noise, so that they cost as much to read.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from scipy import ndimage
from shapely.geometry import LineString, box
from shapely.geometry.base import BaseGeometry

from pipeline.io.burn import burn
from pipeline.model import Grid

SIDE = 10980  # of a Sentinel-2 square [px of 10 m]
EPSG, LEFT, TOP, RES = 32649, 600_000.0, 3_200_040.0, 10.0
HALF_M, CONTEXT_M = 500.0, 300.0  # half a corridor's width, and what the store keeps around it
_REACH_PX = 160  # how far from the river its distance is measured

Image = NDArray[np.float32]


@dataclass(frozen=True)
class River:
    """A centreline in the square and the corridor along it.

    Parameters
    ----------
    share
        0..1 of the full 200 km, from the western end.
    block
        Side of the files' blocks [px].
    """

    share: float
    block: int

    @cached_property
    def line(self) -> LineString:
        """Centreline in metres of the square's CRS."""
        x = np.linspace(6_000, 103_500, 6_000)
        y = 54_900 + 33_000 * np.sin((x - 6_000) / 97_500 * 2 * np.pi * 1.36)
        y += 900 * np.sin(x / 1_900)
        whole = LineString(np.column_stack([LEFT + x, TOP - 109_800 + y]))
        if self.share >= 1:
            return whole
        lengths = np.concatenate([[0], np.hypot(*np.diff(np.array(whole.coords).T)).cumsum()])
        cut = int(np.searchsorted(lengths, lengths[-1] * self.share))
        return LineString(whole.coords[: cut + 1])

    @property
    def length_km(self) -> float:
        """Of the centreline."""
        return float(self.line.length / 1000)

    @property
    def transform(self) -> Affine:
        """Of a 10 m band."""
        return _affine(0, 0)

    @cached_property
    def corridor(self) -> BaseGeometry:
        """What is patrolled, in the square's CRS."""
        return self.line.buffer(HALF_M)

    @cached_property
    def stored(self) -> BaseGeometry:
        """What the store keeps."""
        return self.line.buffer(HALF_M + CONTEXT_M)

    def touched(self, res_m: float) -> list[tuple[int, int]]:
        """Blocks (row, column) of a band of this resolution that hold stored pixels."""
        size = self.block * res_m
        across = -(-round(SIDE * RES / res_m) // self.block)
        out: list[tuple[int, int]] = []
        for row in range(across):
            for col in range(across):
                left, top = LEFT + col * size, TOP - row * size
                if box(left, top - size, left + size, top).intersects(self.stored):
                    out.append((row, col))
        return out

    def height(self, row0: int, col0: int, shape: tuple[int, int]) -> Image:
        """Height above the lowest level, in steps of 25 px from the river's edge [1]."""
        p = _REACH_PX
        grid = Grid(
            f"EPSG:{EPSG}",
            _affine(row0 - p, col0 - p),
            (shape[0] + 2 * p, shape[1] + 2 * p),
        )
        bed = burn(self.line.buffer(120), grid)
        if not bed.any():
            return np.full(shape, 4.0, np.float32)
        away = np.asarray(ndimage.distance_transform_edt(~bed), np.float32)[p:-p, p:-p]
        return np.minimum(away / 6 - 1, 4).astype(np.float32)


def _affine(row: int, col: int) -> Affine:
    return Affine(RES, 0, LEFT + col * RES, 0, -RES, TOP - row * RES)
