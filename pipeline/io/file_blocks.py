"""Which blocks of a raster file hold pixels that are wanted."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from pipeline.model import Window


def wanted_parts(
    whole: Window, keep: NDArray[np.bool_], corner: tuple[int, int], block: tuple[int, int]
) -> list[Window]:
    """Cut a window of a file to its blocks that hold wanted pixels; neighbours together.

    Parameters
    ----------
    whole
        Of the file's pixels, all of it inside the file.
    keep : bool
        Pixels that are wanted.
    corner
        Row and column of its first pixel in the file; ``whole`` may begin within it.
    block
        Rows and columns of a block.
    """
    rows, cols = block
    out: list[Window] = []
    for top in range(whole.row0 // rows * rows, whole.row1, rows):
        r0, r1 = max(top, whole.row0), min(top + rows, whole.row1)
        last: Window | None = None
        for left in range(whole.col0 // cols * cols, whole.col1, cols):
            c0, c1 = max(left, whole.col0), min(left + cols, whole.col1)
            part = keep[r0 - corner[0] : r1 - corner[0], c0 - corner[1] : c1 - corner[1]]
            if not part.any():
                last = None
                continue
            if last is not None:
                out.pop()
            last = Window(r0, r1, c0 if last is None else last.col0, c1)
            out.append(last)
    # Where every block is wanted one read fetches them side by side.
    wanted = sum(w.shape[0] * w.shape[1] for w in out)
    return [whole] if wanted == whole.shape[0] * whole.shape[1] else out


def blocks_of(parts: Iterable[Window], block: tuple[int, int]) -> set[tuple[int, int]]:
    """Give row and column of the blocks that windows of a file touch."""
    rows, cols = block
    return {
        (r, c)
        for p in parts
        for r in range(p.row0 // rows, -(-p.row1 // rows))
        for c in range(p.col0 // cols, -(-p.col1 // cols))
    }
