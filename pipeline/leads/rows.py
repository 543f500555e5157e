"""Lists of leads as rows of text with a geometry each, still in the file's own coordinates."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import Point
from shapely.geometry.base import BaseGeometry

from pipeline.cases.sheet import LEDGER
from pipeline.cases.tables import Row, Table, read_table
from pipeline.cases.words import plain
from pipeline.errors import ConfigurationError
from pipeline.io.datum import Datum
from pipeline.io.vector import FORMATS, read_vector
from pipeline.leads.columns import choose_columns, unread_lines

_CHINA = (73.0, 3.0, 136.0, 54.0)  # lon/lat box [°], as ``layers import`` has it
# As text is once it is plain: NFKC makes two marks of minutes of the one of seconds (″).
_DEGREES = re.compile(
    r"(\d{1,3}(?:\.\d+)?)\s*[°度]\s*(?:(\d{1,2}(?:\.\d+)?)\s*[′'’‘分]\s*)?"
    r"(?:(\d{1,2}(?:\.\d+)?)\s*(?:′′|''|’’|[″\"”“秒])\s*)?"
)


@dataclass(frozen=True)
class Found:
    """One row of a list, read as far as it goes."""

    where: str  # "line 3", for sentences
    values: Mapping[str, str | None]  # by field: ref, kind, on
    shape: BaseGeometry | None = None  # in the file's coordinates
    bad: str | None = None  # why it has no place
    remedy: str = "A lead needs a place"


@dataclass(frozen=True)
class Listed:
    """A list of leads."""

    rows: tuple[Found, ...]
    crs: str | None  # of the shapes, as the file says or implies
    crs_stated: bool  # the file says it, and not merely its format
    lines: tuple[str, ...] = ()  # to be said
    words: tuple[str, ...] = ()  # what it says of itself, among which a web map may be named
    unread: tuple[str, ...] = ()  # files that may be leads and cannot be read

    def unnamed(self) -> Listed:
        """Give it without the numbers of its rows: each gets one made of its content."""
        rows = (replace(r, values={**r.values, "ref": None}) for r in self.rows)
        return replace(self, rows=tuple(rows))


def read_list(
    path: Path,
    datum: Datum,
    *,
    fields: Mapping[str, str],
    encoding: str | None = None,
    layer: str | None = None,
    swap_xy: bool = False,
) -> Listed:
    """Read a list of leads by what its name ends with: CSV, a workbook, or a format of a GIS.

    Parameters
    ----------
    datum : Datum
        As declared: what degrees in a CSV refer to.
    fields : mapping of field to column
        Where a column has none of the known names.
    layer : str, optional
        Of a file that has several; of a workbook its sheet (else 台账, or the only one).
    swap_xy : bool
        North comes before east, as Chinese surveying writes X and Y.

    Raises
    ------
    ConfigurationError
        It cannot be read as a whole; a row that cannot carries the reason with it.
    """
    if path.suffix.lower() in (".csv", ".xlsx"):
        return _read_cells(read_table(path, layer or LEDGER), datum, fields, swap_xy=swap_xy)
    if path.suffix.lower() not in FORMATS:
        known = ", ".join(sorted({*FORMATS, ".csv", ".xlsx"}))
        raise ConfigurationError(
            f"{path} has no format that is known here",
            f"Known: {known}, and JPEG photos or a folder of them; save .xls as .xlsx",
        )
    raw = read_vector(path, layer, encoding)
    chosen = choose_columns(tuple(raw.columns), fields, str(path))
    rows = [
        Found(
            f"feature {i + 1}",
            {f: raw.columns[c][i] for f, c in chosen.items()},
            shapely.transform(shape, _swapped) if shape is not None and swap_xy else shape,
            None if shape is not None and not shape.is_empty else "it has no place",
        )
        for i, shape in enumerate(raw.geometries)
    ]
    words = (path.stem, raw.layer)
    lines = (*raw.notes, *unread_lines(tuple(raw.columns), chosen))
    return Listed(tuple(rows), raw.crs, raw.crs_stated, lines, words)


def _swapped(points: NDArray[np.float64]) -> NDArray[np.float64]:
    return points[:, ::-1]


def _read_cells(table: Table, datum: Datum, fields: Mapping[str, str], *, swap_xy: bool) -> Listed:
    path = table.path
    chosen = choose_columns(table.columns, fields, str(path))
    degrees = "lon" in chosen and "lat" in chosen
    if not degrees and not ("x" in chosen and "y" in chosen):
        raise ConfigurationError(
            f"{path} has no columns for a place (it has {', '.join(table.columns) or 'none'})",
            "It needs lon and lat (经度, 纬度), or x and y with --crs; or say --field lon=COLUMN",
        )
    names = ("lon", "lat") if degrees else ("x", "y")
    if swap_xy:
        chosen = {**chosen, names[0]: chosen[names[1]], names[1]: chosen[names[0]]}
    rows = [_row(r, chosen, names) for r in table.rows]
    crs = ("EPSG:4490" if datum is Datum.CGCS2000 else "EPSG:4326") if degrees else None
    lines = tuple(unread_lines(table.columns, chosen))
    return Listed(tuple(rows), crs, False, lines, (path.stem, *table.columns))


def _row(row: Row, chosen: Mapping[str, str], names: tuple[str, str]) -> Found:
    values = {f: row[c] for f, c in chosen.items() if f not in names}
    texts = [row[chosen[n]] for n in names]
    if not all(texts):
        return Found(row.where, values, None, "it has no place")
    try:
        first, second = (_number(str(t)) for t in texts)
    except ValueError:
        return Found(row.where, values, None, f"its place '{texts[0]}, {texts[1]}' is no number")
    if (first, second) == (0, 0):
        return Found(row.where, values, None, "its place is 0, 0: it had no position")
    if names == ("lon", "lat") and not _in_china(first, second):
        swapped = "; the two columns are swapped, it seems" if _in_china(second, first) else ""
        text = f"its place lon {first:g}, lat {second:g} lies outside of China{swapped}"
        return Found(row.where, values, None, text)
    return Found(row.where, values, Point(first, second))


def _in_china(lon: float, lat: float) -> bool:
    west, south, east, north = _CHINA
    return west <= lon <= east and south <= lat <= north


def _number(text: str) -> float:
    """Read a number, or degrees, minutes and seconds."""
    word = (plain(re.sub("[º˚]", "°", text)) or "").strip("EeNn东经北纬 ")
    parts = _DEGREES.fullmatch(word)
    if parts is None:
        number = float(word)
        if not math.isfinite(number):  # nan and inf are numbers to Python, and no place
            raise ValueError(word)
        return number
    degrees, minutes, seconds = (float(p or 0) for p in parts.groups())
    divided = parts[2] is not None or parts[3] is not None
    if minutes >= 60 or seconds >= 60 or (divided and not degrees.is_integer()):
        raise ValueError(word)
    return degrees + minutes / 60 + seconds / 3600
