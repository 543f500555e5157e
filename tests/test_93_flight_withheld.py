"""What flights show the other way at a known case: that case moving back, or another thing."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from affine import Affine
from shapely.geometry import box
from shapely.geometry.base import BaseGeometry

sys.path.insert(0, str(Path(__file__).parent))
from pairs import CRS, GSD, X, Y, patrol

from pipeline.adjudicate.evidence import FoldOptions, fold
from pipeline.grid import reproject
from pipeline.io.flights import FlightFolder
from pipeline.ledger.match import MatchOptions
from pipeline.ledger.plan import plan
from pipeline.model import Candidate, Case, Grid, Kind, Look, Seen, Status
from pipeline.passes.flight_joining import joined
from pipeline.passes.flight_pairs import FlightPair, Pairing
from pipeline.passes.flight_withheld import Withheld, withhold
from pipeline.passes.inspect import Inspected
from pipeline.running.inspecting import withheld_lines

CONTEXT = replace(patrol(), spots=True, judged={})
FLIGHTS = "abcd"


def on(flight: str) -> datetime:
    return datetime(2026, 3 + FLIGHTS.index(flight), 10, tzinfo=UTC)


def square(side: float) -> BaseGeometry:
    return box(X, Y, X + side, Y + side)


def thing(kind: Kind, side: float, pair: str = "ab", detector: str = "drone/1") -> Candidate:
    """Give what a pair of flights shows, or satellites by the later one's date."""
    at = square(side)
    before = Look(on(pair[0]), f"drone_{pair[0]}", "drone", 1.0, Seen.MISS, certain=False)
    hit = Look(on(pair[1]), f"drone_{pair[1]}", "drone", 1.0, Seen.HIT)
    looks: tuple[Look, ...] = (before, hit)
    if detector != "drone/1":
        looks = (replace(hit, pass_id="s1", sensor="sentinel-2-l2a"),)
    return Candidate(
        kind, "bank", at, CRS, at.area, looks, fold(looks), 0.5, {"net_m3": 9.0}, tuple(pair),
        detector,
    )  # fmt: skip


def known(one: Candidate, status: Status, *more: Look) -> Case:
    (case,) = plan([], [one], CONTEXT).cases
    looks = (*case.looks, *more)
    return replace(case, status=status, looks=looks, evidence=fold(looks))


def filled(flight: str) -> Look:
    return Look(on(flight), f"drone_{flight}", "drone", 1.0, Seen.MISS)


def flown(pair: str) -> FlightPair:
    ground = reproject(square(80), CRS, "EPSG:4326")
    before, after = (
        FlightFolder(name, Path(name), on(name), CRS, GSD, None, True, ground, ground, name)
        for name in pair
    )
    return FlightPair(before, after, Grid(CRS, Affine(GSD, 0, X, 0, -GSD, Y), (8, 8)))


def held(cases: list[Case], **said: Candidate) -> Withheld:
    ask: Any = lambda places: []  # noqa: E731
    parts = [Inspected((c,), ask=ask) for c in said.values()]
    pairing = Pairing(tuple(flown(p) for p in said), ())
    return withhold(pairing, parts, cases, MatchOptions(), FoldOptions())


PIT, HEAP = thing(Kind.CAI, 20), thing(Kind.DUI, 20)
ZHAN = thing(Kind.ZHAN, 40, "aa", "zhan/1")


@pytest.mark.parametrize(
    ("case", "kind", "side", "pair", "told"),
    [
        # As large as the case, or less: it may be the case that is filled, or taken away.
        (known(PIT, Status.SUSPECTED), Kind.DUI, 21, "bc", "withheld"),
        (known(PIT, Status.SUSPECTED), Kind.DUI, 9, "bc", "withheld"),
        (known(PIT, Status.VERIFIED), Kind.DUI, 21, "bc", "withheld"),
        (known(HEAP, Status.VERIFIED), Kind.CAI, 12, "bc", "withheld"),
        (known(ZHAN, Status.VERIFIED), Kind.CAI, 38, "bc", "withheld"),
        (known(PIT, Status.CLOSED), Kind.DUI, 20, "bc", "withheld"),
        (known(HEAP, Status.CLOSED), Kind.CAI, 20, "bc", "withheld"),
        # More than the case, or a part of what satellites saw.
        (known(PIT, Status.SUSPECTED), Kind.DUI, 30, "bc", "apart"),
        (known(PIT, Status.SUSPECTED), Kind.JIAN, 63, "bc", "apart"),
        (known(PIT, Status.VERIFIED), Kind.DUI, 30, "bc", "apart"),
        (known(ZHAN, Status.VERIFIED), Kind.CAI, 20, "bc", "apart"),
        (known(ZHAN, Status.VERIFIED), Kind.CAI, 120, "bc", "apart"),
        # Held against ground from before it, or on ground that was seen to be filled.
        (known(PIT, Status.VERIFIED), Kind.DUI, 20, "ac", "apart"),
        (known(PIT, Status.VERIFIED, filled("c")), Kind.DUI, 20, "cd", "apart"),
        (known(PIT, Status.CLOSED, filled("c")), Kind.DUI, 20, "cd", "apart"),
        (known(PIT, Status.SUSPECTED, filled("c")), Kind.DUI, 20, "cd", "the case"),
        # What satellites saw and people closed is gone, as far as they know.
        (known(ZHAN, Status.CLOSED), Kind.CAI, 38, "bc", "apart"),
        # The same way is the case as before, and so is what that flight was said to show.
        (known(PIT, Status.VERIFIED), Kind.CAI, 30, "bc", "the case"),
        (replace(known(PIT, Status.VERIFIED), kind=Kind.DUI), Kind.CAI, 20, "ab", "the case"),
    ],
)
def test_only_what_may_be_the_case_moving_back_is_withheld(
    case: Case, kind: Kind, side: float, pair: str, told: str
) -> None:
    out = held([case], **{pair: thing(kind, side, pair)})
    (part,) = out.found
    if told == "withheld":
        (one,) = out.objects
        assert (part.candidates, one.case_id, one.area_m2) == ((), case.case_id, side**2)
        assert one.why_zh == out.why_zh[case.case_id, pair[1]]
        (line,) = withheld_lines(out.objects)
        assert line.startswith(
            f"{case.case_id}: c 在 at {one.lon:.5f}, {one.lat:.5f} ({side**2:.0f} m²)"
        )
        assert (round(one.lon, 2), round(one.lat, 2)) == (113.13, 27.83)
        return
    assert out.objects == ()
    after = {c.case_id: c for c in plan([case], part.candidates, CONTEXT).cases}
    own = [c for c in after.values() if c.case_id != case.case_id]
    if told == "apart":
        assert [(c.kind, c.area_m2, c.parent) for c in own] == [(kind, side**2, case.case_id)]
        assert after[case.case_id] == case
        assert out.why_zh[case.case_id, pair[1]].endswith("另立一项")
        # Later runs know both, and give each its own.
        both = list(after.values())
        (again,) = held(both, **{pair: thing(kind, side, pair)}).found
        assert {c.case_id: c for c in plan(both, again.candidates, CONTEXT).cases} == after
    else:
        assert (own, out.why_zh) == ([], {})


def test_a_heap_beside_its_pit_goes_on_as_the_heap() -> None:
    case = known(PIT, Status.VERIFIED)
    said = {"bc": thing(Kind.DUI, 30, "bc"), "cd": thing(Kind.DUI, 20, "cd")}
    out = held([case], **said)
    assert [c.apart_from for p in out.found for c in p.candidates] == [{case.case_id}] * 2
    both = plan([case], joined(out.found), CONTEXT).cases
    (heap,) = (c for c in both if c.kind is Kind.DUI)
    assert [k.pass_id for k in heap.looks][-2:] == ["drone_c", "drone_d"]
    # So it does where the first of the two flights is in the workflow no longer.
    (later,) = held(list(both), cd=said["cd"]).found
    assert len(later.candidates) == 1


def test_a_pit_and_the_heap_that_is_told_apart_from_it_are_not_joined() -> None:
    heap = replace(thing(Kind.DUI, 20, "ac"), apart_from=frozenset({"a case"}))
    pit, other = joined((Inspected((PIT,)), Inspected((heap,), anew=(heap,))))
    assert (pit.kind, other.kind) == (Kind.CAI, Kind.DUI)
    assert [k.pass_id for k in other.looks] == ["drone_a", "drone_c"]
