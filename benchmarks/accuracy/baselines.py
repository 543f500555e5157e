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
from scipy import ndimage
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry
from skimage.filters import threshold_otsu

from benchmarks.accuracy.real_baselines import ir_mad, mndwi

Field = NDArray[np.float64]
Bands = Mapping[str, NDArray[np.float32]]
FACTORS = (0.5, 0.7, 1.0, 1.4, 2.0, 2.8)  # times Otsu's threshold; 1 is the method as published
MIN_PIXELS = 4


def mndwi_change(before: Bands, after: Bands, clear: NDArray[np.bool_]) -> Field:
    """Absolute difference of MNDWI, (H, W)."""
    del clear
    return np.abs(mndwi(after) - mndwi(before)).astype(np.float64)


def change_vector(before: Bands, after: Bands, clear: NDArray[np.bool_]) -> Field:
    """Length of the change of all bands, in spreads of what did not change."""
    total = np.zeros(clear.shape)
    for name in before:
        step = after[name].astype(np.float64) - before[name]
        middle = np.median(step[clear])
        spread = 1.4826 * np.median(np.abs(step[clear] - middle))
        total += ((step - middle) / max(float(spread), 1e-6)) ** 2
    return np.sqrt(total)


def ir_mad_change(before: Bands, after: Bands, clear: NDArray[np.bool_]) -> Field:
    """Root of the chi-square statistic of :func:`real_baselines.ir_mad`."""
    first, second = (np.stack([b[n] for n in before]) for b in (before, after))
    return np.sqrt(ir_mad(first, second, clear))


METHODS: dict[str, Callable[[Bands, Bands, NDArray[np.bool_]], Field]] = {
    "MNDWI + Otsu": mndwi_change,
    "change vectors + Otsu": change_vector,
    "IR-MAD + Otsu": ir_mad_change,
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
