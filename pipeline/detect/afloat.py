"""Water that only looks new because a mat of plants lay on it when it was last looked at.

Water hyacinth covers still water for months and is dry ground with plants to every index. When it
drifts off, or is taken out, ground that history saw dry at high levels is water at a low one: a
pond in a bar, to a rule that takes each look of history for what it says. But ground that stands
higher than the water at one level does so at every lower one, and what floats does not: where it
lay, history saw water at lower levels than those at which it saw plants.
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
