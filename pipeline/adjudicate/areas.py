"""The office's areas, indexed, and asked in metres around one outline.

Pure. Areas come in lon/lat; an outline comes in the CRS of its grid. Both are brought into the
metric CRS of the outline's place, each area once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property

import shapely
from shapely.geometry.base import BaseGeometry

from pipeline.grid import metric_crs, reproject
from pipeline.model import LayerArea

LONLAT = "EPSG:4326"


@dataclass(frozen=True)
class Covering:
    """An area that covers a part of an outline."""

    area: LayerArea
    share: float  # 0..1 of the outline


@dataclass(frozen=True)
class Spot:
    """One outline, ready to be asked about."""

    lonlat: BaseGeometry
    outline: BaseGeometry  # in ``crs``, m
    crs: str  # metric

    @classmethod
    def of(cls, polygon: BaseGeometry, crs: str) -> Spot:
        """Bring an outline in ``crs`` to the metric CRS of its place."""
        lonlat = reproject(polygon, crs, LONLAT)
        metric = metric_crs(lonlat.centroid.x, lonlat.centroid.y)
        return cls(lonlat, reproject(lonlat, LONLAT, metric), metric)


@dataclass
class AreaIndex:
    """Areas by kind; a kind that is missing was not supplied."""

    layers: Mapping[str, Sequence[LayerArea]]
    # Highest stage [m] by gauge and day (Asia/Shanghai), for areas that a stage closes.
    stages: Mapping[str, Mapping[date, float]] = field(
        default_factory=dict[str, Mapping[date, float]]
    )
    _moved: dict[tuple[int, str], BaseGeometry] = field(
        default_factory=dict[tuple[int, str], BaseGeometry], init=False, repr=False
    )

    @cached_property
    def _trees(self) -> dict[str, shapely.STRtree]:
        return {k: shapely.STRtree([a.geometry for a in v]) for k, v in self.layers.items()}

    def metric(self, area: LayerArea, spot: Spot) -> BaseGeometry:
        """Give an area in the metric CRS of an outline."""
        key = (id(area), spot.crs)
        if key not in self._moved:
            self._moved[key] = reproject(area.geometry, LONLAT, spot.crs)
        return self._moved[key]

    def near(self, kind: str, spot: Spot, metres: float) -> list[LayerArea]:
        """Give the areas of a kind within ``metres`` of an outline."""
        if kind not in self._trees:
            return []
        around = spot.lonlat.buffer(metres / 50_000).bounds  # generous, at any latitude here
        hits = sorted(int(i) for i in self._trees[kind].query(shapely.box(*around)))
        areas = [self.layers[kind][i] for i in hits]
        return [a for a in areas if self.metric(a, spot).distance(spot.outline) <= metres]

    def covering(self, kind: str, spot: Spot) -> list[Covering]:
        """Give the areas of a kind that cover a part of an outline, the largest part first."""
        whole = spot.outline
        parts = [
            Covering(a, whole.intersection(self.metric(a, spot)).area / whole.area)
            for a in self.near(kind, spot, 0.0)
        ]
        named = (p for p in parts if p.share > 0)
        return sorted(named, key=lambda p: (-p.share, str(sorted(p.area.fields.items(), key=str))))
