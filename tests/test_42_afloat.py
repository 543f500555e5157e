"""What floats is green at high levels and water lies there at low ones; ground is never so."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.detect.afloat import contradiction
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
