"""What looks after a rectification come to; nothing here touches a disk."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))
from test_60_ledger_rules import END, START, apply, candidate, context, looks
from test_63_people import after, one

from pipeline.ledger.plan import plan
from pipeline.ledger.proposing import ProposeOptions, propose, standing
from pipeline.ledger.rechecking import ASKED, due, may_be_asked, recheck
from pipeline.ledger.status import Reason
from pipeline.model import RESTORED, Case, Seen, Status

NEWEST = {"xiangjiang": END}


def on(look: int) -> date:
    """The day of a look."""
    return (START + timedelta(days=5 * look)).date()


def handed(text: str, at: int, *statuses: Status) -> Case:
    """A case with looks, moved on the day of one of them."""
    case = one(text)
    for status in (Status.ISSUED, Status.VERIFIED, Status.RECTIFYING, *statuses):
        case = after(case, status=status, reason=Reason.CROP, on=on(at))
    return case


@pytest.mark.parametrize(
    ("text", "at", "word", "why"),
    [
        ("hhhmmmm", 2, "已恢复", "连续 4 次晴空影像未见"),
        ("hhhmmmm", 3, "不明", "最近连续 3 次晴空影像未见，需连续 4 次"),  # one was before the day
        ("hhhmmmmm", 3, "已恢复", "连续 4 次"),
        ("hhhmmm?m", 2, "已恢复", "连续 4 次"),
        ("hhhmmmmh", 2, "不明", "见 1 次、未见 4 次"),
        ("hhhmmmmhhh", 2, "回弹", "再次出现"),
        ("hhhhm", 2, "未恢复", "仍可见 1 次"),
        ("hhh", 2, "不明", "没有影像"),
        ("hhh???", 2, "不明", "3 次影像均看不清"),
    ],
)
def test_words(text: str, at: int, word: str, why: str) -> None:
    case = handed(text, at)
    (found,) = recheck([case], NEWEST, 365)
    assert (found.word, why in found.why) == (word, True), found.why
    assert case.proposal == (None if word == "不明" else word)
    assert found.after == on(at)
    assert all(d > on(at) for d in (*found.seen, *found.missed))


def test_what_was_closed_and_never_looked_gone_is_said_to_be_there() -> None:
    closed = handed("hhhh", 2, Status.CLOSED)
    assert closed.proposal == "未恢复"
    # Of a ledger from before the day of the rectification was kept nobody knows.
    assert closed.people is not None
    old = replace(closed, people=replace(closed.people, rectified_on=None, decided_on=None))
    assert propose(old) is None


def test_what_is_issued_and_still_seen_is_not_restored_and_a_patrol_proposes_nothing() -> None:
    issued = after(one("hhhh"), status=Status.ISSUED)
    assert issued.proposal is None
    (found,) = recheck([issued], NEWEST, 365)
    assert (found.word, found.after, found.since) == ("未恢复", None, on(0))


def test_the_watch_after_closing_ends() -> None:
    closed = handed("hhhh", 2, Status.CLOSED)
    assert due(closed, START + timedelta(days=10 + 365), 365)
    assert not due(closed, START + timedelta(days=10 + 366), 365)
    assert due(handed("hhhh", 2), START + timedelta(days=9999), 365)
    (found,) = recheck([closed], NEWEST, 100)
    assert found.watch_until == on(2) + timedelta(days=100)


def test_only_what_people_hold_or_closed_is_asked() -> None:
    corridors = {"xiangjiang"}
    for status in Status:
        assert may_be_asked(one(status=status), corridors) == (status in ASKED)
    case = one(status=Status.ISSUED)
    assert not may_be_asked(case, {"lushui"})
    assert not may_be_asked(replace(case, merged_into="other"), corridors)


def test_a_number_of_misses_may_be_asked_for() -> None:
    case = handed("hhhmm", 2)
    assert standing(case.looks, case.status, on(2), ProposeOptions(restored_misses=2)).proposal == (
        "已恢复"
    )


@settings(max_examples=30, deadline=None)
@given(
    st.text(alphabet="hm?", max_size=14),
    st.integers(0, 12),
    st.sampled_from(sorted(ASKED)),
    st.integers(3, 13),
)
def test_law_a_recheck_of_looks_that_come_later_is_what_a_patrol_proposes(
    text: str, at: int, status: Status, cut: int
) -> None:
    """A patrol over all looks, and a recheck that adds what the ledger has not got, agree."""
    whole = "hhh" + text
    case = one(whole[:cut])
    case = replace(
        after(handed(whole[:cut], at), record={"note": "x"}) if at else case, status=status
    )
    later = {case.case_id: looks(whole)[cut:]}
    spots = replace(context("again"), spots=True, until={"xiangjiang": END})
    (again,) = plan([case], [], spots, {k: v for k, v in later.items() if v}).cases
    (patrol,) = apply([case], [candidate(0, 0, 60, whole)], run="patrol").cases
    assert (again.status, again.people) == (status, case.people) == (patrol.status, patrol.people)
    assert again.evidence.hits == patrol.evidence.hits
    assert again.looks == patrol.looks
    if later[case.case_id]:
        assert again.proposal == patrol.proposal == propose(again)
    (found,) = recheck([again], NEWEST, 365)
    (same,) = recheck([patrol], NEWEST, 365)
    assert found.word == same.word
    if patrol.proposal is not None:
        assert found.word == patrol.proposal


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet="hm?", max_size=16), st.randoms(use_true_random=False))
def test_law_restored_needs_clear_misses_at_the_end(text: str, random: object) -> None:
    every = list(looks(text))
    random.shuffle(every)  # type: ignore[attr-defined]
    found = standing(every, Status.RECTIFYING, None)
    plain = text.replace("?", "")
    assert (found.proposal == "已恢复") == (plain.endswith("mmmm") and "h" in plain)
    # What could not see changes nothing that is said.
    bare = [k for k in every if k.seen.value != "unknown"]
    assert standing(bare, Status.RECTIFYING, None).proposal == found.proposal


def test_a_reason_is_given_with_the_days_that_were_not_seen() -> None:
    case = handed("hhh??", 2)
    (found,) = recheck([case], {"xiangjiang": START + timedelta(days=60)}, 365)
    assert found.unseen_days == 50
    assert found.unclear == 2


def _flown(case: Case, seen: Seen, at: int) -> Case:
    """The case after one look of a drone's surfaces."""
    look = replace(
        case.looks[-1],
        on=START + timedelta(days=5 * at + 1),
        pass_id=f"drone_{at}",
        sensor="drone",
        certain=True,
        seen=seen,
    )
    looked = replace(case, looks=tuple(sorted((*case.looks, look), key=lambda k: k.on)))
    return replace(looked, proposal=propose(looked))


@pytest.mark.parametrize("options", [None, ProposeOptions(restored_misses=6)])
def test_one_miss_of_a_drones_surfaces_says_gone_and_never_still_there(
    options: ProposeOptions | None,
) -> None:
    # Surely seen by a satellite after the rectification, and then a flight shows bare ground.
    case = _flown(handed("hhhh", 2), Seen.MISS, 4)
    assert propose(case, options) == "已恢复"
    (found,) = recheck([case], NEWEST, 365, options)
    assert (found.word, "无人机" in found.why) == ("已恢复", True), found.why
    # One from before the rectification speaks of nothing after it, but what was confirmed is not.
    early = _flown(handed("hhhh", 4), Seen.MISS, 3)
    assert propose(early, options) is None


def test_what_a_drone_ended_must_be_confirmed_anew() -> None:
    case = _flown(handed("hhhhhh", 2), Seen.MISS, 3)
    assert [k.seen for k in case.looks[-3:]] == [Seen.MISS, Seen.HIT, Seen.HIT]
    assert case.proposal is None  # two hits since
    assert _flown(case, Seen.HIT, 6).proposal == "回弹"


@pytest.mark.parametrize("detector", ["lead-point/1", "zhan/1"])
def test_what_imagery_never_saw_is_not_counted_down_to_restored(detector: str) -> None:
    case = replace(handed("hmmmmmm", 0), detector=detector)
    case = replace(case, looks=case.looks[1:], proposal=None)
    (found,) = recheck([case], NEWEST, 365)
    assert (found.word, propose(case)) == ("不明", None)
    assert "需连续" not in found.why
    assert "核查" in found.why


def test_what_was_never_surely_seen_is_not_said_to_be_gone() -> None:
    case = one("hhhmmmm")
    assert standing(case.looks, Status.ISSUED, None).proposal == RESTORED
    doubtful = tuple(replace(k, certain=k.seen is not Seen.HIT) for k in case.looks)
    assert standing(doubtful, Status.ISSUED, None).proposal is None
    waiting = tuple(replace(k, pending=True) if k.seen is Seen.HIT else k for k in doubtful)
    assert standing(waiting, Status.ISSUED, None).proposal == RESTORED
