"""Clouds, haze and snow from reflectance, each pixel against its own history.

A cloud is bright, white, and brighter than the pixel has been at its darkest; sand, roofs and
turbid water are bright too, but they are either always so or red rather than blue. The haze test
is the haze-optimised transform (Zhang, Guindon & Cihlar 2002, DOI 10.1016/S0034-4257(02)00034-2)
with a fixed clear line, ``HOT = blue - 0.5 red``, taken as a rise over the pixel's history.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from pipeline.prepare.local import Mask, box_majority, open2

Image = NDArray[np.float32]


class SpectralOptions(BaseModel):
    """Thresholds of the tests on reflectance (ratios, 0..1)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    quantile: float = Field(
        default=0.15,
        ge=0,
        le=0.5,
        description="Low share of a pixel's dates that is its dark history",
    )
    least_dates: int = Field(default=3, ge=2, description="Fewest valid dates to have a history")
    cloud_rise: float = Field(
        default=0.08, gt=0, le=1, description="Rise of blue over history of a cloud"
    )
    cloud_hot_rise: float = Field(
        default=0.05, gt=0, le=1, description="Rise of HOT over history of a cloud"
    )
    cloud_blue: float = Field(default=0.13, gt=0, le=1, description="Darkest blue of a cloud")
    cloud_colour: float = Field(
        default=0.6,
        gt=0,
        le=2,
        description="(max - min) / mean of blue, green, red of a cloud, at most",
    )
    sure_blue: float = Field(
        default=0.30,
        gt=0,
        le=1,
        description="Blue of what is cloud whatever its history, unless rescued",
    )
    sure_hot: float = Field(
        default=0.12, gt=0, le=1, description="HOT of what is cloud whatever the history says"
    )
    haze_hot_rise: float = Field(
        default=0.035,
        gt=0,
        le=1,
        description="Rise of HOT over history of haze too thick to read through",
    )
    haze_box_px: int = Field(
        default=10,
        ge=1,
        le=50,
        description="Half side [px] of the box that haze must fill (roofs do not)",
    )
    haze_share: float = Field(default=0.5, gt=0, le=1, description="Share of that box")
    snow_ndsi: float = Field(
        default=0.4, ge=0, le=1, description="Normalised difference of green and SWIR of snow"
    )
    snow_visible: float = Field(
        default=0.25, ge=0, le=1, description="Darkest green and near infrared of snow"
    )
    snow_swir: float = Field(
        default=0.2, ge=0, le=1, description="Brightest SWIR of snow; brighter is sand or a roof"
    )
    turbid_swir: float = Field(
        default=0.06,
        ge=0,
        le=1,
        description="Brightest SWIR of turbid water (near infrared: 2.5 times)",
    )


def hot(blue: Image, red: Image) -> Image:
    """Haze-optimised transform with a fixed clear line; any shape, reflectance."""
    return np.asarray(blue - np.float32(0.5) * red, dtype=np.float32)


def cloud_test(
    date: Mapping[str, Image], blue_low: Image, hot_low: Image, options: SpectralOptions
) -> Mask:
    """Say where one date (bands (H, W)) is cloud by its spectrum; radius 2 px."""
    blue, red = date["blue"], date["red"]
    green = date.get("green", blue)
    white = np.maximum(np.maximum(blue, green), red) - np.minimum(np.minimum(blue, green), red)
    white = white <= options.cloud_colour * (blue + green + red) / 3
    haziness = hot(blue, red)
    risen = (blue - blue_low > options.cloud_rise) & (haziness - hot_low > options.cloud_hot_rise)
    sure = (blue > options.sure_blue) & (haziness > options.sure_hot)
    return open2((blue > options.cloud_blue) & white & (risen | sure))


def haze_test(
    date: Mapping[str, Image], hot_low: Image, valid: Mask, options: SpectralOptions
) -> Mask:
    """Say where haze hides the ground; thinner haze is left clear. Radius ``haze_box_px``."""
    risen = haze_risen(date, hot_low, options)
    if not risen.any():
        return risen
    return risen & box_majority(risen, valid, options.haze_box_px, options.haze_share)


def haze_risen(date: Mapping[str, Image], hot_low: Image, options: SpectralOptions) -> Mask:
    """Say where HOT has risen as haze makes it, whatever lies around; radius 0."""
    return np.asarray(hot(date["blue"], date["red"]) - hot_low > options.haze_hot_rise, np.bool_)


def snow_test(date: Mapping[str, Image], options: SpectralOptions) -> Mask:
    """Say where one date is snow; never without a SWIR band. Radius 0."""
    swir = date.get("swir16")
    green = date.get("green")
    if swir is None or green is None:
        return np.zeros(date["blue"].shape, dtype=np.bool_)
    ndsi_high = green - swir > options.snow_ndsi * (green + swir)
    bright = (green > options.snow_visible) & (date["nir"] > options.snow_visible)
    return ndsi_high & bright & (swir < options.snow_swir)


def turbid_water(date: Mapping[str, Image], blue_low: Image, options: SpectralOptions) -> Mask:
    """Say where the spectrum is water's, so that cloud or cirrus would be a mistake; radius 0.

    Sediment is redder than it is blue and keeps water's dark SWIR; cloud and cirrus add blue. Clear
    water is taken at its word only where blue has not risen over the pixel's history.
    """
    blue, red = date["blue"], date["red"]
    green = date.get("green", red)
    swir = date.get("swir16")
    dark = swir if swir is not None else date["nir"] / np.float32(2.5)
    like_water = (dark < options.turbid_swir) & (green > 1.3 * dark)
    calm = ~(blue - blue_low > options.cloud_rise / 2)
    return like_water & ((red > 0.95 * blue) | (calm & np.isfinite(blue_low)))
