"""What the office knows to stand somewhere, taken off what one flight shows."""

from __future__ import annotations

from collections.abc import Sequence

import shapely
from shapely.geometry.base import BaseGeometry

from pipeline.grid import reproject
from pipeline.model import LayerArea

KNOWN_M = 3.0
"""How far a layer and a flight may lie apart [m]: RTK and maps at 1:2,000 keep it."""

KNOWN_SHARE = 0.5
"""Share of an object that a known structure explains."""


class KnownStructures:
    """The layer of existing works in the CRS of a flight, widened by ``KNOWN_M``."""

    def __init__(self, layer: Sequence[LayerArea], crs: str, around_wgs84: BaseGeometry) -> None:
        near = [a.geometry for a in layer if a.geometry.intersects(around_wgs84.buffer(1e-4))]
        moved = [reproject(g, "EPSG:4326", crs).buffer(KNOWN_M) for g in near]
        self._union = shapely.union_all(moved)

    def explain(self, outline: BaseGeometry) -> bool:
        """Tell whether half of an object (in the CRS of the flight) is known."""
        return bool(outline.intersection(self._union).area >= KNOWN_SHARE * outline.area)
