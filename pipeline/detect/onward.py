"""Where an object on the shore goes on into what was water: the same material, and not the bed.

A fill begins on the bank. What stands on ground that history knows is seen there at once; its other
part lies where water was, and once the river has fallen below all of its history no level says that
water belongs there still. Whether it is the fill or bed that fell dry is asked of the bed: on the
same looks, ground that the water left elsewhere must look unlike the object.

The numbers have no source; they were chosen on made-up shores.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
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
_MOST = 0.5  # of the part, of the bed: more than that contradicts
_ANY = 1e-6  # share of the looks, where two are enough
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
    newest: int = Field(
        default=12, ge=2, le=50, description="looks in a row that show what is there at one time"
    )
    pixels: int = Field(default=4, ge=1, description="smallest such part [px]")
    always_water: float = Field(
        default=0.25,
        ge=0,
        le=1,
        description="share of it that history never saw dry: a bar is dry now and then",
    )


_CLEAR, _BARE, _LIKE, _WET = (np.uint8(1 << i) for i in range(4))


@dataclass(frozen=True)
class Likeness:
    """What one look shows: clear pixels, the bare ones, those like the object, and water.

    Plants and pixels without features are no bare ground: they are like nothing. ``code`` uint8
    (H, W) holds a bit of each, since looks of years are held side by side.
    """

    code: NDArray[np.uint8]

    @property
    def clear(self) -> Bool:
        """Give the pixels that are seen."""
        return (self.code & _CLEAR) > 0

    @property
    def bare(self) -> Bool:
        """Give bare ground."""
        return (self.code & _BARE) > 0

    @property
    def like(self) -> Bool:
        """Give bare ground that is like the object."""
        return (self.code & _LIKE) > 0

    @property
    def wet(self) -> Bool:
        """Give water."""
        return (self.code & _WET) > 0


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
    code = np.where(state != Ground.UNKNOWN, _CLEAR, 0) | np.where(dry, _BARE, 0)
    code |= np.where(dry & alike.all(axis=0), _LIKE, 0) | np.where(state == Ground.WET, _WET, 0)
    return Likeness(code.astype(np.uint8))


def onward(
    footprint: Bool,
    bins: NDArray[np.uint8],
    looks: Iterable[Likeness],
    options: OnwardOptions | None = None,
) -> Float | None:
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
    float32 (H, W) or None
        Share of the looks at each pixel on which it is like the object, 0 off the part, which is
        where it is positive. None where there is none or it is the object's rim, where it
        goes on beyond the window (no fill is that large, but a shore is), where less other bed is
        bare than ``bed_pixels`` or half of the part, in the mean of the looks, or where that looks
        so too.
    """
    o = options or OnwardOptions()
    told = list(looks)
    part, votes, clear = _part(footprint, bins, told, o)
    n = int(np.count_nonzero(part))
    if len(told) < o.looks or _is_rim(part, footprint, bins, o) or _cut(part):
        return None
    other = _other_bed(footprint, part, bins)
    bare = sum(np.count_nonzero(k.bare & other) for k in told)
    if bare < len(told) * max(o.bed_pixels, n / 2):
        return None
    if sum(np.count_nonzero(k.like & other) for k in told) > o.like_bed * bare:
        return None
    return np.where(part, votes / np.maximum(clear, 1), 0).astype(np.float32)


def lasting_onward(
    footprint: Bool,
    bins: NDArray[np.uint8],
    looks: Sequence[Likeness],
    options: OnwardOptions | None = None,
) -> tuple[Float, slice] | None:
    """Find the part of an object where water was, as the last looks that proved it showed it.

    What ``newest`` looks in a row proved is not lost because later ones tell nothing: where the
    river rises no bed is bare, and where it falls on bed dries to the colour of much. It lasts
    until ``looks`` of them contradict it (:func:`contradicts`), and none between shows it. Only
    looks are asked, so that whoever asks the same ones hears the same, whatever was asked before.

    Parameters
    ----------
    looks : sequence of Likeness
        All looks at which the object was there, in the order of time; else as :func:`onward`.

    Returns
    -------
    (float32 (H, W), slice) or None
        The part (:func:`onward`), and which of the looks proved it.
    """
    o = options or OnwardOptions()
    # What no two looks of all show hanging together, none of fewer looks do.
    most, *_ = _part(footprint, bins, looks, o.model_copy(update={"share": _ANY}))
    for some in _windows(most, footprint, bins, looks, o):
        part = onward(footprint, bins, looks[some], o)
        if part is None:
            continue
        other = _other_bed(footprint, part > 0, bins)
        against = 0
        for look in looks[some.start :]:
            if contradicts(look, part > 0, other, o):
                against += 1
            elif _shows(look, part > 0):
                against = 0
        return (part, some) if against < o.looks else None
    return None


def _windows(
    most: Bool,
    footprint: Bool,
    bins: NDArray[np.uint8],
    looks: Sequence[Likeness],
    o: OnwardOptions,
) -> Iterator[slice]:
    """Give the looks in a row that may prove a part, the newest first: cheaper than to ask all."""
    near = np.asarray(ndimage.binary_dilation(footprint, np.ones((3, 3)), _RIM_PX), bool)
    always, apart = bins[most] >= N_BINS - 1, ~near[most]
    if min(np.count_nonzero(always), np.count_nonzero(apart)) < o.pixels:
        return
    none = np.zeros((1, always.size), np.int32)
    votes, clear = (
        np.concatenate([none, np.cumsum(rows, axis=0, dtype=np.int32)])
        for rows in ([k.like[most] for k in looks], [k.clear[most] for k in looks])
    )
    for end in range(len(looks), o.looks - 1, -1):
        start = max(0, end - o.newest)
        n = votes[end] - votes[start]
        like = (n >= o.looks) & (n >= o.share * (clear[end] - clear[start]))
        if min(np.count_nonzero(like & always), np.count_nonzero(like & apart)) >= o.pixels:
            yield slice(start, end)


def contradicts(look: Likeness, part: Bool, other: Bool, options: OnwardOptions) -> bool:
    """Tell whether a look speaks against a part that earlier ones proved.

    It does where most of the part is under water though ``other`` bed as deep (bool (H, W)) lies
    bare, or where the part is bare and most of that bed is like the object: then what was seen
    was bed that dried first. No where too little of either is seen.
    """
    clear = np.count_nonzero(look.clear & part)
    n = np.count_nonzero(part)
    bed = look.bare & other
    bare = np.count_nonzero(bed)
    if clear < _MOST * n or bare < max(options.bed_pixels, n / 2):
        return False
    if np.count_nonzero(look.wet & part) > _MOST * clear:
        return True
    dry = np.count_nonzero(look.bare & part) > _MOST * clear
    return bool(dry and np.count_nonzero(look.like & bed) > _MOST * bare)


def _shows(look: Likeness, part: Bool) -> bool:
    """Tell whether most of what is seen of a part is like the object."""
    return bool(
        np.count_nonzero(look.like & part) > _MOST * np.count_nonzero(look.clear & part) > 0
    )


def covered(
    footprint: Bool, part: Bool, bins: NDArray[np.uint8], looks: Iterable[tuple[Float, Bool]]
) -> Float:
    """Give how much of each pixel an object covers that goes on in the water.

    The mixed pixels of its rim are not like it, and SWIR of 20 m makes more of them; the visible
    bands of the same looks tell what share of them it covers
    (:func:`pipeline.detect.waterline.share_beside`).

    Parameters
    ----------
    part : bool (H, W)
        The part in the water (:func:`onward`).
    looks : iterable of (float32 (H, W), bool (H, W))
        The mean of the visible bands, and the pixels that are seen.

    Returns
    -------
    float32 (H, W)
        1 on the footprint, whose own edge is another detector's. Of the part and of the pixels up
        to two beside it where water was: the median over the looks; where none tells, 1 on the
        part. 0 elsewhere.
    """
    whole = footprint | part
    zone = (bins > 0) & (bins != UNSEEN) & ~footprint
    rim = np.asarray(ndimage.binary_dilation(part, np.ones((3, 3)), _RIM_PX), bool)
    share = middle_of([share_beside(bright, whole, clear) for bright, clear in looks])
    share = np.where(np.isfinite(share), share, part)
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
) -> tuple[Bool, NDArray[np.int32], NDArray[np.int32]]:
    """Give what is like an object and hangs together with it, with votes and clear looks."""
    zone = (bins > 0) & (bins != UNSEEN)  # was water now and then, or always
    votes, clear = np.zeros(bins.shape, np.int32), np.zeros(bins.shape, np.int32)
    for k in told:
        clear += k.clear
        votes += k.like
    like = zone & (votes >= o.looks) & (votes >= o.share * clear)
    return _hanging(like, footprint), votes, clear


def _is_rim(part: Bool, footprint: Bool, bins: NDArray[np.uint8], o: OnwardOptions) -> bool:
    """Tell a part that is none: an object's own edge, or ground that falls dry now and then."""
    near = np.asarray(ndimage.binary_dilation(footprint, np.ones((3, 3)), _RIM_PX), bool)
    always, n = np.count_nonzero(part & (bins >= N_BINS - 1)), np.count_nonzero(part)
    little = np.count_nonzero(part & ~near) < o.pixels
    return bool(little or always < max(o.pixels, o.always_water * n))


def _other_bed(footprint: Bool, part: Bool, bins: NDArray[np.uint8]) -> Bool:
    """Give the bed that a part is compared with: as deep as it, and apart from the object."""
    zone = (bins > 0) & (bins != UNSEEN)
    around = np.asarray(ndimage.binary_dilation(part | footprint, iterations=_APART_PX), bool)
    return zone & ~around & (bins >= np.percentile(bins[part], 25) - _AS_OFTEN)


def _hanging(like: Bool, footprint: Bool) -> Bool:
    """Give what hangs together with the footprint, without it."""
    labels = label(like | footprint)
    return like & ~footprint & np.isin(labels, np.unique(labels[footprint]))


def _cut(part: Bool) -> bool:
    """Tell what reaches the edge of its window."""
    return bool(part[[0, -1]].any() or part[:, [0, -1]].any())
