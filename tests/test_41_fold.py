"""A history that is folded look by look, and distances: the same numbers, for less."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.detect.deviations import dry_counts
from pipeline.detect.distances import CLIP_PX, distance_at
from pipeline.detect.expect import Baseline
from pipeline.detect.level_band import N_WIDTHS, WIDTH_EDGES, Band
from pipeline.detect.level_history import tally_by_level
from pipeline.detect.look_history import fold_history, known_wet
from pipeline.detect.lookbits import packed
from pipeline.detect.recession import tally_recession
from pipeline.detect.shore_area import find_shore
from pipeline.detect.water_frequency import N_BINS, UNSEEN, tally_history
from pipeline.model import Ground

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
    # Levels of reaches, as they are asked for, of the whole and of parts of a part.
    day = rng.random(reaches + 1).astype(np.float32)
    day[rng.random(day.size) < 0.2] = np.nan
    outer, inner = (slice(3, 20), slice(2, 19)), (slice(1, 12), slice(4, 17))
    for kept, plain, own in (
        (found, whole, reach),
        (found.part(outer).part(inner), whole.part(outer).part(inner), reach[outer][inner]),
    ):
        assert np.array_equal(known_wet(kept, day[own], 0.05), known_wet(plain, day[own], 0.05))
        for one, other in zip(
            dry_counts(kept, own, day, 0.05), dry_counts(plain, own, day, 0.05), strict=True
        ):
            assert np.array_equal(one, other)
    part = known_wet(found, day[reach[outer]], 0.05, where=outer)
    assert np.array_equal(part, known_wet(whole, day[reach], 0.05)[outer])


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
    everywhere = np.ones(shape, bool)
    assert np.array_equal(distance_at(mask, everywhere), expected.ravel())


@settings(max_examples=120, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([(70, 60), (70, 60), (1, 9), (9, 1), (3, 3)]),
    st.sampled_from(["all", "river", "bits", "none"]),
)
def test_a_shore_is_that_of_general_filters(seed: int, shape: tuple[int, int], seen: str) -> None:
    rng = np.random.default_rng(seed)
    bins = np.asarray(ndimage.gaussian_filter(rng.normal(16, 60, shape), 3), np.float64)
    bins = np.clip(bins, 0, 31).astype(np.uint8)
    clear = np.full(bins.shape, 9, np.uint16)
    reach = rng.integers(0, 2, bins.shape).astype(np.uint16)
    clear[rng.random(bins.shape) < 0.05] = 1
    bins[rng.random(bins.shape) < 0.02] = UNSEEN
    if seen != "all":  # the rest is not stored, as most of a window around a river is
        rows, cols = np.indices(shape)
        place = 20 + rows // 2 + 6 * np.sin(rows / 5)
        river = (np.abs(cols - place) < 7) & (rows % 31 > 3)
        kept = {"river": river, "bits": rng.random(shape) < 0.01, "none": rows < 0}[seen]
        bins[~kept] = UNSEEN
    shore = find_shore(bins, clear, (np.array([0, 15], np.uint8), reach), Band(bins), 2)
    wet = (bins >= np.where(reach == 1, 15, 1)) & (bins != UNSEEN) & (clear >= 2)
    votes = ndimage.convolve(wet.astype(np.uint8), np.ones((3, 3)), mode="nearest")
    assert np.array_equal(shore.inside, votes >= 5)
    near = shore.inside & ~ndimage.minimum_filter(shore.inside, 3, mode="nearest")
    assert np.array_equal(shore.edge, near)
    if not shore.inside.all():
        assert np.array_equal(near, shore.inside & (shore.depth < 1.5))
    edge = np.where(near, _plain_band(bins), 0)
    gentlest = ndimage.maximum_filter(edge, size=25, mode="constant")
    at = rng.permutation(bins.size)[: max(bins.size // 20, 1)]
    some = np.digitize(gentlest, WIDTH_EDGES).ravel()[at]
    assert np.array_equal(shore.width_at(at), some)  # before the whole is known
    assert np.array_equal(shore.width, np.digitize(gentlest, WIDTH_EDGES))


def _plain_band(bins: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Give the width of the band of known levels by general distances, clipped [px]."""

    def away(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
        if not mask.any():
            return np.full(mask.shape, CLIP_PX, np.float64)
        found = np.asarray(ndimage.distance_transform_edt(~mask), np.float64)
        return np.minimum(found, CLIP_PX).astype(np.float32).astype(np.float64)

    never = (bins == 0) | (bins == UNSEEN)
    return np.maximum(away(never) - 1, 0) + away(bins == N_BINS - 1)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([3.0, 20.0, 200.0]))
def test_classes_of_banks_are_those_of_plain_distances(seed: int, steep: float) -> None:
    rng = np.random.default_rng(seed)
    bins = ndimage.gaussian_filter(rng.normal(16, steep, rng.integers(2, 90, 2)), 3)
    bins = np.clip(bins, 0, 31).astype(np.uint8)
    bins[rng.random(bins.shape) < 0.01] = UNSEEN
    plain = np.digitize(_plain_band(bins), WIDTH_EDGES)
    band = Band(bins)
    for _ in range(3):  # what was asked before as well
        at = np.sort(rng.choice(bins.size, bins.size // 3, replace=False))
        np.testing.assert_array_equal(band.kind_at(at), plain.ravel()[at])
    every = np.arange(bins.size)
    np.testing.assert_array_equal(band.kind_at(every), plain.ravel())
    where = (slice(1, bins.shape[0]), slice(0, bins.shape[1] - 1))
    part = band.part(where).kind_at(np.arange(plain[where].size))
    np.testing.assert_array_equal(part, plain[where].ravel())


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.02, 0.5]))
def test_recession_is_that_of_plain_distances(seed: int, cloud: float) -> None:
    rng = np.random.default_rng(seed)
    bed = ndimage.gaussian_filter(rng.normal(16, 60, (90, 80)), 4)
    bins, clear = np.clip(bed, 0, 31).astype(np.uint8), np.full(bed.shape, 9, np.uint16)
    reach = (np.indices(bed.shape)[1] // 40).astype(np.uint16)
    shore = find_shore(bins, clear, (np.array([0, 15], np.uint8), reach), Band(bins), 2)
    state = np.where(bed >= rng.choice([15, 18, 40]), Ground.WET, Ground.DRY).astype(np.uint8)
    hidden = ndimage.binary_dilation(rng.random(bed.shape) < cloud / 60, np.ones((9, 9)))
    state[hidden | (rng.random(bed.shape) < 0.05)] = Ground.UNKNOWN
    part = np.zeros(bed.shape, bool)
    part[5:70, 4:75] = True
    edge = shore.edge & (reach > 0) & (state != Ground.UNKNOWN) & part
    away = distance_at(state == Ground.WET, edge)
    under = ndimage.binary_erosion(state == Ground.UNKNOWN, np.ones((5, 5)))
    seen = distance_at(under, edge) > np.minimum(away + 3, CLIP_PX - 1)
    plain = np.zeros((2, N_WIDTHS, CLIP_PX + 1), np.int64)
    where = (reach[edge][seen], shore.width[edge][seen], away[seen].astype(np.int64))
    np.add.at(plain, where, 1)
    assert np.array_equal(tally_recession(state, shore, reach, 1, part), plain)
