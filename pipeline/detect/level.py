"""Water level as a rank, without a gauge.

How often a pixel was water (:mod:`pipeline.detect.water_frequency`) orders pixels by height. On a
date the reach is wet down to some place in that order; the place is the level. Everything that
crosses tiles here is an integer histogram, so the level of a reach does not depend on how it was
cut.

Two questions are kept apart. *Which level was it?* is asked here, of the whole reach against the
water frequency w, where single errors drown. *Was this pixel under water at such a level?* is asked
of the pixel's own history, look by look (:mod:`pipeline.detect.level_history`): w of a pixel seen
mostly in one season is biased; "wet in 14 of 14 looks at a lower level" is not, and it is also the
sentence an official can check. The second also says honestly that nobody ever looked at so low a
level.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from pipeline.bounds import of_one_shape
from pipeline.detect.water_frequency import N_BINS
from pipeline.model import Ground, Level

_BAND_PX = 200  # of ground that is wet at some levels, without which all levels say the same
_FLOODED = 0.1  # of the ground that was never water, from which a flood is over the banks
_NEARLY, _SLACK = 1.5, 0.01  # contradictions, over the least and of the band, that are no worse


class LevelOptions(BaseModel):
    """How the level of a reach is fitted and when it is believed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_pixels: int = Field(
        default=200, ge=1, description="clear ever-wet pixels a reach needs before it has a level"
    )
    saturated_share: float = Field(
        default=0.02,
        gt=0,
        lt=0.5,
        description="dry share of the always-wet bin from which the level may be unheard of",
    )
    max_misfit: float = Field(
        default=0.12,
        gt=0,
        le=0.5,
        description="dates that contradict their own level more are not used",
    )
    max_spread: int = Field(
        default=9,
        ge=1,
        le=32,
        description="nor are dates that fit so many bins as well as a level below all seen",
    )
    channel_share: float = Field(
        default=0.25,
        ge=0,
        le=1,
        description="size, over the largest of its reach, from which mostly-water is a channel; "
        "water that does not hang together with one tells no level; 0: all water does",
    )
    silent_looks: int = Field(
        default=2,
        ge=0,
        le=20,
        description="certain sightings of a fill after which its ground has no say in the level of "
        "later looks; 0: it always has",
    )


def tally_level(
    state: NDArray[np.uint8],
    bins: NDArray[np.uint8],
    reach: NDArray[np.uint16],
    n_reach: int,
    n_bins: int = N_BINS,
) -> NDArray[np.int64]:
    """Count wet and not-wet pixels per reach and frequency bin on one date.

    Parameters
    ----------
    state, bins, reach : (H, W)
        Ground codes of the date, bins of water frequency, 1-based reach index (0 outside). Pass a
        tile's core only: histograms of disjoint cores add up.

    Returns
    -------
    int64 (n_reach + 1, n_bins, 2)
        ``[..., 0]`` not wet, ``[..., 1]`` wet. Mergeable by ``+``; the neighbourhood of an object
        is left out by subtracting the histogram of its window.
    """
    of_one_shape(state, bins, reach)
    out = np.zeros((n_reach + 1, n_bins, 2), np.int64)
    codes = (int(Ground.UNKNOWN), int(Ground.WET))
    _tally(np.ravel(state), np.ravel(bins), np.ravel(reach), codes, out)
    return out


@njit(cache=True, nogil=True)
def _tally(state, bins, reach, codes, out):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    unknown, wet = codes
    for i in range(state.size):
        # Pixels of bins or reaches that are not counted are left out, as those of none are.
        counted = bins[i] < out.shape[1] and 0 < reach[i] < out.shape[0]
        if counted and state[i] != unknown:
            out[reach[i], bins[i], np.int64(state[i] == wet)] += 1


def reaches_in(reach: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """Give the reach indices that a window holds, ascending: ``np.unique``, five times as fast."""
    seen = np.zeros(int(reach.max(initial=0)) + 1, np.bool_)
    _mark(reach, seen)
    return np.flatnonzero(seen).astype(reach.dtype)


@njit(cache=True, nogil=True)
def _mark(reach, seen):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    for r in range(reach.shape[0]):
        for c in range(reach.shape[1]):
            seen[reach[r, c]] = True


@dataclass(frozen=True)
class Cut:
    """Where the water of one date ends in the order of water frequency.

    Bins above ``partial`` are wet, bins below it are not, ``share`` of its own pixels are wet.
    """

    partial: int
    share: float
    contradict: int  # pixels above that are not wet, and below that are
    voters: int  # clear ever-wet pixels
    spread: int  # bins up to the highest that would do as well as a level below all seen
    lowest: int | None  # bin of the lowest level that would do nearly as well; None: unknown


def fit_cut(hist: NDArray[np.int64]) -> Cut:
    """Find the partial bin k that minimises (not wet in bins > k) + (wet in bins < k).

    The partial bin itself cannot contradict: its pixels were wet equally often, so history does not
    order them, and a level between two known ones wets some of them.

    Parameters
    ----------
    hist : int64 (n_bins, 2)
        One reach of :func:`tally_level`.
    """
    dry, wet = hist[:, 0], hist[:, 1]
    n_bins = hist.shape[0]
    above = np.concatenate([np.cumsum(dry[::-1])[::-1][1:], [0]])
    below = np.concatenate([[0], np.cumsum(wet)[:-1]])
    cost = np.where(dry + wet > 0, above + below, np.iinfo(np.int64).max)
    voters = int((dry + wet)[1:].sum())
    if voters == 0:
        return Cut(n_bins - 1, 0.0, 0, 0, 0, None)
    partial = int(np.flatnonzero(cost == cost.min())[-1])  # of equals the lowest level
    share = float(wet[partial] / (dry[partial] + wet[partial]))
    near = _as_good(hist)
    spread = int(near[-1] - near[0]) if near.size and near[-1] == n_bins - 1 else 0
    return Cut(partial, share, int(cost[partial]), voters, spread, _lowest(hist, near))


def _lowest(hist: NDArray[np.int64], near: NDArray[np.intp]) -> int | None:
    """Give the lowest level that would do nearly as well.

    Much land under water contradicts whatever lies below it, however little ground lies between
    the levels that were seen.
    """
    land = int(hist[0].sum())
    flooded = int(hist[0, 1])
    if flooded < max(_BAND_PX, _FLOODED * land):
        return int(near[-1]) if near.size else None
    return int(_nearly(hist, int(hist[1:-1].sum()) + flooded)[-1])


def _as_good(hist: NDArray[np.int64]) -> NDArray[np.intp]:
    """Give the bins in which the water may end as well as where it contradicts least, ascending.

    None where too little ground lies between the levels that were seen to tell them apart.

    Ground never seen dry may be dark and wet, and pass for water in every bin: the cost is flat
    then, and its least value an accident. What the ends contradict is the same for all levels, or
    nearly so, and says nothing.
    """
    band = int(hist[1:-1].sum())
    return _nearly(hist[1:], band) + 1 if band >= _BAND_PX else np.zeros(0, np.intp)


def _nearly(hist: NDArray[np.int64], tells: int) -> NDArray[np.intp]:
    """Give the bins whose contradictions are nearly the least; ``tells``: pixels that tell them."""
    dry, wet = hist[:, 0].copy(), hist[:, 1]
    dry[-1] = 0
    cost = np.cumsum(dry[::-1])[::-1] - dry + np.cumsum(wet) - wet
    return np.flatnonzero((hist.sum(axis=1) > 0) & (cost <= _NEARLY * cost.min() + _SLACK * tells))


def fit_level(hist: NDArray[np.int64], options: LevelOptions | None = None) -> Level:
    """Find the rank whose expected water agrees best with the water seen.

    Between two known levels the rank follows the wet share of the partial bin, from the level that
    leaves it dry to the one that fills it; so it moves continuously, a bin that no pixel occupies
    makes no gap, and it goes on falling inside the always-wet bin when the level is lower than
    history ever saw.

    Parameters
    ----------
    hist : int64 (n_bins, 2)
        One reach of :func:`tally_level`.

    Returns
    -------
    Level
        ``rank`` 0..1 on the axis of w: the water expected is {w >= 1 - rank}. Too few voters give
        rank NaN and misfit 1. Ranks compare only if fitted against the same history.
    """
    o = options or LevelOptions()
    cut, n_bins = fit_cut(hist), hist.shape[0]
    if cut.voters < o.min_pixels:
        return Level(float("nan"), False, 1.0, cut.voters)
    occupied = np.flatnonzero(hist.sum(axis=1)[cut.partial + 1 :])
    higher = cut.partial + 1 + int(occupied[0]) if occupied.size else n_bins
    low, high = n_bins - higher, n_bins - cut.partial
    rank = (low + cut.share * (high - low)) / n_bins
    lowest = cut.partial == n_bins - 1 and 1 - cut.share > o.saturated_share
    least = None if cut.lowest is None else min(rank, 1 - (cut.lowest + 1) / n_bins)
    return Level(rank, lowest, cut.contradict / cut.voters, cut.voters, least)


def leave_out(total: NDArray[np.int64], local: NDArray[np.int64]) -> NDArray[np.int64]:
    """Subtract the neighbourhood of an object, so that a fill does not lower its own level."""
    return np.maximum(total - local, 0)
