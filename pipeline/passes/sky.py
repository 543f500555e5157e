"""What the sweeps of the clear-sky mask read and write, and how their layers are named.

Every layer lies in the store under a name made of what it depends on: options, the stored pixels of
passes, and the *checksums* of the layers before it. So a new look that changes no code of another
look makes nothing again but its own, and no result depends on what was kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.grid import box_of_mask
from pipeline.io.blocks import NODATA, Layer
from pipeline.io.looks import LookReader
from pipeline.io.store import CorridorStore
from pipeline.io.unpack import codes_of, holds_any
from pipeline.io.vault import content_key
from pipeline.model import DateQuality, Pass, Tile, Window
from pipeline.passes.gather import fingerprint
from pipeline.prepare.mask import MaskOptions, Sky
from pipeline.prepare.maskoptions import Sun

LOW, USUAL = ("blue_low", "hot_low"), ("nir", "green")


def source_of(store: CorridorStore, p: Pass) -> list[object]:
    """Give all that the stored pixels of a pass depend on."""
    return [p.id, fingerprint(p), store.note(p.id)]


def mark_of(store: CorridorStore, folder: str) -> str:
    """Name the content of a folder of blocks by the checksums that they carry."""
    return content_key(store.marks(folder, store.tiles))


@dataclass(frozen=True)
class Looked:
    """What the sweeps must know of one pass; folders are named as the sweeps go on."""

    pass_id: str
    sun: Sun | None
    source: str  # names its stored pixels, its offset and its sun
    raw: str = ""
    hint: str = ""
    code: str = ""
    mask: str = ""


@dataclass(frozen=True)
class Turn:
    """One calendar quarter of a group of passes."""

    own: tuple[Looked, ...]
    reference: tuple[Looked, ...]
    around: tuple[Looked, ...]
    low: str = ""  # folder of the dark history
    usual: str = ""  # folder of the usual brightness


@dataclass(frozen=True)
class SkySpec:
    """One group of passes with the same bands; small, frozen, and read from disk where it works."""

    store: CorridorStore
    bands: tuple[str, ...]
    classes: bool  # the producer's classes are there
    offsets: Mapping[str, DateQuality]
    options: MaskOptions

    @property
    def reader(self) -> LookReader:
        """Reader of reflectance as it is compared: on one scale, not yet shifted."""
        return LookReader(self.store, self.offsets)

    def date(
        self, look: Looked, window: Window, bands: Sequence[str] | None = None
    ) -> dict[str, NDArray[np.float32]]:
        """Bands of one date."""
        return {b: self.reader.band(look.pass_id, b, window) for b in bands or self.bands}

    def stored_date(self, look: Looked, tile: Tile) -> dict[str, NDArray[np.float32]]:
        """Bands of one date at the stored pixels of a tile's core, each float32 (1, N)."""
        return {b: self.reader.stored(look.pass_id, b, tile)[None] for b in self.bands}

    def stored_scl(self, look: Looked, tile: Tile) -> NDArray[np.uint8]:
        """Classes of one date likewise, uint8 (1, N); for passes that have them."""
        return LookReader(self.store).stored_codes(look.pass_id, "scl", tile)[None]

    def scl(self, look: Looked, window: Window) -> NDArray[np.uint8] | None:
        """Classes of one date."""
        if not self.classes:
            return None
        return LookReader(self.store).codes(look.pass_id, "scl", window)

    def wide(self, part: Window, radius: int) -> Window:
        """Give a part of the grid with a margin, inside the grid."""
        window = part.pad(radius).intersect(self.store.grid.window)
        assert window is not None
        return window

    def references(
        self, folder: str, names: Sequence[str], window: Window
    ) -> list[NDArray[np.float32]]:
        """Give reference layers over a window."""
        return [self.reader.reference(folder, n, window) for n in names]

    def stored_reference(self, folder: str, name: str, tile: Tile) -> NDArray[np.float32]:
        """Give a reference layer at the stored pixels of a tile's core, float32 (1, N)."""
        layer = self.store.packed(folder, name, tile)
        assert layer is not None  # made before it is looked at
        return layer.values.astype(np.float32, copy=False)[None]

    def box_of(
        self, folder: str, layer: str, window: Window, codes: Sequence[int]
    ) -> Window | None:
        """Give the box of the pixels of a window that have one of some codes; None without any.

        ``folder`` is one of codes, or a pass id with its ``scl``.
        """
        held = (self.store.packed(folder, layer, t) for t in self.store.touched(window))
        wanted = np.zeros(256, bool)
        wanted[list(codes)] = True
        # int16, as all packed codes
        if not any(h is not None and holds_any(h.values, wanted) for h in held):  # type: ignore[arg-type]
            return None
        if layer == "scl":
            drawn = LookReader(self.store).codes(folder, layer, window)
        else:
            drawn = self.codes(folder, window)
        return box_of_mask(wanted[drawn], window)

    def box_of_stored(self, which: NDArray[np.bool_], tile: Tile) -> Window | None:
        """Give the box of some of the stored pixels of a tile's core, bool (N,); None of none."""
        if not which.any():
            return None
        drawn = np.zeros(tile.core.shape, bool)
        drawn[self.store.kept(tile.core)] = which
        return box_of_mask(drawn, tile.core)

    def redrawn(
        self,
        values: NDArray[np.uint8],
        tile: Tile,
        box: Window | None,
        draw: Callable[[Window], NDArray[np.uint8]],
    ) -> NDArray[np.uint8]:
        """Put an image of a part of a tile's core in the place of its stored pixels.

        Parameters
        ----------
        values : uint8 (N,)
            Codes of the stored pixels of the core.
        box : Window or None
            Which part; None leaves them as they are.
        draw : function of a window
            Gives uint8 of its shape.
        """
        part = box.intersect(tile.core) if box is not None else None
        if part is None:
            return values
        kept, where = self.store.kept(tile.core), part.within(tile.core)
        inside = np.zeros_like(kept)
        inside[where] = kept[where]
        out = values.copy()
        out[inside[kept]] = draw(part)[kept[where]]
        return out

    def codes(self, folder: str, window: Window) -> NDArray[np.uint8]:
        """Codes that an earlier sweep wrote; NODATA where nothing is stored."""
        return self.store.codes(folder, "mask", window, int(Sky.NODATA))[0]

    def stored_codes(self, folder: str, tile: Tile) -> NDArray[np.uint8]:
        """Codes of the stored pixels of a tile's core, uint8 (N,), row-major."""
        layer = self.store.packed(folder, "mask", tile)
        assert layer is not None  # a block of codes holds nothing else
        return codes_of(layer.values, NODATA, int(Sky.NODATA))  # type: ignore[arg-type]

    def put_stored(self, folder: str, tile: Tile, codes: NDArray[np.uint8]) -> None:
        """Write codes of the stored pixels of a tile's core, uint8 (N,)."""
        layers = {"mask": Layer(codes.astype(np.int16), 1)}
        self.store.write(folder, tile, layers, durable=False)

    def put_packed(
        self, folder: str, tile: Tile, named: Mapping[str, Sequence[NDArray[np.float32]]]
    ) -> None:
        """Write float layers of a tile from the stored pixels of its strips, in their order."""
        layers = {n: Layer(np.concatenate(parts), 1) for n, parts in named.items()}
        self.store.write(folder, tile, layers, durable=False)

    def missing(self, folder: str) -> frozenset[str]:
        """Give the names of the tiles of which a folder holds no block."""
        written = self.store.written(folder)
        names = (self.store.tile_name(t) for t in self.store.tiles)
        return frozenset(n for n in names if n not in written)

    def around(self, tiles: Sequence[Tile], radius: int) -> list[Tile]:
        """Give the tiles that windows around some tiles touch."""
        wide = [tile.core.pad(radius) for tile in tiles]
        return [t for t in self.store.tiles if any(t.core.intersect(w) for w in wide)]
