"""Water that only looks new because a mat of plants lay on it when it was last looked at.

Water hyacinth covers still water for months and is dry ground with plants to every index. When it
drifts off, or is taken out, ground that history saw dry at high levels is water at a low one: a
pond in a bar, to a rule that takes each look of history for what it says. But ground that stands
higher than the water at one level does so at every lower one, and what floats does not: where it
lay, history saw water at lower levels than those at which it saw plants. And ground that the water
leaves is bare for weeks before it is green, while a mat drifts in overnight: that is told where the
river has fallen so fast that no lower level was seen.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from pipeline.model import Ground


class AfloatOptions(BaseModel):
    """From when on history says that what was dry floated; the numbers have no source."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    share: float = Field(
        default=0.3, gt=0, le=1, description="of pairs of a green and a wet look that contradict"
    )
    margin: float = Field(
        default=0.05, ge=0, le=0.3, description="uncertainty of the difference of two ranks"
    )
    looks: int = Field(
        default=3,
        ge=1,
        description="green looks, and wet ones, at half of the pixels or more: one pool that a "
        "flood left is no water under a mat",
    )
    sudden_days: float = Field(
        default=30.0,
        ge=1,
        le=60,
        description="what was water so long before it was green, and not bare between, did not "
        "grow there: ground that falls dry is bare for longer [d]",
    )
    sudden_share: float = Field(
        default=0.5,
        gt=0,
        le=1,
        description="of the looks at which it was no water that such plants must be",
    )


def floated(
    states: NDArray[np.uint8],
    ranks: NDArray[np.float32],
    days: NDArray[np.float64],
    options: AfloatOptions | None = None,
) -> bool:
    """Tell whether what history saw as ground floated, by its levels or by how soon it was green.

    Parameters
    ----------
    states : uint8 (T, N)
        Ground codes of an object's pixels on the looks before it, in time order.
    ranks : float32 (T,)
        Level of its reach on them; NaN leaves a look out.
    days : float64 (T,)
        Of the looks, since any fixed date.
    """
    o = options or AfloatOptions()
    levels = contradiction(states, ranks, o) >= o.share
    return levels or sudden_green(states, days, o) >= o.sudden_share


def sudden_green(
    states: NDArray[np.uint8], days: NDArray[np.float64], options: AfloatOptions | None = None
) -> float:
    """Give the share of the looks at no water that show plants which came over water, 0..1.

    Plants of a pixel came over water where the last clear look before the first of them is water,
    and ``sudden_days`` old at most. They stay that until the pixel is bare or water again. Reeds
    and meadows that a flood covers are green again at once: what was green before the water, and
    had not come over it, has roots. Parameters as of :func:`floated`.
    """
    o = options or AfloatOptions()
    n = states.shape[1]
    wet, when, afloat = np.zeros(n, bool), np.full(n, -np.inf), np.zeros(n, bool)
    rooted = np.zeros(n, bool)  # green when it was last no water
    came = solid = 0
    for state, day in zip(states, days, strict=True):
        known, green = state != Ground.UNKNOWN, state == Ground.GREEN
        drifted = wet & ~rooted & (day - when <= o.sudden_days)
        afloat = np.where(known, green & (afloat | drifted), afloat)
        rooted = np.where(known & (state != Ground.WET), green & ~afloat, rooted)
        came += int(np.count_nonzero(afloat & green))
        solid += int(np.count_nonzero(known & (state != Ground.WET)))
        wet = np.where(known, state == Ground.WET, wet)
        when = np.where(known, day, when)
    return came / solid if solid else 0.0


def contradiction(
    states: NDArray[np.uint8],
    ranks: NDArray[np.float32],
    options: AfloatOptions | None = None,
) -> float:
    """Give the share of pairs of looks that no height of the ground explains, 0..1.

    A pair is a look at which a pixel was green and one at which it was water; it contradicts where
    the level was clearly higher at the green one. Bare ground says nothing: what was dug and filled
    up again was bare, and mats are not.

    Parameters
    ----------
    states : uint8 (T, N)
        Ground codes of an object's pixels on the looks before it.
    ranks : float32 (T,)
        Level of its reach on them; NaN leaves a look out.
    """
    o = options or AfloatOptions()
    order = np.argsort(ranks, kind="stable")[: np.count_nonzero(np.isfinite(ranks))]
    ranks, states = ranks[order], states[order]
    wet, green = states == Ground.WET, states == Ground.GREEN
    if not wet.size or min(np.median(m.sum(axis=0)) for m in (wet, green)) < o.looks:
        return 0.0
    pairs = int((wet.sum(axis=0) * green.sum(axis=0)).sum())
    lower = np.searchsorted(ranks, ranks - np.float32(o.margin), side="right")
    below = np.concatenate([np.zeros((1, wet.shape[1]), np.int64), np.cumsum(wet, axis=0)])[lower]
    return float((green * below).sum() / pairs)
