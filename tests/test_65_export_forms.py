"""The forms in which cases leave, read with GDAL; and what comes back of a workbook."""

from __future__ import annotations

import json
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyogrio
import pytest
import shapely
from openpyxl import load_workbook
from pyogrio import raw
from pyproj import Transformer
from pyproj.exceptions import ProjError
from shapely.geometry import Point, shape

sys.path.insert(0, str(Path(__file__).parent))
from test_64_cases import candidate, issue, make, read, siluan

from pipeline.cases.exporting import Form, forms_of
from pipeline.cases.sheet import LEDGER, VERDICTS
from pipeline.cases.tables import read_table
from pipeline.errors import ConfigurationError
from pipeline.ledger import Command, Edit, LedgerPlace, change, open_ledger
from pipeline.model import Kind, Status
from pipeline.publish.geometry import to_wgs84

NOTE = "堤内堆放砂石料，需会同渌口区水利局现场核实；<b>＆'\"" + "长" * 90  # more than 254 bytes
FORMS = "csv,gpkg,xlsx,geojson,kml,shp,gcj02"


@pytest.fixture
def state(tmp_path: Path) -> Path:
    make(tmp_path / "state", [candidate(i) for i in range(3)])
    return tmp_path / "state"


@pytest.fixture
def ids(state: Path) -> list[str]:
    return sorted(read(state), key=lambda i: read(state)[i].polygon.bounds)


def export(state: Path, forms: str, code: int = 0) -> str:
    return siluan("export", "--state", state, "--out", state.parent / "out", "--as", forms,
                  code=code)  # fmt: skip


def bring(state: Path, name: str, code: int = 0, *more: str) -> str:
    file = state.parent / "out" / name
    return siluan("import", file, "--state", state, "--by", "王工", *more, code=code)


def rows(path: Path, layer: str | None = None) -> list[dict[str, Any]]:
    meta, _, wkb, data = raw.read(path, layer=layer)
    names = [str(n) for n in meta["fields"]]
    table = [dict(zip(names, r, strict=True)) for r in zip(*data, strict=True)]
    return [r | {"shape": shapely.from_wkb(g)} for r, g in zip(table, wkb, strict=True)]


def cells(book: Any, sheet: str) -> dict[str, Any]:
    """Give a function's worth of places: the cell of (case, heading)."""
    page = book[sheet]
    heads = {c.value: c.column for c in page[1]}
    lines = {page.cell(i, 1).value: i for i in range(2, page.max_row + 1)}
    return {
        f"{case}/{head}": page.cell(line, at)
        for case, line in lines.items()
        for head, at in heads.items()
    }


def test_no_name_of_a_person_is_in_what_other_systems_and_telephones_get(
    state: Path, ids: list[str]
) -> None:
    corrected = Edit(ids[0], "王小明", date(2026, 3, 5), subtype="DU2")
    said = Command("siluan cases update", "update-1", datetime(2026, 3, 5, 2, tzinfo=UTC), "0.2.0")
    with open_ledger(LedgerPlace(state / "ledger.sqlite")) as ledger:
        assert not change(ledger, [corrected], said).refused
    export(state, "kml,gcj02,csv")
    out = state.parent / "out"
    assert "王小明" in (out / "cases.csv").read_text(encoding="utf-8-sig")
    for name in ("cases.kml", "points_gcj02.geojson"):
        text = (out / name).read_text(encoding="utf-8")
        assert ids[0] in text
        assert "王小明" not in text


def test_every_form_is_read_by_gdal_with_its_chinese(state: Path, ids: list[str]) -> None:
    siluan("update", ids[0], "--state", state, "--by", "王工", "--note", NOTE)
    told = export(state, FORMS)
    assert "text longer than a shapefile holds is cut there; cases_fields.txt has all" in told
    out = state.parent / "out"
    case = read(state)[ids[0]]
    outline = to_wgs84(case.polygon, case.crs)

    one = next(r for r in rows(out / "cases.gpkg", "cases") if r["case_id"] == ids[0])
    assert (one["note"], one["kind_zh"], one["status_zh"]) == (NOTE, "乱堆", "疑似")
    assert one["shape"].equals(shapely.MultiPolygon([outline]))
    assert pyogrio.read_info(out / "cases.gpkg", layer="cases")["crs"] == "EPSG:4326"

    one = next(r for r in rows(out / "cases.geojson") if r["case_id"] == ids[0])
    assert (one["note"], one["notice"]) == (NOTE, "仅为线索，不作为处罚依据")

    assert (out / "cases.cpg").read_text() == "UTF-8"
    assert pyogrio.read_info(out / "cases.shp")["crs"] == "EPSG:4490"
    one = next(r for r in rows(out / "cases.shp") if r["case_id"] == ids[0])
    assert all(len(name) <= 10 for name in one if name != "shape")
    assert one["note"].endswith("…")
    assert NOTE.startswith(one["note"][:-1])
    assert 240 < len(one["note"].encode()) <= 254
    assert (one["evid_zh"], one["area_m2"]) == ("疑似", pytest.approx(1600.0))
    assert str(one["first_seen"])[:10] == "2025-01-01"
    assert one["shape"].equals(outline)
    fields = (out / "cases_fields.txt").read_text(encoding="utf-8-sig")
    assert f"{ids[0]}\t备注\t{NOTE}" in fields
    assert "ext_id\t外部编号\t文本" in fields

    layers = [str(n) for n in pyogrio.list_layers(out / "cases.kml")[:, 0]]
    assert layers == ["乱堆", "点位"]
    one = next(r for r in rows(out / "cases.kml", "乱堆") if r["Name"].endswith(ids[0][-8:]))
    assert one["Name"] == f"乱堆·疑似 {ids[0][-8:]}"
    assert "面积（平方米）：1600.00" in one["description"]
    assert shapely.force_2d(one["shape"]).equals(outline)
    point = rows(out / "cases.kml", "点位")[0]["shape"]
    assert any(to_wgs84(c.polygon, c.crs).contains(point) for c in read(state).values())


def test_gcj02_points_are_never_taken_for_wgs84(state: Path, ids: list[str]) -> None:
    export(state, "gcj02,csv")
    path = state.parent / "out" / "points_gcj02.geojson"
    document = json.loads(path.read_text(encoding="utf-8"))
    assert document["datum"] == "GCJ-02"
    # A system that cannot be turned into another: a GIS does not draw it 600 m off.
    crs = str(pyogrio.read_info(path)["crs"])
    assert crs.startswith('LOCAL_CS["GCJ-02 (shifted: not WGS 84')
    with pytest.raises(ProjError):
        Transformer.from_crs(crs, "EPSG:4326")
    table = {r["case_id"]: r for r in read_table(state.parent / "out" / "cases.csv").rows}
    for feature in document["features"]:
        row, case = table[feature["id"]], read(state)[feature["id"]]
        outline = to_wgs84(case.polygon, case.crs)
        assert feature["properties"]["datum"] == "GCJ-02"
        assert [f"{v:.7f}" for v in feature["geometry"]["coordinates"]] == [
            row["lon_gcj02"],
            row["lat_gcj02"],
        ]
        assert outline.contains(Point(float(row["lon"] or 0), float(row["lat"] or 0)))
        assert 0.004 < outline.distance(shape(feature["geometry"])) < 0.009  # about 660 m


def test_a_workbook_that_was_not_touched_changes_nothing(state: Path, ids: list[str]) -> None:
    siluan("update", ids[0], "--state", state, "--by", "王工", "--note", "=1+1",
           "--external-id", "430221200001011234")  # fmt: skip
    export(state, "xlsx")
    path = state.parent / "out" / "cases.xlsx"
    book = load_workbook(path)
    page = book[LEDGER]
    assert book.sheetnames == [LEDGER, VERDICTS, "说明"]
    assert page.freeze_panes == "C2"
    found = cells(book, LEDGER)
    assert found[f"{ids[0]}/备注"].data_type == "s"  # text, no formula
    assert found[f"{ids[0]}/状态"].value == "疑似"
    assert found[f"{ids[0]}/外部编号"].number_format == "@"
    lists = [d.formula1 for d in page.data_validations.dataValidation]
    assert any("整改中" in text for text in lists)
    verdicts = [d.formula1 for d in book[VERDICTS].data_validations.dataValidation]
    assert any("不是问题·历史不碍洪" in text for text in verdicts)
    book.save(path)  # as a spreadsheet that was only looked at
    before = (state / "ledger.sqlite").read_bytes()
    out = bring(state, "cases.xlsx")
    assert "applied 0, known already 0, not applied 0" in out
    assert "not read" not in out
    assert "applied 0" in siluan("verdict", path, "--state", state)
    assert (state / "ledger.sqlite").read_bytes() == before
    export(state, "xlsx")


def test_edits_of_a_workbook_come_back_by_the_rules_of_a_csv(state: Path, ids: list[str]) -> None:
    issue(state, ids[0])
    export(state, "xlsx")
    path = state.parent / "out" / "cases.xlsx"
    book = load_workbook(path)
    found = cells(book, LEDGER)
    found[f"{ids[0]}/状态"].value = "已核实"
    found[f"{ids[0]}/整改期限"].value = "2026年6月30日"
    found[f"{ids[1]}/类型"].value = "乱建"
    book.save(path)
    assert "holds edits that were not imported" in export(state, "xlsx", code=2)
    siluan("update", ids[1], "--state", state, "--by", "李工", "--kind", "zhan")
    before = read(state)
    assert f"{ids[1]}: conflict since revision 1: kind was 'dui'" in bring(state, "cases.xlsx", 2)
    assert read(state) == before
    bring(state, "cases.xlsx", 10, "--partial")
    case = read(state)[ids[0]]
    assert case.people is not None
    assert (case.status, str(case.people.due)) == (Status.VERIFIED, "2026-06-30")
    assert read(state)[ids[1]].kind is Kind.ZHAN


def test_verdicts_of_a_workbook_are_read_and_never_written_over(
    state: Path, ids: list[str]
) -> None:
    export(state, "xlsx")
    path = state.parent / "out" / "cases.xlsx"
    book = load_workbook(path)
    found = cells(book, VERDICTS)
    for head, value in {"核查结论": "不是问题", "原因": "桥梁堰坝", "核查人": "赵工",
                        "核查日期": "2026/3/5"}.items():  # fmt: skip
        found[f"{ids[0]}/{head}"].value = value
    book.save(path)
    assert "holds verdicts that were not read: line " in export(state, "xlsx", 2)
    assert "applied 1" in siluan("verdict", path, "--state", state)
    assert read(state)[ids[0]].status is Status.REJECTED
    export(state, "xlsx")


def test_what_cannot_be_imported_is_not_written_over_once_it_was_changed(state: Path) -> None:
    export(state, "kml,shp,gcj02")
    export(state, "kml,shp,gcj02")  # as the export left it
    path = state.parent / "out" / "cases.kml"
    path.write_text(path.read_text(encoding="utf-8").replace("乱堆", "看过"), encoding="utf-8")
    shp = (state.parent / "out" / "cases.shp").stat().st_mtime_ns
    assert "cases.kml was changed since an export wrote it" in export(state, "shp,kml", code=2)
    assert (state.parent / "out" / "cases.shp").stat().st_mtime_ns == shp
    assert "看过" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("text", ["csv,dwg", " , "])
def test_a_form_that_is_not_known_is_named(text: str) -> None:
    with pytest.raises(ConfigurationError, match="Known: csv, gpkg, xlsx, geojson, kml, shp"):
        forms_of(text)
    assert forms_of("SHP, csv") == (Form.CSV, Form.SHP)


def test_a_workbook_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.xlsx"
    path.write_bytes(b"PK\x03\x04 no workbook")
    with pytest.raises(ConfigurationError, match="is no workbook that can be read"):
        read_table(path)


def test_what_an_earlier_program_let_in_keeps_no_form_from_being_written(
    state: Path, ids: list[str]
) -> None:
    said = datetime(2026, 3, 5, tzinfo=UTC)
    note = {"note": "现场\x01看到\x00"}
    edit = Edit(ids[0], "王\x02工", said.date(), external_id="A\x01", record=note)
    with open_ledger(state / "ledger.sqlite") as ledger:
        assert change(ledger, [edit], Command("an earlier program", "e", said, "0")).applied
    export(state, FORMS)
    found = cells(load_workbook(state.parent / "out" / "cases.xlsx"), LEDGER)
    told = [found[f"{ids[0]}/{head}"].value for head in ("备注", "外部编号", "经办人")]
    assert told == ["现场看到", "A", "王工"]
    # Nobody wrote anything: it comes back as no edit, and is written over.
    assert "applied 0, known already 0, not applied 0" in bring(state, "cases.xlsx")
    export(state, FORMS)
