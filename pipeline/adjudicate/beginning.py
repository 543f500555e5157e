"""Which dates of a track show the object, and not ground beside it that was bare before it came.

A field lies bare, and weeks later its corner is built upon: both are sighted, share pixels, and are
one track. The field is no sighting of the object; when the object appeared is told by its own.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field


class BeginOptions(BaseModel):
    """Which first dates of a track are of ground beside the object."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    own: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="shared pixels over the smaller of two dates from which they show the same",
    )
    ahead: int = Field(
        default=3, ge=1, le=20, description="later dates of which one must show the same"
    )
    most: int = Field(
        default=2,
        ge=0,
        le=20,
        description="dates that may be of ground beside; what was sighted more often is a finding",
    )


def begins(dates: Sequence[NDArray[np.int64]], options: BeginOptions) -> int:
    """Give the index of the first date that shows the object.

    A date shows it if one of the next dates that do shares half with it: so does what grows,
    shrinks or moves on a little with every date, and one odd date among them is no break. What was
    sighted on three dates was a finding of its own, and of the newest dates nobody knows yet:
    neither is set apart, so that nothing which a run told for itself is unsaid by a later one.

    Parameters
    ----------
    dates : sequence of (n,) int64
        Pixels of each date, sorted and distinct, in time order.
    """
    shows = [True] * len(dates)
    for i in reversed(range(min(options.most, len(dates) - options.ahead))):
        later = [j for j in range(i + 1, i + 1 + options.ahead) if shows[j]]
        shows[i] = any(_shared(dates[i], dates[j]) >= options.own for j in later)
    return next((i for i, own in enumerate(shows) if own), 0)


def _shared(one: NDArray[np.int64], other: NDArray[np.int64]) -> float:
    both = np.intersect1d(one, other, assume_unique=True).size
    return both / min(one.size, other.size)
