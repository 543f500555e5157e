"""Registration of orthomosaics that lie metres off, turned, under another sun."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.drone.objects import grid_of
from benchmarks.drone.readers import ArrayReader
from pipeline.errors import SceneUnusableError
from pipeline.prepare.flight_moved import PixelMap, map_of, moved
from pipeline.prepare.flight_register import PictureRegisterOptions, register_pictures
from sample_scenes.drone_pair import PairOptions, make_pair


@dataclass(frozen=True)
class Registered:
    """One pair: residual [px] at a grid of windows, or why it was refused."""

    seed: int
    residual_px: tuple[float, ...]
    refused: str = ""


def misplaced(seed: int, shape: tuple[int, int], gsd_m: float) -> PixelMap:
    """Draw a shift of 3 m in some direction and a turn of 1.5 degrees either way."""
    rng = np.random.default_rng((seed, 55))
    way, turn = rng.uniform(0, 2 * np.pi), np.radians(1.5) * rng.choice([-1, 1])
    c, s = np.cos(turn), np.sin(turn)
    mid = np.array(shape) / 2
    a = np.array([[c, -s], [s, c]])
    shift = mid - a @ mid + 3.0 / gsd_m * np.array([np.cos(way), np.sin(way)])
    return map_of(np.column_stack([a, shift]))


def register_seed(seed: int, side_m: float = 80.0) -> Registered:
    """Misplace the later flight of one pair, register it, and compare with what was done."""
    pair = make_pair(seed, PairOptions(side_m=side_m, shift_px=0.0))
    grid = grid_of(pair)
    done = misplaced(seed, grid.shape, grid.res_m)
    after = moved(ArrayReader.of(pair.after, surface=False), done)
    try:
        got = register_pictures(
            ArrayReader.of(pair.before, surface=False), after, grid, PictureRegisterOptions()
        )
    except SceneUnusableError as error:
        return Registered(seed, (), str(error))
    # ``after(x)`` shows the true pair at ``done(x)``; so ``done(map(x))`` should be x.
    both = done.after(got.map)
    rows, cols = (v.ravel() for v in np.meshgrid(*(np.linspace(0, n, 12) for n in grid.shape)))
    back = both(rows, cols)
    return Registered(seed, tuple(float(v) for v in np.hypot(back[0] - rows, back[1] - cols)))
