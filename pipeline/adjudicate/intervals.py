"""Intervals of a share that was counted."""

from __future__ import annotations

import math

from scipy import stats


def wilson(hits: int, of: int, level: float = 0.95) -> tuple[float, float]:
    """Give Wilson's interval of a share (doi:10.1080/01621459.1927.10502953); (0, 1) of nothing."""
    if of == 0:
        return 0.0, 1.0
    z = float(stats.norm.ppf((1 + level) / 2))
    p, d = hits / of, 1 + z * z / of
    middle = (p + z * z / (2 * of)) / d
    half = z * math.sqrt(p * (1 - p) / of + z * z / (4 * of * of)) / d
    return max(0.0, middle - half), min(1.0, middle + half)


def exact(hits: float, of: float, level: float = 0.95) -> tuple[float, float]:
    """Give the exact interval of a share (Clopper & Pearson 1934, doi:10.1093/biomet/26.4.404).

    (0, 1) where nothing was tried. Numbers that are not whole are of answers that weigh unlike.
    """
    tail = (1 - level) / 2
    low = float(stats.beta.ppf(tail, hits, of - hits + 1)) if hits else 0.0
    high = float(stats.beta.ppf(1 - tail, hits + 1, of - hits)) if hits < of else 1.0
    return low, high
