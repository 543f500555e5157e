"""The office's layers as they are kept: one GeoPackage per kind, in EPSG:4490, with its record.

The record (where each part came from, what was declared, what was repaired, how its position was
checked) lies inside the GeoPackage as metadata, so that file and record cannot part.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import shapely
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from shapely.geometry.base import BaseGeometry

from pipeline.errors import ConfigurationError
from pipeline.io.atomic import write_bytes
from pipeline.io.vector import as_column
from pipeline.model import LayerArea

LAYER_CRS = "EPSG:4490"
_KEY = "siluan"
_STRICT = ConfigDict(frozen=True, extra="forbid")


class PositionRecord(BaseModel):
    """How the position of a part was checked."""

    model_config = _STRICT

    position: Literal["agrees", "accepted", "unverified"]
    detail: str
    accepted_by: str | None = None


class SourceRecord(BaseModel):
    """Where a part of a layer came from."""

    model_config = _STRICT

    source: str = Field(description="name of the part; an import replaces the part of its name")
    file: str
    sha256: str
    datum: str
    crs: str
    encoding: str
    layer: str
    mapping: dict[str, str]
    imported_on: str = Field(description="UTC, to the second")
    features: int
    repaired: tuple[str, ...] = ()
    set_aside: tuple[str, ...] = ()
    position: PositionRecord
    revision: int = Field(description="of the layer when this part was imported")

    def same_as(self, other: SourceRecord) -> bool:
        """Tell whether nothing but the time of the import differs."""
        ignored = {"imported_on", "revision"}
        return self.model_dump(exclude=ignored) == other.model_dump(exclude=ignored)


class LayerRecord(BaseModel):
    """What a layer says of itself."""

    model_config = _STRICT

    kind: str
    revision: int
    sources: tuple[SourceRecord, ...]


@dataclass(frozen=True)
class LayerFeature:
    """One feature of a layer; geometry in EPSG:4490, lon/lat."""

    geometry: BaseGeometry
    source: str
    fields: Mapping[str, str | None]


@dataclass(frozen=True)
class OfficeLayer:
    """A layer with its record."""

    record: LayerRecord
    features: tuple[LayerFeature, ...]

    @property
    def fingerprint(self) -> str:
        """SHA-256 of what the layer says; the time of an import is not in it."""
        digest = hashlib.sha256(self.record.kind.encode())
        for f in self.features:
            digest.update(shapely.to_wkb(f.geometry, byte_order=1))
            digest.update(repr(sorted(f.fields.items())).encode())
        for s in self.record.sources:
            digest.update(f"{s.position.position}{s.position.accepted_by or ''}".encode())
        return digest.hexdigest()[:16]


def layer_path(folder: Path, kind: str) -> Path:
    """Give the file of a kind."""
    return folder / f"{kind}.gpkg"


def load_layer(folder: Path, kind: str) -> OfficeLayer | None:
    """Read a layer; None if it was not imported.

    Raises
    ------
    ConfigurationError
        The file is damaged or was not written by an import.
    """
    path = layer_path(folder, kind)
    if not path.exists():
        return None
    from pipeline.io import ogr  # noqa: PLC0415 - a second GDAL, for who opens a vector file

    try:
        info = ogr.read_info(path)
        record = LayerRecord.model_validate_json((info["dataset_metadata"] or {})[_KEY])
        meta, _, wkb, data = ogr.raw.read(path)
    except (ogr.DataSourceError, ogr.DataLayerError, KeyError, ValidationError) as error:
        raise ConfigurationError(
            f"{path} is damaged, or was not written by 'siluan layers import'",
            f"Move it away and import the {kind} again",
        ) from error
    names = [str(n) for n in meta["fields"]]
    rows = [dict(zip(names, values, strict=True)) for values in zip(*data, strict=True)]
    features = [
        LayerFeature(shapely.from_wkb(blob), str(row.pop("source")), row)
        for blob, row in zip(wkb, rows, strict=True)
    ]
    return OfficeLayer(record, tuple(features))


def load_layers(folder: Path) -> dict[str, OfficeLayer]:
    """Read all layers of a folder, by kind; none if there is no folder."""
    kinds = sorted(p.stem for p in folder.glob("*.gpkg")) if folder.is_dir() else []
    found = {kind: load_layer(folder, kind) for kind in kinds}
    return {kind: layer for kind, layer in found.items() if layer is not None}


def areas_of(layers: Mapping[str, OfficeLayer]) -> dict[str, list[LayerArea]]:
    """Give layers as adjudication wants them; a position that was not checked is not verified."""
    found: dict[str, list[LayerArea]] = {}
    for kind, layer in layers.items():
        good = {s.source for s in layer.record.sources if s.position.position == "agrees"}
        by = {s.source: s.position.accepted_by for s in layer.record.sources}
        found[kind] = [
            LayerArea(f.geometry, f.fields, f.source in good, by.get(f.source))
            for f in layer.features
        ]
    return found


def save_layer(folder: Path, layer: OfficeLayer, names: Sequence[str]) -> Path:
    """Write a layer, whole or not at all.

    Parameters
    ----------
    names : sequence of str
        Fields, in order; ``source`` is added.
    """
    from pipeline.io import ogr  # noqa: PLC0415 - a second GDAL, for who opens a vector file

    columns = [as_column([f.fields.get(n) for f in layer.features]) for n in names]
    columns.append(as_column([f.source for f in layer.features]))
    dimensions = {int(shapely.get_dimensions(f.geometry)) for f in layer.features}
    areal = dimensions == {2}
    buffer = io.BytesIO()
    ogr.raw.write(
        buffer,
        geometry=np.array([shapely.to_wkb(f.geometry) for f in layer.features], dtype=object),
        field_data=columns,
        fields=np.array([*names, "source"], dtype=object),
        geometry_type="MultiPolygon" if areal else "Unknown",
        promote_to_multi=areal,
        crs=LAYER_CRS,
        layer=layer.record.kind.replace("-", "_"),
        driver="GPKG",
        dataset_metadata={_KEY: layer.record.model_dump_json()},
    )
    path = layer_path(folder, layer.record.kind)
    write_bytes(path, buffer.getvalue())
    return path
