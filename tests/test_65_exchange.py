"""Cases out for editing and back: nothing lost, nothing carried along, conflicts shown."""

from __future__ import annotations

import csv
import io
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from pyogrio import raw
from shapely.geometry import box

sys.path.insert(0, str(Path(__file__).parent))
from test_64_cases import X, Y, candidate, events, issue, make, read, siluan

from pipeline.cases.tables import read_table, write_csv
from pipeline.grid import reproject
from pipeline.ledger import Command, Edit, change, open_ledger
from pipeline.model import Kind, Status


@pytest.fixture
def state(tmp_path: Path) -> Path:
    make(tmp_path / "state", [candidate(i) for i in range(3)])
    return tmp_path / "state"


@pytest.fixture
def ids(state: Path) -> list[str]:
    return sorted(read(state), key=lambda i: read(state)[i].polygon.bounds)


def export(state: Path, code: int = 0) -> str:
    return siluan("export", "--state", state, "--out", state.parent / "out", code=code)


def bring(state: Path, name: str = "cases.csv", code: int = 0, *more: str) -> str:
    file = state.parent / "out" / name
    return siluan("import", file, "--state", state, "--by", "王工", *more, code=code)


def edit_csv(state: Path, case: str, encoding: str = "utf-8-sig", **values: str) -> None:
    """Change a row as a spreadsheet would."""
    path = state.parent / "out" / "cases.csv"
    rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"))))
    for row in rows:
        row.update(values if row["case_id"] == case else {})
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    path.write_bytes(out.getvalue().encode(encoding))


def edit_gpkg(state: Path, case: str, outline: Any) -> None:
    """Draw an outline anew as a GIS would."""
    path = state.parent / "out" / "cases.gpkg"
    meta, _, wkb, data = raw.read(path, layer="cases")
    at = list(data[list(meta["fields"]).index("case_id")]).index(case)
    wkb = np.array(wkb, dtype=object)
    wkb[at] = shapely.to_wkb(shapely.MultiPolygon([outline]))
    path.unlink()
    raw.write(
        path, wkb, list(data), meta["fields"], geometry_type="MultiPolygon",
        crs=meta["crs"], layer="cases", driver="GPKG",
    )  # fmt: skip


def test_an_export_that_was_not_touched_changes_nothing(state: Path, ids: list[str]) -> None:
    siluan("update", ids[1], "--state", state, "--by", "王工", "--note", "=1+1")
    export(state)
    before = (state / "ledger.sqlite").read_bytes()
    for name in ("cases.csv", "cases.gpkg"):
        assert "applied 0, known already 0, not applied 0" in bring(state, name)
    assert (state / "ledger.sqlite").read_bytes() == before
    # No text is a formula where a spreadsheet opens it.
    assert ",'=1+1," in (state.parent / "out" / "cases.csv").read_text(encoding="utf-8-sig")
    assert {r["case_id"] for r in read_table(state.parent / "out" / "cases.gpkg").rows} == set(ids)


@pytest.mark.parametrize(
    ("value", "cell", "numeric"),
    [
        ("-15.16", "-15.16", True), ("-3", "-3", True), ("-1.2e-05", "-1.2e-05", True),
        ("-", "'-", True), ("-1+1", "'-1+1", True), ("-1.5.2", "'-1.5.2", True),
        ("-2e5", "'-2e5", False), ("-3", "'-3", False), ("-现场", "'-现场", False),
        ("=-1", "'=-1", False), ("+8613", "'+8613", False), ("@a", "'@a", False),
        ("'-15.16", "''-15.16", False),
    ],
)  # fmt: skip
def test_a_number_below_zero_stays_one_and_no_text_is_a_formula(
    tmp_path: Path, value: str, cell: str, numeric: bool
) -> None:
    # A guarded volume of a pit is left out of a spreadsheet's sum; an id is no number.
    file, column = tmp_path / "a.csv", "volume_m3" if numeric else "external_id"
    file.write_bytes(write_csv(("case_id", column), [{"case_id": "a", column: value}]))
    assert file.read_text(encoding="utf-8-sig").splitlines()[1] == f"a,{cell}"
    (row,) = read_table(file).rows
    assert row[column] == value


@pytest.mark.parametrize("value", ["\r=1+1", "\n=1", "\t=1", "'\r=1"])
def test_a_formula_behind_the_end_of_a_line_is_guarded(value: str) -> None:
    text = write_csv(("case_id", "note"), [{"case_id": "a", "note": value}]).decode("utf-8-sig")
    (_, (_, cell)) = list(csv.reader(io.StringIO(text, newline="")))
    assert cell == f"'{value}"


def test_edits_come_back_once(state: Path, ids: list[str]) -> None:
    issue(state, ids[0])
    export(state)
    wrote = {"status": "verified", "note": "现场核实", "due": "2026/6/30", "overdue": "是"}
    edit_csv(state, ids[0], "gbk", **wrote)  # as a Chinese Windows saves it
    out = bring(state)
    assert f"{ids[0]}: issued -> verified" in out
    assert "applied 1, known already 0, not applied 0" in out
    case = read(state)[ids[0]]
    assert case.people is not None
    assert (case.status, case.people.note, case.people.overdue) == (
        Status.VERIFIED,
        "现场核实",
        True,
    )
    count = events(state)
    assert "applied 0" in bring(state)
    assert events(state) == count
    export(state)  # all of it is known by now


def test_an_empty_export_can_be_read(state: Path) -> None:
    out = state.parent / "out"
    assert "0 cases in" in siluan("export", "--state", state, "--out", out, "--kind", "cai")
    assert "applied 0" in bring(state)
    assert "applied 0" in bring(state, "cases.gpkg")


def test_outlines_come_back_from_a_geopackage(state: Path, ids: list[str]) -> None:
    export(state)
    drawn = reproject(box(X - 5, Y, X + 40, Y + 40), "EPSG:32649", "EPSG:4326")
    edit_gpkg(state, ids[0], drawn)
    assert f"{ids[0]}: noted" in bring(state, "cases.gpkg")
    assert read(state)[ids[0]].area_m2 == pytest.approx(45 * 40, rel=2e-3)
    assert "applied 0" in bring(state, "cases.gpkg")
    export(state)


def test_an_export_never_writes_over_edits(state: Path, ids: list[str]) -> None:
    export(state)
    edit_csv(state, ids[0], kind="cai")
    edited = (state.parent / "out" / "cases.csv").read_bytes()
    out = export(state, code=2)
    assert "holds edits that were not imported" in out
    assert f"{ids[0]}: kind" in out
    assert (state.parent / "out" / "cases.csv").read_bytes() == edited
    bring(state)
    export(state)
    assert read(state)[ids[0]].kind is Kind.CAI
    (state.parent / "out" / "cases.gpkg-wal").write_bytes(b"")
    assert "open in another program" in export(state, code=2)
    (state.parent / "out" / "cases.gpkg-wal").unlink()
    (state.parent / "out" / "cases.csv").write_text("name,tel\nx,y\n")
    assert "has no column case_id, revision, status" in export(state, code=2)


def test_what_both_changed_is_a_conflict_and_the_rest_is_not(state: Path, ids: list[str]) -> None:
    export(state)
    edit_csv(state, ids[0], kind="cai")
    edit_csv(state, ids[1], kind="jian", note="看过")
    # Imagery goes on in the meantime, and somebody else decides.
    make(state, [candidate(0, hits=4), candidate(1), candidate(2)])
    where = ("--state", state, "--by", "李工", "--kind", "zhan")
    siluan("update", ids[1], *where)
    before = read(state)
    out = bring(state, code=2)
    assert f"{ids[1]}: conflict since revision 1: kind was 'dui', is now 'zhan'" in out
    assert "and was written 'jian'" in out
    assert ids[0] not in out
    assert read(state) == before
    assert "not applied 1" in bring(state, "cases.csv", 10, "--partial")
    after = read(state)
    assert (after[ids[0]].kind, after[ids[0]].revision) == (Kind.CAI, 3)
    assert after[ids[1]] == before[ids[1]]


def test_what_cannot_be_applied_is_named(state: Path, ids: list[str]) -> None:
    export(state)
    before = (state / "ledger.sqlite").read_bytes()
    fresh = (state.parent / "out" / "cases.csv").read_bytes()
    for values, said in (
        ({"status": "closed"}, "suspected cannot become closed"),
        ({"status": ""}, "status was emptied"),
        ({"kind": "矿"}, "kind '矿' is not known"),
        ({"due": "6/30/2026"}, "no day that can be read in one way only"),
        ({"revision": "9"}, "it never had revision 9"),
        ({"case_id": "ZZ-no"}, "the ledger has no such case"),
        ({"note": "电话 13812345678"}, "telephone or identity number"),
    ):
        (state.parent / "out" / "cases.csv").write_bytes(fresh)
        edit_csv(state, ids[0], **values)
        out = bring(state, code=2)
        assert said in out
        assert "line " in out
    assert (state / "ledger.sqlite").read_bytes() == before


def test_what_import_does_not_read_is_named_and_never_written_over(
    state: Path, ids: list[str]
) -> None:
    export(state)
    # A spreadsheet writes numbers and days its own way; that is no edit.
    fresh = read_table(state.parent / "out" / "cases.csv").rows[0]
    area, seen = str(float(fresh["area_m2"] or "")), (fresh["first_seen"] or "").replace("-", "/")
    edit_csv(state, ids[0], area_m2=area, first_seen=seen)
    assert "not read" not in bring(state)
    export(state)
    edit_csv(state, ids[0], county_zh="渌口区", area_m2="17")
    out = bring(state)
    assert f": {ids[0]}: area_m2, county_zh" in out
    assert out.startswith("not read: line ")
    edited = (state.parent / "out" / "cases.csv").read_bytes()
    assert "cases.csv holds what import does not read: line " in export(state, code=2)
    assert (state.parent / "out" / "cases.csv").read_bytes() == edited
    (state.parent / "out" / "cases.csv").unlink()
    export(state)
    path = state.parent / "out" / "cases.csv"
    head, *rows = path.read_text(encoding="utf-8-sig").splitlines()
    path.write_text("\n".join([f"{head},处理意见", *(f"{r}," for r in rows)]), encoding="utf-8")
    assert "not read" not in bring(state)  # nobody wrote anything into it
    path.write_text("\n".join([f"{head},处理意见", *(f"{r},拆" for r in rows)]), encoding="utf-8")
    assert "not read: the column 处理意见" in bring(state)
    assert "the column 处理意见" in export(state, code=2)


def test_a_gis_may_put_its_styles_into_the_file(state: Path, ids: list[str]) -> None:
    export(state)
    path = state.parent / "out" / "cases.gpkg"
    style = [np.array(["x"], dtype=object)]
    raw.write(
        path, None, style, np.array(["styleName"], dtype=object), geometry_type=None,
        layer="layer_styles", driver="GPKG", append=True,
    )  # fmt: skip
    assert "applied 0" in bring(state, "cases.gpkg")
    export(state)
    names = np.array(["case_id"], dtype=object)
    for layer in ("one", "two"):
        raw.write(
            state.parent / "out" / "other.gpkg", None, style, names, geometry_type=None,
            layer=layer, driver="GPKG", append=layer == "two",
        )  # fmt: skip
    assert "holds one, two, and none is called cases" in bring(state, "other.gpkg", 2)


def test_an_export_into_a_file_is_refused(state: Path) -> None:
    (state.parent / "out").write_text("x")
    assert "out is a file. Name a folder" in export(state, code=2)


@pytest.mark.parametrize("note", ["=1", "'=1", "''-x", "'quoted'"])
def test_a_note_comes_back_as_it_was(state: Path, ids: list[str], note: str) -> None:
    siluan("update", ids[0], "--state", state, "--by", "王工", "--note", note)
    export(state)
    assert "applied 0" in bring(state)
    (row,) = [
        r for r in read_table(state.parent / "out" / "cases.csv").rows if r["case_id"] == ids[0]
    ]
    assert row["note"] == note


def test_a_wrong_external_id_can_be_emptied(state: Path, ids: list[str]) -> None:
    siluan("update", ids[0], "--state", state, "--by", "王工", "--external-id", "E1")
    export(state)
    edit_csv(state, ids[0], external_id="")
    assert "applied 1" in bring(state)
    assert read(state)[ids[0]].external_id is None
    assert "applied 0" in bring(state)


def test_what_nobody_may_write_any_more_is_no_edit_where_it_stood_before(
    state: Path, ids: list[str]
) -> None:
    # A ledger of an earlier version: its id is longer than one may be now.
    on, said = date(2026, 3, 1), datetime(2026, 3, 1, tzinfo=UTC)
    old = [
        Edit(ids[0], "王工", on, external_id="X" * 150),
        Edit(ids[1], "王工", on, external_id="A\x01B", record={"note": "电话 13800000000"}),
    ]
    with open_ledger(state / "ledger.sqlite") as ledger:
        assert not change(ledger, old, Command("siluan cases import", "i1", said, "0")).refused
    forms = ("--as", "csv,xlsx,geojson")
    for _ in range(2):
        siluan("export", "--state", state, "--out", state.parent / "out", *forms)
    for name in ("cases.csv", "cases.xlsx", "cases.geojson"):
        assert "applied 0, known already 0, not applied 0" in bring(state, name)
    edit_csv(state, ids[0], note="现场核实")
    assert "applied 1, known already 0, not applied 0" in bring(state)
    case = read(state)[ids[0]]
    assert (case.external_id, case.people and case.people.note) == ("X" * 150, "现场核实")
    edit_csv(state, ids[0], external_id="Y" * 150)
    assert "external_id has 150 characters" in bring(state, code=2)
