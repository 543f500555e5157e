"""Counting the true pixels around each pixel of a mask."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray


def around(mask: NDArray[np.bool_]) -> NDArray[np.int8]:
    """Count in a 3x3 neighbourhood, itself included."""
    out = np.zeros(mask.shape, np.int8)
    _count(np.ascontiguousarray(mask), 3, out)
    return out


def count(mask: NDArray[np.bool_], side: int = 5) -> NDArray[np.int16]:
    """Count in a square around, in integers: a running sum of floats would know its tile."""
    if side % 2 == 0:
        raise ValueError(f"a square around a pixel has an odd side, not {side}")
    out = np.zeros(mask.shape, np.int16)
    _count(np.ascontiguousarray(mask), side, out)
    return out


@njit(cache=True, nogil=True)
def _count(mask, side, out):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Add up columns of ``side`` rows, from one row to the next, and then ``side`` of these."""
    (h, w), half = mask.shape, side // 2
    wide = np.zeros(w + 2 * half, out.dtype)  # of the columns, none beyond the edge
    line = wide[half : half + w]
    for r in range(min(half, h)):
        for c in range(w):
            line[c] += mask[r, c]
    for r in range(h):
        if r + half < h:
            for c in range(w):
                line[c] += mask[r + half, c]
        if r > half:
            for c in range(w):
                line[c] -= mask[r - half - 1, c]
        row = out[r]
        for k in range(side):
            shifted = wide[k : k + w]
            for c in range(w):
                row[c] += shifted[c]
