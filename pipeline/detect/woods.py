"""Ground that stood under trees, and what a felling alone would leave there.

Where a wood was felled the soil is as bare, and as much brighter than before, as where a heap of
soil lies: one date at 10 m cannot tell them apart, and most fellings are nobody's encroachment. But
quarries and building sites begin with a felling too. So bare soil where trees stood is never
forgotten, only held back: until it has stayed bare for a season (what was felled is green again by
then), or has grown, or has become another surface than it was when it was new (turned earth, rubble
and roofs come after the trees are gone), or holds water. What has no spectrum of soil from the
start is not held back.

A surface is another one when it has become lighter or darker by more than soil does that dries or
gets wet: the bare ground around it does so too, and is asked on the same dates. What is green again
is darker as well, and is no work of builders.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from pipeline.detect.look_surface import NDVI
from pipeline.detect.medians import weighted_median
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
    thin_wait_days: float = Field(
        default=180.0,
        ge=0,
        le=400,
        description="the same where it is bare by its colour alone: on red soil shoots and brash "
        "look as bare as the soil, and take longer to be green [d]",
    )
    growth: float = Field(
        default=1.4, ge=1, le=10, description="later over first area of what goes on growing"
    )
    step: float = Field(
        default=1.28,
        ge=1.05,
        le=10,
        description="ratio of brightness now and when it was new, or its inverse, from which it is "
        "another surface",
    )
    regrown: float = Field(
        default=0.05, ge=0, le=0.5, description="NDVI gained since from which darkness is plants"
    )
    hollow: float = Field(
        default=0.3, gt=0, le=1, description="share of water or of ground as dark: somebody dug"
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
    # Ground without the index may be soil.
    if _middle(last, "bare", np.nan) < soil_index or _middle(last, "hollow_share") >= o.hollow:
        return False
    # One look held against one other is haze and clouds, and neither growth nor turned earth.
    if third < _OFTEN:
        return True
    # What is brought by loads grows while it is new, and lies as it is for the rest of the year.
    grown = _whole(measures[_OFTEN:]) >= o.growth * _whole(measures[:_OFTEN])
    return not (grown or _another_surface(first, last, o))


def _middle(measures: Sequence[Mapping[str, float]], name: str, otherwise: float = 0.0) -> float:
    values = np.array([m.get(name, otherwise) for m in measures])
    return weighted_median(values, np.array([m["area_m2"] for m in measures]))


def _whole(measures: Sequence[Mapping[str, float]]) -> float:
    """Give the upper median of the areas: clouds hide parts of an object, and add none."""
    return sorted(m["area_m2"] for m in measures)[len(measures) // 2]


def _beside(measures: Mapping[str, float]) -> dict[str, float]:
    """Hold the brightness of one date against that of the bare ground around on the same date."""
    around = measures.get("around_bright", np.nan)
    ratio = measures["core_bright"] / around if around > 0 else np.nan
    return {"beside": ratio, "area_m2": measures["area_m2"]}


def _another_surface(
    first: Sequence[Mapping[str, float]], last: Sequence[Mapping[str, float]], o: WoodOptions
) -> bool:
    """Tell what became much lighter or darker, also beside the bare ground around it."""
    ratios = [_middle(last, "core_bright") / max(_middle(first, "core_bright"), 1e-3)]
    now, then = (_middle([_beside(m) for m in some], "beside", np.nan) for some in (last, first))
    if np.isfinite([now, then]).all() and then > 0:
        ratios.append(now / then)
    green = _middle(last, "ndvi") - _middle(first, "ndvi") >= o.regrown
    return min(ratios) >= o.step or (max(ratios) <= 1 / o.step and not green)
