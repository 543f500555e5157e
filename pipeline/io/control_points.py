"""Boundary markers (界桩) as CSV: one row per point, joined to rings by their order."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from shapely.geometry import Polygon
from shapely.geometry.base import BaseGeometry

from pipeline.errors import ConfigurationError
from pipeline.io.encodings import read_text
from pipeline.io.rows import rows_of
from pipeline.io.vector import RawLayer

COLUMNS: dict[str, tuple[str, ...]] = {
    "ring": ("ring", "ring_id", "环号", "图形号", "地块号", "多边形", "polygon"),
    "order": ("order", "序号", "顺序", "顶点序号", "vertex"),
    "x": ("x", "east", "easting", "东坐标", "横坐标", "lon", "经度"),
    "y": ("y", "north", "northing", "北坐标", "纵坐标", "lat", "纬度"),
}


def read_control_points(
    path: Path, fields: Mapping[str, str], encoding: str | None = None
) -> RawLayer:
    """Read a CSV of control points as polygons.

    Parameters
    ----------
    fields : mapping
        Column by role (``ring order x y``) where a column has none of the known names; ``x`` is the
        easting here, whatever the office calls it.

    Returns
    -------
    RawLayer
        One polygon per ring, with the other columns of its first point; no CRS.

    Raises
    ------
    ConfigurationError
        Columns missing, coordinates that are no numbers, rings of fewer than three points or with
        an order that repeats: every offender named.
    """
    text, used = read_text(path, encoding)
    header, lines = rows_of(path, text)
    columns = {role: _column(role, header, fields) for role in COLUMNS}
    missing = [role for role, column in columns.items() if column is None]
    if missing:
        raise ConfigurationError(
            f"{path} has no column for {', '.join(missing)} "
            f"(columns: {', '.join(header) or 'none'})",
            f"Name it: {' '.join(f'--field {m}=COLUMN' for m in missing)} (x is the easting)",
        )
    roles = {role: str(column) for role, column in columns.items()}
    rings, wrong = _rings(lines, roles)
    wrong += _ring_problems(rings)
    if wrong:
        raise ConfigurationError(f"{path}: {'; '.join(wrong)}", "Correct the file and import again")
    kept = [c for c in header if c not in roles.values()] + [roles["ring"]]
    rows = dict(lines)
    first = {ring: rows[points[0][3]] for ring, points in rings.items()}
    shapes: list[BaseGeometry | None] = [
        Polygon([(x, y) for _, x, y, _ in sorted(points)]) for points in rings.values()
    ]
    return RawLayer(
        columns={c: tuple((first[r][c] or "").strip() or None for r in rings) for c in kept},
        geometries=tuple(shapes),
        crs=None,
        crs_stated=False,
        encoding=used,
        layer=path.stem,
    )


_Point = tuple[float, float, float, int]  # order, x, y, line


def _column(role: str, header: Sequence[str], fields: Mapping[str, str]) -> str | None:
    if role in fields:
        return fields[role] if fields[role] in header else None
    lower = {c.strip().lower(): c for c in header}
    return next((lower[a] for a in COLUMNS[role] if a in lower), None)


def _rings(
    lines: Sequence[tuple[int, Mapping[str, str]]], roles: Mapping[str, str]
) -> tuple[dict[str, list[_Point]], list[str]]:
    rings: dict[str, list[_Point]] = {}
    wrong: list[str] = []
    for number, row in lines:
        try:
            order, x, y = (_finite(row[roles[r]]) for r in ("order", "x", "y"))
        except ValueError:
            wrong.append(f"line {number} has an order or a coordinate that is no number")
            continue
        rings.setdefault(str(row[roles["ring"]]).strip(), []).append((order, x, y, number))
    return rings, wrong


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):  # nan and inf are numbers to Python, and no place
        raise ValueError(text)
    return value


def _ring_problems(rings: Mapping[str, Sequence[_Point]]) -> list[str]:
    wrong: list[str] = []
    for ring, points in rings.items():
        orders = [p[0] for p in points]
        twice = sorted({o for o in orders if orders.count(o) > 1})
        if len(points) < 3:
            wrong.append(f"ring {ring} has only {len(points)} points")
        if twice:
            wrong.append(f"ring {ring} has the order {', '.join(f'{t:g}' for t in twice)} twice")
    return wrong
