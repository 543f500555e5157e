"""Every block of a mosaic read once, on the way into its COG.

It keeps red, green, blue and, where there is one, near infrared, as they were, with a mask of
where there is a picture. What becomes of a surface is in ``surfaces``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from pipeline.acquire.inbox.blocks import parts, read, read_mask, windows
from pipeline.acquire.inbox.checks import Sheet
from pipeline.acquire.inbox.form import Band
from pipeline.acquire.inbox.margins import Margin, find_margin, plain
from pipeline.acquire.inbox.reasons import refuse
from pipeline.acquire.inbox.tiff import Header
from pipeline.io.cog import CogSpec, Filled, write_cog
from pipeline.model import Window

_FEW = 1e-3  # valid share below which a raster is empty


@dataclass(frozen=True)
class BandPlan:
    """Which bands of the source are kept, in order, 1-based."""

    keep: tuple[int, ...]  # red, green, blue, maybe near infrared
    names: tuple[str, ...]
    alpha: int | None


@dataclass
class Tally:
    """What was seen while a mosaic was read."""

    pixels: int = 0
    valid: int = 0
    margin: int = 0  # white or black that was taken for no picture
    margin_fill: int = 0  # 0 where that is black

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
        raise refuse("depth", file=first.name, what=first.dtype)
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
        for window in windows(Sheet((header,), sheet.grid, sheet.gsd_m), header.shape):
            part = read(header, window, (band,))
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
    margin = _margin(sheet, plan)
    tally = Tally(margin_fill=margin.fill if margin is not None else 0)

    def filled() -> Iterator[Filled]:
        for window in windows(sheet, sheet.grid.shape):
            data, valid = _shown(sheet, plan, window)
            if margin is not None:
                blank = valid & plain(data, margin.fill) & margin.of(window)
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
    for header, inner, place in parts(sheet, window):
        pixels, seen = _picture(header, inner, plan)
        new = seen & ~valid[place]
        data[:, *place] = np.where(new, pixels, data[:, *place])
        valid[place] |= seen
    return data, valid


def _margin(sheet: Sheet, plan: BandPlan) -> Margin | None:
    """Look for a margin that the files show as picture."""
    said = plan.alpha is not None or any(h.masked or h.nodata is not None for h in sheet.headers)
    shape = sheet.grid.shape
    return find_margin(
        shape, lambda: windows(sheet, shape), lambda w: _shown(sheet, plan, w), said=said
    )


def _picture(
    header: Header, window: Window, plan: BandPlan
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Colours (band, H, W), and where there is a picture."""
    if plan.alpha is not None:
        pixels = read(header, window, (*plan.keep, plan.alpha))
        return pixels[:-1], pixels[-1] > 0
    if header.masked:
        return read(header, window, plan.keep), read_mask(header, window)
    pixels = read(header, window, plan.keep)
    # Without a word on it black is where tools write nothing.
    blank = 0 if header.nodata is None else header.nodata
    return pixels, (pixels != blank).any(axis=0)
