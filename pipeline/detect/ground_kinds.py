"""What kind of ground each pixel of a window is on a date, compiled: one pass instead of thirty.

Each does what a plain formula of arrays says, bit for bit (tests hold them against it). They belong
to :mod:`pipeline.detect.change`.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pipeline.bounds import of_one_shape, within
from pipeline.detect.water_frequency import N_BINS
from pipeline.model import Ground

Float = NDArray[np.float32]
Bool = NDArray[np.bool_]
Count = NDArray[np.uint16]

BAR = 3
"""Stratum of ground that is under water part of the time."""

EDGES = np.array([0.3, 0.55], np.float32)
"""Expected NDVI from which ground is mixed (stratum 1) and green (stratum 2)."""

# What other files define is an argument of compiled code: a cache knows its own file only.


def lies(
    bins: NDArray[np.uint8],
    reach: Count,
    ranks: tuple[Float, Float],
    counts: tuple[Count, Count],
    dry_looks: int,
) -> tuple[Bool, Bool, Bool, Bool, Bool]:
    """Tell what ground the level of a date explains.

    Parameters
    ----------
    bins : uint8 (H, W)
        How often history saw water (:func:`pipeline.detect.water_frequency.frequency_bins`).
    reach : uint16 (H, W)
    ranks : (float32 (n_reach + 1,), float32 (n_reach + 1,))
        Level rank of the date per reach (NaN unknown), and the highest rank of the history.
    counts : (uint16 (H, W), uint16 (H, W))
        Of :func:`pipeline.detect.deviations.dry_counts`.
    dry_looks : int
        So many of them tell.

    Returns
    -------
    land, shoal, bar, dry, levelled : bool (H, W)
        As of :class:`pipeline.detect.look_surface.Surface`.
    """
    of_one_shape(bins, reach, *counts)
    of_one_shape(*ranks)
    within(reach, ranks[0].size)
    land, shoal, bar, dry, levelled = (np.empty(bins.shape, np.bool_) for _ in range(5))
    out = (land.ravel(), shoal.ravel(), bar.ravel(), dry.ravel(), levelled.ravel())
    both = (np.ravel(counts[0]), np.ravel(counts[1]))
    _lies(np.ravel(bins), np.ravel(reach), ranks, both, (dry_looks, N_BINS - 1), out)
    return land, shoal, bar, dry, levelled


def modelled(looks: Count, n_clear: Count, least: int) -> Count:
    """Give the looks of the model, uint16 (H, W); 0 where history saw the pixel less often."""
    of_one_shape(looks, n_clear)
    out = np.empty(looks.shape, np.uint16)
    _modelled(np.ravel(looks), np.ravel(n_clear), least, out.ravel())
    return out


def states_with(
    water: Float, ndvi: Float, state: NDArray[np.uint8], undecided: float, most: float
) -> NDArray[np.uint8]:
    """Give ground codes (H, W), water where nothing is said of a dark pixel of few plants.

    That is, where the score of ``water`` is nearer to zero than ``undecided`` and ``ndvi`` is no
    more than ``most``.
    """
    of_one_shape(water, ndvi, state)
    out = np.empty(state.shape, np.uint8)
    limits = (np.float32(undecided), np.float32(most))
    codes = (np.uint8(Ground.UNKNOWN), np.uint8(Ground.WET))
    _states_with(np.ravel(water), np.ravel(ndvi), np.ravel(state), limits, codes, out.ravel())
    return out


def strata_of(ndvi: Float, shoal: Bool) -> NDArray[np.uint8]:
    """Class pixels (H, W) by expected NDVI (:data:`EDGES`; NaN is 0), and :data:`BAR`."""
    of_one_shape(ndvi, shoal)
    out = np.empty(shoal.shape, np.uint8)
    _strata_of(np.ravel(ndvi), np.ravel(shoal), (EDGES[0], EDGES[1]), np.uint8(BAR), out.ravel())
    return out


@njit(cache=True, nogil=True)
def _lies(bins, reach, ranks, counts, limits, out):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    land, shoal, bar, dry, levelled = out
    rank, top = ranks
    least, always = limits
    higher, lower = counts
    known = np.isfinite(rank)
    below = rank <= top  # no level: no
    for i in range(bins.size):
        own, never = reach[i], bins[i] == 0
        between = (bins[i] > 0) & (bins[i] < always)
        land[i], shoal[i], levelled[i] = never, between, known[own]
        bar[i] = between & (lower[i] >= least)
        said = (higher[i] >= least) | (never & below[own])
        dry[i] = said if known[own] else never


@njit(cache=True, nogil=True)
def _modelled(looks, n_clear, least, out):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    for i in range(out.size):
        out[i] = looks[i] if n_clear[i] >= least else np.uint16(0)


@njit(cache=True, nogil=True)
def _states_with(water, ndvi, state, limits, codes, out):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    undecided, most = limits
    unknown, water_code = codes
    for i in range(out.size):
        wet = (state[i] == unknown) & (abs(water[i]) < undecided) & (ndvi[i] <= most)
        out[i] = water_code if wet else state[i]


@njit(cache=True, nogil=True)
def _strata_of(ndvi, shoal, edges, bar, out):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    mixed, green = edges
    for i in range(out.size):
        kind = np.uint8(ndvi[i] >= mixed) + np.uint8(ndvi[i] >= green)
        out[i] = bar if shoal[i] else np.uint8(kind)
