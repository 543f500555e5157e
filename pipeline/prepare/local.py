"""Neighbourhood operations on masks that are exact and of a known, bounded reach.

Everything counts in integers, so a pixel farther from the array's edge than the stated radius gets
the same answer in any tile.
"""

from __future__ import annotations

from math import cos, radians, sin

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy import ndimage

Mask = NDArray[np.bool_]
_WIDE_PX = 40  # from here on the distance transform is faster


def box_count(mask: Mask, radius: int) -> NDArray[np.int32]:
    """Count true pixels in the square of side ``2 radius + 1``, clipped to the array; (H, W)."""
    height, width = mask.shape
    table = np.zeros((height + 1, width + 1), dtype=np.int32)
    table[1:, 1:] = mask.cumsum(0, dtype=np.int32).cumsum(1, dtype=np.int32)
    rows, cols = np.arange(height), np.arange(width)
    r0, r1 = np.maximum(rows - radius, 0), np.minimum(rows + radius + 1, height)
    c0, c1 = np.maximum(cols - radius, 0), np.minimum(cols + radius + 1, width)
    band = table[r1] - table[r0]
    return band[:, c1] - band[:, c0]


def box_majority(mask: Mask, among: Mask, radius: int, share: float) -> Mask:
    """Say where ``share`` or more of the box's ``among`` pixels are true; radius ``radius``."""
    return box_count(mask & among, radius) >= np.maximum(share * box_count(among, radius), 1)


def dilate(mask: Mask, radius: float) -> Mask:
    """Grow by a disk [px]; exact within ``ceil(radius)``."""
    if radius < 1 or not mask.any():
        return mask.copy()
    if mask.all():
        return mask.copy()
    if radius > _WIDE_PX:
        distance = np.asarray(ndimage.distance_transform_edt(~mask))
        return np.asarray(distance <= radius, dtype=np.bool_)
    rows = np.arange(int(radius) + 1)
    across = np.sqrt(rows[:, None] ** 2.0 + rows[None, :] ** 2.0) <= radius
    out = np.zeros_like(mask)
    _grow(np.ascontiguousarray(mask), across.sum(axis=1).astype(np.int32) - 1, out)
    return out


@njit(cache=True, nogil=True)
def _grow(mask: Mask, half: NDArray[np.int32], out: Mask) -> None:  # pragma: no cover - compiled
    """Paint, for every run of a row, what a disk with these half widths by row covers."""
    height, width = mask.shape
    reach = half.size - 1
    for r in range(height):
        c = 0
        while c < width:
            if not mask[r, c]:
                c += 1
                continue
            start = c
            while c < width and mask[r, c]:
                c += 1
            for dy in range(-reach, reach + 1):
                if 0 <= r + dy < height:
                    wide = half[abs(dy)]
                    out[r + dy, max(start - wide, 0) : min(c + wide, width)] = True


def open2(mask: Mask) -> Mask:
    """Open with a 2x2 square: threads and lone pixels vanish; radius 2.

    Two pixels and not three, because the producer's classes come on 20 m pixels.
    """
    core = mask[:-1, :-1] & mask[1:, :-1] & mask[:-1, 1:] & mask[1:, 1:]
    out = np.zeros_like(mask)
    for rows in (slice(None, -1), slice(1, None)):
        for cols in (slice(None, -1), slice(1, None)):
            out[rows, cols] |= core
    return out


def split_speckle(mask: Mask, least: int) -> tuple[Mask, Mask]:
    """Split into (patches of at least ``least`` pixels, smaller ones), eight-connected.

    Radius ``least``: a patch that small cannot reach farther, and of a larger one at least that
    many pixels are seen within it.
    """
    if least <= 1 or not mask.any():
        return mask.copy(), np.zeros_like(mask)
    labels = np.zeros(mask.shape, dtype=np.int32)
    ndimage.label(mask, structure=np.ones((3, 3), dtype=int), output=labels)
    large = np.bincount(labels.ravel()) >= least
    large[0] = False
    kept = large[labels]
    return kept, mask & ~kept


def shadow_direction(azimuth_deg: float) -> tuple[float, float]:
    """Give the unit step (row, col) from an object to its shadow; azimuth clockwise from north."""
    return cos(radians(azimuth_deg)), -sin(radians(azimuth_deg))


def sweep(mask: Mask, step: tuple[float, float], length: int) -> Mask:
    """Smear along ``step`` (unit vector, row and col) by 0..``length`` px; radius ``length``."""
    out = mask.copy()
    if not mask.any():
        return out
    for k in range(1, length + 1):
        rows, cols = round(step[0] * k), round(step[1] * k)
        to, source = _overlap(mask.shape, rows, cols)
        out[to] |= mask[source]
    return out


def _overlap(
    shape: tuple[int, ...], rows: int, cols: int
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Give (where to, where from) of a move by whole pixels inside an array."""
    to, source = [], []
    for length, move in zip(shape, (rows, cols), strict=True):
        to.append(slice(min(max(move, 0), length), max(length + min(move, 0), 0)))
        source.append(slice(min(max(-move, 0), length), max(length + min(-move, 0), 0)))
    return (to[0], to[1]), (source[0], source[1])
