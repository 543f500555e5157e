"""One problem is one case: which candidates of the two detectors are one."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from shapely.geometry import box

from pipeline.model import Candidate, Evidence, EvidenceState, Kind
from pipeline.passes.merge import one_problem

ON = datetime(2025, 1, 1, tzinfo=UTC)
GROUND = {"wet_share": 0.0, "kind_cai": 0.0, "kind_dui": 0.25, "kind_jian": 0.75}


def candidate(
    kind: Kind, left: float, state: EvidenceState, wide: float = 60, **measures: float
) -> Candidate:
    evidence = Evidence(state, 3, 0, 3, ON, ON, None, False)
    outline = box(700_000 + left, 3_000_000, 700_000 + left + wide, 3_000_060)
    own = {} if kind is Kind.ZHAN else {**GROUND, **measures}
    area = outline.area
    return Candidate(kind, "c", outline, "EPSG:32649", area, (), evidence, 0.5, own, (), "x")


FIRST, MORE, SURE, GONE = (
    EvidenceState.FIRST, EvidenceState.PROVISIONAL, EvidenceState.SUSPECTED, EvidenceState.EXPIRED,
)  # fmt: skip


def test_the_better_seen_stays_with_both_outlines() -> None:
    fill, bank = candidate(Kind.ZHAN, 0, SURE), candidate(Kind.JIAN, 60, MORE)
    (one,), gone = one_problem([fill, bank])
    assert gone == 1
    assert one.kind is Kind.ZHAN
    assert one.area_m2 == pytest.approx(7200, rel=0.01)
    (other,), _ = one_problem([candidate(Kind.ZHAN, 0, FIRST), candidate(Kind.JIAN, 60, SURE)])
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
    assert one_problem(both) == (both, 0)


def test_what_is_gone_takes_and_gives_nothing() -> None:
    both = [candidate(Kind.ZHAN, 0, GONE), candidate(Kind.JIAN, 60, SURE)]
    assert one_problem(both) == (both, 0)


def test_only_what_stays_takes_others_with_it() -> None:
    chain = [
        candidate(Kind.ZHAN, 0, FIRST),
        candidate(Kind.JIAN, 60, MORE),
        candidate(Kind.ZHAN, 120, SURE),
    ]
    kept, gone = one_problem(chain)
    assert gone == 1
    assert kept[0] is chain[0]
    assert kept[1].evidence.state is SURE
