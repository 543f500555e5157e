"""Slim strips that leave the shore: ramps, piers, and decks that do not span the water yet."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from pipeline.detect.level import UNSEEN
from pipeline.detect.objects import measure, ring

Bool = NDArray[np.bool_]


class RampOptions(BaseModel):
    """What may become a bridge; the numbers have no source."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    elongation: float = Field(
        default=3.5, ge=2, description="a strip that is longer than this over its width"
    )
    width_px: float = Field(
        default=4.5, ge=1, description="and not wider than this [px], as decks and roads are"
    )
    shore_px: int = Field(default=2, ge=1, le=5, description="what lies nearer touches [px]")
    shore_share: float = Field(
        default=0.4,
        gt=0,
        le=1,
        description="of a strip that leaves the shore no more touches; one along it does with most",
    )
    days: float = Field(
        default=365.0, ge=0, description="for so long it may still become a bridge [d]"
    )


def is_slim(mask: Bool, options: RampOptions) -> bool:
    """Tell a strip as slim as a deck or a road, bool (H, W)."""
    if not mask.any():
        return False
    shape = measure(mask)
    return shape.elongation >= options.elongation and shape.width_px <= options.width_px


def leaves_shore(mask: Bool, bins: NDArray[np.uint8], options: RampOptions, *, wet: bool) -> bool:
    """Tell a strip that leaves the shore, or stands in the water, from one along a shore.

    A bridge is built from its ramps over months, and its decks come one by one. A fill, a wall or a
    row of sheds along the shore touches it with most of its length, and is none.

    Parameters
    ----------
    mask : bool (H, W)
        The object, as outlined by its newest hits; not empty.
    bins : uint8 (H, W)
        Codes of :func:`pipeline.detect.level.frequency_bins`: 0 was never water.
    wet : bool
        The object stands where water belongs; else it lies on land, and must reach the water.
    """
    other = (bins == 0) if wet else (bins > 0) & (bins != UNSEEN)
    near = ring(np.asarray(other & ~mask), options.shore_px) & mask
    share = np.count_nonzero(near) / np.count_nonzero(mask)
    return bool(share <= options.shore_share and (wet or share > 0))
