"""A flight is read from overviews at the places that are asked for, in any CRS, and once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from pyproj import Transformer

from pipeline.io.cog import CogSpec, Filled, write_cog
from pipeline.io.flights import DiskFlight
from pipeline.model import FlightPixels, FlightReader, Grid, Window
from pipeline.pixel_map import PixelMap, map_of
from pipeline.prepare.flight_moved import moved

CRS, GSD, X, Y = "EPSG:4547", 0.05, 420_690.0, 3_050_500.0
ROWS, COLS = 1101, 1243  # no multiple of any overview's factor


@pytest.fixture(scope="module")
def flight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Heights say where they are: 10 m and 0.02 m a row and 0.01 m a column."""
    folder = tmp_path_factory.mktemp("ramp")
    grid = Grid(CRS, Affine(GSD, 0, X, 0, -GSD, Y), (ROWS, COLS))
    rows, cols = np.indices((ROWS, COLS))
    height = (10 + 0.02 * rows + 0.01 * cols).astype(np.float32)
    colour = np.stack([rows // 8, cols // 8, rows // 16]).astype(np.uint8)
    seen = np.ones((ROWS, COLS), bool)
    for name, data, nodata in (("ortho", colour, None), ("dsm", height[None], -9999.0)):
        spec = CogSpec(grid, len(data), str(data.dtype), nodata)
        whole = Filled(Window(0, ROWS, 0, COLS), data, seen)
        write_cog(folder / f"{name}.tif", spec, [whole])
    return folder


def at(grid: Grid, window: Window, step: int, by: PixelMap) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the file (middles at whole numbers) that an answer's pixels mean."""
    r = window.row0 + (np.arange(window.shape[0] // step) + 0.5) * step - 0.5
    c = window.col0 + (np.arange(window.shape[1] // step) + 0.5) * step - 0.5
    rows, cols = by(*np.meshgrid(r, c, indexing="ij"))
    x, y = grid.transform * (cols + 0.5, rows + 0.5)
    if grid.crs != CRS:
        x, y = Transformer.from_crs(grid.crs, CRS, always_xy=True).transform(x, y)
    return (Y - y) / GSD - 0.5, (x - X) / GSD - 0.5


def held(read: FlightReader, grid: Grid, window: Window, step: int, by: PixelMap) -> None:
    got = read(window, step)
    rows, cols = at(grid, window, step, by)
    assert got.height is not None
    inner = np.isfinite(got.height)
    assert inner.mean() > 0.9
    # Within a fifth of a pixel of the file, whatever level was read.
    error = got.height - (10 + 0.02 * rows + 0.01 * cols)
    assert np.abs(error[inner]).max() < 0.2 * 0.03
    for band, place in ((0, rows), (1, cols)):
        assert np.abs(got.colour[band].astype(float) * 8 + 3.5 - place)[got.valid].max() < 8


@pytest.mark.parametrize("step", [1, 2, 3, 4, 8, 20])
def test_heights_lie_where_they_are_asked_for_whatever_the_level(flight: Path, step: int) -> None:
    grid = Grid(CRS, Affine(GSD, 0, X, 0, -GSD, Y), (ROWS, COLS))
    window = Window(240, 240 + 40 * step if step < 20 else 840, 320, 320 + 40 * step // 2)
    read = DiskFlight(flight, grid, surface=True)
    held(read, grid, window, step, PixelMap.shift(0, 0))
    turn = map_of(np.array([[0.9998, -0.02, 3.3], [0.02, 0.9998, -2.7]]))
    held(moved(moved(read, turn), PixelMap.shift(0.4, 0.7)), grid, window, step,
         turn.after(PixelMap.shift(0.4, 0.7)))  # fmt: skip


@pytest.mark.parametrize("bits", [10, 12, 16])
def test_a_picture_of_some_of_16_bits_is_as_bright_as_one_of_8(tmp_path: Path, bits: int) -> None:
    rng = np.random.default_rng(bits)
    eight = rng.integers(20, 250, (3, 300, 310), dtype=np.uint8)
    more = (eight.astype(np.uint16) << (bits - 8)) | (eight >> (16 - bits))
    more[:, 205, 5] = 65_535  # a glint
    seen = np.ones(eight.shape[1:], bool)
    seen[:100] = False
    grid = Grid(CRS, Affine(GSD, 0, X, 0, -GSD, Y), (300, 310))
    pixels: list[FlightPixels] = []
    for name, data in (("eight", eight), ("more", more)):
        spec = CogSpec(grid, 3, str(data.dtype), None)
        (tmp_path / name).mkdir()
        write_cog(tmp_path / name / "ortho.tif", spec, [Filled(grid.window, data, seen)])
        pixels.append(DiskFlight(tmp_path / name, grid, surface=False)(grid.window, 1))
    np.testing.assert_array_equal(pixels[0].valid, pixels[1].valid)
    inner = pixels[0].valid.copy()
    inner[205, 5] = False
    np.testing.assert_array_equal(pixels[0].colour[:, inner], pixels[1].colour[:, inner] >> 8)
    assert (pixels[1].colour[:, 205, 5] >> 8 == 255).all()


def test_another_crs_is_met_to_a_fraction_of_a_pixel(flight: Path) -> None:
    to = Transformer.from_crs(CRS, "EPSG:32649", always_xy=True)
    x, y = to.transform(X, Y)
    grid = Grid("EPSG:32649", Affine(0.06, 0, x + 3, 0, -0.06, y - 3), (600, 700))
    read = DiskFlight(flight, grid, surface=True)
    for window, step in ((Window(100, 180, 100, 180), 1), (Window(100, 420, 100, 420), 4)):
        held(read, grid, window, step, PixelMap.shift(0, 0))


def test_what_a_projection_bends_is_read_in_parts(flight: Path) -> None:
    """Degrees of 400 km are no affine map of metres; the answer is the same as of small windows."""
    to = Transformer.from_crs(CRS, "EPSG:4326", always_xy=True)
    lon, lat = to.transform(X, Y)
    grid = Grid("EPSG:4326", Affine(2e-4, 0, lon - 3, 0, -2e-4, lat + 3), (30_000, 30_000))
    read = DiskFlight(flight, grid, surface=True)
    whole = read(Window(0, 30_000, 0, 30_000), 1000)
    assert whole.height is not None
    assert whole.height.shape == (30, 30)
    fine = read(Window(14_998, 15_003, 14_998, 15_003), 1)
    assert fine.height is not None
    assert np.isfinite(fine.height).any()
