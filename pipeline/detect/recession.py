"""What a level between two known ones, or below all of them, uncovers without a fill.

History orders pixels by height only as finely as it saw levels. Inside the area that is water at
the next known level above today's, geometry has to help: a lower level uncovers a rim along the
whole shore, whose width follows the slope of the bank. The rest of the reach on the same date tells
how wide that rim is, bank by bank: banks whose known levels lie far apart are gentle and uncover
more. Below everything history saw, the next known level is the lowest one, and this is all there
is. All statistics are integer histograms with clipped distances, so tiles with a halo give the
whole's result exactly.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from pipeline.detect.distances import CLIP_PX, distances, eroded, farther
from pipeline.detect.level_band import N_WIDTHS
from pipeline.detect.shore import GENTLE_PX, Shore
from pipeline.model import Ground

HALO_PX = CLIP_PX + GENTLE_PX + 4
"""Halo that makes everything of this package exact at a tile's edge [px]."""


class RecessionOptions(BaseModel):
    """How far the shore of a reach may be taken to have receded."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    percentile: float = Field(
        default=75.0, ge=50, le=99, description="percentile of the recession of comparable shore"
    )
    min_shore_px: int = Field(
        default=40, ge=5, description="shore pixels a class of gentleness needs to speak for itself"
    )
    min_looks: int = Field(
        default=2,
        ge=1,
        description="clear looks before a pixel can belong to the water of a known level",
    )


def tally_recession(
    state: NDArray[np.uint8],
    shore: Shore,
    reach: NDArray[np.uint16],
    n_reach: int,
    part: NDArray[np.bool_] | None = None,
) -> NDArray[np.int64]:
    """Histogram how far the water of one date lies from the shore of the next known level.

    Parameters
    ----------
    state, reach : (H, W)
        Ground codes and 1-based reach index of a window with its halo.
    part : bool (H, W), optional
        Where shore pixels are counted (a tile's core); everywhere by default.

    Returns
    -------
    int64 (n_reach + 1, N_WIDTHS, CLIP_PX + 1)
        Shore pixels by whole pixels of distance to the nearest water; mergeable by ``+``. Shore
        whose nearest water may hide under a cloud is not counted.
    """
    unknown = state == Ground.UNKNOWN
    at = shore.edge_at
    counted = (reach.ravel()[at] > 0) & ~unknown.ravel()[at]
    if part is not None:
        counted &= part.ravel()[at]
    at = at[counted]
    distance = distances(state == Ground.WET, at)
    # UNKNOWN is also the thin band at every waterline; only what survives an erosion is cloud.
    clear = farther(eroded(unknown), at, np.minimum(distance + 3, CLIP_PX - 1))
    at, steps = at[clear], distance[clear].astype(np.int64)
    kind = reach.ravel()[at].astype(np.int64) * N_WIDTHS + shore.width_at(at)
    key = kind * (CLIP_PX + 1) + steps
    shape = (n_reach + 1, N_WIDTHS, CLIP_PX + 1)
    size = shape[0] * shape[1] * shape[2]
    return np.bincount(key, minlength=size)[:size].reshape(shape).astype(np.int64)


def expected_recession(
    hist: NDArray[np.int64], options: RecessionOptions | None = None
) -> NDArray[np.float32]:
    """Give the recession [px] that a bank of each gentleness may show without a fill.

    Parameters
    ----------
    hist : int64 (N_WIDTHS, CLIP_PX + 1)
        One reach of :func:`tally_recession`, the object's neighbourhood left out.

    Returns
    -------
    float32 (N_WIDTHS,)
        Percentile of the class, or of all shore where the class is too small; gentler banks never
        expect less than steeper ones. :data:`CLIP_PX` (nothing can be told) without enough shore.
    """
    o = options or RecessionOptions()
    everything = percentile_of(hist.sum(axis=0), o.percentile, o.min_shore_px)
    each = [percentile_of(row, o.percentile, o.min_shore_px) for row in hist]
    filled = [everything if e is None else e for e in each]
    known = [float(CLIP_PX) if f is None else f for f in filled]
    return np.maximum.accumulate(np.asarray(known, np.float32))


def percentile_of(counts: NDArray[np.int64], percent: float, at_least: int) -> float | None:
    """Percentile of an integer histogram [px], or None with fewer than ``at_least`` entries."""
    total = int(counts.sum())
    if total < at_least:
        return None
    return float(np.searchsorted(np.cumsum(counts), percent / 100 * total))
