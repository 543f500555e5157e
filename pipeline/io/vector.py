"""Vector files as they are: geometries, columns of text, and what the file says of itself.

Nothing is guessed here. Text without a declared encoding is refused with both readings; a file with
several layers is refused with their names.
"""

from __future__ import annotations

import codecs
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

FORMATS = {
    ".shp": "ESRI Shapefile",
    ".gpkg": "GPKG",
    ".geojson": "GeoJSON",
    ".json": "GeoJSON",
    ".kml": "KML",
    ".gdb": "OpenFileGDB",
}
ENCODINGS = ("gbk", "utf-8")
UNREAD = "latin-1"  # for a file whose text is not looked at: nothing can fail
_SHOWN = 3


@dataclass(frozen=True)
class RawLayer:
    """A layer before anything is decided about it."""

    columns: Mapping[str, tuple[str | None, ...]]  # text as it stands; dates in ISO form
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
        meta, _, wkb, data = ogr.raw.read(path, layer=name, encoding=asked.open_as, force_2d=True)
    except (ogr.DataSourceError, ogr.DataLayerError, ogr.FieldError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"{path} cannot be read: {_one_line(error)}",
            "Check that all its files are there and whole (.shp .shx .dbf .prj)",
        ) from error
    names = [str(n) for n in meta["fields"]]
    columns = {n: tuple(_text(v) for v in values) for n, values in zip(names, data, strict=True)}
    notes: list[str] = []
    if asked.undeclared:
        columns, used = _decoded(path, columns, encoding, notes)
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


def read_text(path: Path, encoding: str | None) -> tuple[str, str]:
    """Read a text file whose encoding may have to be asked for; give (text, encoding).

    Raises
    ------
    ConfigurationError
        Not plain ASCII, no byte order mark and no declared encoding, or a wrong one.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be read: {error.strerror}", "Check the path"
        ) from error
    if data.startswith(codecs.BOM_UTF8):
        return data.decode("utf-8-sig"), "utf-8"
    if encoding is None:
        if data.isascii():
            return data.decode("ascii"), "ascii"
        line = next(k for k in data.splitlines() if not k.isascii())
        raise _ask_encoding(path, {"first line": line})
    try:
        return data.decode(encoding), encoding
    except (UnicodeDecodeError, LookupError) as error:
        raise ConfigurationError(
            f"{path} is not {encoding}: {_one_line(error)}",
            f"Declare one of {', '.join(ENCODINGS)}",
        ) from error


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


def _decoded(
    path: Path,
    columns: Mapping[str, tuple[str | None, ...]],
    encoding: str | None,
    notes: list[str],
) -> tuple[dict[str, tuple[str | None, ...]], str]:
    """Decode texts that stand for their bytes."""
    pool: dict[str, bytes] = {}
    for name, values in columns.items():
        for value in (name, *values):
            if value is not None and not value.isascii() and name not in pool:
                pool[name] = value.encode("latin-1")
    if not pool:
        return dict(columns), encoding or "ascii"
    if encoding is None:
        raise _ask_encoding(path, pool)
    reader = _Decoder(encoding)
    out = {str(reader(n)): tuple(reader(v) for v in vs) for n, vs in columns.items()}
    if reader.wrong:
        raise ConfigurationError(
            f"{path} has {len(reader.wrong)} values that are not {encoding}, such as "
            f"{', '.join(reader.wrong[:_SHOWN])}",
            f"Declare another of {', '.join(ENCODINGS)}",
        )
    if reader.cut:
        notes.append(
            f"{reader.cut} values were cut in the middle of a character by the field's width"
        )
    return out, encoding


class _Decoder:
    """Text from Latin-1 that stands for bytes of an encoding; counts what does not fit."""

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding
        self.wrong: list[str] = []
        self.cut = 0

    def __call__(self, value: str | None) -> str | None:
        if value is None or value.isascii():
            return value
        data = value.encode("latin-1")
        try:
            text = codecs.getincrementaldecoder(self._encoding)().decode(data, final=False)
        except UnicodeDecodeError:
            self.wrong.append(repr(data[:20]))
            return None
        # A DBF field ends where its width ends, in the middle of a character too.
        self.cut += len(data) != len(text.encode(self._encoding))
        return text


def _ask_encoding(path: Path, samples: Mapping[str, bytes]) -> ConfigurationError:
    readings: list[str] = []
    for encoding in ENCODINGS:
        shown: list[str] = []
        for data in list(samples.values())[:_SHOWN]:
            try:
                shown.append(f"'{data[:60].decode(encoding)}'")
            except UnicodeDecodeError:
                shown.append("not valid")
        readings.append(f"as {encoding}: {', '.join(shown)}")
    return ConfigurationError(
        f"{path} does not say how its text is encoded; {'; '.join(readings)}",
        "Add --encoding gbk or --encoding utf-8, whichever reads right; it is remembered",
    )


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
    if isinstance(value, np.datetime64):
        return None if np.isnat(value) else str(value)[:10]
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    text = str(value).strip().strip("\x00")
    return text or None


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200].rstrip(".")


def as_column(values: Sequence[str | None]) -> NDArray[np.object_]:
    """Give a column of text as pyogrio writes it."""
    return np.array(list(values), dtype=object)
