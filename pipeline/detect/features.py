"""What is kept of a look to tell ordinary ground from changed ground: four numbers a pixel.

* ``bright``: mean of the visible bands; roofs, rubble and sand are bright, soil and crops are not;
* ``ndvi``: (nir - red) / (nir + red), vegetation (Rouse 1974);
* ``water``: :func:`pipeline.detect.water.water_score`;
* ``bare``: BSI = ((swir16 + red) - (nir + blue)) / (sum of the four), high on soil, near zero on
  roofs and concrete (Rikimaru 2002); NaN without ``swir16``.

The first three have a seasonal normal (:mod:`pipeline.detect.normal`); the last only tells kinds
apart.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from pipeline.detect.water import LEAST_SUM

Float = NDArray[np.float32]

MODELLED = ("bright", "ndvi", "water")
"""Features with a seasonal normal, in the order of every array's first axis."""

FEATURES = (*MODELLED, "bare")

FLOOR = np.float32(0.01)
"""Reflectance added to the sums of the indices, so that those of dark pixels stay calm."""


def features(bands: Mapping[str, Float], score: Float) -> dict[str, Float]:
    """Give the features of one look.

    Parameters
    ----------
    bands : mapping of float32 (H, W)
        Reflectance: ``green``, ``red``, ``nir``; ``blue`` and ``swir16`` where the sensor has them.
    score : float32 (H, W)
        Water score of the same look.

    Returns
    -------
    dict of float32 (H, W)
        Every name of :data:`FEATURES`, in about -1..1, NaN where a band it needs is missing.
    """
    green, red, nir = bands["green"], bands["red"], bands["nir"]
    blue, swir = bands.get("blue"), bands.get("swir16")
    visible = (green + red) / 2 if blue is None else (blue + green + red) / 3
    ndvi = (nir - red) / _positive(nir + red + FLOOR)
    bare = np.full(green.shape, np.nan, np.float32)
    if blue is not None and swir is not None:
        bare = (swir + red - nir - blue) / _positive(swir + red + nir + blue + FLOOR)
    named = {"bright": visible, "ndvi": ndvi, "water": score, "bare": bare}
    return {name: np.clip(value, -2, 2).astype(np.float32) for name, value in named.items()}


def _positive(denominator: Float) -> Float:
    return np.maximum(denominator, LEAST_SUM)
