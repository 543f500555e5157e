"""The scene classification that comes with the product, with the mistakes it is known for."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from sample_scenes.atmosphere import Sky
from sample_scenes.fields import F32, generator, to_coarse
from sample_scenes.options import PAD, SampleOptions
from sample_scenes.schedule import Day

NODATA, DEFECT, DARK, SHADOW, PLANTS, BARE, WATER, UNCLASSIFIED, MEDIUM, HIGH, CIRRUS = range(11)


def classify(options: SampleOptions, day: Day, seen: dict[str, F32], air: Sky) -> NDArray[np.uint8]:
    """Classify at 20 m.

    Like Sen2Cor it takes bright roofs and dry sand for cloud, silt for cirrus, dark woods for
    shadow, and misses narrow water and the soft edges of clouds.
    """
    rng = generator(options.seed, 9, day.index)
    inner = slice(PAD, PAD + options.size)
    veil = {k: to_coarse(getattr(air, k)[inner, inner], 2) for k in ("cloud", "shadow", "cirrus")}
    band = {k: (to_coarse(v, 2) if v.shape[0] == options.size else v) for k, v in seen.items()}
    mood = gaussian_filter(rng.standard_normal(veil["cloud"].shape, dtype=np.float32), 2) * 6
    blue, green, red, nir = (band[k] for k in ("blue", "green", "red", "nir08"))
    swir = band["swir16"]
    ndvi = (nir - red) / np.maximum(nir + red, 0.01)
    ndwi = (green - nir) / np.maximum(green + nir, 0.01)
    scl = np.where(ndvi > 0.38, PLANTS, BARE)
    scl = np.where((ndvi > 0.25) & (ndvi <= 0.38) & (mood > 0.8), UNCLASSIFIED, scl)
    calm = gaussian_filter(ndwi, 1.1)  # narrow water is lost in its surroundings
    water = (ndwi > 0.05) & (calm > 0.02) & (swir < 0.09)
    scl = np.where(water, WATER, scl)
    silt = water & (red > 0.088) & (mood > 0.55 - 22 * (red - 0.088))
    scl = np.where(silt, CIRRUS, scl)
    dark = (ndvi > 0.3) & (nir < 0.165) & (mood > -0.2)
    scl = np.where(dark, np.where(mood > 0.9, DARK, SHADOW), scl)
    bright = blue - 0.5 * np.maximum(swir - red, 0)
    roof = bright + 0.008 * mood
    scl = np.where(roof > 0.160, MEDIUM, scl)
    scl = np.where(roof > 0.225, HIGH, scl)
    shade = (veil["shadow"] > 0.45 + 0.12 * mood) & (nir < 0.24)
    scl = np.where(shade, SHADOW, scl)
    scl = np.where(veil["cirrus"] > 0.15 + 0.02 * mood, CIRRUS, scl)
    scl = np.where(veil["cloud"] > 0.22 + 0.06 * mood, MEDIUM, scl)
    scl = np.where(veil["cloud"] > 0.55, HIGH, scl)
    return scl.astype(np.uint8)


def shares(scl: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Share of the valid pixels per class 0..11 [%]."""
    counts = np.bincount(scl.ravel(), minlength=12).astype(np.float64)
    return 100 * counts / max(counts[1:].sum(), 1)
