"""What an office has against which the position of a new layer can be held."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from pipeline.errors import ConfigurationError
from pipeline.io.corridors import load_corridors
from pipeline.io.encodings import UNREAD
from pipeline.io.layers import load_layer
from pipeline.io.occurrence import read_occurrence
from pipeline.io.vector import read_vector
from pipeline.model import Corridor
from pipeline.office.kinds import KindSpec, LayerKind
from pipeline.office.offset import Measure, Reference
from pipeline.office.water import axis_points, shore_points

MAX_ACCURACY_M = 2000.0  # a sketch that is worse says nothing of a shift of 660 m
_STEP_DEG = 0.0005  # between points on a line
_OBSERVED_M = 30.0
_IMPORTED_M = 50.0
# Whose outlines an outline of this kind shares.
_NEIGHBOURS = {
    LayerKind.COUNTIES: (LayerKind.COUNTIES, LayerKind.TOWNSHIPS),
    LayerKind.TOWNSHIPS: (LayerKind.TOWNSHIPS, LayerKind.COUNTIES),
    LayerKind.BOUNDARY: (LayerKind.BOUNDARY,),
    LayerKind.ZONES: (LayerKind.ZONES, LayerKind.BOUNDARY),
}


def office_corridors(config: Path) -> tuple[Corridor, ...]:
    """Give the office's corridors; none where it has no file of them."""
    path = config / "corridors.geojson"
    return load_corridors(path) if path.exists() else ()


def references(
    config: Path, spec: KindSpec, source: str, water: Sequence[Path], known: Path | None
) -> list[Reference]:
    """Collect references for a layer of a kind.

    Parameters
    ----------
    config : Path
        The office's folder: corridors, imported layers, ``water/*.tif``.
    source : str
        Name of the part that is imported; it is never held against itself.
    water : sequence of Path
        Further occurrence rasters.
    known : Path, optional
        A file (WGS 84 or CGCS2000, degrees) whose lines or outlines the layer should follow.
    """
    measure: Measure = "hold" if spec.place == "hold" else "follow"
    found: list[Reference] = []
    if known is not None:
        found.append(_known(known))
    if spec.place != "none":
        rasters = [*sorted((config / "water").glob("*.tif")), *water]
        found += [_observed(path, spec.place == "shore", measure) for path in rasters]
        found += _imported(config, spec, source)
    if spec.place in ("hold", "follow"):
        found += [
            Reference(f"the centreline of {c.id} ({c.name_zh})", _exact(c), points, measure)
            for c in office_corridors(config)
            if c.centreline_wgs84 is not None and _exact(c) <= MAX_ACCURACY_M
            if len(points := _points([c.centreline_wgs84]))
        ]
    return found


def _exact(corridor: Corridor) -> float:
    return corridor.centreline_accuracy_m or corridor.accuracy_m


def observed(config: Path, measure: Measure) -> list[Reference]:
    """Give the water observed in the office's rasters alone."""
    return [_observed(p, False, measure) for p in sorted((config / "water").glob("*.tif"))]


def _observed(path: Path, shore: bool, measure: Measure) -> Reference:
    occurrence, grid = read_occurrence(path)
    points = (shore_points if shore else axis_points)(occurrence, grid)
    return Reference(f"the water observed in {path.name}", _OBSERVED_M, points, measure)


def _imported(config: Path, spec: KindSpec, source: str) -> list[Reference]:
    found: list[Reference] = []
    for kind in _NEIGHBOURS.get(spec.kind, ()):
        layer = load_layer(config / "layers", kind.value)
        if layer is None:
            continue
        good = {
            s.source
            for s in layer.record.sources
            if s.position.position == "agrees" and (kind is not spec.kind or s.source != source)
        }
        shapes = [f.geometry for f in layer.features if f.source in good]
        if shapes:
            name = f"the imported {kind.value}"
            found.append(Reference(name, _IMPORTED_M, _points(shapes), "follow"))
    return found


def _known(path: Path) -> Reference:
    layer = read_vector(path, encoding=UNREAD)
    shapes = [g for g in layer.geometries if g is not None]
    points = _points(shapes)
    if len(points) == 0 or np.abs(points).max() > 180:
        raise ConfigurationError(
            f"the reference {path} has no lines or outlines in degrees",
            "Give one in WGS 84 or CGCS2000 degrees",
        )
    return Reference(path.name, _IMPORTED_M, points, "follow")


def _points(shapes: Sequence[BaseGeometry]) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    lines = [g if shapely.get_dimensions(g) == 1 else shapely.boundary(g) for g in shapes]
    return shapely.get_coordinates([shapely.segmentize(k, _STEP_DEG) for k in lines])
