"""Every block of a flight read once, on the way into its COGs.

A mosaic keeps red, green, blue and, where there is one, near infrared, as it was, with a mask
of where there is a picture. A surface keeps its heights as float32, -9999 where there is none.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from pipeline.acquire.inbox.checks import Sheet
from pipeline.acquire.inbox.form import Band
from pipeline.acquire.inbox.margins import Margin, find_margin, white
from pipeline.acquire.inbox.reasons import refuse
from pipeline.acquire.inbox.tiff import BROKEN, Header, opened, unreadable
from pipeline.grid import tiles_over
from pipeline.io.cog import BLOCK_PX, CogSpec, Filled, write_cog
from pipeline.model import Window

NO_HEIGHT = -9999.0
LOWEST_M, HIGHEST_M = -500.0, 9000.0  # of ground on Earth, above the sea or the ellipsoid
_STEP = 4 * BLOCK_PX
_WIDEST = 100_000  # px of a file in strips that is read over its whole width
_FEW = 1e-3  # valid share below which a raster is empty
_WRONG = 0.01  # share of heights that no ground has from which all are doubted
# Written for "no height" by tools that do not declare it.
_UNDECLARED = (-9999.0, -10000.0, -32767.0, -32768.0)


@dataclass(frozen=True)
class BandPlan:
    """Which bands of the source are kept, in order, 1-based."""

    keep: tuple[int, ...]  # red, green, blue, maybe near infrared
    names: tuple[str, ...]
    alpha: int | None


@dataclass
class Tally:
    """What was seen while a raster was read."""

    pixels: int = 0
    valid: int = 0
    impossible: int = 0  # heights
    margin: int = 0  # white that was taken for no picture
    low: float = np.inf
    high: float = -np.inf

    @property
    def share(self) -> float:
        """Valid share, 0..1."""
        return self.valid / max(1, self.pixels)


def plan_bands(sheet: Sheet, declared: tuple[Band, ...] | None) -> BandPlan:
    """Decide which band is what.

    Raises
    ------
    SubmissionRefusedError
        Not 8 or 16 bit, a palette, or an order that nobody states.
    """
    first = sheet.headers[0]
    if first.dtype not in ("uint8", "uint16"):
        raise refuse("bands", file=first.name, what=f"{first.dtype}")
    if declared is not None:
        return _declared(first, declared)
    alpha = first.colours.index("alpha") + 1 if "alpha" in first.colours else None
    colours = [i for i in range(1, first.count + 1) if i != alpha]
    if len(colours) not in (3, 4) or "palette" in first.colours:
        raise refuse("bands", file=first.name, what=f"{len(colours)} band(s) 个波段")
    order = [first.colours.index(c) + 1 for c in ("red", "green", "blue") if c in first.colours]
    rgb = order if len(order) == 3 else colours[:3]
    rest = [i for i in colours if i not in rgb]
    if rest and alpha is None and _is_flag(sheet, rest[0]):
        alpha, rest = rest[0], []
    names = ("red", "green", "blue", "nir")[: 3 + len(rest)]
    return BandPlan((*rgb, *rest), names, alpha)


def _declared(header: Header, declared: tuple[Band, ...]) -> BandPlan:
    if len(declared) != header.count:
        what = f"{header.count} band(s), flight.yaml: {len(declared)}"
        raise refuse("bands", file=header.name, what=what)
    names = tuple(n for n in ("red", "green", "blue", "nir") if n in declared)
    keep = tuple(declared.index(cast("Band", n)) + 1 for n in names)
    return BandPlan(keep, names, declared.index("alpha") + 1 if "alpha" in declared else None)


def _is_flag(sheet: Sheet, band: int) -> bool:
    """Tell an alpha band that is not marked as one: it knows two values only."""
    seen: set[int] = set()
    for header in sheet.headers:
        for window in _windows(Sheet((header,), sheet.grid, sheet.gsd_m), header.shape):
            part = _read(header, window, (band,))
            seen |= {int(v) for v in np.unique(part) if v}
            if len(seen) > 1:
                return False
    return True


def write_mosaic(sheet: Sheet, plan: BandPlan, target: Path) -> Tally:
    """Write the orthomosaic as a COG.

    Raises
    ------
    SubmissionRefusedError
        A block cannot be read, or there is no picture.
    DiskFullError
        Nothing half-written remains.
    """
    tally = Tally()
    margin = _margin(sheet, plan)

    def filled() -> Iterator[Filled]:
        for window in _windows(sheet, sheet.grid.shape):
            data, valid = _shown(sheet, plan, window)
            if margin is not None:
                blank = valid & white(data) & margin.of(window)
                valid &= ~blank
                tally.margin += int(blank.sum())
            tally.pixels += valid.size
            tally.valid += int(valid.sum())
            yield Filled(window, data, valid)

    kind = sheet.headers[0].dtype

    write_cog(target, CogSpec(sheet.grid, len(plan.keep), kind, None), filled())
    if tally.share < _FEW:
        raise refuse("empty", file=sheet.name)
    return tally


def _shown(sheet: Sheet, plan: BandPlan, window: Window) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Colours (band, H, W) of a window, the first file first, and where there is a picture."""
    data = np.zeros((len(plan.keep), *window.shape), sheet.headers[0].dtype)
    valid = np.zeros(window.shape, bool)
    for header, inner, place in _parts(sheet, window):
        pixels, seen = _picture(header, inner, plan)
        new = seen & ~valid[place]
        data[:, *place] = np.where(new, pixels, data[:, *place])
        valid[place] |= seen
    return data, valid


def _margin(sheet: Sheet, plan: BandPlan) -> Margin | None:
    """Look for a white margin where no file says what is no picture."""
    said = plan.alpha is not None or any(h.masked or h.nodata is not None for h in sheet.headers)
    if said:
        return None
    shape = sheet.grid.shape
    return find_margin(shape, lambda: _windows(sheet, shape), lambda w: _shown(sheet, plan, w))


def write_surface(sheet: Sheet, target: Path) -> Tally:
    """Write the surface model as a COG of float32; raises as :func:`write_mosaic`.

    Raises
    ------
    SubmissionRefusedError
        Also where heights are none that ground can have.
    """
    tally = Tally()

    def filled() -> Iterator[Filled]:
        for window in _windows(sheet, sheet.grid.shape):
            data = np.full((1, *window.shape), NO_HEIGHT, np.float32)
            for header, inner, place in _parts(sheet, window):
                height, seen = _heights(header, inner, tally)
                data[0][place] = np.where(seen, height, data[0][place])
            valid = data[0] != NO_HEIGHT
            tally.pixels += valid.size
            tally.valid += int(valid.sum())
            yield Filled(window, data, valid)

    write_cog(target, CogSpec(sheet.grid, 1, "float32", NO_HEIGHT), filled())
    if tally.impossible > _WRONG * (tally.valid + tally.impossible):
        raise refuse("heights", file=sheet.name, low=tally.low, high=tally.high)
    if tally.share < _FEW:
        raise refuse("empty", file=sheet.name)
    return tally


def _picture(
    header: Header, window: Window, plan: BandPlan
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Colours (band, H, W), and where there is a picture."""
    if plan.alpha is not None:
        pixels = _read(header, window, (*plan.keep, plan.alpha))
        return pixels[:-1], pixels[-1] > 0
    if header.masked:
        return _read(header, window, plan.keep), _read_mask(header, window)
    pixels = _read(header, window, plan.keep)
    # Without a word on it black is where tools write nothing.
    blank = 0 if header.nodata is None else header.nodata
    return pixels, (pixels != blank).any(axis=0)


def _heights(
    header: Header, window: Window, tally: Tally
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Heights, and where there are any; what no ground has is counted and left out."""
    raw = _read(header, window, (1,))[0].astype(np.float64)
    some = np.isfinite(raw) & (np.abs(raw) < 1e30) & ~np.isin(raw, _UNDECLARED)
    if header.nodata is not None:
        some &= raw != header.nodata
    if header.masked:
        some &= _read_mask(header, window)
    good = some & (raw > LOWEST_M) & (raw < HIGHEST_M)
    tally.impossible += int((some & ~good).sum())
    if some.any():
        tally.low = min(tally.low, float(raw[some].min()))
        tally.high = max(tally.high, float(raw[some].max()))
    return np.where(good, raw, NO_HEIGHT).astype(np.float32), good


def _windows(sheet: Sheet, shape: tuple[int, int]) -> Iterator[Window]:
    """Windows that decode each block about once; their corners are multiples of ``BLOCK_PX``."""
    strips = any(h.block[1] >= h.shape[1] for h in sheet.headers)
    if strips and shape[1] <= _WIDEST:
        for row in range(0, shape[0], BLOCK_PX):
            yield Window(row, min(row + BLOCK_PX, shape[0]), 0, shape[1])
        return
    grid = sheet.grid
    for tile in tiles_over(type(grid)(grid.crs, grid.transform, shape), _STEP, 0):
        yield tile.core


def _parts(sheet: Sheet, window: Window) -> Iterator[tuple[Header, Window, tuple[slice, slice]]]:
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


def _read(header: Header, window: Window, bands: tuple[int, ...]) -> NDArray[Any]:
    with _named(header), opened(header.path) as source:
        return np.asarray(source.read(list(bands), window=_ranges(window)))


def _read_mask(header: Header, window: Window) -> NDArray[np.bool_]:
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
