"""Where two co-registered surfaces differ by more than noise, plants and water say.

A mean over a metre counts as changed beyond ``LoD95 = 1.96 · (sqrt(var of the mean) + reg)`` (after
Wheaton et al. 2010, doi:10.1002/esp.1886), and by at least 0.3 m, or 1 m where plants stand or
stood; an object must reach 3.5 deviations somewhere. Water has no surface: ground where there was
water is a fill by that alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.box_mean import box_mean
from pipeline.detect.objects import join
from pipeline.detect.surface_noise import classes, mean_factor, sigma_of
from pipeline.detect.surface_types import SurfaceChangeOptions
from pipeline.grid import box_of_mask
from pipeline.model import Cover, SurfaceFit, SurfaceNoise, Window

Float = NDArray[np.float32]
Mask = NDArray[np.bool_]
Int = NDArray[np.int32]
_LOOKS = 6  # cells, as far as slope and roughness depend on others


@dataclass(frozen=True)
class SurfacePair:
    """One window of a co-registered pair; the plane is already taken off the later surface."""

    window: Window  # in cells of the whole grid
    cell_m: float
    before: Float  # (H, W) [m], NaN where there is no surface
    after: Float
    covers: tuple[NDArray[np.uint8], NDArray[np.uint8]]  # codes of Cover
    share: Float | None = None  # of each cell that is there, 0..1; None: all of all

    def total(self, inside: Mask, values: Float | None = None) -> float:
        """Sum values (of one unless given) over cells, each by how much of it is there."""
        cells = np.ones(int(inside.sum())) if values is None else values[inside]
        if self.share is not None:
            cells = cells * self.share[inside]
        return float(cells.sum(dtype=np.float64))

    @property
    def plants(self) -> Mask:
        """Plants on either date, grass aside."""
        return (self.covers[0] == Cover.VEGETATION) | (self.covers[1] == Cover.VEGETATION)

    @property
    def surface(self) -> Mask:
        """Both dates have a surface, and it is not water's."""
        water = (self.covers[0] == Cover.WATER) | (self.covers[1] == Cover.WATER)
        return np.isfinite(self.before) & np.isfinite(self.after) & ~water

    def within(self, window: Window) -> SurfacePair:
        """Give the part of it that a smaller window holds."""
        inner = window.within(self.window)
        covers = (self.covers[0][inner], self.covers[1][inner])
        heights = self.before[inner], self.after[inner]
        share = None if self.share is None else self.share[inner]
        return SurfacePair(window, self.cell_m, *heights, covers, share)


@dataclass(frozen=True)
class ChangedCells:
    """Sparse cells of one sign, in indices of the whole grid."""

    rows: Int
    cols: Int
    sign: int  # 1 risen or filled, -1 fallen
    seed: Mask
    fill: Mask


@dataclass(frozen=True)
class Judged:
    """What a window says of each of its cells, (H, W)."""

    up: Mask
    down: Mask
    seed: Mask
    fill: Mask


def change_halo_m(options: SurfaceChangeOptions) -> float:
    """Give how far [m] the judgement of a cell may depend on others, covers aside."""
    return 2 * options.window_m + 8 * options.cell_m


def registration_error(fit: SurfaceFit, pair: SurfacePair, slope: Float) -> Float:
    """Give the error of plane and shift at each cell [m], 1 sigma."""
    rows, cols = places(pair)
    r, c = rows - fit.middle_m[0], cols - fit.middle_m[1]
    v = fit.covariance
    plane = (
        v[0, 0] + r * r * v[1, 1] + c * c * v[2, 2]
        + 2 * (r * v[0, 1] + c * v[0, 2] + r * c * v[1, 2])
    )  # fmt: skip
    along = np.minimum(np.nan_to_num(slope, nan=0.0), 1.0) ** 2 * (v[3, 3] + v[4, 4]) / 2
    return np.sqrt(np.maximum(plane, 0) + along).astype(np.float32)


def places(pair: SurfacePair) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give the middles of rows (H, 1) and columns (1, W) [m] from the grid's corner."""
    w = pair.window
    return (
        np.asarray((np.arange(w.row0, w.row1) + 0.5) * pair.cell_m, np.float64)[:, None],
        np.asarray((np.arange(w.col0, w.col1) + 0.5) * pair.cell_m, np.float64)[None, :],
    )


def away(mask: Mask) -> NDArray[np.float64]:
    """Give how far each cell lies from the nearest cell of ``mask`` [cells]."""
    return np.asarray(ndimage.distance_transform_edt(~mask), np.float64)


def judge(
    pair: SurfacePair, noise: SurfaceNoise, fit: SurfaceFit, options: SurfaceChangeOptions
) -> Judged:
    """Say which cells of a window changed.

    Most of a bank did not: a mean below every least change is judged by that alone, and what the
    noise says is asked only for the part of the window that holds larger ones.
    """
    size = max(3, round(options.window_m / pair.cell_m) | 1)
    known = pair.surface
    dz = np.where(known, pair.after - pair.before, np.float32(0))
    share = _mean(known.astype(np.float32), size)
    mean = _mean(dz, size) / np.maximum(share, np.float32(1e-6))
    ok, fill = (share > 0.5) & known, _fill(pair, size)
    beyond, seed = _beyond(pair, np.where(ok, mean, np.float32(0)), (noise, fit), options, size)
    up = _bridged((beyond & (mean > 0)) | fill, fill, pair)
    return Judged(up, beyond & (mean < 0), seed | fill, fill)


def _beyond(
    pair: SurfacePair,
    mean: Float,
    known: tuple[SurfaceNoise, SurfaceFit],
    options: SurfaceChangeOptions,
    size: int,
) -> tuple[Mask, Mask]:
    """Say where a mean change [m] is one, and where it is beyond doubt."""
    beyond, seed = (np.zeros(mean.shape, bool) for _ in range(2))
    least = min(options.least_m, options.grass_m, options.plants_m)
    large = np.abs(mean) > np.float32(least)
    if not large.any():
        return beyond, seed
    near = around(large, pair.window, size + _LOOKS)
    own, at = pair.within(near), near.within(pair.window)
    beyond[at], seed[at] = _beyond_noise(own, np.abs(mean[at]), known, options, size)
    return beyond & large, seed & large


def _beyond_noise(
    pair: SurfacePair,
    change: Float,
    known: tuple[SurfaceNoise, SurfaceFit],
    options: SurfaceChangeOptions,
    size: int,
) -> tuple[Mask, Mask]:
    noise, fit = known
    slope, rough = classes(pair.before, pair.cell_m)
    slope2, rough2 = classes(pair.after, pair.cell_m)
    sigma = sigma_of(noise, np.minimum(slope, slope2), np.minimum(rough, rough2))
    sigma = sigma * np.float32(mean_factor(noise, size, pair.cell_m))
    error = sigma + registration_error(fit, pair, slope)
    plants = _mean(pair.plants.astype(np.float32), size) > 0.3
    grass = _mean((pair.covers[1] == Cover.GRASS).astype(np.float32), size) > 0.5
    least = np.where(grass, options.grass_m, options.least_m)
    least = np.where(plants, options.plants_m, least).astype(np.float32)
    beyond = change > np.maximum(least, np.float32(1.96) * error)
    return beyond, beyond & (change > np.float32(options.seed_sigmas) * error)


def around(mask: Mask, window: Window, cells: int) -> Window:
    """Give what of a window holds a mask, with a rim of some cells."""
    box = box_of_mask(mask, window)
    assert box is not None
    near = box.pad(cells).intersect(window)
    assert near is not None
    return near


def _mean(values: Float, size: int) -> Float:
    return box_mean(values, size, "constant")


def _fill(pair: SurfacePair, size: int) -> Mask:
    """Ground that has a surface where there was water."""
    new = (
        (pair.covers[0] == Cover.WATER)
        & np.isin(pair.covers[1], (Cover.GROUND, Cover.GRASS))
        & np.isfinite(pair.after)
    )
    return new & (_mean(new.astype(np.float32), size) > 0.6)


def _bridged(up: Mask, fill: Mask, pair: SurfacePair) -> Mask:
    """Join a fill with the shore that it was tipped from, across the water's edge."""
    if not fill.any():
        return up
    land = np.isin(pair.covers[1], (Cover.GROUND, Cover.GRASS)) & np.isfinite(pair.after)
    near = np.asarray(ndimage.maximum_filter(fill, 7), bool)
    closed = ndimage.minimum_filter(ndimage.maximum_filter(up, 7), 7)
    return np.asarray(up | (closed & near & land), bool)


def sparse(judged: Judged, pair: SurfacePair, core: Window) -> list[ChangedCells]:
    """Give the changed cells of a window that lie in ``core``, by sign."""
    inner = np.zeros(judged.up.shape, bool)
    inner[core.within(pair.window)] = True
    out: list[ChangedCells] = []
    for sign, mask in ((1, judged.up), (-1, judged.down)):
        r, c = np.nonzero(mask & inner)
        out.append(
            ChangedCells(
                (r + pair.window.row0).astype(np.int32),
                (c + pair.window.col0).astype(np.int32),
                sign,
                judged.seed[r, c],
                judged.fill[r, c],
            )
        )
    return out


def gather(
    parts: Sequence[ChangedCells], cell_m: float, options: SurfaceChangeOptions
) -> list[ChangedCells]:
    """Join the sparse cells of all windows into objects that are large and sure enough."""
    found: list[ChangedCells] = []
    for sign in (1, -1):
        own = [p for p in parts if p.sign == sign and p.rows.size]
        if not own:
            continue
        rows, cols = (np.concatenate([getattr(p, n) for p in own]) for n in ("rows", "cols"))
        seed, fill = (np.concatenate([getattr(p, n) for p in own]) for n in ("seed", "fill"))
        labels = join(rows, cols)
        order = np.lexsort((cols, rows, labels))
        cuts = np.flatnonzero(np.diff(labels[order])) + 1
        least = options.least_area_m2 / cell_m**2
        found += [
            ChangedCells(rows[i], cols[i], sign, seed[i], fill[i])
            for i in np.split(order, cuts)
            if i.size >= least and seed[i].any()
        ]
    return sorted(found, key=lambda o: (int(o.rows[0]), int(o.cols[0]), o.sign))
