"""What unpacks the store says bit for bit what plain formulas say, and reads no block too many."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.features import rasterize
from scipy import ndimage
from shapely.geometry import LineString, MultiPolygon, Polygon, box
from shapely.geometry.base import BaseGeometry

from pipeline.detect.deviations import count_residuals, deviations, dry_counts
from pipeline.detect.distances import CLIP_PX, distance_at, farther
from pipeline.detect.expect import Baseline
from pipeline.detect.level import reaches_in
from pipeline.detect.level_band import Band
from pipeline.detect.level_history import LevelHistory
from pipeline.detect.look_history import known_wet
from pipeline.detect.medians import middle_of
from pipeline.detect.normal import NormalOptions, design, fit_normal
from pipeline.detect.water_frequency import UNSEEN, frequency_bins
from pipeline.errors import SceneUnusableError
from pipeline.grid import tiles_over
from pipeline.io import store_tiles
from pipeline.io.asset_reader import AssetReader
from pipeline.io.blocks import NODATA, SCALE, Layer
from pipeline.io.burn import burn, burnt_pixels
from pipeline.io.finer import bilinear, bilinear_known
from pipeline.io.looks import LookReader
from pipeline.io.raster import raster_profile
from pipeline.io.runs import coarser, mask_of, runs_of
from pipeline.io.store import open_store
from pipeline.io.unpack import place, place_codes, place_scaled
from pipeline.model import Asset, DateQuality, Grid, Window
from pipeline.passes.bands import packed
from pipeline.passes.gather import _overcast
from pipeline.prepare.radiometry import BINS, HIGHEST, LOWEST, band_histogram
from pipeline.prepare.temporal import NMAD, median_and_spread

SEEDS = st.integers(0, 2**32 - 1)


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.sampled_from([0.0, 0.05, 0.5, 1.0]))
def test_a_mask_is_its_runs(seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    mask = rng.random(tuple(int(n) for n in rng.integers(1, 20, 2))) < share
    np.testing.assert_array_equal(mask_of(runs_of(mask), mask.shape), mask)
    assert runs_of(mask).size == mask.sum()
    assert runs_of(mask[:, ::-1]).size == mask.sum()  # not in the order of memory


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.sampled_from([1, 2, 3, 6]), st.sampled_from([0.0, 0.02, 0.3, 1.0]))
def test_a_coarse_pixel_is_stored_where_any_of_its_pixels_is(
    seed: int, factor: int, share: float
) -> None:
    rng = np.random.default_rng(seed)
    rows, cols = (int(n) * factor for n in rng.integers(1, 9, 2))
    mask = rng.random((rows, cols)) < share
    plain = mask.reshape(rows // factor, factor, cols // factor, factor).any(axis=(1, 3))
    found = coarser(runs_of(mask), mask.shape, factor)
    np.testing.assert_array_equal(mask_of(found, plain.shape), plain)
    assert found.size == plain.sum()


def test_what_is_no_mask_of_whole_coarse_pixels_is_refused() -> None:
    runs = runs_of(np.ones((6, 4), np.bool_))
    for shape, factor in (((6, 4), 4), ((6, 5), 2), ((8, 4), 2)):
        with pytest.raises(ValueError, match="no mask of whole pixels"):
            coarser(runs, shape, factor)


WINDING = LineString([(x * 40.0, 3000 + 2600 * np.sin(x / 25)) for x in range(220)])


@pytest.mark.parametrize(
    "outline",
    [
        WINDING.buffer(130),
        WINDING,
        MultiPolygon([box(500, 500, 4000, 2500), box(2000, 1000, 7000, 5000)]),  # they overlap
    ],
)
def test_tiles_and_masks_are_those_of_the_outline(tmp_path: Path, outline: BaseGeometry) -> None:
    """A river that winds, in a box of many tiles: those left out by the box hold no pixel."""
    grid = Grid("EPSG:32649", Affine(10, 0, 0, 0, -10, 6400), (640, 896))
    store = open_store(tmp_path, grid, 64, outline)
    held = []
    for tile in tiles_over(grid, 64, 0):
        mine = burn(outline, grid.sub(tile.core))
        np.testing.assert_array_equal(store.kept(tile.core), mine)
        coarse = mine.reshape(32, 2, 32, 2).any(axis=(1, 3))
        np.testing.assert_array_equal(store.kept(tile.core, 2), coarse)
        held += [tile] if mine.any() else []
    assert list(store.all_tiles) == held
    assert 20 < len(held) < 100


def test_masks_of_all_tiles_of_a_long_river_are_burnt_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sweeps ask for all tiles in turn: what forgets the first before the last keeps nothing."""
    grid = Grid("EPSG:32649", Affine(10, 0, 0, 0, -10, 6400), (640, 640 * 4))
    store = open_store(tmp_path, grid, 64, box(0, 0, 25_600, 6400))
    assert len(store.all_tiles) == 400
    drawn = list[Grid]()
    monkeypatch.setattr(store_tiles, "burn", lambda shape, on: drawn.append(on) or burn(shape, on))
    for _ in range(2):
        for tile in store.all_tiles:
            store.kept(tile.core), store.runs(tile.core, 2)
    assert drawn == []


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.sampled_from([0.0, 0.05, 0.5, 1.0]))
def test_a_part_of_a_packed_tile_is_that_part_of_the_image(seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    shape = tuple(int(n) for n in rng.integers(1, 20, 2))
    image = rng.integers(-30, 30, shape).astype(np.int16)
    image[rng.random(shape) < 0.2] = NODATA
    mask = rng.random(shape) < share
    packed, runs = image[mask], runs_of(mask)
    (r0, r1), (c0, c1) = (sorted(rng.integers(0, n + 1, 2).tolist()) for n in shape)
    part, corner = (slice(r0, r1), slice(c0, c1)), (2, 1)
    there = (slice(2, 2 + r1 - r0), slice(1, 1 + c1 - c0))
    big = (shape[0] + 3, shape[1] + 3)

    whole = np.where(mask, image, np.int16(NODATA))
    expected = np.full(big, NODATA, np.int16)
    expected[there] = whole[part]
    out = np.full(big, NODATA, np.int16)
    place(packed, runs, part, out, corner)
    np.testing.assert_array_equal(out, expected)

    floats = np.full(big, np.nan, np.float32)
    place_scaled(packed, runs, part, floats, corner, (NODATA, SCALE, np.nan))
    known = expected.astype(np.float32) / np.float32(SCALE)
    known[expected == NODATA] = np.nan
    np.testing.assert_array_equal(floats, known)

    codes = np.full(big, 7, np.uint8)
    positive = np.where(packed == NODATA, packed, np.abs(packed)).astype(np.int16)
    place_codes(positive, runs, part, codes, corner, NODATA)
    np.testing.assert_array_equal(codes, np.where(expected == NODATA, 7, np.abs(expected)))


@settings(max_examples=20, deadline=None)
@given(SEEDS)
def test_interpolation_is_the_plain_formula_bit_for_bit(seed: int) -> None:
    rng = np.random.default_rng(seed)
    coarse = rng.normal(0.1, 0.1, (9, 8)).astype(np.float32)
    coarse[rng.random(coarse.shape) < 0.2] = np.nan
    rows = rng.integers(0, 8, 12).astype(np.intp), rng.random(12).astype(np.float32)
    cols = rng.integers(0, 7, 15).astype(np.intp), rng.random(15).astype(np.float32)
    (k, rw), (j, cw) = rows, cols
    along = coarse[k] * (1 - rw[:, None]) + coarse[k + 1] * rw[:, None]
    plain = along[:, j] * (1 - cw) + along[:, j + 1] * cw
    nearest = coarse[np.ix_(k + (rw >= 0.5), j + (cw >= 0.5))]
    expected = np.where(np.isnan(plain), nearest, plain).astype(np.float32)
    np.testing.assert_array_equal(bilinear(coarse, rows, cols), expected)


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.sampled_from([0.0, 0.2, 0.9, 1.0]))
def test_interpolated_numbers_are_those_of_the_image(seed: int, blank: float) -> None:
    rng = np.random.default_rng(seed)
    coarse = rng.normal(0.1, 0.1, (9, 8)).astype(np.float32)
    coarse[rng.random(coarse.shape) < blank] = np.nan
    coarse[:, slice(*sorted(rng.integers(0, 9, 2).tolist()))] = np.nan
    rows = np.sort(rng.integers(0, 8, 12)).astype(np.intp), rng.random(12).astype(np.float32)
    cols = np.sort(rng.integers(0, 7, 15)).astype(np.intp), rng.random(15).astype(np.float32)
    image = bilinear(coarse, rows, cols)
    np.testing.assert_array_equal(bilinear_known(coarse, rows, cols), image[~np.isnan(image)])


@settings(max_examples=20, deadline=None)
@given(SEEDS, st.sampled_from([0.0, 0.002, 0.3, 1.0]))
def test_distances_at_some_pixels_are_those_of_the_whole(seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    shape = tuple(int(n) for n in rng.integers(1, 120, 2))
    # Few that ask look around themselves, and many have the whole window measured.
    mask, where = rng.random(shape) < share, rng.random(shape) < rng.choice([0.01, 0.05, 0.3])
    far = np.full(shape, CLIP_PX, np.float64)
    if mask.any():
        far = np.minimum(ndimage.distance_transform_edt(~mask), CLIP_PX)
    every = distance_at(mask, np.ones(mask.shape, bool))
    np.testing.assert_array_equal(every, far.astype(np.float32).ravel())
    found = far.astype(np.float32)[where]
    np.testing.assert_array_equal(distance_at(mask, where), found)
    limit = rng.choice([3.0, 4.0, 4.414, 6.5, 47.0], found.size).astype(np.float32)
    limit[rng.random(limit.size) < share] = 3
    np.testing.assert_array_equal(farther(mask, np.flatnonzero(where), limit), found > limit)


@settings(max_examples=20, deadline=None)
@given(SEEDS, st.integers(1, 80))
def test_median_and_spread_are_those_of_sorted_looks(seed: int, dates: int) -> None:
    rng = np.random.default_rng(seed)
    stack = (rng.integers(-9, 9, (dates, 2, 3)) / 10).astype(np.float32)
    use = rng.random(stack.shape) < 0.8
    median, spread, count = median_and_spread(stack, use)
    for r, c in np.ndindex(2, 3):
        seen = np.sort(stack[use[:, r, c], r, c])
        assert count[r, c] == seen.size
        if seen.size == 0:
            assert np.isnan(median[r, c])
            continue
        n = seen.size
        pair = seen[(n - 1) // 2], seen[n // 2]
        centre = pair[1] if n % 2 else np.float32(0.5) * (pair[0] + pair[1])
        off = np.sort(np.abs(seen - centre))
        pair = off[(n - 1) // 2], off[n // 2]
        middle = pair[1] if n % 2 else np.float32(0.5) * (pair[0] + pair[1])
        assert median[r, c] == centre
        assert spread[r, c] == np.float32(NMAD) * middle


def test_reaches_of_a_window_are_its_unique_indices() -> None:
    reach = np.random.default_rng(3).choice(np.array([0, 2, 5, 900], np.uint16), (7, 9))
    found = reaches_in(reach)
    np.testing.assert_array_equal(found, np.unique(reach))
    assert found.dtype == reach.dtype


def test_the_expected_ground_is_the_plain_sum_of_its_terms() -> None:
    rng = np.random.default_rng(5)
    days = np.sort(rng.uniform(0, 900, 30))
    stack = rng.normal(0.2, 0.1, (3, 30, 4, 5)).astype(np.float32)
    use = rng.random((30, 4, 5)) < 0.9
    use[:, 0, 0] = False
    wanted = np.ones((4, 5), bool)
    wanted[3, 4] = False
    normal = fit_normal(stack, use, days, wanted, NormalOptions())
    terms = design(np.array([77.0]))[0]
    expected = normal.coef[:, 0].copy()
    for j in range(1, len(terms)):
        expected += terms[j] * normal.coef[:, j]
    np.clip(expected, normal.low, normal.high, out=expected)
    expected[:, normal.looks == 0] = np.nan
    np.testing.assert_array_equal(normal.at(77.0), expected)
    assert np.isnan(expected).any()
    assert np.isfinite(expected).any()
    year = np.arange(0.0, 365.0, 40.0)
    every = np.stack([normal.at(day)[1] for day in year])
    least, greatest = normal.over_year(year, 1)
    np.testing.assert_array_equal(least, every.min(axis=0))
    np.testing.assert_array_equal(greatest, every.max(axis=0))


@settings(max_examples=20, deadline=None)
@given(SEEDS)
def test_counts_are_those_of_the_plain_formulas(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n_clear = rng.integers(0, 70, (3, 4)).astype(np.uint16)
    n_wet = (n_clear * rng.random(n_clear.shape)).astype(np.uint16)
    clear = n_clear.astype(np.int64)
    code = np.minimum(n_wet.astype(np.int64) * 32 // np.maximum(clear, 1), 31)
    expected = np.where(clear == 0, UNSEEN, code).astype(np.uint8)
    np.testing.assert_array_equal(frequency_bins(n_wet, n_clear), expected)

    values = rng.choice(np.array([np.nan, np.inf, 9, -9, 0.1, LOWEST, HIGHEST], np.float32), 40)
    values[:20] = rng.integers(-4500, 17000, 20) / np.float32(SCALE)
    use = rng.random(values.size) < 0.8
    known = values[use & np.isfinite(values)].astype(np.float64)
    bins = np.floor((known - LOWEST) * (BINS / (HIGHEST - LOWEST)) + 1e-6).astype(np.int64)
    counts = np.bincount(np.clip(bins, 0, BINS - 1), minlength=BINS)
    np.testing.assert_array_equal(band_histogram(values, use), counts)


def test_deviations_are_those_of_the_plain_formulas() -> None:
    rng = np.random.default_rng(4)
    seen, expected = rng.normal(0.2, 0.1, (2, 3, 9, 8)).astype(np.float32)
    spread = rng.uniform(0.01, 0.1, seen.shape).astype(np.float32)
    expected[:, rng.random((9, 8)) < 0.2] = np.nan
    seen[rng.random(seen.shape) < 0.1] = np.nan
    seen[0, 0, 0] = expected[0, 0, 0] = 0.25
    kind, reach = (rng.integers(0, n, (9, 8)) for n in (4, 3))
    kind, reach = kind.astype(np.uint8), reach.astype(np.uint16)
    offsets = rng.normal(0, 0.02, (3, 4, 3)).astype(np.float32)
    offsets[reach[0, 0], kind[0, 0], 0] = 0
    shift = np.float32(0.7)

    cross = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], bool)
    slack = np.empty_like(expected)
    for k, field in enumerate(expected):
        low = np.where(np.isnan(field), np.inf, field)
        high = np.where(np.isnan(field), -np.inf, field)
        low = ndimage.minimum_filter(low, footprint=cross, mode="nearest")
        high = ndimage.maximum_filter(high, footprint=cross, mode="nearest")
        slack[k] = shift * np.maximum(high - field, field - low)
    residual = seen - expected - np.moveaxis(offsets[reach, kind], -1, 0)
    plain = np.sign(residual) * (np.maximum(np.abs(residual) - slack, 0) / spread)
    found = deviations((seen, expected, spread), kind, reach, offsets, shift)
    np.testing.assert_array_equal(found, plain)
    assert np.isfinite(plain).any()
    assert (plain == 0).any()

    use, step = rng.random((9, 8)) < 0.7, 0.005
    part = (slice(1, 8), slice(2, 8))
    counts, plain_counts = np.zeros((2, 3, 3, 4, 41), np.int64)
    count_residuals(seen, expected, (use, kind, reach), part, step, counts)
    for f, difference in enumerate(seen - expected):
        for r, c in np.argwhere(use & np.isfinite(difference)):
            place = int(np.clip(np.rint(difference[r, c] / step).astype(np.int64) + 20, 0, 40))
            plain_counts[f, reach[r, c], kind[r, c], place] += 1 <= r < 8 and c >= 2
    np.testing.assert_array_equal(counts, plain_counts)

    wet, dry = rng.integers(0, 9, (2, 5, 9, 8)).astype(np.uint8)
    wet[:, :5] //= 7
    middles = np.sort(rng.random(5)).astype(np.float32)
    ranks = np.array([np.nan, *rng.random(2)], np.float32)
    found = dry_counts(LevelHistory(middles, wet, dry), reach, ranks, 0.05)
    mirror = LevelHistory(1 - middles[::-1], dry[::-1].copy(), wet[::-1].copy())
    higher = known_wet(mirror, (1 - ranks[reach]).astype(np.float32), 0.05)
    levels = (middles <= ranks[:, None] + np.float32(0.05))[reach]
    np.testing.assert_array_equal(found[0], higher)
    np.testing.assert_array_equal(found[1], (dry * np.moveaxis(levels, -1, 0)).sum(axis=0))


def test_stored_pixels_are_those_of_the_drawn_window(tmp_path: Path) -> None:
    grid = Grid("EPSG:32650", Affine(10, 0, 500000, 0, -10, 3300000), (64, 64))
    store = open_store(tmp_path, grid, 32, LineString([(500050, 3299400), (500600, 3299900)]))
    store = replace(store, stored=store.stored.buffer(70))
    rng = np.random.default_rng(2)
    for tile in store.tiles:
        layers: dict[str, Layer] = {}
        for name, factor in (("red", 1), ("swir16", 2)):
            values = rng.integers(0, 5000, store.kept(tile.core, factor).shape).astype(np.int16)
            values[rng.random(values.shape) < 0.2] = NODATA
            layers[name] = store.pack(values, tile, factor)
        store.write("look", tile, layers)
    moved = DateQuality("look", (0.4, -1.2), 0.0, -0.1, 0.0, 0.0)
    for quality in ({}, {"look": replace(moved, shift_px=(0.0, 0.0))}, {"look": moved}):
        reader = LookReader(store, quality)
        for tile in store.tiles:
            kept = store.kept(tile.core)
            for band in ("red", "swir16"):
                drawn = reader.band("look", band, tile.core)
                np.testing.assert_array_equal(reader.stored("look", band, tile), drawn[kept])
                packed = reader.packed("look", band, tile)
                assert (packed is None) == (band == "swir16" or quality == {"look": moved})
    assert store.written("look") == {store.tile_name(t) for t in store.tiles}
    assert not store.written("nothing")
    blocks = [store.block_path("look", t).read_bytes() for t in store.tiles]
    assert store.marks("look", store.tiles) == [b[4:8].hex() for b in blocks]
    assert set(store.marks("nothing", store.tiles)) == {""}


def test_banks_of_a_part_are_those_of_the_whole() -> None:
    rng = np.random.default_rng(6)
    states = rng.integers(0, 4, (9, 20, 24)).astype(np.uint8)
    ranks = rng.random((9, 2)).astype(np.float32)
    base = Baseline.build(states, ranks, np.ones((20, 24), np.uint16))
    where, inner = (slice(5, 15), slice(4, 20)), (slice(1, 9), slice(0, 7))
    part = base.part(where).part(inner)
    places = np.arange(base.bins.size).reshape(base.bins.shape)[where][inner].ravel()
    every = np.arange(places.size)
    np.testing.assert_array_equal(part.band.kind_at(every), Band(base.bins).kind_at(places))
    np.testing.assert_array_equal(part.history.wet, base.history.wet[:, 6:14, 4:11])
    assert (part.band.kind_at(every) != Band(part.bins).kind_at(every)).any()


@pytest.mark.parametrize(("scale", "offset"), [(1e-4, 0.0), (1e-4, -0.1), (2.75e-5, -0.2)])
def test_numbers_are_packed_as_one_by_one(scale: float, offset: float) -> None:
    every = np.arange(1 << 16, dtype=np.uint16)
    valid = every % 7 != 0
    asset = Asset("red", "x.tif", 1, scale, offset, 0.0, 10.0)
    plain = np.rint(np.clip((every.astype(np.float64) * scale + offset) * SCALE, -32767, 32767))
    expected = np.where(valid, plain, NODATA).astype(np.int16)
    np.testing.assert_array_equal(packed(every, valid, asset, "red"), expected)


def test_blocks_without_wanted_pixels_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    values = np.random.default_rng(0).integers(500, 3000, (256, 256)).astype("uint16")
    place_ = Affine(10, 0, 700_000, 0, -10, 3_080_000)
    with rasterio.open(
        path, "w", driver="GTiff", count=1, height=256, width=256, dtype="uint16", tiled=True,
        blockxsize=64, blockysize=64, compress="deflate", crs="EPSG:32649", transform=place_,
    ) as sink:  # fmt: skip
        sink.write(values, 1)
    grid = Grid("EPSG:32649", raster_profile(str(path)).transform, (256, 256))
    asset = Asset("green", str(path), 1, 1.0, 0.0, 0.0, 10.0)
    keep = np.zeros((200, 200), bool)
    keep[5:190, 10:30] = True
    keep[70:80, :] = True
    window = Window(20, 220, 30, 230)
    with AssetReader(asset, grid) as reader:
        found, valid = reader.read(window, keep)
    np.testing.assert_array_equal(found[keep], values[window.slices][keep])
    assert valid[keep].all()
    # What lies in blocks that were read is there as well, and nothing else.
    blocks = np.zeros((4, 4), bool)
    rows, cols = np.nonzero(keep)
    blocks[(rows + 20) // 64, (cols + 30) // 64] = True
    read = np.repeat(np.repeat(blocks, 64, axis=0), 64, axis=1)[window.slices]
    np.testing.assert_array_equal(valid, read)

    # A block that nobody wants may even be damaged.
    with path.open("r+b") as file:
        file.seek(-7000, 2)
        file.write(b"\0" * 7000)
    with AssetReader(asset, grid) as reader:
        found, _ = reader.read(window, keep)
        np.testing.assert_array_equal(found[keep], values[window.slices][keep])
    with AssetReader(asset, grid) as reader, pytest.raises(SceneUnusableError):
        reader.read(window, np.ones((200, 200), bool))


def test_an_outline_cut_to_a_grid_burns_as_the_whole_one() -> None:
    rng = np.random.default_rng(4)
    grid = Grid("EPSG:32649", Affine(10, 0, 0, 0, -10, 640), (64, 64))
    inside = 0
    for k in range(80):
        line = LineString(rng.normal(0, 60, (7, 2)).cumsum(axis=0) + rng.uniform(0, 640, 2))
        shape = line.buffer(float(rng.uniform(3, 60)))
        if k % 3 == 0:  # edges that run through centres of pixels, and holes
            low, high = 10 * rng.integers(-20, 30, 2) + 5, 10 * rng.integers(61, 90, 2) + 5
            shape = box(*low, *high).symmetric_difference(shape)
        whole = rasterize([(shape, 1)], grid.shape, transform=grid.transform, dtype="uint8")
        np.testing.assert_array_equal(burn(shape, grid), whole > 0)
        np.testing.assert_array_equal(burnt_pixels(shape, grid), np.nonzero(whole))
        inside += int((whole > 0).sum())
    assert inside > 10_000
    far = box(0, 0, np.inf, 9)
    assert burnt_pixels(far, grid)[0].size == burnt_pixels(Polygon(), grid)[0].size == 0


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.integers(1, 9), st.sampled_from([(5, 7), (2, 4, 3)]))
def test_a_median_of_looks_is_that_of_what_each_pixel_knows(
    seed: int, looks: int, shape: tuple[int, ...]
) -> None:
    rng = np.random.default_rng(seed)
    fields = rng.normal(size=(looks, *shape)).astype(np.float32)
    fields[rng.random(fields.shape) < rng.random()] = np.nan
    fields[rng.random(fields.shape) < 0.1] = np.inf
    plain = np.ma.median(np.ma.masked_invalid(fields), axis=0).filled(np.nan).astype(np.float32)
    assert middle_of(list(fields)).tobytes() == plain.tobytes()


def test_checksums_that_are_remembered_are_those_on_the_disk(tmp_path: Path) -> None:
    grid = Grid("EPSG:32650", Affine(10, 0, 500000, 0, -10, 3300000), (64, 64))
    store = open_store(tmp_path, grid, 32, box(500000, 3299360, 500640, 3300000))
    folder, tiles = "mask/k/p", store.all_tiles
    for n, tile in enumerate(tiles):
        assert "" in store.marks(folder, tiles)  # not all are there: nothing is remembered
        store.write(folder, tile, {"mask": Layer(np.full(1024, n, np.int16), 1)})
    assert store.cut_short(folder) == []
    for step in ("written", "asked again", "one anew", "one dropped", "one made again"):
        if step == "one anew":
            store.write(folder, tiles[1], {"mask": Layer(np.full(1024, 77, np.int16), 1)})
        elif step == "one dropped":
            store.forget(store.block_path(folder, tiles[2]))
            assert store.cut_short(folder) == [store.block_path(folder, tiles[2])]
        elif step == "one made again":
            store.write(folder, tiles[2], {"mask": Layer(np.full(1024, 5, np.int16), 1)})
        fresh = open_store(tmp_path, grid, 32, store.stored)
        assert store.marks(folder, tiles) == fresh.marks(folder, tiles), step
        assert store.marks(folder, tiles[:2]) == fresh.marks(folder, tiles)[:2]


@pytest.mark.parametrize(("clouds", "overcast"), [(994, False), (995, True), (1000, True)])
def test_a_pass_is_overcast_by_the_classes_of_all_tiles(clouds: int, overcast: bool) -> None:
    """Classes that no producer has (65535 as -1) are seen, and no cloud; no data is neither."""
    every = np.full(1200, NODATA, np.int16)
    every[:1000] = np.where(np.arange(1000) < clouds, 9, -1)
    tiles = {str(i): Layer(part, 2) for i, part in enumerate(np.split(every, 4))}
    assert _overcast(tiles) is overcast
    assert not _overcast({"0": Layer(every[1000:], 2)})
    assert not _overcast({})
