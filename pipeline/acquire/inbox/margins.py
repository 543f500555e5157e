"""White or black margins of a mosaic that its file shows as picture.

Some tools fill the frame around a picture with white or black and declare neither alpha, mask nor
nodata, or an alpha that hides nothing. White inside a picture is roofs and sand, so white alone is
no margin: it is one where whole squares of pure white hang together with the frame's edge, and a
corner of the frame is white: two of them where the file declares what is no picture, since a roof
may fill one. A file that hides anything at the frame's edge is believed.
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

# A corner alone says less than a file that shows it as picture; a border along a side has two.
_SAID_CORNERS = 2

Mask = NDArray[np.bool_]
Read = Callable[[Window], tuple[NDArray[Any], Mask]]
"""Colours (band, H, W) of a window, and which pixels a file of the mosaic shows."""


@dataclass(frozen=True)
class Margin:
    """Squares of a mosaic in which a pure colour is no picture."""

    squares: Mask  # (rows, cols) of SQUARE by SQUARE pixels
    fill: int  # of red, green and blue: 0, or as bright as can be

    def of(self, window: Window) -> Mask:
        """Give the same for each pixel of a window."""
        rows, cols = (
            np.arange(a, b) // SQUARE
            for a, b in ((window.row0, window.row1), (window.col0, window.col1))
        )
        return self.squares[np.ix_(rows, cols)]


def plain(pixels: NDArray[Any], fill: int) -> Mask:
    """Say which pixels (band, H, W) have this value in all three colours."""
    return np.asarray((pixels[:3] == fill).all(axis=0), bool)


def find_margin(
    shape: tuple[int, int], windows: Callable[[], Iterable[Window]], read: Read, *, said: bool
) -> Margin | None:
    """Find the margin of a mosaic, in one more reading of it where a corner is white or black.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns of the mosaic.
    windows : callable
        Gives windows that hold each pixel once and begin at multiples of ``SQUARE``.
    read : callable
        Reads a window.
    said : bool
        The file declares what is no picture. It is believed where it hides anything at the edge
        of the frame, and where one corner alone is white or black.
    """
    fills = [f for f in map(_fill_of, map(read, _corners(shape))) if f is not None]
    least = _SAID_CORNERS if said else 1
    fill = next((f for f in fills if fills.count(f) >= least), None)
    if fill is None:
        return None
    whole = np.zeros(tuple(-(-n // SQUARE) for n in shape), bool)
    for window in windows():
        pixels, shown = read(window)
        if said and _hides_edge(shape, window, shown):
            return None
        blank = plain(pixels, fill) | ~shown
        edge_r, edge_c = (np.arange(0, n, SQUARE) for n in window.shape)
        full = np.logical_and.reduceat(np.logical_and.reduceat(blank, edge_r, 0), edge_c, 1)
        r0, c0 = window.row0 // SQUARE, window.col0 // SQUARE
        whole[r0 : r0 + full.shape[0], c0 : c0 + full.shape[1]] = full
    labels = np.zeros(whole.shape, np.int32)
    ndimage.label(whole, output=labels)
    edge = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    outside = np.isin(labels, edge[edge > 0])
    # A square at the picture's edge is white in part.
    near = np.asarray(ndimage.binary_dilation(outside, np.ones((3, 3), bool)), bool)
    return Margin(near, fill)


def _fill_of(corner: tuple[NDArray[Any], Mask]) -> int | None:
    """White or black, where all of a corner that is shown is that."""
    pixels, shown = corner
    for fill in (int(np.iinfo(pixels.dtype).max), 0):
        if shown.any() and (plain(pixels, fill) | ~shown).all():
            return fill
    return None


def _hides_edge(shape: tuple[int, int], window: Window, shown: Mask) -> bool:
    """Tell whether a file hides pixels of this window at the edge of the frame."""
    sides = (
        (window.row0 == 0, shown[0]),
        (window.row1 == shape[0], shown[-1]),
        (window.col0 == 0, shown[:, 0]),
        (window.col1 == shape[1], shown[:, -1]),
    )
    return any(outer and not line.all() for outer, line in sides)


def _corners(shape: tuple[int, int]) -> Iterator[Window]:
    side = [min(SQUARE, n) for n in shape]
    for r in {0, shape[0] - side[0]}:
        for c in {0, shape[1] - side[1]}:
            yield Window(r, r + side[0], c, c + side[1])
