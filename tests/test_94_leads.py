"""``siluan leads import`` and ``siluan cases list --proposed`` as they are typed."""

from __future__ import annotations

import csv
import json
import re
import shutil
import sys
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import pytest
import shapely
import yaml
from openpyxl import Workbook
from PIL import Image
from pyproj import Transformer
from shapely.geometry import Point, box, mapping
from typer.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parent))
import tiny

from pipeline.adjudicate.evidence import fold
from pipeline.adjudicate.grading import grade
from pipeline.cli import app
from pipeline.config import load_workflow
from pipeline.errors import ConfigurationError
from pipeline.io.datum import Datum, wgs84_to_bd09, wgs84_to_gcj02
from pipeline.leads.columns import choose_columns
from pipeline.leads.rows import Found, read_list
from pipeline.leads.words import Sayings, lead_of
from pipeline.ledger import LedgerContext, apply, open_ledger
from pipeline.ledger.lock import hold
from pipeline.model import Attribution, Candidate, Case, Kind, LeadSource, Look, Seen
from pipeline.office.reference import Stated, resolve_each
from pipeline.publish.geometry import to_wgs84

X, Y = 700_600.0, 3_079_400.0  # in the corridor of ``tiny``
TO_DEGREES = Transformer.from_crs("EPSG:32649", "EPSG:4326", always_xy=True)
HEAD = "线索编号,问题类型,发现日期,经度,纬度,举报人,联系电话,备注\n"


@pytest.fixture
def flow(tmp_path: Path) -> Path:
    return tiny.workflow(tmp_path, tmp_path / "scenes")


def lonlat(dx: float = 0.0, dy: float = 0.0) -> tuple[float, float]:
    lon, lat = TO_DEGREES.transform(X + dx, Y + dy)
    return float(lon), float(lat)


def line(ref: str, dx: float = 0.0, kind: str = "乱堆", day: str = "2025年3月5日") -> str:
    lon, lat = lonlat(dx)
    return f"{ref},{kind},{day},{lon:.7f},{lat:.7f},张三,13800138000,桥下\n"


def siluan(*words: object, code: int = 0) -> str:
    done = CliRunner().invoke(app, [str(w) for w in words])
    assert done.exit_code == code, done.output
    return done.output


def leads(flow: Path, file: Path, *more: object, code: int = 0, kind: str = "report") -> str:
    who = ("--by", "王工", "--source", "12345热线", "--workflow", flow)
    datum = () if "--datum" in more else ("--datum", "wgs84")
    return siluan("leads", "import", file, "--as", kind, *who, *datum, *more, code=code)


def read(flow: Path) -> list[Case]:
    path = flow.parent / "state" / "ledger.sqlite"
    if not path.exists():
        return []
    with open_ledger(path, writing=False) as ledger:
        return list(ledger.cases())


def centre(case: Case) -> Point:
    return to_wgs84(case.polygon, case.crs).centroid


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("encoding", ["utf-8-sig", "gbk"])
def test_a_list_is_taken_once_and_no_person_is_kept(flow: Path, encoding: str) -> None:
    file = write(flow.parent / "台账.csv", HEAD + line("A1") + line("A2", 400.0), encoding)
    said = leads(flow, file)
    assert "opened 2, joined 0, known already 0, not applied 0" in said
    assert "columns that may name persons, not read and not kept: 举报人, 联系电话" in said
    assert "columns that are not read: note" in said
    cases = read(flow)
    assert sorted(k.ref for c in cases for k in c.leads) == ["A1", "A2"]
    assert {c.kind for c in cases} == {Kind.DUI}
    ledger = (flow.parent / "state" / "ledger.sqlite").read_bytes()
    for secret in ("张三", "13800138000", "桥下"):
        assert secret.encode() not in ledger
    again = leads(flow, file)
    assert "opened 0, joined 0, known already 2, not applied 0" in again
    assert read(flow) == cases
    shown = siluan("cases", "show", cases[0].case_id, "--workflow", flow)
    assert "举报" in shown


def test_every_bad_row_is_named_and_nothing_taken_unless_partial(flow: Path) -> None:
    lon, lat = lonlat()
    far = TO_DEGREES.transform(X + 50_000, Y)
    bad = [
        ("没有位置", f"A2,乱堆,2025-03-05,,{lat},,,", "line 3: it has no place"),
        ("不是数字", f"A3,乱堆,2025-03-05,east,{lat},,,", "line 4: its place 'east,"),
        ("零", "A4,乱堆,2025-03-05,0,0,,,", "line 5: its place is 0, 0"),
        ("颠倒", f"A5,乱堆,2025-03-05,{lat},{lon},,,", "swapped, it seems"),
        ("日期", f"A6,乱堆,3/5/2025,{lon},{lat},,,", "line 7: '3/5/2025' is no day"),
        ("以后", f"A7,乱堆,2999-01-01,{lon},{lat},,,", "has not come yet"),
        ("没有日期", f"A8,乱堆,,{lon},{lat},,,", "line 9: it has no day"),
        ("类型", f"A9,噪声,2025-03-05,{lon},{lat},,,", "line 10: kind '噪声' is not known"),
        ("没有类型", f"A10,,2025-03-05,{lon},{lat},,,", "line 11: it names no kind"),
        ("走廊外", f"A11,乱堆,2025-03-05,{far[0]},{far[1]},,,", "line 12: it lies in no corridor"),
        ("电话", f"13800138000,乱堆,2025-03-05,{lon},{lat},,,", "line 13: its number looks like"),
        ("身份证", f"11010519491231002X,乱堆,2025-03-05,{lon},{lat},,,", "line 14: its number"),
    ]  # fmt: skip
    text = HEAD + line("A1") + "".join(f"{row}\n" for _, row, _ in bad)
    file = write(flow.parent / "t.csv", text)
    said = leads(flow, file, code=2)
    assert "12 of 13 leads cannot be applied, and nothing was changed" in said
    for _, _, wanted in bad:
        assert wanted in said.replace("\n", " ")
    assert read(flow) == []
    done = leads(flow, file, "--partial", code=10)
    assert "opened 1, joined 0, known already 0, not applied 12" in done
    assert len(read(flow)) == 1


def test_a_datum_is_never_guessed_and_a_shift_is_taken_out(flow: Path) -> None:
    at = np.array([lonlat()])
    rows = {"wgs84": at[0], "gcj02": wgs84_to_gcj02(at)[0], "bd09": wgs84_to_bd09(at)[0]}
    who = ("--by", "王工", "--source", "台账", "--workflow", flow, "--as", "list")
    text = "编号,类型,日期,经度,纬度\n1,占,20250305,{0:.8f},{1:.8f}\n"
    plain = write(flow.parent / "a.csv", text.format(*at[0]))
    assert "given without a datum" in siluan("leads", "import", plain, *who, code=2)
    for i, (datum, place) in enumerate(rows.items()):
        file = write(flow.parent / f"{i}.csv", text.format(*place).replace("\n1,", f"\n{i},"))
        leads(flow, file, "--datum", datum, kind="list")
    (case,) = read(flow)  # one place, three leads
    assert len(case.leads) == 3
    assert centre(case).distance(Point(*at[0])) < 1e-6
    edge = (at[0] + [0.0, 0.0], wgs84_to_gcj02(np.array([lonlat(450.0)]))[0])[1]
    shifted = write(flow.parent / "s.csv", text.format(*edge))
    assert "taken for gcj02 it would" in leads(flow, shifted, code=2).replace("\n", " ")
    named = write(flow.parent / "高德导出.csv", text.format(*at[0]).replace("\n1,", "\n9,"))
    assert "names a web map" in leads(flow, named, code=2).replace("\n", " ")
    assert "joined 1" in leads(flow, named, "--accept-offset", "王工")


def _vector(path: Path, driver: str, shapes: list[Any], crs: str, **columns: list[str]) -> Path:
    pyogrio.raw.write(
        path,
        shapely.to_wkb(np.array(shapes, dtype=object)),
        [np.array(v, dtype=object) for v in columns.values()],
        list(columns),
        geometry_type=shapes[0].geom_type,
        crs=crs,
        driver=driver,
        encoding="UTF-8",
    )
    return path


@pytest.mark.parametrize(
    ("name", "driver", "crs"),
    [
        ("p.gpkg", "GPKG", "EPSG:32649"),
        ("p.shp", "ESRI Shapefile", "EPSG:4326"),
        ("p.geojson", "GeoJSON", "EPSG:4326"),
    ],
)
def test_outlines_from_a_gis(flow: Path, name: str, driver: str, crs: str) -> None:
    drawn = box(X, Y, X + 50, Y + 40)
    if crs == "EPSG:4326":
        drawn = shapely.transform(drawn, lambda xy: np.column_stack(TO_DEGREES.transform(*xy.T)))
    file = _vector(flow.parent / name, driver, [drawn], crs, TBBH=["T1"], LX=["乱建"])
    said = leads(flow, file, "--on", "2025-03-01", kind="list")
    assert "opened 1" in said
    (case,) = read(flow)
    assert (case.detector, case.kind, case.leads[0].ref) == ("lead-outline/1", Kind.JIAN, "T1")
    assert case.area_m2 == pytest.approx(2000, rel=0.01)


def _geojson(path: Path, *rows: tuple[tuple[float, float], dict[str, Any]]) -> Path:
    features = [
        {"type": "Feature", "properties": p, "geometry": {"type": "Point", "coordinates": at}}
        for at, p in rows
    ]
    return write(path, json.dumps({"type": "FeatureCollection", "features": features}))


def test_days_and_numbers_of_a_gis_list_are_not_rounded(flow: Path) -> None:
    said = {"kind": "dui", "on": "2025-03-04T16:00:00Z"}
    long = {**said, "ref": 202603050000000123}
    file = _geojson(flow.parent / "a.geojson", (lonlat(), long))
    leads(flow, file, kind="list")
    (case,) = read(flow)
    (lead,) = case.leads
    assert (lead.ref, str(lead.on)) == ("202603050000000123", "2025-03-05")
    # A missing number makes floats of the column.
    unnumbered = {**said, "ref": None}
    file = _geojson(flow.parent / "b.geojson", (lonlat(), long), (lonlat(300), unnumbered))
    told = leads(flow, file, kind="list", code=2).replace("\n", " ")
    assert "feature 1: external_id '2.026031E+17' is a number that a spreadsheet has" in told
    assert read(flow) == [case]


def test_points_from_a_kml(flow: Path) -> None:
    lon, lat = lonlat()
    text = (
        '<?xml version="1.0" encoding="UTF-8"?><kml xmlns="http://www.opengis.net/kml/2.2">'
        "<Document><Folder><name>巡查</name><Placemark><name>P1</name><Point><coordinates>"
        f"{lon},{lat}</coordinates></Point></Placemark></Folder></Document></kml>"
    )
    file = write(flow.parent / "p.kml", text)
    said = leads(flow, file, "--on", "2025-03-01", "--kind", "cai", "--field", "ref=Name",
                 kind="patrol")  # fmt: skip
    assert "巡查 leads: opened 1" in said
    assert read(flow)[0].leads[0].ref == "P1"


def _photo(
    path: Path,
    place: tuple[float, float] | None,
    taken: str = "2025:03:05 23:30:00",
    north: str = "N",
) -> None:
    head = Image.Exif()
    head.get_ifd(0x8769).update({0x9003: taken})
    if place is not None:
        lon, lat = ((float(int(v)), (v % 1) * 60, 0.0) for v in place)
        head.get_ifd(0x8825).update({1: north, 2: lat, 3: "E", 4: lon})
    Image.new("RGB", (8, 8)).save(path, "JPEG", exif=head)


def test_photos_of_a_patrol(flow: Path) -> None:
    folder = flow.parent / "照片"
    folder.mkdir()
    _photo(folder / "IMG_1.jpg", lonlat())
    _photo(folder / "IMG_2.JPG", None)
    options = ("--kind", "dui", "--datum", "wgs84")
    said = leads(flow, folder, *options, kind="patrol", code=2)
    assert "IMG_2.JPG: it has no place: the camera stored no position" in said
    assert "opened 1" in leads(flow, folder, *options, "--partial", kind="patrol", code=10)
    (case,) = read(flow)
    (lead,) = case.leads
    assert (lead.source, lead.ref, str(lead.on)) == (LeadSource.PATROL, "IMG_1", "2025-03-05")
    assert centre(case).distance(Point(*lonlat())) < 1e-5


def test_each_bad_photo_is_named_and_so_are_pictures_that_are_not_read(flow: Path) -> None:
    folder = flow.parent / "照片"
    folder.mkdir()
    options = ("--kind", "dui", "--datum", "wgs84")
    (folder / "e.heic").write_bytes(b"x")
    told = leads(flow, folder, *options, kind="patrol", code=2).replace("\n", " ")
    assert "holds no photo that is read, but e.heic" in told
    _photo(folder / "a.jpg", lonlat())
    _photo(folder / "b.jpg", lonlat(), north="S")
    _photo(folder / "c.jpg", lonlat(), taken="1970:01:01 00:00:00")
    _photo(folder / "d.jpg", lonlat(), taken="")
    said = leads(flow, folder, *options, "--on", "2025-03-05", kind="patrol", code=2)
    said = said.replace("\n", " ")
    assert "b.jpg: its coordinates around x = " in said
    assert "c.jpg: its day 1970-01-01 is before 1972" in said
    assert "d.jpg: it has no day: the camera stored no time. Its day is the camera's" in said
    assert "A lead needs a place" not in said.split("d.jpg")[1]
    done = leads(flow, folder, *options, "--partial", kind="patrol", code=10)
    assert "not read, and so no leads: e.heic (only JPEG is read)" in done
    assert [k.ref for c in read(flow) for k in c.leads] == ["a"]
    for name in "bcd":
        (folder / f"{name}.jpg").unlink()
    assert "known already 1" in leads(flow, folder, *options, kind="patrol", code=10)
    told = leads(flow, folder, *options, "--swap-xy", kind="patrol", code=2)
    assert "which say themselves what is north" in told.replace("\n", " ")


def test_each_bad_feature_of_a_gis_list_is_named(flow: Path) -> None:
    lon, lat = lonlat()
    rows = [((lon, lat), "A1"), ((0.0, 0.0), "A2"), ((lat, lon), "A3"), (lonlat(300), "A4")]
    said = {"kind": "dui", "on": "2025-03-05"}
    features = [(at, {**said, "ref": ref}) for at, ref in rows]
    file = _geojson(flow.parent / "a.geojson", *features)
    told = leads(flow, file, kind="list", code=2).replace("\n", " ")
    assert "2 of 4 leads cannot be applied" in told
    assert "feature 2: its place is 0, 0: it had no position" in told
    assert "feature 3: its coordinates around x = 27.8" in told
    assert "the two are swapped, it seems" in told
    assert "opened 2" in leads(flow, file, "--partial", kind="list", code=10)
    # All of a list that is swapped is one question, and its answer exists.
    north_first = [((y, x), p) for (x, y), p in (features[0], features[3])]
    file = _geojson(flow.parent / "b.geojson", *north_first)
    assert "add --swap-xy" in leads(flow, file, kind="list", code=2).replace("\n", " ")
    assert "known already 2" in leads(flow, file, "--swap-xy", kind="list")
    cells = "".join(f"{p['ref']},dui,2025-03-05,{x!r},{y!r}\n" for (x, y), p in north_first)
    table = write(flow.parent / "c.csv", f"编号,类型,日期,经度,纬度\n{cells}")
    assert "swapped, it seems" in leads(flow, table, kind="list", code=2).replace("\n", " ")
    assert "known already 2" in leads(flow, table, "--swap-xy", kind="list")


DOCUMENTED = re.search(
    r"degrees, or ([^;\s]+);",
    (Path(__file__).parents[1] / "docs" / "leads.md").read_text(encoding="utf-8"),
)


@pytest.mark.parametrize(
    ("text", "degrees"),
    [
        (DOCUMENTED[1] if DOCUMENTED else "", 113 + 7 / 60 + 12.5 / 3600),
        ("113°07'12\"", 113.12),
        ("113°07'12''", 113.12),
        ("东经113度7分12秒", 113.12),
        ("113º07′12″E", 113.12),
        ("113°12″", 113 + 12 / 3600),
        ("113.12°", 113.12),
        ("113.12度", 113.12),
        ("113.12°07′", None),
        ("113°60′", None),
        ("nan", None),
        ("inf", None),
    ],
)
def test_degrees_as_people_write_them(tmp_path: Path, text: str, degrees: float | None) -> None:
    cell = text.replace('"', '""')
    file = write(tmp_path / "t.csv", f'编号,类型,日期,经度,纬度\n1,占,20250305,"{cell}",27.84\n')
    (row,) = read_list(file, Datum.WGS84, fields={}).rows
    if degrees is None:
        assert row.bad is not None
        assert "is no number" in row.bad
    else:
        assert isinstance(row.shape, Point)
        assert row.shape.x == pytest.approx(degrees, abs=1e-9)


@pytest.mark.parametrize("x", ["nan", "inf"])
def test_what_is_no_number_is_no_place_in_metres_either(flow: Path, x: str) -> None:
    rows = f"编号,类型,日期,x,y\n1,占,20250305,{x},{Y}\n2,占,20250305,{X},{Y}\n"
    file = write(flow.parent / "t.csv", rows)
    told = leads(flow, file, "--crs", "EPSG:32649", code=2).replace("\n", " ")
    assert f"line 2: its place '{x}, {Y}' is no number" in told
    shape = Point(float(x), float(x))
    stated = Stated(file, Datum.WGS84, None, False, "EPSG:32649", False)
    assert resolve_each(stated, [shape, Point(X, Y)])[1] == ("its place is no number", None)


def test_no_name_or_address_of_a_complainant_becomes_a_number(flow: Path) -> None:
    folder = flow.parent / "举报照片"
    folder.mkdir()
    _photo(folder / "张三.jpg", lonlat())
    options = ("--kind", "dui", "--datum", "wgs84")
    assert "opened 1" in leads(flow, folder, *options, kind="report")
    (case,) = read(flow)
    assert case.leads[0].ref.startswith("L-")
    assert "known already 1" in leads(flow, folder, *options, kind="report")
    columns = ("place", "lon", "lat", "点号")
    assert "点号" not in choose_columns(columns[:3], {}, "x").values()
    assert choose_columns(columns, {}, "x")["ref"] == "点号"
    assert "ref" not in choose_columns(columns[:3], {}, "x")


@pytest.mark.parametrize(
    "number", ["138 0013 8000", "138-0013-8000", "(0731)88812345", "0731 8881234",
               "11010519491231 002X"],
)  # fmt: skip
def test_a_telephone_or_identity_number_in_groups_is_no_number_of_a_lead(number: str) -> None:
    row = Found("line 1", {"ref": number, "kind": "dui", "on": "2025-03-05"})
    said = Sayings(LeadSource.REPORT, "热线", date(2026, 1, 1))
    with pytest.raises(ConfigurationError, match="telephone or identity"):
        lead_of(row, Point(113.0, 27.8), said)
    fine = replace(row, values={**row.values, "ref": "2026-0312-001"})
    assert lead_of(fine, Point(113.0, 27.8), said).ref == "2026-0312-001"


def test_people_correct_a_sub_type(flow: Path) -> None:
    shutil.copytree(Path(__file__).parents[1] / "config", flow.parent / "config")
    text = flow.read_text(encoding="utf-8")
    flow.write_text(
        f"{text}\nsubtypes: config/subtypes.csv\nseverity: config/severity.csv\n", encoding="utf-8"
    )
    leads(flow, write(flow.parent / "t.csv", HEAD + line("A1")))
    (case,) = read(flow)
    assert case.grade is not None
    assert case.grade.subtype == "DU2"
    update = ("cases", "update", case.case_id, "--by", "王工")
    siluan(*update, "--workflow", flow, "--sub-type", "河湖管理范围内乱扔乱堆垃圾")
    (after,) = read(flow)
    assert after.grade is not None
    assert after.people is not None
    assert (after.grade.subtype, after.people.subtype, after.revision) == ("DU1", "DU1", 2)
    options = load_workflow(flow).options.adjudicate
    assert grade(after, options.grading, options.grade) == after.grade  # the next run keeps it
    with open_ledger(flow.parent / "state" / "ledger.sqlite", writing=False) as ledger:
        (event,) = [e for e in ledger.events() if e.what == "subtype"]
    assert (event.old, event.new, event.detail["by"]) == (None, "DU1", "王工")
    for word, wanted in (("CA1", "is no sub-type of 乱堆"), ("DU9", "is not known")):
        told = siluan(*update, "--workflow", flow, "--sub-type", word, code=2)
        assert wanted in told.replace("\n", " ")
    siluan(*update, "--state", flow.parent / "state", "--sub-type", "DU1", code=2)
    assert read(flow) == [after]
    inspect = flow.parent / "inspect.yaml"  # the table of either kind of workflow is meant
    same = ("name", "corridors", "state", "out", "subtypes", "severity")
    said = {k: v for k, v in yaml.safe_load(flow.read_text("utf-8")).items() if k in same}
    inspect.write_text(yaml.safe_dump({**said, "kind": "inspect", "flights": ["f"]}), "utf-8")
    siluan(*update, "--workflow", inspect, "--sub-type", "DU3")
    siluan(*update, "--workflow", flow, "--kind", "jian")
    (other,) = read(flow)
    assert other.people is not None
    assert (other.people.subtype, other.people.subtype_by) == (None, None)


@pytest.mark.thorough
def test_a_sub_type_is_corrected_by_file(flow: Path) -> None:
    shutil.copytree(Path(__file__).parents[1] / "config", flow.parent / "config")
    tables = "subtypes: config/subtypes.csv\nseverity: config/severity.csv\n"
    flow.write_text(f"{flow.read_text(encoding='utf-8')}\n{tables}", encoding="utf-8")
    leads(flow, write(flow.parent / "t.csv", HEAD + line("A1")))
    out = flow.parent / "台账"
    export = ("cases", "export", "--workflow", flow, "--out", out, "--as", "csv")
    come_back = ("cases", "import", out / "cases.csv", "--by", "李工")

    def wrote(word: str) -> None:
        rows = list(csv.DictReader((out / "cases.csv").read_text("utf-8-sig").splitlines()))
        with (out / "cases.csv").open("w", encoding="utf-8-sig", newline="") as sink:
            table = csv.DictWriter(sink, list(rows[0]))
            table.writeheader()
            table.writerows({**row, "subtype": word} for row in rows)

    siluan(*export)
    wrote("DU9")
    assert "DU9 is not known" in siluan(*come_back, "--workflow", flow, code=2).replace("\n", " ")
    wrote("河湖管理范围内乱扔乱堆垃圾")
    assert "Give --workflow" in siluan(*come_back, "--state", flow.parent / "state", code=2)
    assert "were not imported" in siluan(*export, code=2).replace("\n", " ")
    siluan(*come_back, "--workflow", flow)
    (case,) = read(flow)
    assert case.people is not None
    assert case.grade is not None
    assert (case.people.subtype, case.people.subtype_by, case.grade.subtype) == (
        "DU1", "李工", "DU1",
    )  # fmt: skip
    # The same again is no edit, by its text as by its code, and says nothing of who said it first.
    assert "applied 0" in siluan(*come_back, "--workflow", flow)
    update = ("cases", "update", case.case_id, "--workflow", flow, "--by", "王工")
    siluan(*update, "--sub-type", "DU1", "--note", "复核")
    siluan(*export)
    (row,) = csv.DictReader((out / "cases.csv").read_text("utf-8-sig").splitlines())
    assert (row["subtype"], row["subtype_by"], row["last_by"]) == ("DU1", "李工", "王工")
    assert "DU1 李工" in siluan("cases", "list", "--workflow", flow)
    wrote("")
    assert "subtype was emptied" in siluan(*come_back, "--workflow", flow, code=2)
    # An inspector's file says it too.
    siluan("cases", "issue", case.case_id, "--workflow", flow, "--by", "王工", "--reason", "other",
           "--note", "群众举报")  # fmt: skip
    verdict, revision = flow.parent / "核查.csv", int(row["revision"]) + 1
    said = f"{case.case_id},{revision},问题,赵工,{datetime.now(UTC).date()},DU3"
    verdict.write_text(f"case_id,revision,verdict,by,on,细类\n{said}\n", encoding="utf-8")
    siluan("cases", "verdict", verdict, "--workflow", flow)
    (case,) = read(flow)
    assert case.people is not None
    assert (case.people.subtype, case.people.subtype_by) == ("DU3", "赵工")
    assert "known already 1" in siluan("cases", "verdict", verdict, "--workflow", flow)


def test_a_workbook_is_read_as_a_list(flow: Path) -> None:
    book = Workbook()
    about, sheet = book.active, book.create_sheet("台账")
    assert about is not None
    about.append(["说明"])
    lon, lat = lonlat()
    sheet.append(["线索编号", "问题类型", "发现日期", "经度", "纬度", "举报人"])
    sheet.append([20260312001, "乱堆", date(2025, 3, 5), lon, lat, "张三"])
    sheet.append(["A2", "乱建", "2025年3月6日", None, None, None])
    file = flow.parent / "台账.xlsx"
    book.save(file)
    said = leads(flow, file, "--partial", code=10)
    assert "line 3: it has no place" in said
    assert "may name persons, not read and not kept: 举报人" in said
    (case,) = read(flow)
    assert [(k.ref, k.on) for k in case.leads] == [("20260312001", date(2025, 3, 5))]
    assert "none is called Blatt" in leads(flow, file, "--layer", "Blatt", code=2)
    sheet.append([202603050000000123, "乱堆", date(2025, 3, 5), lon, lat, "张三"])
    book.save(file)
    told = leads(flow, file, "--partial", code=10).replace("\n", " ")
    assert "line 4: external_id '2.026031E+17' is a number that a spreadsheet has rounded" in told


def test_lists_that_cannot_be_read_at_all(flow: Path, tmp_path: Path) -> None:
    for name, text, wanted in (
        ("a.xlsx", "", "is no workbook that can be read"),
        ("a.csv", "编号,类型\n1,占\n", "no columns for a place"),
        ("b.csv", "编号,图斑号,经度,纬度\n1,2,3,4\n", "may both be ref"),
        ("c.csv", "编号,经度,纬度\n", "holds no lead"),
        ("d.csv", "编号,x,y\n1,38501000.0,3080000.0\n", "has no coordinate reference system"),
    ):
        assert wanted in leads(flow, write(tmp_path / name, text), code=2).replace("\n", " ")
    assert "does not exist" in leads(flow, tmp_path / "no.csv", code=2)
    empty = tmp_path / "leer"
    empty.mkdir()
    assert "holds no photo" in leads(flow, empty, code=2)
    file = write(tmp_path / "t.csv", HEAD + line("A1"))
    said = siluan("leads", "import", file, "--as", "report", "--workflow", flow, "--datum",
                  "wgs84", "--by", "13800138000", "--source", "x", code=2)  # fmt: skip
    assert "telephone" in said
    (tmp_path / "state").mkdir(exist_ok=True)
    with hold(tmp_path / "state" / "ledger.sqlite"):
        leads(flow, file, code=4)


def _suspected(flow: Path, n: int) -> list[str]:
    """Let a run find ``n`` suspected cases."""
    start = datetime(2025, 3, 1, tzinfo=UTC)
    looks = tuple(Look(start.replace(day=1 + i), f"p{i}", "s2", 1.0, Seen.HIT) for i in range(3))
    found = [
        Candidate(
            Kind.ZHAN, "tiny", shape := box(X, Y - 150 * i, X + 40, Y - 150 * i + 40),
            "EPSG:32649", shape.area, looks, fold(looks), 0.3 + 0.1 * i, {}, (), "zhan/1",
        )
        for i in range(n)
    ]  # fmt: skip
    end = datetime(2025, 3, 31, tzinfo=UTC)
    context = LedgerContext("r", "0", "h", ("tiny",), (start, end), partial(fold, until=end))
    placed = replace(context, attribute=lambda case: Attribution())
    (flow.parent / "state").mkdir(exist_ok=True)
    with open_ledger(flow.parent / "state" / "ledger.sqlite") as ledger:
        cases = apply(ledger, found, placed).cases
    return [c.case_id for c in sorted(cases, key=lambda c: -c.score)]


def test_the_budget_lists_what_is_proposed_and_counts_what_was_issued(tmp_path: Path) -> None:
    budget = {"adjudicate": {"budget": {"per_county_month": 2}}}
    flow = tiny.workflow(tmp_path, tmp_path / "scenes", options=budget)
    ids = _suspected(flow, 4)
    shown = ("cases", "list", "--proposed", "--workflow", flow)
    said = siluan(*shown)
    assert [said.index(i) for i in ids] == sorted(said.index(i) for i in ids)
    assert "2 of 4 (未定县区 2 of 4) · waiting: 2" in said
    siluan("cases", "issue", ids[3], "--workflow", flow, "--by", "王工")
    said = siluan(*shown)
    assert "1 of 3 (未定县区 1 of 3) · waiting: 2" in said
    assert "已交办1件，按优先顺序排第2" in said
    (first, *_) = json.loads(siluan(*shown, "--json"))
    assert (first["case_id"], first["proposed"]["rank"]) == (ids[0], 1)
    # Withdrawn and taken in again, it is work of that month all the same.
    for status in ("withdrawn", "suspected"):
        siluan("cases", "update", ids[3], "--status", status, "--reason", "duplicate",
               "--workflow", flow, "--by", "王工")  # fmt: skip
    assert "1 of 4 (未定县区 1 of 4) · waiting: 3" in siluan(*shown)
    later = siluan(*shown, "--month", "2199-01")
    assert "2 of 4" in later
    assert "is no month" in siluan(*shown, "--month", "3月", code=2)
    assert "belongs to a workflow" in siluan(
        "cases", "list", "--proposed", "--state", tmp_path / "state", code=2
    )
    assert "has no budget" in siluan(
        *shown[:3], "--workflow", tiny.workflow(tmp_path, tmp_path / "scenes"), code=2
    )


@pytest.mark.thorough
def test_a_run_finds_nothing_to_change_at_a_lead_and_then_joins_it(tmp_path: Path) -> None:
    """The fill of the tiny valley: a lead first, then imagery under the lead's id."""
    budget = {"store": {"tile_px": 128}, "adjudicate": {"budget": {"per_county_month": 1}}}
    early = {"from": "2024-01-01", "patrol_from": "2024-10-15", "to": "2024-10-20", "zone": "UTC"}
    flow = tiny.workflow(
        tmp_path, tiny.write_scenes(tmp_path / "scenes"), options=budget, period=early
    )
    lon, lat = TO_DEGREES.transform(700_000 + 820, 3_080_000 - 570)
    text = f"编号,类型,日期,经度,纬度\nA1,乱占,2024-10-01,{lon},{lat}\n"
    leads(flow, write(tmp_path / "t.csv", text))
    (before,) = read(flow)
    siluan("run", flow)
    (same,) = read(flow)
    assert (same.case_id, same.revision) == (before.case_id, before.revision)
    (shown,) = tiny.features(tmp_path, "watch.geojson")
    assert shown["properties"]["leads"][0]["ref"] == "A1"
    flow = tiny.workflow(tmp_path, tmp_path / "scenes", options=budget)
    said = siluan("run", flow)
    assert "提请交办 proposed for issue in 2025-02: 1 of 1" in said
    (case,) = read(flow)
    assert (case.case_id, case.detector) == (before.case_id, "zhan/1")
    (found,) = tiny.features(tmp_path, "cases.geojson")
    assert found["properties"]["leads"] == shown["properties"]["leads"]
    assert found["properties"]["proposed"]["waits"] is None
    assert mapping(shapely.from_geojson(json.dumps(found["geometry"])))["type"] == "Polygon"
