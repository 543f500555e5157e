"""What people say of cases, and what imagery may not: the table, edits, and laws over sequences."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from shapely.affinity import translate

sys.path.insert(0, str(Path(__file__).parent))
from test_60_ledger_rules import apply, candidate

from pipeline.errors import ConfigurationError
from pipeline.grid import reproject
from pipeline.ledger.codec import dump_case, load_case
from pipeline.ledger.people import Changes, Command, Edit, apply_edits
from pipeline.ledger.revision import content
from pipeline.ledger.status import (
    TRANSITIONS,
    Mover,
    Reason,
    Verdict,
    allowed,
    move,
    outcome,
    reason_table,
    transition_table,
)
from pipeline.model import Case, Grade, Kind, Status

DOCS = Path(__file__).resolve().parents[1] / "docs"
IMAGERY = {Status.WATCH, Status.SUSPECTED}
SAID = Command("siluan cases update", "update-1", datetime(2026, 3, 5, 2, tzinfo=UTC), "0.2.0")
ON = date(2026, 3, 5)


def one(text: str = "hhh", status: Status | None = None) -> Case:
    (case,) = apply([], [candidate(0, 0, 60, text)]).cases
    return replace(case, status=status) if status else case


def say(case: Case, history: Sequence[Any] = (), **what: Any) -> Changes:
    edit = Edit(**({"case_id": case.case_id, "by": "王工", "on": ON} | what))
    return apply_edits({case.case_id: case}, [edit], SAID, history)


def after(case: Case, **what: Any) -> Case:
    done = say(case, **what)
    assert not done.refused, str(done.refused[0])
    return done.cases[0] if done.cases else case


def test_documentation_prints_the_table_of_the_code() -> None:
    text = (DOCS / "cases.md").read_text(encoding="utf-8")
    assert transition_table() in text
    assert reason_table() in text


def test_the_table_is_whole() -> None:
    pairs = [(t.before, t.after) for t in TRANSITIONS]
    assert len(set(pairs)) == len(pairs)
    assert {t.after for t in TRANSITIONS} | {Status.WATCH} == set(Status)
    assert all(allowed(s, Mover.PERSON) for s in Status), "a dead end"
    assert {
        p for t in TRANSITIONS if t.who is Mover.IMAGERY for p in (t.before, t.after)
    } == IMAGERY


@pytest.mark.parametrize("before", list(Status))
def test_only_what_the_table_says_is_moved(before: Status) -> None:
    for target in set(Status) - {before}:
        lines = [t for t in TRANSITIONS if (t.before, t.after) == (before, target)]
        for who in Mover:
            if lines and lines[0].who is who:
                assert move(before, target, who, Reason.CROP) is target
                if lines[0].reason:
                    with pytest.raises(ConfigurationError, match="only with a reason"):
                        move(before, target, who)
            else:
                with pytest.raises(ConfigurationError, match=f"{before} cannot become {target}"):
                    move(before, target, who, Reason.CROP)


@pytest.mark.parametrize(
    ("verdict", "reason", "status", "why", "on_account"),
    [
        (Verdict.PROBLEM, None, Status.VERIFIED, None, False),
        (Verdict.OLD_HARMFUL, None, Status.VERIFIED, None, True),
        (Verdict.OLD_HARMLESS, None, Status.REJECTED, Reason.ALREADY_THERE, False),
        (Verdict.NONE, Reason.CROP, Status.REJECTED, Reason.CROP, False),
        (Verdict.NONE, Reason.AUTHORISED_WORKS, Status.PERMITTED, Reason.AUTHORISED_WORKS, False),
    ],
)
def test_verdicts(
    verdict: Verdict, reason: Reason | None, status: Status, why: Reason | None, on_account: bool
) -> None:
    got = outcome(verdict, reason)
    assert (got.status, got.reason, got.on_account) == (status, why, on_account)
    with pytest.raises(ConfigurationError, match="without a reason"):
        outcome(Verdict.NONE, None)
    with pytest.raises(ConfigurationError, match="with the reason crop"):
        outcome(Verdict.PROBLEM, Reason.CROP)


def test_an_edit_says_who_when_and_why() -> None:
    case = one()
    done = say(case, status=Status.REJECTED, reason=Reason.BRIDGE_OR_WEIR, record={"note": "老桥"})
    (rejected,) = done.cases
    assert (rejected.status, rejected.revision, rejected.run_id) == (
        Status.REJECTED,
        2,
        "update-1",
    )
    assert rejected.people is not None
    assert (rejected.people.by, rejected.people.reason) == ("王工", "bridge_or_weir")
    (event,) = done.events
    assert (event.what, event.old, event.new, event.as_of) == (
        "status",
        "suspected",
        "rejected",
        SAID.said,
    )
    assert event.detail == {
        "by": "王工",
        "on": "2026-03-05",
        "command": "siluan cases update",
        "reason": "bridge_or_weir",
        "note": "老桥",
    }
    assert load_case(dump_case(rejected), rejected.polygon) == rejected
    # The same again says nothing new, whoever says it.
    assert (
        say(rejected, status=Status.REJECTED, reason=Reason.BRIDGE_OR_WEIR, by="李工").events == ()
    )


def test_flags_hold_while_a_case_is_in_hand() -> None:
    verified = one(status=Status.VERIFIED)
    due = {"due": date(2026, 6, 30), "overdue": True, "on_account": True}
    held = after(verified, status=Status.RECTIFYING, record=due)
    assert held.people is not None
    assert (held.people.due, held.people.overdue, held.people.on_account) == (
        date(2026, 6, 30),
        True,
        True,
    )
    closed = after(held, status=Status.CLOSED)
    assert closed.people is not None
    assert (closed.people.due, closed.people.overdue, closed.people.on_account) == (
        None,
        False,
        False,
    )
    assert "overdue of a case that is issued" in str(
        say(one(status=Status.ISSUED), record={"overdue": True}).refused[0]
    )


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ({"case_id": "ZZ-none"}, "the ledger has no such case"),
        ({"by": "  "}, "nobody is named"),
        ({"status": Status.CLOSED}, "suspected cannot become closed by a named person"),
        ({"revision": 7}, "revision 7 was judged and the ledger has 1"),
        ({"status": Status.REJECTED, "reason": Reason.OTHER}, "Add a note"),
    ],
)
def test_what_is_refused_changes_nothing_and_is_named(what: dict[str, Any], said: str) -> None:
    case = one()
    done = say(case, **what)
    assert (done.cases, done.events, done.applied) == ((), (), ())
    assert said in str(done.refused[0])


def test_a_stale_edit_is_told_what_it_missed() -> None:
    case = one("h")
    later = apply([case], [candidate(0, 0, 60, "hhh")], run="2")
    done = say(later.cases[0], later.events, revision=1, status=Status.ISSUED)
    assert "since then: evidence first -> suspected; status watch -> suspected" in str(
        done.refused[0]
    )


def test_merged_and_doubled_cases_are_refused() -> None:
    case = one()
    gone = replace(case, merged_into="ZZ-other")
    assert "merged into ZZ-other" in str(say(gone, status=Status.ISSUED).refused[0])
    edits = [Edit(case.case_id, "王工", ON, status=s) for s in (Status.ISSUED, Status.PERMITTED)]
    done = apply_edits({case.case_id: case}, edits, SAID)
    assert [r.case_id for r in done.refused] == [case.case_id] * 2


def test_a_rerun_keeps_corrected_kind_and_outline() -> None:
    case = one()
    drawn = reproject(translate(case.polygon, 10, 5), case.crs, "EPSG:4326")
    mended = after(case, kind=Kind.JIAN, outline_wgs84=drawn)
    assert [e.what for e in say(case, kind=Kind.JIAN, outline_wgs84=drawn).events] == [
        "kind",
        "outline",
    ]
    done = apply([mended], [candidate(0, 0, 60, "hhh")], run="2")
    assert (done.changed, done.events) == ((), ())
    (later,) = apply([mended], [candidate(0, 0, 80, "hhhh")], run="3").cases
    assert (later.kind, later.polygon, later.area_m2) == (Kind.JIAN, mended.polygon, mended.area_m2)
    assert len(later.looks) == 4
    assert later.seen_polygon.equals(candidate(0, 0, 80, "h").polygon)
    assert load_case(dump_case(later), later.polygon) == later


def test_a_sub_type_that_people_said_outlives_another_kind_of_imagery() -> None:
    said = after(one(), subtype="ZA1")
    done = apply([said], [candidate(0, 0, 60, "hhhh", kind=Kind.DUI)], run="2")
    (later,) = done.cases
    assert later.people is not None
    assert (later.kind, later.people.subtype) == (Kind.ZHAN, "ZA1")
    assert not [e for e in done.events if e.what == "kind"]


def test_a_grade_of_the_kind_before_is_not_said_of_the_corrected_one() -> None:
    graded = replace(one(), grade=Grade("ZA3", "侵占"))
    mended = after(graded, kind=Kind.JIAN)
    assert (mended.kind, mended.grade) == (Kind.JIAN, None)
    assert after(graded, record={"note": "再看"}).grade == graded.grade


def test_what_people_said_goes_with_a_case_that_turns_out_to_be_another() -> None:
    apart = [candidate(0, 0, 60, "hhh"), candidate(70, 0, 40, "mhh")]
    old, young = sorted(apply([], apart).cases, key=lambda c: -c.area_m2)
    told = after(young, kind=Kind.DUI, subtype="DU1", record={"note": "垃圾"})
    whole = replace(candidate(0, 0, 120, "hhhh"), kind=Kind.ZHAN)
    done = apply([old, told], [whole], run="2")
    found = {c.case_id: c for c in done.cases}
    assert found[told.case_id].merged_into == old.case_id
    (kept, people) = (found[old.case_id], found[old.case_id].people)
    assert people is not None
    assert (kept.kind, people.subtype, people.note, people.by) == (
        Kind.DUI, "DU1", "垃圾", "王工",
    )  # fmt: skip
    again = apply(done.cases, [whole], run="3")
    assert (again.changed, again.events) == ((), ())
    # Who said something of the older one is not overruled.
    mine = after(old, record={"note": "我的"})
    done = apply([mine, told], [whole], run="2")
    assert {c.case_id: c for c in done.cases}[old.case_id].people == mine.people


def test_an_outline_drawn_aside_opens_no_second_case() -> None:
    case = one()
    drawn = reproject(translate(case.polygon, 90, 0), case.crs, "EPSG:4326")
    done = apply([after(case, outline_wgs84=drawn)], [candidate(0, 0, 60, "hhh")], run="2")
    assert (len(done.cases), done.changed) == (1, ())


moves = st.lists(
    st.one_of(
        st.tuples(
            st.just("look"), st.text(alphabet="hm?", max_size=4), st.sampled_from(list(Kind))
        ),
        st.tuples(st.just("say"), st.sampled_from(list(Status)), st.sampled_from(list(Reason))),
        st.tuples(st.just("fix"), st.sampled_from(list(Kind)), st.floats(-15, 15)),
    ),
    max_size=10,
)


GONE = [  # issued, then seen to be gone, then moved by people
    ("say", Status.ISSUED, Reason.CROP),
    ("look", "mmmm", Kind.ZHAN),
    ("say", Status.VERIFIED, Reason.CROP),
    ("say", Status.RECTIFYING, Reason.CROP),
]


TAKEN_BACK = [  # rejected as one kind, seen as another meanwhile, then taken in again
    ("look", "", Kind.CAI),
    ("say", Status.REJECTED, Reason.SEASONAL_WATER),
    ("look", "", Kind.ZHAN),
    ("say", Status.VERIFIED, Reason.SEASONAL_WATER),
]


@settings(max_examples=50, deadline=None)
@example(GONE)
@example(TAKEN_BACK)
@given(moves)
def test_imagery_never_moves_what_people_hold_and_revisions_only_grow(steps: list[Any]) -> None:
    text, shown, case = "hhh", Kind.ZHAN, one()
    news = False  # imagery went on while the desk's word held, and nothing has heard it
    for n, (what, first, second) in enumerate(steps):
        before = case
        if what == "look":
            text, shown = text + first, second
            found = apply([case], [candidate(0, 0, 60, text, kind=shown)], run=f"r{n}").cases
            (case,) = [c for c in found if c.case_id == before.case_id]
            news = case.decided
            # Only a decision of the desk can be outlived: by another case, never by another status.
            assert len(found) == 1 or (case.decided and found[1 - found.index(case)].parent)
            if before.issued:
                assert case.status is before.status
                assert case.people == before.people
            else:
                assert case.status in IMAGERY
            again = apply(found, [candidate(0, 0, 60, text, kind=shown)], run="again")
            assert (again.changed, again.events) == ((), ())
        elif what == "say":
            note = {"note": "x"} if second is Reason.OTHER else {}
            done = say(case, status=first, reason=second, record=note)
            case = done.cases[0] if done.cases else case
            assert case.status in {before.status, *allowed(before.status, Mover.PERSON), *IMAGERY}
            assert [e.revision for e in done.events] == [case.revision] * len(done.events)
        else:
            moved = translate(before.polygon, second, 0)
            case = after(case, kind=first, outline_wgs84=reproject(moved, case.crs, "EPSG:4326"))
        assert case.case_id == before.case_id
        assert case.revision - before.revision == (content(case) != content(before))
        if what != "look":
            # The same imagery again says nothing new to what people hold.
            seen = [candidate(0, 0, 60, text, kind=shown)]
            rerun = apply([case], seen, run="rerun")
            more = len(rerun.cases) - 1
            assert not more or case.decided
            # A kind that is corrected may let a decision hold, or not hold any more; and what went
            # on while the desk's word held is heard once it is taken back. Once, and then no more.
            open_to = more or (case.decided and what == "fix") or news
            assert not case.issued or open_to or (rerun.changed, rerun.events) == ((), ())
            assert apply(rerun.cases, seen, run="twice").changed == ()
            held = next(c for c in rerun.cases if c.case_id == case.case_id)
            assert not case.issued or (held.status, held.people) == (case.status, case.people)


def test_what_arrives_late_of_an_earlier_day_takes_no_day_back() -> None:
    held = after(one(status=Status.VERIFIED), status=Status.RECTIFYING)
    late = {"status": Status.VERIFIED, "verdict": "问题", "on": date(2025, 10, 1)}
    again = after(held, **late)
    assert again.people is not None
    assert (again.status, again.people.verdict) == (Status.RECTIFYING, "问题")
    assert (again.people.rectified_on, again.people.decided_on) == (ON, ON)
    assert again.proposal == held.proposal
    # One of a later day moves both on, though it says the same.
    newer = after(again, **late | {"on": date(2026, 4, 1)})
    assert newer.people is not None
    assert (newer.people.rectified_on, newer.people.decided_on) == (date(2026, 4, 1),) * 2
    # What a rejection knows is as old as the visit behind it; said again of before, it stays.
    no = {"status": Status.REJECTED, "reason": Reason.CROP, "verdict": "不是问题"}
    issued = after(one(), status=Status.ISSUED)
    rejected = after(issued, **no, on=date(2025, 10, 1))
    assert rejected.people is not None
    assert rejected.people.decided_on == date(2025, 10, 1)
    older = after(rejected, **no, on=date(2025, 9, 1))
    assert older.people is not None
    assert older.people.decided_on == date(2025, 10, 1)


def test_a_due_day_of_before_the_first_sighting_is_a_wrong_year() -> None:
    case = one(status=Status.VERIFIED)
    assert case.evidence.first_seen is not None
    first = case.evidence.first_seen.date()
    refused = say(case, record={"due": date(1999, 1, 1)}).refused[0]
    assert f"due 1999-01-01 lies before the first sighting ({first})" in str(refused)
    # A day that has passed may be news of one that is overdue.
    past = after(case, record={"due": first, "overdue": True})
    assert past.people is not None
    assert past.people.due == first
