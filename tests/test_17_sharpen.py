"""A coarse band drawn with the edges of finer ones: nearer to the truth, whatever the tile."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage
from shapely.geometry import LineString

from pipeline.detect.water import ground_state
from pipeline.io.blocks import NODATA
from pipeline.io.finer import between, bilinear
from pipeline.io.looks import LookReader
from pipeline.io.sharpen import LEAST_PIXELS, RIDGE, sharpen
from pipeline.io.store import CorridorStore, open_store
from pipeline.model import DateQuality, Grid, Ground

Float = NDArray[np.float32]
SPECTRA = {  # green, red, near infrared, short-wave infrared: water, plants, sand
    "green": (0.07, 0.06, 0.16),
    "red": (0.06, 0.04, 0.2),
    "nir": (0.03, 0.38, 0.26),
    "swir16": (0.01, 0.18, 0.34),
}


def mean2(fine: Float) -> Float:
    rows, cols = (n // 2 for n in fine.shape)
    return fine.reshape(rows, 2, cols, 2).mean((1, 3), dtype=np.float32)


def weights(size: int) -> tuple[NDArray[np.intp], Float]:
    """Of the fine pixels of coarse ones, without their outermost two."""
    return between(4, size - 4, 0, 2)


def drawn(coarse: Float, fine: Float) -> tuple[Float, Float]:
    """Give it sharpened and as before, without the outermost four fine pixels."""
    rows, cols = (weights(n) for n in fine.shape[1:])
    return sharpen(coarse, fine, (4, 4), rows, cols), bilinear(coarse, rows, cols)


def river(width_m: float, size: int = 64) -> dict[str, Float]:
    """A river across a window, plants on one bank and sand on the other; 10 m pixels."""
    y, x = np.mgrid[0 : size * 4, 0 : size * 4] * 2.5
    away = (x * 0.5 + y * 0.87) - size * 6.0
    kind = np.where(np.abs(away) < width_m / 2, 0, np.where(away < 0, 1, 2))
    out = {}
    for name, values in SPECTRA.items():
        scene = np.array(values, np.float32)[kind]
        scene = scene.reshape(size, 4, size, 4).mean((1, 3))
        out[name] = scene.astype(np.float32)
    return out


@given(st.integers(0, 2**16), st.floats(0, 0.4))
@settings(max_examples=25, deadline=None)
def test_it_is_the_plain_formula(seed: int, gaps: float) -> None:
    rng = np.random.default_rng(seed)
    fine = rng.uniform(0, 0.5, (2, 20, 24)).astype(np.float32)
    fine[:, rng.random((20, 24)) < gaps / 3] = np.nan
    coarse = rng.uniform(0, 0.4, (10, 12)).astype(np.float32)
    coarse[rng.random((10, 12)) < gaps / 3] = np.nan
    got, plain = drawn(coarse, fine)
    x, y = mean2(fine[0]), mean2(fine[1])
    slopes = np.full((2, 10, 12), np.nan)
    for r in range(1, 9):
        for c in range(1, 11):
            part = np.stack([a[r - 1 : r + 2, c - 1 : c + 2].ravel() for a in (x, y, coarse)])
            known = np.isfinite(part).all(0)
            if known[4] and known.sum() >= LEAST_PIXELS:
                a = part[:, known] - part[:, known].mean(1, keepdims=True)
                ridge = np.eye(2) * known.sum() * RIDGE
                slopes[:, r, c] = np.linalg.solve(a[:2] @ a[:2].T + ridge, a[:2] @ a[2])
    rows, cols = weights(20), weights(24)
    detail = np.zeros(plain.shape)
    for slope, values, means in zip(slopes, fine, (x, y), strict=True):
        between = [bilinear(v.astype(np.float32), rows, cols) for v in (slope, means)]
        known = [strict_bilinear(v, rows, cols) for v in (slope, means)]
        part = between[0] * (values[4:-4, 4:-4] - between[1])
        detail += np.where(np.isfinite(known[0] + known[1]), part, np.nan)
    wanted = np.maximum(plain + detail, np.minimum(plain, 0))
    wanted = np.where(np.isfinite(wanted), wanted, plain)
    np.testing.assert_allclose(got, wanted, atol=2e-5)


def strict_bilinear(values: Float, rows: tuple, cols: tuple) -> Float:  # type: ignore[type-arg]
    """Where each of the four pixels around has data."""
    known = bilinear(np.isfinite(values).astype(np.float32), rows, cols)
    return np.where(known >= 1, np.float32(0), np.float32(np.nan))


def test_without_finer_data_it_is_interpolated_as_ever() -> None:
    rng = np.random.default_rng(1)
    fine = rng.uniform(0, 0.5, (2, 40, 40)).astype(np.float32)
    fine[:, :, 20:] = np.nan
    coarse = rng.uniform(0, 0.4, (20, 20)).astype(np.float32)
    got, plain = drawn(coarse, fine)
    np.testing.assert_array_equal(got[:, 15:], plain[:, 15:])
    assert not np.array_equal(got[:, :12], plain[:, :12])


def test_flat_ground_stays_as_it_is() -> None:
    rng = np.random.default_rng(2)
    fine = np.full((2, 40, 40), 0.3, np.float32)
    coarse = rng.uniform(0, 0.4, (20, 20)).astype(np.float32)
    got, plain = drawn(coarse, fine)
    np.testing.assert_allclose(got, plain, atol=1e-6)


def test_texture_that_the_coarse_band_does_not_have_adds_little() -> None:
    rng = np.random.default_rng(3)
    fine = (0.3 + rng.normal(0, 0.02, (2, 80, 80))).astype(np.float32)
    coarse = np.full((40, 40), 0.2, np.float32) + rng.normal(0, 0.003, (40, 40)).astype(np.float32)
    got, plain = drawn(coarse, fine)
    assert np.std(got - plain) < 0.003


@pytest.mark.parametrize("width_m", [30, 45, 60, 120])
def test_a_river_is_nearer_to_the_truth_than_interpolated(width_m: float) -> None:
    look = river(width_m)
    blurred = np.asarray(ndimage.gaussian_filter(look["swir16"], 0.8), np.float32)
    got, plain = drawn(mean2(blurred), np.stack([look["nir"], look["red"]]))
    truth = look["swir16"][4:-4, 4:-4]

    def off(values: Float) -> float:
        return float(np.sqrt(np.mean((values - truth) ** 2)))

    assert off(got) < 0.65 * off(plain)


def test_a_river_of_45_m_is_water() -> None:
    look = river(45)
    blurred = np.asarray(ndimage.gaussian_filter(look["swir16"], 0.8), np.float32)
    got, plain = drawn(mean2(blurred), np.stack([look["nir"], look["red"]]))
    inside = look["nir"][4:-4, 4:-4] < 0.035
    bands = {n: look[n][4:-4, 4:-4] for n in ("green", "red", "nir")}

    def wet(swir: Float) -> float:
        state = ground_state({**bands, "swir16": swir}, np.ones(swir.shape, bool))
        return float(np.mean(state[inside] == Ground.WET))

    assert wet(plain) < 0.75
    assert wet(got) > 0.95


def test_a_window_of_another_size_is_refused() -> None:
    fine = np.zeros((2, 21, 20), np.float32)
    with pytest.raises(ValueError, match="do not lie under"):
        sharpen(np.zeros((10, 10), np.float32), fine, (0, 0), weights(20), weights(20))


@pytest.fixture
def line() -> LineString:
    return LineString([(500050, 3299400), (500600, 3299900)])


def filled(
    root: Path, line: LineString, tile_px: int, finer: int = 1, coarse: int = 2
) -> CorridorStore:
    """A store of one look with bands of 10 and 20 m, the same whatever its tiles."""
    grid = Grid("EPSG:32650", Affine(10, 0, 500000, 0, -10, 3300000), (64, 64))
    store = replace(open_store(root, grid, tile_px, line), stored=line.buffer(90))
    rng = np.random.default_rng(5)
    image = {
        n: rng.integers(100, 4000, (64 // f, 64 // f)).astype(np.int16)
        for n, f in (("red", 1), ("nir", finer), ("swir16", coarse))
    }
    image["swir16"][rng.random(image["swir16"].shape) < 0.05] = NODATA
    for tile in store.tiles:
        core, layers = tile.core, {}
        for name, values in image.items():
            f = 64 // values.shape[0]
            part = values[core.row0 // f : core.row1 // f, core.col0 // f : core.col1 // f]
            layers[name] = store.pack(part, tile, f)
        store.write("look", tile, layers)
    return store


@pytest.mark.parametrize("coarse", [2, 4, 8])
@pytest.mark.parametrize("shift", [(0.0, 0.0), (0.4, -0.3), (1.4, -1.7)])
def test_it_is_the_same_whatever_the_tiles(
    tmp_path: Path, line: LineString, shift: tuple[float, float], coarse: int
) -> None:
    quality = {"look": DateQuality("look", shift, 0.0, 0.0, 0.01, 0.0)}
    images: list[Float] = []
    for tile_px in (64, 32, 16):
        store = filled(tmp_path / str(tile_px), line, tile_px, coarse=coarse)
        reader = LookReader(store, quality, {})
        image = np.zeros((64, 64), np.float32)
        for tile in store.tiles:
            kept = store.kept(tile.core)
            r, c = np.nonzero(kept)
            image[r + tile.core.row0, c + tile.core.col0] = reader.sharpened("look", "swir16", tile)
        images.append(image)
        kept = store.kept(store.grid.window)
        drawn = reader.sharpened_band("look", "swir16", store.grid.window)[kept]
        np.testing.assert_array_equal(drawn, image[kept])
    np.testing.assert_array_equal(images[0], images[1])
    np.testing.assert_array_equal(images[0], images[2])


def test_it_is_another_number_than_interpolation(tmp_path: Path, line: LineString) -> None:
    store = filled(tmp_path, line, 64)
    reader = LookReader(store)
    (tile,) = store.tiles
    sharp, plain = (f("look", "swir16", tile) for f in (reader.sharpened, reader.stored))
    assert np.array_equal(np.isnan(sharp), np.isnan(plain))
    assert np.nanmax(np.abs(sharp - plain)) > 0.01


def test_a_band_is_left_alone_where_the_others_are_as_coarse(
    tmp_path: Path, line: LineString
) -> None:
    store = filled(tmp_path, line, 64, finer=2)
    reader = LookReader(store)
    (tile,) = store.tiles
    for band in ("swir16", "red"):
        np.testing.assert_array_equal(
            reader.sharpened("look", band, tile), reader.stored("look", band, tile)
        )
        np.testing.assert_array_equal(
            reader.sharpened_band("look", band, tile.core), reader.band("look", band, tile.core)
        )
