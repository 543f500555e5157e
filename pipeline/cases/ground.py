"""The squares of ground that an audit visits.

One lattice for all places: a case is visited as the square that its inner point lies in, so that
the shape of a place does not tell what it is.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from shapely.geometry import box, shape
from shapely.geometry.base import BaseGeometry

from pipeline.errors import ConfigurationError
from pipeline.grid import metric_crs, reproject
from pipeline.model import Case, Corridor

SIDE_M = 100.0


@dataclass(frozen=True, slots=True, order=True)
class Square:
    """A square of the lattice of its reference system."""

    corridor_id: str
    crs: str  # metric
    col: int
    row: int

    @property
    def polygon(self) -> BaseGeometry:
        """The square, in its reference system [m]."""
        x, y = self.col * SIDE_M, self.row * SIDE_M
        return box(x, y, x + SIDE_M, y + SIDE_M)

    @property
    def polygon_wgs84(self) -> BaseGeometry:
        """The square in lon/lat."""
        return reproject(self.polygon, self.crs, "EPSG:4326")


def square_of(case: Case, corridor: Corridor) -> Square:
    """Give the square that a case is visited as."""
    crs = crs_of(corridor)
    point = reproject(case.polygon, case.crs, crs).point_on_surface()
    return Square(corridor.id, crs, int(point.x // SIDE_M), int(point.y // SIDE_M))


def unflagged(corridor: Corridor, cases: Iterable[Case], unseen: BaseGeometry) -> list[Square]:
    """Give the squares of a corridor, by their middles, that were seen and hold no case."""
    crs = crs_of(corridor)
    area = reproject(corridor.polygon_wgs84, "EPSG:4326", crs)
    seen = area.difference(reproject(unseen, "EPSG:4326", crs)) if not unseen.is_empty else area
    left, bottom, right, top = area.bounds
    cols = np.arange(int(left // SIDE_M), int(right // SIDE_M) + 1)
    rows = np.arange(int(bottom // SIDE_M), int(top // SIDE_M) + 1)
    col, row = (a.ravel() for a in np.meshgrid(cols, rows))
    shapely.prepare(seen)
    inside = shapely.contains_xy(seen, (col + 0.5) * SIDE_M, (row + 0.5) * SIDE_M)
    col, row = col[inside], row[inside]
    x, y = col * SIDE_M, row * SIDE_M
    squares = shapely.box(x, y, x + SIDE_M, y + SIDE_M)
    flagged = [reproject(c.polygon, c.crs, crs) for c in cases if c.corridor_id == corridor.id]
    free = np.ones(len(squares), dtype=bool)
    if flagged:
        free[shapely.STRtree(squares).query(flagged, predicate="intersects")[1]] = False
    return [
        Square(corridor.id, crs, int(c), int(r)) for c, r in zip(col[free], row[free], strict=True)
    ]


def crs_of(corridor: Corridor) -> str:
    """Give the reference system in which a corridor is cut into squares."""
    middle = corridor.polygon_wgs84.centroid
    return metric_crs(middle.x, middle.y)


def unseen_reaches(out: Path) -> BaseGeometry:
    """Give what the newest run could not see, lon/lat; empty where it saw everything.

    Raises
    ------
    ConfigurationError
        No run has left anything there.
    """
    latest = out / "latest"
    if not latest.is_dir() and (out / "latest.txt").is_file():
        latest = out / (out / "latest.txt").read_text(encoding="utf-8").strip()
    path = latest / "not_observed.geojson"
    try:
        features: Sequence[dict[str, Any]] = json.loads(path.read_text("utf-8"))["features"]
    except (OSError, ValueError, KeyError) as error:
        raise ConfigurationError(
            f"{path} does not say what the newest run could not see", "Run the workflow first"
        ) from error
    return shapely.union_all([shape(f["geometry"]) for f in features])
