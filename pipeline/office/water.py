"""What observed water says of place: the middle of the water and its shore, as points."""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import MultiPoint
from skimage.measure import label
from skimage.morphology import skeletonize

from pipeline.grid import reproject
from pipeline.model import Grid

_WATER = 0.5  # seen as water at least so often
_SMALLEST_PX = 100  # smaller waters say nothing of a river
_MOST = 20_000  # points kept


def main_water(occurrence: NDArray[np.float32], share: float = _WATER) -> NDArray[np.bool_]:
    """Give the mask of water seen at least ``share`` of the looks, without small bodies."""
    wet = np.nan_to_num(occurrence, nan=0.0) >= share
    numbers = np.asarray(label(wet, connectivity=2))
    sizes = np.bincount(numbers.ravel())
    sizes[0] = 0
    return (sizes >= _SMALLEST_PX)[numbers]


def axis_points(occurrence: NDArray[np.float32], grid: Grid) -> NDArray[np.float64]:
    """Give points (n, 2) on the skeleton of the water, lon/lat WGS 84."""
    return _lonlat(np.asarray(skeletonize(main_water(occurrence)), dtype=bool), grid)


def shore_points(occurrence: NDArray[np.float32], grid: Grid) -> NDArray[np.float64]:
    """Give points (n, 2) on the shore, lon/lat WGS 84: water pixels with a dry neighbour."""
    water = main_water(occurrence)
    inner = water.copy()
    inner[1:] &= water[:-1]
    inner[:-1] &= water[1:]
    inner[:, 1:] &= water[:, :-1]
    inner[:, :-1] &= water[:, 1:]
    return _lonlat(water & ~inner, grid)


def _lonlat(mask: NDArray[np.bool_], grid: Grid) -> NDArray[np.float64]:
    rows, cols = np.nonzero(mask)
    thin = slice(None, None, max(1, -(-len(rows) // _MOST)))
    if len(rows) == 0:
        return np.empty((0, 2))
    t = grid.transform
    x = t.c + (cols[thin] + 0.5) * t.a + (rows[thin] + 0.5) * t.b
    y = t.f + (cols[thin] + 0.5) * t.d + (rows[thin] + 0.5) * t.e
    points = MultiPoint(np.column_stack((x, y)))
    return shapely.get_coordinates(reproject(points, grid.crs, "EPSG:4326"))
