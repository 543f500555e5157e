"""A QGIS project beside the GeoPackage, by relative paths: the folder may be carried around."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree import ElementTree as ET

import shapely
from pyproj import CRS

from pipeline.grid import reproject
from pipeline.publish.gis.drawings import NEAR
from pipeline.publish.gis.mosaic import Look, Mosaic
from pipeline.publish.gis.pictures import TIMES
from pipeline.publish.gis.qml import QGIS, style_of, to_text
from pipeline.publish.gis.table import GisLayer

_CGCS2000_ZONES = 4534  # EPSG code of the 3-degree zone of central meridian 75° E; 4554 is 135° E


def project(
    layers: Sequence[GisLayer],
    mosaics: Sequence[Mosaic],
    title: str,
    file: str = "cases.gpkg",
    crs: str = "EPSG:4490",
) -> bytes:
    """Give the project (QGIS 3) over layers of ``file``, from top to bottom; pure.

    Parameters
    ----------
    crs : str
        Of the layers. The map is drawn in the 3-degree Gauss-Krueger zone of CGCS2000 in whose
        middle they lie, if they lie in China; else in Web Mercator.
    """
    bounds = _bounds(layers)
    view = _zone(bounds)
    root = ET.Element("qgis", {"version": QGIS, "projectname": title})
    ET.SubElement(root, "homePath", {"path": ""})
    ET.SubElement(root, "title").text = title
    ET.SubElement(root, "projectCrs").append(_crs(view))
    tree = ET.SubElement(root, "layer-tree-group")
    maps = ET.SubElement(root, "projectlayers")
    cases, ground = _split(layers)
    for name, group, open_ in (("问题", cases, True), ("范围和图层", ground, True)):
        branch = _branch(tree, name, True, open_)
        for layer in group:
            _leaf(branch, _key(layer.name), layer.zh, _source(file, layer), "ogr", layer.shown)
            maps.append(_vector(layer, _source(file, layer), crs))
    for time, zh in TIMES.items():
        group = [m for m in mosaics if m.time == time]
        branch = _branch(tree, zh, time == "after", False) if group else tree
        for n, mosaic in enumerate(group, 1):
            for k, look in enumerate(mosaic.looks or (None,)):
                key = f"siluan_{time}_{n}_{k}"
                name = f"{zh} {look.zh if look else '影像'}{f' {n}' if len(group) > 1 else ''}"
                _leaf(branch, key, name, f"./{mosaic.path}", "gdal", k == 0)
                maps.append(_raster(key, name, mosaic, look))
    box = reproject(shapely.box(*bounds), "EPSG:4326", view).bounds
    root.append(_canvas(box, view))
    root.append(_first_view(box, view))
    said = ET.SubElement(root, "properties")
    ET.SubElement(ET.SubElement(said, "Paths"), "Absolute", {"type": "bool"}).text = "false"
    system = ET.SubElement(said, "SpatialRefSys")
    ET.SubElement(system, "ProjectionsEnabled", {"type": "int"}).text = "1"
    return to_text(root).encode()


def _split(layers: Sequence[GisLayer]) -> tuple[list[GisLayer], list[GisLayer]]:
    """Part the lists of cases from the ground they lie on."""
    cases = [k for k in layers if any(c.name == "case_id" for c in k.columns)]
    return cases, [k for k in layers if k not in cases]


def _bounds(layers: Sequence[GisLayer]) -> tuple[float, float, float, float]:
    """Give west, south, east, north [°]: of the cases and corridors, with a margin."""
    wanted = [k for k in layers if k.name in {"cases", "watch", "corridors"}] or [*layers]
    shapes = [g for k in wanted for g in k.shapes]
    if not shapes:
        return (73.5, 18.0, 135.0, 53.5)  # China
    west, south, east, north = (float(v) for v in shapely.total_bounds(shapes))
    margin = max(east - west, north - south, 0.002) * 0.05
    return west - margin, south - margin, east + margin, north + margin


def _zone(bounds: tuple[float, float, float, float]) -> str:
    west, south, east, north = bounds
    meridian = 3 * round((west + east) / 2 / 3)
    in_china = 75 <= meridian <= 135 and 3 < (south + north) / 2 < 54 and east - west < 20
    return f"EPSG:{_CGCS2000_ZONES + (meridian - 75) // 3}" if in_china else "EPSG:3857"


def _key(name: str) -> str:
    """Give the id of a layer; QGIS replaces ids of ten characters or fewer."""
    return f"siluan_layer_{name}"


def _first_view(box: Sequence[float], view: str) -> ET.Element:
    """Say what is shown first, to QGIS's map server and to scripts; the canvas is the desktop's."""
    settings = ET.Element("ProjectViewSettings", {"UseProjectScales": "0"})
    names = ("xmin", "ymin", "xmax", "ymax")
    place = {n: f"{v:.3f}" for n, v in zip(names, box, strict=True)}
    ET.SubElement(settings, "DefaultViewExtent", place).append(_crs(view))
    return settings


def _canvas(box: Sequence[float], view: str) -> ET.Element:
    canvas = ET.Element("mapcanvas", {"name": "theMapCanvas", "annotationsVisible": "1"})
    ET.SubElement(canvas, "units").text = "meters"
    extent = ET.SubElement(canvas, "extent")
    for name, value in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True):
        ET.SubElement(extent, name).text = f"{value:.3f}"
    ET.SubElement(canvas, "rotation").text = "0"
    ET.SubElement(canvas, "destinationsrs").append(_crs(view))
    return canvas


def _crs(code: str) -> ET.Element:
    """Describe a reference system (a code, or WKT); QGIS believes a code only beside its WKT."""
    system = ET.Element("spatialrefsys")
    ET.SubElement(system, "wkt").text = CRS.from_user_input(code).to_wkt()
    if code.startswith("EPSG:"):
        ET.SubElement(system, "authid").text = code
    return system


def _source(file: str, layer: GisLayer) -> str:
    return f"./{file}|layername={layer.name}"


def _branch(parent: ET.Element, name: str, checked: bool, expanded: bool) -> ET.Element:
    what = {"name": name, "checked": _checked(checked), "expanded": str(int(expanded))}
    return ET.SubElement(parent, "layer-tree-group", what)


def _leaf(parent: ET.Element, key: str, name: str, source: str, provider: str, shown: bool) -> None:
    what = {
        "id": key,
        "name": name,
        "source": source,
        "providerKey": provider,
        "checked": _checked(shown),
        "expanded": "0",
    }
    ET.SubElement(parent, "layer-tree-layer", what)


def _checked(yes: bool) -> str:
    return "Qt::Checked" if yes else "Qt::Unchecked"


def _vector(layer: GisLayer, source: str, crs: str) -> ET.Element:
    what = {"geometry": "Polygon", "wkbType": "MultiPolygon", "labelsEnabled": "1"}
    found = _map_layer("vector", _key(layer.name), layer.zh, source, what)
    ET.SubElement(found, "srs").append(_crs(crs))
    ET.SubElement(found, "provider", {"encoding": "UTF-8"}).text = "ogr"
    found.extend(style_of(layer))
    return found


def _raster(key: str, name: str, mosaic: Mosaic, look: Look | None) -> ET.Element:
    # Beyond that a picture is a speck, and all of them would be opened to draw it.
    near = {"hasScaleBasedVisibilityFlag": "1", "minScale": str(NEAR), "maxScale": "0"}
    found = _map_layer("raster", key, name, f"./{mosaic.path}", near)
    ET.SubElement(found, "srs").append(_crs(mosaic.crs))
    ET.SubElement(found, "provider").text = "gdal"
    if look is not None:
        ET.SubElement(found, "pipe").append(_colours(look))
    return found


def _colours(look: Look) -> ET.Element:
    """Draw three bands as red, green and blue (QgsMultiBandColorRenderer)."""
    named = zip(("red", "green", "blue"), look.bands, strict=True)
    bands = {f"{c}Band": str(i) for c, i in named}
    what = {"type": "multibandcolor", "opacity": "1", "alphaBand": "-1", **bands}
    root = ET.Element("rasterrenderer", what)
    for colour, (low, high) in zip(("red", "green", "blue"), look.stretch, strict=True):
        one = ET.SubElement(root, f"{colour}ContrastEnhancement")
        ET.SubElement(one, "minValue").text = f"{low:g}"
        ET.SubElement(one, "maxValue").text = f"{high:g}"
        ET.SubElement(one, "algorithm").text = "StretchToMinimumMaximum"
    return root


def _map_layer(kind: str, key: str, name: str, source: str, more: Mapping[str, Any]) -> ET.Element:
    found = ET.Element("maplayer", {"type": kind, **more})
    ET.SubElement(found, "id").text = key
    ET.SubElement(found, "datasource").text = source
    ET.SubElement(found, "layername").text = name
    return found
