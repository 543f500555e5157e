"""Slim strips that leave the shore, as ramps, piers and decks do, and those that lie along it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy import ndimage

from pipeline.detect.objects import Shape, label, measure, ring
from pipeline.detect.water_frequency import N_BINS, UNSEEN

Bool = NDArray[np.bool_]

_SPECK_PX = 10  # land or water of fewer pixels makes no shore
_SMOOTH_PX = 2.0
_BESIDE_PX = 2  # a strip has its bank this near
_BANK_SHARE = 0.75  # and along so much of its length
_EDGES = (1, 8, 16, 24, N_BINS - 1)  # bins from which water has a shore: from ever to always


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
        default=0.25,
        ge=0,
        lt=1,
        description="and up to which it lies along the shore: some 15 degrees from a straight one",
    )
    pointing: float = Field(
        default=2.0, ge=1, description="its length over its width, from which that can be told"
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
    across = _across(_way_out(out, mask), measure(mask))
    return wet if across is None else across >= options.across


def reach_across(mask: Bool, bins: NDArray[np.uint8], options: RampOptions) -> float:
    """Give how far a strip that lies along the shore reaches across the channel [px]; else 0.

    Where a fill leaves a mixed pixel of a narrow channel, what is left of the water is not seen,
    and it seems to tie two banks together; over the line between them it is as narrow as a deck. It
    lies along the edge of what was ever water, along that of what always was, and all between: in
    a valley of bars a deck over the channel may lie along one of them. Beside it, along one of its
    sides, is ground that was dry on most looks: a road along the bank that crosses the mouth of a
    stream has water on both. Where nothing was ever water, no strip does.

    Parameters
    ----------
    mask : bool (H, W)
        The object.
    bins : uint8 (H, W)
        Codes of :func:`pipeline.detect.water_frequency.frequency_bins`.
    """
    if min(mask.shape) < 2 or not mask.any():
        return 0.0
    shape = measure(mask)
    if shape.elongation < options.pointing or not _banked(mask, bins, shape):
        return 0.0
    way = None
    for least in _EDGES:
        water = _shore(bins, least)
        if water.all() or not water.any():
            continue
        way = _way_out(_outwards(water), mask)
        across = _across(way, shape)
        if across is None or across > options.along:
            return 0.0
    return 0.0 if way is None else _extent(mask, way)  # of the innermost edge


def _banked(mask: Bool, bins: NDArray[np.uint8], shape: Shape) -> bool:
    """Tell whether dry ground lies along one of the long sides of a strip."""
    beside = np.argwhere(ring(mask, _BESIDE_PX))
    own = np.argwhere(mask)
    middle, axis = own.mean(axis=0), np.asarray(shape.axis)
    along, reach = (beside - middle) @ axis, np.abs((own - middle) @ axis).max()
    aside = (beside - middle) @ np.array([-axis[1], axis[0]])
    dry = bins[tuple(beside.T)] < N_BINS // 2
    sides = [dry[(np.abs(along) <= reach) & (sign * aside > 0)] for sign in (1, -1)]
    return any(side.size > 0 and side.mean() >= _BANK_SHARE for side in sides)


def _extent(mask: Bool, way: list[NDArray[np.float64]]) -> float:
    """Give how far pixels reach along the direction in which most of their ways lie [px]."""
    turned = np.array([[float((a * b).sum()) for b in way] for a in way])
    direction = np.linalg.eigh(turned)[1][:, 1]
    along = np.argwhere(mask) @ direction
    return float(along.max() - along.min()) + 1.0


def _outwards(water: Bool) -> NDArray[np.float64]:
    """Give how far out in the water pixels lie, and negative how far from it [px]."""
    return _distance(water) - _distance(~water)


def _across(way: list[NDArray[np.float64]], shape: Shape) -> float | None:
    """Give the mean cosine between the axis of an object and the way out; None where none is."""
    length = np.hypot(*way)
    if not (length > 0).any():
        return None
    axis = shape.axis
    along = np.abs(way[0] * axis[0] + way[1] * axis[1]) / np.where(length > 0, length, 1)
    return float(along[length > 0].mean())


def _way_out(out: NDArray[np.float64], mask: Bool) -> list[NDArray[np.float64]]:
    """Give the way out at an object's pixels, down the rows and along them, float64 (N,) each."""
    # Smoothed by a deck's width: how ragged a shore is says nothing of where it runs.
    smooth = np.asarray(ndimage.gaussian_filter(out, _SMOOTH_PX), np.float64)
    return [np.gradient(smooth, axis=k)[mask] for k in (0, 1)]


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
