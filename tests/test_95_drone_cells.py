"""Cells that are kept between windows are those that a window alone would give."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from affine import Affine
from scipy import ndimage

from benchmarks.drone.readers import ArrayReader, MirroredReader
from pipeline.box_mean import Beyond, box_mean
from pipeline.model import FlightCells, FlightPixels, Grid, Window
from pipeline.passes.flight_cache import BLOCK, CellSource
from pipeline.prepare.flight_cells import cells_of
from pipeline.prepare.flight_correlation import BELL, RISE, slopes

STEP, RES = 2, 0.1
GRID = Grid("EPSG:32650", Affine(RES, 0, 0, 0, -RES, 0), (300, 320))
WINDOWS = [Window(-7, 60, 100, 171), Window(0, 140, 0, 140), Window(120, 200, -3, 5)]


def flight() -> ArrayReader:
    rng = np.random.default_rng(3)
    height = rng.normal(40, 1, (300, 320)).astype(np.float32)
    height[40:80, 50:90] = np.nan
    return ArrayReader(rng.integers(0, 255, (4, 300, 320), dtype=np.uint8), height)


def alone(window: Window) -> FlightCells:
    pixels = Window(*(v * STEP for v in (window.row0, window.row1, window.col0, window.col1)))
    return cells_of(flight()(pixels, 1), STEP, RES)


@pytest.mark.parametrize("most_bytes", [1, 2**24])
def test_windows_of_kept_cells_are_those_of_a_single_reading(most_bytes: int) -> None:
    source = CellSource(flight(), STEP, GRID, most_bytes)
    with ThreadPoolExecutor(4) as pool:
        several = list(pool.map(source, WINDOWS * 3))
    for window, got in zip(WINDOWS * 3, several, strict=True):
        want = alone(window)
        for name in ("colour", "nir", "valid", "height"):
            np.testing.assert_array_equal(getattr(got, name), getattr(want, name))
        assert got.cell_m == want.cell_m


def test_a_block_is_read_once_while_it_is_kept_and_an_error_is_not_kept() -> None:
    asked: list[Window] = []
    whole, broken = flight(), [True]

    def read(window: Window, step: int) -> FlightPixels:
        asked.append(window)
        if broken.pop() if broken else False:
            raise OSError("the disk is away")
        return whole(window, step)

    source = CellSource(read, STEP, GRID)
    with pytest.raises(OSError, match="away"):
        source(WINDOWS[0])
    for _ in range(2):
        source(WINDOWS[1])
    assert len(asked) == 1 + 4
    forgetful = CellSource(read, STEP, GRID, most_bytes=1)
    for _ in range(2):
        forgetful(WINDOWS[1])
    assert len(asked) == 1 + 4 + 8


def test_empty_blocks_of_a_large_frame_are_not_read_and_all_others_are_the_same() -> None:
    side, asked = 17 * BLOCK, list[Window]()
    rng = np.random.default_rng(5)
    colour = np.zeros((3, side, side), np.uint8)
    valid, height = np.zeros((side, side), bool), np.full((side, side), np.nan, np.float32)
    band, tower = (slice(300, 500), slice(0, side)), (slice(1500, 1503), slice(900, 903))
    colour[:, *band] = rng.integers(0, 255, (3, 200, side), dtype=np.uint8)
    valid[band] = True
    height[tower] = 30.0  # a surface without a picture counts as well
    frame = Window(0, side, 0, side)

    def read(window: Window, step: int) -> FlightPixels:
        both = window.intersect(frame)
        out = np.zeros((3, *window.shape), np.uint8)
        seen, heights = np.zeros(window.shape, bool), np.full(window.shape, np.nan, np.float32)
        if both is not None:
            into, at = both.within(window), both.within(frame)
            out[:, *into], seen[into], heights[into] = colour[:, *at], valid[at], height[at]
        if step == 1:
            asked.append(window)
            return FlightPixels(out, seen, heights)
        rows, cols = (n // step for n in window.shape)
        parts = (rows, step, cols, step)
        mean = np.where(seen, 1, 0).reshape(parts).any(axis=(1, 3))
        heights = np.where(np.isfinite(heights), heights, -1).reshape(parts).max(axis=(1, 3))
        return FlightPixels(out[:, ::step, ::step], mean, np.where(heights > 0, heights, np.nan))

    source = CellSource(read, 1, Grid("EPSG:32650", Affine(0.2, 0, 0, 0, -0.2, 0), (side, side)))
    some = [
        Window(250, 320, 1000, 1100),
        Window(440, 560, 2000, 2200),
        Window(1400, 1600, 800, 1000),
    ]
    for window in some:
        got, want = source(window), cells_of(read(window, 1), 1, 0.2)
        for name in ("colour", "valid", "height"):
            np.testing.assert_array_equal(getattr(got, name), getattr(want, name))
    assert not source.shows(Window(700, 1300, 0, side))
    asked.clear()
    assert not source(Window(700, 1300, 0, side)).valid.any()
    assert all(max(w.shape) == 1 for w in asked)  # of one cell: which bands there are


def test_a_mirrored_flight_has_no_seams() -> None:
    one = flight()
    square = ArrayReader(one.colour[:, :, :300], np.nan_to_num(one.height[:, :300]))
    wide = MirroredReader(square, 2)(Window(290, 310, 0, 20), 1)
    np.testing.assert_array_equal(wide.colour[:, :10], wide.colour[:, :9:-1])
    assert wide.valid.all()
    coarse = MirroredReader(square, 2)(Window(0, 600, 0, 20), 2)  # in strips
    below = MirroredReader(square, 2)(Window(512, 600, 0, 20), 2)
    np.testing.assert_array_equal(coarse.colour[:, 256:], below.colour)
    assert coarse.colour.shape == (3, 300, 10)
    assert not MirroredReader(square, 2)(Window(595, 605, 0, 5), 1).valid[5:].any()


@pytest.mark.parametrize("shape", [(40, 33), (9, 7), (1, 30), (5, 1)])
@pytest.mark.parametrize("beyond", ["constant", "nearest", "reflect"])
def test_a_mean_over_squares_is_scipys_to_the_last_bit(
    shape: tuple[int, int], beyond: Beyond
) -> None:
    values = np.random.default_rng(4).normal(3, 1, shape).astype(np.float32)
    for size in (1, 3, 4, 11, 33):
        for own in (values, values.T):
            want = ndimage.uniform_filter(own, size, mode=beyond)
            np.testing.assert_array_equal(box_mean(own, size, beyond), want)


@pytest.mark.parametrize("shape", [(40, 33), (5, 60), (3, 2)])
def test_slopes_are_scipys_to_the_last_bit(shape: tuple[int, int]) -> None:
    values = np.random.default_rng(5).normal(-1, 1, shape).astype(np.float32)
    for axis, got in enumerate(slopes(values)):
        own = ndimage.correlate1d(values, RISE, axis=axis, mode="nearest")
        want = ndimage.correlate1d(own, BELL, axis=1 - axis, mode="nearest")
        np.testing.assert_array_equal(got, want)
