"""How far two surfaces differ where nothing changed, and how far apart they agree in it.

The deviation is the NMAD of stable ground by slope and roughness; the correlation is fitted to the
empirical one as a sum of exponentials and Gaussians with shares of nought or more, so that it is
one that can be (positive definite). The variance of a sum over any shape follows from both: it is
the autocorrelation of the shape, weighted by its deviations, times the correlation by distance
(Rolstad, Haug & Denby 2009, doi:10.3189/002214309789470950, for shapes that are no discs). The
"effective number" of LoD95 is what that variance says it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from pipeline.box_mean import box_mean
from pipeline.model import SurfaceNoise

Float = NDArray[np.float32]
Real = NDArray[np.float64]
Mask = NDArray[np.bool_]
NMAD = 1.4826
SLOPES = (0.15, 0.4, 0.9)
ROUGHS = (0.03, 0.08, 0.2)
_RANGES_M = (0.3, 0.6, 1.2, 2.5, 5.0, 10.0, 20.0, 40.0)
_TERMS = ((0.0, 1), *((r, p) for r in _RANGES_M for p in (1, 2)))  # range, power
_LEAST_CELLS = 400  # of a class that has a deviation of its own
_LEAST_SIGMA = 0.005  # [m]; no surface of images is better
_CUT = 4.0  # deviations; beyond is change and no noise
_FRAMES = (16, 32, 48, 64, 80, 96, 128, 160, 192, 256, 320, 384, 512, 768)  # for shapes of half
_LARGEST = _FRAMES[-1] // 2  # side of a shape [cells] that is taken unreduced


def classes(height: Float, cell_m: float) -> tuple[Float, Float]:
    """Give slope [1] and roughness [m] of a surface (H, W); NaN where there is no surface.

    Roughness is the deviation from the mean of 3 by 3 cells, over 5 by 5.
    """
    known = np.isfinite(height)
    base = float(np.median(height[known])) if known.any() else 0.0
    filled = np.where(known, height - np.float32(base), np.float32(0))
    weight = known.astype(np.float32)
    smooth = _mean(filled, weight, 3)
    rows, cols = np.gradient(_mean(filled, weight, 5), cell_m)
    away = np.where(known, filled - smooth, np.float32(0))
    rough = np.sqrt(np.maximum(_mean(away * away, weight, 5), 0))
    slope = np.hypot(rows, cols)
    return (
        np.where(known, slope, np.float32("nan")).astype(np.float32),
        np.where(known, rough, np.float32("nan")).astype(np.float32),
    )


def _mean(values: Float, weight: Float, size: int) -> Float:
    if weight.min() == 1:
        # Nothing is missing: the same, without asking how much is.
        return box_mean(values, size, "nearest")
    total = box_mean(values * weight, size, "nearest")
    count = box_mean(weight, size, "nearest")
    return np.asarray(total / np.maximum(count, np.float32(1e-6)), np.float32)


def estimate(
    windows: Sequence[tuple[Float, Float, Float, Mask]], cell_m: float, threads: int = 1
) -> SurfaceNoise:
    """Learn the noise from windows of stable ground.

    Parameters
    ----------
    windows : sequence of (dz, slope, rough, stable), each (H, W)
        Height differences after co-registration [m] with the classes of the earlier surface.
    cell_m : float
        Side of a cell [m].
    threads : int
        Windows at work at a time; changes nothing of the result.
    """
    dz, slope, rough = (
        np.concatenate([w[k][w[3]].astype(np.float64) for w in windows]) for k in range(3)
    )
    middle = float(np.median(dz)) if dz.size else 0.0
    everywhere = _spread(dz - middle)
    table = np.full((len(SLOPES) + 1, len(ROUGHS) + 1), everywhere)
    place = np.digitize(slope, SLOPES), np.digitize(rough, ROUGHS)
    for i in range(table.shape[0]):
        for j in range(table.shape[1]):
            own = dz[(place[0] == i) & (place[1] == j)]
            if own.size >= _LEAST_CELLS:
                table[i, j] = _spread(own - middle)
    # A class that is hardly there is no quieter than a gentler one.
    table = np.maximum(table, np.where(table == everywhere, np.maximum.accumulate(
        np.maximum.accumulate(table, axis=0), axis=1), table))  # fmt: skip
    noise = SurfaceNoise(SLOPES, ROUGHS, table, (0.0,), (1,), (1.0,))
    variance, terms, shares = _correlation(windows, noise, cell_m, threads)
    ranges, powers = tuple(r for r, _ in terms), tuple(p for _, p in terms)
    return SurfaceNoise(SLOPES, ROUGHS, table * np.sqrt(variance), ranges, powers, shares)


def _spread(values: Real) -> float:
    return max(NMAD * float(np.median(np.abs(values))), _LEAST_SIGMA) if values.size else 0.05


def sigma_of(noise: SurfaceNoise, slope: Float, rough: Float) -> Float:
    """Give the deviation of the difference of each cell [m], (H, W)."""
    i = np.digitize(np.nan_to_num(slope, nan=9.0), noise.slopes)
    j = np.digitize(np.nan_to_num(rough, nan=9.0), noise.roughs)
    return noise.sigma_m[i, j].astype(np.float32)


def _correlation(
    windows: Sequence[tuple[Float, Float, Float, Mask]],
    noise: SurfaceNoise,
    cell_m: float,
    threads: int,
) -> tuple[float, tuple[tuple[float, int], ...], tuple[float, ...]]:
    """Fit the covariance of standardised differences: variance, (range [m], power), shares."""
    reach = 60.0
    bins = max(int(reach / cell_m), 2)

    def lagged(window: tuple[Float, Float, Float, Mask]) -> Real:
        """Products, pairs and lags [cells] of a window, summed by lag, (3, bins)."""
        dz, slope, rough, stable = window
        if not stable.any():
            return np.zeros((3, bins))
        z = np.where(stable, dz / sigma_of(noise, slope, rough), 0.0)
        z = np.clip(z, -_CUT, _CUT).astype(np.float64)
        own, count, lag = _autocovariance(z, stable)
        place = np.minimum((lag + 0.5).astype(int), bins).ravel()
        ok = place < bins
        sums = (np.bincount(place[ok], v.ravel()[ok], bins) for v in (own, count, lag * count))
        return np.asarray(np.stack(list(sums)), np.float64)

    with ThreadPoolExecutor(threads) as pool:
        total, pairs, away = sum(pool.map(lagged, windows), np.zeros((3, bins)))
    if pairs[0] < 1:
        return 1.0, ((0.0, 1),), (1.0,)
    use = pairs > max(0.02 * float(pairs.max()), 1.0)
    use[0] = True
    from scipy import optimize  # noqa: PLC0415 - slow to import, and only flights need it

    lags = away / np.maximum(pairs, 1.0) * cell_m
    value = total / np.maximum(pairs, 1.0)
    basis = np.stack([_term(lags, r, p) for r, p in _TERMS], axis=1)
    # Near lags decide what a sum over an object does; far ones have more pairs and less to say.
    weight = np.where(use, 1.0 / np.sqrt(lags + cell_m), 0.0)
    weight[0] *= 3
    shares, _ = optimize.nnls(basis * weight[:, None], value * weight)
    variance = float(shares.sum())
    if variance <= 0:
        return 1.0, ((0.0, 1),), (1.0,)
    kept = [(t, float(s) / variance) for t, s in zip(_TERMS, shares, strict=True) if s > 0]
    return max(variance, 0.25), tuple(t for t, _ in kept), tuple(s for _, s in kept)


def _term(lags: Real, reach: float, power: int) -> Real:
    return (lags < 1e-9).astype(float) if reach == 0 else np.exp(-((lags / reach) ** power))


def _autocovariance(z: Real, mask: Mask) -> tuple[Real, Real, Real]:
    """Sum products and count pairs at every lag; the lags [cells]."""
    shape = [2 * n for n in z.shape]
    own = np.fft.irfft2(np.abs(np.fft.rfft2(z, shape)) ** 2, shape)
    count = np.fft.irfft2(np.abs(np.fft.rfft2(mask.astype(float), shape)) ** 2, shape)
    return own, np.maximum(np.rint(count), 0), _lags(shape)


def _lags(shape: Sequence[int]) -> Real:
    a, b = (np.minimum(np.arange(n), n - np.arange(n)).astype(float) for n in shape)
    return np.hypot(a[:, None], b[None, :])


def correlation(noise: SurfaceNoise, distance_m: Real) -> Real:
    """Give the correlation of differences at a distance [m]."""
    return _correlated((noise.ranges_m, noise.powers, noise.shares), distance_m)


_Terms = tuple[tuple[float, ...], tuple[int, ...], tuple[float, ...]]
"""Ranges [m], powers and shares of a correlation."""


def _correlated(terms: _Terms, distance_m: Real) -> Real:
    out = np.zeros(distance_m.shape)
    for reach, power, share in zip(*terms, strict=True):
        out += share * _term(distance_m, reach, power)
    return out


def variance_of_sum(noise: SurfaceNoise, sigma: Float, cell_m: float) -> float:
    """Give the variance of the sum of differences over a shape [m²], a cell counting as one.

    Parameters
    ----------
    sigma : float32 (H, W)
        Deviation of each cell of the shape [m], 0 outside; that of the noise's own cells within it
        where it holds several (``noise.cells``).
    cell_m : float
        Side of a cell [m].
    """
    own, terms = 0.0, (noise.ranges_m, noise.powers, noise.shares)
    by, each = max(1, -(-max(sigma.shape) // _LARGEST)), noise.cells
    weights = sigma.astype(np.float64) * each**2
    if by * each > 1:
        # The cells' own share adds up at full resolution; the rest is smooth over a few cells.
        own = _nugget(terms) * float((weights**2).sum()) / each**2
        weights = _block_sum(weights, by)
    # The sum over all pairs of cells is one over all frequencies: no second transform is needed,
    # and the correlation's own serves all shapes that fit into its frame.
    shape = (_frame(weights.shape[0]), _frame(weights.shape[1]))
    found: Any = fft.rfft2(weights, shape)
    power = found.real**2 + found.imag**2
    rho = _transformed(terms, shape, by * each, cell_m / each)
    return max(float((power * rho).sum()) + own, 0.0) / each**4


def _frame(cells: int) -> int:
    """Give a length that holds every lag of a shape, one of few."""
    return next(n for n in _FRAMES if n >= 2 * cells)


@lru_cache(maxsize=24)
def _transformed(terms: _Terms, shape: tuple[int, int], by: int, cell_m: float) -> Real:
    """Transform the correlation by lag; weighted so that half of the frequencies give the sum."""
    rho = _correlated(terms, _lags(shape) * by * cell_m)
    if by > 1:
        rho[0, 0] = _within(terms, by, cell_m)
    found: Any = fft.rfft2(rho)
    out = np.asarray(found.real, np.float64) / rho.size
    out[:, 1 : (shape[1] + 1) // 2] *= 2
    return out


def _nugget(terms: _Terms) -> float:
    return sum(s for r, _, s in zip(*terms, strict=True) if r == 0)


def _within(terms: _Terms, by: int, cell_m: float) -> float:
    """Mean correlation of two cells of one block, without the cells' own share."""
    place = np.arange(by) * cell_m
    lag = np.hypot(
        (place[:, None] - place[None, :])[:, None, :, None],
        (place[:, None] - place[None, :])[None, :, None, :],
    )
    inner = _correlated(terms, lag)
    inner[lag < 1e-9] -= _nugget(terms)
    return float(inner.mean())


def _block_sum(values: Real, by: int) -> Real:
    rows, cols = (-(-n // by) * by for n in values.shape)
    padded = np.zeros((rows, cols))
    padded[: values.shape[0], : values.shape[1]] = values
    return padded.reshape(rows // by, by, cols // by, by).sum(axis=(1, 3))


def mean_factor(noise: SurfaceNoise, size: int, cell_m: float) -> float:
    """Deviation of the mean of ``size`` by ``size`` cells over that of one cell, 0..1."""
    ones = np.ones((size, size), np.float32)
    return float(np.sqrt(variance_of_sum(noise, ones, cell_m))) / size**2
