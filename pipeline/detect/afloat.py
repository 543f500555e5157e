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

from pipeline.detect.level import History


class AfloatOptions(BaseModel):
    """From when on history says that what was dry floated; the number has no source."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    share: float = Field(
        default=0.3, gt=0, le=1, description="of pairs of a dry and a wet look that contradict"
    )
    margin: float = Field(
        default=0.05, ge=0, le=0.3, description="uncertainty of the difference of two ranks"
    )


def contradiction(
    history: History, footprint: NDArray[np.bool_], options: AfloatOptions | None = None
) -> float:
    """Give the share of pairs of looks that no height of the ground explains, 0..1.

    A pair is a look at which a pixel was dry and one at which it was water; it contradicts where
    the level was clearly higher at the dry one.

    Parameters
    ----------
    history
        Of the window, without the object's own looks.
    footprint : bool (H, W)
        The object. Pixels that were always water, or never, have no pair.
    """
    o = options or AfloatOptions()
    wet = history.wet[:, footprint].astype(np.int64)
    dry = history.dry[:, footprint].astype(np.int64)
    pairs = int((wet.sum(axis=0) * dry.sum(axis=0)).sum())
    if not pairs:
        return 0.0
    lower = np.searchsorted(history.ranks, history.ranks - np.float32(o.margin), side="right")
    below = np.concatenate([np.zeros_like(wet[:1]), np.cumsum(wet, axis=0)])[lower]
    return float((dry * below).sum() / pairs)
