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


def shown(tmp_path: Path) -> np.ndarray:
    with rasterio.open(next((tmp_path / "state" / "flights").glob("2*/ortho.tif"))) as source:
        return source.dataset_mask() > 0


def with_alpha(data: np.ndarray, hidden: object = None) -> np.ndarray:
    alpha = np.full((1, SIZE, SIZE), 255, data.dtype)
    if hidden is not None:
        alpha[0][hidden] = 0
    return np.concatenate([data, alpha])


ALPHA = {"photometric": "RGB", "alpha": "yes"}
INNER = np.s_[310:330, 310:330]


@pytest.mark.parametrize("fill", [255, 0])
@pytest.mark.parametrize("how", ["opaque", "hides inside", "nodata"])
def test_what_hides_nothing_at_the_edge_does_not_explain_a_margin(
    tmp_path: Path, how: str, fill: int
) -> None:
    data = mosaic(0)
    outside = np.ones((SIZE, SIZE), bool)
    outside[RIM:, : SIZE - RIM] = False
    data[:, outside] = fill
    want = ~outside
    more: dict[str, object] = dict(ALPHA)
    if how == "nodata":
        more = {"nodata": 255 - fill}  # of the other colour, which is not in the picture
        data[:, 300:400, 300:400] = 9
    else:
        data = with_alpha(data, INNER if how == "hides inside" else None)
        want[INNER] = how == "opaque"
    drop = tmp_path / "边"
    flight.write_tif(drop / "result.tif", data, **more)
    flight.write_form(drop)
    answer = flight.hand_in(tmp_path, drop)
    assert answer.taken, answer.faults
    np.testing.assert_array_equal(shown(tmp_path), want)
    name = "白边" if fill else "黑边"
    assert name in next(tmp_path.glob("*_回执.html")).read_text(encoding="utf-8")


@pytest.mark.parametrize("fill", [255, 0])
@pytest.mark.parametrize("alpha", [True, False])
def test_a_corner_alone_is_a_roof_where_an_alpha_shows_it(
    tmp_path: Path, fill: int, alpha: bool
) -> None:
    data = mosaic(0)
    corner = np.s_[:, SIZE - 200 :, :300]
    data[corner] = fill
    drop = tmp_path / "角"
    more = dict(ALPHA) if alpha else {}
    flight.write_tif(drop / "result.tif", with_alpha(data) if alpha else data, **more)
    flight.write_form(drop)
    assert flight.hand_in(tmp_path, drop).taken
    assert shown(tmp_path)[corner[1:]].all() == alpha


def test_a_file_that_hides_its_edge_is_believed(tmp_path: Path) -> None:
    data = with_alpha(mosaic(RIM), np.s_[200:, :3])
    drop = tmp_path / "白地"
    flight.write_tif(drop / "result.tif", data, **ALPHA)
    flight.write_form(drop)
    assert flight.hand_in(tmp_path, drop).taken
    np.testing.assert_array_equal(shown(tmp_path), data[3] > 0)


def test_white_that_reaches_no_corner_stays(tmp_path: Path) -> None:
    drop = tmp_path / "白地"
    flight.write_tif(drop / "result.tif", mosaic(0))
    flight.write_form(drop)
    assert flight.hand_in(tmp_path, drop).taken
    assert shown(tmp_path).all()
