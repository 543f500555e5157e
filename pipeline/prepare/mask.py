"""Which pixels of which dates show the ground: the clear-sky mask of one window, all dates at once.

Order matters. Flags come first (the producer's classes or the spectrum), then bright surfaces and
turbid water are given back, then lone pixels are set apart, and only what is left is dilated and
casts shadows.

Thin haze through which surfaces can still be read stays clear: a level or an object is judged
against the rest of the same date, and a haze-free-only rule would cost humid basins most of their
looks. Haze whose rise in HOT exceeds ``haze_hot_rise`` is masked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from pipeline.prepare.local import (
    Mask,
    box_count,
    dilate,
    shadow_direction,
    split_speckle,
    sweep,
)
from pipeline.prepare.rescue import RescueOptions, rescue
from pipeline.prepare.shadow import ShadowOptions, cast, dark_against, shadow_test
from pipeline.prepare.sky import Sky
from pipeline.prepare.spectral import (
    SpectralOptions,
    cloud_test,
    haze_test,
    hot,
    snow_test,
    turbid_water,
)
from pipeline.prepare.temporal import low_quantile

Bands = Mapping[str, NDArray[np.float32]]
Sun = tuple[float, float]  # (azimuth clockwise from north, elevation) [degree]
REQUIRED = ("blue", "red", "nir")
SCL_SATURATED, SCL_SHADOW, SCL_CIRRUS, SCL_SNOW, SCL_CLOUDS = 1, 3, 10, 11, (8, 9)


class MaskOptions(BaseModel):
    """How the clear-sky mask is made."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dilate_cloud_m: float = Field(default=200, ge=0, le=500, description="Margin around clouds [m]")
    dilate_soft_m: float = Field(
        default=50, ge=0, le=300, description="Margin around shadows, cirrus, haze and snow [m]"
    )
    speckle_px: int = Field(
        default=16,
        ge=1,
        le=64,
        description="Smaller flagged patches get one pixel of margin, smaller shadows go",
    )
    spectral: SpectralOptions = SpectralOptions()
    rescue: RescueOptions = RescueOptions()
    shadow: ShadowOptions = ShadowOptions()


@dataclass(frozen=True)
class _History:
    """Per-pixel references, each float32 (H, W), NaN without enough dates."""

    blue_low: NDArray[np.float32]
    hot_low: NDArray[np.float32]
    nir: NDArray[np.float32]
    green: NDArray[np.float32]


def halo_px(options: MaskOptions, res_m: float) -> int:
    """Give how far [px] a pixel's code may depend on others."""
    flags = max(2, options.spectral.haze_box_px)
    around = max(options.rescue.around_px, options.rescue.shadow_px + 2)
    cloud = flags + around + options.speckle_px
    soft = ceil(options.dilate_soft_m / res_m)
    reach = options.shadow.reach_px
    shadow = reach + 2 + options.speckle_px + soft
    return cloud + max(ceil(options.dilate_cloud_m / res_m), shadow, soft)


HALO_PX = halo_px(MaskOptions(), 10.0)


def clear_sky(
    bands: Bands,
    scl: NDArray[np.uint8] | None,
    sun: Sequence[Sun | None] | None,
    options: MaskOptions,
    res_m: float,
) -> NDArray[np.uint8]:
    """Code what hides each pixel on each date of one window.

    Parameters
    ----------
    bands : mapping of float32 (T, H, W)
        Reflectance in time order, NaN without data; ``blue``, ``red`` and ``nir`` are needed,
        ``green`` and ``swir16`` are used if there.
    scl : uint8 (T, H, W) or None
        Scene classification of the Sentinel-2 level-2A product; None: from the spectrum.
    sun : sequence of (azimuth, elevation) in degrees, or None
        Per date; None where unknown, then shadows are sought all around.
    options : MaskOptions
        Thresholds and margins.
    res_m : float
        Pixel size [m].

    Returns
    -------
    uint8 (T, H, W)
        Codes of ``Sky``. A pixel at least ``halo_px(options, res_m)`` from the window's edge has
        the same code in any window.

    Raises
    ------
    ValueError
        If a required band is missing.
    """
    missing = [name for name in REQUIRED if name not in bands]
    if missing:
        raise ValueError(f"the clear-sky mask needs the bands {missing}")
    valid = _valid(bands, scl)
    suns: Sequence[Sun | None] = sun if sun is not None else [None] * valid.shape[0]
    low = _low(bands, valid, options)
    raw = _raw_codes(bands, scl, valid, low, options)
    history = _History(*low, *_usual(bands, valid, raw, options))
    given_back = _rescued(bands, raw, suns, history, options)
    out = np.empty(raw.shape, dtype=np.uint8)
    for t in range(raw.shape[0]):
        codes = np.where(given_back[t], np.uint8(Sky.RESCUED), raw[t])
        classed = None if scl is None else (scl[t] == SCL_SHADOW)
        pair = (bands["nir"][t], bands.get("green", bands["red"])[t])
        out[t] = _finish(pair, codes, classed, suns[t], (history, options, res_m))
    return out


def _date(bands: Bands, t: int) -> dict[str, NDArray[np.float32]]:
    return {name: band[t] for name, band in bands.items()}


def _valid(bands: Bands, scl: NDArray[np.uint8] | None) -> NDArray[np.bool_]:
    valid = np.isfinite(bands["blue"]) & np.isfinite(bands["red"]) & np.isfinite(bands["nir"])
    for name in ("green", "swir16"):
        if name in bands:
            valid &= np.isfinite(bands[name])
    if scl is not None:
        valid &= scl != 0
    return valid


def _raw_codes(
    bands: Bands,
    scl: NDArray[np.uint8] | None,
    valid: NDArray[np.bool_],
    low: tuple[NDArray[np.float32], NDArray[np.float32]],
    options: MaskOptions,
) -> NDArray[np.uint8]:
    """Code clear, nodata, cloud, cirrus, snow before anything is given back or dilated."""
    raw = np.zeros(valid.shape, dtype=np.uint8)
    for t in range(valid.shape[0]):
        date = _date(bands, t)
        haze = haze_test(date, low[1], valid[t], options.spectral)
        if scl is None:
            snow = snow_test(date, options.spectral)
            cloud = cloud_test(date, low[0], low[1], options.spectral)
        else:
            cloud = np.isin(scl[t], (SCL_SATURATED, *SCL_CLOUDS))
            haze |= scl[t] == SCL_CIRRUS
            # White roofs and sand are called snow as well; snow is dark beyond 1.5 um.
            snow = scl[t] == SCL_SNOW
            if "swir16" in date:
                snow &= date["swir16"] < options.spectral.snow_swir
        raw[t][haze] = Sky.CIRRUS
        raw[t][cloud] = Sky.CLOUD
        raw[t][snow] = Sky.SNOW
        raw[t][~valid[t]] = Sky.NODATA
    return raw


def _low(
    bands: Bands, valid: NDArray[np.bool_], options: MaskOptions
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Give the dark history of blue and of HOT; clouds and haze only ever brighten them."""
    quantile, least = options.spectral.quantile, options.spectral.least_dates
    haziness = hot(bands["blue"], bands["red"])
    return (
        low_quantile(bands["blue"], valid, quantile, least),
        low_quantile(haziness, valid, quantile, least),
    )


def _usual(
    bands: Bands, valid: NDArray[np.bool_], raw: NDArray[np.uint8], options: MaskOptions
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Give medians of near infrared and green over unflagged dates, low values where few are."""
    least = options.spectral.least_dates
    unflagged = raw == Sky.CLEAR
    usual: list[NDArray[np.float32]] = []
    for band in (bands["nir"], bands.get("green", bands["red"])):
        middle = low_quantile(band, unflagged, 0.5, least)
        fallback = low_quantile(band, valid, 0.25, least)
        usual.append(np.where(np.isnan(middle), fallback, middle))
    return usual[0], usual[1]


def _rescued(
    bands: Bands,
    raw: NDArray[np.uint8],
    suns: Sequence[Sun | None],
    history: _History,
    options: MaskOptions,
) -> NDArray[np.bool_]:
    """Say which flagged pixels are ground after all."""
    flagged = (raw == Sky.CLOUD) | (raw == Sky.CIRRUS)
    water = np.zeros_like(flagged)
    open_sky, shadowed = np.zeros_like(flagged), np.zeros_like(flagged)
    for t in range(raw.shape[0]):
        date = _date(bands, t)
        if flagged[t].any():
            water[t] = flagged[t] & turbid_water(date, history.blue_low, options.spectral)
            flagged[t] &= ~water[t]
        valid = raw[t] != Sky.NODATA
        around = options.rescue.around_px
        share = options.rescue.around_share
        open_sky[t] = valid & (box_count(flagged[t], around) < share * box_count(valid, around))
        shadowed[t] = flagged[t] & _fitting_shadow(date, suns[t], history, options)
    spectrum = (bands["blue"], bands["red"], bands["nir"])
    return water | rescue(spectrum, flagged, open_sky, shadowed, options.rescue)


def _fitting_shadow(date: Bands, sun: Sun | None, history: _History, options: MaskOptions) -> Mask:
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


def _finish(
    date: tuple[NDArray[np.float32], NDArray[np.float32]],
    codes: NDArray[np.uint8],
    classed: Mask | None,
    sun: Sun | None,
    context: tuple[_History, MaskOptions, float],
) -> NDArray[np.uint8]:
    """Set speckle apart, find shadows, dilate; the stronger reason overwrites the weaker."""
    history, options, res_m = context
    soft = options.dilate_soft_m / res_m
    cloud, speckle = split_speckle(codes == Sky.CLOUD, options.speckle_px)
    cirrus, thin = split_speckle(codes == Sky.CIRRUS, options.speckle_px)
    shadow = np.zeros_like(cloud)
    if cloud.any() or classed is not None:
        falls = cast(cloud, sun, options.shadow, res_m) & ~cloud
        usual = (history.nir, history.green)
        shadow = shadow_test(date, usual, falls, classed, options.shadow)
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
