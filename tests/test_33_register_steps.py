"""Registration's own steps say bit for bit what the libraries say that they leave out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import fft, ndimage
from skimage.registration import phase_cross_correlation

from pipeline.model import Window
from pipeline.prepare.image_steps import moved, quantile, sobel
from pipeline.prepare.register import (
    Matched,
    RegisterOptions,
    Seen,
    lattice_windows,
    shift_between,
    window_shift,
)

SEEDS = st.integers(0, 2**32 - 1)


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.sampled_from([1, 2, 20, 100]))
def test_a_shift_is_that_of_scikit_image(seed: int, upsample: int) -> None:
    rng = np.random.default_rng(seed)
    shape = (64, 64) if seed % 2 else tuple(rng.integers(1, 70, 2).tolist())
    one = ndimage.gaussian_filter(rng.normal(size=shape), 1.5)
    other = np.roll(one, rng.integers(-4, 5, 2), (0, 1)) + rng.normal(scale=0.1, size=shape)
    pair = (one.astype(np.float32), other.astype(np.float32))
    expected = phase_cross_correlation(*pair, upsample_factor=upsample, normalization=None)[0]
    spectra = [np.asarray(fft.fftn(image)) for image in pair]
    np.testing.assert_array_equal(shift_between(*spectra, upsample), expected)


@settings(max_examples=40, deadline=None)
@given(SEEDS)
def test_gradients_and_a_high_quantile_are_those_of_the_libraries(seed: int) -> None:
    rng = np.random.default_rng(seed)
    image = rng.normal(0.2, 0.1, rng.integers(1, 30, 2)).astype(np.float32)
    down, along = sobel(image)
    np.testing.assert_array_equal(down, ndimage.sobel(image, 0))
    np.testing.assert_array_equal(along, ndimage.sobel(image, 1))
    for values in (image.ravel(), np.round(image.ravel(), 1), np.sort(image.ravel())[::-1]):
        for share in (0.0, 0.5, 0.9, 0.99, 1.0):
            found = quantile(values, share)
            assert found.dtype == np.float32
            assert found == np.quantile(values, share)


@pytest.mark.parametrize("size", [3000, 30_000])  # few of the greatest numbers, and many
def test_a_quantile_of_many_numbers_is_that_of_the_library(size: int) -> None:
    values = np.random.default_rng(size).normal(size=size).astype(np.float32)
    assert quantile(values, 0.99) == np.quantile(values, 0.99)


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.sampled_from([0.0, 0.001, 0.2]))
def test_a_texture_is_the_plain_formula_whether_all_is_seen_or_not(
    seed: int, hidden: float
) -> None:
    rng = np.random.default_rng(seed)
    image = ndimage.gaussian_filter(rng.normal(0.2, 0.1, (64, 64)), 1).astype(np.float32)
    ok = rng.random(image.shape) >= hidden
    other = np.where(ok, image, np.nan).astype(np.float32)
    seen = Matched(image)._seen(ok, RegisterOptions(least_usable=0.01))  # pyright: ignore[reportPrivateUsage]
    if seen is None:
        return
    inner = ndimage.binary_erosion(ok, np.ones((3, 3)), border_value=1)
    hann = np.outer(np.hanning(64), np.hanning(64)).astype(np.float32)
    weight = hann * ndimage.gaussian_filter(inner.astype(np.float32), 2.0)
    weight = np.where(inner, weight, np.float32(0))
    filled = np.where(ok, other, np.float32(other[ok].mean()))
    gradient = np.hypot(ndimage.sobel(filled, 0), ndimage.sobel(filled, 1))
    gradient = np.minimum(gradient, np.quantile(gradient[inner], 0.99))
    mean = float((gradient * weight).sum()) / float(weight.sum())
    plain = np.where(inner, gradient - mean, 0.0).astype(np.float32)
    np.testing.assert_array_equal(seen.inner, inner)
    np.testing.assert_array_equal(seen.weight, weight)
    np.testing.assert_array_equal(seen.texture, plain)


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.sampled_from([0.0, 0.05, 1.0, 3.0]))
def test_a_moved_texture_is_that_of_scipy(seed: int, step: float) -> None:
    rng = np.random.default_rng(seed)
    image = rng.normal(0.2, 0.1, rng.integers(1, 70, 2)).astype(np.float32)
    dy, dx = (float(np.float32(n * step)) for n in rng.integers(-3, 4, 2) + rng.random(2) * 0.4)
    expected = ndimage.shift(image, (-dy, -dx), order=1, mode="nearest")
    np.testing.assert_array_equal(moved(image, dy, dx), expected)


def test_a_correlation_is_the_plain_formula() -> None:
    rng = np.random.default_rng(5)
    first, second, weight = (rng.random((64, 64)).astype(np.float32) for _ in range(3))
    a = first - (first * weight).sum() / weight.sum()
    b = second - (second * weight).sum() / weight.sum()
    power = float(np.sqrt((a * a * weight).sum() * (b * b * weight).sum()))
    every = np.ones((64, 64), bool)
    seen = Seen(every, every, weight, first, np.zeros((1, 1), np.complex64))
    for _ in range(2):
        assert seen.correlation(second) == float((a * b * weight).sum()) / power
    assert seen.correlation(np.zeros_like(second)) == 0.0


@pytest.mark.parametrize("parts", [[], [(0, 3, 0, 3)], [(40, 90, 200, 260), (350, 351, 0, 420)]])
def test_windows_near_some_parts_are_those_of_the_lattice(
    parts: list[tuple[int, int, int, int]],
) -> None:
    wanted = [Window(*p) for p in parts]
    every = lattice_windows((400, 420), 64, 48)
    near = [w for w in every if any(w.intersect(p) for p in wanted)]
    assert lattice_windows((400, 420), 64, 48, wanted) == near


def test_looks_in_a_row_are_measured_as_each_alone() -> None:
    rng = np.random.default_rng(3)
    ground = ndimage.gaussian_filter(rng.normal(0.2, 0.1, (70, 70)), 1.0).astype(np.float32)
    reference, options = ground[3:67, 3:67], RegisterOptions()
    whole, part = np.ones((64, 64), bool), np.ones((64, 64), bool)
    part[:20, :30] = False
    row = Matched(reference)
    for k, seen in enumerate((whole, whole, part, whole, np.zeros_like(whole), part)):
        moving = ground[2 + k % 3 : 66 + k % 3, 4:68]
        alone = window_shift(reference, moving, seen, options)
        assert row.shift(moving, seen, options) == alone
        assert (alone is None) == (not seen.any())
