"""``siluan corridor add``: a line with a width, a polygon, or a polygon's centreline."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import shapely
from shapely.geometry.base import BaseGeometry

from pipeline.errors import ConfigurationError
from pipeline.io.datum import Datum, unshift
from pipeline.io.encodings import UNREAD
from pipeline.io.vector import read_vector
from pipeline.office.corridor_file import (
    check_words,
    content_of,
    corridors_file,
    features_of,
    put,
    rounded,
)
from pipeline.office.evidence import observed
from pipeline.office.offset import check_position
from pipeline.office.reference import Stated, resolve_crs, to_layer_crs
from pipeline.office.repair import polygons_of


@dataclass(frozen=True)
class AddRequest:
    """What ``siluan corridor add`` was told."""

    file: Path
    id: str
    datum: Datum
    config: Path = Path("config")
    name: str | None = None
    water: str | None = None
    width_m: float | None = None
    accuracy_m: float | None = None
    crs: str | None = None
    layer: str | None = None
    chainage_from_m: float | None = None
    reverse: bool = False
    replace: bool = False
    accept_offset: str | None = None


def add_corridor(request: AddRequest) -> list[str]:
    """Add a line with a width, a polygon, or the centreline of a polygon that is there.

    Raises
    ------
    ConfigurationError
        One sentence with the remedy; the file stays as it was.
    """
    check_words(request.id, request.water, "--water")
    geometry = _geometry(request)
    is_line = geometry.geom_type == "LineString"
    content = content_of(corridors_file(request.config))
    old = features_of(content, request.id)
    if is_line and request.width_m is None:
        features = [*_as_centreline(request, old, geometry)]
    else:
        features = [_feature(request, old, geometry, is_line=is_line)]
        # A polygon keeps the centreline that it has; a line brings its own.
        features += [] if is_line else [f for f in old if f["properties"].get("of")]
    return put(request.config, content, request.id, features, replace=request.replace)


def _geometry(request: AddRequest) -> BaseGeometry:
    """Read one line or one area in EPSG:4490, its position checked."""
    raw = read_vector(request.file, request.layer, UNREAD)
    found = [g for g in raw.geometries if g is not None and not g.is_empty]
    stated = Stated(
        request.file, request.datum, raw.crs, raw.crs_stated, request.crs, swap_xy=False
    )
    crs = resolve_crs(stated, found)
    lonlat = [to_layer_crs(g, crs, Datum.CGCS2000) for g in found]
    dimensions = {int(shapely.get_dimensions(g)) for g in lonlat}
    if dimensions not in ({1}, {2}):
        raise ConfigurationError(
            f"{request.file} holds neither one line nor areas only",
            "Give a file with the centreline alone, or with the polygon alone",
        )
    _check_place(request, lonlat, areal=dimensions == {2})
    placed = [unshift(g, request.datum) for g in lonlat]
    if dimensions == {2}:
        return polygons_of(shapely.union_all([shapely.make_valid(g) for g in placed]))
    line = shapely.line_merge(shapely.union_all(placed))
    if line.geom_type != "LineString":
        count = len(shapely.get_parts(line))
        raise ConfigurationError(
            f"{request.file} holds {count} lines that do not join",
            "Join them to one line that runs downstream, in a GIS",
        )
    # Merging may turn a line round: the order of the first feature counts.
    first = shapely.get_parts(placed[0])[0]
    ahead = line.project(shapely.Point(first.coords[-1]), normalized=True)
    behind = line.project(shapely.Point(first.coords[0]), normalized=True)
    return line.reverse() if (ahead < behind) != request.reverse else line


def _check_place(request: AddRequest, lonlat: list[BaseGeometry], *, areal: bool) -> None:
    known = observed(request.config, "hold" if areal else "follow")
    check = check_position(lonlat, request.datum, known)
    if check.position == "shifted" and check.fits and not request.accept_offset:
        raise ConfigurationError(
            f"{request.file} is declared {request.datum.value}, but {check}",
            f"Declare --datum {check.fits.value} if that is true; if the file is right after all, "
            "add --accept-offset NAME of whoever answers for it",
        )


def _feature(
    request: AddRequest, old: list[dict[str, Any]], geometry: BaseGeometry, *, is_line: bool
) -> dict[str, Any]:
    before = next((f["properties"] for f in old if not f["properties"].get("of")), {})
    given: dict[str, Any] = {
        "name_zh": request.name or before.get("name_zh"),
        "water": request.water or before.get("water"),
        "accuracy_m": request.accuracy_m,
    }
    missing = [option for option, key in _OPTIONS.items() if given[key] is None]
    if missing:
        raise ConfigurationError(
            f"the corridor {request.id} is new and needs {', '.join(missing)}",
            "Add them; the accuracy is what whoever drew it vouches for, in metres",
        )
    if not is_line and request.width_m is not None:
        raise ConfigurationError(
            f"{request.file} is an area and has its own width", "Leave --width out"
        )
    extra: dict[str, Any] = {}
    if is_line and request.width_m is not None:
        extra["half_width_m"] = request.width_m / 2
    if request.chainage_from_m is not None:
        extra["chainage_from_m"] = request.chainage_from_m
    return {
        "type": "Feature",
        "properties": {
            "id": request.id,
            **given,
            **extra,
            "reach_length_m": before.get("reach_length_m", 5000),
            "legal": False,
            "provenance": _provenance(request),
        },
        "geometry": rounded(geometry),
    }


_OPTIONS = {"--name": "name_zh", "--water": "water", "--accuracy": "accuracy_m"}


def _as_centreline(
    request: AddRequest, old: list[dict[str, Any]], line: BaseGeometry
) -> list[dict[str, Any]]:
    """Give the corridor's polygon as it was, with a new centreline."""
    areas = [f for f in old if f["geometry"]["type"] in ("Polygon", "MultiPolygon")]
    if not areas:
        raise ConfigurationError(
            f"{request.file} is a line and {request.id} has no polygon that it could run through",
            "Add --width METRES, from bank to bank and what lies beside it",
        )
    more = {} if request.chainage_from_m is None else {"chainage_from_m": request.chainage_from_m}
    areas = [
        {**a, "properties": {**a["properties"], **more, "direction": "downstream"}} for a in areas
    ]
    accuracy = {} if request.accuracy_m is None else {"accuracy_m": request.accuracy_m}
    properties = {"of": request.id, **accuracy, "provenance": _provenance(request)}
    return [*areas, {"type": "Feature", "properties": properties, "geometry": rounded(line)}]


def _provenance(request: AddRequest) -> str:
    accepted = f"; offset accepted by {request.accept_offset}" if request.accept_offset else ""
    return f"working geometry from {request.file.name}, datum {request.datum.value}{accepted}"
