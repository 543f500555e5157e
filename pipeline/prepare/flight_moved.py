"""A flight read through a map of pixels: the later mosaic on the earlier one's grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pipeline.model import FlightPixels, FlightReader, Window

Real = NDArray[np.float64]


@dataclass(frozen=True)
class PixelMap:
    """Where the earlier grid's pixels lie in the later mosaic; pixel middles are at whole numbers.

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


def map_of(matrix: Real) -> PixelMap:
    """Give the map of a matrix (2 or 3, 3)."""
    a, b = ((float(r[0]), float(r[1]), float(r[2])) for r in matrix[:2])
    return PixelMap((a, b))


def moved(read: FlightReader, by: PixelMap) -> FlightReader:
    """Give a reader of the later mosaic on the earlier one's grid, bilinear.

    A pixel is valid, and has a height, only where all neighbours that it rests on do.
    """

    def reader(window: Window, step: int) -> FlightPixels:
        source = _source(window, step, by)
        given = read(source, step)
        scaled = _scaled(window, source, step, by)
        rows, cols = (-(-n // step) for n in window.shape)
        height = given.height
        surface = height if height is not None else np.zeros((1, 1), np.float32)
        colour, valid, out = _resample(
            given.colour, given.valid, surface, height is not None, scaled, rows, cols
        )
        return FlightPixels(colour, valid, out if height is not None else None)

    return reader


def _source(window: Window, step: int, by: PixelMap) -> Window:
    """Window of the later mosaic, on multiples of ``step``, that holds what is needed."""
    corners = np.array([(window.row0, window.col0), (window.row0, window.col1),
                        (window.row1, window.col0), (window.row1, window.col1)], float)  # fmt: skip
    rows, cols = by(corners[:, 0], corners[:, 1])
    pad = 2 * step
    r0, c0 = (int(np.floor((v.min() - pad) / step)) * step for v in (rows, cols))
    r1, c1 = (int(np.ceil((v.max() + pad) / step)) * step for v in (rows, cols))
    return Window(r0, r1, c0, c1)


def _scaled(window: Window, source: Window, step: int, by: PixelMap) -> Real:
    """Matrix (2, 3) from indices of the answer to indices of what was read."""
    out = by.array.copy()
    middle = (step - 1) / 2
    row, col = by(np.array(window.row0 + middle), np.array(window.col0 + middle))
    out[0, 2] = (float(row) - source.row0 - middle) / step
    out[1, 2] = (float(col) - source.col0 - middle) / step
    return out


@njit(cache=True, nogil=True)
def _resample(
    colour: NDArray[Any],
    valid: NDArray[np.bool_],
    height: NDArray[np.float32],
    given: bool,
    m: Real,
    rows: int,
    cols: int,
) -> tuple[NDArray[Any], NDArray[np.bool_], NDArray[np.float32]]:
    bands, high, wide = colour.shape
    out = np.zeros((bands, rows, cols), colour.dtype)
    seen = np.zeros((rows, cols), np.bool_)
    surface = np.full((rows if given else 1, cols if given else 1), np.float32(np.nan), np.float32)
    for i in range(rows):
        for j in range(cols):
            y = m[0, 0] * i + m[0, 1] * j + m[0, 2]
            x = m[1, 0] * i + m[1, 1] * j + m[1, 2]
            r, c = int(np.floor(y)), int(np.floor(x))
            if r < 0 or c < 0 or r + 1 >= high or c + 1 >= wide:
                continue
            fy, fx = np.float32(y - r), np.float32(x - c)
            w00, w01 = (1 - fy) * (1 - fx), (1 - fy) * fx
            w10, w11 = fy * (1 - fx), fy * fx
            if valid[r, c] and valid[r, c + 1] and valid[r + 1, c] and valid[r + 1, c + 1]:
                seen[i, j] = True
                for b in range(bands):
                    value = (
                        w00 * colour[b, r, c]
                        + w01 * colour[b, r, c + 1]
                        + w10 * colour[b, r + 1, c]
                        + w11 * colour[b, r + 1, c + 1]
                    )
                    out[b, i, j] = int(value + np.float32(0.5))
            if given:
                surface[i, j] = (
                    w00 * height[r, c]
                    + w01 * height[r, c + 1]
                    + w10 * height[r + 1, c]
                    + w11 * height[r + 1, c + 1]
                )
    return out, seen, surface
