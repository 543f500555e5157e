"""How looks of flights are named."""

from __future__ import annotations

from pipeline.io.flights import FlightFolder
from pipeline.model import DRONE, DRONE_PICTURES, DRONE_SINGLE, DRONE_SURFACES, PICTURE

# What decides nothing is named like a picture, so that it neither confirms nor is replaced by what
# a pair says of the same flight.
_NAMES = {
    DRONE_SURFACES: f"{DRONE}_",
    DRONE_PICTURES: f"{PICTURE}{DRONE}_",
    DRONE_SINGLE: f"{PICTURE}{DRONE}_alone_",
}


def look_name(flight: FlightFolder, detector: str = DRONE_SURFACES) -> str:
    """Give the pass id of a flight's look."""
    return f"{_NAMES[detector]}{flight.id}"


def look_names(flight: FlightFolder) -> frozenset[str]:
    """Give the pass ids of all looks that a flight may give, in a pair or alone."""
    return frozenset(look_name(flight, detector) for detector in _NAMES)
