"""Cloud-optimised GeoTIFFs, written window by window with bounded memory.

Windows go into a plain tiled file first; GDAL's COG driver then copies that block by block and adds
overviews. Memory is one window and GDAL's cache, whatever the size of the raster.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.shutil import copy
from rasterio.windows import Window as RasterWindow

from pipeline.errors import ContractError
from pipeline.io import GDAL_CACHE_BYTES
from pipeline.io.transcode import gdal_full_named
from pipeline.model import Grid, Window

BLOCK_PX = 512
_ENV: dict[str, Any] = {"GDAL_CACHEMAX": GDAL_CACHE_BYTES, "GDAL_TIFF_INTERNAL_MASK": True}


@dataclass(frozen=True)
class CogSpec:
    """What a COG holds."""

    grid: Grid
    count: int
    dtype: str
    nodata: float | None  # None: an internal mask says where there is no data


@dataclass(frozen=True)
class Filled:
    """The pixels of one window."""

    window: Window  # corners are multiples of ``BLOCK_PX``, or the raster's edge
    data: NDArray[Any]  # (band, H, W)
    valid: NDArray[np.bool_]  # (H, W)


def write_cog(target: Path, spec: CogSpec, windows: Iterable[Filled]) -> None:
    """Write a COG, whole or not at all; losslessly (DEFLATE with predictor).

    Parameters
    ----------
    target : Path
        File that appears.
    windows : iterable of Filled
        Cover the raster, each pixel once; what is missing has no data.

    Raises
    ------
    DiskFullError
        Nothing half-written remains.
    ContractError
        What was written is no COG.
    """
    plain = target.with_name(f".{target.name}.plain.tif")
    partial = target.with_name(f".{target.name}.partial.tif")
    try:
        with rasterio.Env(**_ENV):
            with gdal_full_named(target):
                _write_plain(plain, spec, windows)
                copy(
                    str(plain),
                    str(partial),
                    driver="COG",
                    COMPRESS="DEFLATE",
                    PREDICTOR="YES",
                    LEVEL=6,
                    BLOCKSIZE=BLOCK_PX,
                    OVERVIEW_RESAMPLING="AVERAGE",
                    BIGTIFF="IF_SAFER",
                )
            check_cog(partial, spec)
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(target)
    finally:
        for leftover in target.parent.glob(f".{target.name}.*"):
            leftover.unlink(missing_ok=True)  # GDAL's own scratch of overviews too


def _write_plain(path: Path, spec: CogSpec, windows: Iterable[Filled]) -> None:
    profile: dict[str, Any] = {
        "driver": "GTiff",
        "crs": spec.grid.crs,
        "transform": spec.grid.transform,
        "height": spec.grid.shape[0],
        "width": spec.grid.shape[1],
        "count": spec.count,
        "dtype": spec.dtype,
        "tiled": True,
        "blockxsize": BLOCK_PX,
        "blockysize": BLOCK_PX,
        "compress": "deflate",
        "zlevel": 1,
        "sparse_ok": True,
        "bigtiff": "if_safer",
    }
    if spec.nodata is not None:
        profile["nodata"] = spec.nodata
    if spec.count >= 3:
        profile["photometric"] = "RGB"
        profile["alpha"] = "no"  # a fourth band is infrared
    with rasterio.open(path, "w", **profile) as out:
        for filled in windows:
            w = filled.window
            window = RasterWindow(w.col0, w.row0, w.shape[1], w.shape[0])  # pyright: ignore[reportCallIssue]
            out.write(filled.data, window=window)
            if spec.nodata is None:
                out.write_mask(filled.valid.astype(np.uint8) * 255, window=window)


def check_cog(path: Path, spec: CogSpec) -> None:
    """Open what was written and hold it against what was asked for.

    Raises
    ------
    ContractError
        Its layout, size, CRS, overviews or mask are not as they should be.
    """
    wrong: list[str] = []
    with rasterio.open(path, driver="GTiff") as found:
        rows, cols = spec.grid.shape
        if found.tags(ns="IMAGE_STRUCTURE").get("LAYOUT") != "COG":
            wrong.append("layout")
        if found.shape != (rows, cols) or found.count != spec.count:
            wrong.append("size")
        if found.crs is None:
            wrong.append("CRS")
        if max(rows, cols) > BLOCK_PX and not found.overviews(1):
            wrong.append("overviews")
        if spec.nodata is None and "per_dataset" not in [f.name for f in found.mask_flag_enums[0]]:
            wrong.append("mask")
        found.read(1, window=((rows - 1, rows), (cols - 1, cols)))
    if wrong:
        raise ContractError(f"{path} was written as no COG ({', '.join(wrong)})")
