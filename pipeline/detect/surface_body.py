"""An object of two surfaces, cut out of a window that holds it and its margin.

What is asked of it lies near it: deviations and slopes are taken there alone, because windows reach
far beyond an object, for its water and the ground around it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.detect.surface_change import ChangedCells, SurfacePair, around, away
from pipeline.detect.surface_noise import classes, sigma_of
from pipeline.detect.surface_types import SurfaceChangeOptions
from pipeline.model import Cover, SurfaceNoise

Float = NDArray[np.float32]
Mask = NDArray[np.bool_]
_RIM = 8  # cells, more than any mean or slope of a measure reaches
_SLOPE_RIM = 14  # cells, as far as a slope depends on others


@dataclass(frozen=True)
class Body:
    """An object in its window, (H, W), ready to be measured."""

    pair: SurfacePair
    dz: Float  # [m], gaps filled from beside; over water from its level
    core: Mask  # cells that were judged changed
    region: Mask  # core and margin, over which volumes are summed
    sigma: Float  # deviation of dz of a cell [m]; known for the region and a rim of some cells
    sign: int
    unseen: Mask  # of core: no surface
    water_error_m: float  # of the level below a fill, 1 sigma [m]
    from_water: Mask  # cells measured from the water's level
    gradients: tuple[Float, Float]  # slope of the earlier surface by rows and columns [1], as sigma
    edge: Float  # what local distortion adds to sigma where one date alone is steep [m]

    def closely(self) -> Body:
        """Give the part of it that measures are taken from: its region and a rim of some cells.

        Windows reach far beyond an object, for its water and the ground around it.
        """
        if not self.region.any():
            return self
        near = around(self.region, self.pair.window, _RIM)
        at = near.within(self.pair.window)
        return replace(
            self,
            pair=self.pair.within(near),
            dz=self.dz[at],
            core=self.core[at],
            region=self.region[at],
            sigma=self.sigma[at],
            unseen=self.unseen[at],
            from_water=self.from_water[at],
            gradients=(self.gradients[0][at], self.gradients[1][at]),
            edge=self.edge[at],
        )


def body_of(
    found: ChangedCells,
    others: Mask,
    pair: SurfacePair,
    noise: SurfaceNoise,
    options: SurfaceChangeOptions,
) -> Body:
    """Cut an object out of a window that holds it and its margin.

    Parameters
    ----------
    found : ChangedCells
        Its cells.
    others : bool (H, W)
        Cells of other objects, which are never measured with it.
    pair : SurfacePair
        The window.
    """
    core = np.zeros(pair.before.shape, bool)
    core[found.rows - pair.window.row0, found.cols - pair.window.col0] = True
    core = without_holes(core) & ~others
    from_water = core & (pair.covers[0] == Cover.WATER) & (pair.covers[1] != Cover.WATER)
    level, error = _water_level(pair, core, from_water)
    base = np.where(from_water, np.float32(level), pair.before)
    known = (pair.surface | from_water) & np.isfinite(base) & np.isfinite(pair.after)
    dz = np.where(known, pair.after - base, np.float32(0))
    steps = max(1, round(options.margin_m / pair.cell_m))
    near = away(core) <= steps
    region = core | (near & known & ~pair.plants & ~others)
    unseen = core & ~known
    if unseen.any():
        dz = np.where(unseen, _from_beside(dz, known & core), dz)
    sigma, edge, gradients = _about(region, pair, noise)
    return Body(
        pair, dz.astype(np.float32), core, region, sigma, found.sign, unseen, error, from_water,
        gradients, edge,
    )  # fmt: skip


def _about(
    region: Mask, pair: SurfacePair, noise: SurfaceNoise
) -> tuple[Float, Float, tuple[Float, Float]]:
    """Give deviations and slopes where an object is measured, and nothing far from it."""
    sigma, edge, by_row, by_col = (np.zeros(region.shape, np.float32) for _ in range(4))
    if not region.any():
        return sigma, edge, (by_row, by_col)
    near = around(region, pair.window, _RIM + _SLOPE_RIM)
    own, at = pair.within(near), near.within(pair.window)
    (slope, rough), (slope2, rough2) = (classes(h, pair.cell_m) for h in (own.before, own.after))
    sigma[at] = sigma_of(noise, np.minimum(slope, slope2), np.minimum(rough, rough2))
    edge[at] = edge_of(noise, slope, slope2)
    by_row[at], by_col[at] = gradients(own)
    return sigma, edge, (by_row, by_col)


def edge_of(noise: SurfaceNoise, slope: Float, slope2: Float) -> Float:
    """Give what a pair's local distortion adds to the deviation of each cell [m].

    A wall that is out of place by some centimetres is wrong by that times its slope. The noise is
    learnt where both dates are alike, and holds what slopes of both add; a wall of one date alone
    is not in it.
    """
    most, least = np.fmax(slope, slope2), np.fmin(slope, slope2)
    new = np.maximum(np.nan_to_num(most) ** 2 - np.nan_to_num(least) ** 2, 0)
    return np.asarray(np.float32(noise.edge_m) * np.sqrt(new), np.float32)


def _from_beside(dz: Float, known: Mask) -> Float:
    """Nearest known value."""
    if not known.any():
        return dz
    where = np.asarray(
        ndimage.distance_transform_edt(~known, return_distances=False, return_indices=True)
    )
    return dz[where[0], where[1]]


def _water_level(pair: SurfacePair, core: Mask, from_water: Mask) -> tuple[float, float]:
    """Level of the water that was filled [m], and its error, from the earlier surface beside it.

    The surface of water is poor but not biased, so its median serves; where there is none, the low
    end of the ground beside it, with an error to match.
    """
    if not from_water.any():
        return 0.0, 0.0
    near = away(core) * pair.cell_m <= 8.0
    water = pair.before[near & (pair.covers[0] == Cover.WATER) & np.isfinite(pair.before)]
    if water.size >= 100:
        middle = float(np.median(water))
        spread = 1.4826 * float(np.median(np.abs(water - middle)))
        # Errors of water hang together over metres: one independent value per 12 m².
        return middle, 1.25 * spread / max(np.sqrt(water.size * pair.cell_m**2 / 12), 1.0)
    ground = pair.before[near & np.isfinite(pair.before)]
    if ground.size < 20:
        ground = pair.after[near & np.isfinite(pair.after)]
    return float(np.percentile(ground, 5)), 0.3


def gradients(pair: SurfacePair) -> tuple[Float, Float]:
    """Give the slope of the earlier surface by rows and columns [1]."""
    known = np.isfinite(pair.before)
    filled = np.where(
        known, pair.before, np.float32(np.nanmedian(pair.before)) if known.any() else 0
    )
    smooth = ndimage.gaussian_filter(filled, 3.0)
    rows, cols = np.gradient(smooth, pair.cell_m)
    return np.asarray(rows, np.float32), np.asarray(cols, np.float32)


def without_holes(mask: Mask) -> Mask:
    """Fill what of the rest does not hang together with the outside."""
    rest = np.pad(~mask, 1, constant_values=True)
    labels = np.zeros(rest.shape, np.int32)
    ndimage.label(rest, output=labels)
    return np.asarray(labels[1:-1, 1:-1] != labels[0, 0], bool)
