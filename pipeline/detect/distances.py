"""Distances to the nearest pixel of a mask, in whole pixels by rows and columns, clipped.

Who asks for few pixels looks around these, and else rows are scanned once and columns from the
pixels that ask; both give the same numbers, which are those of a general transform.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

CLIP_PX = 48
"""Distances are clipped here; a shore that receded further is as far as can be told."""

_FEW = 16  # pixels of a window for each that asks, from which on few ask


def distance_at(mask: NDArray[np.bool_], where: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Distance to the nearest true pixel [px], clipped to CLIP_PX, at some pixels of a window.

    Parameters
    ----------
    mask, where : bool (H, W)

    Returns
    -------
    float32 (N,)
        In the order of ``where``, row-major.
    """
    return distances(mask, np.flatnonzero(where))


def distances(mask: NDArray[np.bool_], at: NDArray[np.intp]) -> NDArray[np.float32]:
    """Give :func:`distance_at` of places of the raveled window, ascending."""
    out = np.full(at.size, CLIP_PX, np.float32)
    if out.size and mask.any():
        few = out.size * _FEW <= mask.size
        # Where few pixels ask, and what they ask for is near, most of the window is not looked at.
        if not (few and _around(mask, at, CLIP_PX, mask.size, out)):
            along = np.empty(mask.shape, np.uint8)
            along_rows(mask, CLIP_PX, along)
            nearest(along, CLIP_PX, at, out)
    return out


def farther(
    mask: NDArray[np.bool_], at: NDArray[np.intp], limit: NDArray[np.float32]
) -> NDArray[np.bool_]:
    """Tell where the distance to the nearest true pixel is greater than a limit below the clip.

    Parameters
    ----------
    mask : bool (H, W)
    at : intp (N,)
        Places of the raveled window.
    limit : float32 (N,)

    Returns
    -------
    bool (N,)
    """
    asked = int(np.square(2 * limit.astype(np.int64) + 1).sum())
    if asked > mask.size:
        return distances(mask, at) > limit
    out = np.ones(limit.size, np.bool_)
    _none_within(mask, at, limit, out)
    return out


@njit(cache=True, nogil=True)
def _around(mask, at, clip, most, out):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Look row by row away from each pixel; give up after so many pixels looked at."""
    h, w = mask.shape
    done = 0
    for k in range(at.size):
        r, c = at[k] // w, at[k] % w
        nearest, step = clip * clip, 0
        while step * step < nearest:
            for side in range(2 if step else 1):
                row = r + step if side else r - step
                if row < 0 or row >= h:
                    continue
                d = 0
                while d * d + step * step < nearest:  # along the row, both ways
                    done += 1
                    if (c >= d and mask[row, c - d]) or (c + d < w and mask[row, c + d]):
                        nearest = d * d + step * step
                    d += 1
            step += 1
        out[k] = np.sqrt(np.float64(nearest))
        if done > most:
            return False
    return True


@njit(cache=True, nogil=True)
def _none_within(mask, at, limit, out):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Say where no true pixel lies as near as a limit."""
    h, w = mask.shape
    for k in range(at.size):
        r, c, n = at[k] // w, at[k] % w, int(limit[k])
        for row in range(max(r - n, 0), min(r + n + 1, h)):
            for col in range(max(c - n, 0), min(c + n + 1, w)):
                if mask[row, col]:
                    square = (row - r) ** 2 + (col - c) ** 2
                    if np.float32(np.sqrt(np.float64(square))) <= limit[k]:
                        out[k] = False


@njit(cache=True, nogil=True)
def along_rows(mask, clip, along):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Give the distance to the nearest true pixel of each row, clipped; less than 256."""
    h, w = mask.shape
    for r in range(0, h, 4):
        # Each pixel waits for the one before it: four rows at a time.
        a, b, c, d = r, min(r + 1, h - 1), min(r + 2, h - 1), min(r + 3, h - 1)
        p = q = s = t = clip
        for k in range(w):
            p = 0 if mask[a, k] else min(p + 1, clip)
            q = 0 if mask[b, k] else min(q + 1, clip)
            s = 0 if mask[c, k] else min(s + 1, clip)
            t = 0 if mask[d, k] else min(t + 1, clip)
            along[a, k], along[b, k], along[c, k], along[d, k] = p, q, s, t
        p = q = s = t = clip
        for k in range(w - 1, -1, -1):
            p, q = min(p + 1, np.int64(along[a, k])), min(q + 1, np.int64(along[b, k]))
            s, t = min(s + 1, np.int64(along[c, k])), min(t + 1, np.int64(along[d, k]))
            along[a, k], along[b, k], along[c, k], along[d, k] = p, q, s, t


@njit(cache=True, nogil=True)
def nearest(along, clip, at, out):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Look up and down from each pixel, by how far it is along rows, for as long as it can pay."""
    h, w = along.shape
    square = np.arange(clip + 1) ** 2
    for k in range(at.size):
        r, c = at[k] // w, at[k] % w
        nearest, step = square[along[r, c]], 1
        while step * step < nearest:
            if r >= step:
                nearest = min(nearest, square[along[r - step, c]] + step * step)
            if r + step < h:
                nearest = min(nearest, square[along[r + step, c]] + step * step)
            step += 1
        out[k] = np.sqrt(np.float64(nearest))


@njit(cache=True, nogil=True)
def eroded(mask):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Give what is true in all of 5 by 5 pixels; false outside the window."""
    h, w = mask.shape
    out = np.zeros((h, w), np.bool_)
    if h < 5 or w < 5:
        return out
    rows = np.empty((5, w - 4), np.uint8)  # true in all of five in a row, of the last five rows
    for r in range(h):
        own = mask[r]
        _all_of(own[: w - 4], own[1 : w - 3], own[2 : w - 2], own[3 : w - 1], own[4:], rows[r % 5])
        if r >= 4:
            _all_of(rows[0], rows[1], rows[2], rows[3], rows[4], out[r - 2, 2 : w - 2])
    return out


@njit(cache=True, nogil=True, inline="always")
def _all_of(a, b, c, d, e, out):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    for k in range(out.size):  # as bytes, many at once
        out[k] = a[k] & b[k] & c[k] & d[k] & e[k]
