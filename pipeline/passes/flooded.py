"""How much of a corridor's cropland lies under water on a look: rain and irrigation, not pits."""

from __future__ import annotations

from collections import Counter
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from pipeline.config import GroundOptions
from pipeline.detect.look_surface import Surface
from pipeline.model import Ground, Window
from pipeline.passes.ground import Sparse

_SQUARE_PX, _SQUARE_FIELDS = 64, 50  # squares in which cropland is counted, and the least of it
_ONE_POND = 2  # squares that a pond lies in at most, but for one at a corner

Flooded: TypeAlias = Counter[tuple[int, int, bool]]  # square and water: pixels of cropland


def count_fields(surface: Surface, fields: NDArray[np.bool_], places: Sparse) -> Flooded:
    """Count cropland seen, and of that what is under water, by square.

    Surface and ``fields`` are of one row; ``places`` are the row and column in the grid of each of
    its pixels.
    """
    # What the level of the reach explains is no flooded field.
    expected = surface.land & surface.dry & (surface.reach > 0)
    seen = fields & expected & (surface.state != Ground.UNKNOWN)
    under = (surface.state == Ground.WET)[seen]
    rows, cols = (each[seen[0]] for each in places)
    # Row, column and water as one number: rows of arrays are sorted ten times as slowly.
    row, col = rows.astype(np.int64) // _SQUARE_PX, cols // _SQUARE_PX
    each, counts = np.unique(row << 32 | col << 1 | under, return_counts=True)
    keys = ((n >> 32, (n & 0xFFFFFFFF) >> 1, bool(n & 1)) for n in each.tolist())
    return Counter(dict(zip(keys, counts.tolist(), strict=True)))


def fields_flooded(counts: Flooded, options: GroundOptions, own: Window | None = None) -> bool:
    """Tell whether so many of the squares that hold cropland have some of it under water.

    Rain and irrigation flood fields all over a region; a pit of hectares floods the fields that it
    was dug in, and must not explain itself, nor a second pit. Where few squares hold cropland two
    of them are a fifth of all, and one pond at their border is enough for that: three must be
    flooded, or half of all.

    Parameters
    ----------
    counts : Counter of (row, column, under water)
        Pixels of cropland by square (:func:`count_fields`), all tiles added up.
    own : Window, optional
        Box of the object that asks: its squares and their neighbours have no say, unless there are
        no others.
    """
    squares = {(r, c) for r, c, _ in counts}
    seen = {s: counts[(*s, False)] + counts[(*s, True)] for s in squares}
    held = [s for s in squares if seen[s] >= _SQUARE_FIELDS]
    held = [s for s in held if own is None or not _beside(s, own)] or held
    wet = sum(counts[(*s, True)] >= options.flooded_square * seen[s] for s in held)
    least = max(1, min(_ONE_POND + 1, (len(held) + 1) // 2))
    return wet >= max(least, options.flooded_fields * len(held))


def _beside(square: tuple[int, int], own: Window) -> bool:
    """Tell whether a square is one of those of a box, or next to one."""
    row, col = square
    rows = own.row0 // _SQUARE_PX - 1 <= row <= (own.row1 - 1) // _SQUARE_PX + 1
    return rows and own.col0 // _SQUARE_PX - 1 <= col <= (own.col1 - 1) // _SQUARE_PX + 1
