"""A layer before it is written: its columns, its rows, and how it is to be drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

Type = Literal["text", "real", "whole", "day"]


@dataclass(frozen=True, slots=True)
class Column:
    """One column; ``zh`` is its heading, ``choices`` the codes it may hold with their words."""

    name: str
    zh: str
    type: Type = "text"
    editable: bool = False
    choices: tuple[tuple[str, str], ...] = ()  # (code, Chinese word)


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of a legend: which features (a QGIS expression; ELSE: the rest), drawn how.

    ``symbol`` is of QGIS's SimpleFill; with ``angle`` a hatch, with ``dot`` a point in the middle.
    """

    label: str
    where: str
    symbol: Mapping[str, str]
    nearer_than: int | None = None  # drawn at scales larger than 1 : this
    farther_than: int | None = None  # at smaller ones


@dataclass(frozen=True, slots=True)
class Drawing:
    """How a layer is drawn and labelled."""

    rules: tuple[Rule, ...]
    label: str | None = None  # QGIS expression
    label_outside: bool = False  # beside the outline, which a label would hide; else upon it
    labels_from: int = 100_000  # largest scale denominator at which labels are drawn
    title: str | None = None  # QGIS expression that names one feature in lists


@dataclass(frozen=True, slots=True)
class GisLayer:
    """A layer of polygons in lon/lat (WGS 84, which stands for CGCS2000 as well)."""

    name: str
    zh: str
    columns: tuple[Column, ...]
    rows: Sequence[Mapping[str, Any]]  # by column name; None where nothing is known
    shapes: Sequence[BaseGeometry]  # one per row
    drawing: Drawing
    shown: bool = True  # switched on when the project is opened


def cells(layer: GisLayer, column: Column) -> NDArray[Any]:
    """Give a column as it is written: object (text), float64 with NaN, or datetime64[D] with NaT.

    Whole numbers with a gap are written as real ones, since a GIS's integers have no NaN.
    """
    values = [row.get(column.name) for row in layer.rows]
    if column.type == "day":
        return np.array([np.datetime64(v or "NaT", "D") for v in values], dtype="datetime64[D]")
    if column.type == "real" or (column.type == "whole" and None in values):
        return np.array([np.nan if v is None else float(v) for v in values], dtype=np.float64)
    if column.type == "whole":
        return np.array([int(v) for v in values if v is not None], dtype=np.int32)
    return np.array([None if v is None else str(v) for v in values], dtype=object)
