"""Options of :mod:`pipeline.detect.disturb`."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from pipeline.detect.hollows import HollowOptions


class DisturbOptions(BaseModel):
    """What makes an object of unexpected ground a sighting."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_pixels: int = Field(default=4, ge=1, description="smallest object [px]")
    sparse_below: int = Field(
        default=8, ge=1, description="with fewer looks of history a sighting is not certain (待核)"
    )
    sparse_bar: int = Field(
        default=5, ge=1, description="the same on bars, whose neighbours helped with the normal"
    )
    sparse_pool: int = Field(
        default=3,
        ge=1,
        description="the same for water on bars: not the normal is asked but how often it was dry",
    )
    linear_elongation: float = Field(
        default=5.0, ge=2, description="longer than this over its width: a road or a levee"
    )
    linear_width_px: float = Field(default=5.0, ge=1, description="and not wider than this [px]")
    wait_water_days: float = Field(
        default=60.0, ge=0, le=400, description="a pond must have outlasted what floods leave [d]"
    )
    wait_pool_days: float = Field(
        default=30.0,
        ge=0,
        le=400,
        description="the same on a bar, whose pools drain with the river",
    )
    wait_bar_days: float = Field(
        default=60.0, ge=0, le=400, description="a bar lightens for weeks while it dries [d]"
    )
    wait_soil_days: float = Field(
        default=90.0, ge=0, le=400, description="bare soil must have outlasted a fallow field [d]"
    )
    soil_ndvi: float = Field(
        default=0.18, ge=0.05, le=0.3, description="NDVI above which straw or brash lies on it"
    )
    red_ndvi: float = Field(
        default=0.28,
        ge=0.05,
        le=0.4,
        description="the same of red soil, which has as much without a plant on it",
    )
    redness: float = Field(
        default=0.2,
        ge=0.1,
        le=0.5,
        description="(red - green) / (red + green) of an object from which it is red soil",
    )
    mixed_gone: float = Field(
        default=0.6,
        gt=0,
        le=1,
        description="share of the expected plants that must be gone where an object may have no "
        "pixel of its own: at its edge half of what is seen are the plants around it",
    )
    mixed_pixels: int = Field(
        default=16,
        ge=1,
        le=100,
        description="of all that lost its green with it or was not seen beside it, up to which; a "
        "plot or a felling of that size is not told from it",
    )
    mixed_wet: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="share of the expected dryness (of the water score) left in a pond of mixed "
        "pixels",
    )
    green_lost: float = Field(
        default=0.2, ge=0.05, le=0.6, description="NDVI that bare soil must lack on the date"
    )
    lighter_z: float = Field(
        default=3.0, ge=0, le=20, description="deviation of brightness that bare ground must have"
    )
    soil_index: float = Field(
        default=0.1, ge=-0.2, le=0.4, description="BSI above which bare ground is like soil"
    )
    veil_index: float = Field(
        default=-0.1,
        ge=-1,
        le=0.1,
        description="BSI below which plants that show through something light are under snow",
    )
    veil_ndvi: float = Field(
        default=0.25, ge=0.1, le=1, description="NDVI off the edge above which plants show through"
    )
    deck_looks: int = Field(
        default=8,
        ge=1,
        le=100,
        description="newest looks that are asked for a deck, which is younger than its ramp",
    )
    hollow: HollowOptions = Field(
        default_factory=HollowOptions, description="what tells a pit by the water in it"
    )
