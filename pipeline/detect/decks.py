"""A deck over the water: what a ramp goes on as once its bridge stands.

A ramp of a bridge is new ground like any other, and is told from a heap or a yard by the deck that
leads away from it: a narrow strip, on both sides of it water that was always there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.detect.disturb import DisturbOptions
from pipeline.detect.level import N_BINS
from pipeline.detect.medians import middle_of

Bool = NDArray[np.bool_]
Float = NDArray[np.float32]
Points = NDArray[np.float64]

_RAY_PX = 36  # how far from an object a strip over water is looked for
_RAYS = 64  # directions; a deck of some pixels leaves a ray of half as many within its length
_FLANK_PX = 3.0  # a strip has water this far on both sides
_STRIP_PX = 8  # and is at least so long
_STRIP_SHARE = 0.7  # of the way over the water on which it is seen
_WET_FLANK = 0.1  # water score of open water beside it
_CONTRAST = 0.15  # by which the strip is less water than that
_STARTS = 96  # pixels near the water from which a strip is looked for, at most
_NEAR_PX = 5  # from water that was always there: the shore between is mixed, or falls dry
_ASIDE_PX = (-2.0, -1.0, 0.0, 1.0, 2.0)  # from an object's middle, across the ray
_RAMP_PX = 2.5  # from the line of a strip, in which its ramp lies
_RAMP_SHARE = 1 / 3  # of the object that must lie there, where its edge is near the water
_LANDING_SHARE = 0.6  # and where only its middle points to the strip: no wider than some 80 m


def goes_out(
    mask: Bool,
    looks: Sequence[Float],
    bins: NDArray[np.uint8],
    options: DisturbOptions | None = None,
) -> bool:
    """Tell whether a strip goes out from an object over water, in the median of its looks.

    A bridge grows from its banks for months, and its first ramp is older than its deck: of the
    newest looks alone the strip may be whole.

    Parameters
    ----------
    mask : bool (H, W)
        The object.
    looks : sequence of float32 (H, W)
        Water scores since it was first seen, in time order, at least one; NaN unknown.
    bins : uint8 (H, W)
        How often history saw water (:func:`pipeline.detect.level.frequency_bins`).
    """
    newest = looks[-(options or DisturbOptions()).deck_looks :]
    every = [looks] if len(newest) == len(looks) else [looks, newest]
    return any(strip_over(mask, middle_of(some), bins) for some in every)


def strip_over(mask: Bool, water: Float, bins: NDArray[np.uint8]) -> bool:
    """Tell whether a narrow strip leads from an object out over water: a bridge, a pier.

    Rays from its middle, and from its pixels near the water: where they cross water on both flanks,
    30 m to each side, the ray itself is clearly less water, for 80 m or more. A deck narrower than
    two pixels is neither dry nor water on one look, so several looks are needed. Most of a landing
    lies on the line of its deck; of a field or a yard that a bridge is near, less does. A ramp that
    hangs together with bare shore has its middle elsewhere; the shore has no part in a line that
    only a third of the object lies on. What history never saw under water is no deck: a dike, a
    spit, a pier that has stood for long. Between a ramp and the water lies ground that falls dry
    now and then, where nothing is asked.

    Parameters
    ----------
    mask : bool (H, W)
        The object.
    water : float32 (H, W)
        Median water score of the looks since it was first seen; NaN unknown.
    bins : uint8 (H, W)
        How often history saw water (:func:`pipeline.detect.level.frequency_bins`).
    """
    ashore = bins != N_BINS - 1  # a bar that low water uncovers is a strip as well
    # Not the surroundings of old land: a sluice spans an inlet of nine pixels.
    no_deck = mask | (bins == 0)
    own = np.stack(np.nonzero(mask)).astype(np.float64)
    at_water = np.stack(np.nonzero(mask & _near(~ashore))).astype(np.float64)
    some = at_water[:, :: max(1, -(-at_water.shape[1] // _STARTS))]
    angles = np.arange(_RAYS) * 2 * np.pi / _RAYS
    along = np.stack([np.sin(angles), np.cos(angles)])
    across = along[::-1] * np.array([[1.0], [-1.0]])
    middle = own.mean(axis=1, keepdims=True)
    image = (no_deck, water, ashore)

    def leads(start: Points, share: float) -> bool:
        """Ask the rays from (2, 1) or (2, K) starts on whose line so much of the object lies."""
        at = np.broadcast_to(start, along.shape)
        beside = np.abs((across * at).sum(axis=0)[:, None] - across.T @ own)
        on = np.count_nonzero(beside <= _RAMP_PX, axis=1) >= own.shape[1] * share
        return on.any() and _strip_along(image, at[:, on], along[:, on], across[:, on])

    return any(leads(middle + k * across, _LANDING_SHARE) for k in _ASIDE_PX) or any(
        leads(start, _RAMP_SHARE) for start in some.T[:, :, None]
    )


def _strip_along(
    image: tuple[Bool, Float, Bool], start: Points, along: Points, across: Points
) -> bool:
    """Follow rays (starts, steps and flanks, (2, K) each) out between what was always water.

    Of its flanks that is asked, and not of the ray: a deck of some quarters is in its history.
    ``image``: what is no deck, the water score, and what was ever ashore.
    """
    no_deck, water, ashore = image
    lines = start[:, :, None] + along[:, :, None] * np.arange(1, _RAY_PX)
    flank = across[:, :, None] * _FLANK_PX
    over = ~_at(ashore, lines + flank, True) & ~_at(ashore, lines - flank, True)
    over &= ~_at(no_deck, lines, False)
    if not (np.count_nonzero(over, axis=1) >= _STRIP_PX).any():
        return False
    middle, left, right = (_at(water, x, np.nan) for x in (lines, lines + flank, lines - flank))
    with np.errstate(invalid="ignore"):
        between = over & (left > _WET_FLANK) & (right > _WET_FLANK) & np.isfinite(middle)
        deck = between & (middle < np.fmin(left, right) - _CONTRAST)
    seen, of = (np.count_nonzero(x, axis=1) for x in (deck, between))
    return bool((seen >= np.maximum(_STRIP_PX, _STRIP_SHARE * of)).any())


def _near(mask: Bool) -> Bool:
    side = 2 * _NEAR_PX + 1
    return np.asarray(ndimage.maximum_filter(mask, side, mode="constant"), bool)


def _at(field: NDArray[Any], points: Points, outside: object) -> NDArray[Any]:
    """Sample a field at points (2, K, N), row and column; ``outside`` where they leave it."""
    r, c = np.rint(points).astype(np.intp)
    ok = (r >= 0) & (r < field.shape[0]) & (c >= 0) & (c < field.shape[1])
    out = np.full(r.shape, outside, field.dtype)
    out[ok] = field[r[ok], c[ok]]
    return out
