"""What a pair of surfaces gives: objects with measures, each with its 95 % interval."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from pipeline.model import Kind


class ObjectKind(StrEnum):
    """What an object of a flight is, by its shape."""

    STRUCTURE = "structure"  # new, taller than 2.2 m, planar top, steep sides
    PILE = "pile"  # new heap or raised ground
    PIT = "pit"  # ground dug away
    FILL = "fill"  # ground where there was water
    REMOVED = "removed"  # what stood on the ground is gone
    FAULT = "fault"  # as high, deep or slender as nothing is: a hole or a spike of a surface
    PICTURE = "picture"  # changed in the picture only; no surface says what it is

    @property
    def kind(self) -> Kind | None:
        """The one of the four chaos that it may be; None where it is the end of one or unknown."""
        return {
            "structure": Kind.JIAN,
            "pile": Kind.DUI,
            "pit": Kind.CAI,
            "fill": Kind.ZHAN,
        }.get(self.value)


@dataclass(frozen=True, slots=True)
class Measure:
    """A value with the ends of its 95 % interval, in one unit."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class FlightObject:
    """One object of a pair of flights; cells are indices into the pair's cell grid, row by row."""

    kind: ObjectKind
    rows: NDArray[np.int32]
    cols: NDArray[np.int32]
    strength: float  # of the mean change, in its own LoD95; of pictures in deviations
    footprint_m2: Measure
    height_m: Measure | None = None  # signed change; None without a surface
    fill_m3: Measure | None = None  # added
    cut_m3: Measure | None = None  # taken away
    net_m3: Measure | None = None  # fill less cut
    side_slope: float | None = None  # median along the outline [1]; 1 is 45 degrees
    planarity_m: float | None = None  # deviation of the top from a plane
    unseen_share: float = 0.0  # of the footprint without a surface, filled from beside
    volume_is_least: bool = False  # what lies below the water is not in it


class SurfaceChangeOptions(BaseModel):
    """What of a difference of surfaces is an object."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cell_m: float = Field(default=0.2, gt=0, le=1, description="cells of about this side [m]")
    window_m: float = Field(
        default=1.0, gt=0, le=5, description="differences are averaged over [m]"
    )
    least_m: float = Field(default=0.3, gt=0, description="least change of ground [m]")
    plants_m: float = Field(
        default=1.0, gt=0, description="the same where plants stand or stood [m]"
    )
    grass_m: float = Field(default=0.5, gt=0, description="the same on what is grass now [m]")
    structure_m: float = Field(default=2.2, gt=0, description="least height of a structure [m]")
    seed_sigmas: float = Field(
        default=5.0, ge=1.96, description="deviations that an object reaches somewhere"
    )
    least_area_m2: float = Field(default=4.0, gt=0, description="smaller objects are dropped [m²]")
    margin_m: float = Field(
        default=1.0, ge=0, description="volumes are summed this far around the object [m]"
    )
    steep: float = Field(default=1.5, gt=0, description="slope of a side that is a wall [1]")
    flat_m: float = Field(default=0.35, gt=0, description="deviation of a planar top, most [m]")
    sway_m2: float = Field(
        default=12.0, ge=0, description="what is smaller and beside plants is their moving [m²]"
    )
    highest_m: float = Field(
        default=120.0,
        gt=0,
        description="what rose or fell by more is a fault of a surface [m]: small drones may fly "
        "120 m above ground (China, 2024), and nothing is mapped from below",
    )
    deepest_m: float = Field(
        default=60.0,
        gt=0,
        description="the same of what was dug [m]: twice the deepest pits of sand at rivers; no "
        "source",
    )
    slender_ground: float = Field(
        default=2.0,
        gt=0,
        description="a heap or pit that is more times as high as wide (root of its footprint) is a "
        "fault: loose ground stands at 0.4 of its width, cut sides may be upright [1]",
    )
    slender_wall: float = Field(
        default=15.0,
        gt=0,
        description="the same of what has walls, as chimneys and masts have [1]",
    )
    car_m2: tuple[float, float] = Field(
        default=(4.0, 14.0), description="footprint of a car, from and to [m²]"
    )
    car_m: tuple[float, float] = Field(
        default=(1.0, 2.2), description="height of a car, from and to [m]"
    )
    car_steep: float = Field(
        default=0.8,
        gt=0,
        description="slope of a car's outline, more than loose ground stands at [1]",
    )
