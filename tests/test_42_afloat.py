"""What floats is dry at high levels and water at low ones; ground is never so."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.detect.afloat import contradiction
from pipeline.detect.expect import Baseline
from pipeline.detect.level import History
from pipeline.model import Ground

SIDE = 12


def history(heights: float, mat: range = range(0), noise: float = 0.0) -> History:
    """Thirty looks at levels in turn over flat ground of one height, a mat on some of them."""
    rng = np.random.default_rng(5)
    levels = (np.arange(30) * 7 % 30 + 0.5) / 30
    ranks = np.stack([np.full(30, np.nan), levels], axis=1).astype(np.float32)
    states = np.empty((30, SIDE, SIDE), np.uint8)
    for k, level in enumerate(levels):
        wet = level + rng.normal(0, noise, (SIDE, SIDE)) > heights
        states[k] = np.where(wet & (k not in mat), Ground.WET, Ground.DRY)
    return Baseline.build(iter(states), ranks, np.ones((SIDE, SIDE), np.uint16)).history


@pytest.mark.parametrize("height", [0.2, 0.5, 0.8])
def test_ground_of_any_height_contradicts_itself_no_more_than_levels_err(height: float) -> None:
    everywhere = np.ones((SIDE, SIDE), bool)
    assert contradiction(history(height), everywhere) == 0
    assert contradiction(history(height, noise=0.05), everywhere) < 0.05


@pytest.mark.parametrize("looks", [3, 6, 10])
def test_a_mat_on_deep_water_contradicts_what_was_seen_before(looks: int) -> None:
    mat = range(20, 20 + looks)
    everywhere = np.ones((SIDE, SIDE), bool)
    assert contradiction(history(-1, mat), everywhere) > 0.35
    # Beside the footprint it may lie as it likes.
    corner = np.zeros((SIDE, SIDE), bool)
    assert contradiction(history(-1, mat), corner) == 0


def test_what_was_always_water_or_never_has_no_pair() -> None:
    everywhere = np.ones((SIDE, SIDE), bool)
    assert contradiction(history(-1), everywhere) == 0
    assert contradiction(history(2), everywhere) == 0
