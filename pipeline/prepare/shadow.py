"""Cloud shadows: where the sun's direction puts them, and dark against the pixel's own history.

Shadows on water are not seen by this (water is as dark without one) and do no harm there: the
water stays water. Water is never called shadow for being dark. Flooded land is dark too, but its
green is not below what the land's was.
"""

from __future__ import annotations

from math import radians, tan

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from pipeline.prepare.local import Mask, dilate, open2, shadow_direction, sweep

Image = NDArray[np.float32]


class ShadowOptions(BaseModel):
    """Where and how dark a shadow is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reach_px: int = Field(
        default=120, ge=1, le=400, description="Farthest [px] a shadow is looked for from its cloud"
    )
    ceiling_m: float = Field(
        default=6000,
        gt=0,
        le=15000,
        description="Highest cloud base [m] that casts one within reach",
    )
    ratio: float = Field(
        default=0.62,
        gt=0,
        lt=1,
        description="Near infrared against the pixel's median, below which land is in shadow",
    )
    class_ratio: float = Field(
        default=0.78,
        gt=0,
        lt=1,
        description="The same where the producer's class already says shadow",
    )
    land_nir: float = Field(
        default=0.12,
        ge=0,
        le=1,
        description="Median near infrared below which ground is too dark to tell",
    )


def reach_px(sun: tuple[float, float] | None, options: ShadowOptions, res_m: float) -> int:
    """Give how far [px] shadows fall; ``sun`` is (azimuth, elevation) in degrees."""
    if sun is None:
        return options.reach_px
    length = options.ceiling_m / max(tan(radians(max(sun[1], 5.0))), 1e-3) / res_m
    return min(options.reach_px, int(length) + 1)


def cast(
    cloud: Mask, sun: tuple[float, float] | None, options: ShadowOptions, res_m: float
) -> Mask:
    """Say where the shadows of ``cloud`` may fall; all around when the sun is not known."""
    reach = reach_px(sun, options, res_m)
    if sun is None:
        return dilate(cloud, reach)
    return sweep(cloud, shadow_direction(sun[0]), reach)


def dark_against(
    nir: Image, green: Image, usual: tuple[Image, Image], ratio: float, land_nir: float
) -> Mask:
    """Say where land is darker than usual in near infrared and no brighter in green; radius 0.

    ``usual`` holds the medians of near infrared and green over the pixel's clear dates; where they
    are NaN nothing is dark.
    """
    return (usual[0] > land_nir) & (nir < ratio * usual[0]) & (green < usual[1])


def shadow_test(
    date: tuple[Image, Image],
    usual: tuple[Image, Image],
    falls: Mask,
    classed: Mask | None,
    options: ShadowOptions,
) -> Mask:
    """Say where one date is in shadow.

    Parameters
    ----------
    date : (float32 (H, W), float32 (H, W))
        Near infrared and green of the date.
    usual : same
        Their medians over the clear dates; NaN without history.
    falls : bool (H, W)
        Where shadows of this date's clouds may fall, from ``cast``.
    classed : bool (H, W) or None
        The producer's shadow class. It is believed on land that is somewhat darker than usual, on
        dark ground only where a cloud's shadow may fall (water is often called shadow), and where
        there is no history.

    Returns
    -------
    bool (H, W)
        Radius 2 px beyond what ``falls`` needed.
    """
    nir, green = date
    found = open2(falls & dark_against(nir, green, usual, options.ratio, options.land_nir))
    if classed is None:
        unknown = np.isnan(usual[0])
        return found | (unknown & falls & (nir < options.land_nir) & (nir > green))
    darker = dark_against(nir, green, usual, options.class_ratio, options.land_nir)
    believed = darker | np.isnan(usual[0]) | ((usual[0] <= options.land_nir) & falls)
    return found | (classed & believed)
