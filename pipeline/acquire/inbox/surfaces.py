"""Every block of a surface model read once, on the way into its COG.

It keeps its heights in metres as float32, -9999 where there is none: what the file declares of a
scale and an offset is applied, and what no surface can have is refused in words.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.acquire.inbox.blocks import parts, read, read_mask, windows
from pipeline.acquire.inbox.checks import Sheet
from pipeline.acquire.inbox.reasons import refuse
from pipeline.acquire.inbox.tiff import Header
from pipeline.acquire.inbox.zeros import Holes, Seen, survey
from pipeline.io.cog import CogSpec, Filled, write_cog
from pipeline.model import Window

NO_HEIGHT = -9999.0
LOWEST_M, HIGHEST_M = -500.0, 9000.0  # of ground on Earth, above the sea or the ellipsoid
_FEW = 1e-3  # valid share below which a raster is empty
_WRONG = 0.01  # share of heights that no ground has from which all are doubted
# Written for "no height" by tools that do not declare it.
_UNDECLARED = (-9999.0, -10000.0, -32767.0, -32768.0)
# Between a hole that was written as 0 and the ground around it: more than the noise of a surface
# from pictures (decimetres), and more than the step of one that is kept in whole numbers.
_STEP_M, _STEPS = 0.5, 1.5
# Relief that one frame can show: sides of 63 degrees all the way across (gorges are less steep as a
# whole), and on them the highest that was ever built over a valley or stands on the ground (a
# bridge's deck 625 m above its river, masts and towers below that).
_STEEPEST, _BUILT_M = 2.0, 700.0
_STRAY = 1e-5  # share of heights at either end that single blunders of matching may make up


@dataclass
class Heights:
    """What was seen while a surface was read."""

    pixels: int = 0
    valid: int = 0
    impossible: int = 0  # that no ground has
    zeros: int = 0  # that are holes, though the file does not say so
    low: float = math.inf
    high: float = -math.inf
    metres: NDArray[np.int64] = field(  # how many heights lie in each metre from LOWEST_M up
        default_factory=lambda: np.zeros(int(HIGHEST_M - LOWEST_M) + 1, np.int64)
    )

    @property
    def share(self) -> float:
        """Valid share, 0..1."""
        return self.valid / max(1, self.pixels)

    def relief_m(self) -> tuple[float, float]:
        """Lowest and highest height [m], to a metre, without what few strays there are."""
        summed = np.cumsum(self.metres)
        stray = _STRAY * summed[-1]
        low = int(np.searchsorted(summed, stray, side="right"))
        high = int(np.searchsorted(summed, summed[-1] - stray, side="left"))
        return LOWEST_M + low, LOWEST_M + high


def write_surface(sheet: Sheet, target: Path) -> Heights:
    """Write the surface model as a COG of float32.

    Raises
    ------
    SubmissionRefusedError
        A block cannot be read; there are no heights; or they are none that ground can have, or
        differ within the frame by more than ground can.
    DiskFullError
        Nothing half-written remains.
    """
    seen, zeros = Heights(), _Zeros(sheet)

    def filled() -> Iterator[Filled]:
        for window in windows(sheet, sheet.grid.shape):
            data = _metres(sheet, window, zeros, seen)
            valid = data != NO_HEIGHT
            seen.pixels += valid.size
            seen.valid += int(valid.sum())
            whole = np.floor(data[valid] - LOWEST_M).astype(np.int64)
            seen.metres += np.bincount(whole, minlength=seen.metres.size)
            yield Filled(window, data[None], valid)

    write_cog(target, CogSpec(sheet.grid, 1, "float32", NO_HEIGHT), filled())
    if seen.impossible > _WRONG * (seen.valid + seen.impossible):
        raise refuse("heights", file=sheet.name, low=seen.low, high=seen.high)
    if seen.share < _FEW:
        raise refuse("empty", file=sheet.name)
    _check_relief(sheet, seen)
    return seen


def _check_relief(sheet: Sheet, seen: Heights) -> None:
    """Refuse what rises within the frame by more than any ground and all that stands on it."""
    across = math.hypot(*sheet.grid.shape) * sheet.gsd_m
    low, high = seen.relief_m()
    if high - low > _BUILT_M + _STEEPEST * across:
        raise refuse("relief", file=sheet.name, low=low, high=high, across=across)


@dataclass(frozen=True)
class _Stored:
    """What the files of a surface hold in a window (H, W)."""

    metres: NDArray[np.float32]
    some: NDArray[np.bool_]  # there is a height, as far as the files say
    zero: NDArray[np.bool_]  # which is stored as 0
    far: NDArray[np.bool_]  # more than a step off what 0 stands for


class _Zeros:
    """Holes that are stored as 0; a surface without zeros is read once."""

    def __init__(self, sheet: Sheet) -> None:
        self._sheet = sheet

    @cached_property
    def _holes(self) -> Holes:
        sheet = self._sheet
        return survey(windows(sheet, sheet.grid.shape), sheet.grid.shape, self._seen)

    def _seen(self, window: Window) -> Seen:
        found = _stored(self._sheet, window)
        return Seen(found.zero, found.some & ~found.zero, found.far)

    def of(self, window: Window, zero: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Say where 0 stands for no height (H, W)."""
        return self._holes.of(window, zero) if zero.any() else zero


def _metres(sheet: Sheet, window: Window, zeros: _Zeros, seen: Heights) -> NDArray[np.float32]:
    """Heights (H, W) of a window [m]; what no ground has is counted and left out."""
    found = _stored(sheet, window)
    holes = zeros.of(window, found.zero)
    seen.zeros += int(holes.sum())
    some = found.some & ~holes
    good = some & (found.metres > LOWEST_M) & (found.metres < HIGHEST_M)
    seen.impossible += int((some & ~good).sum())
    if some.any():
        seen.low = min(seen.low, float(found.metres[some].min()))
        seen.high = max(seen.high, float(found.metres[some].max()))
    return np.where(good, found.metres, np.float32(NO_HEIGHT))


def _stored(sheet: Sheet, window: Window) -> _Stored:
    """Read a window, the first file first as in a mosaic's; any height comes before a 0."""
    metres = np.zeros(window.shape, np.float32)
    some, zero, far = np.zeros((3, *window.shape), bool)
    for header, inner, place in parts(sheet, window):
        raw = read(header, inner, (1,))[0].astype(np.float64)
        there = _declared(header, inner, raw)
        none = there & (raw == 0)
        new = there & (~some[place] | (zero[place] & ~none))
        height = raw * header.scale + header.offset
        off = np.abs(height - header.offset) > _step_m(header)
        for kept, own in ((metres, height), (zero, none), (far, off)):
            kept[place] = np.where(new, own, kept[place])
        some[place] |= there
    return _Stored(metres, some, zero, far)


def _declared(header: Header, window: Window, raw: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Say where a file holds a height (H, W), by what it declares and by marks that are known."""
    some = np.isfinite(raw) & (np.abs(raw) < 1e30) & ~np.isin(raw, _UNDECLARED)
    if header.nodata is not None:
        some &= raw != header.nodata
    if header.masked:
        some &= read_mask(header, window)
    return some


def _step_m(header: Header) -> float:
    whole_numbers = not header.dtype.startswith("float")
    return max(_STEP_M, _STEPS * header.scale if whole_numbers else 0.0)
