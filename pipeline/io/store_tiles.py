"""Which pixels a corridor store keeps, and in which tile's block each of them lies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from threading import Lock

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from pipeline.grid import tiles_over
from pipeline.io.burn import burn
from pipeline.io.runs import Runs, coarser, mask_of, runs_of
from pipeline.model import Grid, Tile, Window


@dataclass(frozen=True)
class StoreTiles:
    """The tiles of a store; parameters as of :class:`pipeline.io.store.CorridorStore`."""

    root: Path
    grid: Grid
    tile_px: int
    stored: BaseGeometry
    chosen: tuple[Tile, ...] | None = None  # of its tiles, what a sweep is about; None: all

    @property
    def tiles(self) -> tuple[Tile, ...]:
        """Tiles (without halo) that hold stored pixels, row-major; those chosen of them."""
        return self.all_tiles if self.chosen is None else self.chosen

    @cached_property
    def all_tiles(self) -> tuple[Tile, ...]:
        """All tiles (without halo) that hold stored pixels, row-major."""
        every = list(tiles_over(self.grid, self.tile_px, 0))
        if self.stored.geom_type in ("Polygon", "MultiPolygon") and self.stored.is_valid:
            # The box of a river that winds has many tiles, and few that it touches.
            around = [self.grid.sub(t.core.pad(1)).bounds for t in every]
            near = shapely.intersects(self.stored, shapely.box(*np.array(around).T))
            every = [t for t, touched in zip(every, near, strict=True) if touched]
        return tuple(t for t in every if self._runs_at(t.core, 1).begin.size)

    @cached_property
    def _runs_at(self) -> Callable[[Window, int], Runs]:
        # All of them, some 5 kB a kilometre: each sweep asks for all in turn, so that a cache which
        # does not hold them all holds none when it is asked. Masks would be twenty times that.
        return lru_cache(maxsize=None)(self._burn_runs)

    @cached_property
    def _one_at_a_time(self) -> Lock:
        return Lock()

    def _burn_runs(self, window: Window, factor: int) -> Runs:
        """Burn the outline; give the runs of stored pixels."""
        if factor == 1:
            return runs_of(burn(self.stored, self.grid.sub(window)))
        return coarser(self._runs_at(window, 1), window.shape, factor)

    def kept(self, window: Window, factor: int = 1) -> NDArray[np.bool_]:
        """Give the mask of stored pixels of a tile's core at ``factor``, the caller's own."""
        rows, cols = window.shape
        return mask_of(self.runs(window, factor), (rows // factor, cols // factor))

    def runs(self, window: Window, factor: int = 1) -> Runs:
        """Give the mask of :meth:`kept` as runs."""
        with self._one_at_a_time:  # readers of all bands ask for the same runs at the same time
            return self._runs_at(window, factor)

    def touched(self, window: Window) -> list[Tile]:
        """Give the tiles with stored pixels that a window touches, row-major."""
        n = self.tile_px
        places = self._places
        return [
            places[row, col]
            for row in range(window.row0 // n, -(-window.row1 // n))
            for col in range(window.col0 // n, -(-window.col1 // n))
            if (row, col) in places
        ]

    @cached_property
    def _places(self) -> dict[tuple[int, int], Tile]:
        n = self.tile_px
        return {(t.core.row0 // n, t.core.col0 // n): t for t in self.all_tiles}

    @staticmethod
    def tile_name(tile: Tile) -> str:
        """Give the file stem of a tile."""
        return f"{tile.core.row0}_{tile.core.col0}"

    def block_path(self, folder: str, tile: Tile) -> Path:
        """Give the path of a block; ``folder`` is a pass id or ``mask/KEY/PASS_ID``."""
        return self.root / folder / f"{self.tile_name(tile)}.blk"
