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
