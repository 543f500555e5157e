"""Water that hangs together with the channel at its own level, and what does not."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.detect.channel import Piece, belongs, cores, flood, slack_bins
from pipeline.detect.channel_map import Channel, apart_of
from pipeline.detect.channel_pieces import pieces_of
from pipeline.detect.channel_reaches import told_reaches
from pipeline.detect.water_frequency import N_BINS

ALWAYS = N_BINS - 1
Bins = NDArray[np.uint8]


def cut(image: np.ndarray, n: int) -> dict[tuple[int, int], np.ndarray]:
    """Cut an image into tiles, the last ones narrower."""
    h, w = image.shape
    places = [(r, c) for r in range(-(-h // n)) for c in range(-(-w // n))]
    return {(r, c): image[r * n : (r + 1) * n, c * n : (c + 1) * n].copy() for r, c in places}


def apart(bins: Bins, reach: np.ndarray | None = None, n: int = 1000, share: float = 0.25):
    reach = np.ones(bins.shape, np.uint16) if reach is None else reach
    found = dict(apart_of(cut(bins, n), cut(reach, n), Channel(share, 10.0))[1])
    out = np.zeros(bins.shape, bool)
    for (r, c), part in found.items():
        out[r * n : r * n + part.shape[0], c * n : c * n + part.shape[1]] = part
    return out


def valley() -> tuple[Bins, NDArray[np.float64]]:
    """Give a winding river whose water falls off to both sides, and how far it is [px]."""
    y, x = np.mgrid[:150, :170]
    away = np.abs(y - 75 - 20 * np.sin(x / 15))
    bins = np.zeros(away.shape, np.uint8)
    for width, water in ((14, 4), (10, 12), (6, ALWAYS)):
        bins[away < width] = water
    return bins, away


PADDY, POND = (slice(10, 24), slice(20, 40)), (slice(125, 135), slice(90, 110))


def test_a_paddy_and_a_fish_pond_are_apart_and_all_of_the_river_is_not() -> None:
    bins, away = valley()
    bins[PADDY], bins[POND] = 10, ALWAYS
    found = apart(bins)
    assert found[PADDY].all()
    assert found[POND].all()
    assert not found[(away < 14)].any()


def test_a_paddy_stays_apart_where_one_flood_went_over_its_bank() -> None:
    bins, away = valley()
    bins[PADDY] = 10
    bins[bins == 0] = 1  # one look of the history
    found = apart(bins)
    assert found[PADDY].all()
    assert not found[bins == 1].any()
    assert not found[away < 14].any()


def test_dry_ground_near_the_river_speaks_of_floods_and_that_far_from_it_does_not() -> None:
    bins, away = valley()
    found = apart(bins)
    assert not found[(bins == 0) & (away < 18)].any()
    assert found[(bins == 0) & (away > 40)].all()


def test_a_river_goes_on_behind_its_bridges() -> None:
    bins, away = valley()
    bins[:, 80:84] = bins[:, 97:101] = 0  # 40 m, and 130 m between the two
    assert not apart(bins)[(away < 14) & (bins > 0)].any()


def test_a_perched_pool_is_apart_from_a_river_that_reaches_its_sill_seldom() -> None:
    bins, _ = valley()
    pool, sill = (slice(20, 30), slice(60, 80)), (slice(20, 66), slice(68, 71))
    bins[sill] = np.maximum(bins[sill], 3)
    bins[pool] = 20
    assert apart(bins)[pool].all()


def test_where_nothing_is_water_half_of_the_time_nothing_is_apart() -> None:
    bins, _ = valley()
    bins[bins == ALWAYS] = 13
    bins[PADDY] = 10
    assert not apart(bins).any()


def test_each_reach_has_a_channel_of_its_own() -> None:
    bins = np.zeros((60, 120), np.uint8)
    bins[10:50, :70], bins[20:45, 80:105] = ALWAYS, ALWAYS  # a reservoir, and a lake below its dam
    reach = np.ones(bins.shape, np.uint16)
    assert apart(bins, reach, share=0.5)[20:45, 80:105].all()
    reach[:, 75:] = 2
    assert not apart(bins, reach, share=0.5)[20:45, 80:105].any()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(9, 70))
def test_it_does_not_depend_on_tiles(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    rough = ndimage.gaussian_filter(rng.normal(size=(97, 83)), 3)
    bins = np.clip(rough / rough.std() * 10 + 12, 0, ALWAYS).astype(np.uint8)
    reach = np.ones(bins.shape, np.uint16)
    reach[:, 40:] = 2
    assert np.array_equal(apart(bins, reach, n), apart(bins, reach))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_what_is_reached_is_the_best_worst_step_of_all_paths(seed: int) -> None:
    """Against the definition: the highest threshold at which both lie in one piece."""
    rng = np.random.default_rng(seed)
    bins = rng.integers(0, 6, (14, 17)).astype(np.uint8)
    start = bins == 5
    reached = np.where(start, bins, np.uint8(0))
    flood(bins, reached)
    expected = np.zeros_like(bins)
    for level in range(1, 6):
        labels = np.asarray(ndimage.label(bins >= level, np.ones((3, 3)))[0])  # type: ignore[index]
        expected[np.isin(labels, np.unique(labels[start & (bins >= level)])) & (labels > 0)] = level
    assert np.array_equal(reached, expected)
    assert not flood(bins, reached)  # once is enough


def test_a_pond_beside_the_river_is_no_core_and_what_lies_between_two_decks_is() -> None:
    size = {1: 500e3, 2: 400e3, 3: 10e3, 4: 10e3, 5: 800.0}
    beside = {1: {3, 4}, 2: {3}, 3: {1, 2}, 4: {1}, 5: {1, 2}}
    pieces = {k: Piece({1: a}, math.sqrt(a), frozenset(beside[k])) for k, a in size.items()}
    assert cores(pieces, 0.25) == {1, 2, 3}
    assert cores(pieces, 0.9) == {1}


def test_what_is_between_is_found_link_by_link() -> None:
    beside = {1: {3}, 2: {4}, 3: {1, 4}, 4: {3, 2}, 5: {3, 1}}
    size = {1: 500e3, 2: 400e3, 3: 10e3, 4: 10e3, 5: 10e3}
    pieces = {k: Piece({1: a}, math.sqrt(a), frozenset(beside[k])) for k, a in size.items()}
    assert cores(pieces, 0.25) == {1, 2}  # one bank of each is no channel
    pieces[4] = replace(pieces[4], beside=frozenset({1, 2, 3}))
    assert cores(pieces, 0.25) == {1, 2, 3, 4, 5}


def test_a_short_piece_of_river_counts_where_its_own_reach_has_no_larger_one() -> None:
    above, pond = Piece({1: 900e3, 2: 1e3}, 4000.0), Piece({2: 60e3}, 245.0)
    below = Piece({2: 90e3}, 900.0)
    assert cores({1: above, 2: below, 3: pond}, 0.25) == {1, 2, 3}
    assert cores({1: above, 2: below, 3: pond}, 0.7) == {1, 2}


def test_pools_behind_riffles_are_found_one_after_the_other() -> None:
    bins = np.zeros((40, 292), np.uint8)
    for first in range(0, 292, 42):
        bins[18:22, first : first + 40] = ALWAYS
    bins[18:22, :90] = ALWAYS
    bins[24:28, 200:204] = ALWAYS  # a pond beside them
    found = apart(bins)
    assert not found[18:22][bins[18:22] > 0].any()
    assert found[24:28, 200:204].all()  # it is square


@pytest.mark.parametrize(
    ("turn", "side", "expected"), [(0, 60, False), (45, 60, False), (0, 16, False), (30, 11, True)]
)
def test_a_river_is_slender_and_a_pond_is_not_however_they_lie(
    turn: float, side: float, expected: bool
) -> None:
    y, x = np.mgrid[:120, :140] - 65.0
    angle = np.radians(turn)
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    bins = np.where((np.abs(along) < 50) & (np.abs(across) < side / 2), ALWAYS, 0).astype(np.uint8)
    (piece,) = pieces_of(
        cut(bins, 50), cut(np.ones(bins.shape, np.uint16), 50), 10.0
    ).pieces.values()
    assert piece.slender == expected
    assert piece.length_m == pytest.approx(1000, rel=0.04)


def test_a_weir_cuts_a_river_and_both_pieces_are_its_channel() -> None:
    bins, away = valley()
    bins[:, 60:67] = 0  # gravel below a weir, 70 m of it
    bins[30:80, 90:150] = ALWAYS  # a lake that hangs together with the longer piece
    assert not apart(bins)[(away < 14) & (bins > 0)].any()


@pytest.mark.parametrize("kind", ["dry for most of a year", "mixed pixels", "pools", "short"])
def test_a_pond_is_no_channel_where_the_river_is_none(kind: str) -> None:
    """Its core lies along a part of the reach: nothing there tells the river from ponds."""
    bins = np.zeros((120, 500), np.uint8)
    wide = {"dry for most of a year": 15, "mixed pixels": 2}.get(kind, 4)
    bins[50 : 50 + wide] = 14
    if kind == "pools":
        for first in range(0, 500, 55):
            bins[50:54, first : first + 45] = ALWAYS
    if kind == "short":
        bins[50:54] = 0
        bins[50:54, :220] = ALWAYS
    bins[5:28, 150:173] = ALWAYS  # a pond of 5.3 ha
    assert not apart(bins).any()
    bins[50:55] = ALWAYS
    found = apart(bins)
    assert found[5:28, 150:173].all()
    assert not found[50:55].any()


@pytest.mark.parametrize("turn", [0, 35, 90])
def test_a_reach_is_told_by_a_channel_along_half_of_it(turn: float) -> None:
    y, x = np.mgrid[:420, :430] - 210.0
    angle = np.radians(turn)
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    reach = ((np.abs(along) < 200) & (np.abs(across) < 60)).astype(np.uint16)

    def told(until: float) -> set[int]:
        core = (along > -200) & (along < until) & (np.abs(across) < 4)
        side = (420, 430)
        whole = told_reaches({(0, 0): reach}, {(0, 0): core}, side, 10.0)
        parts = told_reaches(cut(reach, 64), cut(core, 64), (64, 64), 10.0)
        assert whole == parts
        return whole

    assert told(20) == {1}
    assert told(-20) == set()


def test_a_reach_with_little_channel_is_not_told() -> None:
    reach = np.ones((40, 60), np.uint16)

    def told(wide: int) -> set[int]:
        core = np.zeros(reach.shape, bool)
        core[10 : 10 + wide] = True
        return told_reaches({(0, 0): reach}, {(0, 0): core}, (40, 60), 10.0)

    assert told(3) == set()  # 1.8 ha
    assert told(4) == {1}


def test_slack_is_for_few_looks() -> None:
    bins = np.array([[9, 3, 4, 1]], np.uint8)
    reached = np.array([[9, 0, 1, 0]], np.uint8)
    assert belongs(bins, reached).tolist() == [[True, False, True, False]]
    half = np.array([[20, 20]], np.uint8), np.array([[9, 8]], np.uint8)
    assert belongs(*half).tolist() == [[True, False]]
    assert [slack_bins(n) for n in (0, 4, 8, 16, 60)] == [N_BINS, 8, 4, 3, 3]


@pytest.mark.parametrize("shape", [(0, 0), (0, 5), (1, 1)])
def test_nothing_is_nothing(shape: tuple[int, int]) -> None:
    bins = np.zeros(shape, np.uint8)
    assert not flood(bins, bins.copy())
    assert not apart(bins, share=1.0).any() or shape == (1, 1)
