"""Leads in the ledger: matching, opening, and what imagery makes of them. No disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import Point, box

from pipeline.adjudicate.evidence import fold
from pipeline.adjudicate.visit import rank_visits
from pipeline.cases.flight_areas import AreaOptions
from pipeline.cases.flight_plan import plan_flights, render
from pipeline.cases.listing import Filter
from pipeline.ledger.codec import dump_case, load_case
from pipeline.ledger.context import Judgement, LedgerContext
from pipeline.ledger.leads import LeadAt, LeadChanges, apply_leads
from pipeline.ledger.people import Command, Edit, apply_edits
from pipeline.ledger.plan import Plan, plan
from pipeline.ledger.revision import heard
from pipeline.ledger.status import Reason
from pipeline.model import (
    DRONE_SURFACES,
    LEAD_OUTLINE,
    LEAD_POINT,
    Candidate,
    Case,
    Evidence,
    EvidenceState,
    Kind,
    Lead,
    LeadSource,
    Look,
    PeopleRecord,
    Seen,
    Status,
)
from pipeline.publish.contract import check
from pipeline.publish.folder import split_cases
from pipeline.publish.geojson import case_feature, feature_collection
from pipeline.publish.rows import row_of

START, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 6, 30, tzinfo=UTC)
DAY = date(2026, 3, 5)
X, Y = 710000.0, 3080000.0  # UTM 49N, near Zhuzhou
SAID = Command("siluan leads import", "leads-1", datetime(2026, 3, 6, 8, tzinfo=UTC), "0")
SEEN = {"h": Seen.HIT, "m": Seen.MISS}


def context(run: str = "run", judged: bool = True) -> LedgerContext:
    whole = {"river": Judgement({f"p{i}" for i in range(20)})} if judged else {}
    return LedgerContext(
        run, "0", "c", ("river",), (START, END), partial(fold, until=END),
        judged=whole, until={"river": END},
    )  # fmt: skip


def lead(x: float, y: float, ref: str = "1", **more: Any) -> LeadAt:
    kind, on, radius = more.pop("kind", Kind.DUI), more.pop("on", DAY), more.pop("radius", 30.0)
    source = more.pop("source", LeadSource.REPORT)
    key = f"{ref} {x} {y} {kind} {on}"
    shape = Point(X + x, Y + y).buffer(radius)
    made = Lead(on, source, ref, kind, "12345 热线", key)
    return LeadAt(made, "river", shape, "EPSG:32649", shape.area, LEAD_POINT, 0.3333, f"line {ref}")


def candidate(x: float, y: float, side: float, looks: str, **more: Any) -> Candidate:
    seen = tuple(
        Look(START + timedelta(days=5 * i), f"p{i}", "s2", 1.0, SEEN[c], True, 0.5, 2.0)
        for i, c in enumerate(looks)
    )
    shape = box(X + x - side / 2, Y + y - side / 2, X + x + side / 2, Y + y + side / 2)
    made = Candidate(
        Kind.DUI, "river", shape, "EPSG:32649", shape.area, seen, fold(seen), 0.5, {}, ("s",),
        "ground/1",
    )  # fmt: skip
    return replace(made, **more)


def run(known: Sequence[Case], *found: Candidate, judged: bool = True) -> Plan:
    return plan(known, found, context(judged=judged))


def take(known: Sequence[Case], *leads: LeadAt) -> tuple[tuple[Case, ...], LeadChanges]:
    done = apply_leads(known, leads, "王工", SAID, context())
    after = {c.case_id: c for c in known} | {c.case_id: c for c in done.cases}
    return tuple(c for _, c in sorted(after.items())), done


def test_a_lead_opens_a_case_on_watch_without_a_look() -> None:
    cases, done = take([], lead(0, 0))
    (case,) = cases
    assert (case.status, case.evidence.state) == (Status.WATCH, EvidenceState.PROVISIONAL)
    assert (case.looks, case.evidence.hits, case.revision, case.of_lead) == ((), 0, 1, True)
    assert case.case_id.startswith("ZZ-2026-dui-")
    assert [(e.what, e.new) for e in done.events] == [
        ("opened", "provisional"),
        ("lead", "report 1"),
    ]
    assert done.events[1].detail["by"] == "王工"
    assert split_cases(cases).watch == cases
    assert load_case(dump_case(case), case.polygon) == case
    feature = case_feature(case)
    check("cases", feature_collection([feature]))
    said = {"source": "report", "source_zh": "举报", "ref": "1", "on": "2026-03-05", "kind": "dui"}
    assert feature["properties"]["leads"] == [said]
    assert "王工" not in str(feature)
    assert "热线" not in str(feature)


def test_the_same_again_changes_nothing_and_another_content_is_refused() -> None:
    cases, _ = take([], lead(0, 0), lead(900, 0, "2"))
    again, done = take(cases, lead(900, 0, "2"), lead(0, 0))
    assert again == cases
    assert (done.cases, done.events, len(done.known)) == ((), (), 2)
    _, other = take(cases, lead(300, 0))
    assert (other.cases, other.events) == ((), ())
    assert "the ledger has 举报 1 of 12345 热线 already with another" in str(other.refused[0])
    _, twice = take([], lead(0, 0), lead(500, 0))
    assert "this file has 举报 1" in str(twice.refused[0])


@settings(max_examples=12, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 2)), min_size=1, max_size=7),
    st.randoms(use_true_random=False),
)
def test_the_order_of_a_list_does_not_matter_and_no_lead_is_lost(
    places: list[tuple[int, int]], random: Any
) -> None:
    leads = [lead(25.0 * x, 40.0 * y, str(i)) for i, (x, y) in enumerate(places)]
    known = run([], candidate(0, 0, 60, "hhh")).cases
    cases, done = take(known, *leads)
    random.shuffle(leads)
    assert take(known, *leads)[0] == cases
    assert sorted(k.ref for c in cases for k in c.leads) == sorted(a.lead.ref for a in leads)
    assert take(cases, *leads)[1].cases == ()
    assert len(done.opened) + len(done.joined) == len(leads)
    assert {c.case_id for c in cases} >= {c.case_id for c in known}


def test_a_lead_joins_the_case_at_its_place_and_moves_nothing_of_it() -> None:
    (before,) = run([], candidate(0, 0, 60, "hhh")).cases
    (after,), done = take([before], lead(20, 10, kind=Kind.ZHAN))
    assert done.opened == ()
    assert (after.revision, after.status, after.kind) == (2, Status.SUSPECTED, Kind.DUI)
    assert (after.evidence, after.polygon) == (before.evidence, before.polygon)
    assert len(take([before], lead(120, 0))[0]) == 2


def test_two_leads_of_one_thing_are_one_case() -> None:
    cases, done = take([], lead(0, 0, "1"), lead(15, 0, "2", on=DAY + timedelta(days=3)))
    assert [len(c.leads) for c in cases] == [2]
    assert (len(done.opened), len(done.joined)) == (1, 1)
    assert cases[0].revision == 1
    # A row of leads, each near the next, does not grow into one case from end to end.
    chain, _ = take([], *(lead(25.0 * i, 0, str(i)) for i in range(3)))
    assert sorted(len(c.leads) for c in chain) == [1, 2]


def test_imagery_joins_the_case_of_a_lead_and_the_id_stays() -> None:
    (opened,), _ = take([], lead(0, 0))
    done = run([opened], candidate(5, 5, 60, "hhh"))
    (case,) = done.cases
    assert case.case_id == opened.case_id
    assert (case.status, case.evidence.state) == (Status.SUSPECTED, EvidenceState.SUSPECTED)
    assert (case.detector, case.leads, case.of_lead) == ("ground/1", opened.leads, False)
    assert run(done.cases, candidate(5, 5, 60, "hhh")).changed == ()


def test_a_drone_joins_it_too_whatever_the_circle_measures() -> None:
    (opened,), _ = take([], lead(0, 0))
    (case,) = run([opened], candidate(8, 0, 5, "h", detector=DRONE_SURFACES)).cases
    assert (case.case_id, case.detector) == (opened.case_id, DRONE_SURFACES)


def test_one_look_makes_a_lead_no_more_than_provisional() -> None:
    (opened,), _ = take([], lead(0, 0))
    (case,) = run([opened], candidate(0, 0, 60, "h")).cases
    assert (case.status, case.evidence.state) == (Status.WATCH, EvidenceState.PROVISIONAL)


def test_imagery_that_never_saw_it_neither_ends_it_nor_proposes() -> None:
    (opened,), _ = take([], lead(0, 0))
    done = run([opened])
    assert (done.cases, done.changed) == ((opened,), ())
    edit = Edit(opened.case_id, "王工", DAY, status=Status.ISSUED, reason=Reason.OTHER,
                record={"note": "交办"})  # fmt: skip
    (issued,) = apply_edits({opened.case_id: opened}, [edit], SAID).cases
    (after,) = run([issued]).cases
    assert (after.status, after.proposal) == (Status.ISSUED, None)


def test_what_imagery_saw_and_saw_go_expires_unless_a_lead_is_newer() -> None:
    gone = candidate(0, 0, 60, "hhmmmm")
    old, new = date(2026, 1, 2), date(2026, 3, 5)
    for on, state in ((old, EvidenceState.EXPIRED), (new, EvidenceState.PROVISIONAL)):
        (case,) = run([], gone).cases
        assert case.evidence.state is EvidenceState.EXPIRED
        (case,), _ = take([case], lead(0, 0, on=on))
        (case,) = run([case], gone).cases
        assert case.evidence.state is state
        assert (case in split_cases([case]).watch) is (on == new)


def test_a_case_with_a_lead_is_not_lost_by_a_run_that_no_longer_finds_it() -> None:
    (case,), _ = take(run([], candidate(0, 0, 60, "hh")).cases, lead(0, 0))
    (after,) = run([case]).cases
    assert after.produced
    assert after in split_cases([after]).watch


def _decided(status: Status, *through: Status) -> Case:
    (case,) = run([], candidate(0, 0, 60, "hhh")).cases
    for step in (*through, status):
        reason = Reason.CROP if step is Status.REJECTED else None
        edit = Edit(case.case_id, "王工", date(2026, 2, 1), status=step, reason=reason)
        (case,) = apply_edits({case.case_id: case}, [edit], SAID).cases
    return case


def test_the_area_of_a_circle_is_told_to_nobody() -> None:
    (opened,), _ = take([], lead(0, 0))
    assert row_of(opened)["area_m2"] is None
    (flight,) = plan_flights([opened], Filter(), AreaOptions())
    files = render([flight])
    assert "面积未测" in files["flights.kml"].decode()
    assert "平方米" not in files["flights.kml"].decode()
    drawn = replace(opened, people=PeopleRecord("王工", DAY, outline_fixed=True))
    assert row_of(drawn)["area_m2"] == f"{drawn.area_m2:.2f}"


def test_a_lead_after_a_decision_opens_a_case_of_its_own() -> None:
    rejected = _decided(Status.REJECTED)
    (same,), _ = take([rejected], lead(0, 0, on=date(2026, 1, 20)))
    assert (same.case_id, same.status) == (rejected.case_id, Status.REJECTED)
    cases, done = take([rejected], lead(0, 0, on=date(2026, 2, 2)))
    (fresh,) = [c for c in cases if c.case_id != rejected.case_id]
    assert (fresh.parent, fresh.status) == (rejected.case_id, Status.WATCH)
    assert len(done.opened) == 1


def test_a_lead_after_a_case_was_closed_puts_it_before_people_again() -> None:
    path = (Status.ISSUED, Status.VERIFIED, Status.RECTIFYING)
    closed = _decided(Status.CLOSED, *path)
    assert split_cases([closed]).cases == ()
    (same,), _ = take([closed], lead(0, 0, on=date(2026, 3, 1)))
    assert (same.case_id, same.status) == (closed.case_id, Status.CLOSED)
    assert split_cases([same]).cases == (same,)


def _noted(case: Case, on: date) -> Case:
    note = Edit(case.case_id, "李工", on, record={"note": "已电话了解"})
    (noted,) = apply_edits({case.case_id: case}, [note], SAID).cases
    return noted


def test_a_note_answers_no_lead() -> None:
    closed = _decided(Status.CLOSED, Status.ISSUED, Status.VERIFIED, Status.RECTIFYING)
    (told,), _ = take([closed], lead(0, 0, on=date(2026, 3, 1)))
    noted = _noted(told, date(2026, 3, 20))
    assert [k.ref for k in noted.unanswered] == ["1"]
    assert split_cases([noted]).cases == (noted,)
    rejected = _noted(_decided(Status.REJECTED), date(2026, 3, 20))
    _, done = take([rejected], lead(0, 0, on=date(2026, 3, 1)))
    assert len(done.opened) == 1


def test_absorbed_cases_hand_their_leads_on() -> None:
    (old,) = run([], candidate(60, 0, 60, "hhh")).cases
    both, _ = take([old], lead(0, 0))
    done = run(both, candidate(30, 0, 160, "hhhh"))
    (kept,) = [c for c in done.cases if c.merged_into is None]
    assert kept.case_id == old.case_id
    assert [k.ref for k in kept.leads] == ["1"]


def test_a_lead_raises_a_place_in_the_order_of_visits() -> None:
    cases = run([], candidate(0, 0, 60, "h"), candidate(900, 0, 60, "h")).cases
    told, _ = take(cases, lead(0, 0))
    plain = rank_visits(cases, {"river": END})
    ranked = rank_visits(told, {"river": END})
    (mine,) = [c.case_id for c in told if c.leads]
    assert ranked[mine].rank == 1
    assert ranked[mine].score > plain[mine].score
    assert ranked[mine].why[0] == "线索：举报 1（2026-03-05）"
    (only,), _ = take([], replace(lead(0, 0), detector=LEAD_OUTLINE))
    assert rank_visits([only], {"river": END})[only.case_id].why[-1] == "影像尚未见到，待现场核查"


def test_the_day_of_a_lead_is_held_against_the_offices_day_of_a_look() -> None:
    seen = datetime(2026, 3, 4, 17, tzinfo=UTC)  # 5 March in the office
    gone = Evidence(EvidenceState.EXPIRED, 2, 4, 6, seen, seen, None, False)
    same, later = lead(0, 0).lead, lead(0, 0, on=date(2026, 3, 6)).lead
    assert heard(gone, [same]).state is EvidenceState.EXPIRED
    assert heard(gone, [later]).state is EvidenceState.PROVISIONAL
