"""QGIS's own style language (QML, as QGIS 3.22 writes it and 3.x reads it)."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from xml.etree import ElementTree as ET

from pipeline.publish.gis.table import Column, Drawing, GisLayer, Rule

QGIS = "3.22.16-Białowieża"
FONTS = ("Noto Sans CJK SC", "Source Han Sans SC", "Microsoft YaHei", "SimHei")
DOCTYPE = "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"
_SPACE = uuid.UUID("6f2c1e0e-3d0b-5a53-9a63-3f4f5a1f0c11")


def qml(layer: GisLayer) -> str:
    """Give the style of a layer as a document."""
    root = ET.Element(
        "qgis", {"version": QGIS, "styleCategories": "AllStyleCategories", "labelsEnabled": "1"}
    )
    root.extend(style_of(layer))
    ET.SubElement(root, "layerGeometryType").text = "2"
    return to_text(root)


def to_text(root: ET.Element) -> str:
    """Write a document as QGIS does."""
    ET.indent(root, " ")
    return DOCTYPE + ET.tostring(root, encoding="unicode") + "\n"


def mark(*words: str) -> str:
    """Give a key that is the same for the same words, as QGIS wants its keys."""
    return f"{{{uuid.uuid5(_SPACE, ' '.join(words))}}}"


def style_of(layer: GisLayer) -> list[ET.Element]:
    """Give what a style holds: symbols, labels, headings, which columns may be edited and how."""
    return [
        _renderer(layer),
        *_labels(layer.drawing),
        _fields(layer.columns),
        _named("aliases", "alias", [{"field": c.name, "name": c.zh} for c in layer.columns]),
        _named(
            "editable",
            "field",
            [{"name": c.name, "editable": str(int(c.editable))} for c in layer.columns],
        ),
        _texted("previewExpression", layer.drawing.title or f'"{layer.columns[0].name}"'),
    ]


def _renderer(layer: GisLayer) -> ET.Element:
    root = ET.Element("renderer-v2", {"type": "RuleRenderer", "symbollevels": "0"})
    rules = ET.SubElement(root, "rules", {"key": mark(layer.name)})
    symbols = ET.SubElement(root, "symbols")
    for number, rule in enumerate(layer.drawing.rules):
        what = {
            "key": mark(layer.name, str(number)),
            "symbol": str(number),
            "filter": rule.where,
            "label": rule.label,
        }
        if rule.nearer_than is not None:
            what["scalemaxdenom"] = str(rule.nearer_than)
        if rule.farther_than is not None:
            what["scalemindenom"] = str(rule.farther_than)
        ET.SubElement(rules, "rule", what)
        symbols.append(_symbol(str(number), rule))
    return root


def _symbol(name: str, rule: Rule) -> ET.Element:
    said = rule.symbol
    symbol = ET.Element("symbol", {"name": name, "type": "fill", "alpha": "1"})
    line = {
        "outline_style": said.get("line", "solid"),
        "outline_color": said.get("line_color", "0,0,0,255"),
        "outline_width": said.get("line_width", "0.3"),
        "outline_width_unit": "MM",
        "joinstyle": "round",
    }
    if "dot" in said:
        middle = _drawn("CentroidFill", {"point_on_surface": "1", "point_on_all_parts": "0"})
        inner = ET.SubElement(
            middle, "symbol", {"name": f"@{name}@0", "type": "marker", "alpha": "1"}
        )
        inner.append(
            _drawn(
                "SimpleMarker",
                {"name": "circle", "color": said["dot"], "size": "2.6", "size_unit": "MM"}
                | {"outline_color": "26,26,26,255", "outline_width": "0.25"},
            )
        )
        symbol.append(middle)
        return symbol
    if "angle" not in said:
        fill = {"color": said.get("color", "0,0,0,0"), "style": said.get("style", "solid")}
        symbol.append(_drawn("SimpleFill", fill | line))
        return symbol
    hatch = _drawn(
        "LinePatternFill",
        {"angle": said["angle"], "distance": "4", "distance_unit": "MM", "line_width": "0.26"},
    )
    inner = ET.SubElement(hatch, "symbol", {"name": f"@{name}@0", "type": "line", "alpha": "1"})
    inner.append(
        _drawn("SimpleLine", {"line_color": said["line_color"], "line_width": said["line_width"]})
    )
    symbol.append(hatch)
    symbol.append(_drawn("SimpleFill", {"color": "0,0,0,0", "style": "no"} | line))
    return symbol


def _drawn(name: str, properties: Mapping[str, str]) -> ET.Element:
    """Give a symbol layer; QGIS before 3.18 reads ``prop`` and later ones ``Option``."""
    layer = ET.Element("layer", {"class": name, "enabled": "1", "pass": "0", "locked": "0"})
    layer.append(_map(None, properties))
    for key, value in sorted(properties.items()):
        ET.SubElement(layer, "prop", {"k": key, "v": value})
    return layer


def _labels(drawing: Drawing) -> list[ET.Element]:
    if drawing.label is None:
        return []
    root = ET.Element("labeling", {"type": "simple"})
    settings = ET.SubElement(root, "settings", {"calloutType": "simple"})
    text = ET.SubElement(
        settings,
        "text-style",
        {
            "fieldName": drawing.label,
            "isExpression": "1",
            "fontFamily": FONTS[0],
            "fontSize": "9",
            "fontSizeUnit": "Point",
            "fontWeight": "50",
            "textColor": "26,26,26,255",
            "textOpacity": "1",
            "multilineHeight": "1",
        },
    )
    families = ET.SubElement(text, "families")
    for font in FONTS:
        ET.SubElement(families, "family", {"name": font})
    ET.SubElement(
        text,
        "text-buffer",
        {
            "bufferDraw": "1",
            "bufferSize": "0.8",
            "bufferSizeUnits": "MM",
            "bufferColor": "255,255,255,255",
            "bufferOpacity": "1",
            "bufferNoFill": "1",
            "bufferJoinStyle": "128",
        },
    )
    ET.SubElement(settings, "text-format", {"multilineAlign": "3"})
    ET.SubElement(settings, "placement", _place(drawing))
    ET.SubElement(
        settings,
        "rendering",
        {
            "drawLabels": "1",
            "scaleVisibility": "1",
            "scaleMin": "1",
            "scaleMax": str(drawing.labels_from),
            "fontMaxPixelSize": "10000",
            "obstacle": "1",
            "obstacleType": "1",
            "maxNumLabels": "2000",
        },
    )
    return [root]


def _place(drawing: Drawing) -> dict[str, str]:
    """Say where a label goes: codes of QGIS, 8 is beside the polygon and 4 level within it."""
    if drawing.label_outside:
        return {"placement": "8", "dist": "0.5", "distUnits": "MM", "priority": "8"}
    return {"placement": "4", "dist": "0", "priority": "3"}


def _fields(columns: tuple[Column, ...]) -> ET.Element:
    root = ET.Element("fieldConfiguration")
    for column in columns:
        field = ET.SubElement(root, "field", {"name": column.name})
        kind = "ValueMap" if column.choices else "DateTime" if column.type == "day" else ""
        widget = ET.SubElement(field, "editWidget", {"type": kind})
        config = ET.SubElement(widget, "config")
        if column.choices:
            outer = ET.SubElement(config, "Option", {"type": "Map"})
            choices = ET.SubElement(outer, "Option", {"name": "map", "type": "List"})
            for code, word in column.choices:
                choices.append(_map(None, {word: code}))
        elif kind:
            shown = {"display_format": "yyyy-MM-dd", "field_format": "yyyy-MM-dd"}
            option = _map(None, shown)
            for name in ("allow_null", "calendar_popup"):
                ET.SubElement(option, "Option", {"name": name, "value": "true", "type": "bool"})
            config.append(option)
    return root


def _map(name: str | None, values: Mapping[str, str]) -> ET.Element:
    named = {} if name is None else {"name": name}
    option = ET.Element("Option", {**named, "type": "Map"})
    for key, value in values.items():
        ET.SubElement(option, "Option", {"name": key, "value": value, "type": "QString"})
    return option


def _named(name: str, child: str, items: list[dict[str, str]]) -> ET.Element:
    root = ET.Element(name)
    for item in items:
        ET.SubElement(root, child, item)
    return root


def _texted(name: str, text: str) -> ET.Element:
    root = ET.Element(name)
    root.text = text
    return root
