"""A front that moved beside nothing that stayed is a change, and no reason to refuse a pair."""

from __future__ import annotations

import numpy as np
from affine import Affine
from scipy import ndimage

from benchmarks.drone.readers import ArrayReader
from pipeline.model import Grid
from pipeline.passes.flight_windows import FlightOptions
from pipeline.passes.flights import compare_surfaces

CELL, SIDE = 0.2, 300


def smooth(seed: int, cells: float, spread: float) -> np.ndarray:
    field = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(SIDE, SIDE)), cells)
    return np.asarray(spread * field / field.std(), np.float32)


def bare_pit(front_m: float, seed: int) -> ArrayReader:
    """Give gravel without bushes or roofs, and a pit of 8 m up to a curved wall."""
    y, x = np.mgrid[0:SIDE, 0:SIDE] * CELL
    pit = x < front_m + 4 * np.sin(y / 6) + 2 * np.sin(y / 2.3)
    height = 40 + smooth(50, 30, 0.25) + smooth(seed, 2, 0.03) - np.float32(8) * pit
    grey = 150 + smooth(5, 1.5, 25) + smooth(seed + 9, 0.5, 3)
    colour = np.clip(np.stack([1.05 * grey, grey, 0.85 * grey]), 1, 250).astype(np.uint8)
    return ArrayReader(colour, np.asarray(height, np.float32))


def test_a_pit_whose_wall_advanced_over_bare_ground_is_measured() -> None:
    """By outlines of heights alone it is the surface that moved: the wall is the only one."""
    grid = Grid("EPSG:32649", Affine(CELL, 0, 0, 0, -CELL, 0), (SIDE, SIDE))
    found = compare_surfaces(bare_pit(20, 60), bare_pit(25, 61), grid, FlightOptions())
    # 5 m x 60 m x 8 m
    cut = sum(o.cut_m3.value for o in found.objects if o.cut_m3)
    assert 1900 < cut < 2900
