"""Intervals of what was counted."""

from __future__ import annotations

import math
from collections.abc import Sequence

from scipy import stats

from pipeline.adjudicate.intervals import wilson

__all__ = ["counted", "median", "median_interval", "poisson", "rate", "reached", "share", "wilson"]


def poisson(count: int, exposure: float, level: float = 0.95) -> tuple[float, float]:
    """Give the exact two-sided interval of a rate (Garwood 1936, doi:10.1093/biomet/28.3-4.437)."""
    tail = (1 - level) / 2
    low = float(stats.chi2.ppf(tail, 2 * count)) / 2 if count else 0.0
    high = float(stats.chi2.ppf(1 - tail, 2 * count + 2)) / 2
    return low / exposure, high / exposure


def share(hits: int, of: int) -> str:
    """Print a share with its interval: ``0.92 [0.88, 0.95]``."""
    if of == 0:
        return "-"
    low, high = wilson(hits, of)
    return f"{hits / of:.2f} [{low:.2f}, {high:.2f}]"


def counted(hits: int, of: int) -> str:
    """Print a share with what it was counted of: ``9/10 = 0.90 [0.60, 0.98]``."""
    return f"{hits}/{of} = {share(hits, of)}" if of else "-"


def rate(count: int, exposure: float) -> str:
    """Print a rate with its exact interval."""
    if exposure <= 0:
        return "-"
    low, high = poisson(count, exposure)
    return f"{count / exposure:.2f} [{low:.2f}, {high:.2f}]"


def median_interval(values: Sequence[float], level: float = 0.95) -> tuple[float, float, float]:
    """Give a median and the interval that order statistics guarantee; NaN of nothing."""
    ordered = sorted(v for v in values if not math.isnan(v))
    n = len(ordered)
    if n == 0:
        return math.nan, math.nan, math.nan
    k = int(stats.binom.ppf((1 - level) / 2, n, 0.5))
    middle = (ordered[(n - 1) // 2] + ordered[n // 2]) / 2
    return middle, ordered[max(k - 1, 0)], ordered[min(n - k, n - 1)]


def median(values: Sequence[float], digits: int = 1) -> str:
    """Print a median with its interval; an infinite one was not reached."""
    middle, low, high = (reached(v, f".{digits}f") for v in median_interval(values))
    return "-" if middle == "nan" else f"{middle} [{low}, {high}]"


def reached(value: float, form: str = ".3g") -> str:
    """Print a number; what is infinite was not reached."""
    return "not reached" if math.isinf(value) else f"{value:{form}}"
