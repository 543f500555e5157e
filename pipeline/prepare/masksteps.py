"""The steps of the clear-sky mask, each with a known reach.

Those that compare dates look at one pixel of all dates; those that look around see one date.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.prepare.local import (
    Mask,
    box_count,
    dilate,
    shadow_direction,
    split_speckle,
    sweep,
)
from pipeline.prepare.maskoptions import (
    FLAGGED,
    OPEN_SKY,
    SCL_CIRRUS,
    SCL_CLOUDS,
    SCL_SATURATED,
    SCL_SHADOW,
    SCL_SNOW,
    SHADOWED,
    WATER,
    Bands,
    History,
    Image,
    MaskOptions,
    Sun,
)
from pipeline.prepare.rescue import FEWEST_FLAGGED, Spectrum, rescue, whole_objects
from pipeline.prepare.shadow import cast, dark_against, shadow_test
from pipeline.prepare.sky import Sky
from pipeline.prepare.spectral import (
    cloud_test,
    haze_test,
    hot,
    snow_test,
    turbid_water,
)
from pipeline.prepare.temporal import low_quantile


def usable(bands: Bands, scl: NDArray[np.uint8] | None) -> NDArray[np.bool_]:
    """Say where all bands hold data; any shape."""
    valid = np.isfinite(bands["blue"]) & np.isfinite(bands["red"]) & np.isfinite(bands["nir"])
    for name in ("green", "swir16"):
        if name in bands:
            valid &= np.isfinite(bands[name])
    if scl is not None:
        valid &= scl != 0
    return valid


def dark_history(
    blue: NDArray[np.float32],
    red: NDArray[np.float32],
    valid: NDArray[np.bool_],
    options: MaskOptions,
) -> tuple[Image, Image]:
    """Give the dark history of blue and of HOT; clouds and haze only ever brighten them.

    All dates, (T, H, W), to two of (H, W); radius 0.
    """
    quantile, least = options.spectral.quantile, options.spectral.least_dates
    return (
        low_quantile(blue, valid, quantile, least),
        low_quantile(hot(blue, red), valid, quantile, least),
    )


def flag(
    date: Bands,
    scl: NDArray[np.uint8] | None,
    low: tuple[Image, Image],
    options: MaskOptions,
) -> NDArray[np.uint8]:
    """Code clear, nodata, cloud, cirrus, snow before anything is given back or dilated.

    One date, (H, W), against its dark history; radius ``flag_radius_px``.
    """
    valid = usable(date, scl)
    haze = haze_test(date, low[1], valid, options.spectral)
    if scl is None:
        snow = snow_test(date, options.spectral)
        cloud = cloud_test(date, low[0], low[1], options.spectral)
    else:
        cloud = np.isin(scl, (SCL_SATURATED, *SCL_CLOUDS))
        haze |= scl == SCL_CIRRUS
        # White roofs and sand are called snow as well; snow is dark beyond 1.5 um.
        snow = scl == SCL_SNOW
        if "swir16" in date:
            snow &= date["swir16"] < options.spectral.snow_swir
    raw = np.zeros(valid.shape, dtype=np.uint8)
    raw[haze] = Sky.CIRRUS
    raw[cloud] = Sky.CLOUD
    raw[snow] = Sky.SNOW
    raw[~valid] = Sky.NODATA
    return raw


def usual_of(
    band: NDArray[np.float32], raw: NDArray[np.uint8], options: MaskOptions
) -> NDArray[np.float32]:
    """Give the median of a band over unflagged dates, a low value where few are; radius 0.

    All dates, (T, H, W), to (H, W).
    """
    least = options.spectral.least_dates
    middle = low_quantile(band, raw == Sky.CLEAR, 0.5, least)
    fallback = low_quantile(band, raw != Sky.NODATA, 0.25, least)
    return np.where(np.isnan(middle), fallback, middle)


def hint(
    date: Bands,
    raw: NDArray[np.uint8],
    sun: Sun | None,
    history: History,
    options: MaskOptions,
) -> NDArray[np.uint8]:
    """Gather the bits above of one date, (H, W); radius ``hint_radius_px``."""
    valid = raw != Sky.NODATA
    flagged = (raw == Sky.CLOUD) | (raw == Sky.CIRRUS)
    out = np.zeros(raw.shape, dtype=np.uint8)
    if flagged.any():
        water = flagged & turbid_water(date, history.blue_low, options.spectral)
        flagged &= ~water
        shadowed = flagged & _fitting_shadow(date, sun, history, options)
        out[water] |= WATER
        out[flagged] |= FLAGGED
        out[shadowed] |= SHADOWED
    around, share = options.rescue.around_px, options.rescue.around_share
    few = box_count(flagged, around) < share * box_count(valid, around)
    out[valid & few] |= OPEN_SKY
    return out


def may_give_back(hints: NDArray[np.uint8]) -> Mask:
    """Tell which pixels were flagged under an open sky often enough for a rescue.

    All dates, (T, ...), to (...).
    """
    both = FLAGGED | OPEN_SKY
    return np.asarray(np.count_nonzero((hints & both) == both, axis=0) >= FEWEST_FLAGGED)


def give_back(
    spectrum: Spectrum,
    raw: NDArray[np.uint8],
    hints: NDArray[np.uint8],
    options: MaskOptions,
) -> NDArray[np.uint8]:
    """Code as ``RESCUED`` which flagged pixels are ground after all; (T, H, W), radius 0.

    ``spectrum``: blue, red, near infrared.
    """
    back = ((hints & WATER) > 0) | given_back(spectrum, hints, options)
    return np.where(back, np.uint8(Sky.RESCUED), raw)


def given_back(
    spectrum: Spectrum, hints: NDArray[np.uint8], options: MaskOptions
) -> NDArray[np.bool_]:
    """Say which pixels are given back for their spectrum on other dates; (T, H, W), radius 0."""
    masks = [(hints & bit) > 0 for bit in (FLAGGED, OPEN_SKY, SHADOWED)]
    return rescue(spectrum, masks[0], masks[1], masks[2], options.rescue)


def _fitting_shadow(date: Bands, sun: Sun | None, history: History, options: MaskOptions) -> Mask:
    """Say where a dark patch lies in the direction in which the pixel's shadow would fall."""
    green = date.get("green", date["red"])
    dark = dark_against(
        date["nir"],
        green,
        (history.nir, history.green),
        options.shadow.ratio,
        options.shadow.land_nir,
    )
    if sun is None:
        return np.zeros_like(dark)
    solid = dark & (box_count(dark, 2) >= 15)
    back = shadow_direction(sun[0] + 180.0)
    return sweep(solid, back, options.rescue.shadow_px)


def finish(
    date: Bands,
    codes: NDArray[np.uint8],
    seen: tuple[NDArray[np.uint8] | None, Sun | None],
    history: History,
    options: MaskOptions,
    res_m: float,
) -> NDArray[np.uint8]:
    """Set speckle apart, find shadows, dilate; the stronger reason overwrites the weaker.

    One date, (H, W); ``date`` needs near infrared and green (or red), ``seen`` are the producer's
    classes and the sun; radius ``finish_radius_px``.
    """
    scl, sun = seen
    hidden = (codes == Sky.CLOUD) | (codes == Sky.CIRRUS)
    # Turbid water was given back by its spectrum; what is flagged beside it is no edge of a roof.
    bright = (codes == Sky.RESCUED) & (date["nir"] > 0.95 * date.get("green", date["nir"]))
    back = whole_objects(bright, hidden, options.rescue)
    codes = np.where(back, np.uint8(Sky.RESCUED), codes)
    soft = options.dilate_soft_m / res_m
    cloud, speckle = split_speckle(codes == Sky.CLOUD, options.speckle_px)
    cirrus, thin = split_speckle(codes == Sky.CIRRUS, options.speckle_px)
    shadow = np.zeros_like(cloud)
    if cloud.any() or scl is not None:
        falls = cast(cloud, sun, options.shadow, res_m) & ~cloud
        look = (date["nir"], date.get("green", date.get("red", date["nir"])))
        classed = None if scl is None else scl == SCL_SHADOW
        usual = (history.nir, history.green)
        shadow = shadow_test(look, usual, falls, classed, options.shadow)
        shadow, _ = split_speckle(
            shadow & ((codes == Sky.CLEAR) | (codes == Sky.RESCUED)), options.speckle_px
        )
    out = codes.copy()
    out[(codes != Sky.RESCUED) & (codes != Sky.NODATA)] = Sky.CLEAR
    for code, mask in (
        (Sky.CIRRUS, dilate(cirrus, soft) | thin),
        (Sky.SHADOW, dilate(shadow, soft)),
        (Sky.SNOW, dilate(codes == Sky.SNOW, soft)),
        (Sky.CLOUD, dilate(cloud, options.dilate_cloud_m / res_m) | dilate(speckle, 1)),
    ):
        out[mask] = code
    out[codes == Sky.NODATA] = Sky.NODATA
    return out
