"""Small georeferenced pictures as bytes: COGs of a few kilobytes, made in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.io import MemoryFile
from rasterio.shutil import copy

from pipeline.model import Grid

_MOST_BLOCK_PX = 256


@dataclass(frozen=True)
class ChipBands:
    """What a picture holds."""

    names: tuple[str, ...]  # of the bands, for people who open it
    data: NDArray[Any]  # (band, H, W)
    nodata: float


def geotiff(grid: Grid, bands: ChipBands, tags: Mapping[str, str]) -> bytes:
    """Give a cloud-optimised GeoTIFF, lossless.

    The file is tiled and has its tags; the first three bands are shown as red, green, blue where
    they are called so. The same input gives the same bytes.
    """
    rows, cols = grid.shape
    profile: dict[str, Any] = {
        "driver": "GTiff",
        "crs": grid.crs,
        "transform": grid.transform,
        "height": rows,
        "width": cols,
        "count": len(bands.names),
        "dtype": bands.data.dtype,
        "nodata": bands.nodata,
    }
    if bands.names[:3] == ("red", "green", "blue"):
        profile |= {"photometric": "RGB", "alpha": "no"}
    with MemoryFile() as plain, MemoryFile() as cog:
        with plain.open(**profile) as out:
            out.write(np.ascontiguousarray(bands.data))
            out.update_tags(**tags)
            for i, name in enumerate(bands.names, 1):
                out.set_band_description(i, name)
        copy(
            plain.name,
            cog.name,
            driver="COG",
            COMPRESS="DEFLATE",
            PREDICTOR="YES",
            BLOCKSIZE=_block_px(grid.shape),
            OVERVIEWS="NONE",
        )
        return bytes(cog.read())


def _block_px(shape: tuple[int, int]) -> int:
    """Give the side of a block [px], a multiple of 16: a small picture is one, with little else."""
    return min(-(-max(shape) // 16) * 16, _MOST_BLOCK_PX)
