"""Options, types and reaches of the clear-sky mask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from pipeline.prepare.rescue import RescueOptions
from pipeline.prepare.shadow import ShadowOptions
from pipeline.prepare.spectral import SpectralOptions

Image = NDArray[np.float32]
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


_CLOUD = ("cloud_rise", "cloud_hot_rise", "cloud_blue", "cloud_colour", "sure_blue", "sure_hot")
_HAZE = ("haze_hot_rise", "haze_box_px", "haze_share")
_SNOW = ("snow_ndsi", "snow_visible", "snow_swir")
_FITS = ("tolerance", "tolerance_share", "most", "least_looks", "consecutive", "brighter")

FIELDS: Mapping[str, tuple[str, ...]] = {
    "low": ("spectral.quantile", "spectral.least_dates"),
    "raw": tuple(f"spectral.{name}" for name in (*_CLOUD, *_HAZE, *_SNOW)),
    "usual": ("spectral.least_dates",),
    "hint": (
        *("spectral.turbid_swir", "spectral.cloud_rise", "shadow.ratio", "shadow.land_nir"),
        *("rescue.around_px", "rescue.around_share", "rescue.shadow_px"),
    ),
    "code": tuple(f"rescue.{name}" for name in _FITS),
    "mask": (
        *("dilate_cloud_m", "dilate_soft_m", "speckle_px"),
        *("rescue.object_px", "rescue.object_share", "rescue.small_px"),
        *("shadow.reach_px", "shadow.ceiling_m"),
        *("shadow.ratio", "shadow.class_ratio", "shadow.land_nir"),
    ),
}
"""Step of the mask → the options that it, and its reach, look at; others change nothing."""


def rule_of(options: MaskOptions, step: str) -> dict[str, object]:
    """Give the options that a step looks at, by name."""
    found: dict[str, object] = {}
    for name in FIELDS[step]:
        value: object = options
        for part in name.split("."):
            value = getattr(value, part)
        found[name] = value
    return found


@dataclass(frozen=True)
class History:
    """Per-pixel references, each float32 (H, W), NaN without enough dates."""

    blue_low: Image
    hot_low: Image
    nir: Image
    green: Image


# What a rescue needs to know of one pixel on one date, as bits of a uint8:
WATER = np.uint8(1)  # flagged, and water by its spectrum: given back at once
FLAGGED = np.uint8(2)  # called cloud or cirrus, and not water
OPEN_SKY = np.uint8(4)  # has data, and the surroundings are otherwise clear
SHADOWED = np.uint8(8)  # flagged, and a dark patch lies where its shadow would fall


def flag_radius_px(options: MaskOptions) -> int:
    """Give how far [px] a flag depends on others."""
    return max(2, options.spectral.haze_box_px)


def hint_radius_px(options: MaskOptions) -> int:
    """Give how far [px] a hint depends on flags and on references."""
    return max(options.rescue.around_px, options.rescue.shadow_px + 2)


def finish_radius_px(options: MaskOptions, res_m: float) -> int:
    """Give how far [px] a final code depends on the codes before it."""
    soft = ceil(options.dilate_soft_m / res_m)
    shadow = options.shadow.reach_px + 2 + options.speckle_px + soft
    margin = options.speckle_px + max(ceil(options.dilate_cloud_m / res_m), shadow, soft)
    return options.rescue.object_px + 1 + margin


def halo_px(options: MaskOptions, res_m: float) -> int:
    """Give how far [px] a pixel's code may depend on others."""
    flags, hints = flag_radius_px(options), hint_radius_px(options)
    return flags + hints + finish_radius_px(options, res_m)


HALO_PX = halo_px(MaskOptions(), 10.0)
