"""Codes of the clear-sky mask."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray


class Sky(IntEnum):
    """What hides a pixel (uint8 code); ``CLEAR`` and ``RESCUED`` are both clear."""

    CLEAR = 0
    NODATA = 1
    CLOUD = 2
    SHADOW = 3
    CIRRUS = 4  # or haze
    RESCUED = 5  # flagged, and given back as bright surface or turbid water
    SNOW = 6


def is_clear(codes: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Say where the ground was seen; any shape."""
    return (codes == Sky.CLEAR) | (codes == Sky.RESCUED)
