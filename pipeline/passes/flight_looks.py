"""How looks of flights are named."""

from __future__ import annotations

from pipeline.io.flights import FlightFolder
from pipeline.model import (
    DRONE,
    DRONE_PICTURES,
    DRONE_SINGLE,
    DRONE_SURFACES,
    PICTURE,
    Look,
    Seen,
)

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


def look_names(flight_id: str) -> frozenset[str]:
    """Give the pass ids of all looks that a flight may give, in a pair or alone."""
    return frozenset(f"{name}{flight_id}" for name in _NAMES.values())


def surface_miss(flight: FlightFolder, clear_share: float, error_m: float) -> Look:
    """Give the look of a later flight whose surface shows the ground without the object.

    Parameters
    ----------
    clear_share : float
        0..1 of the place, seen on both dates.
    error_m : float
        Of the pair's registration, 1 sigma.
    """
    return Look(
        on=flight.flown,
        pass_id=look_name(flight),
        sensor=DRONE,
        clear_share=round(clear_share, 4),
        seen=Seen.MISS,
        certain=True,
        residual_m=round(error_m, 4),
    )
