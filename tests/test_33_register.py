"""Registration: known shifts come back, doubt becomes a residual."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from pipeline.io.resample import resample_shift
from pipeline.prepare.register import (
    RegisterOptions,
    Vote,
    WindowShift,
    lattice_windows,
    reference_median,
    vote,
    window_shift,
)

OPTIONS = RegisterOptions()


def scene(seed: int, side: int = 330) -> np.ndarray:
    """Fields of 5 to 40 px with soft edges, as a 10 m sensor would see them."""
    rng = np.random.default_rng(seed)
    fine = np.zeros((side, side))
    for scale in (3, 8, 20):
        noise = ndimage.gaussian_filter(rng.normal(size=(side, side)), scale)
        fine += np.digitize(noise / noise.std(), [-0.8, 0, 0.8]) * 0.03
    return ndimage.gaussian_filter(0.05 + fine, 0.8).astype(np.float32)


def register(reference: np.ndarray, moving: np.ndarray, ok: np.ndarray) -> Vote:
    shifts = [
        window_shift(reference[w.slices], moving[w.slices], ok[w.slices], OPTIONS)
        for w in lattice_windows(reference.shape, OPTIONS.size_px, OPTIONS.stride_px)
    ]
    return vote([s for s in shifts if s is not None], OPTIONS)


@pytest.mark.parametrize("shift", [(0.0, 0.0), (0.25, -0.4), (1.0, 1.0), (-0.6, 0.85), (1.7, -2.3)])
@pytest.mark.parametrize("mask", ["whole", "river and cloud"])
def test_known_shifts_come_back_within_a_tenth_of_a_pixel(
    shift: tuple[float, float], mask: str
) -> None:
    big = scene(3)
    reference = big[5:-5, 5:-5]
    # A ground point at (r, c) appears at (r + dy, c + dx): the image moves the other way.
    moving = resample_shift(big, -shift[0], -shift[1], 5)
    rng = np.random.default_rng(8)
    moving = (1.2 * moving + 0.02 + rng.normal(scale=0.006, size=moving.shape)).astype(np.float32)
    ok = np.ones(reference.shape, dtype=bool)
    if mask != "whole":
        r, c = np.indices(ok.shape)
        ok &= np.abs(c - 150 - 30 * np.sin(r / 40)) > 14
        ok &= (r - 60) ** 2 + (c - 250) ** 2 > 45**2
        moving[~ok] = 0.6
    got = register(reference, moving, ok)
    assert abs(got.dy - shift[0]) <= 0.1
    assert abs(got.dx - shift[1]) <= 0.1
    assert got.residual_px < 0.2


def test_shifting_by_the_vote_undoes_the_error() -> None:
    big = scene(5)
    moved = resample_shift(big, -0.6, 0.4, 3)
    got = register(big[3:-3, 3:-3], moved, np.ones(moved.shape, dtype=bool))
    back = resample_shift(moved, got.dy, got.dx, 3)
    assert (
        np.abs(back - big[6:-6, 6:-6]).mean()
        < 0.25 * np.abs(moved[3:-3, 3:-3] - big[6:-6, 6:-6]).mean()
    )


def test_unrelated_or_featureless_images_are_not_registered() -> None:
    ok = np.ones((128, 128), dtype=bool)
    flat = np.full((128, 128), 0.1, dtype=np.float32)
    one, other = scene(1)[:128, :128], scene(2)[:128, :128]
    assert window_shift(one, other, ok, OPTIONS) is None
    assert window_shift(flat, flat, ok, OPTIONS) is None
    assert window_shift(one, one, ok & (np.arange(128) < 40), OPTIONS) is None


def test_too_few_windows_mean_no_shift_and_a_large_residual() -> None:
    got = vote([WindowShift(0.5, 0.5, 0.9)] * 2, OPTIONS)
    assert (got.dy, got.dx, got.residual_px, got.known) == (0.0, 0.0, 1.0, False)


def test_windows_that_contradict_each_other_are_no_vote() -> None:
    shifts = [WindowShift(float(v), float(-v), 0.9) for v in (-2.5, -1.5, 0.0, 1.2, 2.6)]
    assert vote(shifts, OPTIONS).residual_px > 1.0


@settings(deadline=None)
@given(st.lists(st.floats(-0.1, 0.1), min_size=5, max_size=20))
def test_a_minority_of_wild_windows_does_not_move_the_vote(noise: list[float]) -> None:
    good = [WindowShift(0.5 + n, -0.3 - n, 0.9) for n in noise]
    got = vote([*good, WindowShift(2.9, 2.9, 0.9)], OPTIONS)
    assert abs(got.dy - 0.5) <= 0.1001
    assert abs(got.dx + 0.3) <= 0.1001
    assert got.residual_px < 0.3


def test_the_lattice_is_fixed_to_the_grid() -> None:
    windows = lattice_windows((400, 420), 128, 96)
    assert [(w.row0, w.col0) for w in windows[:4]] == [(0, 0), (0, 96), (0, 192), (0, 288)]
    assert len(windows) == 3 * 4
    assert all(w.row1 <= 400 and w.col1 <= 420 for w in windows)
    assert lattice_windows((60, 70), 128, 96)[0].shape == (60, 70)


def test_reference_is_the_median_of_clear_dates() -> None:
    stack = np.array([1, 2, 9, 100], dtype=np.float32)[:, None, None]
    clear = np.array([1, 1, 1, 0], dtype=bool)[:, None, None]
    assert reference_median(stack, clear)[0, 0] == 2
