"""Sub-type and severity by the office's tables; exact."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from math import sqrt
from pathlib import Path

import pytest
from shapely.geometry import box

from pipeline.adjudicate.candidates import AdjudicateOptions
from pipeline.adjudicate.grading import (
    Grading,
    grade,
    lower_area_m2,
    lower_volume_m3,
    severity_of,
    subtype_of,
)
from pipeline.adjudicate.grading_tables import SEVERITY_COLUMNS, SUBTYPE_COLUMNS, grading_of
from pipeline.cases.subtypes import brought_back, carried, with_subtype
from pipeline.errors import ConfigurationError
from pipeline.io.rows import read_rows
from pipeline.ledger import Edit
from pipeline.model import (
    DRONE_SURFACES,
    LEAD_OUTLINE,
    LEAD_POINT,
    Attribution,
    Case,
    Evidence,
    EvidenceState,
    Grade,
    Kind,
    PeopleRecord,
    Ruling,
    Spoken,
    Status,
)

ROOT = Path(__file__).resolve().parents[1]
NOW = datetime(2026, 3, 1, tzinfo=UTC)
SHRINK = 1.96 * 10 / sqrt(12)


def case(side: float = 100.0, **more: object) -> Case:
    made = Case(
        case_id="c",
        kind=Kind.ZHAN,
        corridor_id="river",
        polygon=box(0, 0, side, side),
        crs="EPSG:32649",
        area_m2=side * side,
        status=Status.SUSPECTED,
        evidence=Evidence(EvidenceState.SUSPECTED, 3, 0, 3, NOW, NOW, None, False),
        looks=(),
        score=0.5,
        measures={},
        scene_ids=(),
        detector="zhan/1",
        revision=1,
        run_id="r",
        code_version="v",
        config_hash="c",
    )
    return replace(made, **more)  # type: ignore[arg-type]


def supplied() -> Grading:
    names = ("subtypes.csv", "severity.csv")
    columns = (SUBTYPE_COLUMNS, SEVERITY_COLUMNS)
    rows = [read_rows(ROOT / "config" / n, c) for n, c in zip(names, columns, strict=True)]
    return grading_of(rows[0], rows[1], names)


def test_the_supplied_tables_suggest_one_subtype_of_each_kind_and_confirm_nothing() -> None:
    tables = supplied()
    assert len(tables.subtypes) == 14
    found = {k: subtype_of(case(kind=k), tables) for k in Kind}
    assert {k: s.code for k, s in found.items() if s} == {
        Kind.ZHAN: "ZA3", Kind.CAI: "CA1", Kind.DUI: "DU2", Kind.JIAN: "JI2",
    }  # fmt: skip
    assert not any(b.confirmed_by for b in tables.breaks)
    ban = case(kind=Kind.CAI, attribution=Attribution(no_mining="湘江禁采区"))
    beyond = Ruling(spoken=(Spoken("permit-overrun", "for", "超出"),))
    assert [
        getattr(subtype_of(c, tables), "code", None)
        for c in (ban, replace(ban, kind=Kind.DUI), case(kind=Kind.CAI, ruling=beyond))
    ] == ["CA3", "DU2", "CA2"]


def test_what_nobody_has_said_is_not_called_unlawful() -> None:
    tables, one = supplied(), case()
    assert [k for k in Kind if "非法" in (grade(case(kind=k), tables).subtype_zh or "")] == []
    suggested = grade(one, tables)
    assert (suggested.subtype, suggested.subtype_zh) == ("ZA3", "侵占水域、滩地")
    said = PeopleRecord("王工", date(2026, 3, 1), subtype="ZA3")
    told = grade(replace(one, people=said), tables)
    assert (told.subtype, told.subtype_zh) == ("ZA3", "非法侵占水域、滩地")
    # A table from before that column shows its own text.
    older = Grading(
        subtypes=tuple(s.model_copy(update={"suggested_as": ""}) for s in tables.subtypes)
    )
    assert grade(one, older).subtype_zh == "非法侵占水域、滩地"


def test_a_suggested_text_is_read_back_and_may_be_confirmed(tmp_path: Path) -> None:
    tables = read(tmp_path, SUB, SEV)  # without the column
    assert [s.suggested_as for s in tables.subtypes] == [""]
    options = AdjudicateOptions(grading=supplied())
    one = replace(case(), grade=grade(case(), supplied()))
    assert carried("疑似侵占水域、滩地", one)
    edit = Edit(case_id="c", by="王工", on=date(2026, 3, 1))
    for word in ("侵占水域、滩地", "非法侵占水域、滩地", "ZA3"):
        assert with_subtype(edit, word, options, "--sub-type").subtype == "ZA3"


def test_the_official_text_of_an_older_list_confirms_nothing() -> None:
    options = AdjudicateOptions(grading=supplied())
    one = replace(case(), grade=grade(case(), supplied()))
    edit = Edit(case_id="c", by="王工", on=date(2026, 3, 1))
    for word in ("非法侵占水域、滩地", "疑似非法侵占水域、滩地", "疑似侵占水域、滩地", "ZA3"):
        assert brought_back(edit, word, (one,), lambda: options) is edit
    assert brought_back(edit, "围垦湖泊", (one,), lambda: options).subtype == "ZA1"
    # Of a case whose suggestion is another one it is a correction.
    other = replace(one, grade=Grade(subtype="ZA2", subtype_zh="围垦河道"))
    said = brought_back(edit, "疑似非法侵占水域、滩地", (other,), lambda: options)
    assert said.subtype == "ZA3"


def test_the_lower_bound_decides() -> None:
    tables = supplied()
    for side, wanted in ((40.0, "一般"), (45.0, "较重"), (81.0, "较重"), (83.0, "严重")):
        got = grade(case(side), tables)
        assert got.severity is not None
        assert got.severity.lower == pytest.approx((side - 2 * SHRINK) ** 2, abs=0.01)
        assert (got.severity.grade, got.severity.verified) == (wanted, False)
        assert (got.subtype, got.severity.measure) == ("ZA3", "m2")
    assert case(81.0).area_m2 > 5000  # the outline itself would have said 严重


def test_what_is_known_of_an_area() -> None:
    said = PeopleRecord("王工", date(2026, 3, 1), outline_fixed=True)
    assert lower_area_m2(case(people=said)) == 10_000
    assert lower_area_m2(case(detector=LEAD_OUTLINE)) == 10_000
    assert lower_area_m2(case(detector=LEAD_POINT)) is None
    drone = case(detector=DRONE_SURFACES)
    assert lower_area_m2(drone) is None
    assert lower_area_m2(replace(drone, measures={"footprint_m2_low": 88.0})) == 88.0
    assert lower_area_m2(case(10.0)) == 0.0


def test_volumes_of_a_drone() -> None:
    measures = {"cut_m3_low": 500.0, "fill_m3_low": 2.0, "footprint_m2_low": 10.0}
    dug = case(kind=Kind.CAI, detector=DRONE_SURFACES, measures=measures)
    tables = supplied()
    assert (lower_volume_m3(dug), lower_volume_m3(replace(dug, kind=Kind.DUI))) == (500.0, 2.0)
    got = severity_of(dug, "CA1", tables)
    assert got is not None
    assert (got.row, got.grade, got.measure, got.lower) == (14, "严重", "m3", 500.0)
    less = replace(dug, measures={**measures, "cut_m3_low": 499.99})
    assert severity_of(less, "CA1", tables) is None
    assert lower_volume_m3(case()) is None


def test_without_tables_or_rows_nothing_is_said() -> None:
    assert grade(case(), None).subtype is None
    assert grade(case(kind=Kind.DUI), supplied()).severity is None
    assert grade(case(), Grading()).severity is None


SUB = "code,class,subtype,suggested_when\nZA3,乱占,侵占,default\n"
SEV = "row,subtypes,break,grade,verified,confirmed_by,confirmed_on\n"


def read(tmp_path: Path, sub: str, sev: str) -> Grading:
    (tmp_path / "subtypes.csv").write_text(sub, "utf-8-sig")
    (tmp_path / "severity.csv").write_text(sev, "utf-8")
    rows = [
        read_rows(tmp_path / n, c)
        for n, c in (("subtypes.csv", SUBTYPE_COLUMNS), ("severity.csv", SEVERITY_COLUMNS))
    ]
    return grading_of(rows[0], rows[1], ("subtypes.csv", "severity.csv"))


def test_a_row_that_somebody_confirmed_is_verified(tmp_path: Path) -> None:
    tables = read(tmp_path, SUB, SEV + "1,ZA3,>=1000 m2,严重,true,李主任,2026-04-01\n")
    got = grade(case(), tables).severity
    assert got is not None
    assert got.verified


def test_every_bad_line_is_named(tmp_path: Path) -> None:
    sub = SUB + "ZA3,乱占,又一,\nX,乱挖,无,sometimes\nZA4,乱占,树,default\n"
    sev = SEV + (
        "1,ZA3,>=5000 m2,很严重,false,,\n"
        "1,ZA9,about 5 m2,严重,maybe,,\n"
        "2,,-,一般,false,,\n"
        "3,ZA3,>=10 m2,一般,true,,\n"
        "4,ZA3,20-5 m2,一般,false,李主任,\n"
        "5,ZA3,>=100 m2,较重,true,李主任,去年\n"
        "6,ZA3,>=200 m2,严重,false,,\n"
        "7,ZA3,50-300 m2,较重,false,,\n"
    )
    with pytest.raises(ConfigurationError) as caught:
        read(tmp_path, sub, sev)
    text = str(caught.value)
    for wanted in (
        "subtypes.csv line 3: ZA3 is there twice",
        "subtypes.csv line 4: class '乱挖' is none of",
        "suggested_when 'sometimes'",
        "subtypes.csv line 5: another 乱占 is suggested",
        "severity.csv line 2: grade '很严重'",
        "severity.csv line 3: no sub-type is called ZA9",
        "break 'about 5 m2'",
        "verified 'maybe'",
        "row 1 is there twice",
        "line 4: a grade needs a break and sub-types",
        "line 5: verified needs confirmed_by and confirmed_on",
        "line 6: break '20-5 m2'",
        "line 6: it names who confirmed it, and says verified false",
        "line 7: confirmed_on '去年'",
        "lines 8 and 9 hold the same m2",
    ):
        assert wanted in text
    (tmp_path / "t.csv").write_text("code,class\nA,B,C\n", "utf-8")
    with pytest.raises(ConfigurationError, match="has no column subtype, suggested_when"):
        read_rows(tmp_path / "t.csv", SUBTYPE_COLUMNS)
    with pytest.raises(ConfigurationError, match="more cells than columns in line 2"):
        read_rows(tmp_path / "t.csv", ("code",))
