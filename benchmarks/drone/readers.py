"""Flights held in memory, read as a mosaic on disk would be."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.model import FlightPixels, Window
from pipeline.prepare.flight_cells import cells_of
from sample_scenes.drone_pair import Flight


@dataclass(frozen=True)
class ArrayReader:
    """Colour uint8 (band, H, W) and maybe a height (H, W), outside nothing."""

    colour: NDArray[np.uint8]
    height: NDArray[np.float32] | None

    @staticmethod
    def of(flight: Flight, surface: bool = True) -> ArrayReader:
        """Give the reader of a simulated flight."""
        return ArrayReader(flight.colour, flight.height if surface else None)

    def __call__(self, window: Window, step: int) -> FlightPixels:
        """Read a window; means of ``step`` by ``step`` pixels."""
        pixels = self._full(window)
        if step == 1:
            return pixels
        cells = cells_of(pixels, step, 1.0)
        colour = np.clip(np.rint(cells.colour * 255), 0, 255).astype(np.uint8)
        return FlightPixels(colour, cells.valid, cells.height)

    def _full(self, window: Window) -> FlightPixels:
        shape = self.colour.shape[1], self.colour.shape[2]
        inside = window.intersect(Window(0, shape[0], 0, shape[1]))
        if inside == window:
            r, c = window.slices
            height = None if self.height is None else self.height[r, c]
            return FlightPixels(self.colour[:, r, c], np.ones(window.shape, bool), height)
        colour = np.zeros((self.colour.shape[0], *window.shape), np.uint8)
        valid = np.zeros(window.shape, bool)
        height = None if self.height is None else np.full(window.shape, np.nan, np.float32)
        if inside is not None:
            here = inside.within(window)
            r, c = inside.slices
            colour[:, here[0], here[1]] = self.colour[:, r, c]
            valid[here] = True
            if height is not None and self.height is not None:
                height[here] = self.height[r, c]
        return FlightPixels(colour, valid, height)


@dataclass(frozen=True)
class MirroredReader:
    """A flight laid out ``tiles`` by ``tiles`` times, mirrored at its edges: it has no seams.

    Nothing but the one flight is held, whatever the size.
    """

    flight: ArrayReader
    tiles: int

    def __call__(self, window: Window, step: int) -> FlightPixels:
        """Read a window; means of ``step`` by ``step`` pixels, some rows at a time."""
        high = 256 * step
        if step > 1 and window.shape[0] > high:
            tops = range(window.row0, window.row1, high)
            strips = [
                self(Window(r, min(r + high, window.row1), window.col0, window.col1), step)
                for r in tops
            ]
            heights = [s.height for s in strips if s.height is not None]
            return FlightPixels(
                np.concatenate([s.colour for s in strips], axis=1),
                np.concatenate([s.valid for s in strips]),
                np.concatenate(heights) if heights else None,
            )
        side = self.flight.colour.shape[1]
        rows = _mirrored(np.arange(window.row0, window.row1), side)
        cols = _mirrored(np.arange(window.col0, window.col1), side)
        most = side * self.tiles
        inside = np.outer(
            *((a >= 0) & (a < most) for a in (np.arange(window.row0, window.row1),
                                              np.arange(window.col0, window.col1)))
        )  # fmt: skip
        colour = self.flight.colour.take(rows, axis=1).take(cols, axis=2)
        height = self.flight.height
        surface = None
        if height is not None:
            surface = height.take(rows, axis=0).take(cols, axis=1)
            if not inside.all():
                surface[~inside] = np.nan
        pixels = FlightPixels(colour, inside, surface)
        if step == 1:
            return pixels
        cells = cells_of(pixels, step, 1.0)
        mean = np.clip(np.rint(cells.colour * 255), 0, 255).astype(np.uint8)
        return FlightPixels(mean, cells.valid, cells.height)


def _mirrored(place: NDArray[np.int64], side: int) -> NDArray[np.int64]:
    within = np.mod(place, 2 * side)
    return np.where(within < side, within, 2 * side - 1 - within)
