"""Counting the true pixels around each pixel of a mask."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def around(mask: NDArray[np.bool_]) -> NDArray[np.int8]:
    """Count in a 3x3 neighbourhood, itself included."""
    wide = np.pad(mask.astype(np.int8), 1)
    rows = wide[:-2] + wide[1:-1] + wide[2:]
    return np.asarray(rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:], np.int8)


def count(mask: NDArray[np.bool_], side: int = 5) -> NDArray[np.int16]:
    """Count in a square around, in integers: a running sum of floats would know its tile."""
    (h, w), half = mask.shape, side // 2
    wide = np.pad(mask.astype(np.int16), half)
    rows = wide[:h].copy()
    for k in range(1, side):
        rows += wide[k : h + k]
    out = rows[:, :w].copy()
    for k in range(1, side):
        out += rows[:, k : w + k]
    return out
