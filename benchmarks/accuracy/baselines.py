"""What two dates alone say: the methods that offices use, on the pixels that ours reads.

* MNDWI differencing (Xu 2006, doi:10.1080/01431160600589179) with Otsu's threshold (Otsu 1979,
  doi:10.1109/TSMC.1979.4310076);
* change-vector analysis of all bands, each brought to the other date's median and spread;
* IR-MAD (Nielsen 2007, doi:10.1109/TIP.2006.888195).

Each gives a strength per pixel; objects are connected pixels above a threshold.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.features import shapes
from scipy import linalg, ndimage, stats
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry
from skimage.filters import threshold_otsu

Field = NDArray[np.float64]
Bands = Mapping[str, NDArray[np.float32]]
FACTORS = (0.5, 0.7, 1.0, 1.4, 2.0, 2.8)  # times Otsu's threshold; 1 is the method as published
MIN_PIXELS = 4


def mndwi_change(before: Bands, after: Bands, clear: NDArray[np.bool_]) -> Field:
    """Absolute difference of MNDWI, (H, W)."""
    del clear
    return np.abs(_mndwi(after) - _mndwi(before))


def _mndwi(bands: Bands) -> Field:
    green, swir = (np.maximum(bands[b].astype(np.float64), 1e-4) for b in ("green", "swir16"))
    return (green - swir) / (green + swir)


def change_vector(before: Bands, after: Bands, clear: NDArray[np.bool_]) -> Field:
    """Length of the change of all bands, in spreads of what did not change."""
    total = np.zeros(clear.shape)
    for name in before:
        step = after[name].astype(np.float64) - before[name]
        middle = np.median(step[clear])
        spread = 1.4826 * np.median(np.abs(step[clear] - middle))
        total += ((step - middle) / max(float(spread), 1e-6)) ** 2
    return np.sqrt(total)


def ir_mad(before: Bands, after: Bands, clear: NDArray[np.bool_], turns: int = 12) -> Field:
    """Root of the chi-square statistic of iteratively reweighted canonical differences."""
    x, y = (np.stack([b[n][clear] for n in before]).astype(np.float64) for b in (before, after))
    n_bands = x.shape[0]
    weight = np.ones(x.shape[1])
    chi = np.zeros(x.shape[1])
    for _ in range(turns):
        both = np.vstack([x, y])
        middle = np.average(both, axis=1, weights=weight)
        centred = both - middle[:, None]
        cov = (centred * weight) @ centred.T / weight.sum() + 1e-10 * np.eye(2 * n_bands)
        xx, yy, xy = cov[:n_bands, :n_bands], cov[n_bands:, n_bands:], cov[:n_bands, n_bands:]
        rho2, a = linalg.eigh(xy @ linalg.solve(yy, xy.T), xx)
        rho = np.sqrt(np.clip(rho2, 1e-9, 1 - 1e-9))
        b = linalg.solve(yy, xy.T) @ a / rho
        mads = a.T @ centred[:n_bands] - b.T @ centred[n_bands:]
        chi = (mads**2 / (2 * (1 - rho))[:, None]).sum(axis=0)
        weight = np.maximum(stats.chi2.sf(chi, n_bands), 1e-6)
    out = np.zeros(clear.shape)
    out[clear] = np.sqrt(chi)
    return out


METHODS: dict[str, Callable[[Bands, Bands, NDArray[np.bool_]], Field]] = {
    "MNDWI + Otsu": mndwi_change,
    "change vectors + Otsu": change_vector,
    "IR-MAD + Otsu": ir_mad,
}


def objects_of(
    strength: Field, clear: NDArray[np.bool_], factor: float, transform: Affine
) -> list[BaseGeometry]:
    """Outline what is stronger than ``factor`` times Otsu's threshold, four pixels or more.

    Parameters
    ----------
    strength, clear : (H, W)
        Only clear pixels count; those set the threshold.
    """
    values = strength[clear]
    top = np.quantile(values, 0.999)
    limit = factor * threshold_otsu(np.minimum(values, top))
    labels: NDArray[np.int32] = np.zeros(clear.shape, np.int32)
    ndimage.label(clear & (strength > limit), np.ones((3, 3)), output=labels)
    size = np.bincount(labels.ravel())
    size[0] = 0
    kept = size[labels] >= MIN_PIXELS
    found = shapes(kept.astype(np.uint8), kept, connectivity=8, transform=transform)
    return [shape(g).buffer(0) for g, _ in found]
