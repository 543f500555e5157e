"""Options of :mod:`pipeline.detect.zhan`."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from pipeline.detect.expect import ExpectOptions
from pipeline.detect.onward import BedOptions
from pipeline.detect.placed import PlacedOptions


class ZhanOptions(BaseModel):
    """What makes an object a sighting; pixels are 10 m."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    expect: ExpectOptions = ExpectOptions()
    min_pixels: int = Field(default=4, ge=1, description="smallest object [px]")
    sparse_below: int = Field(
        default=8,
        ge=1,
        description="with fewer clear looks of history a sighting is not certain (待核)",
    )
    certain_looks: int = Field(
        default=2,
        ge=1,
        description="looks at a lower level that make a pixel of a certain sighting",
    )
    known_share: float = Field(
        default=0.25,
        gt=0,
        le=1,
        description="share of an object that history must know as wet at a lower level; the rest, "
        "up to the shore, comes from geometry; half of it must be certain",
    )
    afloat_max_px: int = Field(
        default=60,
        ge=4,
        description="objects in open water up to this are rejected; at a shore, what may be boats "
        "or debris is no larger",
    )
    island_days: float = Field(
        default=90.0,
        ge=0,
        le=400,
        description="an island on a bar, what came to a shore with high water, and what looks "
        "like a deck, must have outlasted boats and flood debris [d]",
    )
    pond_days: float = Field(
        default=120.0,
        ge=0,
        le=400,
        description="what fills water that hangs together with no channel must last longer than "
        "fish ponds are drained [d]; of what was dry there on more than an eighth of the looks "
        "nothing is known",
    )
    drift_elongation: float = Field(
        default=2.5, ge=1, le=10, description="length over width from which it may be a drift line"
    )
    deck_index: float = Field(
        default=0.03,
        ge=-1,
        le=0.4,
        description="BSI below which a shore's new ground may be decks and hulls",
    )
    high_water: float = Field(
        default=0.05,
        ge=0,
        le=0.5,
        description="share of the history's looks whose level is high water, which leaves debris",
    )
    high_water_days: float = Field(
        default=30.0,
        ge=0,
        le=200,
        description="what is first seen this long after high water may be debris [d]",
    )
    green_share: float = Field(
        default=0.5,
        gt=0,
        le=100,
        description="vegetation beside an object, over its area, that explains it",
    )
    elongation_min: float = Field(default=3.0, ge=1.5, description="length over width of a bridge")
    span_width_max_px: float = Field(default=8.0, ge=1, description="a bridge is not wider [px]")
    leave_px: int = Field(
        default=15, ge=0, le=40, description="neighbourhood that may not vote [px]"
    )
    beside_wet: float = Field(
        default=0.6,
        ge=0,
        le=1,
        description="share of water beside a deep object at its own depth that tells it from shore",
    )
    deep_elongation_max: float = Field(
        default=2.5,
        ge=1,
        le=10,
        description="a longer deep object is a rim of shore, unless the bed is unlike it",
    )
    bed: BedOptions = Field(
        # Of a fill on a real shore it was 0 to 0.03, of its bars and a bridge 0.07 and more.
        default_factory=lambda: BedOptions(like_bed=0.05),
        description="what tells a fill from the bed that a level below all of history uncovers",
    )
    bed_object: int = Field(
        default=16, ge=4, description="smallest deep object that the bed is asked for [px]"
    )
    placed: PlacedOptions = Field(
        default_factory=PlacedOptions, description="what disproves a shift of the image"
    )
