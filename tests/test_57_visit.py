"""The order in which places on watch deserve a visit."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import box

from pipeline.adjudicate.visit import VisitOptions, rank_visits
from pipeline.model import Attribution, Case, Evidence, EvidenceState, Kind, Look, Seen, Status

NEWEST = datetime(2025, 12, 1, 3, tzinfo=UTC)
UNTIL = {"river": NEWEST}


def _case(name: str, **more: object) -> Case:
    seen = more.pop("seen", NEWEST)
    assert isinstance(seen, datetime)
    looks = more.pop("looks", (Look(seen, "p1", "s2", 1.0, Seen.HIT, certain=False),))
    evidence = Evidence(EvidenceState.FIRST, 1, 0, 1, seen, seen, None, False)
    case = Case(
        case_id=name,
        kind=Kind.DUI,
        corridor_id="river",
        polygon=box(0, 0, 40, 40),
        crs="EPSG:32649",
        area_m2=1600.0,
        status=Status.WATCH,
        evidence=evidence,
        looks=looks,
        score=0.4,
        measures={},
        scene_ids=(),
        detector="ground/1",
        revision=1,
        run_id="r",
        code_version="v",
        config_hash="c",
    )
    return replace(case, **more)  # type: ignore[arg-type]


def _first(*cases: Case) -> str:
    return min(rank_visits(cases, UNTIL).items(), key=lambda item: item[1].rank)[0]


@pytest.mark.parametrize(
    "better",
    [
        {"area_m2": 20000.0},
        {"score": 0.8},
        {"attribution": Attribution(zone="保护区")},
        {"kind": Kind.CAI, "attribution": Attribution(no_mining="湘江禁采区")},
    ],
)
def test_size_likelihood_and_zones_come_first(better: dict[str, object]) -> None:
    assert _first(_case("a"), _case("b", **better)) == "b"


def test_what_was_seen_lately_comes_before_what_was_not() -> None:
    old = _case("a", seen=NEWEST - timedelta(days=200))
    assert _first(old, _case("b")) == "b"
    score = {k: v.score for k, v in rank_visits([old, _case("b")], UNTIL).items()}
    assert score["a"] == pytest.approx(score["b"] * 0.5 ** (200 / 90), abs=1e-4)


def test_a_calibrated_confidence_replaces_the_score() -> None:
    cases = [_case("a"), _case("b")]
    assert rank_visits(cases, UNTIL, {"a": 0.1, "b": 0.2})["b"].rank == 1
    assert rank_visits(cases, UNTIL, {"a": 0.2, "b": 0.1})["b"].rank == 2
    # A share beside a bare score is another scale: then the scores decide, and both are alike.
    assert rank_visits(cases, UNTIL, {"b": 0.99})["b"].rank == 2


@pytest.mark.parametrize(
    ("measures", "words"),
    [
        ({"looks": 5.0}, "历史清晰影像不足8期"),
        ({"looks": 30.0, "deep": 1.0}, "水位低于以往"),
        ({"looks": 30.0, "soil": 1.0}, "裸土"),
        ({"looks": 30.0, "felled": 1.0}, "采伐"),
        ({"looks": 30.0, "strip": 1.0}, "条带"),
        ({"looks": 30.0, "wait_days": 60.0}, "未满60天"),
        ({"looks": 30.0, "precedents": 1.0}, "往年同季"),
        ({"looks": 30.0, "own_ground": 1.0}, "往年裸露"),
    ],
)
def test_it_says_what_keeps_a_place_on_watch(measures: dict[str, float], words: str) -> None:
    why = rank_visits([_case("a", measures=measures)], UNTIL)["a"].why
    assert any(words in line for line in why)
    assert why[-1] == "仅1期影像可见"


def test_the_level_is_a_reason_in_the_water_only() -> None:
    def why(kind: Kind) -> str:
        case = _case("a", kind=kind, measures={"looks": 30.0})
        return "".join(rank_visits([case], UNTIL)["a"].why)

    assert "水位" in why(Kind.ZHAN)
    assert "水位" not in why(Kind.DUI)


def test_dark_ground_is_not_said_to_be_soil() -> None:
    told = rank_visits([_case("a", measures={"soil": 1.0, "dark": 1.0})], UNTIL)["a"]
    assert "裸土" not in str(told)
    assert "暗色" in str(told)


@pytest.mark.parametrize(
    ("measures", "certain", "words"),
    [
        ({}, 2, "可确定的影像2期"),  # nothing speaks against it
        ({"certain_share": 0.4}, 0, "单期难以确定"),
        ({"certain_share": 0.5}, 0, "可确定的影像0期"),
    ],
)
def test_no_place_is_on_watch_without_a_reason(
    measures: dict[str, float], certain: int, words: str
) -> None:
    days = [NEWEST - timedelta(days=10 * i) for i in range(4)]
    looks = [
        Look(on, f"p{i}", "s2", 1.0, Seen.HIT, certain=i < certain) for i, on in enumerate(days)
    ]
    case = _case("a", measures={"looks": 30.0} | measures, looks=tuple(looks))
    (why,) = rank_visits([case], UNTIL)["a"].why
    assert words in why


def test_what_has_stood_long_enough_is_not_said_to_be_young() -> None:
    case = _case("a", measures={"looks": 30.0, "wait_days": 90.0})
    old = replace(case, evidence=replace(case.evidence, first_seen=NEWEST - timedelta(days=180)))
    assert "90天" in "".join(rank_visits([case], UNTIL)["a"].why)
    assert "90天" not in "".join(rank_visits([old], UNTIL)["a"].why)


@settings(deadline=None, max_examples=40)
@given(
    st.lists(
        st.tuples(st.floats(0, 1), st.floats(1, 1e6), st.integers(0, 900)), min_size=1, max_size=12
    ),
    st.randoms(use_true_random=False),
)
def test_the_order_of_the_list_does_not_matter(
    rows: list[tuple[float, float, int]], r: Random
) -> None:
    cases = [
        _case(f"c{i}", score=s, area_m2=a, seen=NEWEST - timedelta(days=d))
        for i, (s, a, d) in enumerate(rows)
    ]
    ranked = rank_visits(cases, UNTIL)
    r.shuffle(cases)
    assert rank_visits(cases, UNTIL) == ranked
    assert sorted(v.rank for v in ranked.values()) == list(range(1, len(rows) + 1))
    top = VisitOptions().zone_weight ** 2
    assert all(0 <= v.score <= top for v in ranked.values())


@pytest.mark.parametrize(
    ("measure", "sign"),
    [
        ("deep", "水位低于以往记录"), ("soil", "裸土光谱"), ("felled", "原为林地"),
        ("strip", "条带状"), ("floated", "漂浮植物"), ("precedents", "往年同季"),
        ("own_ground", "往年裸露时相同"), ("fields_alike", "多处农地"), ("dark", "暗色干地"),
    ],
)  # fmt: skip
def test_the_list_says_what_speaks_against_a_place(measure: str, sign: str) -> None:
    told = rank_visits([_case("a", measures={measure: 1.0})], UNTIL)["a"]
    assert sign in str(told)
    assert sign not in str(rank_visits([_case("a", measures={measure: 0.0})], UNTIL)["a"])
