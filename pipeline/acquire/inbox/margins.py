"""White margins of a mosaic that says nowhere what is no picture.

Some tools fill the frame around a picture with white and declare neither alpha, mask nor nodata.
White inside a picture is roofs and sand, so white alone is no margin: it is one where whole squares
of pure white hang together with the frame's edge, and a corner of the frame is white.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.model import Window

SQUARE = 64
"""Side of what is looked at as a whole [px]."""

Mask = NDArray[np.bool_]
Read = Callable[[Window], tuple[NDArray[Any], Mask]]
"""Colours (band, H, W) of a window, and which pixels a file of the mosaic shows."""


@dataclass(frozen=True)
class Margin:
    """Squares of a mosaic in which pure white is no picture."""

    squares: Mask  # (rows, cols) of SQUARE by SQUARE pixels

    def of(self, window: Window) -> Mask:
        """Give the same for each pixel of a window."""
        rows, cols = (
            np.arange(a, b) // SQUARE
            for a, b in ((window.row0, window.row1), (window.col0, window.col1))
        )
        return self.squares[np.ix_(rows, cols)]


def white(pixels: NDArray[Any]) -> Mask:
    """Say which pixels (band, H, W) are as bright as their type can be, in all three colours."""
    return np.asarray((pixels[:3] == np.iinfo(pixels.dtype).max).all(axis=0), bool)


def find_margin(
    shape: tuple[int, int], windows: Callable[[], Iterable[Window]], read: Read
) -> Margin | None:
    """Find the white margin of a mosaic, in one more reading of it where a corner is white.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns of the mosaic.
    windows : callable
        Gives windows that hold each pixel once and begin at multiples of ``SQUARE``.
    read : callable
        Reads a window.
    """
    if not any(_all_white(*read(corner)) for corner in _corners(shape)):
        return None
    whole = np.zeros(tuple(-(-n // SQUARE) for n in shape), bool)
    for window in windows():
        pixels, shown = read(window)
        blank = white(pixels) | ~shown
        edge_r, edge_c = (np.arange(0, n, SQUARE) for n in window.shape)
        full = np.logical_and.reduceat(np.logical_and.reduceat(blank, edge_r, 0), edge_c, 1)
        r0, c0 = window.row0 // SQUARE, window.col0 // SQUARE
        whole[r0 : r0 + full.shape[0], c0 : c0 + full.shape[1]] = full
    labels = np.zeros(whole.shape, np.int32)
    ndimage.label(whole, output=labels)
    edge = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    outside = np.isin(labels, edge[edge > 0])
    # A square at the picture's edge is white in part.
    return Margin(np.asarray(ndimage.binary_dilation(outside, np.ones((3, 3), bool)), bool))


def _all_white(pixels: NDArray[Any], shown: Mask) -> bool:
    return bool(shown.any()) and bool((white(pixels) | ~shown).all())


def _corners(shape: tuple[int, int]) -> Iterator[Window]:
    side = [min(SQUARE, n) for n in shape]
    for r in {0, shape[0] - side[0]}:
        for c in {0, shape[1] - side[1]}:
            yield Window(r, r + side[0], c, c + side[1])
