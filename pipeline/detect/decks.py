"""A deck over the water: what a ramp goes on as once its bridge stands.

A ramp of a bridge is new ground like any other, and is told from a heap or a yard by the deck that
leads away from it: a narrow strip, on both sides of it water that was always there, and water
itself until now. A bridge that has stood for long explains nothing that is new beside it.
Distances are pixels of 10 m; of other grids they are so many pixels and not so many metres.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.detect.disturb_options import DisturbOptions
from pipeline.detect.medians import middle_of
from pipeline.detect.water_frequency import N_BINS

Bool = NDArray[np.bool_]
Float = NDArray[np.float32]
Points = NDArray[np.float64]

_RAY_PX = 36  # how far from an object a strip over water is looked for
_RAYS = 64  # directions; a deck of some pixels leaves a ray of half as many within its length
_FLANK_PX = 3.0  # a strip has water this far on both sides
_STRIP_PX = 8  # and is at least so long
_STRIP_SHARE = 0.7  # of the way over the water on which it is seen
_WET_FLANK = 0.1  # water score of open water beside it
_CONTRAST = 0.15  # by which the strip is less water than that, and than before it was there
_STARTS = 96  # pixels near the water from which a strip is looked for, at most
_NEAR_PX = 5  # from water that was always there: the shore between is mixed, or falls dry
_ASIDE_PX = (-2.0, -1.0, 0.0, 1.0, 2.0)  # from an object's middle, across the ray
_RAMP_PX = 2.5  # from the line of a strip, in which its ramp lies
_RAMP_SHARE = 1 / 3  # of the object that must lie there, where its edge is near the water
_LANDING_SHARE = 0.6  # and where only its middle points to the strip: squares up to some 80 m
_EXACT_PX = 1e-6  # of rounding


def goes_out(
    mask: Bool,
    looks: Sequence[Float],
    bins: NDArray[np.uint8],
    options: DisturbOptions | None = None,
    before: Callable[[], Float] | None = None,
) -> bool:
    """Tell whether a new strip goes out from an object over water, in the median of its looks.

    A bridge grows from its banks for months, and its first ramp is older than its deck: of the
    newest looks alone the strip may be whole.

    Parameters
    ----------
    mask : bool (H, W)
        The object.
    looks : sequence of float32 (H, W)
        Water scores since it was first seen, in time order, at least one; NaN unknown.
    bins : uint8 (H, W)
        How often history saw water (:func:`pipeline.detect.water_frequency.frequency_bins`).
    before : callable, optional
        Gives the median water score, float32 (H, W), of the looks before; NaN unknown. It is asked
        only where a strip is found. Where it is unknown, a strip counts as new.
    """
    newest = looks[-(options or DisturbOptions()).deck_looks :]
    every = [looks] if len(newest) == len(looks) else [looks, newest]
    rays = _rays(mask, bins)
    if not rays.over.any():
        return False
    found = [m for m in map(middle_of, every) if _strip_on(rays, m)]
    if not found or before is None:
        return bool(found)
    was = before()
    return any(_strip_on(rays, m, was) for m in found)


def strip_over(mask: Bool, water: Float, bins: NDArray[np.uint8], was: Float | None = None) -> bool:
    """Tell whether a narrow strip leads from an object out over water: a bridge, a pier.

    Rays from its middle, and from its pixels near the water: where they cross water on both flanks,
    3 pixels to each side, the ray itself is clearly less water, and than it was before, for 8
    pixels or more. A deck narrower than two pixels is neither dry nor water on one look, so several
    looks are needed; an old one is so on every look of its history too. Most of a landing
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
        How often history saw water (:func:`pipeline.detect.water_frequency.frequency_bins`).
    was : float32 (H, W), optional
        Median water score of the looks before; where it is NaN, a strip counts as new.
    """
    return _strip_on(_rays(mask, bins), water, was)


@dataclass(frozen=True)
class _Rays:
    """Ways out from an object, K of N points each, (2, K, N): row and column.

    ``over`` (K, N): between what was always water, and on what is no old land.
    """

    lines: Points
    left: Points
    right: Points
    over: Bool


def _rays(mask: Bool, bins: NDArray[np.uint8]) -> _Rays:
    """Draw the rays on whose line enough of an object lies, and that go out far enough over water.

    Of their flanks it is asked what was water, and not of the ray: a deck of some quarters is in
    its history.
    """
    ashore = bins != N_BINS - 1  # a bar that low water uncovers is a strip as well
    # Not the surroundings of old land: a sluice spans an inlet of nine pixels.
    no_deck = mask | (bins == 0)
    angles = np.arange(_RAYS) * 2 * np.pi / _RAYS
    along = np.stack([np.sin(angles), np.cos(angles)])
    across = along[::-1] * np.array([[1.0], [-1.0]])
    start, ray = _starts(mask, mask & _near(~ashore), across)
    lines = start[:, :, None] + along[:, ray, None] * np.arange(1, _RAY_PX)
    flank = across[:, ray, None] * _FLANK_PX
    over = ~_at(ashore, lines + flank, True) & ~_at(ashore, lines - flank, True)
    over &= ~_at(no_deck, lines, False)
    far = np.count_nonzero(over, axis=1) >= _STRIP_PX
    lines, flank = lines[:, far], flank[:, far]
    return _Rays(lines, lines + flank, lines - flank, over[far])


def _starts(mask: Bool, at_water: Bool, across: Points) -> tuple[Points, NDArray[np.intp]]:
    """Give where rays begin (2, K), and which direction of ``across`` each has (K,).

    They begin beside the middle, and at pixels ``at_water``. How far the object lies from the lines
    of a direction is sorted once for all of them.
    """
    own = np.stack(np.nonzero(mask)).astype(np.float64)
    edge = np.stack(np.nonzero(at_water)).astype(np.float64)
    edge = edge[:, :: max(1, -(-edge.shape[1] // _STARTS))]
    middle = own.mean(axis=1, keepdims=True)
    shares = np.array([_LANDING_SHARE] * len(_ASIDE_PX) + [_RAMP_SHARE] * edge.shape[1])
    starts, rays = list[Points](), list[NDArray[np.intp]]()
    for k, side in enumerate(across.T):
        offsets = np.sort(side @ own)
        begin = np.hstack([middle + np.outer(side, _ASIDE_PX), edge])
        at = side @ begin
        low = np.searchsorted(offsets, at - _RAMP_PX - _EXACT_PX)
        high = np.searchsorted(offsets, at + _RAMP_PX + _EXACT_PX)
        on = high - low >= shares * own.shape[1]
        starts.append(begin[:, on])
        rays.append(np.full(np.count_nonzero(on), k))
    return np.hstack(starts), np.concatenate(rays)


def _strip_on(rays: _Rays, water: Float, was: Float | None = None) -> bool:
    """Tell whether one of the rays is less water than its flanks, and than it was before."""
    middle, left, right = (_at(water, x, np.nan) for x in (rays.lines, rays.left, rays.right))
    with np.errstate(invalid="ignore"):
        between = rays.over & (left > _WET_FLANK) & (right > _WET_FLANK) & np.isfinite(middle)
        deck = between & (middle < np.fmin(left, right) - _CONTRAST)
        if was is not None:
            deck &= ~(middle >= _at(was, rays.lines, np.nan) - _CONTRAST)
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
