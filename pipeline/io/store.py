"""The corridor store: every look of a corridor, packed, readable by any window.

Layout, below one folder per corridor and geometry::

    store.json                      the grid, the tile size, the version of this layout
    PASS_ID/TILE.blk                all bands of one tile of one pass
    PASS_ID/pass.json               written last: the fingerprint of what was read
    mask/KEY/PASS_ID/TILE.blk       clear-sky codes, KEY names all that this look's depend on
    state/KEY/PASS_ID/TILE.blk      ground states, likewise
    layers/NAME.json                what the last runs of a workflow used, see ``passes.layers``
    kept/                           small results of prepare and watch, see ``pipeline.io.vault``
    past/KEY/states/TILE.blk        the history of a quarter in two bits a look
    normal/KEY/normal/TILE.blk      its seasonal normal
    sky/, align/, ground/           references of prepare and codes between its sweeps

Layers of passes are reflectance times 10 000 (nodata -32768), or class codes. A band that is
coarser by a whole factor stays at its own resolution.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from pipeline.errors import ConfigurationError
from pipeline.grid import tiles_over
from pipeline.io.atomic import sync_files, write_bytes, write_json
from pipeline.io.blocks import (
    MARK_CHARS,
    DamagedBlockError,
    Layer,
    Packed,
    block_mark,
    damaged_in,
    encode,
    has_full_length,
    read_layer,
    read_layers,
)
from pipeline.io.burn import burn
from pipeline.io.unpack import Runs, coarser, mask_of, place, place_codes, place_scaled, runs_of
from pipeline.io.vault import Memory
from pipeline.model import Grid, Tile, Window

__all__ = [
    "LAYOUT",
    "NODATA",
    "SCALE",
    "CorridorStore",
    "DamagedBlockError",
    "Layer",
    "damaged_in",
    "known_grid",
    "open_store",
]

LAYOUT = 1
NODATA = -32768
SCALE = 10_000.0


@dataclass(frozen=True)
class CorridorStore:
    """One corridor's packed looks on disk.

    Parameters
    ----------
    root
        Folder of this store.
    grid
        Of the finest band; its shape is a multiple of ``ALIGN``.
    tile_px
        Side of a tile [px]; a multiple of ``ALIGN``.
    stored
        Geometry in the grid's CRS whose pixels are kept (the corridor with its context).
    """

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

    def __reduce__(self) -> tuple[Any, ...]:
        # What workers elsewhere need; masks and tiles are made there once, and not once a sweep.
        return _shared, (self.root, self.grid, self.tile_px, self.stored.wkb)

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

    @staticmethod
    def tile_name(tile: Tile) -> str:
        """Give the file stem of a tile."""
        return f"{tile.core.row0}_{tile.core.col0}"

    def block_path(self, folder: str, tile: Tile) -> Path:
        """Give the path of a block; ``folder`` is a pass id or ``mask/KEY/PASS_ID``."""
        return self.root / folder / f"{self.tile_name(tile)}.blk"

    def written(self, folder: str) -> frozenset[str]:
        """Give the names (:meth:`tile_name`) of the blocks that a folder holds; none without it."""
        try:
            names = os.listdir(self.root / folder)  # noqa: PTH208 - a Path a block costs ten times it
        except FileNotFoundError:
            return frozenset()
        return frozenset(n.removesuffix(".blk") for n in names if n.endswith(".blk"))

    @cached_property
    def _marks(self) -> dict[str, str]:
        return {}  # of folders that have all blocks: their checksums, one after the other

    @cached_property
    def results(self) -> Memory:
        """Small results that planning a run has read already; who needs one takes it."""
        return {}

    @cached_property
    def _whole(self) -> set[str]:
        return set()

    def marks(self, folder: str, tiles: Sequence[Tile]) -> list[str]:
        """Give the checksums that the blocks of a folder carry, "" for those that are not there.

        A folder that has all its blocks is read once: it is named by what they hold, and several
        steps of a run ask for the checksums of thousands of them.
        """
        whole = len(tiles) == len(self.all_tiles)
        if whole and (known := self._marks.get(folder)):
            return [known[i : i + MARK_CHARS] for i in range(0, len(known), MARK_CHARS)]
        start = f"{self.root}/{folder}/"
        found = [block_mark(f"{start}{self.tile_name(t)}.blk") for t in tiles]
        if whole and all(len(mark) == MARK_CHARS for mark in found):
            self._marks[folder] = "".join(found)
        return found

    def look_again(self) -> None:
        """Forget what is remembered of blocks: some are damaged or were dropped."""
        self._marks.clear()
        self._whole.clear()

    def describe(self) -> None:
        """Write ``store.json``."""
        write_json(
            self.root / "store.json",
            {
                "layout": LAYOUT,
                "crs": self.grid.crs,
                "transform": list(self.grid.transform)[:6],
                "shape": list(self.grid.shape),
                "tile_px": self.tile_px,
            },
        )

    def cut_short(self, folder: str) -> list[Path]:
        """Give the blocks of a folder that are missing or, by their first bytes, not complete.

        A folder in which there were none is not looked at twice.
        """
        if folder in self._whole:
            return []
        start = f"{self.root}/{folder}/"
        blocks = (f"{start}{self.tile_name(tile)}.blk" for tile in self.all_tiles)
        found = [Path(block) for block in blocks if not has_full_length(block)]
        if not found:
            self._whole.add(folder)
        return found

    def derived(self, block: Path) -> bool:
        """Tell whether a block was made from pixels of the store, and not read from a scene."""
        return len(block.relative_to(self.root).parts) > 2

    def forget(self, block: Path) -> None:
        """Drop a damaged block and whatever says that it is whole."""
        self.look_again()
        block.unlink(missing_ok=True)
        (block.parent / "pass.json").unlink(missing_ok=True)

    def pack(self, values: Packed, tile: Tile, factor: int) -> Layer:
        """Keep the stored pixels of a dense array over a tile's core."""
        return Layer(values[self.kept(tile.core, factor)], factor)

    def write(
        self, folder: str, tile: Tile, layers: Mapping[str, Layer], durable: bool = True
    ) -> None:
        """Write a block, whole or not at all; ``durable=False`` for what can be made again."""
        write_bytes(self.block_path(folder, tile), encode(layers), durable=durable)
        self._marks.pop(folder, None)

    def fingerprint(self, pass_id: str) -> str | None:
        """Give what the pass was gathered from, or None if it was not finished.

        Raises
        ------
        DamagedBlockError
            What was noted of it cannot be read.
        """
        path = self.note_path(pass_id)
        return str(_noted(path)["fingerprint"]) if path.exists() else None

    def note_path(self, pass_id: str) -> Path:
        """Give the file that says what a pass was gathered from."""
        return self.root / pass_id / "pass.json"

    def is_noted(self, pass_id: str) -> bool:
        """Tell whether the pass was finished, and what was noted then can be read."""
        try:
            return self.fingerprint(pass_id) is not None
        except DamagedBlockError:
            return False

    def note(self, pass_id: str) -> dict[str, Any]:
        """Give what was noted when the pass was gathered; errors as of :meth:`fingerprint`."""
        return dict(_noted(self.note_path(pass_id))["note"])

    def finish(self, pass_id: str, fingerprint: str, note: Mapping[str, Any]) -> None:
        """Declare a pass gathered, with a note of what was found, once its blocks are on disk.

        What a run that was killed left half-written beside them goes.
        """
        folder = self.note_path(pass_id).parent
        if folder.is_dir():
            for leftover in folder.glob(".*.partial"):
                leftover.unlink(missing_ok=True)
            sync_files(folder)
        write_json(self.note_path(pass_id), {"fingerprint": fingerprint, "note": dict(note)})

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


@lru_cache(maxsize=4)
def _shared(root: Path, grid: Grid, tile_px: int, stored: bytes) -> CorridorStore:
    """Give the store that whatever came from another process shares in this one."""
    return CorridorStore(root, grid, tile_px, shapely.from_wkb(stored))


def _coarse(window: Window, factor: int) -> Window:
    return Window(
        window.row0 // factor,
        -(-window.row1 // factor),
        window.col0 // factor,
        -(-window.col1 // factor),
    )


def _noted(path: Path) -> dict[str, Any]:
    content, noted = path.read_bytes(), dict[str, Any]()
    try:
        noted = json.loads(content)
        # What every reader asks of it.
        whole = isinstance(noted["fingerprint"], str) and isinstance(noted["note"], dict)
    except (ValueError, KeyError, TypeError):
        whole = False
    if not whole:
        raise DamagedBlockError(f"{path} is damaged", path)
    return noted


def known_grid(root: Path) -> tuple[Grid, int] | None:
    """Give grid and tile size [px] of a store; None where there is none of this layout.

    Raises
    ------
    ConfigurationError
        ``store.json`` cannot be understood. The grid is that of the first scene there ever was, so
        that another one might lay old pixels elsewhere: it is not guessed.
    """
    path = root / "store.json"
    if not path.exists():
        return None
    content = path.read_bytes()
    try:
        known = json.loads(content)
        if known["layout"] != LAYOUT:
            return None
        rows, cols = known["shape"]
        grid = Grid(str(known["crs"]), Affine(*known["transform"]), (int(rows), int(cols)))
        return grid, int(known["tile_px"])
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(
            f"{path} is damaged, which says where the pixels of that store lie",
            f"Put it back from a backup, or delete the folder {root} and run again: scenes are "
            "read again, and cases stay in the ledger",
        ) from error


def open_store(root: Path, grid: Grid, tile_px: int, stored: BaseGeometry) -> CorridorStore:
    """Open or create the store of a corridor.

    The grid of an existing store wins, so that a new scene never moves old pixels.
    """
    known = known_grid(root)
    if known is not None:
        return CorridorStore(root, *known, stored)
    store = CorridorStore(root, grid, tile_px, stored)
    store.describe()
    return store
