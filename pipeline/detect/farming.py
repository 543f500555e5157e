"""What farmers do on many fields in the same weeks: plastic film, greenhouses, straw, lime.

Film over vegetables is bright, has no plants and is no soil, so that one field of it looks like a
heap of rubble or a roof. Nobody lays film on one field alone: the fields of a village are planted
in the same weeks, and look alike. Film lasts until the crop has grown through or over it, six to
eight weeks; a heap lies longer. So what came to tilled ground together with enough places alike has
to outlast film, and is told then.

Tilled is what history saw bare on some looks and green on others. The model of the year takes the
few bare weeks of vegetables that are sown all year for errors, and calls them woods; the looks
themselves are there. The numbers have no source but what is said here.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import shapely
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from pipeline.model import Ground

Double = NDArray[np.float64]


class FarmingOptions(BaseModel):
    """When something on tilled ground is what is done to many fields at once."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    places: int = Field(
        default=5, ge=1, le=100, description="other places alike without which it is no season"
    )
    near_m: float = Field(
        default=2000.0, ge=100, le=20000, description="distance up to which they are asked [m]"
    )
    place_m: float = Field(
        default=100.0,
        ge=20,
        le=1000,
        description="least distance of places that are counted: a heap in pieces is one place [m]",
    )
    before_days: float = Field(
        default=45.0,
        ge=5,
        le=120,
        description="they were first seen so long before it, at most [d]",
    )
    after_days: float = Field(
        default=15.0,
        ge=0,
        le=60,
        description="or after it: what comes later takes nothing back that was told [d]",
    )
    lighter: float = Field(
        default=1.3, ge=1, le=3, description="ratio of brightness, or its inverse, up to which"
    )
    ndvi: float = Field(
        default=0.1, gt=0, le=0.5, description="NDVI by which places alike may differ"
    )
    index: float = Field(
        default=0.06, gt=0, le=0.3, description="BSI by which places alike may differ"
    )
    planted_ndvi: float = Field(
        default=0.35,
        ge=0.1,
        le=0.8,
        description="expected NDVI from which plants should stand at such a place",
    )
    looks: int = Field(
        default=2,
        ge=1,
        le=10,
        description="looks of the history bare, and as many green, of tilled",
    )
    share: float = Field(
        default=0.5, gt=0, le=1, description="share of an object's pixels that must be tilled"
    )
    wait_days: float = Field(
        default=60.0,
        ge=0,
        le=400,
        description="it must have outlasted film, through which or over which the crop has grown "
        "by then [d]",
    )


def places_alike(
    at: Double, days: Double, like: Double, options: FarmingOptions | None = None
) -> NDArray[np.int64]:
    """Count for each object the places near it that came to look the same in the same weeks.

    Parameters
    ----------
    at : float64 (N, 2)
        Centres in a projected CRS [m].
    days : float64 (N,)
        First sightings [d].
    like : float64 (N, 3)
        Brightness, NDVI and BSI; NaN in any of them: like nothing.

    Returns
    -------
    int64 (N,)
        Such objects of which no two are nearer than ``place_m`` to each other, nor to it.
    """
    o = options or FarmingOptions()
    out = np.zeros(len(at), np.int64)
    known = np.flatnonzero(np.isfinite(like).all(axis=1))
    if known.size <= o.places:
        return out
    centres = np.asarray(shapely.points(at[known]))
    tree = shapely.STRtree(centres)  # SciPy's trees take a tenth of a second to import
    # One by one: lists of neighbours of thousands are hundreds of megabytes.
    for i, centre in zip(known, centres, strict=True):
        others = known[np.sort(tree.query(centre, "dwithin", o.near_m))]
        away = days[others] - days[i]
        same = (away >= -o.before_days) & (away <= o.after_days)
        same &= np.hypot(*(at[others] - at[i]).T) >= o.place_m
        same &= (like[others, 0] <= o.lighter * like[i, 0]) & (
            like[i, 0] <= o.lighter * like[others, 0]
        )
        same &= np.abs(like[others, 1] - like[i, 1]) <= o.ndvi
        same &= np.abs(like[others, 2] - like[i, 2]) <= o.index
        out[i] = _apart(at[others[same]] - at[i], o.place_m)
    return out


def _apart(at: Double, least_m: float) -> int:
    """Count places of which no two are nearer than that: what is nearer to one belongs to it."""
    left = at[np.argsort(np.hypot(*at.T), kind="stable")]
    count = 0
    while len(left):
        left = left[np.hypot(*(left - left[0]).T) >= least_m]
        count += 1
    return count


def tilled_share(
    codes: Iterable[NDArray[np.uint8]], options: FarmingOptions | None = None
) -> float:
    """Give the share of pixels that history saw bare and green by turns.

    ``codes`` uint8 (N,), ground codes of the same pixels on each look. 0 without any look.
    """
    o = options or FarmingOptions()
    bare = green = np.zeros(0, np.int64)
    for code in codes:
        if not bare.size:
            bare, green = np.zeros(code.size, np.int64), np.zeros(code.size, np.int64)
        bare += code == Ground.DRY
        green += code == Ground.GREEN
    tilled = (bare >= o.looks) & (green >= o.looks)
    return float(np.mean(tilled)) if tilled.size else 0.0
