"""Corridors derived from observed water: proposed to an analyst, and accepted by one."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shapely.geometry.base import BaseGeometry

from pipeline.errors import ConfigurationError
from pipeline.grid import reproject
from pipeline.io.atomic import write_if_changed
from pipeline.io.corridors import load_corridors
from pipeline.io.occurrence import read_occurrence
from pipeline.model import Corridor
from pipeline.office.corridor_file import (
    check_words,
    content_of,
    corridors_file,
    new_store_line,
    put,
    rounded,
    to_bytes,
)
from pipeline.office.derive import DeriveOptions, derive, orient


@dataclass(frozen=True)
class DeriveRequest:
    """What ``siluan corridor derive`` was told."""

    id: str
    water: Path  # occurrence raster
    config: Path = Path("config")
    name: str | None = None
    kind: str | None = None  # river | reservoir
    upstream: tuple[float, float] | None = None
    options: DeriveOptions = field(default_factory=DeriveOptions)


def check_named(
    config: Path, id_: str, name: str | None, kind: str | None
) -> tuple[Corridor | None, str, str]:
    """Give the corridor of today, and name and kind of water of what is to be derived.

    Raises
    ------
    ConfigurationError
        A new corridor without name or kind, or a word that is none.
    """
    check_words(id_, kind, "--water-kind")
    path = corridors_file(config)
    known = {c.id: c for c in load_corridors(path)} if path.exists() else {}
    old = known.get(id_)
    own, water = name or (old and old.name_zh), kind or (old and old.water)
    if not own or not water:
        raise ConfigurationError(
            f"the corridor {id_} is new and needs --name and --water-kind",
            "Add them, such as --name 渌水 --water-kind river",
        )
    return old, own, water


def propose(request: DeriveRequest) -> list[str]:
    """Derive a working corridor from observed water and leave it as a proposal.

    Raises
    ------
    ConfigurationError
        A new corridor without name or kind, a raster in degrees, no water.
    """
    old, name, kind = check_named(request.config, request.id, request.name, request.kind)
    occurrence, grid = read_occurrence(request.water)
    if not grid.crs.startswith("EPSG:") or abs(grid.transform.a) < 0.5:
        raise ConfigurationError(
            f"{request.water} is not in metres", "Warp it to a metric grid such as EPSG:4547"
        )
    found = derive(occurrence, grid, request.options, river=kind == "river")
    base = {
        "id": request.id,
        "name_zh": name,
        "water": kind,
        "accuracy_m": found.accuracy_m,
        "reach_length_m": old.reach_length_m if old else 5000,
        "legal": False,
        "provenance": f"working geometry derived from {request.water.name}: {found.rule}",
    }
    lines = [f"rule: {found.rule}"]
    area = reproject(found.polygon, grid.crs, "EPSG:4490")
    features: list[dict[str, Any]] = []
    if found.centreline is not None:
        line, sure = orient(found.centreline, request.upstream, _line_of(old), grid.crs)
        base["direction"] = "downstream" if sure else "unknown"
        lines.append(
            f"centreline {line.length / 1000:.1f} km, "
            + ("runs downstream" if sure else "direction unknown: add --upstream LON,LAT")
        )
        moved = reproject(line, grid.crs, "EPSG:4490")
        properties = {
            "of": request.id,
            "accuracy_m": found.line_accuracy_m,
            "provenance": base["provenance"],
        }
        features.append({"type": "Feature", "properties": properties, "geometry": rounded(moved)})
    features.insert(0, {"type": "Feature", "properties": base, "geometry": rounded(area)})
    target = proposal_path(request.config, request.id)
    write_if_changed(target, to_bytes({"type": "FeatureCollection", "features": features}))
    load_corridors(target)
    lines.append(f"proposed in {target}: look at it in a GIS, correct it there if need be, then")
    where = "" if request.config == Path("config") else f" --config {request.config}"
    lines.append(f"siluan corridor accept {request.id} --by NAME{where}")
    return [*lines, *([new_store_line(request.id)] if old else [])]


def _line_of(corridor: Corridor | None) -> BaseGeometry | None:
    if corridor is None or not corridor.downstream_known:
        return None
    return corridor.centreline_wgs84


def proposal_path(config: Path, name: str) -> Path:
    """Give the file of a proposal."""
    return config / "proposals" / f"{name}.geojson"


def accept(config: Path, name: str, by: str) -> list[str]:
    """Take a proposal into the corridors file, with the name of whoever accepted it.

    Raises
    ------
    ConfigurationError
        There is no such proposal, or it was edited into something that is no corridor.
    """
    path = proposal_path(config, name)
    if not path.exists():
        waiting = sorted(p.stem for p in path.parent.glob("*.geojson"))
        raise ConfigurationError(
            f"there is no proposal {name}", f"Waiting: {', '.join(waiting) or 'none'}"
        )
    if [c.id for c in load_corridors(path)] != [name]:
        raise ConfigurationError(
            f"{path} does not hold the corridor {name} alone", "Derive it again"
        )
    features: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8-sig"))["features"]
    for feature in features:
        feature["properties"]["accepted_by"] = by
    lines = put(config, content_of(corridors_file(config)), name, features, replace=True)
    path.unlink()
    return lines
