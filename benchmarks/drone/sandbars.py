"""Real repeat surveys of sandbars with noise, shift and tilt added to them.

The surveys themselves are taken for the truth. Where they differ by less than 8 cm counts as the
stable ground that a surveyor would supply, and is made so.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks.drone.volumes import field
from pipeline.detect.surface_change import SurfacePair, places
from pipeline.detect.surface_measure import volumes_within
from pipeline.detect.surface_noise import classes, estimate
from pipeline.detect.surface_types import Measure
from pipeline.model import Cover, Window
from pipeline.prepare.surface import SurfaceOptions, coregister

F32 = NDArray[np.float32]
PAIRS = (
    ("RC0307Rf_20121004", "RC0307Rf_20121128"),
    ("RC0651R_20121009", "RC0651R_20130927"),
    ("RC0651R_20130927", "RC0651R_20140930"),
    ("RC0651R_20140930", "RC0651R_20150929"),
)
STABLE_M = 0.08


@dataclass(frozen=True)
class Bar:
    """One pair with one draw of errors."""

    pair: str
    fill: float
    fill_found: Measure
    cut: float
    cut_found: Measure


def sandbars(folder: Path, draws: int) -> list[Bar]:
    """Measure all pairs."""
    return [_bar(folder, pair, k) for pair in PAIRS for k in range(draws)]


def _bar(folder: Path, names: tuple[str, str], draw: int) -> Bar:
    before, true = (_read(folder / f"{n}.tif") for n in names)
    stable = np.abs(true - before) < STABLE_M
    true = np.where(stable, before, true)
    rng = np.random.default_rng((draw, 99))
    n = max(before.shape)
    rows, cols = before.shape
    # Fields are drawn in cells of 0.2 m; ranges are stretched to cells of 1 m.
    noise = 0.03 * field(rng, 0.4, 1, n) + 0.02 * field(rng, 1.2, 2, n)
    r, c = np.indices(before.shape)
    tilt = rng.uniform(-1e-3, 1e-3, 2)
    after = true + noise[:rows, :cols] + (rng.uniform(-0.3, 0.3) + tilt[0] * r + tilt[1] * c)
    after = ndimage.shift(after, rng.uniform(-0.4, 0.4, 2), order=1, cval=np.nan)
    cover = np.where(stable, Cover.GROUND, Cover.GRASS).astype(np.uint8)
    # Sandbars change almost everywhere; the surveyor vouches for what little does not.
    options = SurfaceOptions(cell_m=1.0, least_stable=0.02, least_spread=0.2)
    fit = coregister(before, after.astype(np.float32), (cover, cover), options)
    moved = ndimage.shift(after, [-s for s in fit.shift_m], order=1, cval=np.nan)
    window = Window(0, rows, 0, cols)
    pair = SurfacePair(window, 1.0, before, moved.astype(np.float32), (cover, cover))
    np.subtract(pair.after, fit.plane(*places(pair)), out=pair.after)
    slope, rough = classes(before, 1.0)
    dz = np.where(pair.surface, pair.after - before, np.float32(0))
    got = estimate([(dz, slope, rough, stable & pair.surface)], 1.0)
    inside = pair.surface & np.isfinite(true)
    _, fill, cut = volumes_within(pair, inside, got, fit)
    real = np.where(inside, true - before, np.float32(0))
    name = f"{names[0]} → {names[1][-8:]}"
    return Bar(name, float(real[real > 0].sum()), fill, float(-real[real < 0].sum()), cut)


def _read(path: Path) -> F32:
    with rasterio.open(path) as data:
        return np.asarray(data.read(1, masked=True).filled(np.nan), np.float32)
