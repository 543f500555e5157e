"""Blocks of the files of a sheet: which to read, and how; one that cannot be read refuses it."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.acquire.inbox.checks import Sheet
from pipeline.acquire.inbox.tiff import BROKEN, Header, opened, unreadable
from pipeline.grid import tiles_over
from pipeline.io.cog import BLOCK_PX
from pipeline.model import Window

_STEP = 4 * BLOCK_PX
_WIDEST = 100_000  # px of a file in strips that is read over its whole width


def windows(sheet: Sheet, shape: tuple[int, int]) -> Iterator[Window]:
    """Windows that decode each block about once; their corners are multiples of ``BLOCK_PX``."""
    strips = any(h.block[1] >= h.shape[1] for h in sheet.headers)
    if strips and shape[1] <= _WIDEST:
        for row in range(0, shape[0], BLOCK_PX):
            yield Window(row, min(row + BLOCK_PX, shape[0]), 0, shape[1])
        return
    grid = sheet.grid
    for tile in tiles_over(type(grid)(grid.crs, grid.transform, shape), _STEP, 0):
        yield tile.core


def parts(sheet: Sheet, window: Window) -> Iterator[tuple[Header, Window, tuple[slice, slice]]]:
    """Which windows of which files show a window of the sheet, and where in it."""
    t = sheet.grid.transform
    for header in sheet.headers:
        row = round((header.transform.f - t.f) / t.e)
        col = round((header.transform.c - t.c) / t.a)
        common = Window(row, row + header.shape[0], col, col + header.shape[1]).intersect(window)
        if common is not None:
            c = common
            yield (
                header,
                Window(c.row0 - row, c.row1 - row, c.col0 - col, c.col1 - col),
                (c.within(window)),
            )


def read(header: Header, window: Window, bands: tuple[int, ...]) -> NDArray[Any]:
    """Bands (band, H, W), 1-based, as they are stored."""
    with _named(header), opened(header.path) as source:
        return np.asarray(source.read(list(bands), window=_ranges(window)))


def read_mask(header: Header, window: Window) -> NDArray[np.bool_]:
    """Where the file's own mask shows something (H, W)."""
    with _named(header), opened(header.path) as source:
        return np.asarray(source.dataset_mask(window=_ranges(window))) > 0


def _ranges(window: Window) -> tuple[tuple[int, int], tuple[int, int]]:
    return (window.row0, window.row1), (window.col0, window.col1)


@contextmanager
def _named(header: Header) -> Generator[None]:
    """Refuse a file of which a block cannot be read."""
    try:
        yield
    except BROKEN as error:
        raise unreadable(header.name, error) from error
