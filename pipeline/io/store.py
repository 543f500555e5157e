"""The corridor store: every look of a corridor, packed, readable by any window.

Layout, below one folder per corridor and geometry::

    store.json                      the grid, the tile size, the version of this layout
    PASS_ID/TILE.blk                all bands of one tile of one pass
    PASS_ID/pass.json               written last: the fingerprint of what was read
    mask/KEY/PASS_ID/TILE.blk       clear-sky codes, KEY names the inputs and options they depend on

A block holds, per band, the stored pixels of its tile in row-major order as int16: reflectance
times 10 000 (nodata -32768), or class codes. A band that is coarser by a whole factor stays at its
own resolution. Blocks are compressed by bitshuffle and LZ4 and carry a CRC-32.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine
from numcodecs.blosc import Blosc
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from pipeline.grid import tiles_over
from pipeline.io.atomic import write_bytes, write_json
from pipeline.io.burn import burn
from pipeline.model import Grid, Tile, Window

LAYOUT = 1
NODATA = -32768
SCALE = 10_000.0
_MAGIC = b"SLB1"


class DamagedBlockError(ValueError):
    """A block whose bytes do not fit its checksum; it can be made again."""

    def __init__(self, what: str, path: Path | None = None) -> None:
        super().__init__(what)
        self.path = path


@dataclass(frozen=True, slots=True)
class Layer:
    """One packed band of one block: ``values`` are the stored pixels at ``factor`` of the grid."""

    values: NDArray[np.int16]
    factor: int


def encode(layers: Mapping[str, Layer]) -> bytes:
    """Serialise a block."""
    codec = Blosc(cname="lz4", clevel=5, shuffle=Blosc.BITSHUFFLE)
    parts = {name: codec.encode(layer.values) for name, layer in sorted(layers.items())}
    head = {
        name: [len(part), int(layers[name].values.size), layers[name].factor]
        for name, part in parts.items()
    }
    body = json.dumps(head).encode() + b"\n" + b"".join(parts.values())
    return _MAGIC + struct.pack("<I", zlib.crc32(body)) + body


def decode(blob: bytes, names: Sequence[str]) -> dict[str, Layer]:
    """Read some layers of a block; names it does not hold are left out.

    Raises
    ------
    DamagedBlockError
        Truncated or altered.
    """
    body = blob[8:]
    if len(blob) < 8 or blob[:4] != _MAGIC or struct.unpack("<I", blob[4:8])[0] != zlib.crc32(body):
        raise DamagedBlockError("checksum")
    line, _, rest = body.partition(b"\n")
    head: dict[str, list[int]] = json.loads(line)
    out: dict[str, Layer] = {}
    at = 0
    codec = Blosc()
    for name, (length, size, factor) in head.items():
        if name in names:
            raw = codec.decode(rest[at : at + length])
            values = np.frombuffer(raw, dtype=np.int16, count=size)
            out[name] = Layer(values, factor)
        at += length
    return out


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

    @cached_property
    def tiles(self) -> tuple[Tile, ...]:
        """Tiles (without halo) that hold stored pixels, row-major."""
        return tuple(t for t in tiles_over(self.grid, self.tile_px, 0) if self.kept(t.core).any())

    @lru_cache(maxsize=256)  # noqa: B019 - one store lives as long as its run
    def kept(self, window: Window, factor: int = 1) -> NDArray[np.bool_]:
        """Give the mask of stored pixels of a tile's core at ``factor``."""
        fine = burn(self.stored, self.grid.sub(window))
        if factor == 1:
            return fine
        rows, cols = fine.shape
        view = fine.reshape(rows // factor, factor, cols // factor, factor)
        return np.asarray(view.any(axis=(1, 3)), dtype=bool)

    @staticmethod
    def tile_name(tile: Tile) -> str:
        """Give the file stem of a tile."""
        return f"{tile.core.row0}_{tile.core.col0}"

    def block_path(self, folder: str, tile: Tile) -> Path:
        """Give the path of a block; ``folder`` is a pass id or ``mask/KEY/PASS_ID``."""
        return self.root / folder / f"{self.tile_name(tile)}.blk"

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

    def forget(self, block: Path) -> None:
        """Drop a damaged block and whatever says that it is whole."""
        block.unlink(missing_ok=True)
        (block.parent / "pass.json").unlink(missing_ok=True)

    def pack(self, values: NDArray[np.int16], tile: Tile, factor: int) -> Layer:
        """Keep the stored pixels of a dense array over a tile's core."""
        return Layer(values[self.kept(tile.core, factor)], factor)

    def write(self, folder: str, tile: Tile, layers: Mapping[str, Layer]) -> None:
        """Write a block, whole or not at all."""
        write_bytes(self.block_path(folder, tile), encode(layers))

    def fingerprint(self, pass_id: str) -> str | None:
        """Give what the pass was gathered from, or None if it was not finished."""
        path = self.root / pass_id / "pass.json"
        if not path.exists():
            return None
        return str(json.loads(path.read_text(encoding="utf-8"))["fingerprint"])

    def note(self, pass_id: str) -> dict[str, Any]:
        """Give what was noted when the pass was gathered."""
        path = self.root / pass_id / "pass.json"
        return dict(json.loads(path.read_text(encoding="utf-8"))["note"])

    def finish(self, pass_id: str, fingerprint: str, note: Mapping[str, Any]) -> None:
        """Declare a pass gathered, with a note of what was found."""
        write_json(
            self.root / pass_id / "pass.json", {"fingerprint": fingerprint, "note": dict(note)}
        )

    def dense(self, folder: str, band: str, window: Window) -> tuple[NDArray[np.int16], int]:
        """Unpack one layer over any window.

        Returns
        -------
        values : int16
            Over ``window`` divided by the factor (the window is widened to whole coarse pixels:
            its first coarse pixel holds the window's first pixel); NODATA where nothing is stored.
        factor : int
        """
        factor = 1
        found: list[tuple[Tile, Layer]] = []
        for tile in self.tiles:
            if tile.core.intersect(window) is None:
                continue
            path = self.block_path(folder, tile)
            if not path.exists():
                continue
            layer = _decode_cached(str(path), path.stat().st_mtime_ns).get(band)
            if layer is not None:
                found.append((tile, layer))
                factor = layer.factor
        coarse = _coarse(window, factor)
        out = np.full(coarse.shape, NODATA, dtype=np.int16)
        for tile, layer in found:
            core = _coarse(tile.core, factor)
            common = core.intersect(coarse)
            if common is None:
                continue
            kept = self.kept(tile.core, factor)
            full = np.full(kept.shape, NODATA, dtype=np.int16)
            full[kept] = layer.values
            out[common.within(coarse)] = full[common.within(core)]
        return out, factor


@lru_cache(maxsize=512)
def _decode_cached(path: str, mtime_ns: int) -> dict[str, Layer]:
    del mtime_ns  # part of the key only: a rewritten block is read again
    blob = Path(path).read_bytes()
    line = blob[8:].partition(b"\n")[0]
    try:
        return decode(blob, list(json.loads(line)))
    except ValueError as error:
        raise DamagedBlockError(f"{path} is damaged", Path(path)) from error


def _coarse(window: Window, factor: int) -> Window:
    return Window(
        window.row0 // factor,
        -(-window.row1 // factor),
        window.col0 // factor,
        -(-window.col1 // factor),
    )


def open_store(root: Path, grid: Grid, tile_px: int, stored: BaseGeometry) -> CorridorStore:
    """Open or create the store of a corridor.

    The grid of an existing store wins, so that a new scene never moves old pixels.
    """
    path = root / "store.json"
    if path.exists():
        known = json.loads(path.read_text(encoding="utf-8"))
        if known["layout"] == LAYOUT:
            old = Grid(known["crs"], Affine(*known["transform"]), tuple(known["shape"]))
            return CorridorStore(root, old, int(known["tile_px"]), stored)
    store = CorridorStore(root, grid, tile_px, stored)
    store.describe()
    return store
