"""Pieces of a bridge by one another: new strips that lie in one line, with water between them.

Where water is narrow, or falls dry for half of the year, no deck can be made out over it at 10 m.
What stands on its banks can: two ramps that point to each other, or a ramp and a pier.
Distances are pixels of 10 m; of other grids they are so many pixels and not so many metres.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.detect.objects import Shape
from pipeline.detect.water_frequency import UNSEEN

Points = NDArray[np.float64]

GAP_PX = 36.0
"""How far apart pieces may lie: as far as a deck is looked for (:mod:`pipeline.detect.decks`)."""

STEP_PX = 0.5
FARTHEST = int(GAP_PX / STEP_PX)
"""So many points of :func:`gap` are that far."""

_ELONGATION = 1.75  # of a piece, from which it points somewhere; SWIR blurs a short one
_ALONG = 0.94  # cosine between its axis and the way to the other: 20 degrees
_ASIDE_PX = 2.5  # from the line through both middles, within which a piece lies
_LEAST_PX = 3.0  # of water between them: less is a ditch
_SHARE = 0.5  # of the way between them that was water
_OFTEN = 8  # of 32 bins: water on a quarter of the looks; a paddy, or one flood, is less


def points(shape: Shape, width_px: float) -> bool:
    """Tell a piece that is as narrow as a deck or a road and points somewhere."""
    return shape.width_px <= width_px and shape.elongation >= _ELONGATION


def faces(pixels: Points, shape: Shape, other: Points) -> bool:
    """Tell whether a piece lies along the line to the middle of another, and points there.

    ``pixels`` (N, 2) are the row and column of its own; ``other`` (2,) is that middle.
    """
    middle = pixels.mean(axis=0)
    way = other - middle
    length = float(np.hypot(*way))
    if length <= 0:
        return False
    way = way / length
    if abs(float(way @ np.asarray(shape.axis))) < _ALONG:
        return False
    aside = np.abs((pixels - middle) @ np.array([-way[1], way[0]]))
    return bool(aside.max() <= _ASIDE_PX)


def gap(first: Points, second: Points) -> Points:
    """Give the points, (K, 2), half a pixel apart, on the line between two pieces, without both."""
    a, b = first.mean(axis=0), second.mean(axis=0)
    way = (b - a) / np.hypot(*(b - a))
    begin, end = float(((first - a) @ way).max()), float(((second - a) @ way).min())
    at = np.arange(begin + 1, end, STEP_PX)
    return a + at[:, None] * way


def over_water(codes: NDArray[np.uint8]) -> bool:
    """Tell whether the way between two pieces leads over what history often saw as water.

    ``codes`` (K,), at the points of :func:`gap`, are those of
    :func:`pipeline.detect.water_frequency.frequency_bins`.
    """
    wet = np.count_nonzero((codes >= _OFTEN) & (codes != UNSEEN))
    return bool(wet >= max(_LEAST_PX / STEP_PX, _SHARE * len(codes)))
