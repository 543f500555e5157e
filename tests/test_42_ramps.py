"""Slim strips that leave the shore may become bridges; what lies along it is told."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.detect.ramps import RampOptions, is_slim, leaves_shore, reach_across
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


def strip(degrees: float, long: float, wide: float = 2.0) -> np.ndarray:
    """A strip in the middle of 40 x 40 px, askew to its rows."""
    at = np.indices((40, 40)) - 20.0
    turn = np.deg2rad(degrees)
    along = at[1] * np.cos(turn) + at[0] * np.sin(turn)
    aside = at[0] * np.cos(turn) - at[1] * np.sin(turn)
    return (np.abs(along) <= long / 2) & (np.abs(aside) <= wide / 2)


@pytest.mark.parametrize(
    ("rows", "cols", "wide", "across"),
    [
        (slice(20, 22), slice(10, 17), 3, 2.0),  # a fill that leaves a pixel of an arm of 30 m
        (slice(20, 23), slice(10, 19), 3, 3.0),  # and one that closes 90 m of it: a dam
        (slice(20, 25), slice(8, 24), 40, 5.0),  # it may be as wide as it likes
        (slice(20, 23), slice(10, 16), 4, 3.0),  # twice as long as it is wide
        (slice(20, 23), slice(10, 15), 4, 0.0),  # less: that points nowhere
        (slice(19, 24), slice(10, 12), 4, 0.0),  # a deck of two pixels over an arm of four
        (slice(20, 24), slice(10, 14), 4, 0.0),  # a deck that SWIR makes as wide as it is long
        (slice(21, 36), slice(10, 13), 40, 0.0),  # a pier
    ],
)
def test_how_far_what_lies_along_the_shore_reaches_across_the_channel(
    rows: slice, cols: slice, wide: int, across: float
) -> None:
    bins, mask = channel(wide), np.zeros((40, 40), bool)
    mask[rows, cols] = True
    for turn in range(4):
        found = reach_across(np.rot90(mask, turn), np.rot90(bins, turn), RampOptions())
        assert found == pytest.approx(across, abs=1e-6)


def test_a_strip_askew_lies_along_the_shore_up_to_fifteen_degrees() -> None:
    bins = np.zeros((40, 40), np.uint8)
    bins[20:] = ALWAYS
    wide = {d: reach_across(strip(d, 24), bins, RampOptions()) for d in range(0, 91, 5)}
    assert all((w > 0) == (d <= 10) for d, w in wide.items() if d != 15)
    assert wide[10] >= wide[0] + 2  # across is across the channel, and not across the strip
    wider, none = RampOptions(along=0.5), RampOptions(along=0.05)
    assert reach_across(strip(25, 12), bins, wider) > 0
    assert reach_across(strip(10, 24), bins, none) == 0


def test_a_strip_must_point_somewhere_as_its_option_says() -> None:
    mask = np.zeros((40, 40), bool)
    mask[20:22, 10:15] = True  # 2.5 times as long as it is wide
    assert reach_across(mask, channel(3), RampOptions()) == pytest.approx(2.0)
    assert reach_across(mask, channel(3), RampOptions(pointing=3.0)) == 0


@pytest.mark.parametrize(
    ("code", "often"),
    [(1, 31), (7, 31), (8, 31), (15, 31), (23, 31), (30, 31), (7, 12), (15, 20), (23, 28)],
)
def test_every_edge_of_the_water_is_asked_where_bars_run_along_a_deck(
    code: int, often: int
) -> None:
    """A channel crosses a valley whose bars are wet on some of the looks; a deck crosses it."""
    bins = np.zeros((60, 60), np.uint8)
    bins[24:36] = code
    bins[24:36, 28:32] = often
    deck = np.zeros(bins.shape, bool)
    deck[24:26, 24:36] = True
    assert reach_across(deck, bins, RampOptions()) == 0
    bins[24:36] = often
    assert reach_across(deck, bins, RampOptions()) > 0


def test_of_a_shore_that_is_not_known_nothing_is_said() -> None:
    mask, _ = world(slice(20, 22), slice(10, 20))
    for code in (0, 1, ALWAYS, UNSEEN):
        assert reach_across(mask, np.full(mask.shape, code, np.uint8), RampOptions()) == 0
    assert reach_across(np.zeros_like(mask), channel(4), RampOptions()) == 0
    # What is never always water has an edge all the same.
    seldom = np.minimum(channel(3), 5)
    assert reach_across(mask, seldom, RampOptions()) == pytest.approx(2.0)


@pytest.mark.parametrize("wide", [3, 4, 6])
def test_a_road_along_the_bank_that_crosses_the_mouth_of_a_stream_has_no_bank(wide: int) -> None:
    bins = np.zeros((40, 40), np.uint8)
    bins[22:] = ALWAYS
    quay = np.zeros((40, 40), bool)
    quay[22:24, 16 : 20 + wide] = True
    assert reach_across(quay, bins, RampOptions()) == pytest.approx(2.0)
    for first in (16, 18):  # at one end of it, or in its middle
        stream = bins.copy()
        stream[:22, first : first + wide] = ALWAYS
        assert reach_across(quay, stream, RampOptions()) == 0


def test_a_window_of_one_pixel_knows_no_way_out() -> None:
    mask = np.ones((1, 6), bool)
    assert reach_across(mask, np.full((1, 6), ALWAYS, np.uint8), RampOptions()) == 0
