"""White around a picture is no ground; white within it is."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio

sys.path.insert(0, str(Path(__file__).parent))
import flight

SIZE, RIM = 640, 150


def mosaic(rim: int, kind: str = "uint8") -> np.ndarray:
    data = flight.picture(size=SIZE, kind=kind) // 2 + 1
    white = np.iinfo(data.dtype).max
    data[:, 300:400, 300:400] = white  # a roof
    for edge in (np.s_[:rim], np.s_[SIZE - rim :]):
        data[:, edge] = white
        data[:, :, edge] = white
    return data


@pytest.mark.parametrize("kind", ["uint8", "uint16"])
def test_a_white_margin_is_no_picture_and_a_white_roof_is_one(tmp_path: Path, kind: str) -> None:
    drop = tmp_path / "白边"
    flight.write_tif(drop / "result.tif", mosaic(RIM, kind))
    flight.write_form(drop)
    answer = flight.hand_in(tmp_path, drop)
    assert answer.taken is not None, answer.faults
    with rasterio.open(next((tmp_path / "state" / "flights").glob("2*/ortho.tif"))) as source:
        shown = source.dataset_mask() > 0
    want = np.zeros((SIZE, SIZE), bool)
    want[RIM : SIZE - RIM, RIM : SIZE - RIM] = True
    np.testing.assert_array_equal(shown, want)
    assert "白边" in next(tmp_path.glob("*_回执.html")).read_text(encoding="utf-8")


@pytest.mark.parametrize("more", [{"nodata": 0}, {"rim": 0}])
def test_white_that_the_file_explains_or_that_reaches_no_corner_stays(
    tmp_path: Path, more: dict[str, int]
) -> None:
    rest = dict(more)
    drop = tmp_path / "白地"
    flight.write_tif(drop / "result.tif", mosaic(rest.pop("rim", RIM)), **rest)
    flight.write_form(drop)
    assert flight.hand_in(tmp_path, drop).taken
    with rasterio.open(next((tmp_path / "state" / "flights").glob("2*/ortho.tif"))) as source:
        assert (source.dataset_mask() > 0).all()
