"""For how long of a year ground was never seen, all years laid together: a crop may stand then."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.detect.normal import YEAR_DAYS


def longest_unseen(
    days: Sequence[float], clear: Iterable[NDArray[np.bool_]], pixels: int
) -> NDArray[np.float64]:
    """Give the longest part of the year in which pixels were never clear, all years laid together.

    Parameters
    ----------
    days : sequence of float
        Of each look, since any fixed date.
    clear : iterable of bool (N,)
        Where each look was clear.
    pixels : int
        N.

    Returns
    -------
    float64 (N,)
        Days, up to a year; infinite where no look was clear.
    """
    looks = sorted(zip((d % YEAR_DAYS for d in days), clear, strict=True), key=lambda x: x[0])
    last = np.full(pixels, -np.inf)
    longest = np.zeros(pixels)
    for lap in (0.0, YEAR_DAYS):  # from the last look of a year to the first
        for day, seen in looks:
            if lap:
                longest[seen] = np.maximum(longest[seen], day + lap - last[seen])
            last[seen] = day + lap
    return np.where(np.isfinite(last), longest, np.inf)
