"""A GeoPackage that opens styled in QGIS, with the same bytes for the same content.

OGC 12-128r14 (GeoPackage 1.2, which QGIS and ArcGIS of 2018 read). QGIS keeps styles in the table
``layer_styles``; the one with ``useAsDefault`` is applied when a layer is opened.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import shapely
from shapely.geometry import MultiPolygon

from pipeline.io import ogr
from pipeline.publish.gis.qml import qml
from pipeline.publish.gis.table import GisLayer, cells

KEY = "siluan"
"""Of the metadata that says what the layers held when they were written."""

_STYLES = "layer_styles"


def geopackage(layers: Sequence[GisLayer], crs: str, stamp: datetime) -> bytes:
    """Write layers with their styles.

    Parameters
    ----------
    layers : sequence of GisLayer
        Coordinates in lon/lat.
    crs : str
        What they are said to be in: EPSG:4490, or EPSG:4326.
    stamp : datetime
        What the file says of when it was changed, with zone: of the content and not of the clock,
        so that the same content gives the same bytes (with the same GDAL).
    """
    with TemporaryDirectory() as scratch, _Clock(stamp):
        path = Path(scratch) / "layers.gpkg"
        marks = {layer.name: _digest(layer) for layer in layers}
        for layer in layers:
            _write(path, layer, crs, {KEY: json.dumps(marks)})
        _write_styles(path, layers, stamp)
        return path.read_bytes()


def was_edited(path: Path) -> bool:
    """Tell whether the layers of a file hold anything else than what was written into it.

    A GIS that only opens a file changes its bytes; so layers are compared, and not bytes.
    """
    try:
        written = json.loads((ogr.read_info(path, layer=0)["dataset_metadata"] or {})[KEY])
        names = {str(n) for n in ogr.list_layers(path)[:, 0]} - {_STYLES}
        return names != set(written) or any(_read_digest(path, n) != written[n] for n in names)
    except (ogr.DataSourceError, ogr.DataLayerError, KeyError, ValueError):
        return True  # it cannot be told: then nothing of it may be lost


class _Clock:
    """Let GDAL take a moment for now, and wait for no disk: the file is read back at once."""

    def __init__(self, stamp: datetime) -> None:
        now = f"{stamp:%Y-%m-%dT%H:%M:%S}.000Z"
        self._own = {"OGR_CURRENT_DATE": now, "OGR_SQLITE_SYNCHRONOUS": "OFF"}

    def __enter__(self) -> None:
        self._before = {name: ogr.get_gdal_config_option(name) for name in self._own}
        ogr.set_gdal_config_options(self._own)

    def __exit__(self, *_: object) -> None:
        ogr.set_gdal_config_options(self._before)


def _write(path: Path, layer: GisLayer, crs: str, metadata: dict[str, str]) -> None:
    new = not path.exists()
    ogr.raw.write(
        path,
        geometry=np.array([shapely.to_wkb(_multi(g)) for g in layer.shapes], dtype=object),
        field_data=[cells(layer, c) for c in layer.columns],
        fields=np.array([c.name for c in layer.columns], dtype=object),
        geometry_type="MultiPolygon",
        crs=crs,
        layer=layer.name,
        driver="GPKG",
        append=not new,
        dataset_metadata=metadata if new else None,
        dataset_options={"VERSION": "1.2"} if new else {},
        layer_options={"GEOMETRY_NAME": "geom", "IDENTIFIER": layer.zh},
    )


def _write_styles(path: Path, layers: Sequence[GisLayer], stamp: datetime) -> None:
    """Write QGIS's table of styles: one per layer, applied when it is opened."""
    many = len(layers)
    text = {
        "f_table_catalog": [""] * many,
        "f_table_schema": [""] * many,
        "f_table_name": [layer.name for layer in layers],
        "f_geometry_column": ["geom"] * many,
        "styleName": [layer.zh for layer in layers],
        "styleQML": [qml(layer) for layer in layers],
        "styleSLD": [""] * many,
        "description": [layer.zh for layer in layers],
        "owner": [""] * many,
        "ui": [None] * many,
    }
    columns: dict[str, Any] = {k: np.array(v, dtype=object) for k, v in text.items()}
    columns["useAsDefault"] = np.ones(many, dtype=bool)
    columns["update_time"] = np.full(many, np.datetime64(stamp.replace(tzinfo=None), "ms"))
    ogr.raw.write(
        path,
        geometry=None,
        field_data=[*columns.values()],
        fields=np.array([*columns], dtype=object),
        geometry_type=None,
        layer=_STYLES,
        driver="GPKG",
        append=True,
        layer_options={"FID": "id"},
    )


def _multi(shape: Any) -> Any:
    return shape if isinstance(shape, MultiPolygon) else MultiPolygon([shape])


def _digest(layer: GisLayer) -> str:
    columns = {c.name: cells(layer, c) for c in layer.columns}
    return _hash(columns, [shapely.to_wkb(_multi(g)) for g in layer.shapes])


def _read_digest(path: Path, name: str) -> str:
    meta, _, wkb, data = ogr.raw.read(path, layer=name)
    return _hash(dict(zip(map(str, meta["fields"]), data, strict=True)), wkb)


def _hash(columns: dict[str, Any], shapes: Any) -> str:
    """Hash names, values and outlines; numbers by their value, whatever type they came back in."""
    digest = hashlib.sha256()
    for name, values in sorted(columns.items()):
        digest.update(repr((name, [_plain(v) for v in values])).encode())
    for shape in shapes:
        digest.update(b"" if shape is None else shapely.to_wkb(shapely.from_wkb(shape)))
    return digest.hexdigest()


def _plain(value: Any) -> Any:
    if value is None or value != value:  # noqa: PLR0124 - NaN and NaT are not themselves
        return None
    if isinstance(value, np.datetime64):
        return str(value)[:10]
    return float(value) if isinstance(value, (int, float, np.number)) else str(value)
