"""What floats is green at high levels and water lies there at low ones; ground is never so."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.detect.afloat import contradiction, floated, sudden_green
from pipeline.model import Ground

LOOKS, PIXELS = 30, 144
LEVELS = ((np.arange(LOOKS) * 7 % LOOKS + 0.5) / LOOKS).astype(np.float32)


def ground(height: float, noise: float = 0.0) -> np.ndarray:
    """Thirty looks at levels in turn over plants on flat ground of one height."""
    error = np.random.default_rng(5).normal(0, noise, (LOOKS, PIXELS))
    wet = LEVELS[:, None] + error > height
    return np.where(wet, Ground.WET, Ground.GREEN).astype(np.uint8)


@pytest.mark.parametrize("height", [0.2, 0.5, 0.8])
def test_ground_of_any_height_contradicts_itself_no_more_than_levels_err(height: float) -> None:
    assert contradiction(ground(height), LEVELS) == 0
    assert contradiction(ground(height, noise=0.05), LEVELS) < 0.05


@pytest.mark.parametrize("looks", [3, 6, 10])
def test_a_mat_on_deep_water_contradicts_what_was_seen_before(looks: int) -> None:
    states = ground(-1)
    states[20 : 20 + looks] = Ground.GREEN
    assert contradiction(states, LEVELS) > 0.35
    # A look without a level says nothing, and the order of looks is nothing either.
    levels = np.append(LEVELS, np.float32(np.nan))
    more = np.concatenate([states, states[:1]])
    assert contradiction(more[::-1], levels[::-1]) == contradiction(states, LEVELS)
    assert contradiction(states[20 : 20 + looks], LEVELS[20 : 20 + looks]) == 0  # no water


def test_neither_a_pool_nor_what_was_dug_and_filled_up_again_is_a_mat() -> None:
    pool = ground(2)
    pool[int(np.argmin(LEVELS))] = Ground.WET  # one look, at the lowest level
    assert contradiction(pool, LEVELS) == 0
    filled = ground(-1)
    filled[20:] = Ground.DRY
    assert contradiction(filled, LEVELS) == 0


def test_no_look_is_no_contradiction() -> None:
    assert contradiction(np.zeros((0, PIXELS), np.uint8), np.zeros(0, np.float32)) == 0


@pytest.mark.parametrize(("gap", "mat"), [(15, True), (30, True), (45, False)])
def test_plants_on_what_was_water_weeks_ago_float(gap: int, mat: bool) -> None:
    days = np.r_[np.arange(10) * 15.0, 135.0 + gap + np.arange(4) * 15.0]
    states = np.full((days.size, PIXELS), Ground.WET, np.uint8)
    states[10:] = Ground.GREEN
    assert (sudden_green(states, days) >= 0.5) is mat
    # The river fell all the while: no lower level is known, and no level contradicts another.
    falling = np.linspace(0.9, 0.1, days.size).astype(np.float32)
    assert contradiction(states, falling) == 0
    assert floated(states, falling, days) is mat


def test_a_bar_that_falls_dry_is_bare_before_it_is_green() -> None:
    days = np.arange(12) * 15.0
    states = np.full((12, PIXELS), Ground.WET, np.uint8)
    states[6], states[7:] = Ground.DRY, Ground.GREEN
    assert sudden_green(states, days) == 0
    # A look that was not clear says nothing of what lay there.
    states[6] = Ground.UNKNOWN
    assert sudden_green(states, days) == 1
    states[5] = Ground.UNKNOWN
    assert sudden_green(states, days) == 0


def test_a_mat_that_lay_once_on_a_bar_leaves_it_a_bar() -> None:
    days = np.arange(30) * 15.0
    states = np.full((30, PIXELS), Ground.DRY, np.uint8)
    states[3:6], states[6:9] = Ground.WET, Ground.GREEN
    assert sudden_green(states, days) < 0.5
    assert sudden_green(states[:0], days[:0]) == 0


@pytest.mark.parametrize("under", [30, 60, 120])
def test_reeds_and_meadows_that_a_flood_covers_are_no_mat(under: int) -> None:
    """Green all year, and under water for some of it: green again on the first look after it."""
    days = np.arange(0.0, 730.0, 10.0)
    states = np.full((days.size, PIXELS), Ground.GREEN, np.uint8)
    flooded = (days % 365 >= 150) & (days % 365 < 150 + under)
    states[flooded] = Ground.WET
    ranks = np.where(flooded, 0.95, 0.4).astype(np.float32)
    assert sudden_green(states, days) == 0
    assert not floated(states, ranks, days)
    # Where plants had come over water they have no roots, and a second time they float again.
    states[days < 150] = Ground.WET
    assert sudden_green(states, days) > 0.5
