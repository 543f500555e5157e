"""What is done with a grid: tiles with a halo, sparse pixels to masks.

A corridor has one grid, in the imagery's own UTM zone, anchored on the imagery's own pixel lattice.
Windows are half-open index ranges into it; nothing here knows of files.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import Geod, Transformer
from shapely.geometry.base import BaseGeometry

from pipeline.model import Grid, Tile, Window


def tiles_over(grid: Grid, size: int, halo: int) -> Iterator[Tile]:
    """Cut a grid into tiles in row-major order.

    Parameters
    ----------
    size : int
        Side of a core [px].
    halo : int
        Margin around the core [px], clipped to the grid.
    """
    whole = grid.window
    for row in range(0, grid.shape[0], size):
        for col in range(0, grid.shape[1], size):
            core = Window(row, row + size, col, col + size).intersect(whole)
            if core is None:
                continue
            reach = core.pad(halo).intersect(whole)
            if reach is not None:
                yield Tile(core, reach)


def pixels_to_mask(
    rows: NDArray[np.int32], cols: NDArray[np.int32], window: Window
) -> NDArray[np.bool_]:
    """Sparse grid pixels as a mask over ``window``; pixels outside it are dropped."""
    mask = np.zeros(window.shape, dtype=bool)
    r, c = rows - window.row0, cols - window.col0
    inside = (r >= 0) & (r < mask.shape[0]) & (c >= 0) & (c < mask.shape[1])
    mask[r[inside], c[inside]] = True
    return mask


def box_of_mask(mask: NDArray[np.bool_], window: Window) -> Window | None:
    """Give the box of what is set in a mask (H, W) over ``window``; None if nothing is."""
    rows, cols = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    if rows.size == 0:
        return None
    (top, bottom), (left, right) = ((int(n[0]), int(n[-1]) + 1) for n in (rows, cols))
    return Window(window.row0 + top, window.row0 + bottom, window.col0 + left, window.col0 + right)


def reproject(geometry: BaseGeometry, source: str, target: str) -> BaseGeometry:
    """Move a geometry from one CRS to another (authority strings), x/y or lon/lat order."""
    if source == target:
        return geometry
    transformer = _transformer(source, target)

    def move(xy: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.column_stack(transformer.transform(xy[:, 0], xy[:, 1]))

    return shapely.transform(geometry, move)


def geodesic_area_m2(geometry: BaseGeometry, crs: str) -> float:
    """Area on the WGS 84 ellipsoid [m²] of a polygon in ``crs`` (Karney 2013).

    doi:10.1007/s00190-012-0578-z. Unlike an area in a UTM grid it carries no scale error.
    """
    lonlat = shapely.orient_polygons(reproject(geometry, crs, "EPSG:4326"))
    return abs(Geod(ellps="WGS84").geometry_area_perimeter(lonlat)[0])


@cache
def _transformer(source: str, target: str) -> Transformer:
    return Transformer.from_crs(source, target, always_xy=True)


def metric_crs(lon: float, lat: float) -> str:
    """Give the metric CRS for lengths and areas at a place.

    In China the CGCS2000 three-degree zone without prefix (EPSG:4534 is 75°E, 4547 is 114°E),
    elsewhere the UTM zone of WGS 84.
    """
    if 73.5 <= lon <= 136.5 and 3 <= lat <= 54:
        return f"EPSG:{4534 + round((lon - 75) / 3)}"
    return f"EPSG:{(32600 if lat >= 0 else 32700) + int((lon + 180) // 6) + 1}"
