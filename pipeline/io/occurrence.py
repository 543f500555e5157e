"""Rasters of how often water was seen: one value 0..1 per pixel, NaN where nobody looked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS
from rasterio.enums import Resampling
from rasterio.errors import RasterioError
from rasterio.io import MemoryFile
from rasterio.windows import Window as RasterWindow

from pipeline.errors import ConfigurationError
from pipeline.io.atomic import write_bytes
from pipeline.model import Grid

MAX_SIDE = 4096  # a larger raster is read coarser [px]


def read_occurrence(path: Path) -> tuple[NDArray[np.float32], Grid]:
    """Read a water occurrence raster, coarser where it is large.

    Values 0..1, or 0..100 % (as JRC Global Surface Water has them); nodata and values outside the
    range become NaN.

    Raises
    ------
    ConfigurationError
        No raster, no CRS, several bands, or no values in either range.
    """
    try:
        with rasterio.open(path) as source:
            if source.crs is None or source.count != 1:
                raise ConfigurationError(
                    f"{path} has no CRS or more than one band",
                    "Give a raster of one band, water occurrence 0..1 or 0..100 %, with its CRS",
                )
            step = max(1, -(-max(source.shape) // MAX_SIDE))
            # Whole steps, so that a coarse pixel is a whole number of fine ones.
            rows, cols = source.height // step, source.width // step
            window = RasterWindow(0, 0, cols * step, rows * step)  # type: ignore[call-arg]
            data = source.read(
                1,
                window=window,
                out_shape=(rows, cols),
                masked=True,
                resampling=Resampling.average if step > 1 else Resampling.nearest,
            )
            transform, crs = source.transform * Affine.scale(step), source.crs
    except (RasterioError, OSError) as error:
        raise ConfigurationError(f"{path} is no readable raster: {error}", "Check it") from error
    values = np.ma.filled(data.astype(np.float32), np.nan)
    top = 100.0 if np.nanmax(values, initial=0.0) > 1.0 else 1.0
    values[(values < 0) | (values > top)] = np.nan
    if not np.isfinite(values).any():
        raise ConfigurationError(
            f"{path} holds no occurrence (0..1 or 0..100 %)", "Check what the raster holds"
        )
    authority = CRS.from_user_input(crs).to_authority()
    name = f"{authority[0]}:{authority[1]}" if authority else crs.to_wkt()
    return (values / top).astype(np.float32), Grid(name, transform, values.shape)


def write_occurrence(path: Path, values: NDArray[np.float32], grid: Grid) -> None:
    """Write a water occurrence raster (float32, NaN is nodata), whole or not at all."""
    with MemoryFile() as memory:
        with memory.open(
            driver="GTiff",
            height=grid.shape[0],
            width=grid.shape[1],
            count=1,
            dtype="float32",
            crs=grid.crs,
            transform=grid.transform,
            nodata=float("nan"),
            compress="deflate",
            tiled=True,
        ) as sink:
            sink.write(values.astype(np.float32), 1)
        write_bytes(path, memory.read())
