"""One band of one tile of a pass, as the numbers that a store keeps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import SceneUnusableError
from pipeline.io.asset_reader import AssetReader
from pipeline.io.blocks import NODATA, SCALE, Layer
from pipeline.io.store import CorridorStore
from pipeline.model import Asset, Scene, Tile
from pipeline.prepare.classes import scl_codes

Readers = Sequence[tuple[Scene, AssetReader]]
"""What is open of one band: a file of each scene that has it."""


class BadSceneError(Exception):
    """A scene cannot be read; its pass goes on without it."""

    def __init__(self, scene_id: str, cause: SceneUnusableError) -> None:
        super().__init__(scene_id)
        self.scene_id, self.what, self.remedy = scene_id, cause.what, cause.remedy


def read_tile(store: CorridorStore, band: str, readers: Readers, tile: Tile) -> Layer:
    """One band of one tile as packed int16; the first scene with data wins."""
    out: NDArray[np.int16] | None = None
    # Scenes of two zones may come at different resolutions; the finest holds them all.
    factor = min(reader.factor for _, reader in readers)
    for scene, reader in readers:
        same = reader.factor == factor
        quick = _quickly(store, band, reader, tile) if same else None
        if quick is not None:
            out = quick if out is None else np.where(out == NODATA, quick, out)
            continue
        kept = store.kept(tile.core, factor)
        own = kept if same else store.kept(tile.core, reader.factor)
        try:
            values, valid = reader.read(tile.core, own)
        except SceneUnusableError as error:
            raise BadSceneError(scene.id, error) from error
        if not same:
            times = reader.factor // factor
            values = np.repeat(np.repeat(values, times, axis=0), times, axis=1)
            valid = np.repeat(np.repeat(valid, times, axis=0), times, axis=1)
        known = packed(values[kept], valid[kept], reader.asset, band)
        out = known if out is None else np.where(out == NODATA, known, out)
    assert out is not None
    return Layer(out, factor)


def _quickly(
    store: CorridorStore, band: str, reader: AssetReader, tile: Tile
) -> NDArray[np.int16] | None:
    """Give the same from an ordinary file, without GDAL; None where that has to read it."""
    if not reader.numbers:
        return None
    # One table for all files of a sensor, whatever they are called.
    kind = replace(reader.asset, href="", band_index=1, access=None)
    table = every_number(kind, band, reader.numbers, reader.blanks)
    return reader.stored(tile.core, store.runs(tile.core, reader.factor), table, NODATA)


@lru_cache(maxsize=32)
def every_number(
    asset: Asset, band: str, numbers: int, blanks: frozenset[float]
) -> NDArray[np.int16]:
    """Give what is kept of each number that a pixel may hold."""
    every = np.arange(numbers).astype(np.uint8 if numbers == 1 << 8 else np.uint16)
    return packed(every, ~np.isin(every, list(blanks)), asset, band)


def packed(
    values: NDArray[np.generic], valid: NDArray[np.bool_], asset: Asset, band: str
) -> NDArray[np.int16]:
    """Give digital numbers as a store keeps them, int16: reflectance times 10 000, or classes."""
    if band == "scl":
        # The number of a type, or NumPy makes it fit into bytes: class 0, which hides other scenes.
        codes = np.where(valid, scl_codes(values, asset.decode), np.int16(NODATA))
        return codes.astype(np.int16)
    if values.dtype == np.uint16:
        # One multiplication for each number there is, and not for each pixel.
        number = values.astype(np.uint16, copy=False)
        return np.where(valid, _table(asset.scale, asset.offset)[number], np.int16(NODATA))
    return np.where(valid, _scaled(values, asset.scale, asset.offset), np.int16(NODATA))


@lru_cache(maxsize=8)
def _table(scale: float, offset: float) -> NDArray[np.int16]:
    return _scaled(np.arange(1 << 16), scale, offset)


def _scaled(values: NDArray[np.generic], scale: float, offset: float) -> NDArray[np.int16]:
    """Give reflectance times 10 000 of digital numbers; NODATA of what is no number."""
    reflectance = values.astype(np.float64) * scale + offset
    known = np.isfinite(reflectance)
    whole = np.rint(np.clip(np.where(known, reflectance, 0) * SCALE, -32767, 32767))
    return np.where(known, whole, NODATA).astype(np.int16)
