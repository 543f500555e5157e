"""Dark dry ground that took the place of plants: coal, slag, ash, tarmac, felt.

Whatever is darker than 0.08 may be wet soil or shade, so that changed ground
(:mod:`pipeline.detect.change`) begins with what became lighter. A heap of coal of two hectares is
as dark as the crop it lies on. What it cannot hide is that the plants are gone, and that nothing
but the darkest of minerals stays so dark and so dry.

What else is dark and bare is soil: wet from rain, puddled, ploughed. Iron and humus take the blue
of a soil, 0.35 to 0.65 of its red, and carbon takes all colours alike, 0.8 and more: what is not
neutral is no sighting. So dark ground is looked for by itself: it joins nothing that
is lighter or wet, since the dark soil around a new pond would be drawn with it (decisions, 260),
and a field that lay bare and dark in earlier years is asked for that colour as well.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from pipeline.detect.change import Flags
from pipeline.detect.look_surface import BRIGHT, NDVI, WATER, Surface
from pipeline.detect.objects import Rejection
from pipeline.detect.water import LEAST_SUM
from pipeline.model import Ground, Sighting

Float = NDArray[np.float32]


class DarkOptions(BaseModel):
    """What dark ground is, and when it is no soil."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    most: float = Field(
        default=0.065,
        ge=0,
        le=0.2,
        description="brightness up to which ground is dark; 0: never. Wet soil and straw under "
        "water have 0.07 and more",
    )
    least: float = Field(
        default=0.02, ge=0, le=0.1, description="and from which it is neither shade nor water"
    )
    ndvi: float = Field(default=0.2, ge=0.05, le=0.4, description="NDVI of ground without plants")
    dryness: float = Field(
        default=-0.1, ge=-1, le=0, description="water score above which it may be wet"
    )
    green_lost: float = Field(default=0.2, ge=0.05, le=0.6, description="NDVI that must be gone")
    seed_z: float = Field(
        default=4.0, ge=2, le=20, description="deviation of NDVI that starts an object"
    )
    grow_z: float = Field(
        default=2.5, ge=1, le=20, description="deviation of NDVI that an object grows to"
    )
    neutral: float = Field(
        default=0.75,
        ge=0.3,
        le=1.0,
        description="blue over red from which dark ground is no soil: soils have 0.35 to 0.65, "
        "coal, slag, ash and tarmac 0.8 and more",
    )


def flag_dark(surface: Surface, z: Float, light: Flags, options: DarkOptions) -> Flags:
    """Mark unexpected dark ground that no other sign marked.

    Parameters
    ----------
    light : Flags
        What :func:`pipeline.detect.change.flag` marks.

    Returns
    -------
    Flags
        ``bare`` and its ``seed``; nothing is wet, and there is no rim.
    """
    o = options
    none = np.zeros(surface.state.shape, bool)
    with np.errstate(invalid="ignore"):
        dark = (z[NDVI] <= -o.grow_z) & (surface.seen[BRIGHT] <= o.most)
        if not dark.any():
            return Flags(none, none, none, none)
        dark &= surface.ground & surface.land & (surface.state == Ground.DRY)
        dark &= (surface.seen[BRIGHT] >= o.least) & (surface.seen[NDVI] <= o.ndvi)
        dark &= surface.seen[WATER] <= o.dryness
        dark &= surface.expected[NDVI] - surface.seen[NDVI] >= o.green_lost
        dark &= ~light.marked
    return Flags(dark, none, dark & (z[NDVI] <= -o.seed_z), none)


def neutrality(blue: Float, red: Float) -> Float:
    """Give blue over red of reflectances, float32, 0 and more; NaN without data."""
    return np.asarray(np.maximum(blue, 0) / np.maximum(red, LEAST_SUM), np.float32)


def as_dark(
    found: Sighting, neutral: float, options: DarkOptions, wait_days: float
) -> Sighting | Rejection:
    """Make a sighting of dark ground of one of bare ground; none of what is as brown as soil.

    ``neutral``: the median :func:`neutrality` of its pixels, NaN unknown. ``wait_days``: how long
    soil must last, and so must this, whatever its index: burnt ground is green again by then. It
    may be as dark as water in the near infrared, and is none: its score said so.
    """
    if not neutral >= options.neutral:
        return Rejection("dark ground of the colour of soil", False, found.rows.size)
    wait = max(found.measures["wait_days"], wait_days)
    own = {"dark": 1.0, "neutral": float(neutral), "hollow_share": 0.0, "soil": 1.0}
    return replace(found, measures=dict(found.measures) | own | {"wait_days": wait})
