"""Change between two dates as textbooks do it, on the same pixels as the program."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.stats import chi2, rankdata
from skimage.filters import threshold_otsu

from benchmarks.accuracy.real_masks import labelled

Stack = NDArray[np.float32]  # (band, H, W)
Mask = NDArray[np.bool_]


def cva(before: Stack, after: Stack, use: Mask) -> NDArray[np.float64]:
    """Length of the change vector of bands scaled to one spread (Malila 1980)."""
    total = np.zeros(use.shape)
    for a, b in zip(before, after, strict=True):
        # Each date is brought to mean 0 and deviation 1, the usual relative normalisation.
        x = (a - a[use].mean()) / max(float(a[use].std()), 1e-9)
        y = (b - b[use].mean()) / max(float(b[use].std()), 1e-9)
        total += (y - x) ** 2
    return np.sqrt(total)


def ir_mad(before: Stack, after: Stack, use: Mask, rounds: int = 30) -> NDArray[np.float64]:
    """Chi-square of iteratively reweighted canonical variates (Nielsen 2007).

    doi:10.1109/TIP.2006.888195. Gives a field (H, W), larger for more change.
    """
    x, y = before[:, use].astype(np.float64), after[:, use].astype(np.float64)
    n = x.shape[0]
    weight = np.ones(x.shape[1])
    distance = np.zeros(x.shape[1])
    last = np.zeros(n)
    for _ in range(rounds):
        both = np.vstack([x, y])
        mean = (both * weight).sum(axis=1) / weight.sum()
        away = both - mean[:, None]
        cov = (away * weight) @ away.T / weight.sum() + 1e-9 * np.eye(2 * n)
        sxx, sxy, syy = cov[:n, :n], cov[:n, n:], cov[n:, n:]
        squared, a = eigh(sxy @ np.linalg.solve(syy, sxy.T), sxx)
        rho = np.sqrt(np.clip(squared, 0, 1 - 1e-9))
        b = np.linalg.solve(syy, sxy.T @ a)
        b /= np.sqrt(np.maximum(np.einsum("ij,ik,kj->j", b, syy, b), 1e-12))
        mad = a.T @ away[:n] - b.T @ away[n:]
        distance = (mad**2 / np.maximum(2 * (1 - rho), 1e-9)[:, None]).sum(axis=0)
        weight = np.maximum(chi2.sf(distance, n), 1e-12)
        if np.abs(rho - last).max() < 1e-4:
            break
        last = rho
    out = np.zeros(use.shape)
    out[use] = distance
    return out


def otsu(field: NDArray[np.float64], use: Mask) -> Mask:
    """Cut a field by Otsu's threshold over the used pixels, the far tail clipped."""
    values = field[use]
    top = float(np.percentile(values, 99.5))
    return use & (field > threshold_otsu(np.minimum(values, top)))


def mndwi(bands: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float32]:
    """Give the index of Xu (2006)."""
    total = np.maximum(bands["green"] + bands["swir16"], np.float32(1e-3))
    return ((bands["green"] - bands["swir16"]) / total).astype(np.float32)


def objects(mask: Mask, least_px: int = 4) -> list[Mask]:
    """Give connected objects of at least so many pixels."""
    return [part for part in labelled(mask, 8) if part.sum() >= least_px]


def auc(field: NDArray[np.float64], changed: Mask, unchanged: Mask) -> float:
    """Chance that a changed pixel scores above an unchanged one."""
    ranks = rankdata(np.concatenate([field[changed], field[unchanged]]))
    n = int(changed.sum())
    return float((ranks[:n].sum() - n * (n + 1) / 2) / (n * int(unchanged.sum())))
