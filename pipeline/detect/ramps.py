"""Slim strips that leave the shore, as ramps, piers and decks do, and those that lie along it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy import ndimage

from pipeline.detect.objects import label, measure
from pipeline.detect.water_frequency import UNSEEN

Bool = NDArray[np.bool_]

_SPECK_PX = 10  # land or water of fewer pixels makes no shore
_SMOOTH_PX = 2.0
_OFTEN = 8  # of 32 bins: water on a quarter of the looks is ordinary


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
        "from it; any direction has 0.64 in the mean, and what lies along a shore less than 0.3",
    )
    along: float = Field(
        default=0.35,
        ge=0,
        lt=1,
        description="and up to which it lies along the shore, where no bridge goes",
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
        Codes of :func:`pipeline.detect.water_frequency.frequency_bins`: 0 was never water.
    wet : bool
        The object stands where water belongs; else it lies on land, and must almost reach it.
    """
    water = _shore(bins)
    if not water.any() or water.all():
        return wet  # far from any shore
    out = _outwards(water)
    if not wet and out[mask].max() < -options.reach_px:
        return False
    across = _across(mask, out)
    return wet if across is None else across >= options.across


def follows_shore(mask: Bool, bins: NDArray[np.uint8], options: RampOptions) -> bool:
    """Tell a strip of any width in the water that lies along the shore, as no deck does.

    Where a fill leaves a mixed pixel of a narrow channel, what is left of the water is not seen,
    and it seems to tie two banks together. It lies along the shore of the ordinary water and that
    of all water: in a flood plain they may run elsewhere. Where either is not known, no strip does.

    Parameters
    ----------
    mask : bool (H, W)
        The object, as outlined by its newest hits.
    bins : uint8 (H, W)
        Codes of :func:`pipeline.detect.water_frequency.frequency_bins`.
    """
    if not mask.any() or measure(mask).elongation < options.elongation:
        return False
    for least in (1, _OFTEN):
        water = _shore(bins, least)
        across = None if water.all() or not water.any() else _across(mask, _outwards(water))
        if across is None or across > options.along:
            return False
    return True


def _outwards(water: Bool) -> NDArray[np.float64]:
    """Give how far out in the water pixels lie, and negative how far from it [px]."""
    return _distance(water) - _distance(~water)


def _across(mask: Bool, out: NDArray[np.float64]) -> float | None:
    """Give the mean cosine between the axis of an object and the way out; None where none is."""
    # Smoothed by a deck's width: how ragged a shore is says nothing of where it runs.
    smooth = np.asarray(ndimage.gaussian_filter(out, _SMOOTH_PX), np.float64)
    way = [np.gradient(smooth, axis=k)[mask] for k in (0, 1)]
    length = np.hypot(*way)
    if not (length > 0).any():
        return None
    axis = measure(mask).axis
    along = np.abs(way[0] * axis[0] + way[1] * axis[1]) / np.where(length > 0, length, 1)
    return float(along[length > 0].mean())


def _shore(bins: NDArray[np.uint8], least: int = 1) -> Bool:
    """Tell which side of the shore pixels lie on, bool (H, W): true is water.

    That is what was water in ``least`` bins of 32 at least. What nobody saw is taken as what lies
    nearest to it, and specks on either side (boulders, masts, puddles) are no shore.
    """
    seen = bins != UNSEEN
    water = bins >= least
    if seen.any() and not seen.all():
        at = ndimage.distance_transform_edt(~seen, return_distances=False, return_indices=True)
        water = water[tuple(np.asarray(at))]
    elif not seen.any():
        return np.zeros_like(water)
    for side in (True, False):
        labels = label(water == side)
        sizes = np.bincount(labels.ravel())
        specks = (sizes < _SPECK_PX)[labels] & (labels > 0)
        water = np.where(specks, not side, water)
    return water


def _distance(inside: Bool) -> NDArray[np.float64]:
    """Give how far each pixel inside lies from what is outside [px], 0 there."""
    return np.asarray(ndimage.distance_transform_edt(inside), np.float64)
