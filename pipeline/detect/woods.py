"""Ground that stood under trees, and what a felling alone would leave there.

Where a wood was felled the soil is as bare, and as much brighter than before, as where a heap of
soil lies: one date at 10 m cannot tell them apart, and most fellings are nobody's encroachment. But
quarries and building sites begin with a felling too. So bare soil where trees stood is never
forgotten, only held back: until it has stayed bare for a season (what was felled is green again by
then), or has grown, or has become brighter than it was when it was new (turned earth, rubble and
roofs come after the trees are gone). What has no spectrum of soil from the start is not held back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from pipeline.detect.change import NDVI
from pipeline.detect.normal import YEAR_DAYS, Normal

_OFTEN = 2  # looks at the beginning and at the end that tell what an object gained


class WoodOptions(BaseModel):
    """What stood under trees, and what tells more than a felling."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    green_all_year: float = Field(
        default=0.4, ge=0.2, le=0.8, description="expected NDVI that a wood never falls below"
    )
    share: float = Field(
        default=0.5, gt=0, le=1, description="share of the object that must have stood under trees"
    )
    wait_days: float = Field(
        default=90.0, ge=0, le=400, description="bare soil there must have stayed bare so long [d]"
    )
    growth: float = Field(
        default=1.6, ge=1, le=10, description="last over first area of what goes on growing"
    )
    brighter: float = Field(
        default=0.03, gt=0, le=0.3, description="brightness gained since it was new [reflectance]"
    )


def wooded_share(
    normal: Normal, footprint: NDArray[np.bool_], options: WoodOptions | None = None
) -> float:
    """Give the share of a footprint bool (H, W) that is expected to be green in every month.

    Crops and meadows are not, in one season or another; woods that lose their leaves are not
    either, and pass for cropland. 0 where no pixel has a model.
    """
    o = options or WoodOptions()
    days = np.arange(0, YEAR_DAYS, YEAR_DAYS / 12)
    least = np.min([normal.at(float(day))[NDVI] for day in days], axis=0)[footprint]
    known = np.isfinite(least)
    if not known.any():
        return 0.0
    return float(np.count_nonzero(least[known] >= o.green_all_year) / np.count_nonzero(known))


def only_felled(
    wooded: float,
    measures: Sequence[Mapping[str, float]],
    soil_index: float,
    options: WoodOptions | None = None,
) -> bool:
    """Tell what a felling alone explains.

    Parameters
    ----------
    wooded : float
        :func:`wooded_share` of the object.
    measures : sequence of mapping
        Of its sightings (:func:`pipeline.detect.disturb.examine`), one a date, in time order.
    soil_index : float
        BSI above which bare ground is like soil; ground without that index may be soil.
    """
    o = options or WoodOptions()
    if wooded < o.share or np.median([m["wet_share"] for m in measures]) >= o.share:
        return False
    third = max(1, len(measures) // 3)
    first, last = measures[:third], measures[-third:]

    def gained(name: str) -> tuple[float, float]:
        return (
            float(np.median([m[name] for m in first])),
            float(np.median([m[name] for m in last])),
        )

    index = float(np.median([m.get("bare", np.inf) for m in last]))
    if index < soil_index:
        return False
    small, large = gained("area_m2")
    dark, light = gained("core_bright")
    # One look held against one other is haze and clouds, and neither growth nor turned earth.
    often = third >= _OFTEN
    return not (often and (large >= o.growth * small or light >= dark + o.brighter))
