"""One problem is one case: which candidates of the two detectors are one."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from shapely.geometry import box

from pipeline.adjudicate.evidence import FoldOptions, fold
from pipeline.model import NO_SWIR, Candidate, EvidenceState, Kind, Look, Seen
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
    """Make a candidate 60 m high; of text as a state the looks are made."""
    looks = looks_of(state if state not in SAID else SAID[EvidenceState(state)])
    evidence = fold(looks, FoldOptions(), UNTIL)
    detector = "zhan/1" if kind is Kind.ZHAN else GROUND_DETECTOR
    outline = box(700_000 + left, 3_000_000, 700_000 + left + wide, 3_000_060)
    own = measures if kind is Kind.ZHAN else {**GROUND, **measures}
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
        candidate(Kind.DUI, 60, "mmmmmmmmhhhh", wide=600),  # later, many times its size
        candidate(Kind.ZHAN, 60, SURE),  # of the same detector
    ],
)
def test_two_problems_stay_two(other: Candidate) -> None:
    both = [candidate(Kind.ZHAN, 0, MORE), other]
    assert one_problem_of(both) == (both, 0)


def test_one_problem_of_which_a_part_was_seen_with_swir_was_seen_with_it() -> None:
    for own, other, kept in ((1.0, None, False), (None, 1.0, False), (1.0, 1.0, True)):
        parts = [
            candidate(kind, left, SURE, **({} if mark is None else {NO_SWIR: mark}))
            for kind, left, mark in ((Kind.ZHAN, 0, own), (Kind.JIAN, 60, other))
        ]
        (one,), _ = one_problem_of(parts)
        assert (NO_SWIR in one.measures) is kept


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


def test_pieces_that_came_together_are_one_object() -> None:
    large, piece = candidate(Kind.JIAN, 0, "mhhh", wide=200), candidate(Kind.DUI, 210, "m-hh")
    (one,), gone = one_problem_of([piece, large])
    assert gone == 1
    assert one.area_m2 == pytest.approx(15_600, rel=0.01)
    assert one.evidence.state is SURE
    # A gap wider than a pixel and a half may be seen.
    apart = candidate(Kind.DUI, 220, "m-hh")
    assert one_problem_of([large, apart]) == ([large, apart], 0)


def test_a_later_piece_is_growth_unless_it_is_the_larger() -> None:
    old, rim = candidate(Kind.DUI, 0, "mhhh--"), candidate(Kind.DUI, 60, "mmmhhh")
    (one,), gone = one_problem_of([old, rim])
    assert gone == 1
    assert one.evidence.first_seen == old.evidence.first_seen
    new = candidate(Kind.DUI, 60, "mmmhhh", wide=300)
    assert one_problem_of([old, new]) == ([old, new], 0)


def test_what_lies_on_the_same_ground_is_one_object_whenever_it_came() -> None:
    old, new = candidate(Kind.DUI, 0, "mhhh--"), candidate(Kind.DUI, 0, "mmmhhh", wide=130)
    beside = candidate(Kind.DUI, 60, "mmmhhh", wide=130)
    assert one_problem_of([old, beside]) == ([old, beside], 0)
    assert one_problem_of([old, new]) == ([old, new], 0)  # less than half of it
    nearly = candidate(Kind.DUI, 0, "mhhh--", wide=70)
    (one,), gone = one_problem_of([nearly, new])
    assert gone == 1
    assert one.area_m2 == pytest.approx(7_800, rel=0.01)


def test_a_heap_in_a_field_does_not_confirm_the_field() -> None:
    heap, field = candidate(Kind.DUI, 0, "mhhh---"), candidate(Kind.JIAN, 0, "mmmmuuu", wide=600)
    assert one_problem_of([heap, field]) == ([heap, field], 0)


def test_a_pond_and_its_spoil_are_one_pit() -> None:
    pond = candidate(Kind.CAI, 0, "mhhh", wet_share=1.0, kind_cai=1.0, kind_dui=0.0, kind_jian=0.0)
    spoil = candidate(Kind.JIAN, 60, "mhhh", wide=50)
    (one,), _ = one_problem_of([spoil, pond])
    assert one.kind is Kind.CAI
    assert one.measures["kind_cai"] == pytest.approx(0.545, abs=0.01)


def test_a_pit_and_what_was_dug_out_of_it_are_one_case() -> None:
    # Between them is a strip of pixels that are half water.
    pond = candidate(Kind.CAI, 80, "m-hhh", wet_share=1.0, kind_cai=1.0)
    spoil = candidate(Kind.ZHAN, 0, "mhhhh")
    (one,), gone = one_problem_of([spoil, pond])
    assert gone == 1
    assert one.kind is Kind.CAI
    assert one.evidence.state is SURE
    assert one.area_m2 == pytest.approx(7200, rel=0.01)
    assert one.measures["wet_share"] == 1.0


@pytest.mark.parametrize(
    ("pond", "fill"),
    [
        (candidate(Kind.CAI, 60, "mmmhhh", wet_share=1.0), candidate(Kind.ZHAN, 0, "mhhhhh")),
        (candidate(Kind.CAI, 60, "mhhh", wet_share=1.0), candidate(Kind.ZHAN, 0, "mhhu")),
        (candidate(Kind.CAI, 600, "mhhh", 60, wet_share=1.0), candidate(Kind.ZHAN, 0, "mhhh", 600)),
        (
            candidate(Kind.CAI, 60, "mhhh", wet_share=1.0),
            candidate(Kind.ZHAN, 0, "mhhh", strip=1.0),
        ),
        (candidate(Kind.CAI, 90, "mhhh", wet_share=1.0), candidate(Kind.ZHAN, 0, "mhhh")),
    ],
    ids=["later", "not suspected", "many times larger", "a bridge", "apart"],
)
def test_a_pond_beside_another_problem_stays_its_own(pond: Candidate, fill: Candidate) -> None:
    kept, _ = one_problem_of([fill, pond])
    assert len(kept) == 2


def test_parts_of_a_fill_as_far_apart_as_a_pond_may_be_stay_two() -> None:
    both = [candidate(Kind.ZHAN, 0, "mhhh"), candidate(Kind.ZHAN, 80, "mhhh")]
    assert one_problem_of(both) == (both, 0)


def test_the_toe_of_a_large_heap_is_no_fill() -> None:
    toe, heap = candidate(Kind.ZHAN, 0, "mhhh"), candidate(Kind.DUI, 60, "mhhh", wide=600)
    (one,), _ = one_problem_of([toe, heap])
    assert one.kind is Kind.DUI
    assert "kind_zhan" not in one.measures
    # It grows into the water later; but a heap that comes beside a small fill is another problem.
    late = candidate(Kind.ZHAN, 0, "mmmmhhh")
    assert one_problem_of([late, heap])[0][0].kind is Kind.DUI
    after = candidate(Kind.DUI, 60, "mmmmhhh", wide=600)
    assert one_problem_of([toe, after]) == ([toe, after], 0)
    # Nor is a fill that is suspected the toe of what is not.
    unsure = candidate(Kind.DUI, 60, "mhh", wide=600)
    assert one_problem_of([late, unsure]) == ([late, unsure], 0)


def test_a_bridge_takes_its_ramps_and_stays_on_watch() -> None:
    span = candidate(Kind.ZHAN, 60, "muuuu", strip=1.0)
    ramps = [candidate(Kind.JIAN, 0, "mhhh", wide=20), candidate(Kind.JIAN, 160, "mhhh", wide=20)]
    (one,), gone = one_problem_of([*ramps, span])
    assert gone == 2
    assert one.evidence.state is MORE
    assert not any(k.certain for k in one.looks if k.seen is Seen.HIT)
    for other in (
        candidate(Kind.JIAN, 200, "mhhh", wide=20),  # too far
        candidate(Kind.JIAN, 160, "mmmmmhhh", wide=20),  # came later
    ):
        assert one_problem_of([span, other]) == ([span, other], 0)
    plain = candidate(Kind.ZHAN, 60, "muuuu", strip=0.0)
    assert one_problem_of([plain, ramps[1]]) == ([plain, ramps[1]], 0)


def test_a_fill_beside_a_pier_is_no_bridge() -> None:
    fill, pier = candidate(Kind.ZHAN, 0, "mhhh"), candidate(Kind.JIAN, 60, "muuu", 20, strip=1.0)
    (one,), _ = one_problem_of([fill, pier])
    assert one.evidence.state is SURE
    deck = candidate(Kind.JIAN, 60, "mhhh", wide=200, strip=1.0)
    (other,), _ = one_problem_of([candidate(Kind.ZHAN, 0, "mhh"), deck])
    assert other.evidence.state is MORE
    assert other.measures["strip"] == 1


def test_parts_of_a_fill_that_are_both_suspected_are_one() -> None:
    first, later = candidate(Kind.ZHAN, 0, "mhhhh"), candidate(Kind.ZHAN, 60, "mmmmhhh")
    (one,), gone = one_problem_of([first, later])
    assert (gone, one.evidence.first_seen) == (1, first.evidence.first_seen)
    assert one.area_m2 == pytest.approx(7200, rel=0.01)
    beside = candidate(Kind.ZHAN, 60, "mmmmh")  # a shore that receded, perhaps
    assert one_problem_of([first, beside]) == ([first, beside], 0)


def across(left: float, said: str = "mhhh", wide: float = 60, **measures: float) -> Candidate:
    """Changed ground on a bank beside a bare shore."""
    return candidate(Kind.DUI, left, said, wide, **{"shore_px": 0.0, **measures})


def test_both_ends_of_a_fill_over_a_bare_shore_are_one_case() -> None:
    fill, bank = candidate(Kind.ZHAN, 0, "mhhhh"), across(95)
    (one,), gone = one_problem_of([fill, bank])
    assert gone == 1
    assert one.kind is Kind.ZHAN
    assert one.polygon.geom_type == "MultiPolygon"
    assert one.area_m2 == pytest.approx(7200, rel=0.01)
    large = across(95, wide=120)
    (other,), _ = one_problem_of([fill, large])
    assert other.kind is Kind.ZHAN
    assert one_problem_of([bank, fill])[0][0].area_m2 == one.area_m2


@pytest.mark.parametrize(
    "bank",
    [
        across(105),
        across(95, "mmmmmhhh"),
        across(95, "mhh"),
        across(95, shore_px=3.0),
        candidate(Kind.DUI, 95, "mhhh"),
        across(95, wet_share=1.0),
        replace(across(95), polygon=box(700_095, 3_000_055, 700_155, 3_000_115)),
        replace(across(95, kind_cai=0.9), kind=Kind.CAI),
        across(95, wide=400),
    ],
    ids=[
        "farther",
        "later",
        "not suspected",
        "inland",
        "unknown",
        "a pond",
        "beside",
        "a pit",
        "many times larger",
    ],
)
def test_what_lies_behind_a_shore_stays_another_problem(bank: Candidate) -> None:
    both = [candidate(Kind.ZHAN, 0, "mhhhh"), bank]
    kept, gone = one_problem_of(both)
    assert (len(kept), gone) == (2, 0)


def test_a_bridge_takes_nothing_over_a_shore() -> None:
    both = [candidate(Kind.ZHAN, 0, "mhhh", strip=1.0), across(95, wide=80)]
    assert len(one_problem_of(both)[0]) == 2


@pytest.mark.parametrize("gap", [16, 25, 39])
def test_strips_end_to_end_along_a_bank_are_two(gap: float) -> None:
    """They are near each other by their short sides."""
    fill, bank = candidate(Kind.ZHAN, 0, "mhhhh", wide=80), across(80 + gap, wide=80)
    low = [replace(c, polygon=c.polygon.intersection(box(7e5, 3e6, 8e5, 3_000_020))) for c in
           (fill, bank)]  # fmt: skip
    thin = [replace(c, area_m2=c.polygon.area) for c in low]
    assert len(one_problem_of(thin)[0]) == 2


def test_two_fills_at_one_bank_are_two() -> None:
    fills = [candidate(Kind.ZHAN, left, "mhhhh") for left in (0, 190)]
    kept, gone = one_problem_of([*fills, across(95)])
    assert (len(kept), gone) == (2, 1)


def test_a_pontoon_that_both_detectors_saw_stays_in_doubt() -> None:
    deck = candidate(Kind.CAI, 0, "uuuu")
    deck = replace(deck, detector="zhan/1", measures={"kind_cai": 0.75, "afloat": 1.0})
    (one,), _ = one_problem_of([deck, candidate(Kind.CAI, 60, "mhhh", wide=40)])
    assert one.evidence.state is MORE
    assert one.measures["afloat"] == 1
    # A small one beside a heap says nothing of the heap.
    (other,), _ = one_problem_of([candidate(Kind.DUI, 60, "mhhh", wide=200), deck])
    assert other.evidence.state is SURE


def dark(left: float, state: EvidenceState | str, wide: float = 60) -> Candidate:
    return candidate(Kind.DUI, left, state, wide, dark=1.0)


@pytest.mark.parametrize("state", [FIRST, MORE, SURE])
def test_dark_ground_is_no_piece_of_what_is_lighter_and_smaller(state: EvidenceState) -> None:
    """A patrol of one look knows nothing but first sightings: what is dropped is never told."""
    every = [dark(0, state), candidate(Kind.JIAN, 70, FIRST, wide=50)]
    assert one_problem_of(every)[0] == every


@pytest.mark.parametrize("state", [FIRST, MORE, SURE])
@pytest.mark.parametrize(
    "whole",
    [
        candidate(Kind.CAI, 40, "mmhhh", wet_share=1.0),  # a pit, and its mixed pixels
        candidate(Kind.JIAN, 40, "mmhhh"),
        candidate(Kind.ZHAN, 40, "mmhhh"),
    ],
)
def test_the_dark_rim_of_what_came_with_it_is_none(whole: Candidate, state: EvidenceState) -> None:
    rim = dark(0, "mm" + SAID[state], wide=30)
    (one,), gone = one_problem_of([rim, whole])
    assert gone == 1
    assert one == whole
    # What it lies on was gone when it came.
    before = candidate(Kind.JIAN, 40, "hhm")
    after = dark(0, "mmmm" + SAID[state], wide=30)
    assert one_problem_of([before, after])[0] == [before, after]
    far = candidate(Kind.JIAN, 46, "mmh")
    assert one_problem_of([rim, far])[0] == [rim, far]


def test_what_has_gone_takes_no_dark_ground_with_it() -> None:
    rim, gone = dark(0, "mmhhh", wide=30), candidate(Kind.JIAN, 40, "mmhmmmm")
    assert rim in one_problem_of([rim, gone])[0]


def test_two_pieces_of_dark_ground_are_one() -> None:
    (one,), gone = one_problem_of([dark(0, SURE), dark(60, MORE)])
    assert gone == 1
    assert one.area_m2 == pytest.approx(7200, rel=0.01)


def test_a_shed_beside_a_large_heap_of_coal_hides_it_not() -> None:
    coal, shed = dark(0, SURE, wide=400), candidate(Kind.JIAN, 405, SURE, wide=12)
    (one,), _ = one_problem_of([coal, shed])
    assert one.polygon.covers(coal.polygon)
    assert one.measures["dark"]
    late = candidate(Kind.JIAN, 405, "mmmmmmmmhhhh", wide=1200)
    assert one_problem_of([coal, late])[0] == [coal, late]


def test_light_ground_and_coal_of_one_day_are_one_problem_of_any_kind() -> None:
    """What is light beside dark is taken for the rim of a hollow."""
    (one,), gone = one_problem_of([dark(0, SURE), candidate(Kind.CAI, 70, SURE, wide=50)])
    assert gone == 1
    assert one.area_m2 == pytest.approx(6600, rel=0.01)
    pit = candidate(Kind.CAI, 70, SURE, wide=50, wet_share=1.0)
    assert one_problem_of([dark(0, SURE), pit])[0] == [dark(0, SURE), pit]
