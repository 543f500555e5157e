"""Which ground is ploughed, by its normal, and how bright it lies bare in a reach."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.detect.look_surface import BRIGHT, NDVI, Bool, Float
from pipeline.detect.normal import Normal

_BRIGHT_BINS = 200  # of 0..1


def cropland(normal: Normal) -> tuple[Bool, Float]:
    """Find ground that is green in one season and bare in another, and how bright it gets.

    Returns
    -------
    fields : bool (H, W)
    ceiling : float32 (H, W)
        Brightest expected day of the year and the tail beyond it.
    """
    days = np.arange(0, 365, 15, dtype=np.float64)
    least, green = normal.over_year(days, NDVI)
    with np.errstate(invalid="ignore"):
        fields = (normal.looks > 0) & (green >= 0.5) & (green - least >= 0.2)
    _, brightest = normal.over_year(days, BRIGHT)
    return fields, (brightest + 1.645 * normal.spread[BRIGHT]).astype(np.float32)


def tally_fields(
    fields: Bool, ceiling: Float, reach: NDArray[np.uint16], n_reach: int
) -> NDArray[np.int64]:
    """Count how bright :func:`cropland` gets, int64 (n_reach + 1, bins); tiles add up."""
    use = fields & (reach > 0)
    step = np.clip((ceiling[use] * _BRIGHT_BINS).astype(np.int64), 0, _BRIGHT_BINS - 1)
    key = reach[use].astype(np.int64) * _BRIGHT_BINS + step
    size = (n_reach + 1) * _BRIGHT_BINS
    return np.bincount(key, minlength=size).reshape(n_reach + 1, _BRIGHT_BINS).astype(np.int64)


def soil_ceiling(total: NDArray[np.int64], quantile: float = 0.9) -> float:
    """Give the brightness below which bare ground may be a field; NaN where no field is known."""
    hist = total.sum(axis=0)
    if hist.sum() < 100:
        return float("nan")
    return float(np.searchsorted(np.cumsum(hist), quantile * hist.sum()) + 1) / _BRIGHT_BINS
