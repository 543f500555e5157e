"""Footprint, height and volumes of an object, each with the interval that its noise allows.

Volumes are sums of differences over the object and a margin around it: there the noise has mean
zero, and the thin skirt of a heap is not lost. Cells are never sorted by their own sign, which
would turn noise into volume: a cell is cut or fill by the nearest core that is beyond doubt. The
variance is that of a sum over just this shape (``surface_noise``), with the errors that plane and
shift share over all its cells.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.box_mean import box_mean
from pipeline.detect.surface_body import Body, edge_of, gradients, without_holes
from pipeline.detect.surface_change import SurfacePair, away, places
from pipeline.detect.surface_noise import classes, mean_factor, sigma_of, variance_of_sum
from pipeline.detect.surface_types import Measure, SurfaceChangeOptions
from pipeline.model import Cover, SurfaceFit, SurfaceNoise

Float = NDArray[np.float32]
Mask = NDArray[np.bool_]
_Z = 1.959964
_FLAT = 0.2  # of a footprint: a top that is so wide is flat
_GENTLEST = 0.2  # slope of a skirt [1], at least


@dataclass(frozen=True)
class Measured:
    """Numbers of one object."""

    footprint: Mask
    outlined_m2: float  # area within the outline that is drawn
    footprint_m2: Measure  # with the skirt beyond it; its lower end without
    height_m: Measure
    fill_m3: Measure
    cut_m3: Measure
    net_m3: Measure
    side_slope: float
    planarity_m: float
    unseen_share: float
    strength: float


@dataclass(frozen=True)
class Outlined:
    """An object whose footprint is known: enough to say of many that they are none."""

    body: Body  # close around it
    rise: Float  # mean change, away from the ground [m]
    edge: float  # of ``rise``, at the footprint's outline [m]
    doubt: float  # of ``edge``, 95 % [m]
    walls: float  # slope along the outline [1]
    steep: bool
    footprint: Mask

    @property
    def footprint_m2(self) -> float:
        """Area [m²]."""
        return self.body.pair.total(self.footprint) * self.body.pair.cell_m**2


def outlined(body: Body, noise: SurfaceNoise, options: SurfaceChangeOptions) -> Outlined:
    """Find an object's footprint."""
    body = body.closely()
    cell = body.pair.cell_m
    smooth = _mean_of(body.dz, body.region, 3) * body.sign
    small = mean_factor(noise, 3, cell) * float(np.median(body.sigma[body.core]))
    top = float(np.percentile(smooth[body.core], 90))
    walls = _outline_slope(smooth, body.dz * body.sign, body.region, top / 2, cell)
    steep = walls >= options.steep
    edge = top / 2 if steep else max(options.least_m / 2, _Z * small)
    footprint = _main(body.region & (smooth > edge), body.core)
    return Outlined(body, smooth, edge, _Z * small, walls, steep, footprint)


def measure(whole: Body, found: Outlined, noise: SurfaceNoise, fit: SurfaceFit) -> Measured:
    """Measure an object of a window that was outlined."""
    body = found.body
    net, fill, cut = _volumes(body, noise, fit)
    area = _area(found, noise)
    height, planarity = _height(found, noise, fit)
    mean = float(np.abs(body.dz[body.core].mean()))
    error = _error(body, body.core, noise, fit) / max(int(body.core.sum()), 1)
    everywhere = np.zeros(whole.core.shape, bool)
    everywhere[body.pair.window.within(whole.pair.window)] = found.footprint
    return Measured(
        everywhere, found.footprint_m2, area, height, fill, cut, net, found.walls, planarity,
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
    edge = edge_of(noise, slope, classes(pair.after, pair.cell_m)[0])
    region = inside & pair.surface
    dz = np.where(region, pair.after - pair.before, np.float32(0)).astype(np.float32)
    mean = _mean_of(dz, region, 3)
    limit = _Z * np.float32(mean_factor(noise, 3, pair.cell_m)) * sigma
    none = np.zeros(region.shape, bool)
    body = Body(pair, dz, region, region, sigma, 1, none, 0.0, none, gradients(pair), edge)
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
    value = sign * body.pair.total(part, body.dz) * area
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
    deviation = np.hypot(body.sigma * scale, body.edge)
    weights = np.where(known, deviation, np.float32(0))[box]
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
    gap = body.pair.total(body.unseen & part) * float(body.dz[part].std())
    water = float(body.from_water[part].sum()) * body.water_error_m
    return float(np.sqrt(max(own + shared, 0.0) + gap**2 + water**2))


def _mean_of(values: Float, inside: Mask, size: int) -> Float:
    weight = inside.astype(np.float32)
    total = box_mean(np.where(inside, values, np.float32(0)), size, "constant")
    count = box_mean(weight, size, "constant")
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
    return without_holes(kept) if kept.any() else core


def _area(found: Outlined, noise: SurfaceNoise) -> Measure:
    """Give the ground that changed [m²]: the outlined area, and the skirt beyond it."""
    body, cell = found.body, found.body.pair.cell_m
    least, most = (
        _main(body.region & (found.rise > e), body.core)
        for e in (found.edge + found.doubt, found.edge - found.doubt)
    )
    low, value, high = (body.pair.total(m) * cell**2 for m in (least, found.footprint, most))
    rim = np.asarray(ndimage.binary_dilation(found.footprint), bool) & ~found.footprint
    # Without walls it runs out beyond its outline as its sides go, but for where there is water. Of
    # that strip half is guessed; where a wall hides the outline, half a cell is, and of cells that
    # hold several a whole one.
    strip = 0.0 if found.steep else found.edge / max(found.walls, _GENTLEST)
    skirt = float((rim & (body.pair.covers[1] != Cover.WATER)).sum()) * cell * strip
    several = noise.cells > 1
    drawn = float(rim.sum()) * cell * cell * (1.0 if several else 0.5)
    guessed = max(float(rim.sum()) * cell * 0.5 * strip, drawn if found.steep or several else 0.0)
    above = float(np.hypot(max(high - value, 0.0), guessed))
    # The skirt is no ground to judge by: the lower end is what is drawn, less the doubt of that.
    below = float(np.hypot(max(value - low, 0.0), drawn))
    return Measure(value + skirt, max(value - below, 0.0), value + skirt + above)


def _height(found: Outlined, noise: SurfaceNoise, fit: SurfaceFit) -> tuple[Measure, float]:
    """Mean change of a top behind walls, or of a heap's highest tenth; and the top's planarity.

    The tenth is chosen on the mean over a metre, so that noise does not choose its own peaks. Of a
    bottom or top that is flat it would: if twice as much lies within the noise of that mean, all of
    it is taken.
    """
    body, footprint, cell = found.body, found.footprint, found.body.pair.cell_m
    deep = away(~footprint)
    inner = deep * cell > min(0.6, 0.5 * float(deep.max()) * cell)
    if found.steep:
        part = inner
    else:
        size = max(3, round(1.0 / cell) | 1)
        broad = _mean_of(body.dz, body.region, size) * body.sign
        small = mean_factor(noise, size, cell) * float(np.median(body.sigma[body.core]))
        top = float(np.percentile(broad[footprint], 90))
        part, flat = (footprint & (broad >= top - by) for by in (0.0, 2 * small))
        if flat.sum() > _FLAT * footprint.sum():
            part = flat
    value = float(body.dz[part].mean())
    error = _Z * _error(body, part, noise, fit) / max(int(part.sum()), 1)
    if noise.cells > 1:
        # The mean of a cell that holds several is off by as much as they lie on different heights.
        rows, cols = np.gradient(body.dz, cell)
        within = float(np.hypot(rows, cols)[part].mean()) * cell / 2
        error = float(np.hypot(error, within))
    surface = body.pair.after if body.sign > 0 else body.pair.before
    return Measure(value, value - error, value + error), _off_plane(surface, inner)


def _off_plane(surface: Float, inner: Mask) -> float:
    """NMAD of the inner surface from its plane, or from a ridge of two planes [m]."""
    part = inner & np.isfinite(surface)
    rows, cols = np.nonzero(part)
    if rows.size < 6:
        return 0.0
    some = slice(None, None, max(1, rows.size // 2000))
    r, c = rows[some] - rows.mean(), cols[some] - cols.mean()
    values = surface[rows[some], cols[some]].astype(np.float64)
    values -= values.mean()
    angles = np.arange(0, np.pi, np.pi / 12)[:, None]
    folds = np.abs(r * np.cos(angles) + c * np.sin(angles))
    flat = np.stack([np.ones(r.size), r, c])
    ridges = np.empty((len(folds), 4, r.size))
    ridges[:, :3], ridges[:, 3] = flat, folds
    return min(_misfit(flat[None], values), _misfit(ridges, values))


def _misfit(bases: NDArray[np.float64], values: NDArray[np.float64]) -> float:
    """Least NMAD of values (N,) from what bases (some, columns, N) fit them with."""
    # By normal equations: columns are some cells long at most, and there are four of them.
    normal = np.linalg.pinv(bases @ bases.transpose(0, 2, 1), hermitian=True)
    fitted = (normal @ (bases @ values)[..., None])[..., 0]
    rest = values - (fitted[:, None, :] @ bases)[:, 0]
    rest -= np.median(rest, axis=1, keepdims=True)
    return 1.4826 * float(np.median(np.abs(rest), axis=1).min())
