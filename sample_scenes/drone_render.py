"""Light, shadow and colour of simulated drone pictures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

F32 = NDArray[np.float32]
Mask = NDArray[np.bool_]

# Reflectance in red, green, blue, and the strength of its texture, by what is painted.
_PAINT = np.array(
    [
        (0.10, 0.13, 0.12, 0.01),  # water
        (0.38, 0.36, 0.33, 0.16),  # gravel
        (0.20, 0.27, 0.12, 0.18),  # grass
        (0.33, 0.27, 0.20, 0.12),  # soil
        (0.30, 0.29, 0.28, 0.05),  # road
        (0.45, 0.44, 0.42, 0.05),  # concrete
        (0.12, 0.20, 0.07, 0.30),  # tree
        (0.17, 0.30, 0.09, 0.22),  # crop
        (0.50, 0.50, 0.51, 0.03),  # roof
        (0.20, 0.32, 0.50, 0.03),  # steel
        (0.60, 0.60, 0.62, 0.05),  # car
        (0.55, 0.47, 0.35, 0.08),  # sand
        (0.45, 0.22, 0.17, 0.08),  # tile
    ],
    np.float32,
)


# Share of the fine texture that is still there at the next date.
_KEPT = np.array([0, 0.8, 0.4, 0.6, 0.9, 0.9, 0.2, 0, 0.9, 0.9, 0.9, 0.6, 0.9], np.float32)


@dataclass(frozen=True)
class Look:
    """Where the sun stands."""

    azimuth: float  # [rad]
    elevation_deg: float


def rough_noise(rng: np.random.Generator, n: int, scale_px: float) -> F32:
    """Draw a Gaussian field (n, n), mean 0, deviation 1, smooth over ``scale_px`` (sigma)."""
    by = max(1, int(scale_px / 3))
    m = -(-n // by) + 2
    small = ndimage.gaussian_filter(
        rng.standard_normal((m, m), dtype=np.float32), scale_px / by, mode="wrap"
    )
    small /= small.std()
    if by == 1:
        return np.asarray(small[:n, :n], np.float32)
    large = ndimage.zoom(small, by, order=1)
    return np.asarray(large[:n, :n], np.float32)


def crowns(
    rng: np.random.Generator, dy: F32, dx: F32, radius: float, height: float, gsd: float
) -> tuple[Mask, F32]:
    """Draw one lumpy crown about a place; mask and height above ground [m]."""
    away = np.hypot(dy, dx)
    inside = away < radius * 1.1
    out = np.zeros(away.shape, np.float32)
    dome = height * (0.55 + 0.45 * np.sqrt(np.maximum(1 - (away / (radius * 1.1)) ** 2, 0)))
    rows, cols = np.nonzero(inside)
    if not rows.size:
        return inside, out
    side = int(max(np.ptp(rows), np.ptp(cols))) + 1
    lumps = rough_noise(rng, side, 0.2 / gsd)
    wild = lumps[rows - rows.min(), cols - cols.min()]
    out[inside] = dome[inside] + 0.3 * wild
    ragged = inside.copy()
    ragged[rows, cols] = away[rows, cols] < radius * (1 + 0.1 * wild)
    return ragged, out


def shadows(surface: F32, gsd: float, look: Look) -> Mask:
    """Cast shadows by walking towards the sun."""
    fall = np.tan(np.radians(look.elevation_deg))
    step = 3  # px
    shade = np.zeros(surface.shape, bool)
    tallest = float(surface.max() - surface.min())
    for k in range(1, int(tallest / (fall * gsd * step)) + 2):
        away = k * step
        dr = round(away * np.cos(look.azimuth))
        dc = round(away * np.sin(look.azimuth))
        if max(abs(dr), abs(dc)) >= min(surface.shape):
            break
        here = _part(dr), _part(dc)
        moved = surface[_part(-dr), _part(-dc)] - np.float32(fall * away * gsd)
        shade[here] |= moved > surface[here] + 0.05
    return shade


def _grain(rng: np.random.Generator, n: int, gsd: float) -> F32:
    fine = ndimage.gaussian_filter(rng.standard_normal((n, n), dtype=np.float32), 0.8)
    return np.asarray(1.7 * fine + 0.6 * rough_noise(rng, n, 0.3 / gsd), np.float32)


def _part(by: int) -> slice:
    """Pixels that a shift by ``by`` fills from inside."""
    return slice(by, None) if by >= 0 else slice(None, by)


def render(
    rng: np.random.Generator,
    surface: F32,
    paint: NDArray[np.uint8],
    wet: Mask,
    gsd: float,
    look: Look,
) -> NDArray[np.uint8]:
    """Give the picture, uint8 (3, H, W)."""
    n = surface.shape[0]
    kinds = np.where(wet, 0, paint)
    # Texture belongs to the ground: much of it is drawn from a seed that both dates share.
    ground = np.random.default_rng(int(n))
    kept = _KEPT[kinds]
    fine = kept * _grain(ground, n, gsd) + np.sqrt(1 - kept**2) * _grain(rng, n, gsd)
    broad = rough_noise(ground, n, 2.5 / gsd)
    gr, gc = np.gradient(ndimage.gaussian_filter(surface, 1.0), gsd)
    up = np.sin(np.radians(look.elevation_deg))
    flat = np.cos(np.radians(look.elevation_deg))
    facing = (up + flat * (gr * np.cos(look.azimuth) + gc * np.sin(look.azimuth))) / np.sqrt(
        1 + gr**2 + gc**2
    )
    direct = np.clip(facing, 0, 1.2) / up
    direct = np.where(shadows(surface, gsd, look), 0, np.minimum(direct, 1.5))
    gain = rng.uniform(0.85, 1.2) * np.array([1, rng.uniform(0.97, 1.03), rng.uniform(0.93, 1.07)])
    sky = np.array([0.30, 0.33, 0.40])
    out = np.empty((3, n, n), np.uint8)
    bump = np.clip(1 + _PAINT[kinds, 3] * (fine + 0.5 * broad), 0.3, 2)
    for b in range(3):
        light = (1 - sky[b]) * direct + sky[b]
        value = gain[b] * _PAINT[kinds, b] * bump * light
        value = ndimage.gaussian_filter(value, 0.6)
        out[b] = np.clip(255 * value ** (1 / 1.4) + rng.normal(0, 1.5, (n, n)), 1, 255)
    return out
