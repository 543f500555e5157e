"""Geometry onto a grid."""

from __future__ import annotations

from math import ceil, floor
from threading import Lock

import numpy as np
import shapely
from numpy.typing import NDArray
from rasterio.features import rasterize
from shapely.geometry.base import BaseGeometry

from pipeline.model import Grid, Window

# rasterio silences a warning of its own by a switch that all threads share.
_ONE_AT_A_TIME = Lock()
_MARGIN_PX = 2.0  # beyond a grid where geometry is cut, so that no pixel lies at the cut


def burn(geometry: BaseGeometry, grid: Grid) -> NDArray[np.bool_]:
    """Mask of the pixels whose centre lies in ``geometry`` (CRS of the grid)."""
    geometry = _near(geometry, grid)
    if geometry.is_empty:
        return np.zeros(grid.shape, dtype=bool)
    with _ONE_AT_A_TIME:
        burnt = rasterize(
            [(geometry, 1)], out_shape=grid.shape, transform=grid.transform, fill=0, dtype="uint8"
        )
    return np.asarray(burnt, dtype=bool)


def burnt_pixels(geometry: BaseGeometry, grid: Grid) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Rows and columns of the pixels whose centre lies in ``geometry``, by row then column.

    Only the geometry's own box is drawn: a case is a spot on the grid of a long river.
    """
    window = None if geometry.is_empty else _box(geometry, grid).intersect(grid.window)
    if window is None:
        return np.zeros(0, np.int32), np.zeros(0, np.int32)
    rows, cols = np.nonzero(burn(geometry, grid.sub(window)))
    return (rows + window.row0).astype(np.int32), (cols + window.col0).astype(np.int32)


def _box(geometry: BaseGeometry, grid: Grid) -> Window:
    west, south, east, north = geometry.bounds
    t = grid.transform
    rows = (floor((north - t.f) / t.e) - 1, ceil((south - t.f) / t.e) + 1)
    cols = (floor((west - t.c) / t.a) - 1, ceil((east - t.c) / t.a) + 1)
    return Window(*rows, *cols)


def _near(geometry: BaseGeometry, grid: Grid) -> BaseGeometry:
    """Cut what lies beyond a grid: a tile then costs its stretch of a river, and not all of it."""
    if geometry.geom_type not in ("Polygon", "MultiPolygon"):
        return geometry  # the pixels of a line depend on where it begins
    west, south, east, north = grid.bounds
    m = _MARGIN_PX * grid.res_m
    return shapely.clip_by_rect(geometry, west - m, south - m, east + m, north + m)


def burn_indices(shapes: list[tuple[BaseGeometry, int]], grid: Grid) -> NDArray[np.uint16]:
    """Give each pixel the number of the geometry that holds its centre; 0 outside, later win."""
    near = [(_near(shape, grid), number) for shape, number in shapes]
    shapes = [(shape, number) for shape, number in near if not shape.is_empty]
    if not shapes:
        return np.zeros(grid.shape, dtype=np.uint16)
    with _ONE_AT_A_TIME:
        burnt = rasterize(
            shapes, out_shape=grid.shape, transform=grid.transform, fill=0, dtype="uint16"
        )
    return np.asarray(burnt, dtype=np.uint16)
