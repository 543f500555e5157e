"""Which water hangs together with the river or reservoir, at the level at which it is water.

A level is read from how often pixels were water, and that orders them by height only where one
water covers them. Paddies stand under water in April because somebody floods them, a fish pond
because it has a dam, and both are dry when the river is high; where a corridor holds more of them
than shore, their calendar is taken for the level. What the river covers hangs together with it by
ground that was water at least as often: water frequency never falls on the way up from the
channel. So a pixel belongs to it if some path from the channel's core leads there along which no
pixel was water less often than itself, but for some slack; a paddy behind its bank does not, even
where one flood went over the bank. This is the grey-scale reconstruction by dilation of Vincent
(1993, DOI 10.1109/83.217222) of the frequency from the core.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pipeline.detect.water_frequency import N_BINS

CORE_BIN = N_BINS // 2
"""Water at least half of the time may be the core of a channel."""

SLACK_BINS = 3
"""A path may have been water as many bins less often than what it leads to: looks are few, and
mixed pixels of a narrow arm are water less often than its end."""

AROUND_PX = 8
"""Ground that was never water belongs to it as far from it [px]: a flood beyond all known ones."""

GAP_PX = 6
"""A deck hides as much of the water under it [px]."""

_COUNTED = 20  # pixels of core from which on a piece is asked whether two others lie beside it


def flood(bins: NDArray[np.uint8], reached: NDArray[np.uint8]) -> bool:
    """Raise ``reached`` in place to what paths within the window lead to.

    Parameters
    ----------
    bins : uint8 (H, W)
        Water frequency; 0 where it was never water, or never seen.
    reached : uint8 (H, W)
        At most ``bins``: of each pixel the least frequency on the best path found to it so far;
        0 none.

    Returns
    -------
    bool
        Whether anything rose.
    """
    if bins.shape != reached.shape or not bins.size:
        return False
    return bool(_flood(bins, reached))


@njit(cache=True, nogil=True)
def _flood(bins, reached):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    h, w = bins.shape
    queue = np.empty(h * w, np.int64)
    waits = np.zeros(h * w, np.bool_)
    first, many = 0, 0
    for i in range(h * w):
        if reached[i // w, i % w]:
            queue[many], waits[i] = i, True
            many += 1
    rose = False
    while many:
        i = queue[first]
        first, many = (first + 1) % queue.size, many - 1
        waits[i] = False
        r, c = i // w, i % w
        for k in range(max(r - 1, 0), min(r + 2, h)):
            for j in range(max(c - 1, 0), min(c + 2, w)):
                to = min(bins[k, j], reached[r, c])
                if to > reached[k, j]:
                    reached[k, j], rose = to, True
                    if not waits[k * w + j]:
                        queue[(first + many) % queue.size], waits[k * w + j] = k * w + j, True
                        many += 1
    return rose


def belongs(bins: NDArray[np.uint8], reached: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Tell what was water at some time and hangs together with the core, bool (H, W)."""
    return (bins > 0) & (reached > 0) & (reached.astype(np.int16) + SLACK_BINS >= bins)


def cores(
    sizes: dict[int, int],
    places: dict[int, set[int]],
    beside: dict[int, set[int]],
    share: float,
) -> set[int]:
    """Choose which pieces of mostly-water are the core of a channel.

    In each reach the largest piece, and those of at least ``share`` of its size: decks and weirs
    cut a river. What lies within :data:`GAP_PX` of two of these is what is left between two decks;
    a pond beside the river has one.

    Parameters
    ----------
    sizes, places, beside
        Of each piece its size [px], the reaches in which it lies (0 is none), and the pieces within
        :data:`GAP_PX`.
    """
    largest: dict[int, int] = {}
    for piece, there in places.items():
        for reach in there - {0}:
            largest[reach] = max(largest.get(reach, 0), sizes[piece])
    chosen = {
        piece
        for piece, there in places.items()
        if any(sizes[piece] >= share * largest[reach] for reach in there - {0})
    }
    between = {
        piece
        for piece, near in beside.items()
        if sizes[piece] >= _COUNTED and len(near & chosen - {piece}) >= 2
    }
    return chosen | between
