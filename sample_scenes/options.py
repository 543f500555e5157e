"""What can be chosen about the simulated world, and its fixed frame."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal, Self

from affine import Affine
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

EPSG = 32649
# Corner on the 20 m lattice of the MGRS squares 49RFL and 49RGL, in the strip where they overlap.
LEFT, TOP = 707_600.0, 3_084_000.0
RES = 10.0  # m
FINE = 3  # sub-pixels per 10 m pixel and axis, for shores and outlines
PAD = 16  # px simulated outside the scene, so that blur and shift have no edge
BANDS = ("blue", "green", "red", "nir", "nir08", "swir16", "swir22")
AT_10M = ("blue", "green", "red", "nir")
WORLD = 400  # px; the geometry is laid out for a square of this size
RIVER, RESERVOIR = "sample-river", "sample-reservoir"


class SampleOptions(BaseModel):
    """Options of the simulator; the same options give the same bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = Field(default=7, ge=0, description="seed of every random draw")
    site: int = Field(
        default=0,
        ge=0,
        description="0 is the place of the sample; any other number draws a place of its own,"
        " whole and without events",
    )
    size: int = Field(
        default=WORLD,
        ge=160,
        le=WORLD,
        description="side of the scenes [10 m px]; less than 400 crops",
    )
    start: datetime = Field(
        default=datetime(2024, 1, 3, tzinfo=UTC), description="first possible acquisition (UTC)"
    )
    months: int = Field(default=24, ge=2, le=60, description="length of the series [30.4 days]")
    per_month: int = Field(default=2, ge=1, le=7, description="acquisitions kept per month")
    revisit_days: int = Field(
        default=5, ge=1, le=16, description="days between possible acquisitions"
    )
    sky: Literal["half", "third"] = Field(
        default="half", description="share of all pixel-looks that is clear"
    )
    events: bool = Field(default=True, description="whether the four chaos appear; traps always do")
    noise: float = Field(
        default=0.0018, ge=0, le=0.05, description="sensor noise, 1 sigma [reflectance]"
    )
    psf_px: float = Field(
        default=0.5, ge=0.1, le=2, description="sigma of the blur at 10 m [10 m px]"
    )
    shift_px: float = Field(
        default=0.25, ge=0, le=2, description="misregistration, 1 sigma [10 m px]"
    )

    @field_validator("size")
    @classmethod
    def _on_the_20m_lattice(cls, size: int) -> int:
        if size % 20:
            raise ValueError("size must be a multiple of 20 px")
        return size

    @model_validator(mode="after")
    def _drawn_sites_are_whole(self) -> Self:
        if self.site and (self.events or self.size != WORLD):
            raise ValueError(
                f"site {self.site} has no events, which are laid out for site 0, and is not"
                f" cropped: choose events=False and size={WORLD}"
            )
        return self

    @property
    def padded(self) -> int:
        """Side of the simulated square, margin included [10 m px]."""
        return self.size + 2 * PAD


def transform(res_m: float = RES, row_m: float = 0.0, col_m: float = 0.0) -> Affine:
    """Map (col, row) of a scene to EPSG:32649; ``row_m`` and ``col_m`` move the corner [m]."""
    return Affine(res_m, 0.0, LEFT + col_m, 0.0, -res_m, TOP - row_m)
