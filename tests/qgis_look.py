"""Open a run's folder in QGIS and say what it shows; run by the system's Python, which has QGIS.

    qgis_look.py FOLDER PICTURE.png [PICTURE_OF_THE_FIRST_CASE.png] [--edit]

Prints JSON: the layers of cases.gpkg as QGIS opens them by itself (default style), and those of the
project; draws the project.
"""

import json
import os
import sys
from pathlib import Path

os.environ["QT_QPA_PLATFORM"] = "offscreen"
for name in ("PROJ_LIB", "PROJ_DATA", "GDAL_DATA"):  # of another GDAL
    os.environ.pop(name, None)

from qgis.core import (  # noqa: E402
    QgsApplication,
    QgsCoordinateTransform,
    QgsExpression,
    QgsExpressionContext,
    QgsExpressionContextUtils,
    QgsMapRendererParallelJob,
    QgsMapSettings,
    QgsProject,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QDate, QSize  # noqa: E402
from qgis.PyQt.QtGui import QColor  # noqa: E402


def label_of(layer):
    """Evaluate the label of the first feature; an error is said."""
    if layer.labeling() is None:
        return None
    expression = QgsExpression(layer.labeling().settings().fieldName)
    context = QgsExpressionContext(QgsExpressionContextUtils.globalProjectLayerScopes(layer))
    feature = next(layer.getFeatures(), None)
    if feature is None:
        return None if not expression.hasParserError() else expression.parserErrorString()
    context.setFeature(feature)
    value = expression.evaluate(context)
    bad = expression.parserErrorString() or expression.evalErrorString()
    return f"ERROR {bad}" if bad else value


def told(layer):
    """Say what a person would see of a layer."""
    renderer = layer.renderer()
    rules = renderer.rootRule().children() if renderer.type() == "RuleRenderer" else []
    fields = layer.fields()
    form = layer.editFormConfig()
    return {
        "valid": layer.isValid(),
        "crs": layer.crs().authid(),
        "count": layer.featureCount(),
        "name": layer.name(),
        "renderer": renderer.type(),
        "legend": [r.label() for r in rules],
        "bad_rules": [r.label() for r in rules if r.filter() and r.filter().hasParserError()],
        "drawn_by": [sum(1 for f in layer.getFeatures() if fits(rule, layer, f)) for rule in rules],
        "label": label_of(layer),
        "aliases": {f.name(): f.alias() for f in fields},
        "widgets": {
            f.name(): layer.editorWidgetSetup(i).type()
            for i, f in enumerate(fields)
            if layer.editorWidgetSetup(i).type()
        },
        "read_only": [f.name() for i, f in enumerate(fields) if form.readOnly(i)],
        "rows": [
            {f.name(): None if f.name() == "fid" else str(feature[f.name()]) for f in fields}
            for feature in layer.getFeatures()
        ],
    }


def fits(rule, layer, feature):
    """Tell whether a rule draws a feature."""
    if rule.isElse():
        return True
    context = QgsExpressionContext(QgsExpressionContextUtils.globalProjectLayerScopes(layer))
    context.setFeature(feature)
    return bool(rule.filter().evaluate(context)) if rule.filter() else True


def tree_of(group):
    """Give the tree of layers as nested lists."""
    return [
        [child.name(), tree_of(child)] if hasattr(child, "findLayers") else child.name()
        for child in group.children()
    ]


def draw(layers, crs, extent, path, size=(1400, 1000)):
    """Draw layers into a PNG; give the share of pixels that are not white."""
    settings = QgsMapSettings()
    settings.setLayers(layers)
    settings.setDestinationCrs(crs)
    settings.setExtent(extent)
    settings.setOutputSize(QSize(*size))
    settings.setOutputDpi(120)
    settings.setBackgroundColor(QColor("white"))
    job = QgsMapRendererParallelJob(settings)
    job.start()
    job.waitForFinished()
    image = job.renderedImage()
    image.save(str(path))
    colours = {}
    for x in range(0, image.width(), 3):
        for y in range(0, image.height(), 3):
            name = image.pixelColor(x, y).name()
            colours[name] = colours.get(name, 0) + 1
    total = sum(colours.values())
    return {
        "drawn": 1 - colours.get("#ffffff", 0) / total,
        "colours": len(colours),
        "names": sorted(colours),
    }


def change_one(layer):
    """Edit the first case as an analyst does, and save."""
    layer.startEditing()
    feature = next(layer.getFeatures())
    wrote = {"kind": "jian", "note": "已到现场", "due": QDate(2026, 6, 30)}
    for name, value in wrote.items():
        layer.changeAttributeValue(feature.id(), layer.fields().indexOf(name), value)
    return layer.commitChanges()


def main():
    edit = "--edit" in sys.argv
    folder, picture, *more = (Path(w) for w in sys.argv[1:] if w != "--edit")
    application = QgsApplication([], False)
    application.initQgis()
    said = {"alone": {}, "project": {}}
    path = folder / "cases.gpkg"
    whole = QgsVectorLayer(str(path), "all", "ogr")
    for part in whole.dataProvider().subLayers():
        name = part.split("!!::!!")[1]
        if name == "layer_styles":
            continue
        layer = QgsVectorLayer(f"{path}|layername={name}", name, "ogr")
        layer.loadDefaultStyle()
        said["alone"][name] = told(layer)
    project = QgsProject.instance()
    said["read"] = project.read(str(folder / "siluan.qgs"))
    said["bad_layers"] = [k.name() for k in project.mapLayers().values() if not k.isValid()]
    said["crs"] = project.crs().authid()
    said["title"] = project.title()
    said["tree"] = tree_of(project.layerTreeRoot())
    for key, layer in project.mapLayers().items():
        if layer.type() == 0:
            said["project"][key] = told(layer)
        else:
            said["project"][key] = {"valid": layer.isValid(), "crs": layer.crs().authid()}
    shown = [k.layer() for k in project.layerTreeRoot().findLayers() if k.isVisible()]
    extent = project.viewSettings().defaultViewExtent()
    said["extent"] = [extent.xMinimum(), extent.yMinimum(), extent.xMaximum(), extent.yMaximum()]
    said["picture"] = draw(shown, project.crs(), extent, picture)
    if more:
        cases = project.mapLayers().get("siluan_layer_cases")
        turn = cases and QgsCoordinateTransform(cases.crs(), project.crs(), project)
        one = next(cases.getFeatures(), None) if cases else None
        if one is not None:
            box = turn.transformBoundingBox(one.geometry().boundingBox()).buffered(300)
            said["close"] = draw(shown, project.crs(), box, more[0])
    if edit:
        said["edited"] = change_one(project.mapLayers()["siluan_layer_cases"])
    print(json.dumps(said, ensure_ascii=False))
    sys.stdout.flush()
    os._exit(0)  # QGIS crashes now and then while it is torn down


main()
