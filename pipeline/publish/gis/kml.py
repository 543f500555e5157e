"""Cases as KML 2.2 (OGC 07-147r2): for Google Earth, 奥维 and telephones. WGS 84, for reading."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape as in_html
from xml.sax.saxutils import escape, quoteattr

import shapely
from shapely.geometry import Polygon
from shapely.geometry.base import BaseGeometry

from pipeline.model import Kind
from pipeline.publish.gis.drawings import KIND_COLOURS
from pipeline.publish.rows import COLUMNS, HEADINGS, PERSONS
from pipeline.publish.words import NOTICE

_HIDDEN = PERSONS | {"status", "kind", "note", "lon_gcj02", "lat_gcj02", "notice"}
_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<kml xmlns="http://www.opengis.net/kml/2.2">\n'


def kml(
    title: str, rows: Sequence[Mapping[str, str | None]], shapes: Sequence[BaseGeometry]
) -> bytes:
    """Give cases as a document: a folder of outlines per kind, and one of points.

    Parameters
    ----------
    rows : sequence of mapping
        Text by column, as ``rows.row_of`` gives it. Names of persons are not written.
    shapes : sequence of Polygon or MultiPolygon
        One per row, lon/lat in WGS 84.
    """
    parts = [_HEAD, f"<Document><name>{_xml(title)}</name><description>{NOTICE}</description>\n"]
    parts += [_style(k) for k in Kind]
    pairs = list(zip(rows, shapes, strict=True))
    for kind in Kind:
        mine = [(r, g) for r, g in pairs if r["kind"] == kind.value]
        if mine:
            parts.append(f"<Folder><name>{kind.zh}</name>\n")
            parts += [_mark(r, _outline(g)) for r, g in mine]
            parts.append("</Folder>\n")
    if rows:
        parts.append("<Folder><name>点位</name>\n")
        parts += [_mark(r, _point(r), short=True) for r in rows]
        parts.append("</Folder>\n")
    return "".join([*parts, "</Document></kml>\n"]).encode()


def _style(kind: Kind) -> str:
    colour = KIND_COLOURS[kind]
    turned = colour[5:7] + colour[3:5] + colour[1:3]  # KML has aabbggrr
    icon = "http://maps.google.com/mapfiles/kml/shapes/placemark_circle.png"
    return (
        f'<Style id="{kind.value}"><IconStyle><color>ff{turned}</color><Icon><href>{icon}</href>'
        f"</Icon></IconStyle><LabelStyle><scale>0.8</scale></LabelStyle><LineStyle><color>ff{turned}"
        f"</color><width>2</width></LineStyle><PolyStyle><color>66{turned}</color></PolyStyle>"
        "</Style>\n"
    )


def _mark(row: Mapping[str, str | None], shape: str, short: bool = False) -> str:
    """Give one placemark; the balloon's text is HTML, in which nothing that was typed is markup."""
    name = f"{row['kind_zh']}·{row['status_zh']} {str(row['case_id'])[-8:]}"
    said = [(n, row.get(n)) for n in COLUMNS if n not in _HIDDEN]
    lines = [f"{HEADINGS[n]}：{in_html(v)}" for n, v in said if v is not None]
    data = "".join(
        f"<Data name={quoteattr(n)}><displayName>{_xml(HEADINGS[n])}</displayName>"
        f"<value>{_xml(v)}</value></Data>"
        for n, v in said
        if v is not None and (not short or n == "case_id")
    )
    return (
        f"<Placemark><name>{_xml(name)}</name>"
        f"<description>{_xml('<br/>'.join((*lines, NOTICE)))}</description>"
        f"<styleUrl>#{row['kind']}</styleUrl><ExtendedData>{data}</ExtendedData>{shape}"
        "</Placemark>\n"
    )


def _xml(text: str) -> str:
    """Escape text, without the control characters that XML 1.0 forbids."""
    return escape("".join(c for c in text if c >= " " or c in "\t\n"))


def _point(row: Mapping[str, str | None]) -> str:
    return f"<Point><coordinates>{row['lon']},{row['lat']}</coordinates></Point>"


def _outline(shape: BaseGeometry) -> str:
    parts = [p for p in shapely.get_parts(shape) if isinstance(p, Polygon)]
    drawn = "".join(_polygon(p) for p in parts)
    return drawn if len(parts) == 1 else f"<MultiGeometry>{drawn}</MultiGeometry>"


def _polygon(shape: Polygon) -> str:
    outer, *inner = (_ring(r) for r in (shape.exterior, *shape.interiors))
    holes = "".join(f"<innerBoundaryIs>{ring}</innerBoundaryIs>" for ring in inner)
    return f"<Polygon><outerBoundaryIs>{outer}</outerBoundaryIs>{holes}</Polygon>"


def _ring(ring: BaseGeometry) -> str:
    places = " ".join(f"{x:.7f},{y:.7f}" for x, y in shapely.get_coordinates(ring))
    return f"<LinearRing><coordinates>{places}</coordinates></LinearRing>"
