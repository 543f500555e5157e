"""Footprint, height and volumes of an object, each with the interval that its noise allows.

Volumes are sums of differences over the object and a margin around it: there the noise has mean
zero, and the thin skirt of a heap is not lost. Cells are never sorted by their own sign, which
would turn noise into volume: a cell is cut or fill by the nearest core that is beyond doubt. The
variance is that of a sum over just this shape (``surface_noise``), with the errors that plane and
shift share over all its cells.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.detect.surface_change import ChangedCells, SurfacePair, away, places
from pipeline.detect.surface_noise import classes, mean_factor, sigma_of, variance_of_sum
from pipeline.detect.surface_types import Measure, SurfaceChangeOptions
from pipeline.model import Cover, SurfaceFit, SurfaceNoise, Window

Float = NDArray[np.float32]
Mask = NDArray[np.bool_]
_Z = 1.959964
_RIM = 8  # cells, more than any mean or slope of a measure reaches


@dataclass(frozen=True)
class Body:
    """An object in its window, (H, W), ready to be measured."""

    pair: SurfacePair
    dz: Float  # [m], gaps filled from beside; over water from its level
    core: Mask  # cells that were judged changed
    region: Mask  # core and margin, over which volumes are summed
    sigma: Float  # deviation of dz of a cell [m]
    sign: int
    unseen: Mask  # of core: no surface
    water_error_m: float  # of the level below a fill, 1 sigma [m]
    from_water: Mask  # cells measured from the water's level
    gradients: tuple[Float, Float]  # slope of the earlier surface along rows and columns [1]

    def closely(self) -> Body:
        """Give the part of it that measures are taken from: its region and a rim of some cells.

        Windows reach far beyond an object, for its water and the ground around it.
        """
        rows, cols = (np.flatnonzero(self.region.any(axis=a)) for a in (1, 0))
        if not rows.size:
            return self
        w = self.pair.window
        near = Window(
            w.row0 + int(rows[0]), w.row0 + int(rows[-1]) + 1,
            w.col0 + int(cols[0]), w.col0 + int(cols[-1]) + 1,
        ).pad(_RIM).intersect(w)  # fmt: skip
        assert near is not None
        at = near.within(w)
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
        )


@dataclass(frozen=True)
class Measured:
    """Numbers of one object."""

    footprint: Mask
    footprint_m2: Measure
    height_m: Measure
    fill_m3: Measure
    cut_m3: Measure
    net_m3: Measure
    side_slope: float
    planarity_m: float
    unseen_share: float
    strength: float


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
    core = np.asarray(ndimage.binary_fill_holes(core), bool) & ~others
    slope, rough = classes(pair.before, pair.cell_m)
    slope2, rough2 = classes(pair.after, pair.cell_m)
    sigma = sigma_of(noise, np.minimum(slope, slope2), np.minimum(rough, rough2))
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
    return Body(
        pair, dz.astype(np.float32), core, region, sigma, found.sign, unseen, error, from_water,
        _gradients(pair),
    )  # fmt: skip


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


def measure(
    body: Body, noise: SurfaceNoise, fit: SurfaceFit, options: SurfaceChangeOptions
) -> Measured:
    """Measure an object."""
    whole, body = body, body.closely()
    net, fill, cut = _volumes(body, noise, fit)
    cell = body.pair.cell_m
    smooth = _mean_of(body.dz, body.region, 3) * body.sign
    small = mean_factor(noise, 3, cell) * float(np.median(body.sigma[body.core]))
    top = float(np.percentile(smooth[body.core], 90))
    walls = _outline_slope(smooth, body.dz * body.sign, body.region, top / 2, cell)
    steep = walls >= options.steep
    edge = top / 2 if steep else max(options.least_m / 2, _Z * small)
    footprint = _main(body.region & (smooth > edge), body.core)
    area = _area(body, smooth, edge, _Z * small, steep)
    height, planarity = _height(body, footprint, noise, fit, steep)
    mean = float(np.abs(body.dz[body.core].mean()))
    error = _error(body, body.core, noise, fit) / max(int(body.core.sum()), 1)
    everywhere = np.zeros(whole.core.shape, bool)
    everywhere[body.pair.window.within(whole.pair.window)] = footprint
    return Measured(
        everywhere, area, height, fill, cut, net, walls, planarity,
        float(body.unseen.sum() / max(int(body.core.sum()), 1)), mean / max(_Z * error, 1e-6),
    )  # fmt: skip


def volumes_within(
    pair: SurfacePair, inside: Mask, noise: SurfaceNoise, fit: SurfaceFit
) -> tuple[Measure, Measure, Measure]:
    """Give net, fill and cut [m³] over a given outline, with 95 % intervals.

    A cell is fill or cut by the sign of the mean around it; what the cells add of which that sign
    is in doubt widens the intervals of fill and cut. Cells without both surfaces are left out.
    """
    slope, rough = classes(pair.before, pair.cell_m)
    sigma = sigma_of(noise, slope, rough)
    region = inside & pair.surface
    dz = np.where(region, pair.after - pair.before, np.float32(0)).astype(np.float32)
    mean = _mean_of(dz, region, 3)
    limit = _Z * np.float32(mean_factor(noise, 3, pair.cell_m)) * sigma
    none = np.zeros(region.shape, bool)
    body = Body(pair, dz, region, region, sigma, 1, none, 0.0, none, _gradients(pair))
    doubt = region & (np.abs(mean) < limit)
    extra = float(np.abs(mean[doubt]).sum(dtype=np.float64)) * pair.cell_m**2 / 2
    fill, cut = (
        _widened(_volume(body, region & (mean * sign > 0), sign, noise, fit), extra)
        for sign in (1, -1)
    )
    error = _error(body, region, noise, fit) * pair.cell_m**2 * _Z
    net = fill.value - cut.value
    return Measure(net, net - error, net + error), fill, cut


def _widened(measure: Measure, by: float) -> Measure:
    half = float(np.hypot(measure.high - measure.value, by))
    return Measure(measure.value, measure.value - half, measure.value + half)


def _volumes(body: Body, noise: SurfaceNoise, fit: SurfaceFit) -> tuple[Measure, Measure, Measure]:
    area = body.pair.cell_m**2
    against = _against(body)
    own = body.region & ~against
    parts = [own, against] if body.sign > 0 else [against, own]
    fill = _volume(body, parts[0], 1, noise, fit)
    cut = _volume(body, parts[1], -1, noise, fit)
    error = _error(body, body.region, noise, fit) * area * _Z
    net = fill.value - cut.value
    return Measure(net, net - error, net + error), fill, cut


def _volume(body: Body, part: Mask, sign: int, noise: SurfaceNoise, fit: SurfaceFit) -> Measure:
    if not part.any():
        return Measure(0.0, 0.0, 0.0)
    area = body.pair.cell_m**2
    value = sign * float(body.dz[part].sum(dtype=np.float64)) * area
    error = _error(body, part, noise, fit) * area * _Z
    return Measure(value, value - error, value + error)


def _against(body: Body) -> Mask:
    """Cells that belong to a part of the other sign: nearest to its core."""
    mean = _mean_of(body.dz, body.region, 5) * body.sign
    other = body.region & (mean < -np.maximum(0.3, 3 * body.sigma))
    if not other.any():
        return other
    own = body.core & ~other
    nearer = away(other) < away(own)
    return body.region & nearer


def _error(body: Body, part: Mask, noise: SurfaceNoise, fit: SurfaceFit) -> float:
    """Deviation of the sum of dz over a part, in metres times cells."""
    known = part & ~body.unseen
    rows, cols = np.nonzero(part)
    if rows.size == 0:
        return 0.0
    box = slice(rows.min(), rows.max() + 1), slice(cols.min(), cols.max() + 1)
    # Of a fill only the later surface has noise, and half of the variance of a difference is its.
    scale = np.where(body.from_water, np.float32(np.sqrt(0.5)), np.float32(1))
    weights = np.where(known, body.sigma * scale, np.float32(0))[box]
    own = variance_of_sum(noise, weights.astype(np.float32), body.pair.cell_m)
    row, col = places(body.pair)
    gr, gc = body.gradients
    lever = np.array(
        [
            rows.size,
            float((row[rows, 0] - fit.middle_m[0]).sum()),
            float((col[0, cols] - fit.middle_m[1]).sum()),
            float(gr[part].sum()),
            float(gc[part].sum()),
        ]
    )
    shared = float(lever @ fit.covariance @ lever)
    gap = float(body.unseen[part].sum()) * float(body.dz[part].std())
    water = float(body.from_water[part].sum()) * body.water_error_m
    return float(np.sqrt(max(own + shared, 0.0) + gap**2 + water**2))


def _gradients(pair: SurfacePair) -> tuple[Float, Float]:
    known = np.isfinite(pair.before)
    filled = np.where(
        known, pair.before, np.float32(np.nanmedian(pair.before)) if known.any() else 0
    )
    smooth = ndimage.gaussian_filter(filled, 3.0)
    rows, cols = np.gradient(smooth, pair.cell_m)
    return np.asarray(rows, np.float32), np.asarray(cols, np.float32)


def _mean_of(values: Float, inside: Mask, size: int) -> Float:
    weight = inside.astype(np.float32)
    total = ndimage.uniform_filter(np.where(inside, values, np.float32(0)), size, mode="constant")
    count = ndimage.uniform_filter(weight, size, mode="constant")
    return np.where(count > 1e-4, total / np.maximum(count, 1e-4), 0).astype(np.float32)


def _outline_slope(rise: Float, sharp: Float, inside: Mask, level: float, cell_m: float) -> float:
    """Median slope of ``sharp`` where ``rise`` passes half of its height [1]."""
    high = rise > level
    outline = (
        inside
        & high
        & np.asarray(ndimage.binary_dilation(inside & ~high, np.ones((3, 3), bool)), bool)
    )
    if not outline.any():
        return 0.0
    rows, cols = np.gradient(sharp, cell_m)
    return float(np.median(np.hypot(rows, cols)[outline]))


def _main(mask: Mask, core: Mask) -> Mask:
    """Parts that touch the core, without holes; the core itself where nothing is left."""
    labels = np.zeros(mask.shape, np.int32)
    ndimage.label(mask, output=labels)
    keep = np.unique(labels[core & mask])
    kept = np.isin(labels, keep[keep > 0])
    return np.asarray(ndimage.binary_fill_holes(kept), bool) if kept.any() else core


def _area(body: Body, rise: Float, edge: float, doubt: float, steep: bool) -> Measure:
    cell = body.pair.cell_m
    masks = [_main(body.region & (rise > e), body.core) for e in (edge + doubt, edge, edge - doubt)]
    low, value, high = (float(m.sum()) * cell**2 for m in masks)
    # An outline is known to half a cell where a wall hides it, to a tenth where noise averages out.
    grown = np.asarray(ndimage.binary_dilation(masks[1]), bool)
    rim = float((grown & ~masks[1]).sum()) * cell * (0.5 * cell if steep else 0.1 * cell)
    return Measure(value, max(min(low, value) - rim, 0.0), max(high, value) + rim)


def _height(
    body: Body, footprint: Mask, noise: SurfaceNoise, fit: SurfaceFit, steep: bool
) -> tuple[Measure, float]:
    """Mean change of a top behind walls, or of a heap's highest tenth; and the top's planarity.

    The tenth is chosen on the mean over 2 m, so that noise does not choose its own peaks.
    """
    cell = body.pair.cell_m
    if steep:
        deep = away(~footprint)
        part = deep * cell > min(0.6, 0.5 * float(deep.max()) * cell)
    else:
        broad = _mean_of(body.dz, body.region, max(3, round(1.0 / cell) | 1)) * body.sign
        part = footprint & (broad >= np.percentile(broad[footprint], 90))
    value = float(body.dz[part].mean())
    error = _Z * _error(body, part, noise, fit) / max(int(part.sum()), 1)
    surface = body.pair.after if body.sign > 0 else body.pair.before
    return Measure(value, value - error, value + error), _off_plane(surface, footprint, cell)


def _off_plane(surface: Float, footprint: Mask, cell_m: float) -> float:
    """NMAD of the inner surface from its plane, or from a ridge of two planes [m]."""
    deep = away(~footprint)
    part = (deep * cell_m > min(0.6, 0.5 * float(deep.max()) * cell_m)) & np.isfinite(surface)
    rows, cols = np.nonzero(part)
    if rows.size < 6:
        return 0.0
    some = slice(None, None, max(1, rows.size // 2000))
    r, c = rows[some] - rows.mean(), cols[some] - cols.mean()
    values = surface[rows[some], cols[some]].astype(np.float64)
    flat = [np.ones(r.size), r, c]
    values -= values.mean()
    best = _misfit(flat, values)
    for angle in np.arange(0, np.pi, np.pi / 12):
        best = min(best, _misfit([*flat, np.abs(r * np.cos(angle) + c * np.sin(angle))], values))
    return best


def _misfit(columns: list[NDArray[np.float64]], values: NDArray[np.float64]) -> float:
    # By normal equations: columns are some cells long at most, and there are four of them.
    basis = np.stack(columns)
    rest = values - np.linalg.lstsq(basis @ basis.T, basis @ values, rcond=None)[0] @ basis
    return 1.4826 * float(np.median(np.abs(rest - np.median(rest))))
