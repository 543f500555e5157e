"""All comparisons of an inspection: pairs, what stands in for those that are refused, lone flights.

Which pairs there are is not known before they are compared: ground of a pair that says nothing is
asked of older flights, and ground that moved back of the flight from before it.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, replace

import shapely
from shapely.geometry.base import BaseGeometry

from pipeline.grid import geodesic_area_m2
from pipeline.io.flights import FlightFolder
from pipeline.io.progress import counted
from pipeline.io.tasks import Progress
from pipeline.model import Corridor, LayerArea
from pipeline.passes.failing import Failures
from pipeline.passes.flight_first import hold_against_first, place_of
from pipeline.passes.flight_pairs import (
    FlightPair,
    LoneFlight,
    Pairing,
    held_against,
    pair_flights,
)
from pipeline.passes.flight_refused import given_up, named_once
from pipeline.passes.inspect import Inspected, inspect_alone, inspect_pair
from pipeline.passes.inspect_workflow import InspectOptions

_INSIDE = 0.5  # share of an object of pictures in ground that surfaces have compared
_M2_PER_HA = 10_000.0


@dataclass(frozen=True)
class Rounds:
    """What the flights of a workflow are compared by."""

    flights: tuple[FlightFolder, ...]  # oldest first
    corridors: tuple[Corridor, ...]
    options: InspectOptions
    structures: Sequence[LayerArea] | None  # what the office knows to stand there; None: no layer

    def plan(self, refused: Sequence[str] = (), lost: Container[str] = ()) -> Pairing:
        """Give the pairs, once those in ``refused`` are known to say nothing.

        None of flights in ``lost``, by id.
        """
        known = self.structures is not None
        pairing = self.options.pairing
        flights = [f for f in self.flights if f.id not in lost]
        return pair_flights(flights, self.corridors, pairing, structures=known, refused=refused)


def compare_flights(
    rounds: Rounds, failures: Failures, progress: Progress
) -> tuple[Pairing, tuple[Inspected, ...]]:
    """Compare all pairs, then look at the flights that are alone; one that fails stops no other.

    Returns
    -------
    tuple
        The pairs that were compared after all, and what was found: one for each pair, in their
        order, then one for each lone flight.
    """

    def safely(name: str, look: Callable[[], Inspected]) -> Inspected:
        with failures.of(name):
            return look()
        return Inspected(failed=True)

    def pair_of(before: FlightFolder, after: FlightFolder) -> tuple[FlightPair, Inspected] | None:
        pair = held_against(before, after, rounds.options.pairing)
        return None if pair is None else (pair, compared(pair))

    def compared(pair: FlightPair) -> Inspected:
        return safely(pair.name, lambda: inspect_pair(pair, rounds.corridors, rounds.options))

    def alone(one: LoneFlight) -> Inspected:
        rest = (rounds.structures or (), rounds.corridors, rounds.options)
        return safely(one.flight.id, lambda: inspect_alone(one, *rest))

    planned = pairing = rounds.plan()
    done: dict[str, tuple[FlightPair, Inspected]] = {}
    while todo := [p for p in pairing.pairs if p.name not in done]:
        for pair in counted(todo, progress, "pairs"):
            done[pair.name] = pair, compared(pair)
        refused = [name for name, (_, part) in done.items() if part.refused]
        pairing = rounds.plan(refused, given_up(done))
    done = named_once(done, given_up(done))
    done = hold_against_first(_by_surfaces_first(done), pair_of)
    lone = [alone(one) for one in counted(planned.lone, progress, "pairs")]
    failures.raise_if_all(len(done) + len(lone))
    pairs = tuple(pair for pair, _ in done.values())
    found = (*(part for _, part in done.values()), *lone)
    return Pairing(pairs, planned.set_aside, planned.lone), found


def _by_surfaces_first(
    done: dict[str, tuple[FlightPair, Inspected]],
) -> dict[str, tuple[FlightPair, Inspected]]:
    """Leave out what pictures show on ground that surfaces of the same flight have compared."""
    ground: dict[str, BaseGeometry] = {}
    for pair, part in done.values():
        if part.ask is not None:
            known = ground.get(pair.after.id)
            ground[pair.after.id] = pair.ground if known is None else known.union(pair.ground)

    def open_(pair: FlightPair, part: Inspected) -> Inspected:
        told = ground.get(pair.after.id)
        if part.ask is not None or told is None:
            return part
        places = [(c, place_of(c)) for c in part.candidates]
        kept = [c for c, at in places if at.intersection(told).area < _INSIDE * at.area]
        return replace(part, candidates=tuple(kept))

    return {name: (pair, open_(pair, part)) for name, (pair, part) in done.items()}


def uncompared(
    flights: Sequence[FlightFolder], pairing: Pairing, found: Sequence[Inspected]
) -> dict[str, tuple[float, float]]:
    """Give, by flight, how much of its ground was compared with nothing, and how much it has [ha].

    Compared is what a pair shares that was not refused and did not fail, whichever of its flights
    it is, and all of a flight that was looked at alone.
    """
    ground: dict[str, list[BaseGeometry]] = {f.id: [] for f in flights}
    works = [(p, (p.before, p.after), p.ground) for p in pairing.pairs]
    works += [(one, (one.flight,), one.flight.shown_wgs84) for one in pairing.lone]
    for (_, own, common), part in zip(works, found, strict=True):
        if not part.refused and not part.failed:
            for flight in own:
                ground[flight.id].append(common)
    out: dict[str, tuple[float, float]] = {}
    for flight in flights:
        left = flight.shown_wgs84.difference(shapely.union_all(ground[flight.id]))
        out[flight.id] = _hectares(left), _hectares(flight.shown_wgs84)
    return out


def _hectares(area: BaseGeometry) -> float:
    return round(geodesic_area_m2(area, "EPSG:4326") / _M2_PER_HA, 2) if area.area > 0 else 0.0
