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
    past/KEY/apart-KEY/TILE.blk     what of it hangs together with no channel, of a river
    normal/KEY/normal/TILE.blk      its seasonal normal
    sky/, align/, ground/           references of prepare and codes between its sweeps

Layers of passes are reflectance times 10 000 (nodata -32768), or class codes. A band that is
coarser by a whole factor stays at its own resolution.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import shapely
from shapely.geometry.base import BaseGeometry

from pipeline.io.atomic import sync_files, write_bytes, write_json
from pipeline.io.blocks import (
    MARK_CHARS,
    DamagedBlockError,
    Layer,
    Packed,
    block_mark,
    has_full_length,
    pieces,
)
from pipeline.io.store_grid import describe_grid, known_grid
from pipeline.io.store_windows import StoreWindows
from pipeline.io.vault import Memory
from pipeline.model import Grid, Tile


@dataclass(frozen=True)
class CorridorStore(StoreWindows):
    """One corridor's packed looks on disk.

    Parameters
    ----------
    root
        Folder of this store.
    grid
        Of the finest band; its shape is a multiple of 64 px, and so of every band's factor.
    tile_px
        Side of a tile [px]; a multiple of 64.
    stored
        Geometry in the grid's CRS whose pixels are kept (the corridor with its context).
    """

    def __reduce__(self) -> tuple[Any, ...]:
        # What workers elsewhere need; masks and tiles are made there once, and not once a sweep.
        return _shared, (self.root, self.grid, self.tile_px, self.stored.wkb, self.chosen)

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
        write_bytes(self.block_path(folder, tile), *pieces(layers), durable=durable)
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


@lru_cache(maxsize=4)
def _shared(
    root: Path, grid: Grid, tile_px: int, stored: bytes, chosen: tuple[Tile, ...] | None
) -> CorridorStore:
    """Give the store that whatever came from another process shares in this one."""
    return CorridorStore(root, grid, tile_px, shapely.from_wkb(stored), chosen)


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


def open_store(root: Path, grid: Grid, tile_px: int, stored: BaseGeometry) -> CorridorStore:
    """Open or create the store of a corridor.

    The grid of an existing store wins, so that a new scene never moves old pixels.
    """
    known = known_grid(root)
    if known is not None:
        return CorridorStore(root, *known, stored)
    describe_grid(root, grid, tile_px)
    return CorridorStore(root, grid, tile_px, stored)
