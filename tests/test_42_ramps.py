"""Slim strips that leave the shore may become bridges; what lies along it is told."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.detect.ramps import RampOptions, follows_shore, is_slim, leaves_shore
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


def channel(wide: int) -> np.ndarray:
    """A channel of rows 20 on, ``wide`` px across, in 40 x 40 px of land."""
    bins = np.zeros((40, 40), np.uint8)
    bins[20 : 20 + wide] = ALWAYS
    return bins


@pytest.mark.parametrize(
    ("rows", "cols", "wide", "lies"),
    [
        (slice(20, 22), slice(10, 17), 3, True),  # a fill that leaves a pixel of an arm of 30 m
        (slice(20, 23), slice(10, 19), 3, True),  # and one that closes 90 m of it: a dam
        (slice(20, 25), slice(8, 24), 40, True),  # it may be as wide as it likes
        (slice(19, 24), slice(10, 12), 4, False),  # a deck of two pixels over an arm of four
        (slice(20, 24), slice(10, 14), 4, False),  # a deck that SWIR makes as wide as it is long
        (slice(21, 36), slice(10, 13), 40, False),  # a pier
    ],
)
def test_what_ties_two_banks_together_and_lies_along_them(
    rows: slice, cols: slice, wide: int, lies: bool
) -> None:
    bins, mask = channel(wide), np.zeros((40, 40), bool)
    mask[rows, cols] = True
    for turn in range(4):
        assert follows_shore(np.rot90(mask, turn), np.rot90(bins, turn), RampOptions()) is lies


def test_a_deck_askew_does_not_lie_along_the_shore() -> None:
    at = np.indices((40, 40))
    bins = channel(12)
    for degrees in range(35, 91, 5):
        across = np.deg2rad(degrees)
        away = (at[0] - 25.5) * np.cos(across) - (at[1] - 20) * np.sin(across)
        deck = (np.abs(away) <= 1.2) & (bins > 0)
        assert not follows_shore(deck, bins, RampOptions())


def test_both_shores_of_a_flood_plain_are_asked() -> None:
    """A deck over a channel that runs towards the edge of what was flooded once."""
    bins = np.zeros((60, 60), np.uint8)
    bins[10:] = 1
    bins[10:, 28:32] = ALWAYS
    deck = np.zeros(bins.shape, bool)
    deck[30:32, 24:36] = True
    fill = np.zeros(bins.shape, bool)
    fill[30:38, 28:30] = True
    assert leaves_shore(fill, bins, RampOptions(), wet=True)
    assert not follows_shore(deck, bins, RampOptions())
    assert not follows_shore(fill, bins, RampOptions())


def test_of_a_shore_that_is_not_known_nothing_is_said() -> None:
    mask, _ = world(slice(20, 22), slice(10, 20))
    for code in (0, 1, ALWAYS, UNSEEN):
        assert not follows_shore(mask, np.full(mask.shape, code, np.uint8), RampOptions())
    assert not follows_shore(np.zeros_like(mask), channel(4), RampOptions())
