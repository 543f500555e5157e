"""What hangs together with a channel (:mod:`pipeline.detect.channel`), by tiles.

The tiles of a corridor are held as maps by place (row and column among all tiles of the grid):
water frequency, and what of it paths from the core have reached. A path crosses tiles, so each is
flooded again whenever those beside it let something rise in it, until nothing does; the outcome
does not depend on how the corridor was cut.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.detect.channel import AROUND_M, SLACK_BINS, belongs, cores, flood
from pipeline.detect.channel_pieces import Place, framed, pieces_of, rim, side_of
from pipeline.detect.channel_reaches import told_reaches

_EIGHT = np.ones((3, 3), bool)


@dataclass(frozen=True)
class Channel:
    """How a channel is told; ``share`` as of :func:`pipeline.detect.channel.cores`."""

    share: float
    res_m: float
    slack: int = SLACK_BINS


def apart_of(
    bins: Mapping[Place, NDArray[np.uint8]],
    reaches: Mapping[Place, NDArray[np.uint16]],
    channel: Channel,
) -> tuple[frozenset[int], Iterator[tuple[Place, NDArray[np.bool_]]]]:
    """Find what hangs together with no channel.

    Parameters
    ----------
    bins : uint8 (h, w) by place
        Water frequency; 0 where it was never water, or never seen. Tiles of a row have one height,
        of a column one width.
    reaches : uint16 (h, w) by place
        1-based reach, 0 outside.

    Returns
    -------
    frozenset of int
        Reaches along which a channel runs; in the others nothing is apart.
    iterator of place, bool (h, w)
        Made one after the other, as they are asked for.
    """
    found = pieces_of(bins, reaches, channel.res_m)
    chosen = cores(found.pieces, channel.share)
    core = {place: found.among(place, chosen) for place in bins}
    del found
    told = told_reaches(reaches, core, side_of(bins), channel.res_m)
    reached = {place: np.where(core[place], own, np.uint8(0)) for place, own in bins.items()}
    del core
    _rise(bins, reached)
    return frozenset(told), _apart(bins, reached, (reaches, told), channel)


def _apart(
    bins: Mapping[Place, NDArray[np.uint8]],
    reached: Mapping[Place, NDArray[np.uint8]],
    where: tuple[Mapping[Place, NDArray[np.uint16]], set[int]],
    channel: Channel,
) -> Iterator[tuple[Place, NDArray[np.bool_]]]:
    reaches, told = where
    around = max(1, round(AROUND_M / channel.res_m))
    of_reach = np.zeros(1 + max((int(r.max(initial=0)) for r in reaches.values()), default=0), bool)
    of_reach[sorted(told)] = True
    for place, own in bins.items():
        wide = belongs(framed(bins, place, around), framed(reached, place, around), channel.slack)
        near = ndimage.binary_dilation(wide, _EIGHT, around)[around:-around, around:-around]
        joined = wide[around:-around, around:-around] | (own == 0) & near
        yield place, ~joined & of_reach[reaches[place]]


def _rise(bins: Mapping[Place, NDArray[np.uint8]], reached: dict[Place, NDArray[np.uint8]]) -> None:
    """Raise what tiles have reached, with what comes in from those beside, until nothing rises."""
    waiting = dict.fromkeys(p for p, own in reached.items() if own.any())
    while waiting:
        place = next(iter(waiting))
        del waiting[place]
        level = framed(reached, place, 1)
        flood(framed(bins, place, 1), level)
        reached[place] = level[1:-1, 1:-1].copy()
        for beside in _beside(place):
            if beside in bins and _would_rise(bins[beside], reached, beside):
                waiting.setdefault(beside)


def _would_rise(
    own: NDArray[np.uint8], reached: Mapping[Place, NDArray[np.uint8]], place: Place
) -> bool:
    """Tell whether the rim of a tile rises by what those beside it have reached."""
    level = framed(reached, place, 1)
    rows, cols = rim(own.shape)
    lower = own[rows, cols] > reached[place][rows, cols]
    rows, cols = rows[lower], cols[lower]
    here = reached[place][rows, cols]
    steps = ((dr, dc) for dr in range(3) for dc in range(3))
    return any(
        bool((np.minimum(level[rows + dr, cols + dc], own[rows, cols]) > here).any())
        for dr, dc in steps
    )


def _beside(place: Place) -> list[Place]:
    around = ((r, c) for r in (-1, 0, 1) for c in (-1, 0, 1) if (r, c) != (0, 0))
    return [(place[0] + r, place[1] + c) for r, c in around]
