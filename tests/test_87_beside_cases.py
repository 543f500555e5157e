"""What stands beside a case of the ledger is no part of it; nothing here touches a disk."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from test_60_ledger_rules import END, START, apply, candidate, context

from pipeline.adjudicate.evidence import FoldOptions, fold
from pipeline.cases.merging import pending
from pipeline.cases.subtypes import carried
from pipeline.cases.tables import Row
from pipeline.ledger.context import Judgement
from pipeline.ledger.lifecycle import look_again
from pipeline.ledger.proposing import standing
from pipeline.model import (
    RELAPSE,
    Candidate,
    Case,
    EvidenceState,
    Grade,
    Kind,
    PeopleRecord,
    Seen,
    Status,
)
from pipeline.passes.merge import one_problem

OLD, NEW = candidate(0, 0, 40, "mhhhhhhhhh"), candidate(40, 0, 38, "mmmmmmhhhh")
DAY = START.date() + timedelta(days=20)
SAID = PeopleRecord("王", DAY, decided_on=DAY)


def merged(found: list[Candidate], known: list[Case]) -> list[Candidate]:
    return one_problem(found, FoldOptions(), END, known)[0]


def as_held(found: Candidate, status: Status) -> Case:
    (case,) = apply([], [found]).cases
    return replace(case, status=status, people=SAID)


@pytest.mark.parametrize("status", [s for s in Status if s not in (Status.WATCH, Status.SUSPECTED)])
def test_a_new_fill_beside_what_people_issued_is_a_case_of_its_own(status: Status) -> None:
    assert len(merged([OLD, NEW], [])) == 1
    held = as_held(OLD, status)
    found = merged([OLD, NEW], [held])
    assert found == [OLD, NEW]
    after = apply([held], found, run="2").cases
    assert len(after) == 2
    (fresh,) = (c for c in after if c.case_id != held.case_id)
    assert fresh.status is Status.SUSPECTED
    assert not fresh.suppressed


def test_growth_of_what_nobody_holds_is_one_case_and_two_cases_stay_two() -> None:
    (open_one,) = apply([], [OLD]).cases
    assert len(merged([OLD, NEW], [open_one])) == 1
    both = list(apply([], [OLD, NEW]).cases)
    assert len(merged([OLD, NEW], both)) == 2
    # The parts of what was one case before are still one, whoever holds it.
    whole = as_held(merged([OLD, NEW], [])[0], Status.ISSUED)
    assert len(merged([OLD, NEW], [whole])) == 1


def test_a_row_of_heaps_is_no_growth_of_the_first_and_a_pit_is_no_part_of_a_heap() -> None:
    # The third is none of the first, and the fourth is of the third.
    row = [
        candidate(0, 0, 20, "mhhhhhhhhhhhhhhh"),
        candidate(20, 0, 28, "mmmmmhhhhhhhhhhh"),
        candidate(48, 0, 39, "mmmmmmmmmhhhhhhh"),
        candidate(87, 0, 55, "mmmmmmmmmmmmmhhh"),
    ]
    assert [round(c.area_m2, -1) for c in merged(row, [])] == [1180, 4520]
    assert len(merged([OLD, replace(NEW, kind=Kind.CAI)], [])) == 2


def test_every_case_that_people_hold_hears_what_one_candidate_shows() -> None:
    two = apply([], [candidate(0, 0, 40, "mhhhh"), candidate(40, 0, 38, "mmhhh")]).cases
    held = [replace(c, status=Status.RECTIFYING, people=SAID) for c in two]
    over = merged([candidate(0, 0, 40, "mhhhhhhh"), candidate(40, 0, 38, "mmhhhhhh")], [])
    after = apply(held, over, run="2").cases
    assert [len(over), *(len(c.looks) for c in after)] == [1, 8, 8]
    assert [c.polygon.equals(h.polygon) for c, h in zip(after, held, strict=True)].count(True) == 1


def test_what_a_run_saw_at_a_case_says_from_when_it_was_patrolled() -> None:
    (case,) = apply([], [OLD]).cases
    late = replace(case, patrolled_from=START + timedelta(days=30))
    judged = replace(context(), judged={"xiangjiang": Judgement(counted=[])})
    for looks, first in ((OLD.looks, START), ((), late.patrolled_from)):
        assert look_again(late, looks, judged, produced=True).patrolled_from == first
    assert look_again(late, OLD.looks, context(), produced=True).patrolled_from != START


def test_two_strong_looks_say_that_it_came_back_as_they_confirm_it() -> None:
    seen = [replace(k, strong=k.seen is Seen.HIT) for k in candidate(0, 0, 40, "hhmmmmhh").looks]
    assert standing(seen, Status.CLOSED, None).proposal == RELAPSE
    assert fold(seen).state is EvidenceState.RELAPSED
    for weak in ("hhmmmmhh", "hhmmmmhmh"):
        told = standing(candidate(0, 0, 40, weak).looks, Status.CLOSED, None)
        assert told.proposal is None or told.proposal != RELAPSE


def test_a_sub_type_that_is_carried_along_corrects_nothing() -> None:
    (case,) = apply([], [OLD]).cases
    said = replace(case, grade=Grade(subtype="ZA1", subtype_zh="填占"))
    for word in ("ZA1", "填占", "疑似填占"):
        row = Row("line 2", {"case_id": case.case_id, "subtype": word})
        assert pending(row, said, said) == {}
        assert carried(word, said)
    assert pending(Row("line 2", {"subtype": "ZA2"}), said, said) == {"subtype": "ZA2"}
    # The old code beside another kind is of the old kind.
    row = Row("line 2", {"subtype": "ZA1", "kind": "dui"})
    assert pending(row, said, said) == {"kind": Kind.DUI}
