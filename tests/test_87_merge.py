"""One problem is one case: which candidates of the two detectors are one."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from shapely.geometry import box

from pipeline.adjudicate.evidence import FoldOptions, fold
from pipeline.model import Candidate, EvidenceState, Kind, Look, Seen
from pipeline.passes.change import DETECTOR as GROUND_DETECTOR
from pipeline.passes.merge import one_problem

ON = datetime(2025, 1, 1, tzinfo=UTC)
UNTIL = ON + timedelta(days=60)
GROUND = {"wet_share": 0.0, "kind_cai": 0.0, "kind_dui": 0.25, "kind_jian": 0.75}


SAID = {
    EvidenceState.FIRST: "h",
    EvidenceState.PROVISIONAL: "hh",
    EvidenceState.SUSPECTED: "hhh",
    EvidenceState.EXPIRED: "hmmmm",
}


def looks_of(said: str, first: int = 0) -> tuple[Look, ...]:
    """Make looks five days apart: certain hit, uncertain hit (u), miss, nothing (-)."""
    seen = {"h": Seen.HIT, "u": Seen.HIT, "m": Seen.MISS, "-": Seen.UNKNOWN}
    return tuple(
        Look(ON + timedelta(days=5 * i), f"p{i}", "s", 1.0, seen[c], c != "u")
        for i, c in enumerate(said, first)
    )


def one_problem_of(candidates: list[Candidate]) -> tuple[list[Candidate], int]:
    return one_problem(candidates, FoldOptions(), UNTIL)


def candidate(
    kind: Kind, left: float, state: EvidenceState | str, wide: float = 60, **measures: float
) -> Candidate:
    looks = looks_of(state if state not in SAID else SAID[EvidenceState(state)])
    evidence = fold(looks, FoldOptions(), UNTIL)
    detector = "zhan/1" if kind is Kind.ZHAN else GROUND_DETECTOR
    outline = box(700_000 + left, 3_000_000, 700_000 + left + wide, 3_000_060)
    own = {} if kind is Kind.ZHAN else {**GROUND, **measures}
    area = outline.area
    return Candidate(
        kind, "c", outline, "EPSG:32649", area, looks, evidence, 0.5, own, (), detector
    )


FIRST, MORE, SURE, GONE = (
    EvidenceState.FIRST, EvidenceState.PROVISIONAL, EvidenceState.SUSPECTED, EvidenceState.EXPIRED,
)  # fmt: skip


def test_the_better_seen_stays_with_both_outlines() -> None:
    fill, bank = candidate(Kind.ZHAN, 0, SURE), candidate(Kind.JIAN, 60, MORE)
    (one,), gone = one_problem_of([fill, bank])
    assert gone == 1
    assert one.kind is Kind.ZHAN
    assert one.area_m2 == pytest.approx(7200, rel=0.01)
    (other,), _ = one_problem_of([candidate(Kind.ZHAN, 0, FIRST), candidate(Kind.JIAN, 60, SURE)])
    assert other.kind is Kind.ZHAN
    assert other.evidence.state is SURE
    assert other.measures["kind_zhan"] > other.measures["kind_jian"] > 0


@pytest.mark.parametrize(
    "other",
    [
        candidate(Kind.JIAN, 200, SURE),  # apart
        candidate(Kind.CAI, 60, SURE, wet_share=1.0),  # a pond
        candidate(Kind.DUI, 60, SURE, wide=600),  # many times its size
        candidate(Kind.ZHAN, 60, SURE),  # of the same detector
    ],
)
def test_two_problems_stay_two(other: Candidate) -> None:
    both = [candidate(Kind.ZHAN, 0, MORE), other]
    assert one_problem_of(both) == (both, 0)


def test_what_is_gone_takes_and_gives_nothing() -> None:
    both = [candidate(Kind.ZHAN, 0, GONE), candidate(Kind.JIAN, 60, SURE)]
    assert one_problem_of(both) == (both, 0)


def test_only_what_stays_takes_others_with_it() -> None:
    chain = [
        candidate(Kind.ZHAN, 0, FIRST),
        candidate(Kind.JIAN, 60, MORE),
        candidate(Kind.ZHAN, 120, SURE),
    ]
    kept, gone = one_problem_of(chain)
    assert gone == 1
    assert kept[0] is chain[0]
    assert kept[1].evidence.state is SURE


def test_what_both_saw_is_one_evidence() -> None:
    # High water shows the fill to one detector, low water shows its soil to the other.
    fill, bank = candidate(Kind.ZHAN, 0, "hh--"), candidate(Kind.JIAN, 60, "-uhh")
    (one,), _ = one_problem_of([fill, bank])
    assert fill.evidence.state is MORE
    assert bank.evidence.state is MORE
    assert one.evidence.state is SURE
    assert [k.seen for k in one.looks] == [Seen.HIT] * 4


def test_spoil_that_stands_like_an_island_stays_spoil_and_waits() -> None:
    heap = candidate(Kind.CAI, 60, SURE)
    island = replace(
        candidate(Kind.CAI, 0, "uuuu"),
        detector="zhan/1",
        measures={"kind_cai": 0.75, "kind_zhan": 0.25, "wait_days": 90.0},
    )
    (one,), _ = one_problem_of([island, heap])
    assert one.kind is Kind.CAI
    assert one.evidence.state is MORE
    assert not any(k.certain for k in one.looks if k.seen is Seen.HIT)


def test_a_look_counts_once_and_the_own_verdict_goes_first() -> None:
    fill, bank = candidate(Kind.ZHAN, 0, "uumu"), candidate(Kind.JIAN, 60, "uhhu")
    (one,), _ = one_problem_of([fill, bank])
    assert [k.seen for k in one.looks] == [Seen.HIT, Seen.HIT, Seen.MISS, Seen.HIT]
    assert [k.certain for k in one.looks] == [False, True, True, False]
    assert one.evidence.state is MORE
