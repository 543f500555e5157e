"""Where pixels of a mask or areas of a number lie, as runs: stretches of them in a row.

A river crosses a tile in one or two runs a row, so that a window costs its stored pixels and not
all of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pipeline.io.stretches import draw_coarse, stretches

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Runs:
    """Where the stored pixels of a tile lie.

    ``rows`` int64 (H + 1,): index of the first run of each row; ``begin``, ``end`` int64: columns
    of each run, half open; ``at`` int64: place of its first pixel in the packed layer.
    """

    rows: Ints
    begin: Ints
    end: Ints
    at: Ints

    @property
    def size(self) -> int:
        """How many pixels they hold."""
        return int((self.end - self.begin).sum())


def runs_of(mask: NDArray[np.bool_]) -> Runs:
    """Give the runs of a mask of stored pixels, bool (H, W)."""
    rows, begin, end = stretches(np.ascontiguousarray(mask, np.bool_).view(np.uint8))
    length = end - begin
    return Runs(rows, begin, end, length.cumsum() - length)


def coarser(runs: Runs, shape: tuple[int, int], factor: int) -> Runs:
    """Give the runs of coarse pixels, ``factor`` times as long, that hold any of ``runs``.

    ``shape`` is that of the fine mask (H, W), multiples of the factor.
    """
    rows, cols = shape
    if rows % factor or cols % factor or runs.rows.size != rows + 1:
        raise ValueError(f"{shape} is no mask of whole pixels at {factor}")
    mask = np.zeros((rows // factor, cols // factor), np.bool_)
    draw_coarse(runs.rows, runs.begin, runs.end, factor, mask)
    return runs_of(mask)


def mask_of(runs: Runs, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Give the mask bool (H, W) that :func:`runs_of` took apart, the caller's own."""
    mask = np.zeros(shape, np.bool_)
    _draw(runs.rows, runs.begin, runs.end, mask)
    return mask


def areas_of(image: NDArray[np.uint16]) -> tuple[Runs, NDArray[np.uint16]]:
    """Give the runs of one number each of an image uint16 (H, W), and these; 0 is left out."""
    rows, begin, end = stretches(np.ascontiguousarray(image))
    at = np.arange(begin.size)  # of its number
    row = np.repeat(np.arange(image.shape[0]), np.diff(rows))
    return Runs(rows, begin, end, at), image[row, begin]


def fill(
    numbers: NDArray[np.uint16],
    areas: Runs,
    part: tuple[slice, slice],
    out: NDArray[np.uint16],
    corner: tuple[int, int],
) -> None:
    """Draw a part of the image that :func:`areas_of` took apart.

    ``part`` are rows and columns of the image; its first pixel goes to ``corner`` of ``out``.
    """
    where = (part[0].start, part[0].stop, part[1].start, part[1].stop, *corner)
    _fill(numbers, areas.rows, areas.begin, areas.end, where, out)


@njit(cache=True, nogil=True)
def _draw(rows, begin, end, out):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    for r in range(out.shape[0]):
        for k in range(rows[r], rows[r + 1]):
            for c in range(begin[k], end[k]):
                out[r, c] = True


@njit(cache=True, nogil=True)
def _fill(numbers, first, begin, end, where, out):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    row0, row1, col0, col1, top, left = where
    for r in range(row0, row1):
        for k in range(first[r], first[r + 1]):
            b, e = max(begin[k], col0), min(end[k], col1)
            if b < e:
                line = out[r - row0 + top, b - col0 + left : e - col0 + left]
                for c in range(line.size):
                    line[c] = numbers[k]
