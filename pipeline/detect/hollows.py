"""Ground that went dark beside ground that went bare: the water of a pit that no index calls water.

Who digs for sand or gravel below the water table leaves a pond beside the spoil. A pond of less
than some six pixels of 10 m across has no pure pixel of SWIR (20 m, and its blur): half of what
SWIR sees are its banks, so that every water index says land. Near infrared has pixels of 10 m, and
water takes almost all of it: what is left of the near infrared of the ground before tells a pond
from all that builders and tippers leave, which is lighter there than plants in the visible, and not
much darker in the near infrared. Shade does the same to bare ground, but shaded plants keep their
NDVI, and shade goes with the season: the median of all dates is asked.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy import ndimage

from pipeline.detect.features import FLOOR
from pipeline.detect.look_surface import BRIGHT, NDVI, UNDECIDED, WATER, Surface
from pipeline.detect.objects import label, ring
from pipeline.model import Ground

_SEAM_PX = 7  # what is undecided and as wide both ways is a cloud, or its shadow
_ON_PX = 8  # how far from an object its pond may go on

Float = NDArray[np.float32]


class HollowOptions(BaseModel):
    """How dark ground is that holds water."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    left: float = Field(
        default=0.4, gt=0, le=1, description="share of the expected near infrared that is left"
    )
    darkest: float = Field(
        default=0.07,
        gt=0,
        le=0.2,
        description="near infrared up to which a pixel may be mostly water [reflectance]: tarmac "
        "and dark roofs have 0.09 and more",
    )
    dryness: float = Field(
        default=-0.5,
        ge=-1,
        le=0,
        description="water score below which SWIR sees no water at all: thrice as light as the "
        "visible; dark roofs and charred ground are",
    )
    ndvi: float = Field(
        default=0.15, ge=-0.1, le=0.3, description="NDVI above which it may be shaded plants"
    )


def near_infrared(bright: Float, ndvi: Float) -> Float:
    """Give the near infrared of brightness and NDVI, where red is as bright as the visible mean."""
    rest = np.maximum(np.float32(1) - ndvi, np.float32(0.05))
    return np.asarray((bright * (1 + ndvi) + FLOOR * ndvi) / rest, np.float32)


def darkened(surface: Surface, options: HollowOptions | None = None) -> NDArray[np.bool_]:
    """Mark expected land, bool (H, W), that lost its near infrared as it would to water."""
    o = options or HollowOptions()
    seen, expected = surface.seen, surface.expected
    place = (surface.looks > 0) & (surface.land | (surface.shoal & surface.dry))
    # What is clear but neither water nor land by its score is seen as well: a thin seam between the
    # two, or a small pond. Under a cloud or its shadow scores may be as near to zero, but wider.
    unknown = surface.state == Ground.UNKNOWN
    wide = np.asarray(ndimage.binary_opening(unknown, np.ones((_SEAM_PX, _SEAM_PX))), bool)
    clear = ~unknown | (~wide & (np.abs(seen[WATER]) < UNDECIDED))
    with np.errstate(invalid="ignore"):
        dark = place & clear & (seen[NDVI] <= o.ndvi) & (expected[WATER] < 0)
        dark &= seen[WATER] >= o.dryness
        at = np.nonzero(dark)
        now = near_infrared(seen[BRIGHT][at], seen[NDVI][at])
        before = near_infrared(expected[BRIGHT][at], expected[NDVI][at])
        dark[at] = (now <= o.darkest) & (now <= o.left * before)
    return dark


def hollow_share(
    mask: NDArray[np.bool_],
    wet: NDArray[np.bool_],
    surface: Surface,
    options: HollowOptions | None = None,
) -> float:
    """Give the share of water, and of ground as dark as it, in an object and what goes on from it.

    Parameters
    ----------
    mask, wet : bool (H, W)
        The object, and unexpected water.
    """
    dark = wet | darkened(surface, options)
    if not dark.any():
        return 0.0
    own = (mask | dark) & (mask | ring(mask, _ON_PX))
    labels = label(own)
    whole = np.isin(labels, np.unique(labels[mask])) & own
    return float(np.count_nonzero(dark & whole) / np.count_nonzero(whole))
