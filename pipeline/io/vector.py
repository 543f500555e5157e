"""Vector files as they are: geometries, columns of text, and what the file says of itself.

Nothing is guessed here. Text without a declared encoding is refused with both readings; a file with
several layers is refused with their names.
"""

from __future__ import annotations

import codecs
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from pipeline.errors import ConfigurationError
from pipeline.io.days import stated_day
from pipeline.io.encodings import decode_columns

FORMATS = {
    ".shp": "ESRI Shapefile",
    ".gpkg": "GPKG",
    ".geojson": "GeoJSON",
    ".json": "GeoJSON",
    ".kml": "KML",
    ".gdb": "OpenFileGDB",
}
_EXACT = 2.0**53  # from here on a float cannot tell a whole number from its neighbour


@dataclass(frozen=True)
class RawLayer:
    """A layer before anything is decided about it."""

    columns: Mapping[str, tuple[str | None, ...]]  # text as it stands; times as the office's days
    geometries: tuple[BaseGeometry | None, ...]  # two-dimensional, in the file's coordinates
    crs: str | None  # WKT or authority string; None where the file has none
    crs_stated: bool  # false where the format implies one (KML, GeoJSON without crs)
    encoding: str
    layer: str
    notes: tuple[str, ...] = field(default=())


def read_vector(path: Path, layer: str | None = None, encoding: str | None = None) -> RawLayer:
    """Read SHP, GPKG, GeoJSON, KML or FileGDB.

    Parameters
    ----------
    layer : str, optional
        Needed where the file has more than one.
    encoding : str, optional
        Needed for a shapefile with text that is not ASCII and without a .cpg file.

    Raises
    ------
    ConfigurationError
        Missing or broken file, unknown format, several layers, undeclared encoding.
    """
    from pipeline.io import ogr  # noqa: PLC0415 - a second GDAL, for who opens a vector file

    kind = FORMATS.get(path.suffix.lower())
    if kind is None:
        known = ", ".join(sorted({*FORMATS, ".csv"}))
        raise ConfigurationError(f"{path} has no format that is known here", f"Known: {known}")
    if not path.exists():
        raise ConfigurationError(f"{path} does not exist", "Check the path")
    name = _choose_layer(path, layer)
    asked = _asked_encoding(path, kind, encoding)
    try:
        # As text, a time keeps its offset from UTC.
        meta, _, wkb, data = ogr.raw.read(
            path, layer=name, encoding=asked.open_as, force_2d=True, datetime_as_string=True
        )
    except (ogr.DataSourceError, ogr.DataLayerError, ogr.FieldError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"{path} cannot be read: {_one_line(error)}",
            "Check that all its files are there and whole (.shp .shx .dbf .prj)",
        ) from error
    names = [str(n) for n in meta["fields"]]
    timed = [np.dtype(str(d)).kind == "M" for d in meta["dtypes"]]
    columns = {
        n: tuple(_day(v) if times else _text(v) for v in values)
        for n, values, times in zip(names, data, timed, strict=True)
    }
    notes: list[str] = []
    if asked.undeclared:
        columns, used = decode_columns(path, columns, encoding, notes)
    else:
        used = str(asked.open_as or meta["encoding"])
    return RawLayer(
        columns=columns,
        geometries=tuple(_geometry(b, path, i) for i, b in enumerate(wkb, 1)),
        crs=meta["crs"],
        crs_stated=_crs_stated(path, kind),
        encoding=used,
        layer=name,
        notes=tuple(notes),
    )


@dataclass(frozen=True, slots=True)
class _Asked:
    open_as: str | None  # encoding handed to the reader
    undeclared: bool  # then every text is Latin-1 and stands for its bytes


def _asked_encoding(path: Path, kind: str, encoding: str | None) -> _Asked:
    if kind != "ESRI Shapefile":
        return _Asked(None, False)
    stated = next(
        (p for p in path.parent.glob(f"{path.stem}.*") if p.suffix.lower() == ".cpg"), None
    )
    if stated is None or encoding is not None:
        return _Asked("ISO-8859-1", True)
    name = stated.read_text(encoding="ascii", errors="replace").strip()
    page = {"936": "gbk", "cp936": "gbk", "65001": "utf-8", "": "utf-8"}.get(name.lower(), name)
    try:
        codecs.lookup(page)
    except LookupError as error:
        raise ConfigurationError(
            f"{stated} names the encoding '{name}', which is not known",
            "Declare --encoding gbk or --encoding utf-8",
        ) from error
    return _Asked(page, False)


def layer_names(path: Path) -> list[str]:
    """Give the names of the layers of a file, as they stand there.

    Raises
    ------
    ConfigurationError
        It cannot be opened.
    """
    from pipeline.io import ogr  # noqa: PLC0415 - a second GDAL, for who opens a vector file

    try:
        return [str(n) for n in ogr.list_layers(path)[:, 0]]
    except (ogr.DataSourceError, ogr.DataLayerError) as error:
        raise ConfigurationError(
            f"{path} cannot be opened: {_one_line(error)}",
            "Check that it is whole and is what its name says",
        ) from error


def _choose_layer(path: Path, layer: str | None) -> str:
    names = layer_names(path)
    if layer is not None and layer not in names:
        raise ConfigurationError(f"{path} has no layer '{layer}'", f"It has: {', '.join(names)}")
    if layer is None and len(names) != 1:
        raise ConfigurationError(
            f"{path} has {len(names)} layers", f"Add --layer with one of: {', '.join(names)}"
        )
    return layer or names[0]


def _crs_stated(path: Path, kind: str) -> bool:
    """Tell whether the CRS is the file's own word; KML and GeoJSON without ``crs`` imply one."""
    if kind == "KML":
        return False
    if kind != "GeoJSON":
        return True
    try:
        return "crs" in json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError):
        return True


def _geometry(blob: Any, path: Path, number: int) -> BaseGeometry | None:
    if blob is None:
        return None
    try:
        return shapely.from_wkb(blob)
    except shapely.errors.GEOSException as error:
        raise ConfigurationError(
            f"{path}: feature {number} has a geometry that cannot be read ({_one_line(error)})",
            "Redraw it, or convert curves to lines, in a GIS",
        ) from error


def _text(value: Any) -> str | None:
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return None
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        # Whoever reads a number of this form knows that its last digits are lost.
        return str(int(value)) if abs(value) < _EXACT else f"{float(value):E}"
    text = str(value).strip().strip("\x00")
    return text or None


def _day(value: Any) -> str | None:
    """Give the office's day of a time, in ISO form."""
    text = _text(value)
    day = stated_day(text) if text else None
    return day.isoformat() if day else text and text[:10]


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200].rstrip(".")


def as_column(values: Sequence[str | None]) -> NDArray[np.object_]:
    """Give a column of text as pyogrio writes it."""
    return np.array(list(values), dtype=object)


def sha256_of(path: Path) -> str:
    """Hash a file, or all files of a folder such as a FileGDB, and a shapefile's table with it."""
    digest = hashlib.sha256()
    parts = [path]
    if path.is_dir():
        parts = sorted(p for p in path.rglob("*") if p.is_file() and p.suffix != ".lock")
    elif path.suffix.lower() == ".shp":
        wanted = {".shp", ".dbf", ".prj", ".cpg"}
        parts = sorted(p for p in path.parent.glob(f"{path.stem}.*") if p.suffix.lower() in wanted)
    for part in parts:
        digest.update(part.read_bytes())
    return digest.hexdigest()
