"""Rasters written once so that they are quick to read ever after: tiled DEFLATE GeoTIFFs.

JPEG 2000 decodes 18 times slower than such a file. Only blocks that touch the wanted area are
decoded and kept; the others stay sparse, which reads as no data. A file appears whole or not at
all, and memory holds a few blocks whatever the size of the raster.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.errors import RasterioError
from rasterio.warp import reproject as warp
from rasterio.windows import Window
from shapely import prepare
from shapely.geometry import box
from shapely.geometry.base import BaseGeometry

from pipeline.errors import DiskFullError, SceneUnusableError
from pipeline.grid import reproject
from pipeline.io.raster import crs_text, open_raster
from pipeline.model import Grid

_BLOCK_PX = 512  # of the file written
_STEP_PX = 1024  # decoded at once: the JPEG 2000 tile of Sentinel-2
_FULL_BYTES = 2**20  # less free space than this explains a failed write
_OPTIONS: dict[str, Any] = {
    "driver": "GTiff",
    "tiled": True,
    "blockxsize": _BLOCK_PX,
    "blockysize": _BLOCK_PX,
    "compress": "deflate",
    "predictor": 2,
    "zlevel": 4,
    "sparse_ok": True,
    "bigtiff": "if_safer",
}


def transcode(source: Path, target: Path, area_wgs84: BaseGeometry) -> None:
    """Write what a georeferenced raster shows of an area, pixel by pixel the same.

    Parameters
    ----------
    source : Path
        GeoTIFF or JPEG 2000 of integers, 0 where it has no data.
    target : Path
        GeoTIFF that appears; its modification time becomes that of ``source``.
    area_wgs84 : geometry
        Blocks of 1024 px that do not touch it are left out.

    Raises
    ------
    SceneUnusableError
        The source cannot be read, or not to its end.
    DiskFullError
        Nothing half-written remains.
    """
    with open_raster(str(source)) as raster:
        area = reproject(area_wgs84, "EPSG:4326", crs_text(raster.crs))
        grid = Grid(crs_text(raster.crs), raster.transform, (raster.height, raster.width))

        def block(window: Window) -> NDArray[np.generic]:
            try:
                found: NDArray[np.generic] = raster.read(window=window)
            except RasterioError as error:
                detail = " ".join(str(error).split())
                raise SceneUnusableError(
                    f"{source} is damaged or truncated ({detail})",
                    "Copy it again from the disk, or ask the sender for it again",
                ) from error
            return found

        kind = (int(raster.count), str(raster.dtypes[0]))
        _write(target, grid, kind, area, block)
    shutil.copystat(source, target)


@dataclass(frozen=True, slots=True)
class Terrain:
    """Heights for an orthorectification."""

    path: Path  # raster with a CRS; heights [m] in its first band
    undulation_m: float  # added to its heights to make them ellipsoidal [m]; 0 if they are


def orthorectify(
    source: Path, target: Path, grid: Grid, area_wgs84: BaseGeometry, terrain: Terrain
) -> None:
    """Place a raw image on the ground by its rational polynomials and a terrain model.

    For each pixel of ``grid`` the ground point, with its ellipsoidal height from the terrain, is
    projected into the image (RPC00B, STDI-0002 vol. 1 app. E), and the image is interpolated there,
    bilinearly. Where the terrain has no height there is no data (0).

    Raises
    ------
    SceneUnusableError
        No polynomials; the terrain has no CRS or does not cover what is wanted; unreadable.
    DiskFullError
        Nothing half-written remains.
    """
    area = reproject(area_wgs84, "EPSG:4326", grid.crs)
    check_cover(terrain, reproject(area & box(*grid.bounds), grid.crs, "EPSG:4326"))
    try:
        with rasterio.open(source, driver="GTiff") as raw:
            if raw.rpcs is None:
                raise SceneUnusableError(
                    f"{source} has neither a coordinate reference system nor rational polynomials",
                    "Ask the sender for the .rpb file beside it, or for an orthorectified product",
                )
            bands = [rasterio.band(raw, i) for i in range(1, raw.count + 1)]
            kind = (int(raw.count), str(raw.dtypes[0]))

            def block(window: Window) -> NDArray[np.generic]:
                shape = (int(window.height), int(window.width))
                out = np.zeros((kind[0], *shape), kind[1])
                at = grid.transform * Affine.translation(window.col_off, window.row_off)
                for k, band in enumerate(bands):
                    warp(
                        band,
                        out[k],
                        rpcs=raw.rpcs,
                        src_crs="EPSG:4326",
                        src_nodata=0,
                        dst_crs=grid.crs,
                        dst_transform=at,
                        dst_nodata=0,
                        resampling=Resampling.bilinear,
                        RPC_DEM=str(terrain.path),
                        RPC_HEIGHT=str(terrain.undulation_m),
                        # The declared reference counts, whatever the file says of its datum.
                        RPC_DEM_APPLY_VDATUM_SHIFT="FALSE",
                    )
                return out

            _write(target, grid, kind, area, block)
    except RasterioError as error:
        detail = " ".join(str(error).split())
        raise SceneUnusableError(
            f"{source} cannot be orthorectified ({detail})",
            "Copy it again from the disk, or ask the sender for it again",
        ) from error
    shutil.copystat(source, target)


def check_cover(terrain: Terrain, area_wgs84: BaseGeometry) -> None:
    """Raise ``SceneUnusableError`` unless the terrain can be read, with a CRS, and covers all."""
    with open_raster(str(terrain.path)) as dem:
        t = dem.transform
        right, bottom = t.c + dem.width * t.a, t.f + dem.height * t.e
        extent = box(min(t.c, right), min(t.f, bottom), max(t.c, right), max(t.f, bottom))
        crs = crs_text(dem.crs)
    here = reproject(area_wgs84, "EPSG:4326", crs)
    if not extent.covers(here):
        share = 1 - extent.intersection(here).area / here.area
        raise SceneUnusableError(
            f"the terrain model {terrain.path} leaves {share:.0%} of what is wanted uncovered",
            "Supply one that covers the corridors and 2 km around them",
        )


def _write(
    target: Path,
    grid: Grid,
    kind: tuple[int, str],
    area: BaseGeometry,
    block: Callable[[Window], NDArray[np.generic]],
) -> None:
    """Write the blocks that touch ``area`` (grid CRS); ``kind`` is (bands, dtype)."""
    partial = target.with_name(f".{target.name}.partial")
    target.parent.mkdir(parents=True, exist_ok=True)
    profile: dict[str, Any] = {
        **_OPTIONS,
        "crs": grid.crs,
        "transform": grid.transform,
        "height": grid.shape[0],
        "width": grid.shape[1],
        "count": kind[0],
        "dtype": kind[1],
        "nodata": 0,
    }
    try:
        with gdal_full_named(target), rasterio.open(partial, "w", **profile) as out:
            for window in _windows(grid, area):
                out.write(block(window), window=window)
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def _windows(grid: Grid, area: BaseGeometry) -> Iterator[Window]:
    prepare(area)
    rows, cols = grid.shape
    for row in range(0, rows, _STEP_PX):
        for col in range(0, cols, _STEP_PX):
            window = Window(col, row, min(_STEP_PX, cols - col), min(_STEP_PX, rows - row))  # pyright: ignore[reportCallIssue]
            t = grid.transform
            left, top = t.c + col * t.a, t.f + row * t.e
            right, bottom = left + window.width * t.a, top + window.height * t.e
            if area.intersects(box(left, bottom, right, top)):
                yield window


@contextmanager
def gdal_full_named(target: Path) -> Generator[None]:
    """GDAL says of a full disk only that a write failed."""
    try:
        yield
    except (RasterioError, OSError) as error:
        if shutil.disk_usage(target.parent).free > _FULL_BYTES:
            raise
        raise DiskFullError(
            f"no space is left on the disk while writing {target}",
            "Free some space, then run again: what was finished is kept",
        ) from error
