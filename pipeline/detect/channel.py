"""Which water hangs together with the river, at the level at which it is water.

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

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pipeline.detect.water_frequency import N_BINS

CORE_BIN = N_BINS // 2
"""Water at least half of the time may be the core of a channel."""

SLACK_BINS = 3
"""A path may have been water as many bins less often than what it leads to, or half as often: looks
are few, mixed pixels of a narrow arm are water less often than its end, and hollows of a bar fill
through its gravel."""

AROUND_M = 80.0
"""Ground that was never water belongs to it as far from it: a flood beyond all known ones."""

GAP_M = 80.0
"""A deck hides as much of the water under it."""

BETWEEN_M2 = 2_000.0
"""Area from which what lies between two pieces of a channel is one of it."""

_CHANNEL_M2, _CHANNEL_M = 50_000.0, 500.0  # smaller and shorter water is no channel: ponds are
_LARGE_BESIDE = 0.1  # of the largest of its reach, from which what lies beside a channel is one
_SLENDER = 8.0  # length squared over area from which water is a channel, however small


def slack_bins(looks: int) -> int:
    """Give how many bins a path may have been water less often: one look, where they are few."""
    return max(SLACK_BINS, math.ceil(N_BINS / max(1, looks)))


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


def belongs(
    bins: NDArray[np.uint8], reached: NDArray[np.uint8], slack: int = SLACK_BINS
) -> NDArray[np.bool_]:
    """Tell what was water at some time and hangs together with the core, bool (H, W)."""
    path = reached.astype(np.int16)
    near = (path + slack >= bins) | (2 * (path + 1) >= bins)
    return (bins > 0) & (reached > 0) & near


@dataclass(frozen=True)
class Piece:
    """A piece of mostly-water, whole over all tiles."""

    by_reach: Mapping[int, float]  # area in each reach [m2]; 0 is outside of all
    length_m: float  # of the rectangle that spreads as it does, however it lies
    beside: frozenset[int] = frozenset()  # pieces within GAP_M

    @property
    def area_m2(self) -> float:
        """Area, in all reaches and outside of them [m2]."""
        return sum(self.by_reach.values())

    @property
    def may_be(self) -> bool:
        """Large or long enough for a channel."""
        return self.area_m2 >= _CHANNEL_M2 or self.length_m >= _CHANNEL_M

    @property
    def slender(self) -> bool:
        """Long and narrow, as ponds are not."""
        return self.length_m >= _CHANNEL_M and self.narrow

    @property
    def narrow(self) -> bool:
        """Narrow for its length, however short it is."""
        return self.length_m**2 >= _SLENDER * self.area_m2


def cores(pieces: Mapping[int, Piece], share: float) -> set[int]:
    """Choose which pieces of mostly-water are the core of a channel.

    In each reach the largest piece, and those of at least ``share`` of its size there; and
    whatever is long and narrow, as ponds are not: decks and weirs cut a river. Then, link by link,
    what lies within :data:`GAP_M` of two of these (what is left between two decks), and what lies
    beside one and is narrow (the next pool behind a riffle) or of a tenth of the largest. What is
    neither large nor long is no channel by itself, though nothing larger lies in its reach.
    """
    largest: dict[int, float] = {}
    may = {k: p for k, p in pieces.items() if p.may_be}
    for piece in may.values():
        for reach, area in piece.by_reach.items():
            largest[reach] = max(largest.get(reach, 0.0), area)

    def is_large(piece: Piece, share: float) -> bool:
        held = ((reach, area) for reach, area in piece.by_reach.items() if reach)
        return piece.may_be and any(area >= share * largest[reach] for reach, area in held)

    chosen = {k for k, p in may.items() if p.slender or is_large(p, share)}
    while True:
        more = {
            k
            for k, p in pieces.items()
            if k not in chosen
            and p.area_m2 >= BETWEEN_M2
            and (
                len(p.beside & chosen) >= 2  # the banks of two decks
                or (p.beside & chosen and (p.narrow or is_large(p, _LARGE_BESIDE)))
            )
        }
        if not more:
            return chosen
        chosen |= more
