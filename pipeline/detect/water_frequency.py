"""How often each pixel was water, which orders pixels by height."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pipeline.model import Ground

N_BINS = 32
"""Bins of water frequency; the last one, w >= 31/32, is "always wet"."""

UNSEEN = 255
"""Bin code of a pixel that history never saw clearly."""


def tally_history(
    states: NDArray[np.uint8],
) -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
    """Count per pixel how often history saw water, and how often it saw anything.

    Parameters
    ----------
    states : uint8 (T, H, W)
        Ground codes; the order of dates is irrelevant.

    Returns
    -------
    n_wet, n_clear : uint16 (H, W)
        GREEN counts as not wet: plants on the drawdown zone stand on dry ground, and hyacinth
        only makes w smaller. Counts of disjoint dates (or sensors) may be added.
    """
    n_wet = np.count_nonzero(states == Ground.WET, axis=0).astype(np.uint16)
    n_clear = np.count_nonzero(states != Ground.UNKNOWN, axis=0).astype(np.uint16)
    return n_wet, n_clear


def frequency_bins(
    n_wet: NDArray[np.uint16], n_clear: NDArray[np.uint16], n_bins: int = N_BINS
) -> NDArray[np.uint8]:
    """Quantise water frequency w = n_wet / n_clear to ``n_bins`` codes, in integers.

    Returns
    -------
    uint8 (H, W)
        0 never (w < 1/n_bins) … n_bins - 1 always; :data:`UNSEEN` where n_clear is 0.
    """
    out = np.empty(n_clear.shape, np.uint8)
    _bin(np.ravel(n_wet), np.ravel(n_clear), n_bins, np.ravel(out))
    return out


@njit(cache=True, nogil=True)
def _bin(n_wet, n_clear, n_bins, out):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    for i in range(out.size):
        clear = np.int64(n_clear[i])
        if clear == 0:
            out[i] = UNSEEN
        else:
            out[i] = min(np.int64(n_wet[i]) * n_bins // clear, n_bins - 1)
