"""Any window of a corridor store, unpacked from the blocks that it touches."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.io.blocks import (
    NODATA,
    SCALE,
    DamagedBlockError,
    Layer,
    Packed,
    read_layer,
    read_layers,
)
from pipeline.io.runs import Runs
from pipeline.io.store_tiles import StoreTiles
from pipeline.io.unpack import place, place_codes, place_scaled
from pipeline.model import Tile, Window


@dataclass(frozen=True)
class StoreWindows(StoreTiles):
    """What a store holds, as images."""

    def dense(self, folder: str, band: str, window: Window) -> tuple[Packed, int]:
        """Unpack one layer over any window.

        Returns
        -------
        values : int16, or float32 for references
            Over ``window`` divided by the factor (the window is widened to whole coarse pixels:
            its first coarse pixel holds the window's first pixel); NODATA, or NaN, where nothing is
            stored.
        factor : int
        """
        found, factor = self._found(folder, band, window)
        coarse = _coarse(window, factor)
        floating = bool(found) and found[0][1].values.dtype == np.float32
        out = np.full(
            coarse.shape, np.nan if floating else NODATA, np.float32 if floating else np.int16
        )
        for layer, runs, part, corner in self._parts(found, coarse, factor):
            place(layer.values, runs, part, out, corner)
        return out, factor

    def reflectance(
        self,
        folder: str,
        band: str,
        window: Window,
        margin: int = 0,
        blank: float = float("nan"),
    ) -> tuple[NDArray[np.float32], int]:
        """Unpack as :meth:`dense`, divided by ``SCALE``: float32, ``blank`` without data.

        A band that is coarser than the grid comes with ``margin`` pixels of the grid around.
        """
        padded = window.pad(margin)
        found, factor = self._found(folder, band, padded)
        coarse = _coarse(padded if factor > 1 else window, factor)
        out = np.full(coarse.shape, blank, np.float32)
        for layer, runs, part, corner in self._parts(found, coarse, factor):
            place_scaled(layer.values, runs, part, out, corner, (NODATA, SCALE, blank))  # type: ignore[arg-type]
        return out, factor

    def reflectances(
        self, folder: str, names: Sequence[str], window: Window, blank: float = float("nan")
    ) -> NDArray[np.float32]:
        """Unpack several layers of the grid's own pixels as :meth:`reflectance`, (L, H, W).

        Raises
        ------
        DamagedBlockError
            As of :meth:`packed`.
        """
        out = np.full((len(names), *window.shape), blank, np.float32)
        for tile in self.touched(window):
            path = f"{self.root}/{folder}/{self.tile_name(tile)}.blk"
            layers = read_layers(path, names)
            if layers is None:
                raise DamagedBlockError(f"{path} is missing", Path(path))
            common = tile.core.intersect(window)
            assert common is not None  # the window touches it
            corner = (common.row0 - window.row0, common.col0 - window.col0)
            where = (self._runs_at(tile.core, 1), common.within(tile.core))
            for values, layer in zip(out, layers, strict=True):
                if layer is not None:
                    place_scaled(layer.values, *where, values, corner, (NODATA, SCALE, blank))  # type: ignore[arg-type]
        return out

    def codes(
        self, folder: str, band: str, window: Window, blank: int = 0
    ) -> tuple[NDArray[np.uint8], int]:
        """Unpack as :meth:`dense`, as bytes: uint8, ``blank`` without data."""
        found, factor = self._found(folder, band, window)
        coarse = _coarse(window, factor)
        out = np.full(coarse.shape, blank, np.uint8)
        for layer, runs, part, corner in self._parts(found, coarse, factor):
            place_codes(layer.values, runs, part, out, corner, NODATA)  # type: ignore[arg-type]
        return out, factor

    def _found(
        self, folder: str, band: str, window: Window
    ) -> tuple[list[tuple[Tile, Layer]], int]:
        """Give the layers that a window touches, and their factor."""
        factor = 1
        found: list[tuple[Tile, Layer]] = []
        for tile in self.touched(window):
            layer = self.packed(folder, band, tile)
            if layer is not None:
                found.append((tile, layer))
                factor = layer.factor
        return found, factor

    def packed(self, folder: str, band: str, tile: Tile) -> Layer | None:
        """Give one layer of a tile as it is kept: its stored pixels, row-major; None without it.

        What looks at nothing but the pixel itself needs no image of it.

        Raises
        ------
        DamagedBlockError
            Also where a block is missing of what was made from a pass: of that every tile has one,
            and a gap is no missing data.
        """
        path = f"{self.root}/{folder}/{self.tile_name(tile)}.blk"
        layer = read_layer(path, band)
        if layer is None and "/" in folder and not Path(path).exists():
            raise DamagedBlockError(f"{path} is missing", Path(path))
        return layer

    def _parts(
        self, found: list[tuple[Tile, Layer]], coarse: Window, factor: int
    ) -> Generator[tuple[Layer, Runs, tuple[slice, slice], tuple[int, int]]]:
        """Give layers, where their pixels lie, their part of a window, and the place of that."""
        for tile, layer in found:
            core = _coarse(tile.core, factor)
            common = core.intersect(coarse)
            if common is not None:
                corner = (common.row0 - coarse.row0, common.col0 - coarse.col0)
                yield layer, self._runs_at(tile.core, factor), common.within(core), corner


def _coarse(window: Window, factor: int) -> Window:
    return Window(
        window.row0 // factor,
        -(-window.row1 // factor),
        window.col0 // factor,
        -(-window.col1 // factor),
    )
