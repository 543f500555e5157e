"""Tiles are parts of one image; two flights in one folder are not."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio

sys.path.insert(0, str(Path(__file__).parent))
import flight

HALF = 96 * flight.GSD
EAST = (flight.CORNER[0] + HALF, flight.CORNER[1])
SEAM = (flight.CORNER[0] + HALF - 4 * flight.GSD, flight.CORNER[1])


@pytest.mark.parametrize("end", ["{}-{}-{}", "{}_{}_{}", "{}{}{}", "{}-{}-{}_1_1"])
def test_two_dates_in_one_folder_are_two_flights(tmp_path: Path, end: str) -> None:
    drop = tmp_path / "drop"
    for seed, day in enumerate((("2026", "06", "12"), ("2026", "11", "20"))):
        name = end.format(*day)
        flight.write_tif(drop / f"DOM_{name}.tif", flight.picture(seed=seed))
        flight.write_tif(drop / f"高程_{name}.tif", flight.heights(), gsd=2 * flight.GSD)
    flight.write_form(drop)
    answer = flight.hand_in(tmp_path, drop)
    assert "several" in flight.codes(answer)
    receipt = next(tmp_path.glob("*_回执.html")).read_text("utf-8")
    assert f"DOM_{end.format('2026', '06', '12')}.tif" in receipt


def test_a_date_in_the_names_of_tiles_is_no_second_flight(tmp_path: Path) -> None:
    drop = tmp_path / "drop"
    for col, corner in enumerate((flight.CORNER, EAST)):
        flight.write_tif(drop / f"DOM_2026-11-20_1_{col}.tif", flight.picture(), corner=corner)
    flight.write_form(drop)
    answer = flight.hand_in(tmp_path, drop)
    assert answer.taken, answer.faults
    with rasterio.open(tmp_path / "state/flights" / answer.id / "ortho.tif") as source:
        assert source.shape == (96, 192)


@pytest.mark.parametrize("named", [True, False])
def test_tiles_that_show_the_same_ground_are_refused(tmp_path: Path, named: bool) -> None:
    drop = tmp_path / "drop"
    names = ["t_1_1.tif", "t_1_2.tif"]
    for seed, name in enumerate(names):
        flight.write_tif(drop / name, flight.picture(seed=seed))
    flight.write_form(drop, **({"files": {"mosaic": names}} if named else {}))
    answer = flight.hand_in(tmp_path, drop)
    assert flight.codes(answer) == ["tiles"]
    assert "t_1_1.tif, t_1_2.tif: the same ground" in answer.lines[0]


SHARED = 128


def _halves(folder: Path, data: np.ndarray, name: str, diagonal: bool, **how: object) -> None:
    """Write an image as two tiles whose frames share 128 columns, or two sides of a diagonal."""
    size = data.shape[-1]
    rows, cols = np.mgrid[:size, :size]
    for n, start in enumerate((0, (size - SHARED) // 2)):
        part = np.s_[:, start : start + (size + SHARED) // 2]
        tile = data[:, *part].copy()
        if diagonal:
            mine = (cols < 0.4 * size + 0.2 * rows) == (n == 0)
            tile[:, ~mine[part]] = how["nodata"]
        corner = (flight.CORNER[0] + start * flight.GSD, flight.CORNER[1])
        flight.write_tif(folder / f"{name}_1_{n}.tif", tile, corner=corner, **how)


@pytest.mark.parametrize("diagonal", [True, False])
def test_frames_that_share_ground_of_one_image_are_its_tiles(
    tmp_path: Path, diagonal: bool
) -> None:
    drop = tmp_path / "drop"
    picture = flight.picture(size=384)
    heights = flight.heights(384)
    _halves(drop, picture, "t", diagonal, nodata=0)
    _halves(drop, heights, "dsm", diagonal, nodata=-9999)
    flight.write_form(drop)
    answer = flight.hand_in(tmp_path, drop)
    assert answer.taken, answer.faults
    folder = tmp_path / "state/flights" / answer.id
    for name, want in (("ortho.tif", picture), ("dsm.tif", heights)):
        with rasterio.open(folder / name) as source:
            np.testing.assert_array_equal(source.read(), want)


def test_copies_that_jpeg_made_are_one_picture(tmp_path: Path) -> None:
    ramp = np.linspace(20, 230, 384).astype("uint8")
    data = np.broadcast_to(ramp, (3, 384, 384)).copy()
    _halves(tmp_path / "drop", data, "t", False, compress="jpeg", tiled=True, photometric="ycbcr")
    flight.write_form(tmp_path / "drop")
    assert flight.hand_in(tmp_path, tmp_path / "drop").taken


def test_of_a_seam_picture_and_surface_keep_the_same_file(tmp_path: Path) -> None:
    """The first file, whose pixels and heights are of one moment."""
    drop = tmp_path / "drop"
    for n, corner in enumerate((flight.CORNER, SEAM)):
        flight.write_tif(drop / f"t_1_{n}.tif", np.full((3, 96, 96), 50 + n, "uint8"),
                         corner=corner)  # fmt: skip
        flight.write_tif(drop / f"dsm_1_{n}.tif", np.full((1, 96, 96), 50 + n, "float32"),
                         corner=corner)  # fmt: skip
    flight.write_form(drop)
    answer = flight.hand_in(tmp_path, drop)
    assert answer.taken, answer.faults
    folder = tmp_path / "state/flights" / answer.id
    for name in ("ortho.tif", "dsm.tif"):
        with rasterio.open(folder / name) as source:
            found = source.read(1)
        assert (found[:, :96] == 50).all()
        assert (found[:, 96:] == 51).all()
    roles = json.loads((folder / "item.json").read_text("utf-8"))["properties"]["siluan:sources"]
    assert [r["role"] for r in roles] == ["mosaic", "mosaic", "dsm", "dsm", "form"]
