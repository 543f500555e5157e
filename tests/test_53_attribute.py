"""Where a case lies, and when that cannot be told."""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import LineString, box
from shapely.geometry.base import BaseGeometry

sys.path.insert(0, str(Path(__file__).parent))
import office

from pipeline.adjudicate.areas import AreaIndex
from pipeline.adjudicate.attribute import Attributor, in_period, no_mining_text
from pipeline.model import Attribution, Corridor, LayerArea

X, Y = 420_000.0, 3_060_000.0
LINE = LineString([(X, Y), (X, Y + 5000), (X + 3000, Y + 5000)])  # north, then east


def corridor(accuracy_m: float = 50, **more: Any) -> Corridor:
    fields: dict[str, Any] = {
        "id": "river",
        "name_zh": "小江",
        "water": "river",
        "polygon_wgs84": office.lonlat(LINE.buffer(800)),
        "centreline_wgs84": office.lonlat(LINE),
        "accuracy_m": accuracy_m,
        "provenance": "made by a test",
    }
    return Corridor(**(fields | more))


def area(geometry: BaseGeometry, verified: bool = True, **fields: str | None) -> LayerArea:
    return LayerArea(office.lonlat(geometry), fields, verified)


def ask(
    case: BaseGeometry,
    where: Corridor | None = None,
    on: date | None = date(2025, 6, 1),
    **layers: list[LayerArea],
) -> Attribution:
    where = where or corridor()
    named = {kind.replace("_", "-"): areas for kind, areas in layers.items()}
    index = AreaIndex(named)
    return Attributor({where.id: where}, index)(where.id, case, office.METRIC, on)


def at(x: float, y: float, side: float = 40) -> BaseGeometry:
    return box(X + x - side / 2, Y + y - side / 2, X + x + side / 2, Y + y + side / 2)


def test_chainage_and_bank() -> None:
    west = ask(at(-200, 1000))
    assert (west.chainage_m, west.chainage_accuracy_m, west.bank) == (
        pytest.approx(1000, abs=2),
        50,
        "left",
    )
    assert ask(at(200, 1000)).bank == "right"
    north = ask(at(1000, 5300))  # after the bend the river runs east
    assert north.chainage_m == pytest.approx(6000, abs=2)
    assert north.bank == "left"
    assert ask(at(1000, 4700)).bank == "right"
    assert ask(at(60, 1000)).bank is None  # 40 m from the line, which is good for 50 m
    start = corridor(chainage_from_m=12_000)
    assert ask(at(-200, 1000), start).chainage_m == pytest.approx(13_000, abs=2)


def test_a_draft_line_says_how_little_it_knows() -> None:
    draft = ask(at(-200, 1000), corridor(accuracy_m=3000))
    assert (draft.chainage_accuracy_m, draft.bank) == (3000, None)
    line = ask(at(-200, 1000), corridor(accuracy_m=3000, centreline_accuracy_m=30))
    assert (line.chainage_accuracy_m, line.bank) == (30, "left")
    for absent in (corridor(centreline_wgs84=None), corridor(downstream_known=False)):
        found = ask(at(-200, 1000), absent)
        assert (found.chainage_m, found.chainage_accuracy_m, found.bank) == (None, None, None)


@settings(max_examples=60, deadline=None)
@given(st.floats(-700, 700), st.floats(300, 4300))
def test_turning_the_river_round_exchanges_the_banks(x: float, y: float) -> None:
    there = ask(at(x, y))
    back = ask(at(x, y), corridor(centreline_wgs84=office.lonlat(LINE.reverse())))
    other = {"left": "right", "right": "left", None: None}
    assert back.bank == other[there.bank]
    assert there.chainage_m is not None
    assert back.chainage_m is not None
    assert there.chainage_m + back.chainage_m == pytest.approx(LINE.length, abs=5)


def test_without_layers_everything_is_unknown() -> None:
    found = ask(at(-200, 1000), corridor(water="reservoir"))
    assert found.reservoir_zh == "小江"
    nothing = Attribution(
        chainage_m=found.chainage_m, chainage_accuracy_m=50, bank="left", reservoir_zh="小江"
    )
    assert found == nothing
    assert found.in_management_area == "unknown"
    assert found.boundary_used == "working"


def test_counties_and_townships() -> None:
    west = box(X - 9000, Y - 9000, X - 205, Y + 9000)
    east = box(X - 205, Y - 9000, X + 9000, Y + 9000)
    counties = [area(east, code="430211", name="天元区"), area(west, code="430204", name="石峰区")]
    towns = [area(west, code=None, name="甲镇")]
    found = ask(at(-200, 1000), counties=counties, townships=towns)
    assert (found.county_code, found.county_zh) == ("430211", "天元区")
    assert found.notes == ("跨县：天元区 62%，石峰区 38%",)
    assert (found.township_code, found.township_zh) == (None, "甲镇")
    assert ask(at(-300, 1000), counties=counties).county_code == "430204"
    outside = ask(at(200, 1000), townships=towns)
    assert (outside.township_zh, outside.notes) == (None, ())
    # A county in two pieces is one county.
    pieces = [area(g, code="1", name="a") for g in (at(-210, 1000), at(-190, 1000, 20))]
    assert ask(at(-200, 1000), counties=pieces).notes == ()


@pytest.mark.parametrize(
    ("x", "answer"),
    [
        (-300, "yes"),
        (-415, "yes"),
        (-435, "unknown"),
        (-500, "no"),
        (-1200, "no"),
        (-3000, "unknown"),
    ],
)
def test_management_area(x: float, answer: str) -> None:
    boundary = [area(LINE.buffer(420), name="小江")]
    found = ask(at(x, 2000), boundary=boundary)
    assert found.in_management_area == answer
    assert found.boundary_used == ("working" if x == -3000 else "legal")
    if x == -3000:
        assert found.notes == ("附近没有管理范围线",)
    else:
        assert found.notes[0].startswith("管理范围线（小江）：")


def test_an_unverified_boundary_says_so() -> None:
    found = ask(at(-300, 2000), boundary=[area(LINE.buffer(420), verified=False)])
    assert found.notes == ("管理范围线：100% 在内", "管理范围线位置未经核验")


def test_zone_and_ban() -> None:
    here = box(X - 400, Y + 900, X, Y + 1100)
    zones = [area(here, zone="保留区")]
    bans = [area(here, name="一段", **{"from": "10-01", "to": "03-31", "stage_m": None})]
    found = ask(at(-200, 1000), zones=zones, no_mining=bans)
    assert found.zone == "保留区"
    assert found.no_mining == "一段（10-01 至 03-31）"
    outside = "首次发现之日（2025-06-01）在禁采期之外：一段（10-01 至 03-31）"
    assert found.notes == (outside,)
    away = ask(at(-200, 3000), zones=zones, no_mining=bans)
    assert (away.zone, away.no_mining) == (None, None)


def test_a_ban_says_when_a_case_was_first_seen_outside_its_season() -> None:
    here = box(X - 400, Y + 900, X, Y + 1100)
    across = area(here, name="一段", **{"from": "10-01", "to": "03-31"})
    told = {
        month: ask(at(-200, 1000), on=date(2025, month, 5), no_mining=[across]).notes
        for month in (1, 5, 12)
    }
    assert told[1] == told[12] == ()
    outside = "首次发现之日（2025-05-05）在禁采期之外：一段（10-01 至 03-31）"
    assert told[5] == (outside,)
    # Where another one was in season, that one is named.
    spring = area(here, name="二段", **{"from": "04-01", "to": "06-30"})
    found = ask(at(-200, 1000), on=date(2025, 5, 5), no_mining=[across, spring])
    assert (found.no_mining, found.notes) == ("二段（04-01 至 06-30）", ())
    always = area(here, name="三段")
    found = ask(at(-200, 1000), on=date(2025, 5, 5), no_mining=[always])
    assert (found.no_mining, found.notes) == ("三段（全年）", ())
    stage = area(here, name="四段", station="株洲站", stage_m="29.5")
    (unread,) = ask(at(-200, 1000), on=date(2025, 5, 5), no_mining=[stage]).notes
    assert "没有株洲站的水位记录，是否在禁采期内不明" in unread
    unknown = ask(at(-200, 1000), on=None, no_mining=[across])
    assert (unknown.no_mining, unknown.notes) == ("一段（10-01 至 03-31）", ())


def test_no_mining_in_words_and_days() -> None:
    stage = area(at(0, 0), station="株洲站", stage_m="29.5")
    assert no_mining_text(stage) == "禁采区（株洲站水位达 29.5 m 时）"
    assert no_mining_text(area(at(0, 0), name="b")) == "b（全年）"
    across = [in_period("10-01", "03-31", date(2025, m, 1)) for m in (1, 3, 4, 9, 10, 12)]
    assert across == [True, True, False, False, True, True]
    assert in_period("04-01", "06-30", date(2025, 6, 30))
    assert not in_period("2025-04-01", "2025-06-30", date(2026, 5, 1))


def test_the_order_of_features_does_not_matter() -> None:
    half = [
        area(box(X - 900, Y, X - 200, Y + 2000), code="2", name="b"),
        area(box(X - 200, Y, X + 900, Y + 2000), code="1", name="a"),
    ]
    cases = [ask(at(-200, 1000), counties=c) for c in (half, half[::-1])]
    assert cases[0] == cases[1]
    assert cases[0].county_code == "1"
