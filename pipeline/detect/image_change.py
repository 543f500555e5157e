"""What two colour-balanced pictures of different dates show that the second alone has.

Such pictures carry no reflectance: colours were stretched by hand, the sun stood elsewhere, and
they lie a pixel or two off each other. So nothing is compared but ranks within each picture, over
small windows, at the best of small shifts:

* *brighter*: the rank of grey rises (bare ground, concrete and roofs among fields and water);
* *greyer*: the rank of blue against red rises (the yellow of soil and the green of crops go);
* *another texture*: gradient energy that the other picture does not have (structures come or go).

Their sum, each in units of its own spread over the corridor, was the best of a dozen measures tried
on 14 real pairs, and near what a regression trained on the same pairs reaches. It finds a third to
a half of new buildings and raises many false areas (``docs/measured.md``), so its objects are never
certain, and only the strongest of a corridor are given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy import ndimage

from pipeline.detect.objects import join

Float = NDArray[np.float32]
_BINS = 2000  # of a field over its range -2..2
_RANGE = 2.0
# Least spread of a field: that of the quietest of 14 real pairs. Without it the noise of two
# pictures of unchanged ground would be their strongest change.
_LEAST = (0.10, 0.04, 0.10)
_FLOOR = 2e-3  # of gradient energy [rank²/px²]: the noise of flat ground is no texture


class PictureOptions(BaseModel):
    """How two pictures are compared."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    res_m: float = Field(
        default=2.0, ge=0.5, le=30, description="coarsest of this and the pictures is compared [m]"
    )
    window_px: int = Field(default=6, ge=2, le=20, description="half side of a texture window [px]")
    shift_px: int = Field(default=2, ge=0, le=5, description="misregistration allowed for [px]")
    seed: float = Field(default=3.0, gt=0, description="strength an object reaches somewhere")
    grow: float = Field(default=1.5, gt=0, description="strength everywhere in an object")
    min_area_m2: float = Field(default=100.0, ge=0, description="smaller objects are dropped [m²]")
    per_km2: float = Field(
        default=2.0,
        gt=0,
        le=1000,
        description="strongest objects kept per km² of corridor compared",
    )


@dataclass(frozen=True)
class Fields:
    """Measures of one window, float32 (H, W): brighter, greyer, other texture; -2..2."""

    brighter: Float
    greyer: Float
    texture: Float

    def all(self) -> tuple[Float, Float, Float]:
        """All three."""
        return self.brighter, self.greyer, self.texture


@dataclass(frozen=True)
class Change:
    """One object; pixels are indices into the whole grid, sorted by row, then column."""

    rows: NDArray[np.int32]
    cols: NDArray[np.int32]
    strength: float  # mean over its pixels


def halo_px(options: PictureOptions) -> int:
    """Give how far [px] a pixel's strength may depend on others."""
    return options.window_px + options.shift_px + 4


def judgeable(valid: NDArray[np.bool_], options: PictureOptions) -> NDArray[np.bool_]:
    """Say where no pixel without data, nor the window's edge, lies within the halo."""
    size = 2 * halo_px(options) + 1
    return np.asarray(ndimage.minimum_filter(valid, size, mode="constant", cval=0), bool)


def tally_colours(picture: NDArray[np.uint8], mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Count the values of a picture (3, H, W) where ``mask`` (H, W): (3, 256), exact to add up."""
    return np.stack([np.bincount(band[mask], minlength=256)[:256] for band in picture])


def ranks_of(counts: NDArray[np.int64]) -> Float:
    """Rank 0..1 of each value of each band, (3, 256), from summed counts."""
    total = np.maximum(counts.sum(axis=1, keepdims=True), 1)
    below = np.cumsum(counts, axis=1) - counts
    return ((below + counts / 2) / total).astype(np.float32)


def compare(
    before: NDArray[np.uint8],
    after: NDArray[np.uint8],
    ranks: tuple[Float, Float],
    options: PictureOptions,
) -> Fields:
    """Measure what changed in one window.

    Parameters
    ----------
    before, after : uint8 (3, H, W)
        Red, green, blue on one grid.
    ranks : pair of float32 (3, 256)
        Of each picture over the whole corridor.
    """
    old, new = (
        np.stack([r[band] for r, band in zip(rank, picture, strict=True)])
        for rank, picture in zip(ranks, (before, after), strict=True)
    )
    grey = (_grey(old), _grey(new))
    return Fields(
        brighter=_risen(grey[0], grey[1], options),
        greyer=_risen(_blueness(old), _blueness(new), options),
        texture=_texture(grey[0], grey[1], options),
    )


def _grey(picture: Float) -> Float:
    return np.asarray(picture.mean(axis=0), np.float32)


def _blueness(picture: Float) -> Float:
    return np.asarray(picture[2] - picture[0], np.float32)


def _risen(old: Float, new: Float, options: PictureOptions) -> Float:
    """Rise of the local mean, at the shift at which it is the least."""
    half, reach = options.window_px // 2, options.shift_px
    before, after = _mean(old, half), _mean(new, half)
    best = after - before
    for shift in product(range(-reach, reach + 1), repeat=2):
        rise = np.roll(after, shift, (0, 1)) - before
        best = np.where(np.abs(rise) < np.abs(best), rise, best)
    return np.asarray(best, np.float32)


def _mean(values: Float, half: int) -> Float:
    return np.asarray(ndimage.uniform_filter(values, 2 * half + 1), np.float32)


def _texture(old: Float, new: Float, options: PictureOptions) -> Float:
    """Share of the local gradient energy that the other picture does not have, at the best shift.

    0 where gradients agree and where both are flat, 1 where they have nothing in common, 2 where
    they are opposed.
    """
    (y0, x0), (y1, x1) = _gradient(old), _gradient(new)
    window, reach = options.window_px, options.shift_px
    energy, other = (
        _mean(np.asarray(y * y + x * x, np.float32), window) for y, x in ((y0, x0), (y1, x1))
    )
    best = np.full(old.shape, 2.0, np.float32)
    for shift in product(range(-reach, reach + 1), repeat=2):
        y, x = (np.asarray(np.roll(g, shift, (0, 1)), np.float32) for g in (y1, x1))
        both = _mean(np.asarray(y0 * y + x0 * x, np.float32), window)
        mean = (energy + np.roll(other, shift, (0, 1))) / 2
        np.minimum(best, (mean - both) / (mean + np.float32(_FLOOR)), out=best)
    return best


def _gradient(grey: Float) -> tuple[Float, Float]:
    """Smoothed derivatives along rows and columns."""
    y, x = (ndimage.gaussian_filter1d(grey, 1.0, axis=a, order=1, truncate=3.0) for a in (0, 1))
    y = ndimage.gaussian_filter1d(y, 1.0, axis=1, truncate=3.0)
    x = ndimage.gaussian_filter1d(x, 1.0, axis=0, truncate=3.0)
    return np.asarray(y, np.float32), np.asarray(x, np.float32)


def tally_fields(fields: Fields, mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Count the values of the fields where ``mask``: (3, bins), exact to add up."""
    out = np.zeros((3, _BINS), np.int64)
    for k, field in enumerate(fields.all()):
        place = ((field[mask] + _RANGE) / (2 * _RANGE) * _BINS).astype(np.int64)
        out[k] = np.bincount(np.clip(place, 0, _BINS - 1), minlength=_BINS)
    return out


def scales_of(counts: NDArray[np.int64]) -> Float:
    """Median and spread (1.4826 MAD) of each field, (3, 2), from summed counts."""
    centres = (np.arange(_BINS) + 0.5) / _BINS * 2 * _RANGE - _RANGE
    out = np.zeros((3, 2), np.float32)
    for k, own in enumerate(counts):
        middle = _quantile(centres, own)
        away = np.abs(centres - middle)
        order = np.argsort(away, kind="stable")
        spread = 1.4826 * _quantile(away[order], own[order])
        out[k] = middle, max(spread, _LEAST[k])
    return out


def _quantile(values: NDArray[np.float64], counts: NDArray[np.int64]) -> float:
    total = np.cumsum(counts)
    return float(values[min(int(np.searchsorted(total, total[-1] / 2)), values.size - 1)])


def strength(fields: Fields, scales: Float) -> Float:
    """Sum the fields in units of their spread, texture by half; float32 (H, W)."""
    brighter, greyer, texture = (
        (f - m) / s for f, (m, s) in zip(fields.all(), scales, strict=True)
    )
    return np.asarray(brighter + greyer + np.float32(0.5) * texture, np.float32)


def objects(
    rows: NDArray[np.int32],
    cols: NDArray[np.int32],
    values: Float,
    pixel_area_m2: float,
    compared_km2: float,
    options: PictureOptions,
) -> Sequence[Change]:
    """Join pixels of at least ``grow`` to objects, the strongest first.

    Parameters
    ----------
    rows, cols, values : (N,)
        Distinct pixels of the whole grid with their strength.
    compared_km2
        Area that both pictures show of the corridor; bounds how many objects are kept.
    """
    order = np.lexsort((cols, rows))
    rows, cols, values = rows[order], cols[order], values[order]
    labels = join(rows, cols)
    found: list[Change] = []
    for part in _groups(labels):
        big = part.size * pixel_area_m2 >= options.min_area_m2
        if big and values[part].max() >= options.seed:
            found.append(Change(rows[part], cols[part], float(values[part].mean())))
    found.sort(key=lambda c: (-c.strength * c.rows.size**0.5, int(c.rows[0]), int(c.cols[0])))
    return found[: max(1, round(options.per_km2 * compared_km2))]


def _groups(labels: NDArray[np.int32]) -> list[NDArray[np.intp]]:
    """Give the indices of each label, ascending."""
    if labels.size == 0:
        return []
    order = np.argsort(labels, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(labels[order])) + 1)
