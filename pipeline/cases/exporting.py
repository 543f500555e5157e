"""Cases out of the ledger, in the forms that offices use.

An export never writes over edits. What can be brought back (CSV, workbook, GeoPackage, GeoJSON) is
read first; what is for reading only (KML, shapefile, GCJ-02 points) is written over only while it
is as the last export left it, which ``export.json`` beside it tells.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from pipeline.cases.exchange import refuse_to_lose
from pipeline.cases.listing import Filter
from pipeline.cases.sheet import write_workbook
from pipeline.cases.tables import write_csv
from pipeline.cases.where import Report
from pipeline.errors import ConfigurationError
from pipeline.io.atomic import write_bytes, write_json
from pipeline.ledger import AnyPlace, open_ledger
from pipeline.ledger.status import Reason
from pipeline.model import Case
from pipeline.publish.geojson import feature_collection, to_bytes
from pipeline.publish.geometry import as_geojson
from pipeline.publish.gis.geopackage import geopackage
from pipeline.publish.gis.kml import kml
from pipeline.publish.gis.layers import cases_for_editing
from pipeline.publish.gis.shapefile import shapefile
from pipeline.publish.gis.table import GisLayer
from pipeline.publish.rows import COLUMNS, PERSONS, row_of
from pipeline.publish.words import NOTICE

MANIFEST = "export.json"
GCJ02_ZH = "GCJ-02（火星坐标），不是 WGS 84：不得直接与 WGS 84 或 CGCS2000 图层叠加"
_GCJ02_WKT = (
    'LOCAL_CS["GCJ-02 (shifted: not WGS 84, not CGCS2000)",LOCAL_DATUM["GCJ-02",0],'
    'UNIT["degree",0.0174532925199433],AXIS["lon",EAST],AXIS["lat",NORTH]]'
)
_PRIVATE = PERSONS | {"note"}  # not in what is meant for other systems and telephones


class Form(StrEnum):
    """In which form cases leave."""

    CSV = "csv"
    GPKG = "gpkg"
    XLSX = "xlsx"
    GEOJSON = "geojson"
    KML = "kml"
    SHP = "shp"
    GCJ02 = "gcj02"


NAMES = {
    Form.CSV: "cases.csv",
    Form.GPKG: "cases.gpkg",
    Form.XLSX: "cases.xlsx",
    Form.GEOJSON: "cases.geojson",
    Form.KML: "cases.kml",
    Form.GCJ02: "points_gcj02.geojson",
}
BACK = {form: NAMES[form] for form in (Form.CSV, Form.GPKG, Form.XLSX, Form.GEOJSON)}
"""Forms whose edits come back, with the file of each."""

USUAL = (Form.CSV, Form.GPKG)


@dataclass(frozen=True)
class ExportRequest:
    """What the command was given."""

    ledger: AnyPlace
    out: Path
    wanted: Filter
    forms: tuple[Form, ...] = USUAL


def forms_of(text: str) -> tuple[Form, ...]:
    """Read a list like ``csv,xlsx``.

    Raises
    ------
    ConfigurationError
        It names a form that is not known, or none.
    """
    words = [w.strip().lower() for w in text.split(",") if w.strip()]
    known = ", ".join(f.value for f in Form)
    strange = [w for w in words if w not in {f.value for f in Form}]
    if strange or not words:
        raise ConfigurationError(
            f"--as '{text}' names {', '.join(strange) or 'no form'}", f"Known: {known}"
        )
    return tuple(f for f in Form if f.value in words)


def export_cases(request: ExportRequest) -> Report:
    """Write cases into a folder, in each form that was asked for.

    Raises
    ------
    ConfigurationError
        A file that is there holds edits that were not imported (each named), was changed since an
        export wrote it, is open in another program, or is none of ours; then nothing is written.
    """
    out = request.out
    if out.exists() and not out.is_dir():
        raise ConfigurationError(f"{out} is a file", "Name a folder for the export")
    with open_ledger(request.ledger, writing=False) as ledger:
        for form in request.forms:
            if form in BACK:
                refuse_to_lose(out / BACK[form], ledger)
        wanted = request.wanted
        cases = [c for c in ledger.scan(wanted.narrow) if wanted.takes(c)]
    rows = [row_of(case) for case in cases]
    layer = cases_for_editing(cases, rows, {r.value: r.zh for r in Reason})
    files: dict[str, bytes] = {}
    for form in request.forms:
        files |= _files(form, layer, rows)
    listed = _listed(out)
    one_way = [n for n in files if n not in BACK.values()]
    changed = [n for n in one_way if _was_changed(out / n, listed.get(n))]
    if changed:
        raise ConfigurationError(
            f"{', '.join(str(out / n) for n in changed)} was changed since an export wrote it, or "
            "was not written by one",
            "It cannot be imported: move it away, or export to another folder",
        )
    for name, data in files.items():
        write_bytes(out / name, data)
    marks = {n: hashlib.sha256(files[n]).hexdigest() for n in one_way}
    if marks:
        write_json(out / MANIFEST, {"notice": NOTICE, "files": {**listed, **marks}})
    shown = [n for n in files if not n.startswith("cases.") or n[6:] in _SHOWN]
    return Report(
        (
            f"{len(cases)} cases in {' and '.join(str(out / n) for n in shown)}",
            *_remarks(request.forms, cases, rows, files),
        )
    )


_SHOWN = frozenset({"csv", "gpkg", "xlsx", "geojson", "kml", "shp"})


def _files(
    form: Form, layer: GisLayer, rows: Sequence[Mapping[str, str | None]]
) -> dict[str, bytes]:
    writers: dict[Form, Callable[[], bytes]] = {
        Form.CSV: lambda: write_csv(COLUMNS, [*rows]),
        Form.GPKG: lambda: geopackage([layer], "EPSG:4326", datetime.now(UTC)),
        Form.XLSX: lambda: write_workbook(layer.columns, rows),
        Form.GEOJSON: lambda: to_bytes(_collection(layer)),
        Form.KML: lambda: kml("四乱疑似问题", rows, layer.shapes),
        Form.GCJ02: lambda: to_bytes(gcj02_points(rows)),
    }
    if form is Form.SHP:
        return shapefile(layer, "cases")
    return {NAMES[form]: writers[form]()}


def _collection(layer: GisLayer) -> dict[str, Any]:
    """Give the rows with their outlines (RFC 7946)."""
    return feature_collection(
        {
            "type": "Feature",
            "id": row["case_id"],
            "geometry": as_geojson(shape),
            "properties": {**row},
        }
        for row, shape in zip(layer.rows, layer.shapes, strict=True)
    )


def gcj02_points(rows: Sequence[Mapping[str, str | None]]) -> dict[str, Any]:
    """Give a point per case in GCJ-02, said to be that in every place where a reader may look.

    RFC 7946 knows no datum but WGS 84, and a reader that does not know the name in ``crs`` takes
    that. So ``crs`` holds a local system as WKT, which GDAL and QGIS read and can turn into nothing
    else: they refuse to draw it over a map, where it would lie 600 m off.
    """
    features = [
        {
            "type": "Feature",
            "id": row["case_id"],
            "geometry": {
                "type": "Point",
                "coordinates": [float(row["lon_gcj02"] or 0), float(row["lat_gcj02"] or 0)],
            },
            "properties": {
                "datum": "GCJ-02",
                "datum_zh": GCJ02_ZH,
                **{n: row[n] for n in COLUMNS if n not in _PRIVATE},
            },
        }
        for row in sorted(rows, key=lambda r: str(r["case_id"]))
        if row["lon_gcj02"] is not None
    ]
    return {
        "type": "FeatureCollection",
        "name": "points_gcj02",
        "datum": "GCJ-02",
        "datum_zh": GCJ02_ZH,
        "crs": {"type": "name", "properties": {"name": _GCJ02_WKT}},
        "features": features,
    }


def _remarks(
    forms: Sequence[Form],
    cases: Sequence[Case],
    rows: Sequence[Mapping[str, str | None]],
    files: Mapping[str, bytes],
) -> list[str]:
    """Say what a form could not hold."""
    said: list[str] = []
    outside = [r["case_id"] for r in rows if r["lon_gcj02"] is None]
    if Form.GCJ02 in forms and outside:
        said.append(f"outside of where GCJ-02 is used, so not among its points: {len(outside)}")
    if Form.SHP in forms and "以下文字" in files["cases_fields.txt"].decode("utf-8-sig"):
        said.append("text longer than a shapefile holds is cut there; cases_fields.txt has all")
    return said


def _listed(out: Path) -> dict[str, str]:
    """Give the SHA-256 of what earlier exports wrote for reading."""
    try:
        return dict(json.loads((out / MANIFEST).read_text(encoding="utf-8"))["files"])
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _was_changed(path: Path, written: str | None) -> bool:
    return path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() != written
