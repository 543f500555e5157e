"""Pairs of drone surfaces: laws of co-registration, change and volume."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from affine import Affine
from scipy import ndimage

from benchmarks.drone.readers import ArrayReader
from pipeline.detect.surface_change import SurfacePair, judge
from pipeline.detect.surface_noise import estimate, mean_factor, variance_of_sum
from pipeline.detect.surface_types import FlightObject, Measure, ObjectKind, SurfaceChangeOptions
from pipeline.errors import SceneUnusableError
from pipeline.model import Cover, FlightPixels, Grid, SurfaceNoise, Window
from pipeline.passes import flight_large
from pipeline.passes.flight_windows import FlightOptions
from pipeline.passes.flights import SurfaceChange, compare_surfaces
from pipeline.prepare.flight_cells import CoverOptions, cells_of, cover
from pipeline.prepare.surface import SurfaceOptions, coregister

N, CELL = 240, 0.2
OPTIONS = SurfaceChangeOptions()
_OBJECT = FlightObject(
    kind=ObjectKind.PILE, rows=np.zeros(0, np.int32), cols=np.zeros(0, np.int32), strength=1.0,
    footprint_m2=Measure(0, 0, 0), height_m=None, fill_m3=None, cut_m3=None, net_m3=None,
    side_slope=0.0, planarity_m=0.0, unseen_share=0.0, volume_is_least=False,
)  # fmt: skip
GRID = Grid("EPSG:32650", Affine(CELL, 0, 0, 0, -CELL, 0), (N, N))


def noise(rng: np.random.Generator, sigma_m: float, reach_cells: float) -> np.ndarray:
    field = ndimage.gaussian_filter(rng.standard_normal((N, N)), reach_cells, mode="wrap")
    return sigma_m * field / field.std()


def surfaces(seed: int, things: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Hilly ground under noise; a heap of radius 3 m, a pit, and a block of 3 m."""
    rng = np.random.default_rng(seed)
    r, c = np.mgrid[0:N, 0:N] * CELL
    ground = 0.05 * r + noise(rng, 1.0, 25)
    dz = np.zeros((N, N))
    if things:
        dz += np.maximum(3 - np.hypot(r - 12, c - 12), 0) * 0.6
        dz -= np.clip(np.minimum(2.5 - np.abs(r - 34), 3 - np.abs(c - 14)), 0, 1.2)
        dz[(np.abs(r - 24) < 3) & (np.abs(c - 36) < 2.5)] = 3.0
    before = ground + noise(rng, 0.02, 2) + noise(rng, 0.005, 0.1)
    after = ground + dz + noise(rng, 0.02, 2) + noise(rng, 0.005, 0.1)
    return before.astype(np.float32), after.astype(np.float32)


def grey(seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    one = 125 + noise(rng, 15, 0.3) + noise(rng, 25, 6)
    return np.repeat(one.clip(20, 250).astype(np.uint8)[None], 3, axis=0)


def compared(before: np.ndarray, after: np.ndarray, tile: int = 512) -> SurfaceChange:
    readers = (ArrayReader(grey(), h.astype(np.float32)) for h in (before, after))
    return compare_surfaces(*readers, GRID, FlightOptions(tile_cells=tile))


@pytest.fixture(scope="module")
def plain() -> SurfaceChange:
    return compared(*surfaces(1))


def test_a_heap_a_pit_and_a_block_are_found_with_volumes_that_hold_the_truth(
    plain: SurfaceChange,
) -> None:
    heap, block, pit = sorted(plain.objects, key=lambda o: float(o.rows.mean()))
    assert [heap.kind, block.kind, pit.kind] == ["pile", "structure", "pit"]
    assert heap.fill_m3 is not None
    assert pit.cut_m3 is not None
    assert heap.fill_m3.low < np.pi * 9 * 1.8 / 3 < heap.fill_m3.high
    truth = sum(
        np.clip(np.minimum(2.5 - abs(r), 3 - abs(c)), 0, 1.2) * CELL**2
        for r in np.arange(-3, 3, CELL)
        for c in np.arange(-3, 3.2, CELL)
    )
    assert pit.cut_m3.low < truth < pit.cut_m3.high
    assert block.height_m is not None
    assert block.height_m.low < 3 < block.height_m.high
    assert pit.height_m is not None
    assert pit.height_m.low < -1.2 < pit.height_m.high
    # Footprints go to where the change ends, not to where it passes what is drawn.
    for o, area in ((heap, np.pi * 9), (block, 30.0), (pit, 30.0)):
        assert o.footprint_m2.low < area < o.footprint_m2.high
        assert o.footprint_m2.high - o.footprint_m2.low < 0.4 * area
        # What is judged by the lower end is never more than what is drawn.
        assert 0.7 * area < o.footprint_m2.low < o.rows.size * CELL**2
    assert heap.rows.size * CELL**2 < heap.footprint_m2.value


def test_net_is_fill_less_cut(plain: SurfaceChange) -> None:
    for o in plain.objects:
        assert o.net_m3 is not None
        assert o.fill_m3 is not None
        assert o.cut_m3 is not None
        assert o.net_m3.value == pytest.approx(o.fill_m3.value - o.cut_m3.value)
        assert o.net_m3.low < o.net_m3.value < o.net_m3.high


def test_what_is_out_of_place_here_and_there_widens_what_has_walls(plain: SurfaceChange) -> None:
    readers = [ArrayReader(grey(), h.astype(np.float32)) for h in surfaces(1)]
    loose = compare_surfaces(*readers, GRID, FlightOptions(), edge_m=0.03)

    def half(o: FlightObject) -> float:
        assert o.net_m3 is not None
        return (o.net_m3.high - o.net_m3.low) / 2

    for a, b in zip(plain.objects, loose.objects, strict=True):
        assert a.net_m3 is not None
        assert b.net_m3 is not None
        assert (a.kind, a.net_m3.value) == (b.kind, b.net_m3.value)
        rim_m2 = 22.0 * 3.0 * 0.03  # of the block: outline, height and distortion
        extra = float(np.sqrt(half(b) ** 2 - half(a) ** 2))
        assert (0.3 * rim_m2 < extra < rim_m2) if a.kind is ObjectKind.STRUCTURE else extra < 0.6


def test_a_large_object_is_measured_on_coarser_cells(
    plain: SurfaceChange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flight_large, "_MOST_CELLS", 4000)
    coarse = compared(*surfaces(1))
    assert [o.kind for o in coarse.objects] == [o.kind for o in plain.objects]
    for a, b in zip(plain.objects, coarse.objects, strict=True):
        assert a.net_m3 is not None
        assert b.net_m3 is not None
        assert b.net_m3.low < a.net_m3.value < b.net_m3.high
        assert 0.6 < (b.net_m3.high - b.net_m3.low) / (a.net_m3.high - a.net_m3.low) < 1.7
        assert b.footprint_m2.value == pytest.approx(a.footprint_m2.value, rel=0.25)
        # Cells that hold several say less of where it ends and how high it is.
        assert b.footprint_m2.low < a.rows.size * CELL**2 < b.footprint_m2.high
        assert b.footprint_m2.low < b.rows.size * CELL**2
        assert a.height_m is not None
        assert b.height_m is not None
        assert b.height_m.low < a.height_m.value < b.height_m.high
        assert 0.8 < b.rows.size / a.rows.size < 1.3
        assert (np.diff(b.rows) >= 0).all()


def test_coarser_cells_end_where_the_frame_does() -> None:
    """14 by 14 cells are not whole numbers of 3 by 3, and a picture may end anywhere."""
    n, by = 14, 3
    rise = np.ones((n, n), np.float32)
    rise[:, :2] = np.nan  # no picture
    rise[7, 7] = np.nan  # a gap, which is filled from beside

    def read(window: Window) -> SurfacePair:
        after = np.full(window.shape, np.nan, np.float32)
        own = rise[window.row0 : window.row1, window.col0 : window.col1]
        after[: own.shape[0], : own.shape[1]] = own
        covers = (np.zeros(window.shape, np.uint8), np.zeros(window.shape, np.uint8))
        return SurfacePair(window, CELL, after - 1, after, covers)

    cells = flight_large.Coarse(by)
    window = cells.window(Window(0, n, 0, n))
    pair = cells.pair(read, window)
    everywhere = np.ones(window.shape, bool)
    assert pair.total(everywhere) * by**2 == pytest.approx(n * (n - 2))
    assert pair.total(everywhere, np.full(window.shape, 2.0)) * by**2 == pytest.approx(
        2 * n * (n - 2)
    )
    inner = pair.within(Window(0, 2, 1, 3))
    assert inner.total(np.ones((2, 2), bool)) == 4
    rows, cols = (a.ravel().astype(np.int32) for a in np.indices(window.shape))
    fine = cells.fine(replace(_OBJECT, rows=rows, cols=cols), (n, n))
    assert fine is not None
    assert sorted(zip(fine.rows, fine.cols, strict=True)) == list(np.ndindex(n, n))


def test_the_variance_of_a_sum_is_the_same_on_coarser_cells() -> None:
    noise = SurfaceNoise((), (), np.array([[0.1]]), (0.0, 0.6, 5.0), (1, 2, 1), (0.3, 0.5, 0.2))
    fine = np.zeros((60, 90), np.float32)
    fine[12:48, 6:72] = 0.1
    want = variance_of_sum(noise, fine, 0.2)
    for by in (2, 3, 6):
        cells = fine[::by, ::by]
        got = variance_of_sum(replace(noise, cells=by), cells, 0.2 * by) * by**4
        assert got == pytest.approx(want, rel=0.02)


def test_a_lift_and_a_tilt_of_the_later_surface_change_nothing(plain: SurfaceChange) -> None:
    before, after = surfaces(1)
    r, c = np.mgrid[0:N, 0:N] * CELL
    tilted = compared(before, after + 0.7 + 0.004 * r - 0.003 * c)
    assert tilted.fit.tilt[1:] == pytest.approx(
        (plain.fit.tilt[1] + 0.004, plain.fit.tilt[2] - 0.003), abs=2e-4
    )
    assert [o.kind for o in tilted.objects] == [o.kind for o in plain.objects]
    for a, b in zip(plain.objects, tilted.objects, strict=True):
        assert a.net_m3 is not None
        assert b.net_m3 is not None
        assert b.net_m3.value == pytest.approx(a.net_m3.value, rel=0.02)


def test_objects_do_not_depend_on_how_the_mosaic_is_cut(plain: SurfaceChange) -> None:
    cut = compared(*surfaces(1), tile=77)
    assert len(cut.objects) == len(plain.objects)
    for a, b in zip(plain.objects, cut.objects, strict=True):
        assert a.kind is b.kind
        np.testing.assert_array_equal(a.rows, b.rows)
        np.testing.assert_array_equal(a.cols, b.cols)
        assert a.net_m3 == b.net_m3


@pytest.mark.parametrize("seed", [4, 5])
def test_what_is_judged_does_not_depend_on_what_of_a_window_is_looked_at(
    plain: SurfaceChange, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    before, after = surfaces(seed)
    before[rng.random((N, N)) < 0.02] = np.nan
    plants, grass, water = (noise(rng, 1.0, 6) > 1.2 for _ in range(3))
    ways = [(plants, Cover.VEGETATION), (grass, Cover.GRASS), (water, Cover.WATER)]
    covers = np.full((N, N), Cover.GROUND, np.uint8), np.full((N, N), Cover.GROUND, np.uint8)
    for one in covers:
        for mask, code in ways:
            one[mask] = code
    # Changes in two corners make the whole window be looked at; without them a part of it is.
    whole = after.copy()
    for corner in (slice(0, 9), slice(N - 9, N)):
        whole[corner, corner] += 20
        for one in covers:
            one[corner, corner] = Cover.GROUND
    window, inner = Window(0, N, 0, N), (slice(24, N - 24), slice(24, N - 24))
    part, all_ = (
        judge(SurfacePair(window, CELL, before, later, covers), plain.noise, plain.fit, OPTIONS)
        for later in (after, whole)
    )
    for one in (part.up, part.down, part.seed):
        assert one[inner].any()
    assert not part.up[:9, :9].any()
    assert all_.up[:9, :9].any()
    for name in ("up", "down", "seed", "fill"):
        np.testing.assert_array_equal(getattr(part, name)[inner], getattr(all_, name)[inner])


@pytest.mark.parametrize("seed", [2, 3])
def test_noise_alone_gives_no_object(seed: int) -> None:
    rng = np.random.default_rng(seed)
    before, after = surfaces(seed, things=False)
    rough = noise(rng, 0.12, 4)
    assert compared(before, after + rough).objects == ()


def test_the_variance_of_a_sum_is_that_of_its_correlation() -> None:
    sigma = np.full((20, 30), 0.1, np.float32)
    alone = SurfaceNoise((), (), np.array([[0.1]]), (0.0,), (1,), (1.0,))
    together = SurfaceNoise((), (), np.array([[0.1]]), (1e6,), (2,), (1.0,))
    assert variance_of_sum(alone, sigma, 0.2) == pytest.approx(600 * 0.01, rel=1e-5)
    assert variance_of_sum(together, sigma, 0.2) == pytest.approx(600**2 * 0.01, rel=1e-4)
    assert mean_factor(alone, 5, 0.2) == pytest.approx(0.2, rel=1e-5)


def test_a_large_shape_has_the_same_variance_by_blocks() -> None:
    mixed = SurfaceNoise((), (), np.array([[0.1]]), (0.0, 3.0), (1, 2), (0.5, 0.5))
    sigma = np.zeros((390, 40), np.float32)
    sigma[4:384, 4:36] = 0.1
    whole = variance_of_sum(mixed, sigma[4:384], 0.2)
    assert variance_of_sum(mixed, sigma, 0.2) == pytest.approx(whole, rel=0.01)


def test_noise_is_learned_with_its_range() -> None:
    rng = np.random.default_rng(4)
    dz = noise(rng, 0.05, 5).astype(np.float32)  # correlation exp(-(h / 2 m)²)
    flat = np.zeros((N, N), np.float32)
    got = estimate([(dz, flat, flat, np.ones((N, N), bool))], CELL)
    assert float(got.sigma_m[0, 0]) == pytest.approx(0.05, rel=0.1)
    sigma = np.full((25, 25), 0.05, np.float32)  # 5 m
    i = ndimage.uniform_filter(dz, 25)[12::25, 12::25]
    expected = np.sqrt(variance_of_sum(got, sigma, CELL)) / 625
    assert expected == pytest.approx(float(i.std()), rel=0.35)


def test_a_shift_is_found_on_hills_and_left_to_the_picture_on_flat_ground() -> None:
    rng = np.random.default_rng(5)
    hills = noise(rng, 2.0, 12)
    moved = ndimage.shift(hills, (0.4, -0.7), order=3, mode="wrap")
    ground = np.full((N, N), Cover.GROUND, np.uint8)
    options = SurfaceOptions(cell_m=1.0)
    tiny = noise(rng, 0.02, 1)
    fit = coregister(
        hills.astype(np.float32), (moved + tiny).astype(np.float32), (ground, ground), options
    )
    assert fit.horizontal_by == "surface"
    assert fit.shift_m == pytest.approx((0.4, -0.7), abs=0.03)
    flat = coregister(
        tiny.astype(np.float32), noise(rng, 0.02, 1).astype(np.float32) + np.float32(1),
        (ground, ground), options,
    )  # fmt: skip
    assert flat.horizontal_by == "picture"
    assert flat.shift_m == (0.0, 0.0)
    assert flat.tilt[0] == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("where", ["little", "corner"])
def test_too_little_stable_ground_is_refused(where: str) -> None:
    ground = np.full((N, N), Cover.VEGETATION, np.uint8)
    side = 60 if where == "little" else 120
    ground[:side, :side] = Cover.GROUND
    flat = noise(np.random.default_rng(6), 0.02, 1).astype(np.float32)
    with pytest.raises(SceneUnusableError, match=r"stable ground"):
        coregister(flat, flat + np.float32(0.1), (ground, ground), SurfaceOptions())


def test_a_blue_roof_is_no_water_and_rough_green_is_no_grass() -> None:
    rng = np.random.default_rng(7)
    colour = np.stack([np.full((N, N), v, np.uint8) for v in (120, 110, 100)])
    colour = (colour * rng.uniform(0.7, 1.3, (N, N))).astype(np.uint8)
    height = np.zeros((N, N), np.float32)
    roof, lake = np.s_[20:60, 20:60], np.s_[120:200, 20:100]
    for box in (roof, lake):
        colour[:, box[0], box[1]] = np.array([50, 80, 120], np.uint8)[:, None, None]
    height[roof] = 3
    for box in (np.s_[20:60, 120:160], np.s_[120:160, 160:200]):
        colour[:, box[0], box[1]] = np.array([60, 110, 50])[:, None, None] * rng.uniform(
            0.7, 1.3, (40, 40)
        )
    height[120:160, 160:200] = 0.5 * rng.random((40, 40))
    cells = cells_of(FlightPixels(colour, np.ones((N, N), bool), height), 1, CELL)
    got = cover(cells, CoverOptions())
    assert np.median(got[roof]) == Cover.GROUND
    assert np.median(got[lake]) == Cover.WATER
    assert np.median(got[30:50, 130:150]) == Cover.GRASS
    assert np.median(got[130:150, 170:190]) == Cover.VEGETATION


@pytest.mark.parametrize("level", [20.8, 19.3])
def test_ground_in_water_is_a_fill_whose_volume_is_the_least(level: float) -> None:
    before, after = surfaces(8, things=False)
    rng = np.random.default_rng(8)
    picture = [grey(1), grey(1)]
    waves = noise(rng, 0.3, 5)
    for k, height in enumerate((before, after)):
        height[:, :80] = 20 + waves[:, :80] * (1 if k else -1)
        picture[k][:, :, :80] = np.array([40, 60, 70], np.uint8)[:, None, None]
    after[90:140, 45:80] = level + noise(rng, 0.02, 2)[90:140, 45:80]
    picture[1][:, 90:140, 45:80] = grey(2)[:, 90:140, 45:80]
    before[:, 80:] += 20 - before[:, 80:].min()
    after[:, 80:] += before[:, 80:].mean() - after[:, 80:].mean()
    readers = (ArrayReader(p, h) for p, h in zip(picture, (before, after), strict=True))
    got = compare_surfaces(*readers, GRID, FlightOptions())
    fills = [o for o in got.objects if o.kind is ObjectKind.FILL]
    if level < 20:  # below the water of before: whatever it is, nothing was added
        assert fills == []
        return
    assert len(fills) == 1
    assert fills[0].volume_is_least
    assert fills[0].fill_m3 is not None
    assert fills[0].fill_m3.low < 50 * 35 * CELL**2 * 0.8 < fills[0].fill_m3.high


@pytest.mark.parametrize(
    ("size_m", "change_m", "kind"),
    [
        ((5, 6), -100.0, "fault"),  # a hole in the surface
        ((5, 6), 1500.0, "fault"),  # a spike, or another unit
        ((5, 6), -13.0, "fault"),  # a shaft, twice as deep as wide
        ((8, 8), -12.0, "pit"),
        ((5, 6), 40.0, "structure"),  # a tower
        ((2.6, 2.6), 60.0, "fault"),  # no mast is as slender
    ],
)
def test_what_is_as_high_deep_or_slender_as_nothing_is_a_fault(
    size_m: tuple[float, float], change_m: float, kind: str
) -> None:
    before, after = surfaces(1, things=False)
    r, c = np.mgrid[0:N, 0:N] * CELL
    after[(np.abs(r - 24) < size_m[0] / 2) & (np.abs(c - 24) < size_m[1] / 2)] += change_m
    (thing,) = compared(before, after).objects
    assert thing.kind == kind
