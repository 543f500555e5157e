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

TERMS = 5
"""Mean, and sine and cosine of one and of two periods a year."""

YEAR_DAYS = 365.25

_AT_ONCE = 1024  # pixels of a row, which stay in the cache of the processor
_SHORT = 64  # numbers up to which the plainest sort is the fastest

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
        _fit(
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


@njit(cache=True, nogil=True)
def _fit(stack, use, wanted, how, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    x, days, needs, span_days, thin, floors = how
    coef, spread, low, high, looks = out
    n_f, n_t, h, w = stack.shape
    which = np.empty(9 * n_t, np.int64)
    values = np.empty((n_f, 9 * n_t), np.float64)
    for r in range(h):
        for c in range(w):
            if not wanted[r, c]:
                continue
            n, order, radius = _order(use[:, r, c], days, needs, span_days)
            looks[r, c] = n
            if n == 0:
                continue
            m = _gather(stack, use, (r, c, radius), which, values)
            for k in range(n_f):
                ridge = 1.0 if radius else 0.2
                beta, sigma = _robust(x, which[:m], values[k, :m], 1 + 2 * order, ridge)
                for j in range(beta.size):
                    coef[k, j, r, c] = beta[j]
                factor = thin if radius else 1.0
                spread[k, r, c] = max(sigma, floors[k]) * factor
                low[k, r, c] = values[k, :m].min()
                high[k, r, c] = values[k, :m].max()


@njit(cache=True, nogil=True)
def _order(use, days, needs, span_days):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Count looks; give that, the harmonics they carry, and the radius of the pool."""
    n, first, last = 0, 0.0, 0.0
    for t in range(use.size):
        if use[t]:
            if n == 0:
                first = days[t]
            last = days[t]
            n += 1
    if last - first < span_days or n < needs[2]:
        return n, 0, 1
    if n < needs[1]:
        return n, 1, 1
    return n, (2 if n >= needs[0] else 1), 0


@njit(cache=True, nogil=True)
def _gather(stack, use, where, which, values):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Collect the looks of a pixel and its pool; give how many."""
    n_f, n_t, h, w = stack.shape
    r, c, radius = where
    m = 0
    for rr in range(max(0, r - radius), min(h, r + radius + 1)):
        for cc in range(max(0, c - radius), min(w, c + radius + 1)):
            for t in range(n_t):
                if use[t, rr, cc]:
                    which[m] = t
                    for k in range(n_f):
                        values[k, m] = stack[k, t, rr, cc]
                    m += 1
    return m


@njit(cache=True, nogil=True)
def _robust(x, which, y, terms, ridge):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Fit by reweighted least squares with Tukey's biweight; give terms and spread."""
    n = y.size
    beta = np.zeros(terms)
    ordered = np.empty(n)
    beta[0] = _median(y, ordered)
    residual = np.empty(n)
    weight = np.ones(n)
    a, b = np.empty((terms, terms)), np.empty(terms)
    middle = 0.0
    for turn in range(5):
        _weigh(x, which, y, weight, a, b)
        for p in range(1, terms):
            a[p, p] += ridge
        a[0, 0] += 1e-9
        _solve(a, b, beta)
        for i in range(n):
            fit = 0.0
            for p in range(terms):
                fit += beta[p] * x[which[i], p]
            residual[i] = abs(y[i] - fit)
        middle = _median(residual, ordered)
        scale = max(1.4826 * middle, 1e-4)
        if turn == 4:
            break
        for i in range(n):
            u = residual[i] / (4.685 * scale)
            weight[i] = (1 - u * u) ** 2 if u < 1 else 0.0
    if n > _SHORT:
        ordered = np.sort(residual)
    tail = ordered[int(0.9 * (n - 1))] / 1.645
    lost = np.sqrt(n / max(n - terms, 1.0))
    return beta, max(1.4826 * middle, tail) * lost


@njit(cache=True, nogil=True)
def _weigh(x, which, y, weight, a, b):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Sum up the normal equations, lower triangle."""
    a[:] = 0.0
    b[:] = 0.0
    for i in range(y.size):
        w = weight[i]
        if w == 0.0:
            continue  # it adds zeros
        t = which[i]
        for p in range(b.size):
            xp = w * x[t, p]
            b[p] += xp * y[i]
            for q in range(p + 1):
                a[p, q] += xp * x[t, q]


@njit(cache=True, nogil=True)
def _median(values, ordered):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Give the median; of few values they are left sorted in ``ordered``."""
    n = values.size
    if n > _SHORT:
        return np.median(values)
    for i in range(n):
        value, k = values[i], i
        while k > 0 and ordered[k - 1] > value:
            ordered[k] = ordered[k - 1]
            k -= 1
        ordered[k] = value
    if n % 2:
        return ordered[n // 2]
    return (ordered[n // 2 - 1] + ordered[n // 2]) / 2


@njit(cache=True, nogil=True)
def _solve(a, b, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Solve a small positive definite system by Cholesky, lower triangle of ``a`` given."""
    n = b.size
    for p in range(n):
        for q in range(p + 1):
            s = a[p, q]
            for k in range(q):
                s -= a[p, k] * a[q, k]
            if p == q:
                a[p, p] = np.sqrt(max(s, 1e-12))
            else:
                a[p, q] = s / a[q, q]
    for p in range(n):
        s = b[p]
        for k in range(p):
            s -= a[p, k] * out[k]
        out[p] = s / a[p, p]
    for p in range(n - 1, -1, -1):
        s = out[p]
        for k in range(p + 1, n):
            s -= a[k, p] * out[k]
        out[p] = s / a[p, p]
