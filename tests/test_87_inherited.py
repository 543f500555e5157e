"""How a patrol found a case stays its history, whatever its own looks make of the case."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from affine import Affine

sys.path.insert(0, str(Path(__file__).parent))
from test_60_ledger_rules import END, START, apply, candidate, context, looks

from pipeline.adjudicate.evidence import fold
from pipeline.ledger import codec
from pipeline.ledger.plan import plan
from pipeline.model import DRONE, DRONE_SURFACES, Candidate, Case, EvidenceState, Grid, Status
from pipeline.passes.change import DETECTOR as GROUND
from pipeline.passes.known import earlier_cases, known_pixels, proved_fills

NEXT = START + timedelta(days=40)  # a look every five days: seven before it
SEEN = candidate(0, 0, 40, "mmhhhhh")
(FOUND,) = apply([], [SEEN]).cases
LATER = replace(context(run="2"), period=(NEXT, END))
ABOVE = replace(LATER, spots=True)
SITE: Any = SimpleNamespace(
    store=SimpleNamespace(
        grid=Grid("EPSG:32649", Affine(10, 0, -200, 0, -10, 400), (80, 80)),
    ),
    corridor=SimpleNamespace(id="xiangjiang"),
)


def patrolled(cases: Sequence[Case], *found: Candidate) -> tuple[Case, ...]:
    return plan(cases, found, LATER).cases


def flagged(cases: Sequence[Case]) -> dict[str, int]:
    """Count the pixels of each look that are no history to the later patrol."""
    passes: Any = SimpleNamespace(
        passes=[SimpleNamespace(id=k.pass_id, acquired=k.on) for k in looks("?" * 14)]
    )
    pixels = known_pixels(SITE, passes, earlier_cases("xiangjiang", cases, NEXT), NEXT)
    return {k: sum(rows.size for rows, _ in v) for k, v in sorted(pixels.items())}


def flown(x: float, side: float) -> Candidate:
    seen = candidate(x, 0, side, "????????????h", detector=DRONE_SURFACES)
    look = (replace(seen.looks[-1], sensor=DRONE, pass_id="flight"),)
    return replace(seen, looks=look, evidence=fold(look))


CHANGES: dict[str, tuple[list[Candidate], list[Candidate]]] = {
    "it grows": ([SEEN], [candidate(0, 0, 60, "mmhhhhhhhh")]),
    "an old look misses it": ([SEEN], [candidate(0, 0, 40, "mmhhhhhmhh")]),
    "it is no longer produced": ([SEEN], []),
    "it had expired and comes back": (
        [candidate(0, 0, 40, "hhmmmm")],
        [candidate(0, 0, 40, "hhmmmm??hhh")],
    ),
    "two are one": (
        [SEEN, candidate(60, 0, 40, "mmmmhhh")],
        [candidate(0, 0, 100, "mmhhhhhhhh")],
    ),
    "changed ground is a fill": (
        [candidate(0, 0, 40, "mmhh?hh", detector=GROUND)],
        [candidate(0, 0, 40, "mmhhhhhhhh")],
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_rerun_of_a_patrol_has_the_history_of_its_first_run(change: str) -> None:
    before, after = CHANGES[change]
    cases = apply([], before).cases
    once = patrolled(cases, *after)
    assert flagged(cases)
    assert flagged(once) == flagged(cases)
    assert flagged(patrolled(once, *after)) == flagged(cases)


def test_another_patrol_finds_the_case_as_it_is_then() -> None:
    (once,) = patrolled([FOUND], candidate(0, 0, 60, "mmhhhhhhhh"))
    (piece,) = once.as_found(NEXT).pieces
    assert piece.outline.equals(FOUND.polygon)
    (newer,) = once.as_found(NEXT + timedelta(days=40)).pieces
    assert newer.outline.equals(once.polygon)
    assert len(newer.shown) > len(piece.shown)


def test_what_a_patrol_opened_is_no_history_to_it() -> None:
    early = replace(FOUND, evidence=replace(FOUND.evidence, first_seen=START - timedelta(days=9)))
    assert early.as_found(START).pieces == ()
    assert early.as_found(NEXT).pieces != ()
    # A ledger from before does not say who opened it, so what lies before is history.
    assert replace(early, inherited=None).as_found(START).pieces != ()
    assert replace(FOUND, inherited=None).as_found(START).pieces == ()


@pytest.mark.parametrize("opened_here", [False, True])
def test_what_an_inspection_joins_stays_out_of_history(opened_here: bool) -> None:
    (old,) = apply([], [SEEN]).cases
    if opened_here:  # what people work on survives, although the patrol itself opened it
        (young,) = patrolled([], candidate(60, 0, 40, "mmmmmmmmhhhh"))
        cases = (old, replace(young, status=Status.ISSUED))
    else:
        two = apply([], [SEEN, candidate(60, 0, 40, "mmhhhhh")]).cases
        cases = patrolled(
            two, candidate(0, 0, 40, "mmhhhhhhhh"), candidate(60, 0, 40, "mmhhhhhhhh")
        )
    before = flagged(cases)
    joined = plan(cases, [flown(0, 100)], ABOVE).cases
    assert any(c.merged_into for c in joined)
    assert before
    assert flagged(joined) == before


def test_an_inspection_alone_changes_nothing_of_it() -> None:
    (once,) = patrolled([FOUND], candidate(0, 0, 44, "mmhhhhhh"))
    (after,) = plan([once], [flown(0, 60)], ABOVE).cases
    assert after.polygon.area > once.polygon.area
    assert after.inherited == once.inherited


def test_it_comes_back_from_the_ledger() -> None:
    (once,) = patrolled([FOUND], candidate(0, 0, 44, "mmhhhhhh"))
    assert once.inherited is not None
    assert once.inherited.pieces
    assert once.evidence.state is not EvidenceState.EXPIRED
    for case in (FOUND, once):
        assert codec.load_case(codec.dump_case(case), case.polygon).inherited == case.inherited


def silent(case: Case, least: int = 2) -> list[int]:
    """Count the pixels of the fills that tell no level to the later patrol."""
    earlier = earlier_cases("xiangjiang", [case], NEXT)
    return [rows.size for rows, _ in proved_fills(SITE, earlier, NEXT, least)]


def test_a_fill_that_an_earlier_patrol_proved_tells_no_level() -> None:
    assert silent(FOUND) == [16]
    assert silent(FOUND, 6) == silent(FOUND, 0) == []
    doubted = tuple(replace(k, certain=False) for k in FOUND.looks)
    assert silent(replace(FOUND, looks=doubted)) == []
    (ground,) = apply([], [candidate(0, 0, 40, "mmhhhhh", detector=GROUND)]).cases
    assert silent(ground) == []
    # What was dug away again is asked again.
    (gone,) = apply([], [candidate(0, 0, 40, "mmhhhmm")]).cases
    assert silent(gone) == []
    # A look that the patrol did not find when it first came proves nothing to it.
    (once,) = patrolled([FOUND], candidate(0, 0, 44, "mmhhhhhhhh"))
    held = once.inherited
    assert held is not None
    later = tuple(replace(p, shown=p.shown[:1]) for p in held.pieces)
    assert silent(replace(once, inherited=replace(held, pieces=later))) == []
    # Nor do the patrol's own looks change what was proved before it.
    (grown,) = patrolled([FOUND], candidate(0, 0, 60, "mmhhhhhhhh"))
    assert silent(grown) == [16]
