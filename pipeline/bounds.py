"""Sizes and places are checked before compiled code, which would read what lies beyond."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def of_one_shape(*arrays: NDArray[Any]) -> None:
    """Raise ``ValueError`` where arrays differ in shape."""
    shapes = {a.shape for a in arrays}
    if len(shapes) > 1:
        raise ValueError(f"arrays of different shapes: {', '.join(sorted(map(str, shapes)))}")


def within(at: NDArray[np.integer[Any]], size: int) -> None:
    """Raise ``ValueError`` where a place lies outside of so many."""
    if at.size and (int(at.min()) < 0 or int(at.max()) >= size):
        raise ValueError(f"a place beyond the {size} pixels that there are")
