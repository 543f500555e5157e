"""Stretches of one number in the rows of an image, found and drawn in one pass each, compiled."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def stretches(image):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Give of an image (H, W) the first stretch of each row, and where each begins and ends.

    A stretch is one number in a row as long as it goes, but for 0: int64 (H + 1,), (N,), (N,).
    """
    height, width = image.shape
    rows = np.zeros(height + 1, np.int64)
    for r in range(height):
        n = 0
        before = image.dtype.type(0)
        for c in range(width):
            n += image[r, c] != before and image[r, c] != 0
            before = image[r, c]
        rows[r + 1] = rows[r] + n
    begin = np.empty(rows[height], np.int64)
    end = np.empty(rows[height], np.int64)
    for r in range(height):
        k = rows[r]
        if k == rows[r + 1]:
            continue
        before = image.dtype.type(0)
        for c in range(width):
            here = image[r, c]
            if here != before:
                if before != 0:
                    end[k] = c
                    k += 1
                if here != 0:
                    begin[k] = c
                before = here
        if before != 0:
            end[k] = width
    return rows, begin, end


@njit(cache=True, nogil=True)
def draw_coarse(rows, begin, end, factor, out):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Mark in ``out`` the coarse pixels, ``factor`` times as long, that stretches touch."""
    for r in range(rows.size - 1):
        for k in range(rows[r], rows[r + 1]):
            for c in range(begin[k] // factor, (end[k] - 1) // factor + 1):
                out[r // factor, c] = True
