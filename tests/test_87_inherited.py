"""How a patrol found a case stays its history, whatever its own looks make of the outline."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from test_60_ledger_rules import END, START, apply, candidate, context

from pipeline.ledger import codec
from pipeline.ledger.lifecycle import update_case
from pipeline.model import Case

NEXT = START + timedelta(days=40)
SEEN = candidate(0, 0, 40, "mhhhhhh")
(FOUND,) = apply([], [SEEN]).cases
LATER = replace(context(run="2"), period=(NEXT, END))


def outlined(case: Case, width: int, gone: tuple[Case, ...] = ()) -> Case:
    """Give a case after a look of the later patrol that outlines it ``width`` m wide."""
    return update_case(case, candidate(0, 0, width, "mhhhhhhh"), LATER, gone)


def test_the_outline_that_a_patrol_found_stays_until_another_patrol_comes() -> None:
    once = outlined(FOUND, 44)
    twice = outlined(once, 52)
    assert not once.polygon.equals(twice.polygon)
    for case in (once, twice):
        found = case.as_found(NEXT)
        assert found.outline is not None
        assert found.outline.equals(FOUND.polygon)
    third = twice.as_found(NEXT + timedelta(days=40))
    assert third.outline is not None
    assert third.outline.equals(twice.polygon)


def test_what_a_patrol_opened_is_no_history_to_it() -> None:
    early = replace(FOUND, evidence=replace(FOUND.evidence, first_seen=START - timedelta(days=9)))
    assert early.as_found(START).outline is None
    assert early.as_found(NEXT).outline is not None
    # A ledger from before does not say who opened it, so what lies before is history.
    assert replace(early, inherited=None).as_found(START).outline is not None


def test_what_was_first_seen_in_its_own_time_was_none_either() -> None:
    assert replace(FOUND, inherited=None).as_found(START).outline is None


def test_cases_that_are_one_were_found_as_both() -> None:
    (other,) = apply([], [candidate(80, 0, 30, "mhhhhhh")]).cases
    found = outlined(FOUND, 110, (other,)).as_found(NEXT)
    assert found.outline is not None
    assert found.outline.equals(FOUND.polygon.union(other.polygon))


def test_an_inspection_changes_nothing_of_it() -> None:
    once = outlined(FOUND, 44)
    flown = update_case(once, candidate(0, 0, 60, "h"), replace(LATER, spots=True))
    assert flown.inherited == once.inherited


def test_it_comes_back_from_the_ledger() -> None:
    for case in (FOUND, outlined(FOUND, 44)):
        assert codec.load_case(codec.dump_case(case), case.polygon).inherited == case.inherited
