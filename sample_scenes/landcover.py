"""What covers the ground when it is dry: fields, villages, woods, roads, banks and bars."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from sample_scenes.fields import F32, generator, power_noise, smooth_noise, to_coarse, to_fine
from sample_scenes.options import FINE, SampleOptions
from sample_scenes.site import place
from sample_scenes.spectra import CLASSES
from sample_scenes.terrain import FULL_POOL, Terrain

CODE = {name: i for i, name in enumerate(CLASSES)}
# Relative texture of a class at 10 m: broad, fine.
TEXTURE = {
    "forest": (0.10, 0.12), "forest_dark": (0.10, 0.12), "shrub": (0.14, 0.12),
    "grass": (0.14, 0.08), "town": (0.12, 0.26), "bright_roof": (0.04, 0.05), "road": (0.05, 0.06),
    "red_soil": (0.14, 0.07), "sand": (0.11, 0.05), "mud": (0.12, 0.05), "rock": (0.06, 0.10),
}  # fmt: skip
CROP_TEXTURE = (0.06, 0.05)


@dataclass(frozen=True)
class LandCover:
    """Shares of classes and the static texture on the padded grid."""

    share: F32  # (class, row, col), sums to 1
    texture: F32  # (row, col), brightness factor about 1
    vigour: F32  # (row, col), factor about 1 on near infrared of vegetation
    main: NDArray[np.uint8]  # (row, col), most frequent class

    def crop(self, n: int) -> LandCover:
        """Keep the north-western ``n`` by ``n`` pixels of the padded grid."""
        part = (..., slice(n), slice(n))
        return LandCover(self.share[part], self.texture[part], self.vigour[part], self.main[part])


def build(options: SampleOptions, ground: Terrain) -> LandCover:
    """Cover the ground; deterministic in the seed."""
    n = options.padded
    site = place(options.site)
    rng = generator(options.seed, 3)
    patch = to_fine(power_noise(rng, n, 1.4, 60), FINE)
    cover, tone = _parcels(rng, n)
    offset = to_fine(ground.river_offset, FINE)
    x, y = to_fine(ground.x, FINE), to_fine(ground.y, FINE)
    plain = offset < site.plain_m + 60 * patch
    wooded = np.where(patch > 1.25, CODE["shrub"], CODE["forest"])
    wooded = np.where(patch < -1.55, CODE["grass"], wooded)
    cover = np.where(plain, cover, wooded)
    cover = _villages(rng, n, cover, plain & (offset > 70))
    levee = np.abs(offset - 62)
    cover = np.where(levee < 16, CODE["grass"], cover)
    cover = np.where((levee < 3.5) & (offset > 0), CODE["road"], cover)
    lane = np.abs(y - site.lane[0] - site.lane[1] * x - 40 * np.sin(x / 300))
    cover = np.where((lane < 4) & (offset > 60), CODE["road"], cover)
    cover = _banks(ground, cover, offset, patch)
    bank = ground.fine_z
    pool = ground.fine_body == 2
    gentle_rim = to_fine(np.hypot(*ground.slope), FINE) < 0.06
    rim = np.where(gentle_rim, CODE["mud"], CODE["red_soil"])
    cover = np.where(pool & (bank < FULL_POOL), rim, cover)
    cover = np.where(pool & (bank >= FULL_POOL) & (bank < FULL_POOL + 0.8), CODE["grass"], cover)
    dam_y, (west, east) = site.reservoir.dam_y, site.reservoir.dam_x
    dam = (np.abs(y - dam_y) < 34) & (x > west) & (x < east) & (bank > 4) & (bank < 19.3)
    cover = np.where(dam, CODE["rock"], cover)
    cover = np.where(dam & (np.abs(y - dam_y) < 5), CODE["road"], cover)
    return _summarise(cover.astype(np.uint8), np.where(plain, tone, 0), rng, n)


def _parcels(rng: np.random.Generator, n: int) -> tuple[NDArray[np.intp], F32]:
    """Fields as a Voronoi diagram of stretched cells: the crop and the tone of each."""
    side = n * FINE
    step = np.array([8.5, 16.0]) * FINE / 2  # about 45 m x 80 m
    rows, cols = np.mgrid[0 : side + step[0] : step[0], 0 : side + step[1] : step[1]]
    points = np.column_stack([rows.ravel(), cols.ravel()])
    points += rng.normal(0, 0.28, points.shape) * step
    pixels = np.mgrid[0:side, 0:side].reshape(2, -1).T
    _, nearest = KDTree(points / step).query(pixels / step, workers=2)
    groups = np.array(
        [CODE[c] for c in ("rice_early", "rice_late", "rice_single", "rape_rice", "vegetables")]
    )
    # Neighbours plant alike: crops follow a smooth field more than chance.
    taste = smooth_noise(rng, 64, 5).ravel()
    at = (points / side * 60).clip(0, 63).astype(int)
    mood = taste[at[:, 0] * 64 + at[:, 1]] + rng.normal(0, 1.0, len(points))
    crop = groups[np.digitize(mood, (-0.75, 0.15, 0.75, 1.3))]
    tone = rng.normal(0, 0.10, len(points)).astype(np.float32)
    return crop[nearest].reshape(side, side), tone[nearest].reshape(side, side)


def _villages(
    rng: np.random.Generator, n: int, cover: NDArray[np.intp], where: NDArray[np.bool_]
) -> NDArray[np.intp]:
    """Clusters of houses among gardens, some roofs of bright sheet metal."""
    cluster = to_fine(smooth_noise(rng, n, 11), FINE)
    rows, cols = np.mgrid[0 : n * FINE, 0 : n * FINE]
    grain = smooth_noise(rng, n * FINE, 1.3)
    town = where & (cluster > 1.25) & (grain > -0.5)
    garden = where & (cluster > 1.1) & ~town
    cover = np.where(garden, CODE["vegetables"], cover)
    cover = np.where(town, CODE["town"], cover)
    lane = ((rows % 31) < 2) | ((cols % 37) < 2)
    cover = np.where(town & lane, CODE["road"], cover)
    block_rows, block_cols = rows // 8, cols // 12
    pick = rng.random((n, n))[block_rows % n, block_cols % n]
    inside = ((rows % 8) < 6) & ((cols % 12) < 10)
    return np.where(town & (pick > 0.93) & inside, CODE["bright_roof"], cover)


def _banks(ground: Terrain, cover: NDArray[np.intp], offset: F32, patch: F32) -> NDArray[np.intp]:
    """River banks and bed: sand where gentle, soil where steep, grass where seldom wet."""
    z = ground.fine_z
    channel = (offset < 2) | ((ground.fine_body == 1) & (z < 5.4) & (offset < 420))
    sandy = (to_fine(ground.gentleness, FINE) > 0.45) | (offset < -95)
    bed = np.where(sandy, CODE["sand"], CODE["red_soil"])
    bed = np.where((offset > -8) & (z < 3.6), CODE["mud"], bed)
    bed = np.where(z > 3.15 + 0.25 * patch, CODE["grass"], bed)
    return np.where(channel, bed, cover)


def _summarise(cover: NDArray[np.uint8], tone: F32, rng: np.random.Generator, n: int) -> LandCover:
    """Shares per pixel, and static texture."""
    blocks = cover.reshape(n, FINE, n, FINE)
    share = np.stack(
        [(blocks == k).mean(axis=(1, 3), dtype=np.float32) for k in range(len(CLASSES))]
    )
    broad, fine = power_noise(rng, n, 1.2, 40), smooth_noise(rng, n, 0.7)
    amplitude = np.array([TEXTURE.get(c, CROP_TEXTURE) for c in CLASSES], dtype=np.float32)
    weight = np.tensordot(amplitude.T, share, axes=1)
    crops = share[CODE["rice_early"] : CODE["vegetables"] + 1].sum(axis=0)
    texture = np.exp(weight[0] * broad + weight[1] * fine + crops * to_coarse(tone, FINE))
    vigour = np.exp(0.07 * power_noise(rng, n, 1.3, 30))
    return LandCover(
        share=share,
        texture=texture.astype(np.float32),
        vigour=vigour.astype(np.float32),
        main=share.argmax(axis=0).astype(np.uint8),
    )
