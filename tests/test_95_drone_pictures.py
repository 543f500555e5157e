"""Pairs of drone pictures: registration, and change that light does not explain."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import get_ident
from typing import ClassVar

import numpy as np
import pytest
from affine import Affine
from scipy import ndimage

from benchmarks.drone.readers import ArrayReader
from pipeline.detect import surface_noise
from pipeline.errors import SceneUnusableError
from pipeline.model import Grid, Window
from pipeline.passes import flight_windows
from pipeline.passes.flight_windows import FlightOptions, Windows
from pipeline.passes.flights import PictureChange, compare_pictures
from pipeline.prepare import flight_register
from pipeline.prepare.flight_moved import PixelMap, map_of, moved
from pipeline.prepare.flight_register import PictureRegisterOptions, register_pictures

N = 400


def scene(seed: int, n: int = N) -> np.ndarray:
    rng = np.random.default_rng(seed)
    grey = sum(
        ndimage.gaussian_filter(rng.standard_normal((n, n)), s, mode="wrap") * s for s in (1, 3, 9)
    )
    grey = 110 + 25 * grey / grey.std()
    return np.clip(np.stack([grey * 1.1, grey, grey * 0.85]), 5, 250).astype(np.uint8)


def grid(n: int, gsd: float) -> Grid:
    return Grid("EPSG:32650", Affine(gsd, 0, 0, 0, -gsd, 0), (n, n))


def turned(degrees: float, shift: tuple[float, float]) -> PixelMap:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    a, middle = np.array([[c, -s], [s, c]]), np.full(2, N / 2)
    return map_of(np.column_stack([a, middle - a @ middle + shift]))


def test_a_map_after_its_undoing_is_none_and_a_reader_moved_by_none_is_the_same() -> None:
    there = turned(1.3, (7.0, -4.0))
    back = map_of(np.linalg.inv(np.vstack([there.array, [0, 0, 1]])))
    np.testing.assert_allclose(there.after(back).array, np.eye(3)[:2], atol=1e-9)
    read = ArrayReader(scene(1), scene(1)[0].astype(np.float32))
    window = Window(10, 74, 20, 90)
    for step in (1, 2):
        plain, same = read(window, step), moved(read, PixelMap.shift(0, 0))(window, step)
        np.testing.assert_array_equal(plain.colour, same.colour)
        np.testing.assert_allclose(plain.height, same.height)
    by = moved(read, PixelMap.shift(3, -2))(window, 1)
    np.testing.assert_array_equal(by.colour, read(Window(13, 77, 18, 88), 1).colour)


def test_three_metres_a_turn_and_another_exposure_are_found() -> None:
    before = scene(2)
    shade = np.where(np.indices((N, N))[0] > 230, 0.6, 1.1)
    done = turned(1.5, (24.0, -18.0))
    later = ArrayReader((before * shade).clip(0, 255).astype(np.uint8), None)
    options = PictureRegisterOptions(window=96, largest_turn_deg=2)
    read = ArrayReader(before, None)
    got = register_pictures(read, moved(later, done), grid(N, 0.1), options)
    both = done.after(got.map)
    r, c = (v.ravel() for v in np.mgrid[60:340:40, 60:340:40])
    back = both(r, c)
    assert np.hypot(back[0] - r, back[1] - c).max() < 1.0


class Pools(ThreadPoolExecutor):
    """Pools that remember how large they were made."""

    sizes: ClassVar[list[int]] = []

    def __init__(self, size: int) -> None:
        self.sizes.append(size)
        super().__init__(size)


@pytest.mark.parametrize("threads", [1, 3])
def test_no_more_threads_work_than_are_asked_for(
    threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Pools, "sizes", [])
    for module in (surface_noise, flight_register, flight_windows):
        monkeypatch.setattr(module, "ThreadPoolExecutor", Pools)
    flat = np.zeros((20, 20), np.float32)
    surface_noise.estimate([(flat, flat, flat, flat == 0)], 0.2, threads)
    read, options = ArrayReader(scene(3, 100), None), FlightOptions(threads=threads)
    sure = PictureRegisterOptions(window=64, largest_turn_deg=0.5)
    register_pictures(read, read, grid(100, 0.1), sure, threads)
    work = Windows.over(read, read, grid(100, 0.2), options)
    work.each(str, [1])
    assert set(Pools.sizes) == {threads}
    ran = list(work.ahead(lambda _: get_ident(), [1, 2]))
    assert (set(ran) == {get_ident()}) == (threads == 1)


def test_pictures_of_two_places_are_refused() -> None:
    with pytest.raises(SceneUnusableError, match="cannot be brought together"):
        register_pictures(
            ArrayReader(scene(3), None), ArrayReader(scene(4), None), grid(N, 0.1),
            PictureRegisterOptions(window=96, largest_turn_deg=2),
        )  # fmt: skip


def compared(after: np.ndarray, tile: int = 512) -> PictureChange:
    readers = (ArrayReader(p, None) for p in (scene(5, 300), after))
    return compare_pictures(*readers, grid(300, 0.2), FlightOptions(tile_cells=tile))


def later() -> np.ndarray:
    rng = np.random.default_rng(6)
    return np.clip(scene(5, 300) * 0.9 + rng.normal(0, 2, (3, 300, 300)), 0, 255)


def test_shadow_and_exposure_are_no_change() -> None:
    after = later()
    # Skylight alone: darker, and a little bluer.
    after[:, 100:160, 80:140] *= np.array([0.47, 0.50, 0.57])[:, None, None]
    assert compared(after.astype(np.uint8)).objects == ()


def test_a_new_roof_is_found_however_the_mosaic_is_cut_and_a_car_is_not() -> None:
    after = later()
    blue = np.array([60, 90, 140])[:, None, None]
    after[:, 100:140, 80:130] = blue
    after[:, 200:209, 200:223] = blue  # 1.8 by 4.6 m
    whole, cut = (compared(after.astype(np.uint8), tile) for tile in (512, 70))
    assert len(whole.objects) == 1
    assert whole.objects[0].footprint_m2.value == pytest.approx(80, rel=0.2)
    np.testing.assert_array_equal(whole.objects[0].rows, cut.objects[0].rows)
    np.testing.assert_array_equal(whole.objects[0].cols, cut.objects[0].cols)
