"""Flights that fit no other: after some tries they are compared no more, and named once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from pipeline.model import SetAside
from pipeline.passes.flight_first import Done
from pipeline.passes.flight_pairs import FlightPair
from pipeline.passes.inspect import Inspected

# Different flights that each fit others and not this one. One may differ by season and another by
# light; where a third does as well, each further comparison costs as much and promises less.
_TRIES = 3


def given_up(done: Done) -> dict[str, SetAside]:
    """Give the flights that are worth no further comparison, by id, and what to say of each.

    One that fits any other is none, nor is one that was tried with such alone as fit nothing
    themselves: which of two is the wrong one, only a third can say.
    """
    served = {
        flight.id
        for pair, part in done.values()
        if not (part.refused or part.failed)
        for flight in (pair.before, pair.after)
    }
    tries: dict[str, dict[str, SetAside]] = {}
    for pair, part in done.values():
        for one, other in ((pair.before, pair.after), (pair.after, pair.before)):
            if part.refused and one.id not in served and other.id in served:
                tries.setdefault(one.id, {})[other.id] = part.set_aside[0]
    return {
        flight: _told(flight, partners)
        for flight, partners in sorted(tries.items())
        if len(partners) >= _TRIES
    }


def _told(flight: str, partners: Mapping[str, SetAside]) -> SetAside:
    *most, last = sorted(partners)
    why = partners[last]
    return SetAside(
        flight,
        why.stage,
        f"it fits none of {', '.join(most)} and {last}, which fit others, and was compared with "
        f"no more flights (with {last}: {why.reason})",
        why.remedy,
    )


def named_once(done: Done, lost: Mapping[str, SetAside]) -> dict[str, tuple[FlightPair, Inspected]]:
    """Let the pairs of a flight that was given up on say so, instead of each its own reason."""

    def told(pair: FlightPair, part: Inspected) -> Inspected:
        own = [lost[f.id] for f in (pair.before, pair.after) if f.id in lost]
        return replace(part, set_aside=(own[0],)) if part.refused and own else part

    return {name: (pair, told(pair, part)) for name, (pair, part) in done.items()}
