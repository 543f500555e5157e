from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from pipeline.detect.objects import closes, join, measure, ring, spans


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**31), st.floats(0.05, 0.6))
def test_join_equals_whole_mask_labelling_in_any_order(seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    mask = rng.random((17, 23)) < share
    rows, cols = np.nonzero(mask)
    expected = ndimage.label(mask, np.ones((3, 3)))[0][rows, cols]
    _, first, inverse = np.unique(expected, return_index=True, return_inverse=True)
    order_of = np.argsort(np.argsort(first))
    order = rng.permutation(rows.size)
    labels = join(rows[order].astype(np.int32), cols[order].astype(np.int32))
    assert np.array_equal(labels, order_of[inverse][order])


def test_join_of_nothing() -> None:
    assert join(np.zeros(0, np.int32), np.zeros(0, np.int32)).size == 0


def test_rows_do_not_wrap() -> None:
    labels = join(np.array([0, 1], np.int32), np.array([9, 0], np.int32))
    assert labels.tolist() == [0, 1]


def test_measures_of_known_figures() -> None:
    rows, cols = np.indices((60, 60))
    disc = (rows - 30) ** 2 + (cols - 30) ** 2 <= 15**2
    assert measure(disc).elongation < 1.05
    assert measure(disc).compactness > 0.85
    bar = np.zeros((60, 60), bool)
    bar[28:32, 10:50] = True
    assert 8 < measure(bar).elongation < 12
    assert measure(bar).compactness < 0.4


def test_a_bridge_spans_and_a_groyne_or_a_bank_does_not() -> None:
    land = np.zeros((40, 40), bool)
    land[:5], land[35:] = True, True
    bridge = np.zeros_like(land)
    bridge[5:35, 18:21] = True
    assert spans(bridge, land, measure(bridge))
    groyne = np.zeros_like(land)
    groyne[5:25, 18:21] = True
    assert not spans(groyne, land, measure(groyne))
    bank = np.zeros_like(land)
    bank[5:8, 5:35] = True
    assert not spans(bank, land, measure(bank))


def test_what_ties_two_banks_together_closes_however_short_the_span() -> None:
    land = np.zeros((40, 40), bool)
    land[:16], land[24:] = True, True

    def tells(mask: np.ndarray) -> float:
        return closes(mask, land & ~mask, ~land & ~mask)

    deck = np.zeros_like(land)
    deck[16:24, 14:21] = True
    assert tells(deck) == 8
    assert not tells(deck.T)  # in water from end to end of the window, land on both flanks
    filled = np.zeros_like(land)  # along one bank of an arm, and a pixel short of the other
    filled[17:24, 10:30] = True
    assert tells(filled) == 7
    groyne = np.zeros_like(land)
    groyne[16:20, 14:21] = True
    assert not tells(groyne)
    head = np.zeros_like(land)  # an inlet filled from its head: one bank, one water
    land[:, 20:] = True
    head[16:24, 14:20] = True
    assert not tells(head)


def test_ring_is_outside() -> None:
    mask = np.zeros((9, 9), bool)
    mask[4, 4] = True
    assert int(ring(mask, 1).sum()) == 8


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**31), st.integers(1, 40), st.sampled_from([0.0, 0.001, 0.05, 1.0]))
def test_a_ring_is_that_of_the_whole_window(seed: int, radius: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    mask = np.zeros(rng.integers(1, 80, 2), bool)
    part = tuple(slice(*sorted(rng.integers(0, n + 1, 2))) for n in mask.shape)
    mask[part] = rng.random(mask[part].shape) < share
    grown = ndimage.maximum_filter(mask, 2 * radius + 1, mode="constant")
    np.testing.assert_array_equal(ring(mask, radius), grown & ~mask)
