"""Maps between the pixels of two pictures, and pixels read through them: bilinear, once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Real = NDArray[np.float64]
Float = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class PixelMap:
    """Where the pixels of one picture lie in another; pixel middles are at whole numbers.

    ``row' = a·row + b·col + r`` and ``col' = c·row + d·col + s`` with ``matrix = ((a, b, r),
    (c, d, s))``.
    """

    matrix: tuple[tuple[float, float, float], tuple[float, float, float]]

    @staticmethod
    def shift(rows: float, cols: float) -> PixelMap:
        """Give the map that only shifts [px]."""
        return PixelMap(((1.0, 0.0, rows), (0.0, 1.0, cols)))

    @property
    def array(self) -> Real:
        """The matrix, (2, 3)."""
        return np.array(self.matrix)

    def __call__(self, rows: NDArray[Any], cols: NDArray[Any]) -> tuple[Real, Real]:
        """Map places."""
        (a, b, r), (c, d, s) = self.matrix
        return a * rows + b * cols + r, c * rows + d * cols + s

    def after(self, first: PixelMap) -> PixelMap:
        """Give the map that does ``first`` and then this one."""
        own, other = (np.vstack([m.array, [0, 0, 1]]) for m in (self, first))
        return map_of(own @ other)


SAME = PixelMap.shift(0, 0)
"""Where nothing moves."""


def map_of(matrix: Real) -> PixelMap:
    """Give the map of a matrix (2 or 3, 3)."""
    a, b = ((float(r[0]), float(r[1]), float(r[2])) for r in matrix[:2])
    return PixelMap((a, b))


@njit(cache=True, nogil=True)
def sample_colours(
    colour: NDArray[Any], valid: Mask, m: Real, rows: int, cols: int
) -> tuple[NDArray[Any], Mask]:
    """Read colours (band, H, W) at ``m @ (i, j, 1)``: valid where all four neighbours are."""
    bands, high, wide = colour.shape
    out = np.zeros((bands, rows, cols), colour.dtype)
    seen = np.zeros((rows, cols), np.bool_)
    for i in range(rows):
        for j in range(cols):
            y = m[0, 0] * i + m[0, 1] * j + m[0, 2]
            x = m[1, 0] * i + m[1, 1] * j + m[1, 2]
            r, c = int(np.floor(y)), int(np.floor(x))
            if r < 0 or c < 0 or r + 1 >= high or c + 1 >= wide:
                continue
            if valid[r, c] and valid[r, c + 1] and valid[r + 1, c] and valid[r + 1, c + 1]:
                fy, fx = np.float32(y - r), np.float32(x - c)
                w00, w01 = (1 - fy) * (1 - fx), (1 - fy) * fx
                w10, w11 = fy * (1 - fx), fy * fx
                seen[i, j] = True
                for b in range(bands):
                    value = (
                        w00 * colour[b, r, c]
                        + w01 * colour[b, r, c + 1]
                        + w10 * colour[b, r + 1, c]
                        + w11 * colour[b, r + 1, c + 1]
                    )
                    out[b, i, j] = int(value + np.float32(0.5))
    return out, seen


@njit(cache=True, nogil=True)
def sample_heights(height: Float, m: Real, rows: int, cols: int) -> Float:
    """Read heights (H, W) at ``m @ (i, j, 1)``: NaN where one of four neighbours is."""
    high, wide = height.shape
    out = np.full((rows, cols), np.float32(np.nan), np.float32)
    for i in range(rows):
        for j in range(cols):
            y = m[0, 0] * i + m[0, 1] * j + m[0, 2]
            x = m[1, 0] * i + m[1, 1] * j + m[1, 2]
            r, c = int(np.floor(y)), int(np.floor(x))
            if r < 0 or c < 0 or r + 1 >= high or c + 1 >= wide:
                continue
            fy, fx = np.float32(y - r), np.float32(x - c)
            out[i, j] = (1 - fy) * ((1 - fx) * height[r, c] + fx * height[r, c + 1]) + fy * (
                (1 - fx) * height[r + 1, c] + fx * height[r + 1, c + 1]
            )
    return out
