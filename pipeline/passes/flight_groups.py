"""Many objects of a pair: which are read together, and which lie in another's window."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.detect.surface_change import ChangedCells
from pipeline.model import Window
from pipeline.passes.flight_large import Coarse
from pipeline.passes.flight_windows import Windows

A = TypeVar("A")
B = TypeVar("B")


def by_groups(
    work: Windows,
    windows: Sequence[Window],
    read: Callable[[Window], A],
    do: Callable[[A, Sequence[int]], list[B]],
) -> list[B]:
    """Do something for many windows, those of near objects together where that reads less.

    It is done in one thread while another reads ahead: two that take many small steps hold each
    other up by Python's lock, and need more time together than one alone.

    Parameters
    ----------
    windows : sequence of Window
        What each object needs, in cells.
    read : callable
        Given a window that holds those of some objects.
    do : callable
        Given what was read, and the indices of those objects: what each gives.

    Returns
    -------
    list
        One for each window, in their order.
    """
    side = work.options.tile_cells
    tiles_: dict[tuple[int, int], list[int]] = {}
    for i, w in enumerate(windows):
        middle = ((w.row0 + w.row1) // 2 // side, (w.col0 + w.col1) // 2 // side)
        tiles_.setdefault(middle, []).append(i)
    groups: list[tuple[Window, list[int]]] = []
    for _, own in sorted(tiles_.items()):
        hull = Window.around([windows[i] for i in own])
        if _area(hull) <= sum(_area(windows[i]) for i in own):
            groups.append((hull, own))
        else:
            groups += [(windows[i], [i]) for i in own]
    done: dict[int, B] = {}
    shown = work.ahead(read, [hull for hull, _ in groups])
    for (_, own), one in zip(groups, shown, strict=True):
        done.update(zip(own, do(one, own), strict=True))
    return [done[i] for i in range(len(windows))]


def _area(window: Window) -> int:
    rows, cols = window.shape
    return rows * cols


def others_within(
    found: Sequence[ChangedCells],
    boxes: NDArray[np.int64],
    index: int,
    window: Window,
    by: int = 1,
) -> NDArray[np.bool_]:
    """Mask the cells of a window that belong to other objects, of which ``boxes`` are known.

    ``by`` is how many cells along a side are one of the mask.
    """
    own = Coarse(by).window(window)
    others = np.zeros(own.shape, bool)
    top, bottom, left, right = boxes.T
    near = (
        (top < window.row1) & (bottom > window.row0) & (left < window.col1) & (right > window.col0)
    )
    for k in map(int, np.flatnonzero(near)):
        if k != index:
            other = found[k]
            inside = (
                (other.rows >= window.row0) & (other.rows < window.row1)
                & (other.cols >= window.col0) & (other.cols < window.col1)
            )  # fmt: skip
            rows, cols = other.rows[inside] // by, other.cols[inside] // by
            others[rows - own.row0, cols - own.col0] = True
    return others


def boxes_of(found: Sequence[ChangedCells]) -> NDArray[np.int64]:
    """Give the first and last but one row and column of each object, (N, 4)."""
    rows = [(int(f.rows.min()), int(f.rows.max()) + 1) for f in found]
    cols = [(int(f.cols.min()), int(f.cols.max()) + 1) for f in found]
    return np.array([(*r, *c) for r, c in zip(rows, cols, strict=True)], np.int64).reshape(-1, 4)


def window_of(found: ChangedCells) -> Window:
    """Give the least window that holds an object."""
    return Window(
        int(found.rows.min()), int(found.rows.max()) + 1,
        int(found.cols.min()), int(found.cols.max()) + 1,
    )  # fmt: skip
