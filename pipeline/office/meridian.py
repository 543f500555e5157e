"""Whether a layer far from every corridor was given the meridian of another zone.

Gauss-Kruger and UTM eastings without a zone look alike in every zone; taken three degrees off, a
layer lies 300 km from where it was drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import shapely
from pyproj import CRS
from shapely.geometry.base import BaseGeometry

from pipeline.errors import ConfigurationError
from pipeline.office.evidence import office_corridors
from pipeline.office.reference import Stated, datum_of, label_of, to_layer_crs

_TRIED = 20  # features are enough to tell
# CGCS2000 / 3-degree Gauss-Kruger without a zone, 75°E to 135°E; WGS 84 / UTM of China's zones.
_ALIKE = {"cgcs2000": range(4534, 4555), "wgs84": range(32643, 32654)}


def reach_of(config: Path) -> BaseGeometry | None:
    """Give the ground of the office's corridors in lon/lat, with their errors; None without any."""
    corridors = office_corridors(config)
    if not corridors:
        return None
    # A working corridor may itself be off by its accuracy: half of a kilometre at the least.
    return shapely.union_all(
        [c.polygon_wgs84.buffer(max(500.0, c.accuracy_m) / 100_000) for c in corridors]
    )


def check_meridian(
    stated: Stated, crs: CRS, shapes: Sequence[BaseGeometry], reach: BaseGeometry
) -> None:
    """Refuse a layer that lies in no corridor, and would in most of it by another meridian.

    Parameters
    ----------
    shapes : sequence
        In the file's coordinates, axes in the order of ``crs``.
    reach : geometry
        Lon/lat, as ``reach_of`` gives it.

    Raises
    ------
    ConfigurationError
        It is such a layer; the system that fits is named.
    """
    tried = shapes[:_TRIED]
    if not crs.is_projected or _inside(stated, crs, shapes, reach) > 0:
        return
    for code in _ALIKE.get(datum_of(crs) or "", ()):
        other = CRS.from_epsg(code)
        if 2 * _inside(stated, other, tried, reach) > len(tried):
            raise ConfigurationError(
                f"{stated.path}: all of it lies outside all corridors in {label_of(crs)}; in "
                f"{label_of(other)} it would lie in them",
                f"Ask whoever drew it; if so, correct its system in a GIS to EPSG:{code}"
                if stated.crs and stated.crs_stated
                else f"Ask whoever drew it; if so, add --crs EPSG:{code}",
            )


def _inside(stated: Stated, crs: CRS, shapes: Sequence[BaseGeometry], reach: BaseGeometry) -> int:
    return sum(reach.intersects(to_layer_crs(g, crs, stated.datum)) for g in shapes)
