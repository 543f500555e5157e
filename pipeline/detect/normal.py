"""What a pixel normally looks like at a time of the year, and how much it strays from that.

A robust harmonic regression per pixel and feature (Fourier terms of the year, Tukey weights, no
trend: ground that drifts is exactly what must not become normal). Neighbours in the literature:
ec-jrc/nrt and CCDC (Zhu & Woodcock 2014, doi:10.1016/j.rse.2014.01.011).

* From 24 clear looks two harmonics, from 12 one; less than ten months of history carry none.
* With fewer than 12 looks the looks of the eight neighbours count too, harmonics are shrunk, and
  the spread is widened: the same season of the surroundings, not a guess from three dates.
* The spread follows the tail of the residuals and not only their middle, because the days around
  a harvest *are* the tail, and an ordinary crop cycle must never be reported.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from pipeline.detect.features import MODELLED
from pipeline.detect.normal_fit import fit_pixels

TERMS = 5
"""Mean, and sine and cosine of one and of two periods a year."""

YEAR_DAYS = 365.25

_AT_ONCE = 1024  # pixels of a row, which stay in the cache of the processor

Float = NDArray[np.float32]


class NormalOptions(BaseModel):
    """How much history carries which model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    two_harmonics: int = Field(default=24, ge=10, description="clear looks for two harmonics")
    one_harmonic: int = Field(default=12, ge=5, description="clear looks for one harmonic")
    pooled_harmonic: int = Field(
        default=6, ge=3, description="clear looks from which neighbours lend one shrunk harmonic"
    )
    span_days: float = Field(
        default=300.0, ge=100, description="history that carries a season at all [d]"
    )
    thin: float = Field(
        default=1.5, ge=1, le=5, description="factor on the spread where neighbours had to help"
    )
    bright_floor: float = Field(default=0.012, gt=0, le=0.1, description="least spread [ratio]")
    ndvi_floor: float = Field(default=0.05, gt=0, le=0.3, description="least spread of NDVI")
    water_floor: float = Field(default=0.08, gt=0, le=0.5, description="least spread of the score")

    @property
    def floors(self) -> Float:
        """Least spreads in the order of ``MODELLED``."""
        return np.array([self.bright_floor, self.ndvi_floor, self.water_floor], np.float32)


@dataclass(frozen=True)
class Normal:
    """The model of a window; arrays end in (H, W), F = 3 features, values as the features'.

    ``coef`` (F, TERMS, H, W); ``spread`` (F, H, W), 1 sigma; ``low`` and ``high`` (F, H, W), the
    range that history saw, so that a season without looks is never extrapolated; ``looks`` (H, W),
    clear looks of the pixel itself, 0 where there is no model.
    """

    coef: Float
    spread: Float
    low: Float
    high: Float
    looks: NDArray[np.uint16]

    def at(self, day: float) -> Float:
        """Give the expected features (F, H, W) on a day (days since any fixed date); NaN without.

        The date must count from the same origin as those of the fit.
        """
        expected = np.empty(self.low.shape, np.float32)
        terms = design(np.array([day]))[0]
        _expect(self.coef, terms, self.low, self.high, self.looks, expected)
        return expected

    def over_year(self, days: NDArray[np.float64], which: int) -> tuple[Float, Float]:
        """Give the least and the greatest of what :meth:`at` expects of a feature on some days.

        Parameters
        ----------
        days : float64 (D,)
        which : int
            Index into ``MODELLED``.

        Returns
        -------
        least, greatest : float32 (H, W)
            NaN without a model.
        """
        least, greatest = (np.empty(self.looks.shape, np.float32) for _ in range(2))
        model = (self.coef[which], self.low[which], self.high[which])
        _over_year(*model, self.looks, design(days), (least, greatest))
        return least, greatest

    def part(self, where: tuple[slice, slice]) -> Normal:
        """Give a part of the window."""
        return Normal(
            self.coef[..., *where],
            self.spread[..., *where],
            self.low[..., *where],
            self.high[..., *where],
            self.looks[where],
        )


def design(days: NDArray[np.float64]) -> NDArray[np.float32]:
    """Give the Fourier terms of days, float32 (T, TERMS)."""
    phase = 2 * np.pi * np.asarray(days, np.float64) / YEAR_DAYS
    columns = [np.ones_like(phase)]
    for k in (1, 2):
        columns += [np.cos(k * phase), np.sin(k * phase)]
    return np.stack(columns, axis=1).astype(np.float32)


def fit_normal(
    stack: Float,
    use: NDArray[np.bool_],
    days: NDArray[np.float64],
    wanted: NDArray[np.bool_],
    options: NormalOptions | None = None,
) -> Normal:
    """Fit the model of a window; exact for a pixel whose eight neighbours lie in the window.

    Parameters
    ----------
    stack : float32 (F, T, H, W)
        Features of :data:`~pipeline.detect.features.MODELLED`, in the order of ``days``.
    use : bool (T, H, W)
        Looks at ordinary ground: clear, not under water, not flagged as changed.
    days : float64 (T,)
        Days since a fixed date, ascending.
    wanted : bool (H, W)
        Pixels that need a model.
    """
    o = options or NormalOptions()
    f, _, h, w = stack.shape
    assert f == len(MODELLED)
    coef = np.zeros((f, TERMS, h, w), np.float32)
    spread = np.zeros((f, h, w), np.float32)
    low, high = np.zeros((f, h, w), np.float32), np.zeros((f, h, w), np.float32)
    looks = np.zeros((h, w), np.uint16)
    needs = np.array([o.two_harmonics, o.one_harmonic, o.pooled_harmonic], np.int64)
    x = design(days).astype(np.float64)
    usable = use & np.isfinite(stack).all(axis=0)
    if len(days):
        fit_pixels(
            np.ascontiguousarray(stack), usable, wanted,
            (x, np.asarray(days, np.float64), needs, o.span_days, o.thin, o.floors),
            (coef, spread, low, high, looks),
        )  # fmt: skip
    return Normal(coef, spread, low, high, looks)


@njit(cache=True, nogil=True)
def _expect(coef, terms, low, high, looks, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    n_f, n_j, h, w = coef.shape
    value = np.empty(w, np.float32)
    for k in range(n_f):
        for r in range(h):
            value[:] = coef[k, 0, r]
            for j in range(1, n_j):
                _add(terms[j], coef[k, j, r], value)
            _within(value, (low[k, r], high[k, r], looks[r]), out[k, r])


@njit(cache=True, nogil=True, inline="always")
def _add(term, coef, value):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    for c in range(value.size):  # of a row: many pixels are one step
        value[c] += term * coef[c]


@njit(cache=True, nogil=True, inline="always")
def _within(value, known, out):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Keep to the range that history saw; NaN without a model."""
    low, high, looks = known
    for c in range(value.size):
        kept = min(max(value[c], low[c]), high[c])
        out[c] = np.float32(np.nan) if looks[c] == 0 else kept


@njit(cache=True, nogil=True)
def _over_year(coef, low, high, looks, terms, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    least, greatest = out
    w = looks.shape[1]
    value = np.empty(min(w, _AT_ONCE), np.float32)
    for r in range(looks.shape[0]):
        for begin in range(0, w, _AT_ONCE):
            end = min(begin + _AT_ONCE, w)
            some, bounds = value[: end - begin], (low[r, begin:end], high[r, begin:end])
            few, most = least[r, begin:end], greatest[r, begin:end]
            few[:] = np.inf
            most[:] = -np.inf
            for d in range(terms.shape[0]):
                some[:] = coef[0, r, begin:end]
                for j in range(1, terms.shape[1]):
                    _add(terms[d, j], coef[j, r, begin:end], some)
                _widen(some, bounds, few, most)
            for c in range(begin, end):
                if looks[r, c] == 0:
                    least[r, c] = greatest[r, c] = np.nan


@njit(cache=True, nogil=True, inline="always")
def _widen(value, bounds, least, greatest):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Widen ranges to what is expected on one more day."""
    low, high = bounds
    for c in range(value.size):
        kept = min(max(value[c], low[c]), high[c])
        least[c] = min(kept, least[c])
        greatest[c] = max(kept, greatest[c])
