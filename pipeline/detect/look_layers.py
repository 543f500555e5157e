"""What a look says of each pixel, as it is kept: states and features in one compiled pass.

Says bit for bit what :func:`pipeline.detect.water.water_score`, ``ground_state`` and
:func:`pipeline.detect.features.features` say, without the thirty arrays that these make of a tile
on the way. Only numbers of one look and pixel meet here.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pipeline.bounds import of_one_shape
from pipeline.detect import water
from pipeline.detect.features import FEATURES, FLOOR
from pipeline.detect.water import LEAST_SUM, WaterOptions
from pipeline.model import Ground

Codes = NDArray[np.int16]

# Compiled code is kept by its own file, so that what other files define are arguments.
_CODES = tuple(int(code) for code in (Ground.UNKNOWN, Ground.WET, Ground.DRY, Ground.GREEN))
_LARGEST = 32767


def look_layers(
    bands: Mapping[str, NDArray[np.float32]],
    clear: NDArray[np.bool_],
    options: WaterOptions,
    packing: tuple[float, int],
) -> tuple[Codes, dict[str, Codes]]:
    """Give ground codes and features of some pixels of a look.

    Parameters
    ----------
    bands : mapping of float32 (N,)
        Reflectance, NaN without data: ``green``, ``red``, ``nir``, and where the sensor has them
        ``blue`` and ``swir16``.
    clear : bool (N,)
        Where the ground was seen.
    options : WaterOptions
        Thresholds.
    packing : (float, int)
        What features are multiplied by, and what stands for NaN.

    Returns
    -------
    int16 (N,), dict of int16 (N,)
        Codes of :class:`pipeline.model.Ground`; every name of
        :data:`pipeline.detect.features.FEATURES`.
    """
    none = np.empty(0, np.float32)
    blue, swir = (bands.get(name, none) for name in ("blue", "swir16"))
    o = options
    bare_green, dark = 1 / o.nir_max, 1 / o.dark_nir if o.dark_nir > 0 else 0.0
    numbers = (
        o.floor, o.threshold, o.ndvi_max, o.shade_ratio, o.dark_nir, dark, o.nir_max, bare_green,
        o.swir_max, 1 / o.swir_max, o.unknown_band, -o.unknown_band, o.green_ndvi,
    )  # fmt: skip
    state, packed = np.empty(clear.size, np.int16), np.empty((len(FEATURES), clear.size), np.int16)
    held = (blue, bands["green"], bands["red"], bands["nir"], swir)
    of_one_shape(clear, *held[1:4], *(band for band in (blue, swir) if band.size))
    with np.errstate(divide="ignore", invalid="ignore"):
        # A guard of its own, which is switched off where its worth is measured.
        bright = water.bright_over_water(bands, o)
    how = (np.array(numbers, np.float32), FLOOR, LEAST_SUM)
    scale = (np.float32(packing[0]), np.int16(packing[1]))
    of_one_shape(clear, bright)
    _look_layers(held, (clear, bright), how, (scale, _CODES), state, packed)
    return state, dict(zip(FEATURES, packed, strict=True))


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _most(a, b):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """As NumPy's maximum: NaN where one is."""
    return a if a >= b or np.isnan(a) else b


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _least(a, b):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    return a if a <= b or np.isnan(a) else b


@njit(cache=True, nogil=True, error_model="numpy")
def _score(green, red, nir, swir, coarse, how):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Give the water score, and the NDVI that it asks."""
    numbers, _, small = how
    floor, threshold, ndvi_max, shade_ratio = numbers[0], numbers[1], numbers[2], numbers[3]
    one = np.float32(1)
    visible = _most(green, red)
    light, dark = (visible, swir) if coarse else (green, nir)
    score = (light - dark) / _most(light + dark + floor, small) - threshold
    ndvi = (nir - red) / _most(nir + red + floor, small)
    shade = shade_ratio * (visible + floor) - nir
    plants = _least(ndvi_max - ndvi, shade / _most(visible + nir + floor, small))
    if numbers[4] > 0:
        infrared = _most(nir, swir) if coarse else nir
        depth = one - infrared * numbers[5]
        depth = _least(depth, (visible - nir) / (floor if floor >= small else small))
        plants = _most(plants, depth * ndvi_max)
    score = _least(score, plants)
    score = _least(score, (numbers[6] - nir) * numbers[7])
    if coarse:
        score = _least(score, (numbers[8] - swir) * numbers[9])
    return _least(_most(score, -one), one), ndvi


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _packed(value, packing):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    scale, nodata = packing
    if np.isnan(value):
        return nodata
    most = np.float32(_LARGEST)
    near = np.rint(min(max(value, np.float32(-2)), np.float32(2)) * scale)
    return np.int16(min(max(near, -most), most))


@njit(cache=True, nogil=True, error_model="numpy")
def _look_layers(bands, told, how, packing, state, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    blues, greens, reds, nirs, swirs = bands
    clear, bright = told
    numbers, extra, small = how
    scale, (unknown, wet, dry_code, green_code) = packing
    nan, coarse, three = np.float32(np.nan), swirs.size > 0, blues.size > 0
    for i in range(clear.size):
        green, red, nir = greens[i], reds[i], nirs[i]
        swir = swirs[i] if coarse else nan
        blue = blues[i] if three else nan
        score, ndvi = _score(green, red, nir, swir, coarse, how)
        code = unknown
        if clear[i] and np.isfinite(score):
            if score >= numbers[10]:
                code = wet
            if score <= numbers[11]:
                if bright[i]:
                    code = green_code if ndvi > numbers[2] else unknown
                elif ndvi < numbers[12]:
                    code = dry_code
                elif ndvi >= numbers[12]:
                    code = green_code
        state[i] = code
        light = (blue + green + red) / np.float32(3) if three else (green + red) / np.float32(2)
        out[0, i] = _packed(light, scale)
        out[1, i] = _packed((nir - red) / _most(nir + red + extra, small), scale)
        out[2, i] = _packed(score, scale)
        bare = nan
        if three and coarse:
            bare = (swir + red - nir - blue) / _most(swir + red + nir + blue + extra, small)
        out[3, i] = _packed(bare, scale)
