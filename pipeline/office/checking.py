"""``siluan layers check``: reads the boundary and observed water, and writes what is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shapely.geometry import mapping

from pipeline.errors import ConfigurationError
from pipeline.io.atomic import write_bytes
from pipeline.io.layers import load_layer
from pipeline.io.occurrence import read_occurrence
from pipeline.office.defects import Defect, against_water, crossings
from pipeline.publish.contract import check
from pipeline.publish.geojson import SCHEMA_VERSION, feature_collection, to_bytes
from pipeline.publish.geometry import DECIMALS, bbox, to_wgs84

NAME = "boundary_defects.geojson"


@dataclass(frozen=True)
class CheckRequest:
    """What the command was given."""

    config: Path
    out: Path
    water: Sequence[Path] = ()  # rasters of occurrence; none: all of config/water


def check_boundary(request: CheckRequest) -> list[str]:
    """Hold the boundary against observed water; write ``boundary_defects.geojson``, give lines.

    Raises
    ------
    ConfigurationError
        No boundary was imported, or no water was observed.
    """
    layer = load_layer(request.config / "layers", "boundary")
    if layer is None:
        raise ConfigurationError(
            "no boundary was imported, so there is nothing to check",
            "Import one: siluan layers import FILE --as boundary --datum cgcs2000",
        )
    rasters = tuple(request.water) or tuple(sorted((request.config / "water").glob("*.tif")))
    if not rasters:
        raise ConfigurationError(
            f"no water was observed yet: {request.config / 'water'} holds no raster",
            "Derive one: siluan corridor derive ID --workflow W, or give --water FILE",
        )
    found = [d for s in layer.record.sources for d in crossings(s.source, s.repaired)]
    parts = [f.geometry for f in layer.features]
    lines: list[str] = []
    for path in rasters:
        own = against_water(parts, *read_occurrence(path))
        lines.append(f"{path.name}: {len(own)} defect(s)")
        found += own
    features = [_feature(d, n, layer.record.revision) for n, d in enumerate(found, 1)]
    collection = feature_collection(features)
    check("boundary_defects", collection)
    write_bytes(request.out / NAME, to_bytes(collection))
    lines += [f"{d.code}: {d.text}" for d in found]
    lines.append(
        f"{len(found)} defect(s) of the boundary, the layer is as it was; {request.out / NAME}"
    )
    return lines


def _feature(defect: Defect, number: int, revision: int) -> dict[str, Any]:
    at = defect.geometry_wgs84
    shown = at if at.geom_type == "Point" else to_wgs84(at, "EPSG:4326")
    name = f"{defect.code}-{number:04d}"
    return {
        "type": "Feature",
        "id": name,
        "bbox": bbox([shown]),
        "geometry": _rounded(mapping(shown)),
        "properties": {
            "defect_id": name,
            "code": defect.code,
            "text": defect.text,
            "area_m2": defect.area_m2,
            "outside_share": defect.outside_share,
            "shift_east_m": None if defect.shift_m is None else defect.shift_m[0],
            "shift_north_m": None if defect.shift_m is None else defect.shift_m[1],
            "layer_revision": revision,
            "schema_version": SCHEMA_VERSION,
        },
    }


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _rounded(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(v) for v in value]
    return round(value, DECIMALS) if isinstance(value, float) else value
