"""A wrong date is quarantined; floods and seasons are not wrong."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.prepare.quarantine import (
    NEAR_SHIFT,
    QuarantineOptions,
    QuarantineVerdict,
    decide,
    deviation_of,
    difference_histogram,
    regional_shift,
    stable_ground,
    tally_change,
)
from pipeline.prepare.radiometry import difference_histograms, merge

OPTIONS = QuarantineOptions()
SIDE = 100


def world() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Median and spread (green, red, nir, swir), and water frequency: a river in farmed land."""
    rng = np.random.default_rng(2)
    level = np.array([0.07, 0.06, 0.25, 0.18])[:, None, None]
    median = (level * rng.lognormal(0, 0.2, (1, SIDE, SIDE))).astype(np.float32)
    spread = np.full_like(median, 0.012)
    spread[:, :, 80:] = 0.09  # crops
    wet = np.zeros((SIDE, SIDE), dtype=np.float32)
    wet[:, 30:50] = 0.6
    return median, spread, wet


def judge(look: np.ndarray) -> QuarantineVerdict:
    median, spread, wet = world()
    stable = stable_ground(median, spread, wet, OPTIONS)
    changed = total = 0
    halves = (slice(0, 40), slice(40, None))
    shift = np.array(
        [
            regional_shift(
                merge(difference_histogram(median[b][h], look[b][h], stable[h]) for h in halves)
            )
            for b in range(4)
        ],
        dtype=np.float32,
    )
    for h in halves:
        counts = tally_change(median[:, h], spread[:, h], look[:, h], stable[h], shift, OPTIONS)
        changed, total = changed + counts[0], total + counts[1]
    return decide(changed, total, OPTIONS)


def noisy(look: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(7).normal(scale=0.01, size=look.shape)
    return (look + noise).astype(np.float32)


def test_stable_ground_is_dry_and_steady() -> None:
    stable = stable_ground(*world(), OPTIONS)
    assert stable[:, :30].all()
    assert not stable[:, 30:50].any()
    assert not stable[:, 80:].any()


def test_an_ordinary_date_passes() -> None:
    verdict = judge(noisy(world()[0]))
    assert verdict.known
    assert not verdict.quarantined
    assert verdict.changed_share < 0.01


@pytest.mark.parametrize("gain", [0.8, 1.25])
def test_a_season_passes(gain: float) -> None:
    assert not judge(noisy(world()[0] * gain)).quarantined


def test_a_veil_over_the_whole_region_is_taken_out() -> None:
    assert not judge(noisy(world()[0] + 0.05)).quarantined


def test_a_flood_and_a_harvest_pass() -> None:
    look = world()[0].copy()
    look[:, :, 28:52] = np.array([0.15, 0.16, 0.08, 0.02])[:, None, None]
    look[:, :, 80:] *= 0.5
    assert not judge(noisy(look)).quarantined


def test_a_flood_beyond_all_experience_passes_when_what_is_wet_is_left_out() -> None:
    look = world()[0].copy()
    look[:, :, 10:70] = np.array([0.15, 0.16, 0.08, 0.02])[:, None, None]
    assert judge(noisy(look)).quarantined
    look[:, :, 10:70] = np.nan  # the caller leaves out what is wet on the date
    assert not judge(noisy(look)).quarantined


def test_a_date_of_another_place_or_of_undetected_cloud_is_quarantined() -> None:
    median = world()[0]
    other = np.random.default_rng(0).permutation(median.reshape(4, -1), axis=1)
    cloud = median.copy()
    cloud[:, :40] = 0.5
    for look in (other.reshape(median.shape) * 1.8, cloud):
        verdict = judge(noisy(look))
        assert verdict.quarantined
        assert "stable ground" in verdict.reason


def test_what_may_be_sky_is_no_fault_that_somebody_can_mend() -> None:
    town = np.random.default_rng(0).lognormal(-2, 0.8, world()[0].shape).astype(np.float32)
    place = judge(noisy(town))
    assert (place.wrong, place.changed_share > 0.5) == (True, True)
    assert "not known" not in place.reason
    for changed, clear in ((200, 1.0), (200, 0.6), (900, 0.6)):
        verdict = decide(changed, 1000, OPTIONS, clear)
        assert (verdict.quarantined, verdict.wrong) == (True, False)
        assert f"with {clear:.0%} of the corridor clear" in verdict.reason
        assert verdict.reason.endswith("which is not known")
    assert decide(900, 1000, OPTIONS, 0.9).wrong


def test_too_little_ground_says_unknown() -> None:
    look = np.full_like(world()[0], np.nan)
    assert judge(look) == QuarantineVerdict(False, 0.0, False, "")


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 4))
def test_what_is_told_before_the_shift_is_known_is_what_is_told_with_it(
    seed: int, bands: int
) -> None:
    rng = np.random.default_rng(seed)
    median = rng.uniform(0.02, 0.4, (bands, 300)).astype(np.float32)
    spread = rng.uniform(0, 0.03, median.shape).astype(np.float32)
    limit = np.maximum(OPTIONS.sigmas * spread, OPTIONS.floor + OPTIONS.relative * median)
    # Many lie where the shift decides, and some to the last bit at the limit itself.
    away = limit * rng.choice([-1, 1], limit.shape) + rng.choice(
        np.array([0, NEAR_SHIFT, -NEAR_SHIFT, 0.3, -0.01], np.float32), limit.shape
    )
    look = (median + away * rng.choice([0.0, 0.5, 1.0], limit.shape)).astype(np.float32)
    for values in (median, spread, look):
        values[rng.random(values.shape) < 0.03] = np.nan
    guess = rng.choice(np.array([0, 0, 0.031, -0.2], np.float32), bands)
    look += guess[:, None]
    found = deviation_of(median, spread, look, guess, OPTIONS)
    steps = np.array([-0.9999, -0.5, 0, 0.25, 0.9999], np.float32) * np.float32(NEAR_SHIFT)
    for _ in range(6):
        shift = guess + rng.choice(steps, bands)
        assert found.holds(shift)
        plain = tally_change(
            median[:, None], spread[:, None], look[:, None],
            np.ones((1, 300), bool), shift, OPTIONS,
        )  # fmt: skip
        assert found.count(shift) == plain
    assert found.stable > found.changed
    assert not found.holds(guess + np.float32(2 * NEAR_SHIFT))


def test_rounding_tells_nothing_at_the_edge_of_a_guess() -> None:
    """Pixels exactly at their limit, with a shift exactly as far from the guess as may be."""
    rng = np.random.default_rng(3)
    asked = 0
    for _ in range(100):
        guess = rng.uniform(-0.1, 0.1, 1).astype(np.float32)
        edge = np.float32(NEAR_SHIFT) * np.float32(rng.choice([-1, 1]))
        shift = (guess + edge).astype(np.float32)
        median = rng.uniform(0.02, 0.4, (1, 2000)).astype(np.float32)
        spread = np.full_like(median, 0.001)
        limit = np.maximum(OPTIONS.sigmas * spread, OPTIONS.floor + OPTIONS.relative * median)
        look = median + shift[:, None] + limit * rng.choice([-1, 1], limit.shape)
        found = deviation_of(median, spread, look.astype(np.float32), guess, OPTIONS)
        if not found.holds(shift):
            continue
        asked += 1
        every = np.ones((1, 2000), bool)
        rows = (median[:, None], spread[:, None], look.astype(np.float32)[:, None])
        assert found.count(shift) == tally_change(*rows, every, shift, OPTIONS)
    assert asked > 20


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 4))
def test_a_deviation_is_the_plain_formula_at_the_look_s_own_pixels(seed: int, bands: int) -> None:
    rng = np.random.default_rng(seed)
    median = rng.uniform(-0.1, 0.4, (bands, 400)).astype(np.float32)
    spread = rng.uniform(0, 0.03, median.shape).astype(np.float32)
    at = np.sort(rng.choice(400, 250, replace=False))
    look = (median[:, at] + rng.normal(0, 0.06, (bands, 250))).astype(np.float32)
    for values in (median, spread, look):
        values[rng.random(values.shape) < 0.03] = np.nan
    look[rng.random(look.shape) < 0.01] = np.inf
    guess = rng.uniform(-0.02, 0.02, bands).astype(np.float32)
    found = deviation_of(median, spread, look, guess, OPTIONS, at)

    usual, wide = median[:, at], spread[:, at]
    difference = look - usual
    limit = np.maximum(OPTIONS.sigmas * wide, OPTIONS.floor + OPTIONS.relative * usual)
    seen = np.all(np.isfinite(difference) & np.isfinite(limit), axis=0)
    away = np.abs(difference - guess[:, None])
    near = np.float32(NEAR_SHIFT) + np.float32(1e-5)
    may, must = ((away + k * near > limit).sum(axis=0) * 2 >= bands for k in (1, -1))
    left = np.flatnonzero(seen & ~must & may)
    assert (found.stable, found.changed) == (seen.sum(), (seen & must).sum())
    np.testing.assert_array_equal(found.difference, difference[:, left])
    np.testing.assert_array_equal(found.limit, limit[:, left])
    every = np.ones(250, bool)
    plain = [difference_histogram(u, k, every) for u, k in zip(usual, look, strict=True)]
    np.testing.assert_array_equal(difference_histograms(median, look, at), plain)
