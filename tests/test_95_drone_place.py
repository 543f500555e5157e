"""A surface that lies off its own mosaic is refused; correct flights and bare ground are not."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
from affine import Affine

from benchmarks.drone.readers import ArrayReader
from pipeline.errors import SceneUnusableError
from pipeline.model import Grid
from pipeline.passes.flight_windows import FlightOptions
from pipeline.passes.flights import compare_surfaces
from pipeline.prepare.surface_place import check_place, off_picture
from sample_scenes.drone_pair import Pair, PairOptions, make_pair

CELL = 0.2


@lru_cache(maxsize=2)
def pair(seed: int) -> Pair:
    return make_pair(seed, PairOptions(side_m=60.0, gsd_m=CELL))


def off(height: np.ndarray, rows: int, cols: int) -> np.ndarray:
    """Give a surface that says the same so many cells further down and right."""
    out = np.full_like(height, np.nan)
    to = [slice(max(n, 0), height.shape[i] + min(n, 0)) for i, n in enumerate((rows, cols))]
    of = [slice(max(-n, 0), height.shape[i] - max(n, 0)) for i, n in enumerate((rows, cols))]
    out[*to] = height[*of]
    return out


@pytest.mark.parametrize("seed", [3, 5])
def test_correct_flights_pass(seed: int) -> None:
    flights = pair(seed)
    found = off_picture([(flights.before.height, flights.after.height)], CELL)
    assert found is not None
    assert np.hypot(*found) <= 0.6  # their own distortions
    check_place([(flights.before.height, flights.after.height)], CELL)


@pytest.mark.parametrize(("rows", "cols"), [(0, 25), (12, -5), (-20, 8)])
@pytest.mark.parametrize("first", [False, True])
def test_a_surface_off_its_mosaic_is_refused_with_the_distance(
    rows: int, cols: int, first: bool
) -> None:
    flights = pair(3)
    heights = [flights.before.height, flights.after.height]
    heights[0 if first else 1] = off(heights[0 if first else 1], rows, cols)
    with pytest.raises(SceneUnusableError, match="lies off its own mosaic") as refused:
        check_place([(heights[0], heights[1])], CELL)
    said = float(refused.value.what.split(" lie ")[1].split(" m ")[0])
    assert said == pytest.approx(np.hypot(rows, cols) * CELL, abs=0.6)


def test_ground_that_shows_nothing_passes() -> None:
    """A bar that the river made anew says nothing of where its surface lies."""
    rng = np.random.default_rng(1)
    one, other = (100 + 0.02 * rng.standard_normal((2, 300, 300))).astype(np.float32)
    assert off_picture([(one, other)], CELL) is None
    nothing = np.full((300, 300), np.nan, np.float32)
    assert off_picture([(nothing, other)], CELL) is None
    check_place([], CELL)


def test_what_moved_beside_what_stayed_is_a_change() -> None:
    """Containers that were set 5 m aside in a yard that stands where it stood."""
    rng = np.random.default_rng(4)
    before = np.full((300, 300), 100, np.float32)
    after = before.copy()
    for _ in range(14):
        r, c = rng.integers(20, 260, 2)
        before[r : r + 12, c : c + 20] = after[r : r + 12, c : c + 20] = 102.5
    for _ in range(16):
        r, c = rng.integers(20, 240, 2)
        before[r : r + 12, c : c + 20] = 102.5
        after[r : r + 12, c + 25 : c + 45] = 102.5
    check_place([(before, after)], CELL)


def test_small_windows_are_not_asked() -> None:
    flights = pair(3)
    part = np.s_[:100, :100]
    moved = off(flights.after.height, 0, 25)
    assert off_picture([(flights.before.height[part], moved[part])], CELL) is None


def test_a_comparison_asks_before_it_measures() -> None:
    flights = pair(3)
    n = flights.before.height.shape[0]
    grid = Grid("EPSG:32649", Affine(CELL, 0, 0, 0, -CELL, 0), (n, n))
    before = ArrayReader(flights.before.colour, flights.before.height)
    after = ArrayReader(flights.after.colour, off(flights.after.height, 0, 25))
    with pytest.raises(SceneUnusableError, match="lies off its own mosaic"):
        compare_surfaces(before, after, grid, FlightOptions())
