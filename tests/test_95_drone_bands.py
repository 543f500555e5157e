"""A flight along a river is a narrow band in a frame that is mostly empty; it is no less a pair."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from affine import Affine
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks.drone.readers import ArrayReader
from pipeline.errors import SceneUnusableError
from pipeline.model import Cover, FlightPixels, Grid, Window
from pipeline.passes.flight_windows import FlightOptions, Windows, noise_windows
from pipeline.prepare.flight_cells import cells_of
from pipeline.prepare.flight_ground import CommonGround
from pipeline.prepare.flight_moved import PixelMap, map_of, moved
from pipeline.prepare.flight_register import (
    PictureRegisterOptions,
    Registration,
    register_pictures,
)
from pipeline.prepare.surface import SurfaceOptions, coregister

SIDE_M = 800.0


@dataclass(frozen=True)
class Masked:
    """A flight in memory with a mask of where it has a picture."""

    read: ArrayReader
    seen: NDArray[np.bool_]

    def __call__(self, window: Window, step: int) -> FlightPixels:
        given = self.read(window, 1)
        mask = np.zeros(window.shape, bool)
        inside = window.intersect(Window(0, self.seen.shape[0], 0, self.seen.shape[1]))
        if inside is not None:
            mask[inside.within(window)] = self.seen[inside.slices]
        pixels = FlightPixels(given.colour, mask, None)
        if step == 1:
            return pixels
        cells = cells_of(pixels, step, 1.0)
        colour = np.clip(np.rint(cells.colour * 255), 0, 255).astype(np.uint8)
        return FlightPixels(colour, cells.valid, None)


def winding(n: int, wide_m: float, side_m: float = SIDE_M, off_m: float = 0.0) -> NDArray[np.bool_]:
    """Mask of a winding band, turned by 20 degrees in its frame."""
    place = (np.arange(n) + 0.5) * side_m / n - side_m / 2
    x, y = place[None, :], place[:, None]
    a = np.radians(20)
    along, across = x * np.cos(a) + y * np.sin(a), -x * np.sin(a) + y * np.cos(a)
    phase, bend = 2 * np.pi / (0.7 * side_m), 0.12 * side_m
    away = across - off_m - bend * np.sin(phase * along)
    return np.abs(away) < wide_m / 2 * np.hypot(1, bend * phase * np.cos(phase * along))


def texture(n: int, seed: int) -> NDArray[np.uint8]:
    rng = np.random.default_rng(seed)
    grey = np.zeros((n, n), np.float32)
    for coarse, reach in ((1, 1.2), (2, 2.0), (8, 2.0)):
        m = -(-n // coarse)
        own = ndimage.gaussian_filter(rng.standard_normal((m, m), np.float32), reach, mode="wrap")
        grey += np.kron(own / own.std(), np.ones((coarse, coarse), np.float32))[:n, :n]
    return np.clip(110 + 18 * np.stack([grey * 1.05, grey, grey * 0.9]), 5, 250).astype(np.uint8)


def grid(n: int) -> Grid:
    return Grid("EPSG:32650", Affine(SIDE_M / n, 0, 0, 0, -SIDE_M / n, 0), (n, n))


def misplaced(n: int) -> PixelMap:
    """Turn by 1.5 degrees about the middle, and shift by 3 m."""
    c, s = np.cos(np.radians(1.5)), np.sin(np.radians(1.5))
    a, middle = np.array([[c, -s], [s, c]]), np.full(2, n / 2)
    shift = 3 * n / SIDE_M * np.array([0.6, 0.8])
    return map_of(np.column_stack([a, middle - a @ middle + shift]))


def options(n: int) -> PictureRegisterOptions:
    return PictureRegisterOptions(finest_m=SIDE_M / n, largest_turn_deg=2)


def registered(n: int, wide_m: float, noise: float) -> tuple[Registration, NDArray[np.float64]]:
    """Register a misplaced band; give what is left all along it [px]."""
    seen, colour = winding(n, wide_m), texture(n, 1)
    rng = np.random.default_rng(2)
    other = colour * np.float32(0.8) + rng.normal(0, noise, (1, n, n)).astype(np.float32)
    later = Masked(ArrayReader(other.clip(0, 255).astype(np.uint8), None), seen)
    done = misplaced(n)
    got = register_pictures(
        Masked(ArrayReader(colour, None), seen), moved(later, done), grid(n), options(n)
    )
    rows, cols = (v.astype(float) for v in np.nonzero(seen[:: n // 100, :: n // 100]))
    rows, cols = rows * (n // 100), cols * (n // 100)
    back = done.after(got.map)(rows, cols)
    return got, np.hypot(back[0] - rows, back[1] - cols)


def test_a_winding_band_is_registered() -> None:
    got, left = registered(600, 40.0, 3.0)
    assert np.percentile(left, 95) <= 0.5
    assert got.agreed.mean() > 0.8


@pytest.mark.thorough
@pytest.mark.parametrize(("n", "wide_m"), [(4000, 40.0), (2000, 20.0)])
def test_a_winding_band_is_registered_on_fine_pixels(n: int, wide_m: float) -> None:
    """95 % of the band within two pixels, as of full frames."""
    _, left = registered(n, wide_m, 8.0)
    assert np.percentile(left, 95) <= 2


def test_bands_that_do_not_meet_are_refused() -> None:
    n, colour = 300, texture(300, 3)
    one, other = (
        Masked(ArrayReader(colour, None), winding(n, 40.0, off_m=off)) for off in (-80.0, 80.0)
    )
    with pytest.raises(SceneUnusableError, match="no ground is in the picture of both"):
        register_pictures(one, other, grid(n), options(n))


def test_a_band_of_two_places_is_refused() -> None:
    n = 300
    one, other = (Masked(ArrayReader(texture(n, s), None), winding(n, 60.0)) for s in (4, 5))
    with pytest.raises(SceneUnusableError, match="cannot be brought together"):
        register_pictures(one, other, grid(n), options(n))


@pytest.mark.thorough
def test_half_of_a_band_that_agrees_does_not_hold_the_other_half() -> None:
    """Ties at one end alone leave the far end to chance."""
    n = 600
    colour, other, seen = texture(n, 6), texture(n, 7), winding(n, 40.0)
    other[:, :, : n // 3] = colour[:, :, : n // 3]
    strict = options(n).model_copy(update={"largest_map_px": 0.02, "least_spread": 0.01})
    reads = [Masked(ArrayReader(c, None), seen) for c in (colour, other)]
    with pytest.raises(SceneUnusableError, match="hold the rest|agree|in common"):
        register_pictures(*reads, grid(n), strict)


def test_windows_keep_to_the_ground_and_spread_over_it() -> None:
    seen = winding(200, 40.0)
    ground = CommonGround(seen, 4, (800, 800))
    on_grid = [
        Window(r, r + 160, c, c + 160) for r in range(0, 641, 160) for c in range(0, 641, 160)
    ]
    found = ground.windows(on_grid, 80, 40)
    assert len(found) >= 8
    for w in found:
        assert w.intersect(Window(0, 800, 0, 800)) == w
        part = seen[w.row0 // 4 : w.row1 // 4, w.col0 // 4 : w.col1 // 4]
        assert part.mean() > 0.25
    corners = np.array([(w.row0, w.col0) for w in found])
    apart = np.abs(corners[:, None] - corners[None]).max(axis=2) + 1000 * np.eye(len(found))
    assert apart.min() >= 40
    # Every place of the ground is near a window, and the first few lie far apart.
    middles = corners + 40
    near = np.abs(ground.places[:, None] - middles[None]).max(axis=2).min(axis=1)
    assert np.percentile(near, 95) <= 80
    assert np.ptp(corners[:4, 1]) > 400
    full = CommonGround(np.ones_like(seen), 4, (800, 800))
    assert full.windows(on_grid, 160, 40) == on_grid
    assert CommonGround(np.zeros_like(seen), 4, (800, 800)).windows(on_grid, 80, 40) == []


def test_noise_is_learnt_along_the_band() -> None:
    n = 1200
    seen = winding(n, 40.0)
    read = Masked(ArrayReader(np.broadcast_to(np.uint8(90), (3, n, n)), None), seen)
    change = FlightOptions().change.model_copy(update={"cell_m": SIDE_M / n})
    work = Windows.over(read, read, grid(n), FlightOptions(change=change))
    shares = [seen[w.slices].mean() for w in noise_windows(work)]
    assert len(shares) >= 4
    assert min(shares) > 0.25


def test_surfaces_of_a_band_are_brought_together() -> None:
    n = 200  # of 4 m
    seen, rng = winding(n, 60.0), np.random.default_rng(8)
    field = ndimage.gaussian_filter(rng.standard_normal((n, n)), 5)
    height = np.where(seen, 40 + 3 * field / field.std(), np.nan).astype(np.float32)
    later = height + np.float32(0.4) + rng.normal(0, 0.03, (n, n)).astype(np.float32)
    cover = np.where(seen, Cover.GROUND, Cover.VOID).astype(np.uint8)
    fit = coregister(height, later, (cover, cover), SurfaceOptions(cell_m=4.0))
    assert fit.tilt[0] == pytest.approx(0.4, abs=0.02)
    assert fit.stable_share > 0.5
