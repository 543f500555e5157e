"""Pixels of a flight become cells: means of a few pixels, and what covers them.

Objects of 4 m² hold a hundred cells of 0.2 m, so nothing is lost for finding them, sums of heights
are the same, and all later work is a sixteenth of that on pixels of 5 cm.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy import ndimage

from pipeline.box_mean import box_mean
from pipeline.model import Cover, FlightCells, FlightPixels

Float = NDArray[np.float32]
Mask = NDArray[np.bool_]


class CoverOptions(BaseModel):
    """How water and plants are told from ground in one flight."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    excess_green: float = Field(
        default=0.06,
        gt=0,
        lt=1,
        description="2g - r - b of the shares of colour from which a cell is green",
    )
    ndvi: float = Field(
        default=0.3, gt=0, lt=1, description="the same where there is near infrared"
    )
    ndwi: float = Field(
        default=0.15, gt=-1, lt=1, description="(g - nir) / (g + nir) from which a cell is water"
    )
    smooth: float = Field(
        default=0.06,
        gt=0,
        lt=1,
        description="local deviation of grey over its mean, below which a picture is smooth",
    )
    rough_m: float = Field(
        default=0.12,
        gt=0,
        description="deviation of the surface over 2 m that smooth ground never has [m]",
    )
    blue: float = Field(
        default=0.02, gt=0, lt=1, description="excess of blue over red, shares, of clear water"
    )
    canopy_m: float = Field(
        default=0.06,
        gt=0,
        description="deviation of the surface over 0.6 m from which green cells are no grass [m]",
    )
    above_m: float = Field(
        default=0.8, gt=0, description="what stands this far above its surroundings is no water [m]"
    )
    water_m2: float = Field(default=25.0, ge=0, description="smaller waters are none [m²]")


def cells_of(pixels: FlightPixels, step: int, gsd_m: float) -> FlightCells:
    """Average ``step`` by ``step`` pixels; ``gsd_m`` is the side of a pixel [m]."""
    full = float(np.iinfo(pixels.colour.dtype).max)
    height = pixels.height
    given = height is not None
    surface = height if height is not None else np.zeros((1, 1), np.float32)
    colour, valid, mean = _reduce(pixels.colour, pixels.valid, surface, given, step, full)
    return FlightCells(
        colour=colour[:3],
        nir=colour[3] if colour.shape[0] > 3 else None,
        valid=valid,
        height=mean if given else None,
        cell_m=gsd_m * step,
    )


@njit(cache=True, nogil=True)
def _reduce(  # noqa: PLR0912, C901 - one pass over the pixels
    colour: NDArray[Any],
    valid: Mask,
    height: Float,
    given: bool,
    step: int,
    full: float,
) -> tuple[Float, Mask, Float]:
    bands, rows, cols = colour.shape
    high, wide = (rows + step - 1) // step, (cols + step - 1) // step
    out = np.zeros((bands, high, wide), np.float32)
    seen = np.zeros((high, wide), np.bool_)
    mean = np.full((high, wide), np.float32(np.nan), np.float32)
    for i in range(high):
        r0, r1 = i * step, min(i * step + step, rows)
        for j in range(wide):
            c0, c1 = j * step, min(j * step + step, cols)
            count = 0
            for r in range(r0, r1):
                for c in range(c0, c1):
                    if valid[r, c]:
                        count += 1
                        for b in range(bands):
                            out[b, i, j] += colour[b, r, c]
            seen[i, j] = 2 * count > (r1 - r0) * (c1 - c0)
            for b in range(bands):
                out[b, i, j] = out[b, i, j] / (max(count, 1) * full)
            if given:
                total, known = 0.0, 0
                base = np.float32(0)
                for r in range(r0, r1):
                    for c in range(c0, c1):
                        value = height[r, c]
                        if value == value:  # noqa: PLR0124 - not NaN
                            if known == 0:
                                base = value
                            total += value - base
                            known += 1
                if 2 * known > (r1 - r0) * (c1 - c0):
                    mean[i, j] = base + np.float32(total / known)
    return out, seen, mean


def cover_halo_m() -> float:
    """Give how far [m] the cover of a cell may depend on others, small waters aside."""
    return 4.0


def cover(
    cells: FlightCells, options: CoverOptions, water: Mask | None = None
) -> NDArray[np.uint8]:
    """Say what covers each cell.

    Water is green and dark in the near infrared where that is given. In three colours it is what
    has a smooth picture and either no surface, a surface that smooth ground does not have (image
    matching fails on it), or a blue that is not shadow's: smooth over metres.

    Parameters
    ----------
    cells : FlightCells
        One flight.
    options : CoverOptions
        Thresholds.
    water : bool (H, W), optional
        Water that the office knows of on that day; it is water whatever the picture says.

    Returns
    -------
    uint8 (H, W)
        Codes of :class:`pipeline.model.Cover`.
    """
    total = np.maximum(cells.colour.sum(axis=0), np.float32(1e-3))
    wide = max(3, round(1.0 / cells.cell_m) | 1)
    plants, wet = _green(cells, total, options), _wet(cells, total, wide, options)
    seen = _Weight(cells.valid)
    share = seen.mean(wet.astype(np.float32), 2 * wide + 1)
    wet = _waters((share > 0.5) & cells.valid, cells, options)
    if wet.any():
        wet |= _rim(wet, cells, total, wide)
    out = np.full(cells.valid.shape, Cover.GROUND, np.uint8)
    out[plants] = Cover.VEGETATION
    if cells.height is not None:
        out[plants & ~_canopy(plants, cells, options)] = Cover.GRASS
    out[wet if water is None else wet | water] = Cover.WATER
    out[~cells.valid] = Cover.VOID
    return out


def _green(cells: FlightCells, total: Float, options: CoverOptions) -> Mask:
    red, green, blue = cells.colour
    if cells.nir is not None:
        ratio = (cells.nir - red) / np.maximum(cells.nir + red, np.float32(1e-3))
        return np.asarray(ratio > options.ndvi, bool)
    excess = box_mean((2 * green - red - blue) / total, 3)
    return np.asarray((excess > options.excess_green) & (total > 0.06), bool)


def _wet(cells: FlightCells, total: Float, wide: int, options: CoverOptions) -> Mask:
    red, green, blue = cells.colour
    if cells.nir is not None:
        ratio = (green - cells.nir) / np.maximum(green + cells.nir, np.float32(1e-3))
        return np.asarray(ratio > options.ndwi, bool)
    grey, seen = total / np.float32(3), _Weight(cells.valid)
    mean = seen.mean(grey, wide)
    square = seen.mean((grey - mean) ** 2, wide)
    smooth = square < (options.smooth * np.maximum(mean, np.float32(0.02))) ** 2
    shade = seen.mean((blue - red) / total, wide)
    bluish = (shade > options.blue) & (mean > 0.03)
    if cells.height is None:
        return np.asarray(smooth & bluish, bool)
    known = np.isfinite(cells.height)
    rough = _spread(cells.height, 2 * wide + 1, wide)
    return np.asarray(smooth & (bluish | ~known | (rough > options.rough_m)), bool)


def _canopy(plants: Mask, cells: FlightCells, options: CoverOptions) -> Mask:
    """Green and tall, or green and rough over more than the strip beside a wall or a car."""
    assert cells.height is not None
    rough = plants & ~(_spread(cells.height, 3, 5) < options.canopy_m)
    inner = ndimage.minimum_filter(rough, 7, mode="nearest")
    reach = round(3.0 / cells.cell_m) | 1
    filled = np.where(np.isfinite(cells.height), cells.height, np.float32(1e6))
    low = ndimage.minimum_filter(filled, reach, mode="nearest")
    tall = filled - low > options.above_m
    wide = np.asarray(ndimage.maximum_filter(inner, 7, mode="nearest"), bool)
    return np.asarray(plants & (tall | wide), bool)


def _spread(height: Float, about: int, over: int) -> Float:
    """Deviation over ``over`` cells from the mean of ``about`` cells [m], holes left out."""
    known = np.isfinite(height)
    weight = _Weight(known)
    level = np.float32(np.median(height[known])) if known.any() else np.float32(0)
    base = np.where(known, height - level, np.float32(0))
    away = np.where(known, base - weight.mean(base, about), np.float32(0))
    return np.sqrt(np.maximum(weight.mean(away * away, over), 0))


def _rim(wet: Mask, cells: FlightCells, total: Float, wide: int) -> Mask:
    """Give cells beside water of its own colour; so near the shore the picture is not smooth."""
    near = np.asarray(ndimage.distance_transform_cdt(~wet)) <= wide
    share = box_mean(wet.astype(np.float32), 4 * wide + 1, "nearest")
    alike = near & (share > 0)
    for values in (cells.colour[0] / total, cells.colour[2] / total):
        own = box_mean(np.where(wet, values, 0), 4 * wide + 1, "nearest")
        alike &= np.abs(values - own / np.maximum(share, np.float32(1e-6))) < 0.025
    own = box_mean(np.where(wet, total, 0), 4 * wide + 1, "nearest")
    ratio = total * share / np.maximum(own, np.float32(1e-6))
    return np.asarray(alike & (ratio > 0.7) & (ratio < 1.4), bool)


class _Weight:
    """Means over squares of what is known; how much that is, is asked once a size."""

    def __init__(self, known: Mask) -> None:
        self._known = None if known.all() else known.astype(np.float32)
        self._counts: dict[int, Float] = {}

    def mean(self, values: Float, size: int) -> Float:
        """Give the mean of known values over ``size`` by ``size`` cells."""
        if self._known is None:
            return box_mean(values, size, "nearest")
        if size not in self._counts:
            count = box_mean(self._known, size, "nearest")
            self._counts[size] = np.maximum(count, np.float32(1e-6))
        total = box_mean(values * self._known, size, "nearest")
        return np.asarray(total / self._counts[size], np.float32)


def _waters(mask: Mask, cells: FlightCells, options: CoverOptions) -> Mask:
    """Keep what is large enough and lies no higher than what is around it, as a blue roof does."""
    labels = np.zeros(mask.shape, np.int32)
    ndimage.label(mask, output=labels)
    size = np.bincount(labels.ravel())
    # What touches the window's edge may be part of a larger water outside.
    least = max(round(options.water_m2 / cells.cell_m**2), 1)
    for edge in (labels[0], labels[-1], labels[:, 0], labels[:, -1]):
        size[edge] = least
    size[0] = 0
    keep = size >= least
    if cells.height is not None:
        for k, box in enumerate(ndimage.find_objects(labels), start=1):
            if box is not None and keep[k] and _above(labels, k, box, cells, options):
                keep[k] = False
    return np.asarray(keep[labels], bool)


def _above(
    labels: NDArray[np.int32],
    k: int,
    box: tuple[slice, slice],
    cells: FlightCells,
    options: CoverOptions,
) -> bool:
    assert cells.height is not None
    pad = round(2.0 / cells.cell_m)
    wide = tuple(slice(max(b.start - pad, 0), b.stop + pad) for b in box)
    own, height = labels[wide] == k, cells.height[wide]
    ring = ~own & np.isfinite(height)
    inner = own & np.isfinite(height)
    if ring.sum() < 20 or inner.sum() < 20:
        return False
    return float(np.median(height[inner]) - np.percentile(height[ring], 40)) > options.above_m
