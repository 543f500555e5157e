"""Which two flights are compared, and on which grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import shapely
from affine import Affine
from pyproj import CRS
from shapely.geometry.base import BaseGeometry

from pipeline.grid import reproject
from pipeline.io.corridors import utm_crs
from pipeline.io.flights import FlightFolder
from pipeline.model import Corridor, Grid, SetAside
from pipeline.passes.inspect_workflow import PairingOptions

_AS_FINE = 1.02  # pixels that differ by less are alike


@dataclass(frozen=True)
class FlightPair:
    """Two flights that overlap, and the pixels of what both cover."""

    before: FlightFolder
    after: FlightFolder
    grid: Grid

    @property
    def name(self) -> str:
        """For messages."""
        return f"{self.before.id} and {self.after.id}"

    @property
    def surfaces(self) -> bool:
        """Whether both have a surface."""
        return self.before.has_surface and self.after.has_surface


@dataclass(frozen=True)
class LoneFlight:
    """A flight with a surface and without an earlier one, and its pixels."""

    flight: FlightFolder
    grid: Grid


@dataclass(frozen=True)
class Pairing:
    """What can be compared, oldest later flight first, and what cannot."""

    pairs: tuple[FlightPair, ...]
    set_aside: tuple[SetAside, ...]
    lone: tuple[LoneFlight, ...] = ()


def pair_flights(
    flights: Sequence[FlightFolder],
    corridors: Sequence[Corridor],
    options: PairingOptions,
    *,
    structures: bool = False,
) -> Pairing:
    """Pair each flight with the newest earlier one that overlaps; name those that serve no pair.

    Parameters
    ----------
    flights
        Oldest first.
    corridors
        A flight that touches none is not compared.
    structures : bool
        The office has a layer of what stands there: a flight without an earlier one is held
        against it, if it has a surface.
    """
    lone: list[LoneFlight] = []
    pairs: list[FlightPair] = []
    aside: list[SetAside] = []
    area = shapely.union_all([c.polygon_wgs84 for c in corridors])
    used: list[FlightFolder] = []
    for flight in flights:
        why = _unfit(flight, area, options)
        if why is not None:
            aside.append(why)
            continue
        earlier = [
            f
            for f in used
            if f.flown < flight.flown and _overlap(f, flight) >= options.least_overlap
        ]
        if earlier:
            pairs.append(FlightPair(earlier[-1], flight, _grid(earlier[-1], flight, options)))
        elif flight.has_surface and structures:
            lone.append(LoneFlight(flight, _grid(flight, flight, options)))
        else:
            aside.append(SetAside(flight.id, "acquire", _alone(flight)))
        used.append(flight)
    # What a later flight was held against has done its part.
    served = {p.before.id for p in pairs}
    return Pairing(tuple(pairs), tuple(a for a in aside if a.what not in served), tuple(lone))


def _alone(flight: FlightFolder) -> str:
    reason = "no other flight of the workflow overlaps it: later ones will be held against it"
    if flight.has_surface:
        return f"{reason}; without a layer of existing structures one flight cannot say what is new"
    return f"{reason}; one flight without a surface cannot say what stands there"


def _unfit(flight: FlightFolder, area: BaseGeometry, options: PairingOptions) -> SetAside | None:
    if not flight.extent_wgs84.intersects(area):
        return SetAside(
            flight.id,
            "acquire",
            "the flight lies outside all corridors of the workflow",
            "Add a corridor where it was flown, or leave the flight out",
        )
    if flight.gsd_m > options.coarsest_m:
        return SetAside(
            flight.id,
            "acquire",
            f"its pixels of {flight.gsd_m:g} m are coarser than {options.coarsest_m:g} m",
            "Fly lower, or process the photos at full resolution",
        )
    return None


def _overlap(one: FlightFolder, other: FlightFolder) -> float:
    """Give the share of the smaller frame that both cover."""
    a, b = one.extent_wgs84, other.extent_wgs84
    return float(a.intersection(b).area / max(min(a.area, b.area), 1e-18))


def _grid(before: FlightFolder, after: FlightFolder, options: PairingOptions) -> Grid:
    """Pixels over what both cover: the earlier mosaic's own, where the later one is as fine."""
    common = before.extent_wgs84.intersection(after.extent_wgs84)
    metric = _metric(before.crs)
    crs = before.crs if metric else utm_crs(common)
    least = max(before.gsd_m, after.gsd_m, options.finest_m)
    left, top, res = 0.0, 0.0, least
    if metric and before.lattice is not None and least <= _AS_FINE * before.gsd_m:
        # Read as they are: each further sampling is one more blur.
        left, top, res = before.lattice.c, before.lattice.f, float(before.lattice.a)
    west, south, east, north = reproject(common, "EPSG:4326", crs).bounds
    col0, row0 = (round((v - o) / res) for v, o in ((west, left), (-north, -top)))
    col1, row1 = (round((v - o) / res) for v, o in ((east, left), (-south, -top)))
    x, y = left + col0 * res, top - row0 * res
    return Grid(crs, Affine(res, 0, x, 0, -res, y), (max(1, row1 - row0), max(1, col1 - col0)))


def _metric(crs: str) -> bool:
    """Whether a CRS has a code and metres: outlines travel with its code."""
    known = CRS.from_user_input(crs)
    units = {axis.unit_name for axis in known.axis_info}
    return crs.startswith("EPSG:") and known.is_projected and units == {"metre"}
