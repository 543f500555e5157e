"""Ground that moves back: held against the flight from before anything stood or was dug there.

A pit that is filled up rises, as a heap does, and a heap that is lowered sinks, as it does when it
is taken away. What of it is left only the surface from before it can say (decision 301).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from shapely.geometry.base import BaseGeometry

from pipeline.grid import reproject
from pipeline.io.flights import FlightFolder
from pipeline.model import Candidate, Kind
from pipeline.passes.flight_joining import shares
from pipeline.passes.flight_looks import surface_miss
from pipeline.passes.flight_pairs import FlightPair
from pipeline.passes.flight_places import PlaceSaid
from pipeline.passes.inspect import Gone, Inspected

_SEEN = 0.9  # share of a place that both dates show, as a contradiction asks for
_LEVEL = 0.1  # share of it that may stand apart in spots too small for an object: fills are rough

Done = Mapping[str, tuple[FlightPair, Inspected]]
"""Pairs that were compared, by name, oldest later flight first."""


@dataclass(frozen=True)
class _Known:
    """Ground that moved once."""

    place: BaseGeometry  # lon/lat, of all that moved there the same way
    raised: bool  # else it was dug
    first: FlightFolder  # the earlier flight of the pair that first gave it


@dataclass(frozen=True)
class Reversal:
    """Ground of which a later flight says that it moved the other way."""

    known: _Known
    after: FlightFolder

    @property
    def pair(self) -> tuple[str, str]:
        """Ids of the flights that say what is left of it."""
        return self.known.first.id, self.after.id


def hold_against_first(
    done: Done, compare: Callable[[FlightFolder, FlightFolder], tuple[FlightPair, Inspected] | None]
) -> dict[str, tuple[FlightPair, Inspected]]:
    """Let the surface from before an object say what is left of it where the ground moved back.

    Parameters
    ----------
    done
        All pairs of the run.
    compare
        Gives a pair that is not among them, compared; None where the two overlap too little.

    Returns
    -------
    dict
        The pairs, and those that had to be compared for it, which speak of these places alone. An
        object that is left is one of its own pair (``anew``); ground at its old height is a miss of
        surfaces; what cannot be told is neither.
    """
    after = dict(done)
    found = sorted(reversals(done), key=lambda r: r.pair)
    for (first, last), group in groupby(found, key=lambda r: r.pair):
        asked = list(group)
        name = _named(after, first, last)
        if name is None:
            made = compare(asked[0].known.first, asked[0].after)
            if made is not None:
                name = made[0].name
                after[name] = made[0], _at(made[1], [r.known.place for r in asked])
        places = [r.known.place for r in asked]  # at once: each asking reads the pair's light anew
        ask = None if name is None else after[name][1].ask
        said = [None] * len(asked) if ask is None else ask(places)
        for one, answer in zip(asked, said, strict=True):
            _judge(after, name, one, answer)
    return dict(sorted(after.items(), key=lambda item: item[1][0].order))


def _named(done: Done, first: str, last: str) -> str | None:
    ids = (first, last)
    return next((k for k, (p, _) in done.items() if (p.before.id, p.after.id) == ids), None)


def reversals(done: Done) -> list[Reversal]:
    """Find ground that moved one way between flights and the other way later."""
    known: list[_Known] = []
    out: dict[tuple[int, str], Reversal] = {}
    ordered = sorted(done.values(), key=lambda d: d[0].order)
    for _, pairs in groupby(ordered, key=lambda d: d[0].after.id):
        count = len(known)  # of earlier flights: what two pairs of one see is no change between
        for pair, part in pairs:
            for place, up, still in _moves(part):
                met = [i for i in range(count) if shares(known[i].place, place)]
                for i in met:
                    if known[i].raised is up:
                        known[i] = replace(known[i], place=known[i].place.union(place))
                    elif known[i].first.id != pair.before.id:
                        out[i, pair.after.id] = Reversal(known[i], pair.after)
                if still and not met and not any(shares(k.place, place) for k in known[count:]):
                    known.append(_Known(place, up, pair.before))
    return list(out.values())


def _moves(part: Inspected) -> list[tuple[BaseGeometry, bool, bool]]:
    """Give what surfaces say moved: the place (lon/lat), whether upwards, whether it is there."""
    if part.ask is None:
        return []
    there = [(place_of(c), raised(c), True) for c in part.candidates]
    return [*there, *((g.polygon_wgs84, False, False) for g in part.gone)]


def place_of(candidate: Candidate) -> BaseGeometry:
    """Give the outline of a candidate (lon/lat)."""
    return reproject(candidate.polygon, candidate.crs, "EPSG:4326")


def _at(part: Inspected, places: Sequence[BaseGeometry]) -> Inspected:
    """Give what a pair says of some places alone."""
    return replace(
        part,
        candidates=tuple(c for c in part.candidates if _any(place_of(c), places)),
        gone=tuple(g for g in part.gone if _any(g.polygon_wgs84, places)),
        outside=0,
    )


def _any(one: BaseGeometry, places: Sequence[BaseGeometry]) -> bool:
    return any(shares(one, place) for place in places)


def _judge(
    after: dict[str, tuple[FlightPair, Inspected]],
    name: str | None,
    one: Reversal,
    said: PlaceSaid | None,
) -> None:
    """Let the pair called ``name`` say what is left; the other pairs of that flight do not."""
    place = one.known.place
    told = False
    if name is not None and said is not None:
        pair, part = after[name]
        left = tuple(c for c in part.candidates if shares(place_of(c), place))
        told = bool(left) or any(shares(g.polygon_wgs84, place) for g in part.gone)
        if not told and said.seen >= _SEEN and said.changed <= _LEVEL:
            told = True
            missed = surface_miss(one.after, said.seen, part.error_m)
            part = replace(part, gone=(*part.gone, Gone(place, missed)))
        after[name] = pair, replace(part, anew=(*part.anew, *left))
    if not told and one.known.raised:
        return  # that what stood there went was seen by the other pair: it needs no surface more
    for other, (its, said_there) in list(after.items()):
        if its.after.id == one.after.id and other != name and said_there.ask is not None:
            after[other] = its, _without(said_there, one.known, told=told)


def _without(part: Inspected, known: _Known, *, told: bool) -> Inspected:
    """Give what a pair says but of one place; where nobody could tell, but that it moved back."""
    there = [c for c in part.candidates if shares(place_of(c), known.place)]
    if not told:
        there = [c for c in there if raised(c) is not known.raised]
    kept = [c for c in part.candidates if not any(c is k for k in there)]
    gone = [g for g in part.gone if not (told and shares(g.polygon_wgs84, known.place))]
    return replace(part, candidates=tuple(kept), gone=tuple(gone))


def raised(candidate: Candidate) -> bool:
    """Tell whether its ground is higher than before; else it was dug."""
    return candidate.kind is not Kind.CAI
