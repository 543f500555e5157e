"""Reading the store as physical quantities: reflectance on the corridor's grid, registered.

Everything here gives the same values for a pixel whichever window asks for it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pipeline.io.blocks import NODATA, SCALE
from pipeline.io.finer import between, bilinear, bilinear_at, bilinear_known, repeated_at
from pipeline.io.resample import resample_at, resample_shift
from pipeline.io.sharpen import REACH_PX, sharpen
from pipeline.io.store import CorridorStore
from pipeline.io.unpack import codes_of, scaled
from pipeline.model import DateQuality, Tile, Window

_MARGIN_PX = 4  # around a window of a coarse band
_SHARPER = ("nir", "red")  # by which bands of coarser pixels are sharpened
_STILL_PX = 0.05  # a shift below this is noise of the estimate: leave the pixels as they are


@dataclass(frozen=True)
class LookReader:
    """Windows of looks from a store, with each date's shift and offset applied.

    ``quality`` maps a pass id to what the reduction found; passes without an entry come as they
    are (which is how the reduction itself reads them). ``mask_keys`` names the mask of each pass.
    """

    store: CorridorStore
    quality: Mapping[str, DateQuality] = field(default_factory=dict[str, DateQuality])
    mask_keys: Mapping[str, str] = field(default_factory=dict[str, str])

    def band(self, pass_id: str, band: str, window: Window) -> NDArray[np.float32]:
        """Reflectance over ``window``, float32, NaN without data."""
        (dy, dx), offset = self._placed(pass_id)
        if math.hypot(dy, dx) < _STILL_PX:
            return self._raw(pass_id, band, window) + offset
        margin = _shift_margin(dy, dx)
        block = self._raw(pass_id, band, window.pad(margin))
        return resample_shift(block, dy, dx, margin) + offset

    def packed(
        self, pass_id: str, band: str, tile: Tile, at: NDArray[np.intp] | None = None
    ) -> NDArray[np.float32] | None:
        """Give what :meth:`band` holds of a tile's core without drawing it.

        Returns
        -------
        float32 (N,) or None
            Of the stored pixels, or of those at places ``at``, row-major, NaN without data; None
            where neighbours have a say (a coarse band, a shift) and where nothing is stored.
        """
        quality = self.quality.get(pass_id)
        if quality and math.hypot(*quality.shift_px) >= _STILL_PX:
            return None
        layer = self.store.packed(pass_id, band, tile)
        if layer is None or layer.factor > 1:
            return None
        offset = quality.reflectance_offset if quality else 0.0
        return scaled(layer.values, at, (NODATA, SCALE, offset))  # type: ignore[arg-type]

    def stored(
        self, pass_id: str, band: str, tile: Tile, at: NDArray[np.intp] | None = None
    ) -> NDArray[np.float32]:
        """Reflectance of the stored pixels of a tile's core, float32 (N,), row-major.

        ``at``: only of those at these places, int (M,).
        """
        found = self.packed(pass_id, band, tile, at)
        if found is not None:
            return found
        if at is not None:
            return self.stored(pass_id, band, tile)[at]
        runs = self.store.runs(tile.core)
        (dy, dx), offset = self._placed(pass_id)
        if math.hypot(dy, dx) >= _STILL_PX:
            margin = _shift_margin(dy, dx)
            block = self._raw(pass_id, band, tile.core.pad(margin))
            return resample_at(block, (dy, dx), margin, runs) + offset
        values, factor = self.store.reflectance(pass_id, band, tile.core, _MARGIN_PX)
        if factor == 1:
            return values[self.store.kept(tile.core)] + offset
        return bilinear_at(values, *_between(tile.core, factor), runs) + offset

    def sharpened(self, pass_id: str, band: str, tile: Tile) -> NDArray[np.float32]:
        """Give what :meth:`stored` does, a coarse band with the edges of near infrared and red.

        Where these are as coarse, or not stored, as it is.

        Returns
        -------
        float32 (N,)
            See :func:`pipeline.io.sharpen.sharpen`.
        """
        (dy, dx), offset = self._placed(pass_id)
        moved = math.hypot(dy, dx) >= _STILL_PX
        margin = _shift_margin(dy, dx) if moved else 0
        drawn = self._sharp(pass_id, band, tile.core.pad(margin))
        if drawn is None:
            return self.stored(pass_id, band, tile)
        if moved:
            return resample_at(drawn, (dy, dx), margin, self.store.runs(tile.core)) + offset
        return drawn[self.store.kept(tile.core)] + offset

    def sharpened_band(self, pass_id: str, band: str, window: Window) -> NDArray[np.float32]:
        """Give what :meth:`band` does, drawn as :meth:`sharpened`."""
        (dy, dx), offset = self._placed(pass_id)
        moved = math.hypot(dy, dx) >= _STILL_PX
        margin = _shift_margin(dy, dx) if moved else 0
        drawn = self._sharp(pass_id, band, window.pad(margin))
        if drawn is None:
            return self.band(pass_id, band, window)
        return (resample_shift(drawn, dy, dx, margin) if moved else drawn) + offset

    def _placed(self, pass_id: str) -> tuple[tuple[float, float], np.float32]:
        """Give the shift of a pass and what is added to its reflectance."""
        quality = self.quality.get(pass_id)
        shift = quality.shift_px if quality else (0.0, 0.0)
        return shift, np.float32(quality.reflectance_offset if quality else 0.0)

    def _sharp(self, pass_id: str, band: str, window: Window) -> NDArray[np.float32] | None:
        """Draw a sharpened band over a window; None where nothing sharpens it."""
        values, factor = self.store.reflectance(pass_id, band, window, _MARGIN_PX)
        if factor == 1:
            return None
        margin = max(_MARGIN_PX, REACH_PX * factor)
        if margin > _MARGIN_PX:
            values, _ = self.store.reflectance(pass_id, band, window, margin)
        padded = window.pad(margin)
        first = (padded.row0 // factor * factor, padded.col0 // factor * factor)
        height, width = (n * factor for n in values.shape)
        under = Window(first[0], first[0] + height, first[1], first[1] + width)
        finer = [self.store.reflectance(pass_id, name, under) for name in _SHARPER]
        if any(of > 1 for _, of in finer):
            return None
        origin = (window.row0 - first[0], window.col0 - first[1])
        fine = np.stack([drawn for drawn, _ in finer])
        return sharpen(values, fine, origin, *_between(window, factor, margin))

    def known(self, pass_id: str, band: str, tile: Tile) -> NDArray[np.float32]:
        """Give what :meth:`band` holds of a tile's core where it has data.

        Returns
        -------
        float32 (N,)
            In no particular order, and some NaN may be left.
        """
        found = self.packed(pass_id, band, tile)
        quality = self.quality.get(pass_id)
        if found is not None:
            return found
        if quality and math.hypot(*quality.shift_px) >= _STILL_PX:
            return self.band(pass_id, band, tile.core).ravel()
        values, factor = self.store.reflectance(pass_id, band, tile.core, _MARGIN_PX)
        if factor > 1:
            values = bilinear_known(values, *_between(tile.core, factor))
        return values.ravel() + np.float32(quality.reflectance_offset if quality else 0.0)

    def stored_codes(self, folder: str, band: str, tile: Tile) -> NDArray[np.uint8]:
        """Class codes as :meth:`codes` has them of the stored pixels of a tile, uint8 (N,)."""
        dy, dx = self._moved(folder)
        layer = self.store.packed(folder, band, tile)
        if layer is not None and layer.factor == 1 and (dy, dx) == (0, 0):
            return codes_of(layer.values, NODATA, 0)  # type: ignore[arg-type]
        core = tile.core
        moved = Window(core.row0 + dy, core.row1 + dy, core.col0 + dx, core.col1 + dx)
        dense, factor = self.store.codes(folder, band, moved)
        first = (moved.row0 % factor, moved.col0 % factor)
        return repeated_at(dense, factor, first, self.store.runs(core))

    def codes(self, folder: str, band: str, window: Window) -> NDArray[np.uint8]:
        """Class codes (``scl``, mask) over ``window``, uint8, 0 without data; nearest pixel."""
        dy, dx = self._moved(folder)
        moved = Window(window.row0 + dy, window.row1 + dy, window.col0 + dx, window.col1 + dx)
        dense, factor = self.store.codes(folder, band, moved)
        if factor == 1:
            return dense
        fine = np.repeat(np.repeat(dense, factor, axis=0), factor, axis=1)
        r0, c0 = moved.row0 % factor, moved.col0 % factor
        return fine[r0 : r0 + window.shape[0], c0 : c0 + window.shape[1]].copy()

    def _moved(self, folder: str) -> tuple[int, int]:
        """Give the shift of a pass in whole pixels."""
        quality = self.quality.get(folder.rsplit("/", 1)[-1])
        dy, dx = quality.shift_px if quality else (0.0, 0.0)
        return round(dy), round(dx)

    def mask(self, pass_id: str, window: Window) -> NDArray[np.uint8]:
        """Clear-sky codes of prepare over ``window``."""
        return self.codes(f"mask/{self.mask_keys[pass_id]}/{pass_id}", "mask", window)

    def stored_mask(self, pass_id: str, tile: Tile) -> NDArray[np.uint8]:
        """Clear-sky codes of the stored pixels of a tile's core, uint8 (N,)."""
        return self.stored_codes(f"mask/{self.mask_keys[pass_id]}/{pass_id}", "mask", tile)

    def reference(self, folder: str, name: str, window: Window) -> NDArray[np.float32]:
        """Float layer of ``folder`` over ``window``, NaN where nothing is stored."""
        values, _ = self.store.dense(folder, name, window)
        if values.dtype != np.float32:  # no tile of it is there
            return np.full(window.shape, np.nan, np.float32)
        return np.asarray(values, dtype=np.float32)

    def stack(
        self, pass_ids: Sequence[str], bands: Sequence[str], window: Window
    ) -> dict[str, NDArray[np.float32]]:
        """Give looks of several dates: band → float32 ``(time, row, col)``."""
        return {b: np.stack([self.band(p, b, window) for p in pass_ids]) for b in bands}

    def _raw(self, pass_id: str, band: str, window: Window) -> NDArray[np.float32]:
        # One coarse pixel of margin, so that interpolation never depends on the window.
        values, factor = self.store.reflectance(pass_id, band, window, _MARGIN_PX)
        if factor == 1:
            return values
        return bilinear(values, *_between(window, factor))


_Weights = tuple[NDArray[np.intp], NDArray[np.float32]]


def _shift_margin(dy: float, dx: float) -> int:
    return 3 + math.ceil(max(abs(dy), abs(dx)))


def _between(window: Window, factor: int, margin: int = _MARGIN_PX) -> tuple[_Weights, _Weights]:
    """Give what :func:`bilinear` needs to draw a window from coarse pixels with their margin."""
    padded = window.pad(margin)
    rows = between(window.row0, window.row1, padded.row0 // factor, factor)
    cols = between(window.col0, window.col1, padded.col0 // factor, factor)
    return rows, cols
