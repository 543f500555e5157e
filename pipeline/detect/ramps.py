"""Slim strips that leave the shore: ramps, piers, and decks that do not span the water yet."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy import ndimage

from pipeline.detect.level import UNSEEN
from pipeline.detect.objects import measure

Bool = NDArray[np.bool_]


class RampOptions(BaseModel):
    """What may become a bridge; the numbers have no source."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    elongation: float = Field(
        default=2.75, ge=2, description="a strip that is longer than this over its width"
    )
    width_px: float = Field(
        default=4.5, ge=1, description="and not wider than this [px], as decks and roads are"
    )
    across: float = Field(
        default=0.65,
        gt=0,
        lt=1,
        description="mean cosine between its axis and the way to the shore, from which it goes out "
        "from it; what lies along a shore has some 0.25",
    )
    reach_px: float = Field(
        default=5.0, ge=0, description="on land it ends no farther from the water [px]"
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
    """Tell a strip that goes out from the shore, or towards it, from one along a shore.

    A bridge is built from its ramps over months, and its decks come one by one, from bank to bank.
    A fill, a wall or a row of sheds along the shore lies the other way, and is none. The shore is
    where ground begins that was never water.

    Parameters
    ----------
    mask : bool (H, W)
        The object, as outlined by its newest hits; not empty.
    bins : uint8 (H, W)
        Codes of :func:`pipeline.detect.level.frequency_bins`: 0 was never water.
    wet : bool
        The object stands where water belongs; else it lies on land, and must almost reach it.
    """
    water = (bins > 0) & (bins != UNSEEN)
    if not water.any() or water.all():
        return wet  # far from any shore
    out = _distance(water) - _distance(~water)
    if not wet and out[mask].max() < -options.reach_px:
        return False
    way = np.gradient(out)
    axis = measure(mask).axis
    along = np.abs(way[0] * axis[0] + way[1] * axis[1])[mask]
    return bool(along.mean() >= options.across)


def _distance(inside: Bool) -> NDArray[np.float64]:
    """Give how far each pixel inside lies from what is outside [px], 0 there."""
    return np.asarray(ndimage.distance_transform_edt(inside), np.float64)
