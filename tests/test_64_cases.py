"""``siluan cases`` over a ledger on disk: files of people in, one transaction, sentences out."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import shapely
from shapely.affinity import translate
from shapely.geometry import box, mapping
from typer.testing import CliRunner

from pipeline.adjudicate.evidence import fold
from pipeline.cases.tables import read_table
from pipeline.cases.words import read_day, read_flag, read_kind, read_reason, read_verdict
from pipeline.cli import app
from pipeline.errors import ConfigurationError
from pipeline.grid import reproject
from pipeline.io import failpoints
from pipeline.io.datum import wgs84_to_gcj02
from pipeline.ledger import LedgerContext, apply, open_ledger
from pipeline.ledger.lock import hold
from pipeline.ledger.status import Reason, Verdict
from pipeline.model import (
    Attribution,
    Candidate,
    Case,
    Kind,
    Look,
    Ruling,
    Seen,
    Spoken,
    Status,
)
from pipeline.publish.geojson import case_feature

START, END = datetime(2025, 1, 1, tzinfo=UTC), datetime(2025, 6, 30, tzinfo=UTC)
X, Y = 710000.0, 3080000.0  # UTM 49N, near Zhuzhou
HEAD = "case_id,revision,verdict,reason,by,on"


def candidate(i: int, kind: Kind = Kind.DUI, hits: int = 3, score: float = 0.5) -> Candidate:
    looks = tuple(
        Look(datetime(2025, 1, 1 + k, 3, tzinfo=UTC), f"p{k}", "s2", 1.0, Seen.HIT, True, 0.4)
        for k in range(hits)
    )
    shape = box(X + 200 * i, Y, X + 200 * i + 40, Y + 40)
    return Candidate(
        kind=kind,
        corridor_id="xiangjiang",
        polygon=shape,
        crs="EPSG:32649",
        area_m2=shape.area,
        looks=looks,
        evidence=fold(looks),
        score=score,
        measures={},
        scene_ids=("s1",),
        detector="ground/1",
    )


CONTEXT = LedgerContext("r", "0", "h", ("xiangjiang",), (START, END), partial(fold, until=END))


def make(state: Path, found: list[Candidate]) -> list[str]:
    """Let a run find candidates; give the ids, from west to east."""
    with open_ledger(state / "ledger.sqlite") as ledger:
        cases = apply(ledger, found, CONTEXT).cases
    return [c.case_id for c in sorted(cases, key=lambda c: c.polygon.bounds)]


def read(state: Path) -> dict[str, Case]:
    with open_ledger(state / "ledger.sqlite", writing=False) as ledger:
        return {c.case_id: c for c in ledger.cases()}


def events(state: Path) -> int:
    with open_ledger(state / "ledger.sqlite", writing=False) as ledger:
        return len(ledger.events())


def siluan(*words: object, code: int = 0) -> str:
    """Run ``siluan cases``; give what it printed."""
    done = CliRunner().invoke(app, ["cases", *(str(w) for w in words)])
    assert done.exit_code == code, done.output
    return done.output


@pytest.fixture
def state(tmp_path: Path) -> Path:
    make(tmp_path / "state", [candidate(i) for i in range(4)])
    return tmp_path / "state"


@pytest.fixture
def ids(state: Path) -> list[str]:
    return sorted(read(state), key=lambda i: read(state)[i].polygon.bounds)


def issue(state: Path, *ids: str) -> None:
    siluan("issue", *ids, "--state", state, "--by", "王工")


def test_issue_is_named_whole_and_said_once(state: Path, ids: list[str]) -> None:
    out = siluan("issue", ids[0], ids[1], "--state", state, "--by", "王工")
    assert f"{ids[0]}: suspected -> issued" in out
    assert "applied 2, known already 0, not applied 0" in out
    before = (state / "ledger.sqlite").read_bytes()
    assert "known already, nothing changed" in siluan(
        "issue", ids[0], "--state", state, "--by", "李工"
    )
    assert (state / "ledger.sqlite").read_bytes() == before
    out = siluan("issue", ids[2], "ZZ-no", "--state", state, "--by", "王工", code=2)
    assert "1 of 2 cases cannot be applied, and nothing was changed: ZZ-no" in out
    assert read(state)[ids[2]].status is Status.SUSPECTED
    siluan("issue", ids[2], "ZZ-no", "--state", state, "--by", "王工", "--partial", code=10)
    assert read(state)[ids[2]].status is Status.ISSUED
    # The next run finds it so, and leaves it so.
    count = events(state)
    make(state, [candidate(i) for i in range(4)])
    assert events(state) == count
    assert read(state)[ids[0]].status is Status.ISSUED


def test_update_walks_the_life_cycle(state: Path, ids: list[str]) -> None:
    issue(state, ids[0])
    where = (ids[0], "--state", state, "--by", "王工")
    out = siluan("update", *where, "--status", "closed", code=2)
    assert "issued cannot become closed by a named person. It may become verified" in out
    siluan("update", *where, "--status", "verified", "--on-account")
    siluan("update", *where, "--status", "rectifying", "--due", "2026年6月30日", "--revision", "3")
    case = read(state)[ids[0]]
    assert case.people is not None
    assert (case.status, case.people.due, case.people.on_account) == (
        Status.RECTIFYING,
        date(2026, 6, 30),
        True,
    )
    assert case.proposal is None  # nobody looked since that day
    siluan("update", *where, "--overdue", "--note", "再催")
    siluan("update", *where, "--status", "closed", "--revision", "3", code=2)
    siluan("update", *where, "--status", "closed", "--external-id", "HZ-7")
    siluan("update", *where, "--status", "relapsed", "--kind", "jian")
    siluan("update", *where, code=2)
    case = read(state)[ids[0]]
    assert (case.status, case.kind, case.external_id) == (Status.RELAPSED, Kind.JIAN, "HZ-7")
    shown = siluan("show", ids[0], "--state", state)
    for word in ("rectifying -> closed", "by=王工", "note=再催", "-> 2026-06-30", "looks, 3"):
        assert word in shown
    body = json.loads(siluan("show", ids[0], "--state", state, "--json"))
    assert [e["what"] for e in body["history"]][:2] == ["opened", "status"]
    assert body["people"]["by"] == "王工"


def test_a_level_that_stands_alone_is_shown_with_a_question(tmp_path: Path) -> None:
    found = candidate(0)
    looks = tuple(
        replace(k, level_rank=r) for k, r in zip(found.looks, (0.2, 0.9, 0.3), strict=True)
    )
    (case_id,) = make(tmp_path, [replace(found, looks=looks)])
    shown = siluan("show", case_id, "--state", tmp_path)
    assert "level 0.90?" in shown
    assert "level 0.20 " in shown


def test_list_filters(state: Path, ids: list[str]) -> None:
    issue(state, ids[0])
    table = siluan("list", "--state", state, "--status", "issued")
    assert ids[0] in table
    assert ids[1] not in table
    assert "1 cases. 仅为线索，不作为处罚依据" in table
    found = json.loads(siluan("list", "--state", state, "--json", "--kind", "dui"))
    assert [c["case_id"] for c in found] == sorted(ids)
    for none in (("--kind", "cai"), ("--county", "渌口区"), ("--evidence", "first")):
        assert "0 cases" in siluan("list", "--state", state, *none)
    assert "--kind x is not known" in siluan("list", "--state", state, "--kind", "x", code=2)
    assert "which ledger is meant" in siluan("list", code=2)
    assert "there is no ledger" in siluan("list", "--state", state / "no", code=2)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "gbk"])
def test_verdicts_are_applied_once(state: Path, ids: list[str], encoding: str) -> None:
    issue(state, *ids)
    file = state.parent / "核查.csv"
    lines = [
        "问题编号,版本,核查结论,原因,核查人,核查日期,照片,备注,举报人",
        f"{ids[0]},2,问题,,王工,2025年3月5日,a.jpg；b.jpg,,张三",
        f"{ids[1]},2,问题—历史碍洪,,王工,2025/3/5,,,",
        f"{ids[2]},2,不是问题 · 历史不碍洪,,王工,2025.3.5,,,",
        f"{ids[3]},2,不是问题,桥梁堰坝,王工,20250305,,公路桥,",
    ]
    file.write_text("\n".join(lines), encoding=encoding)
    out = siluan("verdict", file, "--state", state)
    assert "columns that are not read: 举报人" in out
    assert "applied 4" in out
    cases = read(state)
    assert [cases[i].status for i in ids] == [
        Status.VERIFIED,
        Status.VERIFIED,
        Status.REJECTED,
        Status.REJECTED,
    ]
    people = [cases[i].people for i in ids]
    assert [p.on_account for p in people if p] == [False, True, False, False]
    assert [p.reason for p in people if p] == [None, None, "already_there", "bridge_or_weir"]
    assert all(p and p.on == date(2025, 3, 5) for p in people)
    assert "photos=a.jpg; b.jpg" in siluan("show", ids[0], "--state", state)
    assert "张三".encode() not in (state / "ledger.sqlite").read_bytes()
    before = (state / "ledger.sqlite").read_bytes()
    assert "applied 0, known already 4, not applied 0" in siluan("verdict", file, "--state", state)
    assert (state / "ledger.sqlite").read_bytes() == before


def test_every_bad_row_is_named_and_nothing_applied(state: Path, ids: list[str]) -> None:
    issue(state, ids[0])
    file = state.parent / "v.csv"
    bad = {
        f"{ids[0]},1,问题,,王工,2025-03-05": "revision 1 was judged and the ledger has 2 (sin",
        f"{ids[1]},1,问题,,王工,2025-03-05": "suspected cannot become verified",
        f"{ids[2]},1,也许,,王工,2025-03-05": "verdict '也许' is not known",
        f"{ids[2]},1,不是问题,,王工,2025-03-05": "without a reason",
        f"{ids[2]},1,不是问题,霉,王工,2025-03-05": "reason '霉' is not known",
        f"{ids[2]},,不是问题,云,王工,2025-03-05": "revision '' is no revision",
        f"{ids[2]},1,不是问题,云,,2025-03-05": "nobody is named",
        f"{ids[2]},1,不是问题,云,王工,3/5/2025": "'3/5/2025' is no day that can be read in one way",
        f"{ids[2]},1,不是问题,云,王工,2199-01-01": "has not come yet",
        f"{ids[2]},1,不是问题,云,王工13812345678,2025-03-05": "telephone or identity number",
        "ZZ-no,1,问题,,王工,2025-03-05": "the ledger has no such case",
    }
    before = (state / "ledger.sqlite").read_bytes()
    for line, said in bad.items():
        file.write_text(f"{HEAD}\n{line}\n", encoding="utf-8")
        out = siluan("verdict", file, "--state", state, code=2)
        assert said in out
        assert "line 2" in out
    # What cannot be read and what the ledger does not allow are named together.
    good = f"{ids[0]},2,问题,,王工,2025-03-05"
    file.write_text("\n".join([HEAD, good, *list(bad)[1:4]]), encoding="utf-8")
    out = siluan("verdict", file, "--state", state, code=2)
    assert all(f"line {n}" in out for n in (3, 4, 5))
    assert "3 of 4 verdicts cannot be applied, and nothing was changed" in out
    assert (state / "ledger.sqlite").read_bytes() == before
    out = siluan("verdict", file, "--state", state, "--partial", code=10)
    assert "applied 1, known already 0, not applied 3" in out
    assert read(state)[ids[0]].status is Status.VERIFIED


def test_a_verdict_may_hold_where_only_looks_came_since(state: Path, ids: list[str]) -> None:
    issue(state, *ids[:2])
    file = state.parent / "v.csv"
    rows = [f"{i},2,问题,,王工,2025-03-05" for i in ids[:2]]
    file.write_text("\n".join([HEAD, *rows]), encoding="utf-8")
    # One is seen again; the other is seen again, larger.
    grown = replace(candidate(1, hits=4), polygon=candidate(1).polygon.buffer(15))
    make(state, [candidate(0, hits=4), grown, candidate(2), candidate(3)])
    out = siluan("verdict", file, "--state", state, code=2)
    assert "2 of 2 verdicts cannot be applied" in out
    out = siluan("verdict", file, "--state", state, "--seen-again", code=2)
    assert "1 of 2 verdicts cannot be applied" in out
    assert ids[1] in out
    siluan("verdict", file, "--state", state, "--seen-again", "--partial", code=10)
    assert [read(state)[i].status for i in ids[:2]] == [Status.VERIFIED, Status.ISSUED]
    again = siluan("verdict", file, "--state", state, "--partial", code=10)
    assert "applied 0, known already 1, not applied 1" in again


def feature(case: Case, geometry: Any = None, **properties: Any) -> dict[str, Any]:
    body = case_feature(case)
    said = {"verdict": "问题", "by": "王工", "on": "2025-03-05", **properties}
    body["properties"] |= said
    if geometry is not None:
        body["geometry"] = mapping(geometry)
    return body


def verdict_geojson(path: Path, *features: dict[str, Any]) -> Path:
    document = {"type": "FeatureCollection", "features": list(features)}
    path.write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")
    return path


def test_geojson_corrects_what_was_drawn_anew_only(state: Path, ids: list[str]) -> None:
    issue(state, *ids[:2])
    cases = read(state)
    one, other = cases[ids[0]], cases[ids[1]]
    drawn = reproject(other.polygon.buffer(12), other.crs, "EPSG:4326")
    path = state.parent / "v.geojson"
    verdict_geojson(path, feature(one, kind="乱建"), feature(other, drawn))
    siluan("verdict", path, "--state", state)
    after = read(state)
    assert (after[ids[0]].kind, after[ids[0]].polygon) == (Kind.JIAN, one.polygon)
    assert after[ids[1]].area_m2 == pytest.approx(other.polygon.buffer(12).area, rel=2e-3)
    assert "known already 2" in siluan("verdict", path, "--state", state)
    # A run keeps both.
    make(state, [candidate(i) for i in range(4)])
    assert read(state) == after


def test_an_outline_elsewhere_is_refused(state: Path, ids: list[str]) -> None:
    issue(state, ids[0])
    case = read(state)[ids[0]]

    home = reproject(case.polygon, case.crs, "EPSG:4326")
    path = state.parent / "v.geojson"
    for shape, said in (
        (shapely.transform(home, wgs84_to_gcj02), "(it is in GCJ-02, it seems)"),
        (translate(home, 1, 0), "m from the case"),
        (home.centroid, "its outline is a Point"),
        (shapely.from_wkt("POLYGON((0 0,1 1,0 1,1 0,0 0))"), "invalid"),
    ):
        verdict_geojson(path, feature(case, shape))
        assert said in siluan("verdict", path, "--state", state, code=2)


def test_a_run_and_a_command_wait_for_each_other(state: Path, ids: list[str]) -> None:
    with hold(state / "ledger.sqlite"):
        assert "held by another run" in siluan(
            "issue", ids[0], "--state", state, "--by", "王工", code=4
        )
        assert ids[0] in siluan("list", "--state", state)


def test_interrupted_before_the_commit_nothing_was_said(
    state: Path, ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = read(state)
    monkeypatch.setattr(failpoints, "_passages", type(failpoints._passages)())
    monkeypatch.setenv(failpoints.VARIABLE, "ledger.before_commit=interrupt")
    siluan("issue", *ids, "--state", state, "--by", "王工", code=130)
    assert (read(state), events(state)) == (before, 4)
    issue(state, *ids)
    assert events(state) == 8


@pytest.mark.thorough
@pytest.mark.parametrize("point", ["ledger.before_commit", "ledger.after_commit"])
def test_killed_in_the_middle_the_ledger_is_as_before_or_after(
    state: Path, ids: list[str], point: str
) -> None:
    words = ["cases", "issue", *ids, "--state", str(state), "--by", "王工"]
    done = subprocess.run(
        [sys.executable, "-c", "from pipeline.cli import main; main()", *words],
        env=os.environ | {failpoints.VARIABLE: point},
        check=False,
        capture_output=True,
    )
    assert done.returncode == -signal.SIGKILL
    status = {c.status for c in read(state).values()}
    assert status == {Status.SUSPECTED if point == "ledger.before_commit" else Status.ISSUED}
    issue(state, *ids)
    assert {c.revision for c in read(state).values()} == {2}
    assert events(state) == 8


@pytest.mark.parametrize(
    "text",
    ["2026-03-05", "2026/3/5", "2026.3.5", "2026年3月5日", "2026年03月05号", "20260305",
     "２０２６-03-05", "2026-03-05 14:30", "2026-03-05T14:30:00", "2026-03-04T17:00:00Z",
     "2026-03-05T06:00:00+08:00"],
)  # fmt: skip
def test_days_that_can_be_read_in_one_way(text: str) -> None:
    assert read_day(text) == date(2026, 3, 5)


@pytest.mark.parametrize(
    "text",
    ["3/5/2026", "05-03-26", "26.3.5", "3月5日", "2026年3月", "46086", "2026-13-05", "2026-02-30",
     "2026-3/5", "五月三日", "2026-03-05 morning"],
)  # fmt: skip
def test_days_that_cannot_are_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="no day that can be read in one way only"):
        read_day(text)


def test_words_of_people() -> None:
    assert read_day(None) is None
    assert read_verdict("问题 - 历史碍洪") is Verdict.OLD_HARMFUL
    assert [read_kind(w) for w in ("占", "乱采", "DUI", None)] == [
        Kind.ZHAN,
        Kind.CAI,
        Kind.DUI,
        None,
    ]
    assert read_reason("农作物") is read_reason("crop") is Reason.CROP
    assert [read_flag(w, "overdue") for w in ("是", "否", None, "TRUE")] == [
        True,
        False,
        False,
        True,
    ]
    with pytest.raises(ConfigurationError, match="neither yes nor no"):
        read_flag("也许", "overdue")


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("a.csv", b"", "is empty"),
        ("a.csv", b"case_id,case_id\n", "has the column case_id twice"),
        ("a.csv", b"case_id,by\nx,y,z\n", "line 2 has 3 cells for 2 columns"),
        ("a.csv", b"\xff\xfe\x00", "neither UTF-8 nor GBK"),
        ("a.csv", "case_id,by\nx,王工".encode()[:-1], "ends in the middle of a character"),
        ("a.csv", "\ufeffcase_id,by\nx,王".encode()[:-1], "ends in the middle of a character"),
        ("a.csv", "case_id,by\nx,王工".encode("gbk")[:-1], "ends in the middle of a character"),
        ("a.csv", b"case_id,by\nx,y\ncase_id,by\nz,y\n", "come again in line 3: tables were"),
        ("a.csv", "\ufeff问题编号,核查人\nx,y\n\ufeffcase_id,by\nz,y\n".encode(), "in line 3"),
        ("a.geojson", b"{}", "no GeoJSON collection"),
        ("a.geojson", b'{"features": [], "crs": {"properties": {"name": "EPSG:4547"}}}', "4547"),
        ("a.xls", b"PK", "no format that is known here"),
        ("a.gpkg", b"no", "cannot be opened"),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, name: str, data: bytes, said: str) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(ConfigurationError, match=said):
        read_table(path)
    path.unlink()
    with pytest.raises(ConfigurationError, match="does not exist"):
        read_table(path)
    path.mkdir()
    with pytest.raises(ConfigurationError, match="is a folder and no table. Give a file in it"):
        read_table(path)


def test_text_in_gbk_is_no_utf_8_that_was_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"case_id,by\nx,\xe4\xbd")  # one character of GBK, or two thirds of UTF-8's
    assert read_table(path).rows[0]["by"] == b"\xe4\xbd".decode("gbk")


def test_long_ids_of_other_systems_are_ids_and_rounded_ones_are_not(
    state: Path, ids: list[str]
) -> None:
    where = (ids[0], "--state", state, "--by", "王工", "--external-id")
    siluan("update", *where, "430203199001011234")
    assert read(state)[ids[0]].external_id == "430203199001011234"
    assert "a spreadsheet has rounded" in siluan("update", *where, "4.30203E+17", code=2)
    issue(state, ids[0])
    file = state.parent / "v.csv"
    row = f"{ids[0]},3,问题,,王工,2025-03-05,430203199001011234.jpg"
    file.write_text(f"{HEAD},photos\n{row}\n", encoding="utf-8")
    siluan("verdict", file, "--state", state)
    assert "photos=430203199001011234.jpg" in siluan("show", ids[0], "--state", state)


def test_a_verdict_of_a_problem_leaves_it_on_account(state: Path, ids: list[str]) -> None:
    issue(state, ids[0])
    where = ("--state", state, "--by", "王工")
    siluan("update", ids[0], *where, "--status", "verified", "--on-account")
    file = state.parent / "v.csv"
    file.write_text(f"{HEAD}\n{ids[0]},3,问题,,李工,2025-03-05\n", encoding="utf-8")
    siluan("verdict", file, "--state", state)
    people = read(state)[ids[0]].people
    assert people is not None
    assert (people.verdict, people.on_account) == ("问题", True)
    file.write_text(f"{HEAD}\n{ids[1]},1,问题,,李工,2024-12-31\n", encoding="utf-8")
    out = siluan("verdict", file, "--state", state, code=2)
    assert "2024-12-31 lies before the first sighting (2025-01-01)" in out


def test_what_layers_explain_is_marked(state: Path, ids: list[str]) -> None:
    said = Ruling("suppressed", "permit-valid", (Spoken("permit-valid", "against", "在许可内"),))
    kept = Ruling()
    screened = replace(
        CONTEXT,
        attribute=lambda _: Attribution(),
        screen=lambda c: said if c.case_id == ids[0] else kept,
    )
    with open_ledger(state / "ledger.sqlite") as ledger:
        apply(ledger, [candidate(i) for i in range(4)], screened)
    lines = siluan("list", "--state", state).splitlines()
    assert [i for i in lines if "suppressed:permit-valid" in i] == [
        i for i in lines if i.startswith(ids[0])
    ]
    assert "1 cases" in siluan("list", "--state", state, "--suppressed")
    assert "suppressed:permit-valid" in siluan("show", ids[0], "--state", state)
    out = state.parent / "out"
    siluan("export", "--state", state, "--out", out, "--suppressed")
    (row,) = read_table(out / "cases.csv").rows
    assert (row["case_id"], row["ruling"]) == (ids[0], "suppressed:permit-valid")
    told = siluan("issue", ids[0], ids[1], "--state", state, "--by", "王工")
    assert f"{ids[0]}: was suppressed:permit-valid: 在许可内" in told
    assert told.count(": was ") == 1
    assert "0 cases" in siluan("list", "--state", state, "--suppressed")
    # Decided on, it is explained by the decision.
    reject = ("--state", state, "--by", "王工", "--status", "rejected", "--reason", "crop")
    siluan("update", ids[2], *reject)
    assert "suppressed:decided-by-people" in siluan("list", "--state", state, "--suppressed")


def test_options_take_the_chinese_words_too(state: Path, ids: list[str]) -> None:
    issue(state, ids[0])
    where = ("list", "--state", state)
    assert "1 cases" in siluan(
        *where, "--status", "已交办", "--kind", "乱堆", "--evidence", "suspected"
    )
    assert "0 cases" in siluan(*where, "--kind", "乱占")
    assert "--status 交办了 is not known" in siluan(*where, "--status", "交办了", code=2)


def test_an_id_in_full_width_forms_is_checked_like_any_other(state: Path, ids: list[str]) -> None:
    issue(state, *ids[:2])
    case = read(state)[ids[0]]
    wide = "".join(chr(ord(c) + 0xFEE0) for c in ids[0])
    path = state.parent / "v.csv"
    path.write_text(f"{HEAD}\n{wide},2,问题,,王工,2024-01-01\n", encoding="utf-8")
    out = siluan("verdict", path, "--state", state, code=2)
    assert "2024-01-01 lies before the first sighting" in out
    drawn = reproject(case.polygon.buffer(12), case.crs, "EPSG:4326")
    said = feature(case, drawn, case_id=wide)
    siluan("verdict", verdict_geojson(state.parent / "v.geojson", said), "--state", state)
    assert read(state)[ids[0]].area_m2 == pytest.approx(case.polygon.buffer(12).area, rel=2e-3)
    other = "".join(chr(ord(c) + 0xFEE0) for c in ids[1])
    siluan("update", f" {other} ", "--state", state, "--by", "王工", "--note", "再看")
    assert "再看" in siluan("show", ids[1], "--state", state)


@pytest.mark.parametrize("text", ["现场\x01看到", "\ud800", "a\ufffe"])
def test_what_no_workbook_holds_is_refused_where_it_enters(
    state: Path, ids: list[str], text: str
) -> None:
    issue(state, ids[0])
    case = read(state)[ids[0]]
    path = state.parent / "v.geojson"
    for name in ("note", "photos", "by"):
        body = {"type": "FeatureCollection", "features": [feature(case, **{name: text})]}
        path.write_text(json.dumps(body), encoding="utf-8")
        out = siluan("verdict", path, "--state", state, code=2)
        assert f"{name} holds U+" in out
    for option in ("--note", "--external-id", "--by"):
        words = ("--by", "王工", "--kind", "zhan", option, text)
        assert "holds U+" in siluan("update", ids[0], "--state", state, *words, code=2)
    assert read(state)[ids[0]] == case
