"""A history that is folded look by look, and distances: the same numbers, for less."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.detect.expect import Baseline
from pipeline.detect.level import (
    UNSEEN,
    fold_history,
    known_wet,
    packed,
    tally_by_level,
    tally_history,
)
from pipeline.detect.recession import CLIP_PX, WIDTH_EDGES, distance_to, find_shore

SIDE = 24


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 300), st.integers(1, 4))
def test_a_folded_history_is_that_of_all_looks_at_once(seed: int, looks: int, reaches: int) -> None:
    rng = np.random.default_rng(seed)
    states = rng.integers(0, 4, (looks, SIDE, SIDE)).astype(np.uint8)
    reach = rng.integers(0, reaches + 1, (SIDE, SIDE)).astype(np.uint16)
    ranks = rng.random((looks, reaches + 1)).astype(np.float32)
    ranks[rng.random(ranks.shape) < 0.2] = np.nan
    ranks[:, 0] = np.nan
    ranks[rng.random(ranks.shape) < 0.1] = rng.choice([0.0, 1.0, 0.5])
    n_wet, n_clear, found = fold_history(packed(iter(states)), ranks, reach)
    assert np.array_equal(n_wet, tally_history(states)[0])
    assert np.array_equal(n_clear, tally_history(states)[1])
    whole = tally_by_level(states, ranks[:, reach])
    kept = np.isin(whole.ranks, found.ranks)
    assert np.array_equal(whole.ranks[kept], found.ranks)
    assert np.array_equal(whole.wet[kept], found.wet)
    assert np.array_equal(whole.dry[kept], found.dry)
    assert not whole.wet[~kept].any()
    assert not whole.dry[~kept].any()
    at = rng.random((SIDE, SIDE)).astype(np.float32)
    assert np.array_equal(known_wet(found, at, 0.05), known_wet(whole, at, 0.05))


def peak(looks: int, side: int) -> int:
    rng = np.random.default_rng(1)
    ranks = rng.random((looks, 2)).astype(np.float32)
    reach = np.ones((side, side), np.uint16)

    def each() -> Iterator[NDArray[np.uint8]]:
        for t in range(looks):
            yield np.full((side, side), 1 + t % 2, np.uint8)

    tracemalloc.start()
    Baseline.build(each(), ranks, reach)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most


def test_a_baseline_does_not_grow_with_the_looks() -> None:
    peak(40, 64)  # compiles
    side = 192
    # From some 60 looks on all levels occur; nothing else may follow the number of looks.
    assert peak(240, side) - peak(120, side) < 0.05 * 120 * side**2


@settings(max_examples=80, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.tuples(st.integers(1, 150), st.integers(1, 150)),
    st.sampled_from([0.0, 0.0002, 0.002, 0.05, 0.5, 0.99, 1.0]),
)
def test_distances_are_those_of_a_general_transform(
    seed: int, shape: tuple[int, int], share: float
) -> None:
    mask = np.random.default_rng(seed).random(shape) < share
    if mask.any():
        away = np.asarray(ndimage.distance_transform_edt(~mask), np.float64)
        expected = np.minimum(away, CLIP_PX).astype(np.float32)
    else:
        expected = np.full(shape, CLIP_PX, np.float32)
    assert np.array_equal(distance_to(mask), expected)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_a_shore_is_that_of_general_filters(seed: int) -> None:
    rng = np.random.default_rng(seed)
    bins = np.asarray(ndimage.gaussian_filter(rng.normal(16, 60, (70, 60)), 3), np.float64)
    bins = np.clip(bins, 0, 31).astype(np.uint8)
    clear = np.full(bins.shape, 9, np.uint16)
    reach = rng.integers(0, 2, bins.shape).astype(np.uint16)
    clear[rng.random(bins.shape) < 0.05] = 1
    bins[rng.random(bins.shape) < 0.02] = UNSEEN
    band = (rng.random(bins.shape) * 40).astype(np.float32)
    shore = find_shore(bins, clear, (np.array([0, 15], np.uint8), reach), band)
    wet = (bins >= np.where(reach == 1, 15, 1)) & (bins != UNSEEN) & (clear >= 2)
    votes = ndimage.convolve(wet.astype(np.uint8), np.ones((3, 3)), mode="nearest")
    assert np.array_equal(shore.inside, votes >= 5)
    near = shore.inside & (shore.depth < 1.5)
    assert np.array_equal(shore.edge, near)
    edge = np.where(near, band, 0)
    gentlest = ndimage.maximum_filter(edge, size=25, mode="constant")
    assert np.array_equal(shore.width, np.digitize(gentlest, WIDTH_EDGES))
