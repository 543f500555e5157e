"""Whether the parts of a flight can be what they say: CRS, units, resolution, one to the other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import shapely
from affine import Affine
from pyproj import CRS, Geod
from pyproj.exceptions import CRSError
from shapely.geometry import MultiPoint, box
from shapely.geometry.base import BaseGeometry

from pipeline.acquire.inbox.datum import contradicted
from pipeline.acquire.inbox.form import FlightForm
from pipeline.acquire.inbox.reasons import Fault, SubmissionRefusedError, refuse, refuse_all
from pipeline.acquire.inbox.recognise import Parts
from pipeline.acquire.inbox.tiff import Header, check_size
from pipeline.acquire.inbox.tiles import check_tiles
from pipeline.grid import reproject
from pipeline.model import Grid

FINEST_M, COARSEST_M = 0.002, 2.0  # pixels of a drone's mosaic
_AREA_MARGIN = 1.5  # degrees around the area of use of a CRS
_SAID = 1.5  # factor between the resolution that is found and the one that is said
_COVERED = 0.8  # of the mosaic's extent that a surface has to cover
_COARSER, _FINER = 12.0, 0.5  # resolution of a surface, in pixels of the mosaic
# Of a band, beside feet; what is none of a length is a note of the tool's and says nothing.
_OTHER_UNITS = frozenset(
    {"km", "dm", "cm", "mm", "decimeter", "decimetre", "centimeter", "centimetre"}
    | {"millimeter", "millimetre", "kilometer", "kilometre", "千米", "公里", "分米", "厘米", "毫米"}
)
_GEOD = Geod(ellps="WGS84")


@dataclass(frozen=True)
class Sheet:
    """A mosaic or a surface: one file or tiles, on one lattice."""

    headers: tuple[Header, ...]
    grid: Grid  # of all of them together
    gsd_m: float  # on the ground

    @property
    def name(self) -> str:
        """For sentences."""
        first, *others = self.headers
        return f"{first.name} (+{len(others)})" if others else first.name

    @property
    def extent(self) -> BaseGeometry:
        """In its own CRS."""
        return box(*self.grid.bounds)


@dataclass(frozen=True)
class Sheets:
    """What a flight brings, placed on the ground."""

    mosaic: Sheet
    dsm: Sheet | None


def check_parts(parts: Parts, form: FlightForm) -> Sheets:
    """Place the parts and hold them against the form and against each other.

    Raises
    ------
    SubmissionRefusedError
        All faults of the mosaic and of the surface; then whether they match.
    """
    faults: list[Fault] = []
    sheets: list[Sheet | None] = []
    for headers, said_m in ((parts.mosaic, form.gsd_m), (parts.dsm, None)):
        try:
            sheets.append(_sheet(headers, form, said_m) if headers else None)
        except SubmissionRefusedError as error:
            faults += error.faults
    refuse_all([*faults, *_unfit(parts.dsm, form)])
    mosaic, dsm = sheets
    assert mosaic is not None  # a drop without one holds photos, and never comes here
    if dsm is not None:
        _check_match(mosaic, dsm)
    return Sheets(mosaic, dsm)


def _unfit(dsm: Sequence[Header], form: FlightForm) -> list[Fault]:
    """Why the files of a surface hold no heights in metres, and cannot be turned into them."""
    feet = [h.name for h in dsm if h.vertical_feet or form.height_unit == "ft"]
    faults = [Fault.of("feet", file=n) for n in feet[:1]]
    faults += [
        Fault.of("bands", file=h.name, what=f"{h.count} band(s) of {h.dtype} and no heights 高程")
        for h in dsm[:1]
        if not h.surface
    ]
    for h in dsm:
        if h.unit.lower() in _OTHER_UNITS:
            faults.append(Fault.of("unit", file=h.name, unit=h.unit))
        if not (math.isfinite(h.scale) and h.scale > 0 and math.isfinite(h.offset)):
            faults.append(Fault.of("scale", file=h.name, scale=h.scale, offset=h.offset))
    return [*faults, *contradicted(dsm, form)]


def _sheet(headers: Sequence[Header], form: FlightForm, said_m: float | None) -> Sheet:
    placed = tuple(_with_crs(h, form) for h in headers)
    for header in placed[:1]:
        _check_units(header)
    check_tiles(placed)
    grid = _union(placed)
    check_size(placed[0].name, grid.shape)
    gsd = _gsd_m(grid)
    _check_gsd(placed[0].name, gsd, said_m)
    return Sheet(placed, grid, gsd)


def _with_crs(header: Header, form: FlightForm) -> Header:
    """Give the header its horizontal CRS: the file's own, or what the form says where it has none.

    The vertical part of a compound CRS is dropped; the form says what heights refer to, and
    ``datum`` holds a surface against it.
    """
    if header.crs is None:
        if form.horizontal is None:
            raise refuse("no_crs", file=header.name)
        return replace(header, crs=form.horizontal)
    found = _flat(header)
    if form.horizontal is not None and not _same(found, CRS.from_user_input(form.horizontal)):
        named = f"EPSG:{found.to_epsg()}" if found.to_epsg() else found.name
        raise refuse("other_crs", file=header.name, found=named, said=form.horizontal)
    code = found.to_epsg(min_confidence=70)
    return replace(header, crs=f"EPSG:{code}" if code else found.to_wkt())


def _flat(header: Header) -> CRS:
    """Horizontal part of a CRS; one that places nothing on Earth is none."""
    try:
        crs = CRS.from_user_input(header.crs)
    except CRSError as error:
        raise refuse("no_crs", file=header.name) from error
    if crs.is_compound:
        crs = crs.sub_crs_list[0]
    elif len(crs.axis_info) == 3 and not crs.is_geocentric:
        crs = crs.to_2d()
    if crs.is_bound and crs.source_crs is not None:
        crs = crs.source_crs
    if not (crs.is_geographic or crs.is_projected):
        raise refuse("no_crs", file=header.name)
    return crs


def _same(a: CRS, b: CRS) -> bool:
    return a.equals(b, ignore_axis_order=True) or (
        a.to_epsg(min_confidence=70) is not None
        and a.to_epsg(min_confidence=70) == b.to_epsg(min_confidence=70)
    )


def _check_units(header: Header) -> None:
    crs = CRS.from_user_input(header.crs)
    left, bottom, right, top = header.bounds
    in_degrees = -180 <= left <= right <= 180 and -90 <= bottom <= top <= 90
    named = crs.name
    if crs.is_projected and in_degrees and header.transform.a < FINEST_M:
        raise refuse("degrees", file=header.name, crs=named)
    if crs.is_geographic and not in_degrees:
        raise refuse("metres", file=header.name, crs=named)
    area = crs.area_of_use
    lon, lat = _centre(header.crs or "", header.transform, header.shape)
    ok = math.isfinite(lon) and math.isfinite(lat)
    if ok and area is not None and area.west < area.east:
        m = _AREA_MARGIN
        ok = area.west - m <= lon <= area.east + m and area.south - m <= lat <= area.north + m
    if not ok:
        raise refuse("not_there", file=header.name, crs=named)


def _centre(crs: str, transform: Affine, shape: tuple[int, int]) -> tuple[float, float]:
    """Longitude and latitude of the middle [°]; infinite where it lies nowhere."""
    x, y = _middle(transform, shape)
    ((lon, lat),) = _lonlat([(x, y)], crs)
    return lon, lat


def _lonlat(points: Sequence[tuple[float, float]], crs: str) -> list[tuple[float, float]]:
    """Longitudes and latitudes [°]; infinite where a point lies nowhere."""
    moved = reproject(MultiPoint(points), crs, "EPSG:4326")
    return [(float(x), float(y)) for x, y in shapely.get_coordinates(moved)]


def _middle(transform: Affine, shape: tuple[int, int]) -> tuple[float, float]:
    t = transform
    return t.c + t.a * shape[1] / 2, t.f + t.e * shape[0] / 2


def _union(headers: Sequence[Header]) -> Grid:
    t = headers[0].transform
    bounds = np.array([h.bounds for h in headers])
    left, top = bounds[:, 0].min(), bounds[:, 3].max()
    cols = round((bounds[:, 2].max() - left) / t.a)
    rows = round((bounds[:, 1].min() - top) / t.e)
    return Grid(headers[0].crs or "", Affine(t.a, 0, left, 0, t.e, top), (rows, cols))


def _gsd_m(grid: Grid) -> float:
    """Side of a pixel on the ground at the middle [m], the mean of both directions."""
    x, y = _middle(grid.transform, grid.shape)
    far = 20.0  # pixels, so that rounding does not count
    t = grid.transform
    corners = [(x, y), (x + far * t.a, y), (x, y + far * t.e)]
    middle, *others = _lonlat(corners, grid.crs)
    sides = [_GEOD.inv(middle[0], middle[1], o[0], o[1])[2] / far for o in others]
    return float(sum(sides) / 2)


def _check_gsd(name: str, gsd: float, said: float | None) -> None:
    found = f"{gsd:.3g} m"
    if not FINEST_M <= gsd <= COARSEST_M:
        limits = f"{FINEST_M} - {COARSEST_M} m"
        raise refuse(
            "gsd",
            file=name,
            found=found,
            said=f"and a drone's mosaic has {limits}",
            said_zh=f"无人机影像应在 {limits} 之间",
        )
    if said is not None and not said / _SAID <= gsd <= said * _SAID:
        raise refuse(
            "gsd",
            file=name,
            found=found,
            said=f"and flight.yaml says {said:g} m",
            said_zh=f"而 flight.yaml 写的是 {said:g} m",
        )


def _check_match(mosaic: Sheet, dsm: Sheet) -> None:
    if not _same(CRS.from_user_input(mosaic.grid.crs), CRS.from_user_input(dsm.grid.crs)):
        names = [CRS.from_user_input(s.grid.crs).name for s in (mosaic, dsm)]
        text = f"{names[0]} / {names[1]}"
        raise refuse("mismatch", what=f"CRS {text}", zh=f"坐标系 {text}")
    ratio = dsm.gsd_m / mosaic.gsd_m
    if not _FINER <= ratio <= _COARSER:
        text = f"{mosaic.gsd_m:.3g} m / {dsm.gsd_m:.3g} m"
        raise refuse("mismatch", what=f"pixels {text}", zh=f"分辨率 {text}")
    share = mosaic.extent.intersection(dsm.extent).area / mosaic.extent.area
    if share < _COVERED:
        raise refuse(
            "mismatch",
            what=f"the surface covers {share:.0%} of the mosaic's extent",
            zh=f"地表模型只覆盖正射影像范围的 {share:.0%}",
        )


def extent_wgs84(sheet: Sheet) -> BaseGeometry:
    """Frame of a sheet, lon/lat."""
    frame = sheet.extent
    return reproject(frame.segmentize(frame.length / 40), sheet.grid.crs, "EPSG:4326")
