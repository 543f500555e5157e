"""Objects so large that they are measured on coarser cells: a window holds a bounded number."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pipeline.detect.surface_body import without_holes
from pipeline.detect.surface_change import ChangedCells, SurfacePair
from pipeline.detect.surface_types import FlightObject
from pipeline.model import Cover, SurfaceNoise, Window

_STRIP = 256  # rows of cells that are read at a time
_MOST_CELLS = 4 << 20
"""Cells of a window that an object is measured in; of 0.2 m those of 400 m by 400 m."""


@dataclass(frozen=True)
class Coarse:
    """How many cells along a side are taken as one, for a window that is too large."""

    by: int

    @staticmethod
    def of(window: Window) -> Coarse:
        """Choose the finest cells with which a window is small enough."""
        return Coarse(max(1, math.ceil(math.sqrt(math.prod(window.shape) / _MOST_CELLS))))

    def window(self, window: Window) -> Window:
        """Give the coarse cells that a window touches."""
        b = self.by
        return Window(
            window.row0 // b, -(-window.row1 // b), window.col0 // b, -(-window.col1 // b)
        )

    def found(self, found: ChangedCells) -> ChangedCells:
        """Give the coarse cells of an object."""
        rows, cols = found.rows // self.by, found.cols // self.by
        _, first = np.unique(rows.astype(np.int64) << 32 | cols, return_index=True)
        return replace(
            found,
            rows=rows[first],
            cols=cols[first],
            seed=found.seed[first],
            fill=found.fill[first],
        )

    def noise(self, noise: SurfaceNoise) -> SurfaceNoise:
        """Give the noise for coarse cells; what is known of it is of fine ones."""
        return replace(noise, cells=noise.cells * self.by)

    def pair(self, read: Callable[[Window], SurfacePair], window: Window) -> SurfacePair:
        """Read a window of coarse cells, some rows at a time."""
        b, (rows, cols) = self.by, window.shape
        heights = [np.full((rows, cols), np.nan, np.float32) for _ in range(2)]
        covers = (np.zeros((rows, cols), np.uint8), np.zeros((rows, cols), np.uint8))
        share = np.zeros((rows, cols), np.float32)
        each, cell_m = max(1, _STRIP // b), 0.0
        for top in range(0, rows, each):
            bottom = min(top + each, rows)
            strip = read(
                Window(
                    (window.row0 + top) * b, (window.row0 + bottom) * b,
                    window.col0 * b, window.col1 * b,
                )
            )  # fmt: skip
            cell_m = strip.cell_m * b
            for out, fine in zip(heights, (strip.before, strip.after), strict=True):
                out[top:bottom] = _means(fine, b)
            for cover, codes in zip(covers, strip.covers, strict=True):
                cover[top:bottom] = _most(codes, b)
            share[top:bottom] = _share(strip, b)
        # Gaps within are filled from beside; beyond a frame's or a picture's edge there is nothing.
        share[without_holes(share >= 1)] = 1
        return SurfacePair(window, cell_m, heights[0], heights[1], covers, share)

    def fine(self, found: FlightObject | None, shape: tuple[int, int]) -> FlightObject | None:
        """Give an object in fine cells again, row by row, of a grid (H, W) of them."""
        if found is None or self.by == 1:
            return found
        at = np.arange(self.by, dtype=np.int32)
        rows = (found.rows[:, None, None] * self.by + at[:, None] + 0 * at).ravel()
        cols = (found.cols[:, None, None] * self.by + 0 * at[:, None] + at).ravel()
        there = (rows < shape[0]) & (cols < shape[1])
        rows, cols = rows[there], cols[there]
        order = np.lexsort((cols, rows))
        return replace(found, rows=rows[order], cols=cols[order])


def _blocks(values: NDArray[np.generic], by: int) -> NDArray[np.generic]:
    """Give cells by row, column, and place in a coarse cell."""
    rows, cols = (n // by for n in values.shape)
    return values.reshape(rows, by, cols, by).transpose(0, 2, 1, 3).reshape(rows, cols, by * by)


def _share(fine: SurfacePair, by: int) -> NDArray[np.float32]:
    """Share of coarse cells of which both dates say something: a height, or water before."""
    before = np.isfinite(fine.before) | (fine.covers[0] == Cover.WATER)
    there = np.isfinite(fine.after) & before
    return np.asarray(_blocks(there, by).mean(axis=2), np.float32)


def _means(height: NDArray[np.float32], by: int) -> NDArray[np.float32]:
    """Mean heights of coarse cells of which more than half have one."""
    cells = np.asarray(_blocks(height, by), np.float32)
    known = np.isfinite(cells)
    count = known.sum(axis=2)
    base = np.nanmedian(height) if known.any() else np.float32(0)
    total = np.where(known, cells - base, np.float32(0)).sum(axis=2, dtype=np.float64)
    mean = (base + total / np.maximum(count, 1)).astype(np.float32)
    return np.where(2 * count > by * by, mean, np.float32(np.nan))


def _most(codes: NDArray[np.uint8], by: int) -> NDArray[np.uint8]:
    """Give what covers most of each coarse cell."""
    cells = _blocks(codes, by)
    counts = np.stack([(cells == code).sum(axis=2) for code in Cover])
    return np.asarray(np.array(list(Cover), np.uint8)[counts.argmax(axis=0)], np.uint8)
