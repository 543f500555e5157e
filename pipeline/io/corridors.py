"""Corridors from GeoJSON, and their reaches.

A feature is a polygon, or a line with ``half_width_m``, or a point with ``radius_m``; all working
geometry, never a legal boundary. A line feature with ``of: ID`` is the centreline of a polygon.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import numpy as np
import shapely
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from shapely.geometry import MultiPoint, shape
from shapely.geometry.base import BaseGeometry

from pipeline.errors import ConfigurationError
from pipeline.grid import reproject
from pipeline.io.settings import NAME, explain
from pipeline.model import Corridor, Reach


class CorridorProperties(BaseModel):
    """What a corridor feature says of itself."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str = Field(pattern=NAME)
    name_zh: str
    water: str = Field(pattern="^(river|reservoir)$", description="river or reservoir")
    accuracy_m: float = Field(gt=0, description="of the geometry [m]")
    provenance: str = Field(min_length=1)
    half_width_m: float | None = Field(default=None, gt=0, description="for a line [m]")
    radius_m: float | None = Field(default=None, gt=0, description="for a point [m]")
    reach_length_m: float = Field(default=5000.0, ge=500, description="of one water level [m]")
    chainage_from_m: float = Field(default=0.0, ge=0, description="桩号 of the line's start [m]")
    direction: Literal["downstream", "unknown"] = Field(
        default="downstream", description="of the points of the centreline"
    )


def _features(path: Path) -> list[dict[str, Any]]:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise ConfigurationError(
            f"{path} does not exist",
            "Check corridors.file of the workflow; the sample's is made by 'make sample'",
        ) from error
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path} is not readable GeoJSON: {error}") from error
    features: list[dict[str, Any]] = content.get("features", [])
    if not features:
        raise ConfigurationError(f"{path} holds no features")
    return features


_LINES = ("LineString", "MultiLineString")
_OFF_GLOBE = (
    "coordinates are not WGS 84 longitude and latitude "
    "(siluan corridor add FILE --id ID --datum DATUM brings them in)"
)
# What shapely raises over coordinates that are too few, no numbers, or none.
_MALFORMED = (ValueError, TypeError, IndexError, shapely.errors.ShapelyError)
_Line = tuple[BaseGeometry, float | None]


def load_corridors(path: Path) -> tuple[Corridor, ...]:
    """Read all corridors of a file, in file order.

    Raises
    ------
    ConfigurationError
        No file, no GeoJSON, or features that do not fit (every one named).
    """
    features = _features(path)
    corridors: list[Corridor] = []
    problems: list[str] = []
    lines = _centrelines(features, problems)
    for number, feature in enumerate(features, 1):
        properties = feature.get("properties") or {}
        if properties.get("of") or not _has_shape(feature):
            continue
        try:
            checked = CorridorProperties.model_validate(properties)
            corridors.append(_corridor(checked, feature, lines.get(checked.id)))
        except ValidationError as error:
            said = [explain(error, CorridorProperties), *_shape_faults(feature)]
            problems.append(f"feature {number}: {'; '.join(said)}")
        except ValueError as error:
            problems.append(f"feature {number}: {error}")
    if any(_OFF_GLOBE in p for p in problems) and (stated := _stated_crs(path)):
        problems.append(f"the file says that its coordinates are {stated}")
    ids = [c.id for c in corridors]
    problems += [
        f"a centreline is of '{o}', which is no corridor" for o in sorted(set(lines) - set(ids))
    ]
    problems += [
        f"the id '{i}' stands more than once" for i in sorted({i for i in ids if ids.count(i) > 1})
    ]
    if problems:
        raise ConfigurationError(f"{path}: {'; '.join(problems)}")
    return tuple(corridors)


def _centrelines(features: list[dict[str, Any]], problems: list[str]) -> dict[str, _Line]:
    """Give centrelines by the id of their corridor, with their accuracy where they state it.

    Features without geometry become problems.
    """
    lines: dict[str, _Line] = {}
    for number, feature in enumerate(features, 1):
        owner = (feature.get("properties") or {}).get("of")
        if not _has_shape(feature):
            problems.append(f"feature {number}: it has no geometry")
        elif owner:
            accuracy = feature["properties"].get("accuracy_m")
            try:
                line = shape(feature["geometry"])
            except _MALFORMED as error:
                problems.append(f"feature {number}: {_no_shape(error)}")
                continue
            lines[str(owner)] = (line, accuracy and float(accuracy))
    return lines


def _has_shape(feature: dict[str, Any]) -> bool:
    geometry = feature.get("geometry")
    return isinstance(geometry, dict) and "type" in geometry and "coordinates" in geometry


def _no_shape(error: Exception) -> str:
    return f"its geometry is no shape: {error}"


def _shape_faults(feature: dict[str, Any]) -> list[str]:
    """Say what is wrong with a shape, before anything is drawn around it."""
    try:
        geometry = shape(feature["geometry"])
    except _MALFORMED as error:
        return [_no_shape(error)]
    kind, properties = geometry.geom_type, feature.get("properties") or {}
    faults: list[str] = []
    if kind in _LINES and properties.get("half_width_m") is None:
        faults.append("a line needs half_width_m")
    elif kind == "Point" and properties.get("radius_m") is None:
        faults.append("a point needs radius_m")
    elif kind not in (*_LINES, "Point", "Polygon", "MultiPolygon"):
        faults.append(f"a {kind} is no corridor")
    if geometry.is_empty:
        return [*faults, "its geometry is empty"]
    left, bottom, right, top = geometry.bounds
    if not (-180 <= left <= right <= 180 and -90 <= bottom <= top <= 90):
        faults.append(_OFF_GLOBE)
    elif not geometry.is_valid and kind.endswith("Polygon"):
        faults.append(f"the polygon is invalid: {shapely.is_valid_reason(geometry)}")
    return faults


def _stated_crs(path: Path) -> str:
    """Give the name in a ``crs`` member, as GIS programs of before RFC 7946 write it."""
    crs = json.loads(path.read_text(encoding="utf-8-sig")).get("crs")
    name = (crs.get("properties") or {}).get("name") if isinstance(crs, dict) else None
    return str(name or "")


def _corridor(
    properties: CorridorProperties, feature: dict[str, Any], line: _Line | None
) -> Corridor:
    faults = _shape_faults(feature)
    if faults:
        raise ValueError("; ".join(faults))
    geometry = shape(feature["geometry"])
    centreline, line_accuracy = line or (None, None)
    if geometry.geom_type in _LINES:
        centreline = geometry
        geometry = _buffered(geometry, properties.half_width_m or 0.0)
    elif geometry.geom_type == "Point":
        geometry = _buffered(geometry, properties.radius_m or 0.0)
    return Corridor(
        id=properties.id,
        name_zh=properties.name_zh,
        water=properties.water,
        polygon_wgs84=geometry,
        centreline_wgs84=centreline,
        accuracy_m=properties.accuracy_m,
        provenance=properties.provenance,
        reach_length_m=properties.reach_length_m,
        centreline_accuracy_m=line_accuracy,
        chainage_from_m=properties.chainage_from_m,
        downstream_known=properties.direction == "downstream",
    )


def utm_crs(geometry_wgs84: BaseGeometry) -> str:
    """Give the UTM zone (WGS 84) of a geometry's centroid as an authority string."""
    point = geometry_wgs84.centroid
    zone = int((point.x + 180) // 6) + 1
    return f"EPSG:{(32600 if point.y >= 0 else 32700) + zone}"


def _buffered(geometry: BaseGeometry, metres: float) -> BaseGeometry:
    crs = utm_crs(geometry)
    return reproject(reproject(geometry, "EPSG:4326", crs).buffer(metres), crs, "EPSG:4326")


def reaches_of(corridor: Corridor, crs: str) -> tuple[Reach, ...]:
    """Cut a corridor into stretches that share a water level.

    A river with a centreline is cut every ``reach_length_m`` along it, each place belonging to
    the nearest stretch; anything else is one reach.
    """
    polygon = reproject(corridor.polygon_wgs84, "EPSG:4326", crs)
    if corridor.water != "river" or corridor.centreline_wgs84 is None:
        return (Reach(1, f"{corridor.id}-1", polygon),)
    line = reproject(corridor.centreline_wgs84, "EPSG:4326", crs)
    line = line.intersection(polygon)
    if line.is_empty:
        return (Reach(1, f"{corridor.id}-1", polygon),)
    count = max(1, round(line.length / corridor.reach_length_m))
    if count == 1:
        return (Reach(1, f"{corridor.id}-1", polygon),)
    steps = max(count * 20, int(line.length // 100))
    along = (np.arange(steps) + 0.5) / steps
    points = [line.interpolate(float(at)) for at in along * line.length]
    index = np.minimum((along * count).astype(int), count - 1)
    cells = shapely.get_parts(
        shapely.voronoi_polygons(MultiPoint(points), extend_to=polygon, ordered=True)
    )
    shapes = [shapely.union_all(cells[index == i]).intersection(polygon) for i in range(count)]
    filled = [s for s in shapes if s.area > 0]
    return tuple(Reach(i, f"{corridor.id}-{i}", s) for i, s in enumerate(filled, 1))
