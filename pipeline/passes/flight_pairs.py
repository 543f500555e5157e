"""Which two flights are compared, and on which grid."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

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
    def order(self) -> tuple[datetime, str, datetime, str]:
        """Sort key: oldest later flight first, and of one of them the oldest earlier flight."""
        return self.after.flown, self.after.id, self.before.flown, self.before.id

    @property
    def ground(self) -> BaseGeometry:
        """What both show (lon/lat)."""
        return self.before.shown_wgs84.intersection(self.after.shown_wgs84)

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
    refused: Collection[str] = (),
) -> Pairing:
    """Pair each piece of a flight's ground with the newest earlier flight that serves there.

    By surfaces where an earlier flight has one as well, else by pictures: a small flight, one
    without a surface and one that is refused hide nothing that lies before them (decision 301).
    What serves no pair is named.

    Parameters
    ----------
    flights
        Oldest first.
    corridors
        A flight that touches none is not compared.
    structures : bool
        The office has a layer of what stands there: a flight without an earlier one is held
        against it, if it has a surface.
    refused : collection of str
        Names of pairs that were tried and say nothing: their ground is asked of older flights.
    """
    lone: list[LoneFlight] = []
    pairs: list[FlightPair] = []
    alone: list[FlightFolder] = []
    aside: list[SetAside] = []
    area = shapely.union_all([c.polygon_wgs84 for c in corridors])
    used: list[FlightFolder] = []
    for flight in flights:
        why = _unfit(flight, area, options)
        if why is not None:
            aside.append(why)
            continue
        earlier = [f for f in used if f.flown < flight.flown]
        found = _pairs_of(flight, earlier, options, refused)
        pairs += found
        if not found and flight.has_surface and structures:
            lone.append(LoneFlight(flight, _grid(flight, flight, options)))
        elif not found:
            alone.append(flight)
        used.append(flight)
    # What a later flight was held against has done its part.
    served = {p.before.id for p in pairs}
    aside += [
        SetAside(f.id, "acquire", _alone(f, used, options)) for f in alone if f.id not in served
    ]
    return Pairing(tuple(pairs), tuple(aside), tuple(lone))


def _pairs_of(
    flight: FlightFolder,
    earlier: Sequence[FlightFolder],
    options: PairingOptions,
    refused: Collection[str],
) -> list[FlightPair]:
    """Give the pairs of a later flight, those of surfaces first, newest earlier flight first.

    One more is read only where it adds ``least_overlap`` of the smaller ground: a seam of two
    flights is not worth the comparison of all that they share.
    """
    left = flight.shown_wgs84  # what no pair compares yet
    found: list[FlightPair] = []
    for surfaces in (True, False):
        for before in reversed(earlier):
            if (before.has_surface and flight.has_surface) is not surfaces:
                continue
            common = before.shown_wgs84.intersection(left)
            if _share(common, before, flight) < options.least_overlap:
                continue
            pair = FlightPair(before, flight, _grid(before, flight, options))
            found.append(pair)
            if pair.name not in refused:
                left = left.difference(common)
    return found


def held_against(
    before: FlightFolder, after: FlightFolder, options: PairingOptions
) -> FlightPair | None:
    """Give the pair of any two flights that overlap enough; None where they do not."""
    common = before.shown_wgs84.intersection(after.shown_wgs84)
    if before.flown >= after.flown or _share(common, before, after) < options.least_overlap:
        return None
    return FlightPair(before, after, _grid(before, after, options))


def _alone(flight: FlightFolder, others: Sequence[FlightFolder], options: PairingOptions) -> str:
    shares = [
        (_share(f.shown_wgs84.intersection(flight.shown_wgs84), f, flight), f.id)
        for f in others
        if f.id != flight.id
    ]
    most, name = max(shares, default=(0.0, ""))
    reason = "no other flight of the workflow overlaps it"
    if most > 0:
        reason += (
            f" enough (most does {name}: {most:.1%} of the smaller of the two, and "
            f"options.pairing.least_overlap asks for {options.least_overlap:.0%})"
        )
    reason += ": later ones will be held against it"
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


def _share(common: BaseGeometry, one: FlightFolder, other: FlightFolder) -> float:
    """Give an area as a share of the smaller ground of two flights."""
    return float(common.area / max(min(one.shown_wgs84.area, other.shown_wgs84.area), 1e-18))


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
