"""Tables that come back from people: CSV, workbooks, GeoJSON, GeoPackage.

UTF-8 with or without a byte order mark, or GBK: a file that is valid UTF-8 is UTF-8, because text
in GBK hardly ever is by chance; the closed lists of words would show it.
"""

from __future__ import annotations

import csv
import io
import json
import re
from codecs import BOM_UTF8
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import shapely
from pyproj.exceptions import CRSError
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from pipeline.cases.sheet import LEDGER, read_workbook
from pipeline.cases.words import plain
from pipeline.errors import ConfigurationError
from pipeline.grid import reproject
from pipeline.io.vector import layer_names, read_vector
from pipeline.publish.rows import HEADINGS

ALIASES = {
    "问题编号": "case_id",
    "版本": "revision",
    "核查结论": "verdict",
    "结论": "verdict",
    "reason_code": "reason",
    "原因": "reason",
    "原因代码": "reason",
    "核查人": "by",
    "核查日期": "on",
    "照片": "photos",
    "类型": "kind",
    "细类": "subtype",
    "sub_type": "subtype",
    "轮廓": "outline",
    "备注": "note",
    "状态": "status",
    "整改期限": "due",
    "逾期": "overdue",
    "挂账": "on_account",
    "外部编号": "external_id",
    "责任单位": "unit",
    "办理状态": "status",
    "点号": "place",
    "答案": "answer",
}
LAYER = "cases"
"""Of a GeoPackage, the one that is written and read."""

_BOM = "\ufeff"
_DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\n")
NUMBERS = frozenset(
    {"area_m2", "volume_m3", "height_m", "chainage_m", "lon", "lat", "lon_gcj02", "lat_gcj02"}
)
"""Columns whose text is a number: guarded, one below zero would be left out of sums."""
# As Python writes numbers.
_BELOW_ZERO = re.compile(r"-[0-9]+(\.[0-9]+)?(e[+-]?[0-9]+)?")
_LONLAT = ("CRS84", "EPSG::4326", "EPSG:4326", "EPSG::4490", "EPSG:4490")


@dataclass(frozen=True)
class Row:
    """One line of a table."""

    where: str  # "line 3", for sentences
    values: Mapping[str, str | None]  # by column, under our names
    geometry: BaseGeometry | None = None  # WGS 84

    def __getitem__(self, name: str) -> str | None:
        """Give a value, None where the column or the value is missing."""
        return self.values.get(name)


@dataclass(frozen=True)
class Table:
    """A table as it was read."""

    path: Path
    columns: tuple[str, ...]  # under our names
    rows: tuple[Row, ...]

    def require(self, *names: str) -> None:
        """Check that columns are there.

        Raises
        ------
        ConfigurationError
            Every missing one named.
        """
        missing = [n for n in names if n not in self.columns]
        if missing:
            raise ConfigurationError(
                f"{self.path} has no column {', '.join(missing)} "
                f"(it has {', '.join(self.columns) or 'none'})",
                "Use the form that siluan wrote, or name the columns like it",
            )

    def names(self) -> frozenset[str]:
        """Give the ids of the cases that the rows name, as ``words.read_case_id`` reads them."""
        words = (plain(row["case_id"]) for row in self.rows)
        return frozenset(w for w in words if w and w.isprintable())

    def unread(self, *known: str) -> tuple[str, ...]:
        """Give the columns that nobody reads; what they hold is not kept."""
        return tuple(c for c in self.columns if c not in known)


def read_table(path: Path, sheet: str = LEDGER) -> Table:
    """Read a table by what its name ends with; of a workbook ``sheet``, or its only one.

    Raises
    ------
    ConfigurationError
        Missing, unknown format, unknown encoding, broken, or in an unknown reference system.
    """
    ending = path.suffix.lower()
    if path.is_dir():
        raise ConfigurationError(f"{path} is a folder and no table", "Give a file in it")
    if not path.is_file():
        raise ConfigurationError(f"{path} does not exist", "Check the path")
    if ending == ".csv":
        return _read_csv(path)
    if ending == ".xlsx":
        return _read_sheet(path, sheet)
    if ending in (".geojson", ".json"):
        return _read_geojson(path)
    if ending == ".gpkg":
        return _read_gpkg(path)
    raise ConfigurationError(
        f"{path} has no format that is known here", "Known: .csv, .xlsx, .geojson, .json, .gpkg"
    )


def write_csv(columns: tuple[str, ...], rows: list[Mapping[str, Any]]) -> bytes:
    """Write CSV as a spreadsheet opens it: UTF-8 with a byte order mark.

    No text is a formula (an apostrophe guards it, and is taken off again on reading); in a column
    of numbers one below zero stays a number. Anywhere else it may be an id, which is text.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_safe(c, row.get(c)) for c in columns])
    return out.getvalue().encode("utf-8-sig")


def _safe(column: str, value: Any) -> Any:
    if not isinstance(value, str) or (column in NUMBERS and _BELOW_ZERO.fullmatch(value)):
        return value
    return f"'{value}" if value.lstrip("'").startswith(_DANGEROUS) else value


def _unsafe(value: str) -> str:
    guarded = value[:1] == "'" and value.lstrip("'").startswith(_DANGEROUS)
    return value[1:] if guarded else value


def _text(value: str | None) -> str | None:
    return (value or "").strip() or None


def _word(column: str) -> str:
    return (plain(column) or "").lower().replace(" ", "_")


def _name(column: str) -> str:
    word = _word(column)
    return ALIASES.get(word) or _HEADINGS.get(word, word)


_HEADINGS = {_word(zh): name for name, zh in HEADINGS.items()}


def decoded(path: Path) -> str:
    """Read text in UTF-8 with or without a byte order mark, or in GBK.

    Raises
    ------
    ConfigurationError
        It is in neither, or was cut off within a character.
    """
    raw = path.read_bytes()
    data = raw.removeprefix(BOM_UTF8)
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        # A mark, or a whole character before, tells UTF-8; else the end may be a character of GBK.
        if _cut_off(error) and (data != raw or not data[: error.start].isascii()):
            raise _no_end(path) from error
    try:
        return data.decode("gb18030")
    except UnicodeDecodeError as error:
        if _cut_off(error):
            raise _no_end(path) from error
        raise ConfigurationError(
            f"{path} is neither UTF-8 nor GBK", "Save it again as CSV UTF-8 (CSV UTF-8 逗号分隔)"
        ) from error


def _cut_off(error: UnicodeDecodeError) -> bool:
    """Tell whether the end of the text is within the character that cannot be read."""
    return error.reason in ("unexpected end of data", "incomplete multibyte sequence")


def _no_end(path: Path) -> ConfigurationError:
    return ConfigurationError(
        f"{path} ends in the middle of a character: it was cut off", "Copy or send it again, whole"
    )


def _read_csv(path: Path) -> Table:
    try:
        lines = list(csv.reader(io.StringIO(decoded(path), newline=""), strict=True))
    except csv.Error as error:
        raise ConfigurationError(f"{path} is no CSV that can be read: {error}") from error
    if not lines:
        raise ConfigurationError(f"{path} is empty", "It needs a line of column names")
    columns = _columns(path, lines[0])
    _one_head(path, columns, enumerate(lines[1:], 2))
    rows: list[Row] = []
    for number, cells in enumerate(lines[1:], 2):
        if not any(c.strip() for c in cells):
            continue
        if len(cells) > len(columns):
            raise ConfigurationError(
                f"{path}: line {number} has {len(cells)} cells for {len(columns)} columns",
                "Put quotes around text that holds a comma",
            )
        values = {c: _text(_unsafe(v.strip())) for c, v in zip(columns, cells, strict=False)}
        rows.append(Row(f"line {number}", values))
    return Table(path, columns, tuple(rows))


def _read_sheet(path: Path, sheet: str) -> Table:
    heads, lines = read_workbook(path, sheet)
    if not heads:
        raise ConfigurationError(f"{path} is empty", "It needs a line of column names")
    columns = _columns(path, heads)
    _one_head(path, columns, lines)
    rows = [
        Row(f"line {number}", {c: _code(c, v) for c, v in zip(columns, cells, strict=False) if c})
        for number, cells in lines
    ]
    return Table(path, tuple(c for c in columns if c), tuple(rows))


def _code(column: str, value: str | None) -> str | None:
    """Give the code of a word that is only shown; words of what is read are known to its reader."""
    banks = {"左岸": "left", "右岸": "right"}
    return banks.get(value or "", value) if column == "bank" else value


def _columns(path: Path, names: list[str]) -> tuple[str, ...]:
    columns = tuple(_name(n) for n in names)
    twice = sorted({c for c in columns if c and columns.count(c) > 1})
    if twice:
        raise ConfigurationError(f"{path} has the column {', '.join(twice)} twice", "Keep one")
    return columns


def _one_head(
    path: Path, columns: tuple[str, ...], lines: Iterable[tuple[int, Sequence[str | None]]]
) -> None:
    """Refuse a table in whose middle the column names come again: two were joined."""
    again = [
        str(number)
        for number, cells in lines
        if len(columns) > 1 and tuple(_name((c or "").lstrip(_BOM)) for c in cells) == columns
    ]
    if again:
        raise ConfigurationError(
            f"{path}: the column names come again in line {', '.join(again)}: tables were joined",
            "Take that line out, or give one table at a time",
        )


def _read_geojson(path: Path) -> Table:
    try:
        document = json.loads(decoded(path))
        features = list(document["features"])
        stated = str((document.get("crs") or {}).get("properties", {}).get("name", "CRS84"))
        rows = [_feature(path, i, f) for i, f in enumerate(features, 1)]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(
            f"{path} is no GeoJSON collection that can be read", "Export it again from the GIS"
        ) from error
    if not any(stated.endswith(known) for known in _LONLAT):
        raise ConfigurationError(f"{path} is in {stated}", "Export it in WGS 84 (EPSG:4326)")
    columns = tuple(dict.fromkeys(c for r in rows for c in r.values))
    return Table(path, columns, tuple(rows))


def _feature(path: Path, number: int, feature: Mapping[str, Any]) -> Row:
    values = {_name(str(k)): _as_text(v) for k, v in (feature.get("properties") or {}).items()}
    drawn = feature.get("geometry")
    where = f"feature {number}"
    try:
        geometry = shapely.force_2d(shape(drawn)) if drawn else None
    except (ValueError, TypeError, KeyError, AttributeError, shapely.errors.ShapelyError) as error:
        raise ConfigurationError(
            f"{path}: {where} has an outline that cannot be read", "Draw it again"
        ) from error
    return Row(where, values, geometry)


def _as_text(value: Any) -> str | None:
    if value is None or value == []:
        return None
    if isinstance(value, list):
        return "; ".join(str(v) for v in value)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return _text(str(value))


def _layer_of(path: Path) -> str | None:
    """Give the layer to read: a GIS puts its styles and other layers into the same file."""
    names = layer_names(path)
    if LAYER in names or len(names) < 2:
        return LAYER if LAYER in names else None
    raise ConfigurationError(
        f"{path} holds {', '.join(names)}, and none is called {LAYER}",
        f"Call the layer of cases {LAYER}, or export it alone from the GIS",
    )


def _read_gpkg(path: Path) -> Table:
    layer = read_vector(path, _layer_of(path))
    columns = _columns(path, list(layer.columns))
    if layer.crs is None:
        raise ConfigurationError(f"{path} has no reference system", "Save it in EPSG:4326")
    try:
        shapes = [g and reproject(g, layer.crs, "EPSG:4326") for g in layer.geometries]
    except CRSError as error:
        raise ConfigurationError(f"{path} is in an unknown reference system") from error
    cells = list(layer.columns.values())
    rows = [
        Row(f"feature {i + 1}", {c: _text(v[i]) for c, v in zip(columns, cells, strict=True)}, g)
        for i, g in enumerate(shapes)
    ]
    return Table(path, columns, tuple(rows))
