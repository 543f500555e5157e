"""Options of :mod:`pipeline.detect.change` and of what it rests on."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class ChangeOptions(BaseModel):
    """What makes a pixel unexpected; z is a deviation over its spread."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed_z: float = Field(default=4.0, ge=2, le=20, description="deviation that starts an object")
    grow_z: float = Field(default=2.5, ge=1, le=20, description="deviation that an object grows to")
    bare_ndvi: float = Field(
        default=0.2, ge=0.05, le=0.4, description="NDVI above which ground is not bare or built"
    )
    red_ndvi: float = Field(
        default=0.3,
        ge=0.05,
        le=0.4,
        description="the same of red soil (redness): iron oxides take red light and little near "
        "infrared; no more than bare_ndvi: red soil is like any",
    )
    redness: float = Field(
        default=0.2,
        ge=0.1,
        le=0.5,
        description="(red - green) / (red + green) from which soil is red; straw, brash and dry "
        "grass have up to 0.14, plants less than 0",
    )
    mixed_gone: float = Field(
        default=0.6,
        gt=0,
        le=1,
        description="share of the expected vegetation that must be gone where a pixel is only "
        "partly bare: small objects have no pure pixel",
    )
    rim_gone: float = Field(
        default=0.5,
        gt=0,
        le=1,
        description="the same beside bare ground that starts an object: its mixed rim",
    )
    rim_pixels: int = Field(
        default=6, ge=1, le=25, description="bare pixels of a 5x5 up to which an object has a rim"
    )
    small_pixels: int = Field(
        default=16,
        ge=1,
        le=81,
        description="pixels of a 9x9 that lost their plants or were not seen, up to which an "
        "object need have no pure pixel: there the loss of plants starts it, and light need only "
        "go with it; most fields and fellings have more, a plot of up to 16 pixels has not",
    )
    small_looks: int = Field(
        default=16,
        ge=1,
        description="clear looks of the pixel's own history without which an object needs a pure "
        "pixel, and light alone makes no rim: of a mixed pixel a dry year takes half the plants "
        "and gives half the light, and few looks know no such year",
    )
    water_ndvi: float = Field(
        default=-0.1,
        ge=-0.2,
        le=0.1,
        description="NDVI up to which darkened ground is mostly water: no dry soil, plant or roof "
        "has less than 0, and wet dark soil little less (an error of 0.005 in a reflectance of "
        "0.05 is 0.05); 10 m pixels show it where SWIR of 20 m still sees the banks",
    )
    mixed_wet: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="share of the expected dryness (of the water score) left in a pond's rim",
    )
    bright_min: float = Field(
        default=0.08, ge=0.02, le=0.3, description="darker ground is wet soil or shade"
    )
    green_lost: float = Field(
        default=0.2, ge=0.05, le=0.6, description="NDVI that must be gone where light is no sign"
    )
    dry_looks: int = Field(
        default=2, ge=1, description="dry looks at this level or higher that make water unexpected"
    )
    least_looks: int = Field(
        default=3, ge=1, description="clear looks of history without which nothing is unexpected"
    )
    rank_margin: float = Field(
        default=0.05, ge=0, le=0.3, description="uncertainty of a level rank"
    )
    bar_share: float = Field(
        default=0.35, gt=0, le=1, description="share of the 5x5 neighbourhood that is disturbed"
    )
    bar_pixels: int = Field(
        default=8, ge=1, le=25, description="pixels of it that can be judged at all"
    )
    shift_sigmas: float = Field(
        default=2.0, ge=0, le=4, description="registration residuals that a change must survive"
    )
    region_pixels: int = Field(
        default=200, ge=20, description="pixels of a stratum that make a regional median"
    )
