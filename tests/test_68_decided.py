"""What a decision of the desk explains, and what outlives it; nothing here touches a disk."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import box

sys.path.insert(0, str(Path(__file__).parent))
from test_60_ledger_rules import END, apply, candidate, context
from test_63_people import after, one

from pipeline.cases.strata import Stratum, set_aside, stratum_of
from pipeline.grid import reproject
from pipeline.ledger.codec import dump_case, load_case
from pipeline.ledger.plan import Plan, plan, unmatched
from pipeline.ledger.status import Reason
from pipeline.model import DECIDED_BY_PEOPLE, Candidate, Case, Grid, Kind, Ruling, Status
from pipeline.passes.known import case_pixels, earlier_cases
from pipeline.publish import split_cases

if TYPE_CHECKING:
    from pipeline.passes.ground import Site

DESK = (Status.REJECTED, Status.PERMITTED)
ON = date(2025, 2, 1)
CONTEXT = context()


def decide(case: Case, status: Status = Status.REJECTED, on: date = ON) -> Case:
    return after(case, status=status, reason=Reason.CROP, on=on)


def shelves(cases: Sequence[Case]) -> tuple[list[str], list[str]]:
    """Ids of those that are open or on watch, and of suppressed ones."""
    split = split_cases(cases)
    shown = [c.case_id for c in (*split.cases, *split.watch)]
    return shown, [c.case_id for c in split.suppressed]


def rejected_then(found: Candidate, **more: Any) -> tuple[Case, Plan]:
    case = decide(one(), **more)
    return case, apply([case], [found], run="2")


@pytest.mark.parametrize("status", DESK)
def test_what_is_still_the_same_stays_with_the_decision_and_is_shown_as_such(
    status: Status,
) -> None:
    case = decide(one(), status)
    assert shelves([case]) == ([], [case.case_id])
    assert load_case(dump_case(case), case.polygon) == case
    done = apply([case], [candidate(10, 5, 75, "hhhhhh")], run="2")
    (still,) = done.cases
    assert (still.status, still.area_m2, still.evidence.hits) == (status, case.area_m2, 6)
    assert still.ruling is not None
    assert still.ruling.rule == DECIDED_BY_PEOPLE
    assert "（2025-02-01）" in still.ruling.spoken[0].text
    assert shelves(done.cases) == ([], [case.case_id])
    # Two pieces of it are it as well; where nothing is seen of it any more it leaves the list.
    pieces = [candidate(0, 0, 28, "hhhhhhh"), candidate(30, 30, 28, "hhhhhhh")]
    assert len(apply(done.cases, pieces, run="3").cases) == 1
    gone = apply(done.cases, [candidate(0, 0, 60, "hhhmmmmm")], run="3")
    assert shelves(gone.cases) == ([], [])
    assert len(gone.cases) == 1
    # A person takes it in again: it is open at once.
    back = after(still, status=Status.SUSPECTED, reason=Reason.MISPLACED)
    assert back.ruling is None
    assert shelves([back]) == ([case.case_id], [])


@pytest.mark.parametrize(
    ("found", "more"),
    [
        (candidate(0, 0, 90, "hhhhhh"), {}),  # 2.25 times as large
        (candidate(0, 0, 60, "hhhhhh", kind=Kind.JIAN), {}),
        (candidate(0, 0, 60, "hhhmmmmmhhh"), {}),  # gone, and something came
        (candidate(0, 0, 60, "hhhhhh"), {"on": date(2024, 1, 1)}),  # more than a year ago
    ],
    ids=["larger", "another kind", "came anew", "long ago"],
)
def test_what_is_something_else_is_a_case_of_its_own(
    found: Candidate, more: dict[str, Any]
) -> None:
    case, done = rejected_then(found, **more)
    (fresh,) = [c for c in done.cases if c.case_id != case.case_id]
    assert (fresh.parent, fresh.status) == (case.case_id, Status.SUSPECTED)
    assert shelves(done.cases) == ([fresh.case_id], [])
    (old,) = [c for c in done.cases if c.case_id == case.case_id]
    assert (old.status, old.looks, old.produced) == (Status.REJECTED, case.looks, True)
    # The same again changes nothing; a decision on it too is not outlived by the same again.
    assert apply(done.cases, [found], run="3").changed == ()
    both = [old, decide(fresh, on=date(2025, 3, 1))]
    assert len(apply(both, [found], run="4").cases) == 2


def test_a_decision_knows_what_had_been_seen_when_it_was_made() -> None:
    case = decide(one("hhhmmmmmhhh"))
    assert case.people is not None
    assert case.people.known_until == date(2025, 2, 20)
    done = apply([case], [candidate(0, 0, 60, "hhhmmmmmhhhhh")], run="2")
    assert [c.case_id for c in done.cases] == [case.case_id]


@pytest.mark.parametrize("gap", [0, 10])
@pytest.mark.parametrize("status", [*DESK, Status.CLOSED])
@pytest.mark.parametrize("height", [60, 90])  # what the decision would explain alone, and not
def test_no_live_case_is_absorbed_by_what_people_laid_aside(
    status: Status, gap: int, height: int
) -> None:
    found = [candidate(0, 0, 60, "hhh"), candidate(60 + gap, 0, 30, "hhh")]
    laid, live = sorted(apply([], found).cases, key=lambda c: c.polygon.bounds)
    laid = replace(laid, status=status) if status is Status.CLOSED else decide(laid, status)
    shape = box(0, 0, 90 + gap, height)
    over = replace(candidate(0, 0, 60, "hhhhhh"), polygon=shape, area_m2=shape.area)
    done = apply([laid, live], [over], run="2")
    assert [c.merged_into for c in done.cases] == [None, None]
    assert live.case_id in shelves(done.cases)[0]
    assert apply(done.cases, [over], run="3").changed == ()


def test_a_run_that_judged_nothing_there_leaves_a_decision_as_it_was_shown() -> None:
    (case,) = (c for c in rejected_then(candidate(0, 0, 60, "hhhh"))[1].cases)
    assert shelves([case]) == ([], [case.case_id])
    silent = replace(CONTEXT, until={"xiangjiang": END}, judged={})
    assert shelves(plan([case], [], silent).cases) == ([], [case.case_id])
    flown = plan([case], [], replace(silent, spots=True))
    assert (flown.changed, flown.events) == ((), ())


def test_a_ledger_of_before_a_decision_knew_its_looks_keeps_its_decisions() -> None:
    case = decide(one(), on=END.date())
    assert case.people is not None
    old = replace(case, people=replace(case.people, known_until=None))
    again = apply([old], [candidate(0, 0, 60, "mmmhhhh")], run="2")
    assert again.counts["opened"] == 0
    assert shelves(again.cases) == ([], [case.case_id])


def test_a_coarse_patrol_joins_no_two_heaps_that_a_flight_told_apart() -> None:
    heaps = [candidate(x, 0, 7, "h", detector="drone/1") for x in (0, 12)]
    flown = apply([], heaps).cases
    assert len(flown) == 2
    patrol = apply(flown, [candidate(-2, -6, 22, "hhhh")], run="2").cases
    assert [c.merged_into for c in patrol if c.case_id in {k.case_id for k in flown}] == [
        None,
        None,
    ]


def test_a_relapse_after_closing_keeps_its_id_and_is_shown() -> None:
    closed = replace(one(), status=Status.CLOSED)
    gone = apply([closed], [candidate(0, 0, 60, "hhhmmmm")], run="2").cases
    assert shelves(gone) == ([], [])
    back = apply(gone, [candidate(0, 0, 200, "hhhmmmmhhh")], run="3").cases
    assert [(c.case_id, c.status, c.proposal) for c in back] == [
        (closed.case_id, Status.CLOSED, "回弹")
    ]
    assert shelves(back) == ([closed.case_id], [])
    # Beside a live case the closed one hears of the looks too.
    live = replace(one(), case_id="ZZ-live", polygon=candidate(62, 0, 60, "h").polygon)
    found = [candidate(0, 0, 122, "hhhmmmmhhh")]
    both = {c.case_id: c for c in apply([*gone, live], found, run="3").cases}
    assert both[closed.case_id].proposal == "回弹"
    assert both["ZZ-live"].merged_into is None


def test_a_case_that_lies_near_takes_nothing_from_a_decision() -> None:
    found = [candidate(0, 0, 30, "hhh"), candidate(31, 0, 30, "hhh")]
    laid, live = sorted(apply([], found).cases, key=lambda c: c.polygon.bounds)
    laid = decide(laid)
    shown = candidate(2, 0, 30, "hhhhh")  # the rejected one, a little shifted
    done = {c.case_id: c for c in apply([laid, live], [shown], run="2").cases}
    assert done[live.case_id].polygon.equals(live.polygon)
    assert done[laid.case_id].evidence.hits == 5
    assert [c.case_id for c in unmatched([laid, live], [shown], CONTEXT)] == [live.case_id]


def test_a_piece_that_a_live_case_leaves_is_the_decided_one() -> None:
    laid, live = sorted(
        apply([], [candidate(0, 0, 40, "hhh"), candidate(10, 0, 200, "hhh")]).cases,
        key=lambda c: c.area_m2,
    )
    found = [candidate(0, 0, 40, "hhhh"), candidate(10, 0, 200, "hhhh")]
    done = {c.case_id: c for c in apply([decide(laid), live], found, run="2").cases}
    assert set(done) == {laid.case_id, live.case_id}
    assert [done[c.case_id].evidence.hits for c in (laid, live)] == [4, 4]


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from([Status.REJECTED, Status.PERMITTED]),
    st.floats(-30, 60),
    st.floats(20, 200),
    st.text(alphabet="hm?", max_size=8),
    st.sampled_from(list(Kind)),
)
def test_law_a_candidate_is_on_a_list_or_explained(
    status: Status, x: float, side: float, text: str, kind: Kind
) -> None:
    case = decide(one(), status)
    found = candidate(x, 0, side, "hhh" + text + "hhh", kind=kind)
    done = apply([case], [found], run="2")
    shown, suppressed = shelves(done.cases)
    assert shown or suppressed == [case.case_id]


def test_what_layers_or_people_explain_is_set_aside_for_an_audit() -> None:
    case = one()
    assert not set_aside(case)
    assert stratum_of(case, ()) is Stratum.SUSPECTED
    explained = replace(case, ruling=Ruling("suppressed", "permit-valid"))
    assert set_aside(explained)
    assert stratum_of(explained, ()) is Stratum.SUPPRESSED
    assert set_aside(decide(case))


def test_a_case_is_looked_at_again_where_imagery_saw_it() -> None:
    grid = Grid("EPSG:32649", Affine(10, 0, 0, 0, -10, 200), (20, 20))
    site = cast("Site", SimpleNamespace(store=SimpleNamespace(grid=grid)))
    case = one()
    drawn = reproject(box(0, 0, 150, 150), case.crs, "EPSG:4326")
    corrected = after(case, outline_wgs84=drawn)
    assert corrected.area_m2 > 20000
    rows, cols = case_pixels(site, corrected)
    assert (len(rows), rows.min(), cols.max()) == (36, 14, 5)


@pytest.mark.parametrize(("gap", "own"), [(1, True), (0, True), (-20, False)])
def test_a_decision_explains_no_neighbour_that_lies_beside_it(gap: float, own: bool) -> None:
    """Of thirty metres each, near enough for a shift of registration, and not one thing."""
    case = decide(apply([], [candidate(0, 0, 30, "hhh")]).cases[0])
    beside = candidate(30 + gap if own else 10, 0, 30, "hhhh")
    done = apply([case], [beside], run="2")
    assert (len(done.cases) == 2) == own
    if own:
        (fresh,) = [c for c in done.cases if c.case_id != case.case_id]
        assert fresh.parent is None
        assert shelves(done.cases)[0] == [fresh.case_id]
        assert apply(done.cases, [beside], run="3").changed == ()


@settings(max_examples=40, deadline=None)
@given(st.floats(-60, 60), st.floats(-60, 60), st.floats(15, 60))
def test_law_what_does_not_touch_the_ground_that_was_decided_on_is_a_case(
    x: float, y: float, side: float
) -> None:
    case = decide(apply([], [candidate(0, 0, 30, "hhh")]).cases[0])
    found = candidate(x, y, side, "hhhh")
    done = apply([case], [found], run="2")
    if case.polygon.intersection(found.polygon).area == 0:
        assert len(done.cases) == 2


@pytest.mark.parametrize("more", [{"record": {"note": "老桥"}}, {"external_id": "A-1"}])
def test_a_note_or_an_id_renews_no_decision(more: dict[str, Any]) -> None:
    case = decide(one(), on=date(2024, 1, 1))
    noted = after(case, on=date(2025, 3, 1), **more)
    assert noted.people is not None
    assert (noted.people.on, noted.people.decided_on) == (date(2025, 3, 1), date(2024, 1, 1))
    assert load_case(dump_case(noted), noted.polygon) == noted
    found = candidate(0, 0, 60, "hhhhhh")
    assert apply([case], [found], run="2").counts["opened"] == 1
    assert apply([noted], [found], run="2").counts["opened"] == 1
    # Of a ledger of before that day was kept the day of the last word counts until then.
    assert case.people is not None
    old = replace(case, people=replace(case.people, decided_on=None))
    text = dump_case(old).replace('"decided_on": null, ', "").replace('"rectified_on": null, ', "")
    old = load_case(text, old.polygon)
    noted = after(old, on=date(2025, 3, 1), **more)
    assert noted.people is not None
    assert noted.people.decided_on == date(2024, 1, 1)
    # The decision itself, said again with other words, does renew it.
    again = decide(after(noted, status=Status.SUSPECTED, reason=Reason.CROP), on=date(2025, 3, 1))
    assert apply([again], [found], run="2").counts["opened"] == 0


@pytest.mark.parametrize("status", [*DESK, Status.WITHDRAWN])
def test_what_was_decided_before_the_patrol_is_no_ordinary_ground(status: Status) -> None:
    case = replace(one(), status=status)
    assert earlier_cases("xiangjiang", [case], END) == [case]
    assert earlier_cases("xiangjiang", [case], case.evidence.first_seen or END) == []
    assert earlier_cases("xiangjiang", [replace(case, merged_into="ZZ")], END) == []
