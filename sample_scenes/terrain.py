"""The ground: a meandering river with bars, an island and an inlet; a dammed valley with arms.

Local coordinates are metres east (``x``) and south (``y``) of the scene's north-western corner.
Heights are metres above a datum of each water body's own; only differences to the body's level
matter. The place does not exist.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import Polygon

from sample_scenes.fields import F32, Real, generator, smooth_noise, smoothstep, to_coarse, to_fine
from sample_scenes.options import FINE, PAD, RES, SampleOptions
from sample_scenes.site import Reservoir, River, place

BANK_TOP = 6.0  # m, where the river's bank meets the flood plain
FULL_POOL = 16.0  # m, the reservoir's highest level


@dataclass(frozen=True)
class Terrain:
    """Static ground on the padded grid; ``fine`` arrays have FINE sub-pixels per pixel."""

    fine_z: F32  # m, body datum
    fine_body: NDArray[np.uint8]  # 0 never wet, 1 river, 2 reservoir
    z: F32  # m, mean of the pixel
    body: NDArray[np.uint8]  # of most of the pixel
    river_offset: F32  # m beyond the river's bank, negative inside the channel
    gentleness: F32  # 0 steep bank .. 1 point bar, by chainage and side
    slope: F32  # (2, row, col) dz/dsouth, dz/deast, for the light
    x: F32
    y: F32

    def crop(self, n: int) -> Terrain:
        """Keep the north-western ``n`` by ``n`` pixels of the padded grid."""
        fine, pixels = n * FINE, (..., slice(n), slice(n))
        return Terrain(
            fine_z=self.fine_z[:fine, :fine],
            fine_body=self.fine_body[:fine, :fine],
            z=self.z[pixels],
            body=self.body[pixels],
            river_offset=self.river_offset[pixels],
            gentleness=self.gentleness[pixels],
            slope=self.slope[pixels],
            x=self.x[pixels],
            y=self.y[pixels],
        )

    def heights_in(self, shape: Polygon, body: int) -> NDArray[np.float64]:
        """Heights on a 5 m lattice in a shape [m]; infinite beyond the map and in other bodies."""
        x0, y0, x1, y1 = shape.bounds
        gx, gy = np.meshgrid(np.arange(x0 + 2.5, x1, 5.0), np.arange(y0 + 2.5, y1, 5.0))
        inside = shapely.contains_xy(shape, gx.ravel(), gy.ravel()).reshape(gx.shape)
        step = RES / FINE
        rows, cols = (((v[inside] + PAD * RES) / step).astype(int) for v in (gy, gx))
        height, width = self.fine_z.shape
        own = (rows >= 0) & (rows < height) & (cols >= 0) & (cols < width)
        rows, cols = np.clip(rows, 0, height - 1), np.clip(cols, 0, width - 1)
        own &= self.fine_body[rows, cols] == body
        return np.where(own, self.fine_z[rows, cols].astype(np.float64), np.inf)

    def height_at(self, x: float, y: float) -> float:
        """Ground height at a local point [m], nearest sub-pixel."""
        step = RES / FINE
        row, col = (int((v + PAD * RES) / step) for v in (y, x))
        rows, cols = self.fine_z.shape
        return float(self.fine_z[min(max(row, 0), rows - 1), min(max(col, 0), cols - 1)])


def build(options: SampleOptions) -> Terrain:
    """Lay out the ground.

    Returns
    -------
    Terrain
        On the padded grid, ``(size + 2 PAD)`` pixels a side.
    """
    n = options.padded
    axis = (np.arange(n * FINE, dtype=np.float32) + 0.5) * (RES / FINE) - PAD * RES
    x, y = np.broadcast_to(axis[None, :], (n * FINE,) * 2), axis[:, None]
    site = place(options.site)
    rng = generator(options.seed, 1)
    # Nature draws no ruler lines: bend the plan of both shores.
    bend = [to_fine(14 * smooth_noise(rng, n, 9) + 5 * smooth_noise(rng, n, 3), FINE)
            for _ in range(2)]  # fmt: skip
    offset, gentle, river = _river(site.river, x + 0.6 * bend[0], y + 0.6 * bend[1])
    bumps = to_fine(smooth_noise(rng, n, 5.0), FINE)
    small = to_fine(smooth_noise(rng, n, 1.6), FINE)
    steep = to_fine(smooth_noise(rng, n, 22.0), FINE)
    hills = to_fine(smooth_noise(rng, n, 22.0), FINE)
    ridges = to_fine(smooth_noise(rng, n, 7.0), FINE)
    river += 0.22 * bumps + 0.07 * small
    valley = _valley(site.reservoir, x + 2.4 * bend[0], y + 2.4 * bend[1], steep)
    valley = valley + 0.35 * bumps + 0.08 * small
    in_river = offset < 520
    z = np.where(in_river, river, np.minimum(valley, 45 + 9 * hills))
    dam_y, (west, east) = site.reservoir.dam_y, site.reservoir.dam_x
    dam = 19.0 - np.maximum(np.abs(y - dam_y) - 6, 0) / 2.5
    near_dam = (x > west) & (x < east) & (z < 19.5)
    z = np.where(near_dam, np.maximum(z, dam), z).astype(np.float32)
    body = np.where(offset < 480, 1, np.where((y < dam_y + 4) & (offset > 560), 2, 0)).astype(
        np.uint8
    )
    upland = smoothstep(offset, 300, 620) * smoothstep(valley, 15, 40)
    coarse = to_coarse(np.clip(z, 0, 17) + upland * (70 * hills + 16 * ridges), FINE)
    return Terrain(
        fine_z=z,
        fine_body=body,
        z=to_coarse(z, FINE),
        body=body[FINE // 2 :: FINE, FINE // 2 :: FINE],
        river_offset=to_coarse(offset, FINE),
        gentleness=to_coarse(gentle, FINE),
        slope=np.stack([np.gradient(coarse, RES, axis=a) for a in (0, 1)]).astype(np.float32),
        x=to_coarse(x, FINE),
        y=to_coarse(np.broadcast_to(y, x.shape), FINE),
    )


def _river(river: River, x: Real, y: Real) -> tuple[F32, F32, F32]:
    """Distance beyond the bank [m], gentleness of the bank and height [m] of the river's side."""
    step = 1.0
    slope = (river.centre_x(y + step) - river.centre_x(y - step)) / (2 * step)
    bend = (river.centre_x(y + 60) - 2 * river.centre_x(y) + river.centre_x(y - 60)) / 60**2
    across = (x - river.centre_x(y)) / np.sqrt(1 + slope**2)
    width = river.half_width(y)
    # Bends turn the fast water to the outer bank and lay a point bar at the inner one.
    inner_east = smoothstep(bend, -0.0004, 0.0009)
    inner_west = smoothstep(-bend, -0.0004, 0.0009)
    height = np.full(x.shape, -3.5, dtype=np.float32)
    for inner, inward in ((inner_east, width - across), (inner_west, width + across)):
        steep = 0.24 * inward
        shelf = np.minimum(0.22 * inward, 2.5 + 0.021 * (inward - 11))
        drop = (1 - inner) * steep + inner * np.minimum(shelf, steep)
        height = np.maximum(height, BANK_TOP - np.maximum(drop, -1.2 + 0.0 * drop))
    gentle = np.where(across > 0, inner_east, inner_west).astype(np.float32)
    y0, shift, long, wide = river.island
    away = ((y - y0) / long) ** 2 + ((across - shift) / wide) ** 2
    height = np.maximum(height, 3.4 - 4.5 * away)
    along, aside = _along(x, y, river.inlet)
    inlet = 0.7 + 0.0105 * along + 0.055 * np.maximum(aside - 28, 0)
    height = np.where(along > 1, np.minimum(height, inlet), height)
    return (np.abs(across) - width).astype(np.float32), gentle, height.astype(np.float32)


def _valley(reservoir: Reservoir, x: Real, y: Real, steep: Real) -> F32:
    """Height of the reservoir's valley [m]: its floor, and sides of varying slope."""
    lateral = np.exp(np.log(reservoir.side_slope) + 0.55 * steep)
    height = np.full(x.shape, 200.0, dtype=np.float32)
    for points, low, high, power in reservoir.arms:
        along, aside, length = _along_line(x, y, points)
        floor = low + (high - low) * np.clip(along / length, 0, 1) ** power
        side = floor + lateral * np.maximum(aside - 35, 0) + 0.00008 * aside**2
        height = np.minimum(height, side)
    return height.astype(np.float32)


def _along(x: Real, y: Real, ends: tuple[tuple[float, float], ...]) -> tuple[F32, F32]:
    """Distance along a segment from its start (clipped) and distance from it [m]."""
    (x0, y0), (x1, y1) = ends
    length = float(np.hypot(x1 - x0, y1 - y0))
    ux, uy = (x1 - x0) / length, (y1 - y0) / length
    along = np.clip((x - x0) * ux + (y - y0) * uy, 0, length)
    aside = np.hypot(x - x0 - along * ux, y - y0 - along * uy)
    return along.astype(np.float32), aside.astype(np.float32)


def _along_line(
    x: Real, y: Real, points: tuple[tuple[float, float], ...]
) -> tuple[F32, F32, float]:
    """Distance along a polyline, distance from it, and its length [m].

    Near-equal segments are blended by their closeness, which rounds the corners.
    """
    total = 0.0
    weight = np.full(x.shape, 1e-9, dtype=np.float32)
    best = np.full(x.shape, np.inf, dtype=np.float32)
    mean = np.zeros(x.shape, dtype=np.float32)
    for ends in pairwise(points):
        along, aside = _along(x, y, ends)
        w = 1 / (aside + 15) ** 4
        mean += w * (total + along)
        weight += w
        best = np.minimum(best, aside)
        total += float(np.hypot(ends[1][0] - ends[0][0], ends[1][1] - ends[0][1]))
    return mean / weight, best, total
