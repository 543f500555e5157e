"""Assets over HTTP that stumble, and what lies outside a file."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from starlette.requests import Request
from starlette.responses import Response

sys.path.insert(0, str(Path(__file__).parent))
from test_20_acquire import five

from pipeline.acquire.local_api import serve
from pipeline.errors import SceneUnusableError, SiluanError, SourceUnreachableError
from pipeline.io.asset_reader import AssetReader
from pipeline.io.raster import raster_profile
from pipeline.model import Asset, Grid, Window

SIDE = 256  # too large for GDAL to swallow whole when it opens the file


def asset(href: Path | str, nodata: float | None = 0.0) -> Asset:
    return Asset("green", str(href), 1, 1.0, 0.0, nodata, 10.0)


def written(folder: Path) -> tuple[Path, Grid]:
    path = folder / "a.tif"
    values = np.random.default_rng(0).integers(500, 3000, (1, SIDE, SIDE)).astype("uint16")
    profile = {"driver": "GTiff", "count": 1, "height": SIDE, "width": SIDE, "dtype": "uint16"}
    blocks = {"tiled": True, "blockxsize": 64, "blockysize": 64, "compress": "deflate"}
    place = {"crs": "EPSG:32649", "transform": Affine(10, 0, 700_000, 0, -10, 3_080_000)}
    # It states no number for no data.
    with rasterio.open(path, "w", **profile, **blocks, **place) as sink:
        sink.write(values)
    return path, Grid("EPSG:32649", raster_profile(str(path)).transform, (SIDE, SIDE))


def failing(times: int, status: int) -> Callable[[Request], Response | None]:
    left = [times]

    def fault(request: Request) -> Response | None:
        if not request.url.path.endswith(".tif") or left[0] == 0:
            return None
        left[0] -= 1
        return Response(status_code=status)

    return fault


def test_an_asset_that_stumbles_twice_is_read(tmp_path: Path) -> None:
    catalogue = five(tmp_path)
    _, area = written(tmp_path)
    with (
        serve(catalogue, failing(2, 503)) as url,
        AssetReader(asset(f"{url}/data/a.tif"), area) as reader,
    ):
        assert reader.read(area.window)[1].all()


def test_an_empty_file_is_no_missing_one(tmp_path: Path) -> None:
    """A server answers 416 to who asks for its first bytes."""
    with (
        serve(five(tmp_path), failing(99, 416)) as url,
        pytest.raises(SceneUnusableError) as caught,
    ):
        raster_profile(f"{url}/data/a.tif")
    assert caught.value.what == f"{url}/data/a.tif is empty"
    assert "not there" not in caught.value.remedy


@pytest.mark.parametrize(
    ("status", "kind"), [(503, SourceUnreachableError), (403, SceneUnusableError)]
)
def test_a_bad_server_is_told_from_a_bad_file(
    tmp_path: Path, status: int, kind: type[SiluanError]
) -> None:
    catalogue = five(tmp_path)
    written(tmp_path)
    with (
        serve(catalogue, failing(99, status)) as url,
        pytest.raises(kind, match=str(status)),
    ):
        raster_profile(f"{url}/data/a.tif")


@pytest.mark.thorough
def test_a_server_that_fails_between_two_reads_is_not_a_bad_file(tmp_path: Path) -> None:
    catalogue = five(tmp_path)
    _, area = written(tmp_path)
    down: list[bool] = []

    def fault(request: Request) -> Response | None:
        return Response(status_code=503) if down and request.url.path.endswith(".tif") else None

    with (
        serve(catalogue, fault) as url,
        AssetReader(asset(f"{url}/data/a.tif"), area) as reader,
    ):
        down.append(True)
        with pytest.raises(SourceUnreachableError, match="503"):
            reader.read(Window(192, 256, 192, 256))


def test_a_truncated_file_by_range_is_a_bad_file(tmp_path: Path) -> None:
    catalogue = five(tmp_path)
    path, area = written(tmp_path)
    blob = path.read_bytes()
    (tmp_path / "cut.tif").write_bytes(blob[: len(blob) // 2])
    with (
        serve(catalogue) as url,
        pytest.raises(SceneUnusableError, match="truncated"),
        AssetReader(asset(f"{url}/data/cut.tif"), area) as reader,
    ):
        reader.read(area.window)


@pytest.mark.parametrize("nodata", [None, 0.0, -9999.0, float("nan")])
@pytest.mark.parametrize("off_m", [0.0, 5.0])
def test_ground_outside_a_file_is_no_data(
    tmp_path: Path, nodata: float | None, off_m: float
) -> None:
    path, area = written(tmp_path)
    t = area.transform
    wide = Affine(t.a, 0, t.c - 320 - off_m, 0, t.e, t.f + 320 + off_m)
    grid = Grid(area.crs, wide, (2 * SIDE, 2 * SIDE))
    with AssetReader(asset(path, nodata), grid) as reader:
        values, valid = reader.read(grid.window)
    assert reader.warped == (off_m != 0)
    assert abs(int(valid.sum()) - SIDE * SIDE) <= 2 * SIDE + 1
    assert (values[valid] >= 500).all()
