"""What two registered drone pictures show that light does not explain, where there is no surface.

Two fields, each the least over small shifts that registration leaves:

* *colour*: change of the logarithms of red and blue over green, means over a metre. Where a cell
may   have passed into or out of shadow (darker or brighter by more than a sun explains), only the
part   across the line from sunlight to skylight counts (Finlayson, Hordley, Lu & Drew 2006,
  doi:10.1109/TPAMI.2006.18): shadow is darker with nearly the same chromaticity;
* *texture*: share of the gradients, unit vectors weak where the picture is flat, that the other
date   does not have. Exposure and sun hardly move it.

Both are taken in spreads of the pair's own unchanged ground, and added. What is green afterwards,
what is water on both dates and what has the shape of a car are no objects. A picture tells no
volume and hardly a kind, so its objects are leads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy import ndimage

from pipeline.box_mean import box_mean
from pipeline.detect.objects import join
from pipeline.detect.objects import measure as shape_of
from pipeline.detect.surface_types import FlightObject, Measure, ObjectKind
from pipeline.model import Cover, FlightCells, Window

Float = NDArray[np.float32]
Real = NDArray[np.float64]
Mask = NDArray[np.bool_]
_DARK = np.float32(0.02)  # added to shares before logarithms
# From sunlight to the light of a clear sky: change of log(red/green), log(blue/green).
_SKY = np.array([-0.45, 0.89], np.float32)


class PictureChangeOptions(BaseModel):
    """What of a difference of pictures is an object."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    window_cells: int = Field(default=5, ge=3, le=31, description="fields are means over [cells]")
    shift_cells: int = Field(default=1, ge=0, le=4, description="misregistration allowed [cells]")
    shade: float = Field(
        default=0.25, gt=0, description="change of the logarithm of grey that may be shadow"
    )
    texture_weight: float = Field(default=0.3, ge=0, description="of texture beside colour")
    grow: float = Field(default=1.8, gt=0, description="strength everywhere in an object")
    seed: float = Field(default=3.0, gt=0, description="strength an object reaches somewhere")
    least_area_m2: float = Field(default=4.0, gt=0, description="smaller objects are dropped [m²]")
    green_share: float = Field(
        default=0.5, gt=0, le=1, description="objects with more plants afterwards are dropped"
    )
    car_m: tuple[float, float, float, float] = Field(
        default=(1.4, 2.8, 3.4, 6.0), description="width and length of a car, from and to [m]"
    )


@dataclass(frozen=True)
class PicturePair:
    """One window of two registered pictures."""

    window: Window  # in cells of the whole grid
    before: FlightCells
    after: FlightCells
    covers: tuple[NDArray[np.uint8], NDArray[np.uint8]]

    @property
    def seen(self) -> Mask:
        """Both dates have a picture."""
        return self.before.valid & self.after.valid


@dataclass(frozen=True)
class PictureCells:
    """Sparse changed cells, in indices of the whole grid."""

    rows: NDArray[np.int32]
    cols: NDArray[np.int32]
    strength: Float
    green: Mask  # plants afterwards


def picture_halo(options: PictureChangeOptions) -> int:
    """Give how far [cells] the strength of a cell may depend on others, covers aside."""
    return 2 * options.window_cells + options.shift_cells + 6


def light(pair: PicturePair, options: PictureChangeOptions) -> Real:
    """Give what exposure and sun changed: medians of logarithms, (3,); NaN of nothing."""
    ok = pair.seen
    if not ok.any():
        return np.full(3, np.nan)
    both = (_logs(cells, options.window_cells) for cells in (pair.before, pair.after))
    return np.array([np.median((b - a)[ok]) for a, b in zip(*both, strict=True)])


def fields(pair: PicturePair, lit: Real, options: PictureChangeOptions) -> tuple[Float, Float]:
    """Measure change of colour and of texture, each (H, W), 0 where nothing changed.

    ``lit`` (3,) is the middle of :func:`light` over the pair, the same for all of its windows.
    """
    return _colour(pair, lit, options), _texture(pair, options)


def _logs(cells: FlightCells, size: int) -> tuple[Float, Float, Float]:
    """Logarithms of grey, red over green, blue over green; means over a window."""
    red, green, blue = np.log(cells.colour + _DARK)
    grey = np.log(cells.colour.mean(axis=0) + _DARK)
    grey, red, blue = (
        _mean(np.asarray(v, np.float32), size) for v in (grey, red - green, blue - green)
    )
    return grey, red, blue


def _mean(values: NDArray[np.floating], size: int) -> Float:
    return box_mean(values, size, "nearest")


def _colour(pair: PicturePair, lit: Real, options: PictureChangeOptions) -> Float:
    old = _logs(pair.before, options.window_cells)
    new = _logs(pair.after, options.window_cells)
    best = np.full(pair.seen.shape, np.float32(9))
    reach = options.shift_cells
    for shift in product(range(-reach, reach + 1), repeat=2):
        grey, red, blue = (
            np.roll(b, shift, (0, 1)) - a - np.float32(m)
            for a, b, m in zip(old, new, lit, strict=True)
        )
        across = np.abs(red * _SKY[1] - blue * _SKY[0])
        whole = np.hypot(red, blue)
        np.minimum(best, np.where(np.abs(grey) > options.shade, across, whole), out=best)
    return best


def _texture(pair: PicturePair, options: PictureChangeOptions) -> Float:
    (y0, x0), (y1, x1) = _gradients(pair.before), _gradients(pair.after)
    size = 2 * options.window_cells + 1
    energy, other = (_mean(y * y + x * x, size) for y, x in ((y0, x0), (y1, x1)))
    best = np.full(y0.shape, np.float32(2))
    reach = options.shift_cells
    for shift in product(range(-reach, reach + 1), repeat=2):
        y, x = (np.roll(g, shift, (0, 1)) for g in (y1, x1))
        both = _mean(y0 * y + x0 * x, size)
        mean = (energy + np.roll(other, shift, (0, 1))) / 2
        np.minimum(best, (mean - both) / (mean + np.float32(0.05)), out=best)
    return best


def _gradients(cells: FlightCells) -> tuple[Float, Float]:
    """Give unit gradients of the logarithm of grey, weak where it is flat."""
    grey = np.log(cells.colour.mean(axis=0) + _DARK)
    y, x = (
        np.asarray(
            ndimage.gaussian_filter1d(
                ndimage.gaussian_filter1d(grey, 1.0, axis=a, order=1, truncate=3.0),
                1.0,
                axis=1 - a,
                truncate=3.0,
            ),
            np.float32,
        )
        for a in (0, 1)
    )
    length = np.hypot(y, x) + np.float32(0.02)
    return y / length, x / length


def scales(samples: Sequence[tuple[Float, Float, Mask]]) -> Real:
    """Give median and spread of colour and of texture over ground, (2, 2).

    Parameters
    ----------
    samples : sequence of (colour, texture, ground), each (H, W)
        Fields of some windows.
    """
    out = np.empty((2, 2))
    for k, least in ((0, 0.02), (1, 0.05)):
        values = np.concatenate([s[k][s[2]] for s in samples])
        middle = float(np.median(values)) if values.size else 0.0
        # The lower half is what did not change; the upper holds what did.
        low = float(np.percentile(values, 16)) if values.size else 0.0
        out[k] = middle, max(middle - low, least)
    return out


def strength(got: tuple[Float, Float], scale: Real, options: PictureChangeOptions) -> Float:
    """Add the fields in units of their spread; (H, W)."""
    colour, texture = (
        ((f - m) / s).astype(np.float32) for f, (m, s) in zip(got, scale, strict=True)
    )
    return colour + np.float32(options.texture_weight) * texture


def sparse(
    value: Float, pair: PicturePair, core: Window, options: PictureChangeOptions
) -> PictureCells:
    """Give the changed cells of a window that lie in ``core``."""
    water = (pair.covers[0] == Cover.WATER) & (pair.covers[1] == Cover.WATER)
    inner = np.zeros(value.shape, bool)
    inner[core.within(pair.window)] = True
    r, c = np.nonzero((value >= options.grow) & pair.seen & ~water & inner)
    green = np.isin(pair.covers[1], (Cover.VEGETATION, Cover.GRASS))
    return PictureCells(
        (r + pair.window.row0).astype(np.int32),
        (c + pair.window.col0).astype(np.int32),
        value[r, c],
        green[r, c],
    )


def objects(
    parts: Sequence[PictureCells], cell_m: float, options: PictureChangeOptions
) -> list[FlightObject]:
    """Join the cells of all windows to objects, by their first cell."""
    if not parts:
        return []
    rows, cols, value, green = (
        np.concatenate([getattr(p, n) for p in parts])
        for n in ("rows", "cols", "strength", "green")
    )
    if not rows.size:
        return []
    labels = join(rows, cols)
    order = np.lexsort((cols, rows, labels))
    cuts = np.flatnonzero(np.diff(labels[order])) + 1
    found: list[FlightObject] = []
    for i in np.split(order, cuts):
        big = i.size * cell_m**2 >= options.least_area_m2
        if not big or value[i].max() < options.seed or green[i].mean() > options.green_share:
            continue
        thing = _object(rows[i], cols[i], float(value[i].mean()), cell_m, options)
        if thing is not None:
            found.append(thing)
    return sorted(found, key=lambda o: (int(o.rows[0]), int(o.cols[0])))


def _object(
    rows: NDArray[np.int32],
    cols: NDArray[np.int32],
    value: float,
    cell_m: float,
    options: PictureChangeOptions,
) -> FlightObject | None:
    mask = np.zeros((np.ptp(rows) + 7, np.ptp(cols) + 7), bool)
    mask[rows - rows.min() + 3, cols - cols.min() + 3] = True
    # A thread of cells (an edge, a shifted outline) is no object: what is left must be two wide.
    mask = np.asarray(ndimage.binary_opening(mask, np.ones((3, 3), bool)), bool)
    mask = np.asarray(ndimage.binary_fill_holes(mask), bool)
    labels = np.zeros(mask.shape, np.int32)
    if not ndimage.label(mask, output=labels):
        return None
    mask = labels == 1 + int(np.argmax(np.bincount(labels.ravel())[1:]))
    area = float(mask.sum()) * cell_m**2
    if area < options.least_area_m2:
        return None
    form = shape_of(mask)
    # Axes of the ellipse with a rectangle's moments are 2/sqrt(3) of its sides.
    long, wide = (v * cell_m * 3**0.5 / 2 for v in (form.length_px, form.width_px))
    low, high, short, tall = options.car_m
    if low <= wide <= high and short <= long <= tall and area > 0.75 * long * wide:
        return None
    r, c = np.nonzero(mask)
    ring = np.asarray(ndimage.binary_dilation(mask), bool) & ~mask
    rim = float(ring.sum()) * cell_m * 2 * cell_m
    return FlightObject(
        ObjectKind.PICTURE,
        (r + rows.min() - 3).astype(np.int32),
        (c + cols.min() - 3).astype(np.int32),
        value,
        Measure(area, max(area - rim, 0.0), area + rim),
    )
