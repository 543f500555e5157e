"""Robust harmonic regression of pixels, compiled; it belongs to :mod:`pipeline.detect.normal`."""

from __future__ import annotations

import numpy as np
from numba import njit

_SHORT = 64  # numbers up to which the plainest sort is the fastest


@njit(cache=True, nogil=True)
def fit_pixels(stack, use, wanted, how, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Fit each wanted pixel; arrays as of :func:`pipeline.detect.normal.fit_normal`.

    ``how``: terms and days of the looks, how many of them the models need, the days that carry a
    season, the factor and the least values of the spread. ``out``: those of the model.
    """
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
