"""Which levels stand alone: what the looks before and after say of a level."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta

APART = 0.5
"""Share of all ranks from which a level is unlike another; without a source."""

NEAR = timedelta(days=30)
"""Looks farther apart than this say nothing of each other's level; without a source."""


def stand_alone(times: Sequence[datetime], ranks: Sequence[float | None]) -> tuple[bool, ...]:
    """Tell which levels lie half of the ranks above both neighbours, or below both.

    A short flood does that, and so does a look that was misread (a cloud that passed for land,
    glint for water, a strip of another date). The imagery does not tell which, so that such a level
    is to be said as not known.

    Parameters
    ----------
    times : datetime
        UTC, ascending.
    ranks : float or None
        0..1 of one reach; None where nothing is known of a look, which is passed over.
    """
    out = [False] * len(times)
    held = [(i, r) for i, r in enumerate(ranks) if r is not None and not math.isnan(r)]
    for (a, before), (i, rank), (b, after) in zip(held, held[1:], held[2:], strict=False):
        near = times[i] - times[a] <= NEAR and times[b] - times[i] <= NEAR
        lower = min(before, after) - rank >= APART
        higher = rank - max(before, after) >= APART
        out[i] = near and (lower or higher)
    return tuple(out)
