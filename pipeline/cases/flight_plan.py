"""``siluan cases export --flights``: where a drone is needed, as areas for the flight planner."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from shapely.geometry.base import BaseGeometry

from pipeline.adjudicate.visit import rank_visits
from pipeline.cases.flight_areas import AreaOptions, Place, group_places
from pipeline.cases.listing import Filter
from pipeline.cases.tables import write_csv
from pipeline.cases.where import Report
from pipeline.errors import ConfigurationError
from pipeline.grid import geodesic_area_m2, metric_crs, reproject
from pipeline.io.atomic import replace_dir, write_bytes
from pipeline.ledger import AnyPlace, open_ledger
from pipeline.model import Case, Kind, Status
from pipeline.publish.folder import split_cases
from pipeline.publish.geojson import feature_collection, to_bytes
from pipeline.publish.geometry import as_geojson, bbox, inner_point, to_wgs84
from pipeline.publish.words import NOTICE, STATUS_ZH

FOLDER = "flights"
SMALL_M2 = 2000.0  # of what was built: 20 pixels of 10 m, below which its shape is a guess
_IN_HAND = (Status.ISSUED, Status.RECTIFYING, Status.RELAPSED)
_KML = "http://www.opengis.net/kml/2.2"
COLUMNS = (
    *("area", "area_ha", "area_lon", "area_lat", "case_id", "kind_zh", "status_zh", "case_m2"),
    *("lon", "lat", "corridor_id", "county_zh", "why", "look_for", "notice"),
)
_LOOK_FOR = {
    Kind.ZHAN: "水边是否新增填土、围堤、种植或平台；要正射影像，填筑要地表模型量方",
    Kind.CAI: "有无坑槽、采砂机具、堆料和运输道路；要地表模型量深度和方量",
    Kind.DUI: "有无堆体，是弃土、垃圾、砂石还是自然滩地；要地表模型量高度和方量",
    Kind.JIAN: "有无房屋、棚架、围墙或硬化地面；要地表模型量高度和占地",
}


@dataclass(frozen=True)
class FlightPlanRequest:
    """What the command was given."""

    ledger: AnyPlace
    out: Path
    wanted: Filter = field(default_factory=Filter)
    areas: AreaOptions = field(default_factory=AreaOptions)


@dataclass(frozen=True)
class _Wanted:
    """A case that needs a flight."""

    case: Case
    why: str  # Chinese
    outline: Any  # lon/lat
    point: tuple[float, float]  # lon/lat


@dataclass(frozen=True)
class _Flight:
    """One area, with its cases in the order of the list."""

    name: str
    outline: Any  # lon/lat
    cases: tuple[_Wanted, ...]

    @property
    def hectares(self) -> float:
        return geodesic_area_m2(self.outline, "EPSG:4326") / 1e4


def export_flights(request: FlightPlanRequest) -> Report:
    """Write ``flights/`` of a folder: areas as KML, GeoJSON and CSV, and a KML of each area.

    Raises
    ------
    ConfigurationError
        The folder is a file.
    DiskFullError
        The folder of an earlier export stays as it was.
    """
    if request.out.exists() and not request.out.is_dir():
        raise ConfigurationError(f"{request.out} is a file", "Name a folder for the export")
    with open_ledger(request.ledger, writing=False) as ledger:
        cases = list(ledger.scan(request.wanted.narrow))
    flights = plan_flights(cases, request.wanted, request.areas)
    contents = render(flights)

    def build(folder: Path) -> None:
        for name, data in contents.items():
            write_bytes(folder / name, data)

    replace_dir(request.out / FOLDER, build)
    count = sum(len(f.cases) for f in flights)
    lines = [f"{f.name}: {f.hectares:.1f} ha, {_ids(f.cases)}" for f in flights]
    where = request.out / FOLDER
    return Report((*lines, f"{len(flights)} areas for {count} places in {where}. {NOTICE}"))


def _ids(cases: Iterable[_Wanted]) -> str:
    return ", ".join(w.case.case_id for w in cases)


def plan_flights(
    cases: Sequence[Case], wanted: Filter, options: AreaOptions
) -> tuple[_Flight, ...]:
    """Group the cases that need a flight; the areas with the first places come first."""
    asked = [w for w in needing(cases) if wanted.takes(w.case)]
    order = {w.case.case_id: i for i, w in enumerate(asked)}
    by_zone: dict[str, list[Place]] = {}
    for w in asked:
        crs = metric_crs(*w.point)
        by_zone.setdefault(crs, []).append(
            Place(w.case.case_id, reproject(w.outline, "EPSG:4326", crs))
        )
    found: list[tuple[tuple[int, ...], BaseGeometry]] = []
    for crs, places in sorted(by_zone.items()):
        for area in group_places(places, options):
            ranks = tuple(sorted(order[k] for k in area.keys))
            found.append((ranks, to_wgs84(area.polygon, crs)))
    found.sort(key=lambda f: (f[0], f[1].bounds))
    return tuple(
        _Flight(f"F{n:03d}", outline, tuple(asked[i] for i in ranks))
        for n, (ranks, outline) in enumerate(found, 1)
    )


def needing(cases: Sequence[Case]) -> list[_Wanted]:
    """Give the cases that 10 m imagery cannot settle, most urgent first.

    Those that people hold come first, then those on watch by the rank of their visit, then heaps
    and small buildings. What a drone's surfaces have shown needs no second flight, unless people
    hold it.
    """
    shelves = split_cases(cases)
    until: dict[str, datetime] = {}
    for case in cases:
        for look in case.looks:
            until[case.corridor_id] = max(until.get(case.corridor_id, look.on), look.on)
    visits = rank_visits(shelves.watch, until)
    found: list[tuple[tuple[int, int, str], Case, str]] = []
    for case in (*shelves.cases, *shelves.watch):
        flown = any(k.of_surface for k in case.looks)
        if case.status in _IN_HAND:
            why = f"{STATUS_ZH[case.status]}，核查现状"
            found.append(((0, 0, case.case_id), case, why))
        elif flown:
            continue
        elif case.case_id in visits:
            visit = visits[case.case_id]
            why = "待核" + (f"：{'；'.join(visit.why)}" if visit.why else "")
            found.append(((1, visit.rank, case.case_id), case, why))
        elif case.status is Status.SUSPECTED and _undecided(case):
            found.append(((2, 0, case.case_id), case, f"疑似{case.kind.zh}，10米影像不能确认"))
    return [_wanted(case, why) for _, case, why in sorted(found, key=lambda f: f[0])]


def _undecided(case: Case) -> bool:
    small = case.kind is Kind.JIAN and case.area_m2 <= SMALL_M2
    return case.kind is Kind.DUI or small


def _wanted(case: Case, why: str) -> _Wanted:
    outline = to_wgs84(case.polygon, case.crs)
    return _Wanted(case, why, outline, inner_point(outline))


def render(flights: Sequence[_Flight]) -> dict[str, bytes]:
    """Make the files by name; the same cases give the same bytes."""
    out = {
        "flights.kml": _document("飞行区域", flights, points=True),
        "flights.geojson": to_bytes(feature_collection(_feature(f) for f in flights)),
        "flights.csv": write_csv(COLUMNS, [row for f in flights for row in _rows(f)]),
    }
    # Planners take the one polygon of a file for the area to be flown.
    return out | {f"{f.name}.kml": _document(f.name, [f], points=False) for f in flights}


def _feature(flight: _Flight) -> dict[str, Any]:
    return {
        "type": "Feature",
        "id": flight.name,
        "bbox": bbox([flight.outline]),
        "geometry": as_geojson(flight.outline),
        "properties": {
            "area": flight.name,
            "area_ha": round(flight.hectares, 2),
            "cases": [_said(w) for w in flight.cases],
            "notice": NOTICE,
        },
    }


def _said(w: _Wanted) -> dict[str, Any]:
    place = w.case.attribution
    return {
        "case_id": w.case.case_id,
        "kind_zh": w.case.kind.zh,
        "status_zh": STATUS_ZH[w.case.status],
        "case_m2": round(w.case.area_m2, 1) if w.case.sized else None,
        "lon": w.point[0],
        "lat": w.point[1],
        "corridor_id": w.case.corridor_id,
        "county_zh": place.county_zh if place else None,
        "why": w.why,
        "look_for": _LOOK_FOR[w.case.kind],
    }


def _rows(flight: _Flight) -> list[Mapping[str, Any]]:
    lon, lat = inner_point(flight.outline)
    own = {
        "area": flight.name,
        "area_ha": round(flight.hectares, 2),
        "area_lon": lon,
        "area_lat": lat,
        "notice": NOTICE,
    }
    return [own | _said(w) for w in flight.cases]


def _document(name: str, flights: Sequence[_Flight], *, points: bool) -> bytes:
    """Write KML 2.2 (OGC 07-147r2): areas, and where ``points`` their cases."""
    root = ElementTree.Element("kml", {"xmlns": _KML})
    document = ElementTree.SubElement(root, "Document")
    _text(document, "name", name)
    for flight in flights:
        placemark = _placemark(document, flight.name, _described(flight))
        polygon = ElementTree.SubElement(placemark, "Polygon")
        _text(polygon, "altitudeMode", "clampToGround")
        ring = ElementTree.SubElement(
            ElementTree.SubElement(polygon, "outerBoundaryIs"), "LinearRing"
        )
        corners = as_geojson(flight.outline)["coordinates"][0]
        _text(ring, "coordinates", " ".join(f"{x:.7f},{y:.7f},0" for x, y in corners))
    seen: set[str] = set()
    for w in (w for f in flights if points for w in f.cases):
        if w.case.case_id in seen:
            continue
        seen.add(w.case.case_id)
        text = f"疑似{w.case.kind.zh}；{w.why}；{_LOOK_FOR[w.case.kind]}"
        point = ElementTree.SubElement(_placemark(document, w.case.case_id, text), "Point")
        _text(point, "coordinates", f"{w.point[0]:.7f},{w.point[1]:.7f},0")
    ElementTree.indent(root)
    data = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{data}\n'.encode()


def _described(flight: _Flight) -> str:
    cases = [
        f"{w.case.case_id} 疑似{w.case.kind.zh}（{_size(w.case)}）：{w.why}；"
        f"{_LOOK_FOR[w.case.kind]}"
        for w in flight.cases
    ]
    return "\n".join([f"{flight.hectares:.1f} 公顷", *cases, NOTICE])


def _size(case: Case) -> str:
    return f"{case.area_m2:.0f} 平方米" if case.sized else "线索点，面积未测"


def _placemark(parent: ElementTree.Element, name: str, text: str) -> ElementTree.Element:
    placemark = ElementTree.SubElement(parent, "Placemark")
    _text(placemark, "name", name)
    _text(placemark, "description", text)
    return placemark


def _text(parent: ElementTree.Element, tag: str, text: str) -> None:
    ElementTree.SubElement(parent, tag).text = text
