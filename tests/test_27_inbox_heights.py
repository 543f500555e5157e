"""Heights come in as metres or not at all: what is declared is applied, what cannot be is not."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import pytest
import rasterio

sys.path.insert(0, str(Path(__file__).parent))
import flight

from pipeline.acquire.inbox import datum, tiff
from pipeline.acquire.inbox.checks import Sheet
from pipeline.acquire.inbox.form import FlightForm
from pipeline.acquire.inbox.surfaces import write_surface
from pipeline.model import Grid
from pipeline.office.flights import Answer

SIZE = 48


def given(tmp_path: Path, dsm: Any, scale: float = 1.0, offset: float = 0.0, **how: Any) -> Answer:
    """Hand in a mosaic and this surface (1, H, W)."""
    form = how.pop("form", {})
    drop = tmp_path / "高程"
    flight.write_tif(drop / "result.tif", flight.picture())
    path = flight.write_tif(drop / "dsm.tif", dsm, gsd=2 * flight.GSD, **how)
    if (scale, offset) != (1.0, 0.0):
        with rasterio.open(path, "r+") as sink:
            sink.scales, sink.offsets = (scale,), (offset,)
    flight.write_form(drop, **form)
    return flight.hand_in(tmp_path, drop)


def kept(tmp_path: Path) -> np.ndarray:
    """Heights as they were taken in, NaN where there is none."""
    with rasterio.open(next((tmp_path / "state" / "flights").glob("2*/dsm.tif"))) as source:
        return source.read(1, masked=True).filled(np.nan)


def receipt(tmp_path: Path) -> str:
    return next(tmp_path.glob("*_回执.html")).read_text(encoding="utf-8")


def test_a_scale_and_an_offset_are_applied_and_said(tmp_path: Path) -> None:
    metres = flight.heights()
    stored = np.round((metres - 62) * 100).astype("int16")
    stored[0, :4, :4] = -32768
    answer = given(tmp_path, stored, 0.01, 62.0, nodata=-32768, units="m")
    assert answer.taken, answer.faults
    want = metres[0].copy()
    want[:4, :4] = np.nan
    np.testing.assert_allclose(kept(tmp_path), want, atol=0.006)
    assert "比例 0.01、偏移 62" in receipt(tmp_path)


def test_heights_in_metres_say_nothing_of_a_scale_or_holes(tmp_path: Path) -> None:
    assert given(tmp_path, flight.heights()).taken
    np.testing.assert_array_equal(kept(tmp_path), flight.heights()[0])
    assert "高程换算" not in receipt(tmp_path)
    assert "高程空洞" not in receipt(tmp_path)


@pytest.mark.parametrize("kind", ["float32", "int16"])
def test_a_hole_of_zeros_is_no_ground(tmp_path: Path, kind: str) -> None:
    scale = 1.0 if kind == "float32" else 0.01
    dsm = (flight.heights(base=3.0) / scale).astype(kind)
    dsm[0, 10:20, 10:25] = 0
    dsm[0, :, :6] = 0  # a margin
    assert given(tmp_path, dsm, scale, nodata=-9999).taken
    none = np.isnan(kept(tmp_path))
    np.testing.assert_array_equal(none, dsm[0] == 0)
    assert "高程空洞" in receipt(tmp_path)


@pytest.mark.parametrize(("kind", "scale"), [("float32", 1.0), ("int16", 0.1), ("int16", 1.0)])
def test_ground_at_the_level_of_the_sea_stays(tmp_path: Path, kind: str, scale: float) -> None:
    rows = np.arange(SIZE, dtype="float32")
    ground = (rows[:, None] * 0.04 + rows * 0.05 - 2)[None]  # from -2 to 2.2 m
    dsm = np.round(ground / max(scale, 0.1)) * (0.1 if kind == "float32" else 1)
    dsm = dsm.astype(kind)
    assert (dsm == 0).sum() > 40
    assert given(tmp_path, dsm, scale).taken
    assert not np.isnan(kept(tmp_path)).any()
    assert "高程空洞" not in receipt(tmp_path)


def test_zeros_that_the_file_declares_are_not_told_of(tmp_path: Path) -> None:
    dsm = flight.heights()
    dsm[0, 10:20, 10:25] = 0
    assert given(tmp_path, dsm, nodata=0).taken
    assert np.isnan(kept(tmp_path)).sum() == 150
    assert "高程空洞" not in receipt(tmp_path)


def test_a_surface_of_zeros_holds_nothing(tmp_path: Path) -> None:
    dsm = np.zeros((1, SIZE, SIZE), "float32")
    assert flight.codes(given(tmp_path, dsm)) == ["empty"]


def test_a_relief_that_no_ground_has_is_refused(tmp_path: Path) -> None:
    dsm = flight.heights()
    dsm[0, 20:30, 20:30] += 1500
    assert flight.codes(given(tmp_path, dsm)) == ["relief"]
    assert "40 变到 1540 米" in receipt(tmp_path)


def test_a_tower_and_a_gorge_are_taken(tmp_path: Path) -> None:
    dsm = flight.heights()
    dsm[0, :, 24:] += 300  # a wall across the frame of 5 m
    dsm[0, 20:23, 20:23] += 350  # and a mast
    assert given(tmp_path, dsm).taken


def test_strays_of_matching_do_not_refuse_a_flight(tmp_path: Path) -> None:
    """One height of a hundred thousand is a blunder, and no unit."""
    size = 400
    dsm = flight.heights(size)
    dsm[0, 7, 7] = 4000
    drop = tmp_path / "高程"
    flight.write_tif(drop / "result.tif", flight.picture(size=800))
    flight.write_tif(drop / "dsm.tif", dsm, gsd=2 * flight.GSD)
    flight.write_form(drop)
    assert flight.hand_in(tmp_path, drop).taken


@pytest.mark.parametrize("scale", [0.0, -0.01, np.nan])
def test_a_scale_that_makes_no_heights_is_refused(tmp_path: Path, scale: float) -> None:
    answer = given(tmp_path, flight.heights(), scale, 1.0)
    assert flight.codes(answer) == ["scale"]
    assert "比例" in receipt(tmp_path)


def test_another_unit_of_the_band_is_refused(tmp_path: Path) -> None:
    assert flight.codes(given(tmp_path, flight.heights(), units="cm")) == ["unit"]
    assert "高程单位是 cm" in receipt(tmp_path)


EGM96 = "EPSG:4547+5773"


@pytest.mark.parametrize(
    ("crs", "said", "found"),
    [
        (EGM96, "1985", "EGM96 height"),
        (EGM96, "ellipsoid", "EGM96 height"),
        ("EPSG:4547+5736", "1985", "Yellow Sea 1956 height"),
        ("EPSG:4547+5737", "ellipsoid", "Yellow Sea 1985 height"),
    ],
)
def test_a_height_reference_that_contradicts_the_form_is_refused(
    tmp_path: Path, crs: str, said: str, found: str
) -> None:
    answer = given(tmp_path, flight.heights(), crs=crs, form={"vertical": said})
    assert flight.codes(answer) == ["other_vertical"]
    assert found in receipt(tmp_path)


@pytest.mark.parametrize(
    ("crs", "said"),
    [
        ("EPSG:4547+5737", "1985"),
        (EGM96, "unknown"),
        (flight.CRS, "1985"),
        (flight.CRS, "ellipsoid"),
    ],
)
def test_one_that_does_not_is_taken(tmp_path: Path, crs: str, said: str) -> None:
    answer = given(tmp_path, flight.heights(), crs=crs, form={"vertical": said})
    assert answer.taken, answer.faults


@pytest.mark.parametrize("crs", ["EPSG:4979", pyproj.CRS("EPSG:4547").to_3d().to_wkt()])
@pytest.mark.parametrize(("said", "found"), [("1985", ["other_vertical"]), ("ellipsoid", [])])
def test_a_crs_of_three_axes_says_ellipsoid(
    tmp_path: Path, crs: str, said: str, found: list[str]
) -> None:
    header = tiff.read_header(flight.write_tif(tmp_path / "dsm.tif", flight.heights()), "dsm.tif")
    form = FlightForm.model_validate({**flight.FORM, "vertical": said})
    faults = datum.contradicted([replace(header, crs=crs)], form)
    assert [f.code for f in faults] == found


@pytest.mark.parametrize("bank_m", [0.1, 3.0])
@pytest.mark.parametrize("how", [{}, {"tiled": True, "blockxsize": 256, "blockysize": 256}])
def test_a_level_of_zero_is_water_or_a_hole_however_it_is_stored(
    tmp_path: Path, bank_m: float, how: dict[str, Any]
) -> None:
    """Windows in the middle of it hold nothing but zeros, and some end with it."""
    rows, cols = 2100, 80
    heights = np.full((1, rows, cols), bank_m, "float32")
    heights[0, 512:2060] = 0
    path = flight.write_tif(tmp_path / "dsm.tif", heights, gsd=0.1, nodata=-9999, **how)
    header = tiff.read_header(path, "dsm.tif")
    grid = Grid(flight.CRS, header.transform, (rows, cols))
    seen = write_surface(Sheet((header,), grid, 0.1), tmp_path / "kept.tif")
    assert seen.zeros == (0 if bank_m < 0.5 else (heights == 0).sum())
    assert seen.valid + seen.zeros == heights.size
