"""A flight read through a map of pixels: the later mosaic on the earlier one's grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from pipeline.model import FlightPixels, FlightReader, Window
from pipeline.pixel_map import PixelMap, map_of, sample_colours, sample_heights

__all__ = ["PixelMap", "map_of", "moved"]

Real = NDArray[np.float64]


@runtime_checkable
class MovableReader(Protocol):
    """A reader that takes a map into its own one sampling: each further one is one more blur."""

    def through(self, by: PixelMap) -> FlightReader:
        """Give the same flight read through a map of its grid's pixels."""
        ...


def moved(read: FlightReader, by: PixelMap) -> FlightReader:
    """Give a reader of the later mosaic on the earlier one's grid, bilinear.

    A pixel is valid, and has a height, only where all neighbours that it rests on do. A flight that
    is moved already is sampled once, through both maps.
    """
    return read.through(by) if isinstance(read, MovableReader) else _Moved(read, by)


@dataclass(frozen=True)
class _Moved:
    read: FlightReader
    by: PixelMap

    def through(self, by: PixelMap) -> FlightReader:
        return _Moved(self.read, self.by.after(by))

    def __call__(self, window: Window, step: int) -> FlightPixels:
        source = _source(window, step, self.by)
        given = self.read(source, step)
        scaled = _scaled(window, source, step, self.by)
        rows, cols = (-(-n // step) for n in window.shape)
        colour, valid = sample_colours(given.colour, given.valid, scaled, rows, cols)
        height = given.height
        if height is not None:
            height = sample_heights(height, scaled, rows, cols)
        return FlightPixels(colour, valid, height)


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
