"""What the office's layers explain, by example and by law; nothing here touches a disk."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import LineString, MultiPolygon, Point, box
from shapely.geometry.base import BaseGeometry

sys.path.insert(0, str(Path(__file__).parent))
import office

from pipeline.adjudicate.areas import AreaIndex, Spot
from pipeline.adjudicate.evidence import FoldOptions, fold
from pipeline.adjudicate.rules import AGAINST, Rule, Subject, subject_of
from pipeline.adjudicate.screen import Screener, ScreenOptions, chosen_for_audit
from pipeline.model import (
    Attribution,
    Case,
    Kind,
    LayerArea,
    Look,
    PermitRef,
    Ruling,
    Seen,
    Status,
)

X, Y = 420_000.0, 3_060_000.0
FIRST, LAST = date(2025, 3, 1), date(2025, 8, 1)


def at(x: float = 0, y: float = 0, width: float = 60, height: float | None = None) -> BaseGeometry:
    """A box whose lower left corner lies at (x, y) [m]."""
    return box(X + x, Y + y, X + x + width, Y + y + (height or width))


def area(geometry: BaseGeometry, **more: Any) -> LayerArea:
    known = {k: more.pop(k) for k in ("verified", "answered_by") if k in more}
    fields = {"from": "2025-01-01", "to": "2025-12-31"} | {
        k.rstrip("_"): v for k, v in more.items()
    }
    return LayerArea(office.lonlat(geometry), fields, **known)


HERE = at(-20, -20, 100)


def permit(geometry: BaseGeometry = HERE, **more: Any) -> LayerArea:
    return area(geometry, **({"id": "A1"} | more))


def works(geometry: BaseGeometry = HERE, **more: Any) -> LayerArea:
    return area(geometry, **({"name": "堤防加固"} | more))


def ask(
    case: BaseGeometry | None = None,
    kind: Kind = Kind.JIAN,
    days: tuple[date, date] | None = (FIRST, LAST),
    place: Attribution | None = None,
    **layers: list[LayerArea],
) -> Ruling:
    first, last = days or (None, None)
    spot = Spot.of(case or at(), office.METRIC)
    subject = Subject(frozenset({kind}), spot, first, last, 2.0, place or Attribution())
    return Screener(AreaIndex({k.replace("_", "-"): v for k, v in layers.items()}))(subject)


def codes(ruling: Ruling) -> list[str]:
    return [s.code for s in ruling.spoken]


def test_nothing_is_said_without_layers() -> None:
    assert ask() == Ruling()
    assert ask(permits=[permit(at(5000, 0))]) == Ruling()


def test_a_valid_permit_explains_what_lies_in_it() -> None:
    found = ask(permits=[permit()])
    assert (found.outcome, found.rule) == ("suppressed", "permit-valid")
    assert found.spoken[0].text == "在许可「A1」范围内，且在有效期（2025-01-01 至 2025-12-31）内"
    assert found.permit == PermitRef("A1", "2025-01-01", "2025-12-31", "permits")
    assert found.word == "suppressed:permit-valid"
    # An outline that is drawn a little wide lies in it all the same.
    assert ask(at(-35, -35, 130), permits=[permit()]).rule == "permit-valid"


@pytest.mark.parametrize(
    ("start", "end", "code", "text"),
    [
        ("2024-01-01", "2025-07-31", "permit-ended", "已于 2025-07-31 到期，2025-08-01 仍可见"),
        ("2024-01-01", "2025-02-28", "permit-ended", "已于 2025-02-28 到期，2025-03-01 才首次发现"),
        ("2025-03-02", "2026-01-01", "permit-not-yet", "首次发现（2025-03-01）早于许可「A1」生效"),
        (None, "2026-01-01", "permit-undated", "未载明有效期"),
        ("2025-01-01", None, "permit-undated", "未载明有效期"),
    ],
)
def test_a_permit_that_was_not_valid_all_along_says_so_and_explains_nothing(
    start: str | None, end: str | None, code: str, text: str
) -> None:
    found = ask(permits=[permit(from_=start, to=end)])
    assert (found.outcome, codes(found)) == ("kept", [code])
    assert text in found.spoken[0].text
    # On its first and on its last day it counts.
    edge = permit(from_=FIRST.isoformat(), to=LAST.isoformat())
    assert ask(permits=[edge]).outcome == "suppressed"


def test_a_renewed_permit_and_two_side_by_side_are_enough() -> None:
    old = permit(to="2025-05-31")
    new = permit(id="A2", from_="2025-06-01")
    assert ask(permits=[old, new]).permit == PermitRef("A2", "2025-06-01", "2025-12-31")
    late = permit(id="A2", from_="2025-06-02")
    assert codes(ask(permits=[old, late])) == ["permit-ended", "permit-not-yet"]
    halves = [permit(at(-20, -20, 50, 100), id="W"), permit(at(30, -20, 50, 100), id="E")]
    assert ask(permits=halves).outcome == "suppressed"
    assert ask(permits=halves[:1]).outcome == "kept"
    # A renewal for less ground does not explain what the old one held.
    less = permit(at(-20, -20, 40, 100), id="A2", from_="2025-06-01")
    assert ask(at(0, 0, 30), permits=[old, less]).outcome == "suppressed"
    assert codes(ask(at(10, 0, 30), permits=[old, less])) == ["permit-ended", "permit-not-yet"]


def test_what_reaches_beyond_is_an_overrun_and_stays() -> None:
    found = ask(at(0, 0, 200, 60), permits=[permit()])
    assert (found.outcome, codes(found)) == ("kept", ["permit-overrun"])
    # 200 m wide; the permit ends at 80, and 20 m of accuracy and 2 m of registration are taken off.
    assert found.overrun_m2 == pytest.approx((200 - 80 - 22) * 60, rel=0.02)
    assert found.spoken[0].text.startswith("疑似超出许可范围：许可「A1」之外约 5")
    assert "位置误差 22 m" in found.spoken[0].text
    # It touches the permit only: that is beside it, and no overrun of it.
    aside = ask(at(75, 0, 200, 60), permits=[permit()])
    assert (aside.outcome, codes(aside)) == ("kept", ["permit-beside"])
    assert ask(at(85, 0, 20), permits=[permit()]).outcome == "kept"  # near, but not in it
    partly = ask(at(70, 0, 30), permits=[permit()])  # a third inside, the rest within the accuracy
    assert (partly.outcome, codes(partly)) == ("kept", ["permit-beside"])


def test_a_permit_for_something_else_explains_nothing() -> None:
    mining = permit(what="河道采砂许可")
    assert ask(kind=Kind.CAI, permits=[mining]).outcome == "suppressed"
    assert codes(ask(kind=Kind.JIAN, permits=[mining])) == ["permit-other-kind"]
    assert codes(ask(kind=Kind.CAI, permits=[permit(what="取水许可")])) == ["permit-other-kind"]
    # Where mining is forbidden all year, the two layers contradict each other.
    ban = LayerArea(office.lonlat(at(-500, -500, 2000)), {"name": "一段"})
    found = ask(kind=Kind.CAI, permits=[mining], no_mining=[ban])
    assert (found.outcome, codes(found)) == ("kept", ["permit-in-ban"])
    spring = LayerArea(ban.geometry, {"name": "一段", "from": "03-01", "to": "06-30"})
    assert ask(kind=Kind.CAI, permits=[mining], no_mining=[spring]).outcome == "suppressed"


@pytest.mark.parametrize(
    ("what", "explains"),
    [
        ("禁止采砂，仅限绿化", ""),
        ("不得占用", ""),
        ("严禁采砂、取土和弃渣", ""),
        ("采砂除外", ""),
        ("非采砂", ""),
        ("除采砂外的涉河建设", "jian"),
        ("河道采砂（禁采期除外）", "cai"),
        ("疏浚，不得影响行洪", "cai"),
        ("非金属矿采矿", "cai"),
        ("非开挖管线施工", "jian"),
        ("不占用断面的管线工程", "jian"),
        ("清除外来物种疏浚", "cai"),
    ],
)
def test_what_a_permit_denies_it_does_not_allow(what: str, explains: str) -> None:
    kinds = (Kind.CAI, Kind.JIAN, Kind.ZHAN)
    found = {k.value: ask(kind=k, permits=[permit(what=what)]).outcome for k in kinds}
    # Whoever may build may occupy.
    wanted = {"jian", "zhan"} if explains == "jian" else {explains} - {""}
    assert {k for k, outcome in found.items() if outcome == "suppressed"} == wanted


@pytest.mark.parametrize("zone", ["保护区", "岸线保护区", "湘江左岸岸线保留区", "岸线 保留区"])
def test_a_protected_zone_presses_by_its_statutory_name_too(zone: str) -> None:
    assert ask(place=Attribution(zone=zone)).spoken[0].says == "for"
    assert ask(place=Attribution(zone=f"{zone}外")).spoken[0].says == "note"


def test_works_end_and_what_they_built_may_stay() -> None:
    assert ask(works=[works()]).rule == "works-valid"
    over = works(to="2025-06-30")
    found = ask(works=[over])
    assert (found.outcome, codes(found)) == ("kept", ["works-ended"])
    assert found.spoken[0].text == "已批准工程「堤防加固」已于 2025-06-30 结束，2025-08-01 仍可见"
    assert ask(works=[replace(over, fields={**over.fields, "after": "cleared"})]).outcome == "kept"
    built = replace(over, fields={**over.fields, "after": "stays"})
    assert ask(works=[built]).rule == "works-rebased"
    # What came after their end, or before their beginning, is none of their product.
    assert ask(works=[built], days=(date(2025, 7, 5), LAST)).rule is None
    assert ask(works=[built], days=(date(2024, 7, 5), LAST)).rule is None
    wider = ask(at(0, 0, 200, 60), works=[built])
    assert (wider.outcome, codes(wider)) == ("kept", ["works-overrun"])


def test_works_as_a_line_have_a_width_and_as_a_point_no_extent() -> None:
    line = works(LineString([(X - 200, Y + 20), (X + 300, Y + 20)]))
    assert ask(at(0, 0, 60, 40), works=[line]).rule == "works-valid"
    assert codes(ask(at(0, 0, 60, 120), works=[line])) == ["works-overrun"]
    point = ask(works=[works(Point(X + 20, Y + 20))])
    assert (point.outcome, codes(point)) == ("kept", ["works-no-extent"])


def test_existing_works_explain_what_lies_over_or_along_them() -> None:
    bridge = LayerArea(
        office.lonlat(LineString([(X - 100, Y + 10), (X + 400, Y + 10)])), {"name": "大桥"}
    )
    over = ask(at(0, 0, 300, 20), existing=[bridge])
    assert (over.rule, over.spoken[0].text) == (
        "existing-work",
        "与既有建筑物「大桥」重合或沿其分布",
    )
    assert codes(ask(at(0, 0, 300, 120), existing=[bridge])) == ["existing-beside"]
    assert ask(at(0, 0, 300, 20), Kind.CAI, existing=[bridge]).outcome == "kept"
    spot = Spot.of(at(0, 0, 300, 20), office.METRIC)
    either = Subject(frozenset({Kind.CAI, Kind.DUI}), spot, FIRST, LAST, 2.0, Attribution())
    assert Screener(AreaIndex({"existing": [bridge]}))(either).outcome == "kept"
    # A new house close to an old one is not the old one.
    house = LayerArea(office.lonlat(at(0, 0, 15)), {"name": None})
    assert codes(ask(at(17, 0, 15), existing=[house])) == ["existing-beside"]
    assert codes(ask(at(10, 0, 15), existing=[house])) == ["existing-beside"]
    doubtful = LayerArea(office.lonlat(at(0, 0, 15)), {"name": "旧房"}, verified=False)
    assert codes(ask(at(2, 2, 15), existing=[doubtful])) == ["position-unverified"]
    assert ask(at(2, 2, 15), existing=[doubtful, replace(house, verified=True)]).rule is not None
    aside = LayerArea(office.lonlat(at(12, 0, 15)), {"name": None})
    assert ask(at(2, 2, 15), existing=[doubtful, aside]).outcome == "kept"
    assert ask(at(2, 2, 15), existing=[house]).outcome == "suppressed"
    # A village that is drawn whole explains no house in it, nor beside a house that is drawn.
    village = LayerArea(office.lonlat(at(-1500, -1500, 3000)), {"name": "村"})
    assert codes(ask(at(2, 2, 15), existing=[village])) == ["existing-beside"]
    both = ask(at(2, 2, 15), existing=[village, house])
    assert codes(both) == ["existing-work", "existing-beside"]


def test_a_verdict_of_no_problem_explains_its_place_until_it_lapses() -> None:
    def judged(**fields: str) -> list[LayerArea]:
        return [LayerArea(office.lonlat(at()), {"id": "H1", **fields})]

    fine = judged(verdict="不是问题·历史不碍洪", on="2025-04-01")
    assert ask(history=fine).rule == "history-no-problem"
    assert codes(ask(at(0, 0, 120), history=fine)) == []
    assert codes(ask(at(0, 0, 60, 110), history=fine)) == ["history-lapsed"]
    # It is of an area of this size, and of what stood there by then.
    wide = [LayerArea(office.lonlat(at(-1500, -1500, 3000)), fine[0].fields)]
    assert "其范围远大于现范围" in ask(history=wide).spoken[0].text
    late = ask(history=judged(verdict="不是问题", on="2025-02-28"))
    assert (late.outcome, codes(late)) == ("kept", ["history-lapsed"])
    assert "之后才首次发现（2025-03-01）" in late.spoken[0].text
    assert codes(ask(history=judged(verdict="不是问题", on="2024-07-01"))) == ["history-lapsed"]
    assert codes(ask(history=judged(verdict="不是问题"))) == ["history-lapsed"]
    doubtful = [replace(fine[0], verified=False)]
    assert codes(ask(history=doubtful)) == ["position-unverified"]
    assert codes(ask(history=judged(verdict="问题·历史碍洪", on="2025-02-01"))) == [
        "history-problem"
    ]


@pytest.mark.parametrize(
    ("answer", "verified", "zone", "code"),
    [
        ("no", True, None, "boundary-outside"),
        ("no", False, None, "position-unverified"),
        ("no", True, "开发利用区", "boundary-contradicted"),
        ("yes", True, None, "boundary-inside"),
        ("unknown", True, None, "boundary-unclear"),
    ],
)
def test_the_legal_boundary(answer: Any, verified: bool, zone: str | None, code: str) -> None:
    place = Attribution(
        in_management_area=answer, boundary_used="legal", boundary_verified=verified, zone=zone
    )
    found = ask(place=place)
    assert codes(found)[0] == code
    assert found.outcome == ("suppressed" if code == "boundary-outside" else "kept")
    assert ask(place=replace(place, boundary_used="working", zone=None)) == Ruling()


def test_a_ban_outside_the_boundary_contradicts_it() -> None:
    place = Attribution(
        in_management_area="no", boundary_used="legal", boundary_verified=True, no_mining="全年"
    )
    found = ask(place=place)
    assert (found.outcome, codes(found)) == ("kept", ["boundary-contradicted"])


def test_zones_and_bans_are_for_and_never_against() -> None:
    place = Attribution(zone="保护区", no_mining="一段（全年）")
    pit, house = ask(kind=Kind.CAI, place=place), ask(kind=Kind.JIAN, place=place)
    assert [(s.code, s.says) for s in pit.spoken] == [("zone", "for"), ("no-mining", "for")]
    assert codes(house) == ["zone"]
    assert ask(place=Attribution(zone="开发利用区")).spoken[0].says == "note"


def test_who_answers_for_a_position() -> None:
    for layer, one in (("permits", permit()), ("works", works())):
        doubtful = replace(one, verified=False)
        found = ask(**{layer: [doubtful]})
        assert (found.outcome, codes(found)) == ("kept", ["position-unverified"])
        answered = replace(doubtful, answered_by="王工")
        assert ask(**{layer: [answered]}).outcome == "suppressed"


def test_what_is_asked_about_a_case() -> None:
    on = datetime(2025, 3, 1, 3, tzinfo=UTC)
    said = ((Seen.HIT, 2.5), (Seen.HIT, 4.0), (Seen.MISS, 9.0), (Seen.HIT, None))
    looks = tuple(
        Look(on + timedelta(days=i), f"p{i}", "s2", 1.0, seen, residual_m=residual)
        for i, (seen, residual) in enumerate(said)
    )
    case = Case(
        case_id="c", kind=Kind.CAI, corridor_id="river", polygon=at(), crs=office.METRIC,
        area_m2=3600.0, status=Status.SUSPECTED, evidence=fold(looks), looks=looks, score=0.5,
        measures={"kind_cai": 0.5, "kind_dui": 0.4, "kind_zhan": 0.2}, scene_ids=(),
        detector="ground/1", revision=1, run_id="r", code_version="v", config_hash="h",
    )  # fmt: skip
    asked = subject_of(case)
    assert (asked.first, asked.last) == (date(2025, 3, 1), date(2025, 3, 4))
    assert asked.residual_m == 3.25
    # One look that was badly registered hides no overrun, and many hide little of one.
    for bad, residual in (((90.0, 2.5, 4.0), 4.0), ((90.0, 80.0, 4.0), 20.0)):
        worse = [replace(k, seen=Seen.HIT, residual_m=r) for k, r in zip(looks, bad, strict=False)]
        assert subject_of(replace(case, looks=tuple(worse))).residual_m == residual
    # A heap scores nearly as high, and a heap may be a building; a fill is told apart.
    assert asked.kinds == {Kind.CAI, Kind.DUI, Kind.JIAN}
    plain = replace(case, measures={})
    assert subject_of(plain).kinds == {Kind.CAI}
    assert subject_of(replace(plain, kind=Kind.JIAN)).kinds == {Kind.DUI, Kind.JIAN}


def test_after_a_relapse_papers_are_asked_of_the_relapse() -> None:
    case = sighted("hhhmmmmmhhh", date(2025, 6, 20))
    asked = subject_of(case)
    assert case.evidence.first_seen is not None
    assert case.evidence.first_seen.date() == date(2025, 6, 20)
    assert (asked.first, asked.last) == (date(2025, 6, 28), date(2025, 6, 30))
    assert subject_of(case, FoldOptions(expire_misses=6)).first == date(2025, 6, 20)
    assert subject_of(sighted("hhmmmhm?m?h", date(2025, 6, 20))).first == date(2025, 6, 20)
    index = AreaIndex({"works": [works(to="2025-06-25", after="stays")]})
    found = Screener(index)(asked)
    assert (found.outcome, codes(found)) == ("kept", ["works-ended"])
    assert "2025-06-28 才首次发现" in found.spoken[0].text
    stood = sighted("hhhhhhhhhhh", date(2025, 6, 20))
    assert Screener(index)(subject_of(stood)).rule == "works-rebased"


def test_a_paper_that_ended_unseen_says_so() -> None:
    case = sighted("hhh???????", date(2025, 12, 20))
    index = AreaIndex({"permits": [permit(to="2025-12-25")]})

    def said(case: Case, newest: datetime | None) -> tuple[str | None, bool]:
        found = Screener(index)(subject_of(case, None, newest))
        return found.rule, "已到期，尚无新影像" in found.spoken[0].text

    after, before = (datetime(2025, 12, d, 3, tzinfo=UTC) for d in (29, 25))
    assert said(case, after) == ("permit-valid", True)
    assert said(case, before) == ("permit-valid", False)
    assert said(case, None) == ("permit-valid", False)
    # Seen clearly without it since: there is a new picture.
    assert said(sighted("hhh??????m", date(2025, 12, 20)), after) == ("permit-valid", False)
    assert said(sighted("hhh??????h", date(2025, 12, 20)), after) == (None, False)


def test_a_permit_drawn_as_a_point_says_no_extent() -> None:
    point = ask(permits=[permit(Point(X + 30, Y + 30))])
    assert (point.outcome, codes(point)) == ("kept", ["permit-no-extent"])


def sighted(text: str, start: date) -> Case:
    on = datetime(start.year, start.month, start.day, 3, tzinfo=UTC)
    seen = {"h": Seen.HIT, "m": Seen.MISS, "?": Seen.UNKNOWN}
    looks = tuple(
        Look(on + timedelta(days=i), f"p{i}", "s2", 1.0, seen[c]) for i, c in enumerate(text)
    )
    return Case(
        case_id="c", kind=Kind.JIAN, corridor_id="river", polygon=at(), crs=office.METRIC,
        area_m2=3600.0, status=Status.SUSPECTED, evidence=fold(looks), looks=looks, score=0.5,
        measures={}, scene_ids=(), detector="ground/1", revision=1, run_id="r", code_version="v",
        config_hash="h",
    )  # fmt: skip


days_of = st.dates(date(2025, 1, 1), date(2025, 12, 31))
boxes = st.builds(
    at,
    st.integers(-80, 80),
    st.integers(-80, 80),
    st.integers(20, 240),
    st.integers(20, 240),
)
papers = st.builds(
    area,
    boxes,
    from_=st.none() | days_of.map(str),
    to=st.none() | days_of.map(str),
    id=st.sampled_from("ABC"),
    name=st.sampled_from("甲乙丙"),
    what=st.sampled_from((None, "采砂", "涉河建设", "取水")),
    after=st.sampled_from((None, "cleared")),
    verified=st.booleans(),
)
some = st.lists(papers, max_size=4)


@settings(max_examples=60, deadline=None)
@given(some, some, boxes, days_of, st.integers(0, 200), st.sampled_from(list(Kind)), st.randoms())
def test_laws_of_papers(
    permits: list[LayerArea],
    sites: list[LayerArea],
    case: BaseGeometry,
    first: date,
    length: int,
    kind: Kind,
    random: Any,
) -> None:
    days = (first, first + timedelta(days=length))
    found = ask(case, kind, days, permits=permits, works=sites)
    mixed = [random.sample(k, len(k)) for k in (permits, sites)]
    assert ask(case, kind, days, permits=mixed[0], works=mixed[1]) == found
    if found.outcome == "suppressed":
        assert found.rule in AGAINST
        # On every day somebody's paper, of a known place, was valid.
        spans = [
            (date.fromisoformat(str(a.fields["from"])), date.fromisoformat(str(a.fields["to"])))
            for a in (*permits, *sites)
            if a.trusted and a.fields["from"] and a.fields["to"]
        ]
        for day in (days[0] + timedelta(days=i) for i in range(length + 1)):
            assert any(start <= day <= end for start, end in spans)
    else:
        assert found.rule is None
    nobody = [[replace(a, verified=False) for a in k] for k in (permits, sites)]
    assert ask(case, kind, days, permits=nobody[0], works=nobody[1]).outcome == "kept"


@settings(max_examples=30, deadline=None)
@given(boxes, boxes)
def test_more_ground_never_explains_less(case: BaseGeometry, ground: BaseGeometry) -> None:
    wide = MultiPolygon([ground.buffer(30).envelope])
    if ask(case, permits=[permit(ground)]).outcome == "suppressed":
        assert ask(case, permits=[permit(wide)]).outcome == "suppressed"


known = st.builds(
    area,
    boxes,
    name=st.sampled_from("甲乙"),
    id=st.sampled_from("HJ"),
    verdict=st.sampled_from(("不是问题", "问题", None)),
    on=days_of.map(str),
    verified=st.booleans(),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(known, max_size=4), boxes, days_of, st.sampled_from(list(Kind)), st.randoms())
def test_laws_of_what_is_known(
    areas: list[LayerArea], case: BaseGeometry, last: date, kind: Kind, random: Any
) -> None:
    days = (date(2025, 1, 1), last)
    found = ask(case, kind, days, existing=areas, history=areas)
    mixed = random.sample(areas, len(areas))
    assert ask(case, kind, days, existing=mixed, history=mixed) == found
    nobody = [replace(a, verified=False) for a in areas]
    assert ask(case, kind, days, existing=nobody, history=nobody).outcome == "kept"
    assert ask(case, Kind.CAI, days, existing=areas).outcome == "kept"


def test_the_lot_is_the_same_for_a_run_and_another_for_the_next() -> None:
    ids = [f"ZZ-{i}" for i in range(100)]
    one = chosen_for_audit("run1", ids, ScreenOptions())
    assert len(one) == 5
    assert one == chosen_for_audit("run1", ids[::-1], ScreenOptions())
    assert one != chosen_for_audit("run2", ids, ScreenOptions())
    assert chosen_for_audit("run1", ids[:2], ScreenOptions()) == {"ZZ-0", "ZZ-1"}
    assert len(chosen_for_audit("run1", ids, ScreenOptions(audit_share=0, audit_least=0))) == 0


def test_rules_that_explain_are_the_ones_that_speak_against() -> None:
    assert {r for r in Rule if r.value.endswith(("valid", "rebased"))} <= AGAINST
