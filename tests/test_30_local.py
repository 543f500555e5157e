"""Neighbourhood operations: exact, bounded, the same in any tile."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from pipeline.io.resample import catmull_rom_weights, margin_px, resample_shift
from pipeline.prepare.local import (
    box_count,
    dilate,
    open2,
    shadow_direction,
    split_speckle,
    sweep,
)
from pipeline.prepare.temporal import low_quantile, median_and_spread

SEEDS = st.integers(0, 2**31)


def random_mask(seed: int, share: float = 0.05, side: int = 90) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return ndimage.binary_dilation(rng.random((side, side)) < share / 4, iterations=1)


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.integers(0, 7))
def test_box_count_counts(seed: int, radius: int) -> None:
    mask = random_mask(seed, side=30)
    want = ndimage.convolve(
        mask.astype(int), np.ones((2 * radius + 1, 2 * radius + 1), dtype=int), mode="constant"
    )
    assert np.array_equal(box_count(mask, radius), want)


@settings(max_examples=25, deadline=None)
@given(SEEDS)
def test_operations_do_not_see_the_tile(seed: int) -> None:
    mask = random_mask(seed)
    step = shadow_direction(float(seed % 360))
    operations = [
        (lambda m: box_count(m, 9), 9),
        (lambda m: dilate(m, 9.5), 10),
        (open2, 2),
        (lambda m: split_speckle(m, 12)[0], 12),
        (lambda m: split_speckle(m, 12)[1], 12),
        (lambda m: sweep(m, step, 20), 20),
    ]
    for operation, radius in operations:
        whole = operation(mask)
        left = operation(mask[:, : 45 + radius])[:, :45]
        right = operation(mask[:, 45 - radius :])[:, radius:]
        assert np.array_equal(whole, np.hstack([left, right]))


def test_speckle_splits_by_size() -> None:
    mask = np.zeros((20, 20), dtype=bool)
    mask[2:4, 2:4] = mask[10:15, 10:15] = True
    large, small = split_speckle(mask, 5)
    assert large.sum() == 25
    assert small.sum() == 4
    assert np.array_equal(large | small, mask)


@pytest.mark.parametrize(
    ("azimuth", "row", "col"), [(180, -1, 0), (90, 0, -1), (0, 1, 0), (135, -1, -1)]
)
def test_shadows_fall_away_from_the_sun(azimuth: float, row: int, col: int) -> None:
    step = shadow_direction(azimuth)
    assert tuple(np.sign(np.round(step, 6)).astype(int)) == (row, col)


def test_order_statistics_skip_missing_looks() -> None:
    stack = np.array([3, 1, np.nan, 2, 9], dtype=np.float32)[:, None, None]
    use = np.array([1, 1, 1, 1, 0], dtype=bool)[:, None, None]
    assert low_quantile(stack, use, 0.5, 3)[0, 0] == 2
    assert np.isnan(low_quantile(stack, use, 0.5, 4)[0, 0])
    median, spread, count = median_and_spread(stack, use)
    assert (median[0, 0], count[0, 0]) == (2, 3)
    assert spread[0, 0] == pytest.approx(1.4826)


@settings(max_examples=20, deadline=None)
@given(SEEDS)
def test_median_is_the_median(seed: int) -> None:
    rng = np.random.default_rng(seed)
    stack = rng.random((7, 4, 5), dtype=np.float32)
    use = rng.random((7, 4, 5)) < 0.7
    use[0] = True
    want = np.nanmedian(np.where(use, stack, np.nan), axis=0)
    np.testing.assert_allclose(median_and_spread(stack, use)[0], want, rtol=1e-6)


SHIFTS = st.floats(-3, 3, allow_nan=False, width=32)


@settings(max_examples=40, deadline=None)
@given(SHIFTS, SHIFTS, SEEDS)
def test_resampling_does_not_see_the_tile(dy: float, dx: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    block = rng.random((40, 40), dtype=np.float32)
    block[rng.random((40, 40)) < 0.05] = np.nan
    m = max(margin_px(dy, dx), 1)
    whole = resample_shift(block, dy, dx, m)
    width = whole.shape[1]
    left = resample_shift(block[:, : 15 + 2 * m], dy, dx, m)
    right = resample_shift(block[:, 15:], dy, dx, m)
    assert whole.tobytes() == np.ascontiguousarray(np.hstack([left, right])).tobytes()
    assert right.shape[1] == width - 15


@settings(max_examples=30, deadline=None)
@given(SHIFTS, SHIFTS)
def test_resampling_keeps_planes(dy: float, dx: float) -> None:
    m = max(margin_px(dy, dx), 1)
    r, c = np.mgrid[-m : 12 + m, -m : 12 + m].astype(np.float32)
    got = resample_shift((2 * r + 3 * c).astype(np.float32), dy, dx, m)
    rr, cc = np.mgrid[0:12, 0:12]
    np.testing.assert_allclose(got, 2 * (rr + dy) + 3 * (cc + dx), atol=1e-3)


def test_whole_pixels_are_copied_and_zero_is_the_identity() -> None:
    block = np.random.default_rng(1).random((20, 20)).astype(np.float32)
    assert np.array_equal(resample_shift(block, 0.0, 0.0, 4), block[4:-4, 4:-4])
    assert np.array_equal(resample_shift(block, -1.0, 2.0, 4), block[3:-5, 6:-2])


def test_missing_data_neither_grows_nor_erodes() -> None:
    block = np.ones((20, 20), dtype=np.float32)
    block[:, 10:] = np.nan
    out = resample_shift(block, 0.0, 0.3, 3)
    assert np.isfinite(out[:, :7]).all()
    assert np.isnan(out[:, 7:]).all()
    np.testing.assert_allclose(out[:, :7], 1.0, rtol=1e-6)


def test_weights_sum_to_one_and_a_small_margin_is_refused() -> None:
    assert catmull_rom_weights(0.37).sum() == pytest.approx(1.0, abs=1e-6)
    with pytest.raises(ValueError, match="margin of 4 px"):
        resample_shift(np.zeros((9, 9), dtype=np.float32), 1.2, 0.0, 3)
