"""Unexpected pixels are those of the plain formula, which asks every pixel of a window."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.detect import change, resemble
from pipeline.detect.change import Flags, flag
from pipeline.detect.change_options import ChangeOptions
from pipeline.detect.ground_kinds import EDGES, lies, modelled, states_with, strata_of
from pipeline.detect.look_surface import BRIGHT, NDVI, WATER, Surface
from pipeline.detect.neighbours import around, count
from pipeline.detect.water_frequency import N_BINS, UNSEEN
from pipeline.model import Ground, Window

Bool = NDArray[np.bool_]
Float = NDArray[np.float32]
SHAPE = (40, 36)


def plain(surface: Surface, z: Float, o: ChangeOptions) -> Flags:
    ground = surface.ground
    lighter, greener = z[BRIGHT], z[NDVI]
    bare = (surface.state == Ground.DRY) & (surface.seen[NDVI] <= o.bare_ndvi)
    bare |= (surface.state != Ground.WET) & _mostly_bare(surface, z, o)
    bare &= ground & (surface.seen[BRIGHT] >= o.bright_min)
    lost = surface.expected[NDVI] - surface.seen[NDVI] >= o.green_lost
    with np.errstate(invalid="ignore"):
        weak = bare & ((lighter >= o.grow_z) | ((greener <= -o.grow_z) & lost & (lighter >= 0)))
        strong = bare & ((lighter >= o.seed_z) | ((greener <= -o.seed_z) & lost & (lighter >= 1)))
        drained = surface.drained & surface.dry
        risen = (z[WATER] >= o.grow_z) | surface.shoal
        wet = drained & (surface.state == Ground.WET) & risen
        wet |= drained & _mostly_wet(surface, z, o)
        drowned = wet & (z[WATER] >= o.seed_z)
        rim = drained & _partly_wet(surface, z, drowned, o)
        small = count(weak) <= o.rim_pixels
        rim |= ground & small & _partly_bare(surface, z, strong & surface.land, o)
        rim &= ~wet & ~weak
    company = change._share(weak | wet, surface.drained, o)
    bare_seed = strong & surface.land | weak & surface.bar & company
    # That dry ground is water is no matter of degree: a pool of nine pixels has a core of its own.
    pool = wet & (around(wet & (around(wet) >= 5)) > 0) if wet.any() else wet
    wet_seed = drowned & surface.land | wet & (drowned & company | surface.shoal & pool)
    keep = surface.land | company | pool
    return Flags(weak & keep, wet & keep, bare_seed | wet_seed, rim & keep)


def _mostly_wet(surface: Surface, z: Float, o: ChangeOptions) -> Bool:
    with np.errstate(invalid="ignore"):
        dark = (surface.state == Ground.DRY) & (surface.seen[NDVI] <= o.water_ndvi)
        # Dry ground that dark is rare: the rest is asked of it alone.
        at = np.nonzero(dark)
        expected, seen = surface.expected[WATER][at], surface.seen[WATER][at]
        lighter, greener, wetter = z[BRIGHT][at], z[NDVI][at], z[WATER][at]
        half = (expected < 0) & (seen >= o.mixed_wet * expected)
        risen = (wetter >= o.grow_z) | surface.shoal[at] & (greener <= -o.grow_z)
        dark[at] = half & risen & (greener < 0) & (lighter < o.grow_z)
    return dark


def _mostly_bare(surface: Surface, z: Float, o: ChangeOptions) -> Bool:
    expected = surface.expected[NDVI]
    with np.errstate(invalid="ignore"):
        left = (surface.seen[NDVI] - change._SOIL_NDVI) / np.maximum(
            expected - change._SOIL_NDVI, 0.05
        )
        green = (expected >= EDGES[0]) & (left <= 1 - o.mixed_gone)
        lost = green & (z[NDVI] <= -o.seed_z) & (z[BRIGHT] >= o.grow_z)
    dim = lost & (z[BRIGHT] < o.seed_z)
    return lost & ~(dim & ~change._small(surface, o)) if dim.any() else lost


def _partly_bare(surface: Surface, z: Float, strong: Bool, o: ChangeOptions) -> Bool:
    if not strong.any():
        return strong
    beside = np.asarray(ndimage.binary_dilation(strong, np.ones((3, 3))), bool)
    expected = surface.expected[NDVI]
    with np.errstate(invalid="ignore"):
        gone = (expected - surface.seen[NDVI]) / np.maximum(expected - change._SOIL_NDVI, 0.05)
        lost = expected - surface.seen[NDVI] >= o.green_lost
        partly = lost & (gone >= o.rim_gone) & (z[NDVI] <= -o.grow_z) & (z[BRIGHT] >= 0)
        # Where plants are dormant light alone tells the mixture.
        light = surface.seen[BRIGHT] - surface.expected[BRIGHT]
        most = ndimage.maximum_filter(np.where(strong, light, -np.inf), 3, mode="nearest")
        known = surface.looks >= o.small_looks
        partly |= known & (light >= o.rim_gone * most) & (z[BRIGHT] >= o.grow_z)
    return beside & surface.land & (surface.state != Ground.WET) & partly


def _partly_wet(surface: Surface, z: Float, drowned: Bool, o: ChangeOptions) -> Bool:
    if not drowned.any():
        return drowned
    beside = np.asarray(ndimage.binary_dilation(drowned, np.ones((3, 3))), bool)
    expected = surface.expected[WATER]
    with np.errstate(invalid="ignore"):
        half = surface.seen[WATER] >= o.mixed_wet * expected
        return beside & (expected < 0) & half & (z[WATER] >= o.grow_z)


def look(rng: np.random.Generator, share: float) -> tuple[Surface, Float]:
    """Make a look of blobs of soil, water and ground as usual, with some noise and cloud."""

    def blobs(scale: float) -> Float:
        field = ndimage.gaussian_filter(rng.normal(0, 1, SHAPE), scale)
        return (field / field.std()).astype(np.float32)

    odd, kind = blobs(1.5) > 2 - 2 * share, blobs(3)
    seen, expected = (np.zeros((3, *SHAPE), np.float32) for _ in range(2))
    expected[BRIGHT], expected[NDVI] = 0.1, 0.45 + 0.2 * blobs(6)
    expected[WATER] = -0.3 + 0.1 * blobs(6)
    seen[:] = expected + rng.normal(0, 0.04, seen.shape)
    seen[BRIGHT][odd] += np.where(kind > 0, 0.1, -0.05)[odd]
    seen[NDVI][odd] = np.where(kind > 0, 0.12, -0.15)[odd] + 0.1 * rng.random(odd.sum())
    seen[WATER][odd] = np.where(kind > 0, -0.3, 0.1)[odd] + 0.3 * (rng.random(odd.sum()) - 0.5)
    state = np.where(seen[WATER] > 0, Ground.WET, Ground.DRY)
    state = np.where((state == Ground.DRY) & (seen[NDVI] > 0.35), Ground.GREEN, state)
    state[blobs(2) > 1.5] = Ground.UNKNOWN
    bins = np.where(blobs(4) > 0.6, rng.integers(0, 31, SHAPE), 0).astype(np.uint8)
    land, shoal = bins == 0, bins > 0
    z = ((seen - expected) / rng.choice([0.02, 0.05, 0.2], (3, 1, 1))).astype(np.float32)
    looks = rng.choice([0, 9, 20], SHAPE, p=[0.05, 0.25, 0.7]).astype(np.uint16)
    z[:, looks == 0] = np.nan
    expected[:, looks == 0] = np.nan
    surface = Surface(
        Window(0, SHAPE[0], 0, SHAPE[1]), seen, expected, np.ones_like(seen),
        state.astype(np.uint8), land, shoal, shoal & (blobs(4) > 0), land | (blobs(4) > -1),
        np.ones(SHAPE, bool), looks, np.ones(SHAPE, np.uint16), bins, 0.3,
    )  # fmt: skip
    return surface, z


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.2, 0.6]))
def test_flags_are_those_of_every_pixel(seed: int, share: float) -> None:
    surface, z = look(np.random.default_rng(seed), share)
    found, every = flag(surface, z), plain(surface, z, ChangeOptions())
    for name in ("bare", "wet", "seed", "rim"):
        assert np.array_equal(getattr(found, name), getattr(every, name)), name


@pytest.mark.parametrize("name", ["bare", "wet", "seed", "rim"])
def test_such_looks_have_flags_of_all_sorts(name: str) -> None:
    looks = (look(np.random.default_rng(seed), 0.6) for seed in range(3))
    assert any(getattr(flag(*each), name).any() for each in looks)


def test_a_look_as_usual_has_no_flag() -> None:
    surface, z = look(np.random.default_rng(1), 0.2)
    quiet = replace(surface, shoal=np.zeros(SHAPE, bool))  # on a bar water needs no deviation
    found = flag(quiet, np.zeros_like(z))
    assert not (found.marked | found.seed).any()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([5, 9]))
def test_counts_around_are_those_of_a_general_filter(seed: int, side: int) -> None:
    rng = np.random.default_rng(seed)
    mask = rng.random(rng.integers(1, 40, 2)) < rng.choice([0.02, 0.5, 1.0])
    rows = ndimage.correlate1d(mask.astype(np.int16), np.ones(side), axis=0, mode="constant")
    plain = ndimage.correlate1d(rows, np.ones(side), axis=1, mode="constant")
    found = count(mask, side)
    np.testing.assert_array_equal(found, plain)
    assert found.dtype == np.int16


def test_places_on_the_line_are_those_of_the_plain_formula() -> None:
    rng = np.random.default_rng(4)
    seen, expected = rng.normal(0.2, 0.1, (2, 3, *SHAPE)).astype(np.float32)
    spread = rng.uniform(0.01, 0.05, seen.shape).astype(np.float32)
    expected[:, rng.random(SHAPE) < 0.1] = np.nan
    object_, offset = rng.normal(0.1, 0.1, (2, 3)).astype(np.float32)
    goal = object_[:, None, None] - expected
    done = seen - offset[:, None, None] - expected
    length = (goal**2 / spread**2).sum(axis=0)
    along = ((goal * done / spread**2).sum(axis=0) / length).astype(np.float32)
    surface = SimpleNamespace(
        seen=seen, expected=expected, spread=spread, state=np.zeros(SHAPE, np.uint8)
    )
    signature = resemble.Signature(object_)
    at, apart = resemble.place(cast("Surface", surface), offset, signature)
    np.testing.assert_array_equal(at, along)
    np.testing.assert_array_equal(apart, np.sqrt(length))
    for mask in (rng.random(SHAPE) < 0.1, np.arange(seen[0].size).reshape(SHAPE) == 7):
        some = (seen[:, mask], expected[:, mask], spread[:, mask])
        placed = resemble._placed(some, offset, signature)
        np.testing.assert_array_equal(placed[0], along[mask])
        np.testing.assert_array_equal(placed[1], np.sqrt(length)[mask])


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([(31, 17), (1, 200), (0, 5)]))
def test_the_kind_of_ground_is_that_of_the_plain_formulas(
    seed: int, shape: tuple[int, int]
) -> None:
    rng = np.random.default_rng(seed)
    wide = (shape[0] + 3, shape[1] + 4)
    where = (slice(2, 2 + shape[0]), slice(1, 1 + shape[1]))  # a part of a window, as objects have

    def whole(top: int, dtype: type[np.generic]) -> NDArray[np.generic]:
        return rng.integers(0, top, wide).astype(dtype)[where]

    bins = rng.choice([0, 1, 15, N_BINS - 2, N_BINS - 1, UNSEEN], wide).astype(np.uint8)[where]
    reach, clear, looks = whole(4, np.uint16), whole(6, np.uint16), whole(40, np.uint16)
    counts = (whole(4, np.uint16), whole(4, np.uint16))
    levels = np.array([np.nan, -np.inf, 0.0, 0.25, 0.5], np.float32)
    ranks = (rng.choice(levels, 4), rng.choice(levels[1:], 4))
    land, shoal = bins == 0, (bins > 0) & (bins < N_BINS - 1)
    rank, top = ranks[0][reach], ranks[1][reach]
    higher, lower = counts
    dry = np.where(np.isfinite(rank), (higher >= 2) | (land & (rank <= top)), land)
    plain = (land, shoal, shoal & (lower >= 2), dry, np.isfinite(rank))
    found = lies(bins, reach, ranks, counts, 2)
    for name, one, other in zip(
        ("land", "shoal", "bar", "dry", "level"), found, plain, strict=True
    ):
        np.testing.assert_array_equal(one, other, err_msg=name)
    np.testing.assert_array_equal(modelled(looks, clear, 3), np.where(clear >= 3, looks, 0))

    edges = np.array([np.nan, -0.05, 0.05, -0.1, 0.3, 0.55, 0.2999999, 0.04999999], np.float32)
    water, ndvi = (rng.choice(edges, wide)[where] for _ in range(2))
    state = whole(4, np.uint8)
    wet = (state == Ground.UNKNOWN) & (np.abs(water) < 0.05) & (ndvi <= -0.1)
    said = states_with(water, ndvi, state, 0.05, -0.1)
    np.testing.assert_array_equal(said, np.where(wet, Ground.WET, state))
    kind = (ndvi >= EDGES[0]).astype(np.uint8) + (ndvi >= EDGES[1])
    np.testing.assert_array_equal(strata_of(ndvi, shoal), np.where(shoal, 3, kind))


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.tuples(st.integers(1, 14), st.integers(1, 14)),
    st.sampled_from([0.1, 0.9, 1.0]),
)
def test_neighbours_are_counted_as_by_hand(seed: int, shape: tuple[int, int], share: float) -> None:
    mask = (np.random.default_rng(seed).random((shape[0] + 2, shape[1] + 1)) < share)[1:-1, 1:]
    for side, found in ((3, around(mask)), (5, count(mask)), (9, count(mask, 9))):
        wide = np.pad(mask, side // 2)
        plain = np.lib.stride_tricks.sliding_window_view(wide, (side, side)).sum(axis=(2, 3))
        assert found.dtype == (np.int8 if side == 3 else np.int16)
        np.testing.assert_array_equal(found, plain)


def plain_offset(
    footprint: Bool, surface: Surface, o: resemble.ResembleOptions, watery: bool
) -> Float:
    """Give what like ground around an object did, image by image."""
    bar = surface.shoal if watery else surface.bar
    on_bar = np.count_nonzero(bar & footprint) >= np.count_nonzero(footprint) / 2
    like = bar if on_bar else surface.land
    ground = surface.drained if watery else surface.ground
    about = ground & like & (surface.state != Ground.WET)
    about &= ~footprint & ~resemble.ring(footprint, 2)
    own = surface.expected[NDVI][footprint]
    middle = float(np.nanmedian(own)) if np.isfinite(own).any() else float("nan")
    with np.errstate(invalid="ignore"):
        about &= np.abs(surface.expected[NDVI] - middle) <= o.stratum
    residual = surface.seen[:, about] - surface.expected[:, about]
    residual = residual[:, np.isfinite(residual).all(axis=0)]
    if residual.shape[1] < o.around_pixels:
        return np.zeros(surface.seen.shape[0], np.float32)
    return np.median(residual, axis=1).astype(np.float32)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.booleans(), st.booleans())
def test_what_like_ground_did_is_that_of_whole_images(seed: int, watery: bool, bar: bool) -> None:
    rng = np.random.default_rng(seed)
    surface, _ = look(rng, 0.3)
    surface.seen[int(rng.integers(0, 3))][rng.random(SHAPE) < 0.05] = np.nan
    where = np.flatnonzero(surface.bar if bar else surface.land)
    assume(where.size)
    footprint = np.zeros(SHAPE, bool)
    row, col = divmod(int(rng.choice(where)), SHAPE[1])
    footprint[row : row + 5, col : col + 7] = True
    o = resemble.ResembleOptions(around_pixels=5)
    found = resemble.local_offset(footprint, surface, o, watery=watery)
    np.testing.assert_array_equal(found, plain_offset(footprint, surface, o, watery))
    lacking = replace(surface, expected=np.full_like(surface.expected, np.nan))
    assert not resemble.local_offset(footprint, lacking, o, watery=watery).any()
