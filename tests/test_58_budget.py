"""What is proposed for issue, by law: monotone, stable, never more than allowed, nothing lost."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import box

from pipeline.adjudicate.budget import (
    BudgetOptions,
    budget_line,
    could_be_issued,
    issued_in,
    pot_of,
    propose,
    score,
)
from pipeline.model import (
    NO_PLACE_ZH,
    Attribution,
    Case,
    Evidence,
    EvidenceState,
    Grade,
    Kind,
    Look,
    Ruling,
    Seen,
    Severity,
    Status,
)

NEWEST = datetime(2026, 3, 20, 3, tzinfo=UTC)
MONTH = "2026-03"


def case(name: str = "c", days: int = 0, side: float = 40.0, **more: Any) -> Case:
    seen = NEWEST - timedelta(days=days)
    county = more.pop("county", "430212")
    place = Attribution(county_code=county, county_zh="渌口区", **more.pop("place", {}))
    grade = more.pop("severity", None)
    made = Case(
        case_id=name,
        kind=Kind.CAI,
        corridor_id="river",
        polygon=box(0, 0, side, side),
        crs="EPSG:32649",
        area_m2=side * side,
        status=Status.SUSPECTED,
        evidence=Evidence(EvidenceState.SUSPECTED, 3, 0, 3, seen, seen, None, False),
        looks=(Look(NEWEST, "p", "s2", 1.0, Seen.UNKNOWN),),
        score=0.5,
        measures={},
        scene_ids=(),
        detector="ground/1",
        revision=1,
        run_id="r",
        code_version="v",
        config_hash="c",
        attribution=place if county else None,
        grade=Grade("CA1", "采", Severity(grade, False, 1, "m2", 1.0)) if grade else None,
    )
    return replace(made, **more)


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        (case(score=0.6), case()),
        (case(severity="严重"), case(severity="较重")),
        (case(severity="较重"), case(severity="一般")),
        (case(side=80), case(side=40)),
        (case(place={"zone": "保护区"}), case()),
        (case(place={"no_mining": "禁采区"}), case()),
        (case(days=1), case(days=30)),
    ],
)
def test_each_factor_counts(better: Case, worse: Case) -> None:
    assert score(better, NEWEST, better.score) > score(worse, NEWEST, worse.score)


def test_the_score_is_the_product_that_is_written_down() -> None:
    one = case(days=90, severity="严重", place={"zone": "保护区", "no_mining": "禁采区"})
    assert score(one, NEWEST, 0.5) == pytest.approx(0.5 * 3 * 1.5 * 1.5 * 0.5)
    heap = replace(one, kind=Kind.DUI)
    assert score(heap, NEWEST, 0.5) == pytest.approx(0.5 * 3 * 1.5 * 0.5)


_cases = st.lists(
    st.builds(
        dict,
        days=st.integers(0, 400),
        score=st.floats(0, 1),
        side=st.floats(10, 300),
        county=st.sampled_from(["430212", "430223", None]),
        severity=st.sampled_from([None, "一般", "较重", "严重"]),
        status=st.sampled_from([Status.SUSPECTED, Status.SUSPECTED, Status.WATCH, Status.ISSUED]),
    ),
    max_size=10,
)


@settings(max_examples=40, deadline=None)
@given(_cases, st.integers(0, 4), st.integers(0, 3), st.randoms(use_true_random=False))
def test_never_more_than_allowed_stable_and_nothing_lost(
    made: list[dict[str, Any]], most: int, used: int, random: Any
) -> None:
    cases = [case(f"c{i}", **m) for i, m in enumerate(made)]
    options = BudgetOptions(per_county_month=most)
    issued = {"430212": used, NO_PLACE_ZH: used}
    found = propose(cases, MONTH, issued, None, options)
    assert set(found) == {c.case_id for c in cases if could_be_issued(c)}
    going = Counter(p.county for p in found.values() if p.waits is None)
    waiting = Counter(p.county for p in found.values() if p.waits)
    for pot, n in (going + waiting).items():
        left = max(most - issued.get(pot, 0), 0)
        assert going[pot] == min(left, n)
        ranked = sorted((p for p in found.values() if p.county == pot), key=lambda p: p.rank)
        assert [p.rank for p in ranked] == list(range(1, n + 1))
        assert {p.of for p in ranked} == {n}
        assert [p.score for p in ranked] == sorted((p.score for p in ranked), reverse=True)
    random.shuffle(cases)
    assert propose(cases, MONTH, issued, None, options) == found
    more = propose(cases, MONTH, issued, None, BudgetOptions(per_county_month=most + 1))
    assert {i for i, p in found.items() if p.waits is None} <= {
        i for i, p in more.items() if p.waits is None
    }


def test_a_likelier_case_never_falls_behind() -> None:
    cases = [case(f"c{i}", score=0.1 * i) for i in range(1, 6)]
    options = BudgetOptions(per_county_month=2)
    before = propose(cases, MONTH, {}, None, options)
    shares = {c.case_id: c.score for c in cases} | {"c2": 0.9}
    after = propose(cases, MONTH, {}, shares, options)
    assert (before["c2"].rank, after["c2"].rank) == (4, 1)
    # Beside cases of which nobody knows a share, shares are another scale.
    assert propose(cases, MONTH, {}, {"c2": 0.9}, options) == before
    assert before["c2"].waits == (
        "本县区本月额度2件，已交办0件，按优先顺序排第4，待下月或有余额时提请"
    )


def test_off_unless_the_office_says_a_number() -> None:
    assert propose([case()], MONTH, {}) == {}
    assert budget_line({}, {}) is None


def test_what_cannot_be_issued_has_no_place() -> None:
    hidden = Ruling("suppressed", "permit-valid")
    for one in (
        case(ruling=hidden), case(produced=False), case(merged_into="x"), case(status=Status.CLOSED)
    ):  # fmt: skip
        assert not could_be_issued(one)


def test_what_people_issued_counts_once_in_its_month_and_county() -> None:
    one, other = case("a"), case("b", county=None)
    days = [(one, date(2026, 3, 1)), (one, date(2026, 3, 9)), (other, date(2026, 3, 31))]
    assert issued_in(MONTH, [*days, (one, date(2026, 4, 1))]) == {"430212": 1, NO_PLACE_ZH: 1}
    assert pot_of(other) == NO_PLACE_ZH
    found = propose([case("x"), case("y")], MONTH, {"430212": 1}, None,
                    BudgetOptions(per_county_month=2))  # fmt: skip
    assert [found[i].waits is None for i in ("x", "y")] == [True, False]
    assert budget_line(found, {"430212": "渌口区"}) == (
        "提请交办 proposed for issue in 2026-03: 1 of 2 (渌口区 1 of 2) · waiting: 1"
    )
