"""Ordinary GeoTIFFs read without GDAL give what GDAL gives, and all else is left to it."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import box

from pipeline.errors import SceneUnusableError
from pipeline.io import inflate
from pipeline.io.asset_reader import AssetReader
from pipeline.io.blocks import NODATA
from pipeline.io.recent import Recent
from pipeline.io.runs import runs_of
from pipeline.io.store import CorridorStore
from pipeline.io.tiff_parts import TiffHead, parse
from pipeline.model import Asset, Grid, Tile, Window
from pipeline.passes.bands import every_number, packed, read_tile

CRS, LEFT, TOP = "EPSG:32649", 700_000, 3_080_000
GRID = Grid(CRS, Affine(10, 0, LEFT, 0, -10, TOP), (256, 256))
USUAL = {"compress": "deflate", "predictor": 2, "tiled": True, "blockxsize": 32, "blockysize": 16}


def written(path: Path, values: np.ndarray[Any, Any], res: float = 10, **how: Any) -> Path:
    """Write bands (B, H, W) whose corner lies 30 px right of and 20 px below the grid's."""
    place = Affine(res, 0, LEFT + 300, 0, -res, TOP - 200)
    options: dict[str, Any] = {**USUAL, "nodata": 0, "crs": CRS, "transform": place, **how}
    size = {"count": len(values), "height": values.shape[1], "width": values.shape[2]}
    with rasterio.open(path, "w", driver="GTiff", dtype=values.dtype, **size, **options) as sink:
        sink.write(values)
    return path


def both(reader: AssetReader, window: Window, keep: np.ndarray[Any, Any], band: str) -> list[Any]:
    """Give what the store would keep, without GDAL and with it."""
    assert reader.numbers
    table = every_number(reader.asset, band, reader.numbers, reader.blanks)
    quick = reader.stored(window, runs_of(keep), table, NODATA)
    values, valid = reader.read(window, keep)
    return [quick, packed(values[keep], valid[keep], reader.asset, band)]


@settings(max_examples=10)
@given(data=st.data())
def test_what_is_kept_is_what_gdal_reads(data: st.DataObject, tmp_path_factory: Any) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    kind = data.draw(st.sampled_from([np.uint8, np.uint16]))
    factor, count = data.draw(st.sampled_from([1, 2])), data.draw(st.integers(1, 3))
    most = np.iinfo(kind).max
    values = rng.integers(0, most, (count, *rng.integers(20, 90, 2)), endpoint=True).astype(kind)
    values[rng.random(values.shape) < 0.2] = 0
    path = written(
        tmp_path_factory.mktemp("law") / "a.tif", values, 10 * factor,
        predictor=data.draw(st.sampled_from([1, 2])), interleave="band",
        nodata=data.draw(st.sampled_from([None, 0, int(most)])),
        **({"photometric": "minisblack"} if count > 1 else {}),
    )  # fmt: skip
    band = data.draw(st.sampled_from(["green", "scl"]))
    decode = data.draw(st.sampled_from(["", "qa_pixel"])) if band == "scl" else ""
    nodata = data.draw(st.sampled_from([None, 0.0, 7.0, float("nan"), 1.5, 70_000.0, -1.0]))
    asset = Asset(band, str(path), count, 1e-4, -0.1, nodata, 10.0 * factor, decode)
    # Corners before the file, ends behind it.
    row, col = (int(n) * 2 for n in rng.integers(0, 40, 2))
    window = Window(row, row + 128, col, col + 96)
    shape = (128 // factor, 96 // factor)
    keep = rng.random(shape) < data.draw(st.sampled_from([0.0, 0.001, 0.5, 1.0]))
    body = path.read_bytes()
    head = parse(body)
    assert isinstance(head, TiffHead)
    whole = head.with_blocks({n: body[a:b] for n, (a, b) in enumerate(head.spans)})
    for fetched in (None, whole):
        with AssetReader(asset, GRID, fetched) as reader:
            quick, plain = both(reader, window, keep, band)
        assert quick.dtype == plain.dtype == np.int16
        np.testing.assert_array_equal(quick, plain)


@pytest.mark.parametrize(
    ("how", "kind", "bands"),
    [
        ({"compress": "lzw"}, np.uint16, 1),
        ({"compress": "deflate", "predictor": 3}, np.float32, 1),
        ({}, np.int16, 1),
        ({"predictor": 1}, np.uint32, 1),
        ({"endianness": "big"}, np.uint16, 1),
        ({"interleave": "pixel", "photometric": "minisblack"}, np.uint16, 2),
        ({"tiled": False, "blockxsize": None}, np.uint16, 1),
        ({"nodata": None, "interleave": "band", "photometric": "rgb", "alpha": "YES"}, np.uint8, 4),
        ({"predictor": 1, "nbits": 12}, np.uint16, 1),
    ],
)  # fmt: skip
def test_all_else_is_left_to_gdal(how: Any, kind: Any, bands: int, tmp_path: Path) -> None:
    values = np.random.default_rng(3).integers(1, 200, (bands, 64, 64)).astype(kind)
    asset = Asset("green", str(written(tmp_path / "a.tif", values, **how)), 1, 1.0, 0.0, None, 10.0)
    with AssetReader(asset, GRID) as reader:
        assert reader.numbers == 0
        nothing = np.zeros(0, np.int16)
        keep = np.ones((40, 40), bool)
        assert reader.stored(Window(20, 60, 30, 70), runs_of(keep), nothing, NODATA) is None


def test_what_does_not_inflate_is_told_by_gdal(tmp_path: Path) -> None:
    values = np.random.default_rng(4).integers(1, 9000, (1, 64, 64)).astype(np.uint16)
    path = written(tmp_path / "a.tif", values)
    head = parse(path.read_bytes())
    assert isinstance(head, TiffHead)
    first, end = head.spans[-1]
    with path.open("r+b") as file:
        file.seek((first + end) // 2)
        file.write(b"\xff" * 40)
    asset = Asset("green", str(path), 1, 1e-4, 0.0, 0.0, 10.0)
    keep = np.ones((64, 64), bool)
    window = Window(20, 84, 30, 94)
    with AssetReader(asset, GRID) as reader:
        upper = keep.copy()
        upper[48:] = False
        np.testing.assert_array_equal(*both(reader, window, upper, "green"))
        with pytest.raises(SceneUnusableError, match="damaged"):
            both(reader, window, keep, "green")
        assert reader.numbers == 0


def test_a_block_that_was_never_written_is_left_to_gdal(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    how = {**USUAL, "crs": CRS, "transform": GRID.transform, "nodata": 5, "sparse_ok": True}
    size = {"count": 1, "height": 64, "width": 64, "dtype": "uint16"}
    with rasterio.open(path, "w", driver="GTiff", **size, **how) as sink:
        sink.write(np.full((16, 32), 9, np.uint16), 1, window=((0, 16), (0, 32)))
    asset = Asset("scl", str(path), 1, 1.0, 0.0, 0.0, 10.0)
    with AssetReader(asset, GRID) as reader:
        table = every_number(asset, "scl", reader.numbers, reader.blanks)
        runs = runs_of(np.ones((64, 64), bool))
        assert reader.stored(Window(0, 64, 0, 64), runs, table, NODATA) is None


def test_without_the_package_gdal_reads_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asset = Asset(
        "green", str(written(tmp_path / "a.tif", np.ones((1, 64, 64), np.uint16))), 1, 1, 0, 0, 10
    )
    with AssetReader(asset, GRID) as reader:
        assert reader.numbers == 1 << 16

    def missing(name: str) -> Any:
        if name == "deflate":
            raise ImportError(name)
        return importlib.import_module(name)

    monkeypatch.setattr(inflate, "importlib", type("Without", (), {"import_module": missing}))
    inflate.inflating.cache_clear()
    try:
        with AssetReader(asset, GRID) as reader:
            assert reader.numbers == 0
    finally:
        inflate.inflating.cache_clear()


@pytest.mark.parametrize("how", [{}, {"compress": "lzw"}])
def test_classes_of_a_second_scene_fill_what_the_first_lacks(how: Any, tmp_path: Path) -> None:
    store = CorridorStore(tmp_path / "store", GRID, 64, box(*GRID.bounds))
    first = np.full((1, 64, 32), 4, np.uint8)
    first[0, :, :5] = 0
    paths = [written(tmp_path / "a.tif", first, **how)]
    paths.append(written(tmp_path / "b.tif", np.full((1, 64, 64), 6, np.uint8), **how))
    assets = [Asset("scl", str(p), 1, 1.0, 0.0, 0.0, 10.0) for p in paths]
    tile = Tile(Window(0, 64, 0, 128), Window(0, 64, 0, 128))
    with AssetReader(assets[0], GRID) as one, AssetReader(assets[1], GRID) as other:
        assert bool(one.numbers) is not bool(how)
        scenes: Any = [("a", one), ("b", other)]
        layer = read_tile(store, "scl", scenes, tile)
    found = layer.values.reshape(64, 128)
    inside = np.full((64, 128), NODATA)
    inside[20:, 30:94] = 6
    inside[20:, 35:62] = 4
    np.testing.assert_array_equal(found, inside)


def test_decoded_blocks_are_dropped_with_their_file_and_at_a_limit() -> None:
    kept: Recent[tuple[int, int], Any] = Recent(5000, lambda block: block.nbytes)
    block = np.zeros((10, 100), np.uint16)
    for number in range(3):
        kept.put((1, number), block)
    assert kept.get((1, 0)) is None
    assert kept.get((1, 2)) is block
    kept.put((2, 0), block)
    kept.drop(lambda key: key[0] == 1)
    assert kept.get((1, 2)) is None
    assert kept.get((2, 0)) is block
    assert kept.held == block.nbytes
