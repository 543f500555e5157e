"""Slim strips that leave the shore may become bridges; what lies along it is told."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.detect.ramps import RampOptions, is_slim, leaves_shore
from pipeline.detect.water_frequency import N_BINS, UNSEEN

ALWAYS = N_BINS - 1


def world(rows: slice, cols: slice) -> tuple[np.ndarray, np.ndarray]:
    """Land in the upper half of 40 x 40 px, water below; a box in it."""
    bins = np.zeros((40, 40), np.uint8)
    bins[20:] = ALWAYS
    mask = np.zeros((40, 40), bool)
    mask[rows, cols] = True
    return mask, bins


@pytest.mark.parametrize(
    ("rows", "cols", "wet", "told"),
    [
        (slice(20, 30), slice(10, 12), True, False),  # a pier, or the first deck
        (slice(25, 39), slice(10, 13), True, False),  # a deck that stands alone
        (slice(28, 31), slice(10, 24), True, True),  # spoil in a row along the shore
        (slice(20, 22), slice(10, 22), True, True),  # a fill along the shore
        (slice(20, 26), slice(10, 22), True, True),  # a fill that is no strip
        (slice(10, 20), slice(10, 12), False, False),  # a ramp down to the water
        (slice(7, 17), slice(10, 13), False, False),  # and one that almost reaches it
        (slice(18, 20), slice(10, 22), False, True),  # sheds along the shore
        (slice(4, 14), slice(10, 12), False, True),  # a road that ends before the shore
        (slice(5, 20), slice(10, 16), False, True),  # a yard at the water
    ],
)
def test_what_leaves_the_shore_and_what_lies_along_it(
    rows: slice, cols: slice, wet: bool, told: bool
) -> None:
    mask, bins = world(rows, cols)
    for turn in range(4):
        turned = np.rot90(mask, turn), np.rot90(bins, turn)
        ramp = is_slim(turned[0], RampOptions()) and leaves_shore(*turned, RampOptions(), wet=wet)
        assert ramp is not told


def test_neither_a_ragged_shore_nor_specks_turn_what_lies_along_it() -> None:
    rng = np.random.default_rng(3)
    for _ in range(20):
        mask, bins = world(slice(28, 31), slice(10, 24))
        edge = 20 + np.round(rng.normal(0, 1.5, 40)).astype(int)
        bins[:] = np.where(np.arange(40)[:, None] < edge, 0, ALWAYS)
        speck = rng.random(bins.shape) < 0.01
        bins[speck & (bins > 0)] = 0
        bins[rng.random(bins.shape) < 0.01] = UNSEEN
        assert not leaves_shore(mask, bins, RampOptions(), wet=True)
        pier = np.zeros_like(mask)
        pier[edge[10:13].max() :, 10:13] = True
        assert leaves_shore(pier, bins, RampOptions(), wet=True)


def test_nothing_and_ground_that_nobody_saw() -> None:
    mask, bins = world(slice(10, 20), slice(10, 12))
    assert not is_slim(np.zeros_like(mask), RampOptions())
    assert not leaves_shore(mask, np.full_like(bins, UNSEEN), RampOptions(), wet=False)
