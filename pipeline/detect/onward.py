"""Where an object on the shore goes on into what was water: the same material, and not the bed.

A fill begins on the bank. What stands on ground that history knows is seen there at once; its other
part lies where water was, and once the river has fallen below all of its history no level says that
water belongs there still. Whether it is the fill or bed that fell dry is asked of the bed: on the
same looks, ground that the water left elsewhere must look unlike the object.

The numbers have no source; they were chosen on made-up shores.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy import ndimage

from pipeline.detect.medians import middle_of
from pipeline.detect.objects import label
from pipeline.detect.water_frequency import N_BINS, UNSEEN
from pipeline.detect.waterline import share_beside
from pipeline.model import Ground

Bool = NDArray[np.bool_]
Float = NDArray[np.float32]

_FLOOR = np.array([0.015, 0.03, 0.04], np.float32)  # spread of one material: BRIGHT, NDVI, WATER
_WIDEST = 2.0  # times that: a mixed object's own spread would let everything pass
_OWN, _OWN_SHARE = 4, 0.5  # dry pixels of the object, and share of it, that show its material
_RIM_PX = 2  # no farther out lies the object's own edge, blurred and shifted
_APART_PX = 3  # bed nearer to the object than this is mixed with it
_MOST = 0.5  # of the looks at a pixel: bed on more of them than that is none of the object
_AS_OFTEN = 4  # bins of water frequency by which other bed may have been dry more often


class BedOptions(BaseModel):
    """What tells an object from bed that fell dry beside it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    spreads: float = Field(
        default=3.0,
        gt=0,
        le=10,
        description="deviation from the object's own pixels up to which a pixel is like it",
    )
    bed_pixels: int = Field(
        default=30, ge=1, description="of other bed without which nothing is known of it"
    )
    like_bed: float = Field(
        default=0.2,
        ge=0,
        le=1,
        description="share of other bed, dry on the same looks, that may be like the object",
    )


class OnwardOptions(BedOptions):
    """When an object goes on into the water."""

    looks: int = Field(
        default=2, ge=1, le=50, description="looks at the object on which a pixel must be like it"
    )
    share: float = Field(
        default=0.5, gt=0, le=1, description="share of the looks at a pixel on which it must be so"
    )
    pixels: int = Field(default=4, ge=1, description="smallest such part [px]")
    always_water: float = Field(
        default=0.25,
        ge=0,
        le=1,
        description="share of it that history never saw dry: a bar is dry now and then",
    )


@dataclass(frozen=True)
class Likeness:
    """What one look shows, bool (H, W): clear pixels, the bare ones, and those like the object.

    Plants and pixels without features are no bare ground: they are like nothing.
    """

    clear: Bool
    bare: Bool
    like: Bool


def likeness(
    footprint: Bool, seen: Float, state: NDArray[np.uint8], options: BedOptions | None = None
) -> Likeness | None:
    """Compare all that is dry on a look with what is seen of the object itself.

    Parameters
    ----------
    footprint : bool (H, W)
        The object as far as it is known.
    seen : float32 (3, H, W)
        Features of ``MODELLED`` on the look.
    state : uint8 (H, W)
        Ground codes of the look.

    Returns
    -------
    Likeness or None
        None where too little of the object is seen dry.
    """
    o = options or BedOptions()
    dry = (state == Ground.DRY) & np.isfinite(seen).all(axis=0)
    own = footprint & dry
    n = np.count_nonzero(own)
    if n < _OWN or n < _OWN_SHARE * np.count_nonzero(footprint):
        return None
    values = seen[:, own]
    middle = np.median(values, axis=1)
    spread = 1.4826 * np.median(np.abs(values - middle[:, None]), axis=1)
    spread = np.clip(spread, _FLOOR, _WIDEST * _FLOOR)
    alike = np.abs(seen - middle[:, None, None]) <= o.spreads * spread[:, None, None]
    clear = state != Ground.UNKNOWN
    return Likeness(clear, dry, dry & alike.all(axis=0))


def onward(
    footprint: Bool,
    bins: NDArray[np.uint8],
    looks: Iterable[Likeness],
    options: OnwardOptions | None = None,
) -> Bool | None:
    """Find the part of an object that lies where water was.

    Parameters
    ----------
    footprint : bool (H, W)
        The object as far as it is known; what goes on hangs together with it.
    bins : uint8 (H, W)
        How often history saw water (:func:`pipeline.detect.water_frequency.frequency_bins`).
    looks : iterable of Likeness
        Looks at which the object was there.

    Returns
    -------
    bool (H, W) or None
        The part: what is like the object on enough of the looks, and hangs together with it. None
        where there is none or it is the object's rim, where it goes on beyond the window (no fill
        is that large, but a shore is), where less other bed is bare than ``bed_pixels`` or half of
        the part, in the mean of the looks, or where that looks so too.
    """
    o = options or OnwardOptions()
    told = list(looks)
    part = _part(footprint, bins, told, o)
    n = int(np.count_nonzero(part))
    if len(told) < o.looks or _is_rim(part, footprint, bins, o) or _cut(part):
        return None
    other = _other_bed(footprint, part, bins)
    bare = sum(np.count_nonzero(k.bare & other) for k in told)
    if bare < len(told) * max(o.bed_pixels, n / 2):
        return None
    if sum(np.count_nonzero(k.like & other) for k in told) > o.like_bed * bare:
        return None
    return part


def covered(
    footprint: Bool, part: Bool, bins: NDArray[np.uint8], looks: Iterable[tuple[Float, Likeness]]
) -> Float:
    """Give how much of each pixel an object covers that goes on in the water.

    The mixed pixels of its rim are not like it, and SWIR of 20 m makes more of them; the visible
    bands of the same looks tell what share of them it covers
    (:func:`pipeline.detect.waterline.share_beside`). They are asked of the rim alone: within, what
    is darker or lighter is the object's own texture.

    Parameters
    ----------
    part : bool (H, W)
        The part in the water (:func:`onward`).
    looks : iterable of (float32 (H, W), Likeness)
        The mean of the visible bands of each look that proved the part, and what it shows.

    Returns
    -------
    float32 (H, W)
        1 on the footprint, whose own edge is another detector's. Of the part and of the pixels up
        to two beside it where water was: the median over the looks; where none tells, 1 on the
        part, and 1 on pixels of it that touch none but its own and the footprint's. Off the part
        no more than 0.5 where most looks show bare ground unlike the object: bed as light as it
        is, which brightness cannot tell from it. 0 elsewhere.
    """
    whole = footprint | part
    zone = _was_water(bins) & ~footprint
    rim = np.asarray(ndimage.binary_dilation(part, np.ones((3, 3)), _RIM_PX), bool)
    told = list(looks)
    share = middle_of([share_beside(bright, whole, look.clear) for bright, look in told])
    share = np.where(np.isfinite(share), share, part)
    solid = ndimage.binary_fill_holes(whole)  # a pixel of it that is like nothing is no rim
    inner = part & np.asarray(ndimage.binary_erosion(solid, np.ones((3, 3))), bool)
    clear = np.sum([k.clear for _, k in told], axis=0, dtype=np.int32)
    bed = np.sum([k.bare & ~k.like for _, k in told], axis=0, dtype=np.int32)
    share = np.where(~part & (bed > _MOST * clear), np.minimum(share, 0.5), share)
    share = np.where(inner, 1, share)
    return np.where(footprint, 1, np.where(zone & rim, share, 0)).astype(np.float32)


def unlike_bed(
    footprint: Bool,
    seen: Float,
    state: NDArray[np.uint8],
    bins: NDArray[np.uint8],
    options: BedOptions | None = None,
) -> bool:
    """Tell on one look whether an object where water was is of another material than the bed.

    Other bed is ground that the water left on this look and that history never saw dry, or hardly
    ever. No where less of it than ``bed_pixels`` or half of the object is bare: then nothing is
    known of the bed. Arrays are as in :func:`likeness` and :func:`onward`.
    """
    o = options or BedOptions()
    inner = np.asarray(ndimage.binary_erosion(footprint), bool)
    own = inner if np.count_nonzero(inner) >= _OWN else footprint
    look = likeness(own, seen, state, o)
    if look is None:
        return False
    around = np.asarray(ndimage.binary_dilation(footprint, iterations=_APART_PX), bool)
    bed = look.bare & ~around & (bins >= N_BINS - 1 - _AS_OFTEN) & (bins != UNSEEN)
    n = np.count_nonzero(bed)
    if n < max(o.bed_pixels, np.count_nonzero(footprint) / 2):
        return False
    return bool(np.count_nonzero(look.like & bed) <= o.like_bed * n)


def _part(
    footprint: Bool, bins: NDArray[np.uint8], told: Sequence[Likeness], o: OnwardOptions
) -> Bool:
    """Give what is like an object, where water was, and hangs together with it."""
    votes, clear = np.zeros(bins.shape, np.int32), np.zeros(bins.shape, np.int32)
    for k in told:
        clear += k.clear
        votes += k.like
    like = _was_water(bins) & (votes >= o.looks) & (votes >= o.share * clear)
    return _hanging(like, footprint)


def _was_water(bins: NDArray[np.uint8]) -> Bool:
    """Tell where history saw water, now and then or always."""
    return (bins > 0) & (bins != UNSEEN)


def _is_rim(part: Bool, footprint: Bool, bins: NDArray[np.uint8], o: OnwardOptions) -> bool:
    """Tell a part that is none: an object's own edge, or ground that falls dry now and then."""
    near = np.asarray(ndimage.binary_dilation(footprint, np.ones((3, 3)), _RIM_PX), bool)
    always, n = np.count_nonzero(part & (bins >= N_BINS - 1)), np.count_nonzero(part)
    little = np.count_nonzero(part & ~near) < o.pixels
    return bool(little or always < max(o.pixels, o.always_water * n))


def _other_bed(footprint: Bool, part: Bool, bins: NDArray[np.uint8]) -> Bool:
    """Give the bed that a part is compared with: as deep as it, and apart from the object."""
    around = np.asarray(ndimage.binary_dilation(part | footprint, iterations=_APART_PX), bool)
    return _was_water(bins) & ~around & (bins >= np.percentile(bins[part], 25) - _AS_OFTEN)


def _hanging(like: Bool, footprint: Bool) -> Bool:
    """Give what hangs together with the footprint, without it."""
    labels = label(like | footprint)
    return like & ~footprint & np.isin(labels, np.unique(labels[footprint]))


def _cut(part: Bool) -> bool:
    """Tell what reaches the edge of its window."""
    return bool(part[[0, -1]].any() or part[:, [0, -1]].any())
