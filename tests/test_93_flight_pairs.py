"""Which flights are compared: the newest earlier one that serves, for each piece of ground."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from shapely.geometry import box
from shapely.geometry.base import BaseGeometry

sys.path.insert(0, str(Path(__file__).parent))
from pairs import CRS, GSD, X, Y, place

import pipeline.passes.flight_rounds as rounds_module
from pipeline.adjudicate.evidence import fold
from pipeline.grid import reproject
from pipeline.io.flights import FlightFolder
from pipeline.model import Candidate, Corridor, Kind, Look, Seen, SetAside
from pipeline.passes.failing import Failures
from pipeline.passes.flight_first import hold_against_first
from pipeline.passes.flight_joining import joined
from pipeline.passes.flight_pairs import FlightPair, Pairing, pair_flights
from pipeline.passes.flight_places import PlaceSaid
from pipeline.passes.flight_rounds import uncompared
from pipeline.passes.inspect import Gone, Inspected
from pipeline.passes.inspect_workflow import InspectOptions, PairingOptions

SIDE = 80.0
LEFT, RIGHT, CORNER = (0, 0, 40, 80), (40, 0, 80, 80), (0, 40, 40, 80)  # m in the frame
BANK = Corridor(
    "bank", "河岸", "river", reproject(box(X - 50, Y - 50, X + 250, Y + 150), CRS, "EPSG:4326"),
    None, 5.0, "a test",
)  # fmt: skip


def flight(name: str, *part: float, surface: bool = True) -> FlightFolder:
    """Give a flight over some of the frame; later letters of the alphabet are newer."""
    west, south, east, north = part or (0, 0, SIDE, SIDE)
    ground = reproject(box(X + west, Y + south, X + east, Y + north), CRS, "EPSG:4326")
    on = datetime(2026, 1 + "abcdefghij".index(name), 10, tzinfo=UTC)
    return FlightFolder(name, Path(name), on, CRS, GSD, None, surface, ground, ground, name)


def pairs(*flights: FlightFolder, refused: tuple[str, ...] = ()) -> list[str]:
    found = pair_flights(flights, [BANK], PairingOptions(), refused=refused)
    return [f"{p.before.id}{p.after.id}{'' if p.surfaces else ' by pictures'}" for p in found.pairs]


def test_what_a_small_flight_does_not_cover_is_asked_of_the_one_before() -> None:
    assert pairs(flight("a"), flight("b"), flight("c")) == ["ab", "bc"]
    assert pairs(flight("a"), flight("b", *CORNER), flight("c")) == ["ab", "bc", "ac"]
    side_by_side = flight("a", *LEFT), flight("b", *RIGHT), flight("c")
    assert pairs(*side_by_side) == ["bc", "ac"]
    # A seam is not worth all that they share.
    assert pairs(flight("a"), flight("b", 0, 0, 75, 80), flight("c")) == ["ab", "bc"]
    # A band along a river fills little of its frame: what it shows counts, and not the frame.
    band = replace(flight("b"), shown_wgs84=flight("b", 0, 0, 80, 20).shown_wgs84)
    assert pairs(flight("a"), band, flight("c")) == ["ab", "bc", "ac"]


def test_a_flight_without_a_surface_hides_no_surface() -> None:
    bare = flight("b", surface=False)
    assert pairs(flight("a"), bare, flight("c")) == ["ab by pictures", "ac"]
    assert pairs(flight("a", *LEFT), bare, flight("c")) == [
        "ab by pictures", "ac", "bc by pictures",
    ]  # fmt: skip


def test_ground_of_a_refused_pair_is_asked_of_the_flight_before() -> None:
    three = flight("a"), flight("b"), flight("c")
    assert pairs(*three, refused=("a and b", "b and c")) == ["ab", "bc", "ac"]
    four = flight("a"), flight("b"), flight("c", surface=False), flight("d")
    assert pairs(*four, refused=("b and d",))[-2:] == ["bd", "ad"]
    # Surfaces that are refused are not compared by pictures instead.
    assert pairs(*three[:2], refused=("a and b",)) == ["ab"]


def test_a_flight_that_barely_overlaps_says_by_how_much() -> None:
    beside = flight("b", 74, 0, 154, 80)
    found = pair_flights([flight("a"), beside], [BANK], PairingOptions())
    assert found.pairs == ()
    for aside, other in zip(found.set_aside, "ba", strict=True):
        assert f"most does {other}: 7.5% of the smaller of the two" in aside.reason
        assert "asks for 10%" in aside.reason
    (aside,) = pair_flights([flight("a")], [BANK], PairingOptions()).set_aside
    assert aside.reason.startswith("no other flight of the workflow overlaps it: later ones")


def test_ground_that_nothing_was_compared_with_is_counted() -> None:
    three = flight("a"), flight("b", *CORNER), flight("c")
    pairing = pair_flights(three[:2], [BANK], PairingOptions())
    said = uncompared(three, pairing, [Inspected()])
    assert said == {"a": (0.48, 0.64), "b": (0.0, 0.16), "c": (0.64, 0.64)}
    assert uncompared(three, pairing, [Inspected(refused=True)])["a"] == (0.64, 0.64)


def thing(kind: Kind, at: BaseGeometry, pair: str, net_m3: float) -> Candidate:
    before, after = (
        Look(flight(f).flown, f"drone_{f}", "drone", 1.0, seen, seen is Seen.HIT)
        for f, seen in zip(pair, (Seen.MISS, Seen.HIT), strict=True)
    )
    looks = (before, after)
    return Candidate(
        kind, "bank", at, CRS, at.area, looks, fold(looks), 0.5, {"net_m3": net_m3}, tuple(pair),
        "drone/1",
    )  # fmt: skip


def done(**said: Inspected) -> dict[str, tuple[FlightPair, Inspected]]:
    found: dict[str, tuple[FlightPair, Inspected]] = {}
    for name, part in said.items():
        (pair,) = pair_flights([flight(name[0]), flight(name[1])], [BANK], PairingOptions()).pairs
        ask: Any = lambda places: [PlaceSaid(0.95, 0.05, 0.9, 0.0) for _ in places]  # noqa: E731
        found[pair.name] = pair, replace(part, ask=part.ask or ask)
    return found


@pytest.mark.parametrize(
    ("left", "looks", "net_m3"),
    [
        (None, "ab", -15.0),  # nobody can tell
        (Inspected(), "abc", -15.0),  # at its old height
        (Inspected((thing(Kind.CAI, place((20, 20), 3), "ac", -6.0),)), "abc", -6.0),
    ],
)
def test_a_pit_that_rises_is_what_the_surface_from_before_it_leaves(
    left: Inspected | None, looks: str, net_m3: float
) -> None:
    pit = thing(Kind.CAI, place((20, 20), 4), "ab", -15.0)
    risen = thing(Kind.DUI, place((20, 20), 3.5), "bc", 9.0)
    beside = thing(Kind.DUI, place((40, 40), 3), "bc", 9.0)
    asked: list[str] = []

    def compare(before: FlightFolder, after: FlightFolder) -> tuple[FlightPair, Inspected] | None:
        asked.append(before.id + after.id)
        return None if left is None else done(ac=left)["a and c"]

    after = hold_against_first(done(ab=Inspected((pit,)), bc=Inspected((risen, beside))), compare)
    assert asked == ["ac"]
    whole, other = joined([part for _, part in after.values()])
    assert (other.polygon, whole.kind) == (beside.polygon, Kind.CAI)
    assert (whole.measures["net_m3"], whole.looks[-1].pass_id) == (net_m3, f"drone_{looks[-1]}")
    assert whole.looks[-1].seen is (Seen.MISS if left == Inspected() else Seen.HIT)
    # Nothing is compared twice, nor where nothing moved back.
    hold_against_first(after, compare)
    deeper = thing(Kind.CAI, place((20, 20), 4), "bc", -3.0)
    hold_against_first(done(ab=Inspected((pit,)), bc=Inspected((deeper,))), compare)
    assert asked == ["ac"]


def test_a_heap_that_was_lowered_is_still_there() -> None:
    heap = thing(Kind.DUI, place((20, 20), 4), "ab", 15.0)
    ground = reproject(place((20, 20), 4), CRS, "EPSG:4326")
    on = flight("c").flown
    went = Gone(ground, replace(heap.looks[-1], on=on, seen=Seen.MISS, pass_id="drone_c"))
    rest = thing(Kind.DUI, place((20, 20), 3), "ac", 5.0)
    both = done(ab=Inspected((heap,)), bc=Inspected(gone=(went,)))
    left = done(ac=Inspected((rest,)))["a and c"]
    (whole,) = joined([p for _, p in hold_against_first(both, lambda *_: left).values()])
    assert ([k.seen for k in whole.looks][1:], whole.measures["net_m3"]) == ([Seen.HIT] * 2, 5.0)
    # Where no flight from before it helps, that it went is told as before.
    (whole,) = joined([p for _, p in hold_against_first(both, lambda *_: None).values()])
    assert whole.looks[-1].seen is Seen.MISS


def test_an_object_that_two_pairs_of_one_flight_see_is_one() -> None:
    one, other = (thing(Kind.DUI, place((20, 20), 3), pair, 9.0) for pair in ("bc", "ac"))
    (whole,) = joined((Inspected((one,)), Inspected((other,))))
    assert [k.pass_id for k in whole.looks] == ["drone_a", "drone_b", "drone_c"]


def test_a_pairing_of_nothing_is_empty() -> None:
    assert pair_flights([], [BANK], PairingOptions()) == Pairing((), ())


def compared(
    count: int, bad: str, monkeypatch: pytest.MonkeyPatch
) -> tuple[list[str], set[SetAside]]:
    """Compare so many flights of which some fit no other; give the pairs, and what is said."""
    asked: list[str] = []

    def look(pair: FlightPair, *_: object) -> Inspected:
        name = pair.before.id + pair.after.id
        asked.append(name)
        if not set(name) & set(bad):
            return Inspected()
        why = SetAside(pair.name, "detect", f"the two of {name} differ", "Process it again")
        return Inspected(set_aside=(why,), refused=True)

    monkeypatch.setattr(rounds_module, "inspect_pair", look)
    flights = tuple(flight(name) for name in "abcdefghij"[:count])
    rounds = rounds_module.Rounds(flights, (BANK,), InspectOptions(), None)
    _, found = rounds_module.compare_flights(rounds, Failures(), lambda *_: None)
    return asked, {aside for part in found for aside in part.set_aside}


def test_a_flight_that_fits_none_of_three_is_named_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, said = compared(10, "j", monkeypatch)
    assert [k for k in asked if "j" in k] == ["ij", "hj", "gj"]
    (aside,) = said
    assert (aside.what, aside.remedy) == ("j", "Process it again")
    assert "it fits none of g, h and i, which fit others" in aside.reason
    assert "the two of ij differ" in aside.reason
    # All that fit are compared, whatever lies between them.
    asked, said = compared(10, "bdfhj", monkeypatch)
    assert {"ac", "ce", "eg", "gi"} <= set(asked)
    assert len(asked) < 25
    assert {"d", "f", "h", "j"} <= {k.what for k in said}
    # Of flights that fit nothing either nobody knows whose fault it is.
    asked, _ = compared(6, "bcde", monkeypatch)
    assert "af" in asked
