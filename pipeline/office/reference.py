"""Which coordinates a file really holds: the declared datum, the stated CRS, and the numbers.

The three must agree; nothing is guessed, and what would fit is named.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS
from pyproj.exceptions import CRSError
from shapely.geometry.base import BaseGeometry

from pipeline.errors import ConfigurationError
from pipeline.grid import reproject
from pipeline.io.datum import Datum, unshift

LAYER_CRS = "EPSG:4490"  # of everything that is kept
_CHINA = (73.0, 3.0, 136.0, 54.0)  # lon/lat box [°]
_EAST_M = 400_000.0  # an easting lies no farther than this from the false easting [m]
_NORTH_M = (300_000.0, 6_000_000.0)  # northings of China [m]
_DATUMS = {
    "cgcs2000": ("china 2000", "china_2000", "cgcs2000", "china_geodetic_coordinate_system_2000"),
    "wgs84": ("wgs 84", "wgs_1984", "wgs84", "world geodetic system 1984"),
    "Xi'an 80": ("xian 1980", "xian_1980", "xi'an 1980"),
    "Beijing 54": ("beijing 1954", "beijing_1954"),
}
_NAMES = {"cgcs2000": "CGCS2000", "wgs84": "WGS 84"}


@dataclass(frozen=True, slots=True)
class Stated:
    """What is declared and stated of a file's coordinates."""

    path: Path
    datum: Datum
    crs: str | None  # the file's own
    crs_stated: bool  # the file says it, and not merely its format
    declared_crs: str | None  # by --crs
    swap_xy: bool


def resolve_crs(stated: Stated, geometries: Sequence[BaseGeometry]) -> CRS:
    """Give the CRS of a file's coordinates, checked against the coordinates themselves.

    Raises
    ------
    ConfigurationError
        No CRS, a datum without parameters, a contradiction, or coordinates that do not fit (the
        CRS that would fit is named).
    """
    points = shapely.get_coordinates(list(geometries))
    crs = _checked(stated, points)
    if len(points) and not _fits(points, crs):
        raise _no_fit(stated, points, crs)
    return crs


def resolve_each(
    stated: Stated, geometries: Sequence[BaseGeometry]
) -> tuple[CRS, tuple[str | None, ...]]:
    """Give the CRS of a list whose rows may be wrong one by one, and why each does not fit it.

    Raises
    ------
    ConfigurationError
        As ``resolve_crs``; that coordinates do not fit only where none does, and all may in
        another way.
    """
    finite = [g for g in geometries if np.isfinite(shapely.get_coordinates(g)).all()]
    points = shapely.get_coordinates(finite)
    crs = _checked(stated, points)
    wrong = tuple(_misfit(shapely.get_coordinates(g), crs) for g in geometries)
    if len(points) and all(wrong):
        x, y = _middle(points)
        if _guess(x, y, crs) or _guess(y, x, crs):
            raise _no_fit(stated, points, crs)
    return crs, wrong


def _misfit(points: NDArray[np.float64], crs: CRS) -> str | None:
    """Say why the coordinates of one feature are no place in a CRS; None where they are one."""
    if not np.isfinite(points).all():
        return "its place is no number"
    if not points.any():
        return "its place is 0, 0: it had no position"
    if _fits(points, crs):
        return None
    swapped = "; the two are swapped, it seems" if _fits(points[:, ::-1], crs) else ""
    return f"its {_describe(points)} do not fit {label_of(crs)}{swapped}"


def _checked(stated: Stated, points: NDArray[np.float64]) -> CRS:
    crs = _choose(stated, points)
    _check_datum(stated, crs)
    return crs


def _no_fit(stated: Stated, points: NDArray[np.float64], crs: CRS) -> ConfigurationError:
    return ConfigurationError(
        f"{stated.path}: {_describe(points)} do not fit {label_of(crs)}", _remedy(points, crs)
    )


def to_layer_crs(geometry: BaseGeometry, crs: CRS, datum: Datum) -> BaseGeometry:
    """Move a geometry to EPSG:4490 (lon/lat), taking the shift of a web map's datum out."""
    geographic = crs.geodetic_crs or crs
    lonlat = geometry
    if crs.is_projected:
        lonlat = reproject(geometry, crs.to_wkt(), geographic.to_wkt())
    # EPSG:4490 and EPSG:4326 differ by less than a metre: PROJ has a null shift between them.
    return unshift(lonlat, datum)


def _choose(stated: Stated, points: NDArray[np.float64]) -> CRS:
    declared = _parse(stated.declared_crs, "--crs") if stated.declared_crs else None
    own = _parse(stated.crs, str(stated.path)) if stated.crs else None
    if declared is None and own is None:
        raise ConfigurationError(
            f"{stated.path} has no coordinate reference system",
            f"Ask whoever drew it and add --crs; {_looks_like(points)}",
        )
    if (
        declared is not None
        and own is not None
        and stated.crs_stated
        and not _same(declared, own)
        and not _corrects(declared, own, points)
    ):
        raise ConfigurationError(
            f"{stated.path} says {label_of(own)} and --crs says {label_of(declared)}",
            "Leave --crs out, or correct the file in a GIS",
        )
    chosen = declared or own
    if chosen is None:  # pragma: no cover - excluded above
        raise AssertionError
    return chosen


def _corrects(declared: CRS, own: CRS, points: NDArray[np.float64]) -> bool:
    """Tell whether a person's word is borne out by the numbers, and the file's is not."""
    wrong = len(points) > 0 and not _fits(points, own)
    return wrong and _fits(points, declared) and datum_of(declared) == datum_of(own)


def _parse(text: str, where: str) -> CRS:
    try:
        return CRS.from_user_input(text)
    except CRSError as error:
        raise ConfigurationError(
            f"{where} states a coordinate reference system that is not known ({text[:80]})",
            "Give it as --crs EPSG:n, e.g. EPSG:4547",
        ) from error


def _same(one: CRS, other: CRS) -> bool:
    return one.equals(other, ignore_axis_order=True) or one.to_epsg(50) == other.to_epsg(50)


def datum_of(crs: CRS) -> str | None:
    """Name the datum of a CRS (cgcs2000, wgs84, Xi'an 80, Beijing 54); None if another."""
    base = crs.geodetic_crs
    if base is None:
        return None
    names = f"{base.name} {base.datum.name if base.datum else ''}".lower()
    return next((d for d, words in _DATUMS.items() if any(w in names for w in words)), None)


def _check_datum(stated: Stated, crs: CRS) -> None:
    found = datum_of(crs)
    if found in ("Xi'an 80", "Beijing 54"):
        raise ConfigurationError(
            f"{stated.path} is in {found}, whose parameters are not public and differ by place",
            "Ask the surveying authority to convert it to CGCS2000, and import that",
        )
    if found is None:
        raise ConfigurationError(
            f"{stated.path} is in a local or unknown system ({label_of(crs)}) without parameters",
            "Ask the surveying authority to convert it to CGCS2000, and import that",
        )
    declared = stated.datum.value
    said = stated.crs_stated or stated.declared_crs is not None
    if not stated.datum.shifted and found != declared and said:
        raise ConfigurationError(
            f"{stated.path} says {_NAMES[found]} ({label_of(crs)}) and --datum says {declared}",
            f"Declare --datum {found} if the file is right; otherwise correct the file in a GIS",
        )


def _fits(points: NDArray[np.float64], crs: CRS) -> bool:
    x, y = _middle(points)
    if crs.is_geographic:
        west, south, east, north = _CHINA
        return bool(west <= x <= east and south <= y <= north)
    low, high = _NORTH_M
    return bool(abs(x - _false_easting(crs)) <= _EAST_M and low <= y <= high)


def _looks_like(points: NDArray[np.float64]) -> str:
    """Say what numbers look like, for a person to confirm; it is never used by itself."""
    if len(points) == 0:
        return "e.g. --crs EPSG:4490 (CGCS2000, degrees)"
    x, y = _middle(points)
    plain = CRS.from_epsg(4490)
    found, swapped = _guess(x, y, plain), _guess(y, x, plain)
    if found:
        return f"its {_describe(points)} look like {found}"
    if swapped:
        return f"its {_describe(points)} look like {swapped} with X and Y exchanged (--swap-xy)"
    return f"its {_describe(points)} look like no system of China"


def _false_easting(crs: CRS) -> float:
    return _parameter(crs, "False easting")


def _parameter(crs: CRS, name: str) -> float:
    operation = crs.coordinate_operation
    values: list[Any] = list(operation.params) if operation is not None else []
    wanted = name.lower().replace(" ", "_")
    return next(
        (float(p.value) for p in values if str(p.name).lower().replace(" ", "_") == wanted), 0.0
    )


def _remedy(points: NDArray[np.float64], crs: CRS) -> str:
    x, y = _middle(points)
    straight, swapped = _guess(x, y, crs), _guess(y, x, crs)
    if straight:
        return f"They fit {straight}: add --crs {straight.split()[0]}"
    if swapped:
        return "X and Y are exchanged (in Chinese surveying X points north): add --swap-xy" + (
            "" if _fits(points[:, ::-1], crs) else f" and --crs {swapped.split()[0]}"
        )
    return "They lie outside China in every system known here: ask whoever drew it"


def _guess(x: float, y: float, crs: CRS) -> str | None:
    """Name the CGCS2000 system that coordinates (easting, northing) fit, or None."""
    west, south, east, north = _CHINA
    if west <= x <= east and south <= y <= north:
        return "EPSG:4490 (degrees)"
    low, high = _NORTH_M
    if not low <= y <= high:
        return None
    zone = int(x // 1_000_000)
    if 25 <= zone <= 45:  # 3-degree zones with prefix: 4513 is zone 25
        return f"EPSG:{4513 + zone - 25} (3-degree zone {zone} in the easting)"
    if 13 <= zone <= 23:  # 6-degree zones with prefix: 4491 is zone 13
        return f"EPSG:{4491 + zone - 13} (6-degree zone {zone} in the easting)"
    return _without_zone(crs) if abs(x - 500_000) <= _EAST_M else None


def _without_zone(crs: CRS) -> str:
    meridian = _meridian(crs)
    if meridian is None:
        return "EPSG:4547 (if the central meridian is 114°E)"
    return f"EPSG:{4534 + round((meridian - 75) / 3)} (central meridian {meridian:g}°E)"


def _meridian(crs: CRS) -> float | None:
    if not crs.is_projected:
        return None
    meridian = _parameter(crs, "Longitude of natural origin")
    return meridian if 75 <= meridian <= 135 and meridian % 3 == 0 else None


def _middle(points: NDArray[np.float64]) -> tuple[float, float]:
    return float(np.median(points[:, 0])), float(np.median(points[:, 1]))


def _describe(points: NDArray[np.float64]) -> str:
    x, y = _middle(points)
    digits = 4 if max(abs(x), abs(y)) < 1000 else 0
    return f"coordinates around x = {x:.{digits}f}, y = {y:.{digits}f}"


def label_of(crs: CRS) -> str:
    """Name a CRS for a sentence: EPSG:4547 (CGCS2000 / 3-degree Gauss-Kruger CM 114E)."""
    authority = crs.to_authority(min_confidence=50)
    name = re.sub(r"\s+", " ", crs.name)
    return f"{authority[0]}:{authority[1]} ({name})" if authority else name
