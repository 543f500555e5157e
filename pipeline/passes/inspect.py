"""Pairs of flights become candidates, and misses of known cases whose object is gone."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from shapely.geometry.base import BaseGeometry

from pipeline.adjudicate.candidates import AdjudicateOptions, outline
from pipeline.adjudicate.evidence import fold
from pipeline.adjudicate.score import confidence
from pipeline.detect.surface_types import FlightObject, Measure, ObjectKind
from pipeline.errors import SceneUnusableError
from pipeline.grid import geodesic_area_m2, reproject
from pipeline.io.flights import DiskFlight, FlightFolder, reading_flights
from pipeline.io.heap import hand_back
from pipeline.model import (
    DRONE,
    DRONE_PICTURES,
    DRONE_SINGLE,
    DRONE_SURFACES,
    Candidate,
    Corridor,
    Grid,
    Kind,
    LayerArea,
    Look,
    Seen,
    SetAside,
)
from pipeline.passes.flight_looks import look_name
from pipeline.passes.flight_pairs import FlightPair, LoneFlight
from pipeline.passes.flight_places import PairAsker
from pipeline.passes.flight_residuals import Feature, residual_features
from pipeline.passes.flight_single import single_objects
from pipeline.passes.flights import compare_pictures, compare_surfaces
from pipeline.passes.inspect_workflow import InspectOptions
from pipeline.passes.known_structures import KnownStructures
from pipeline.passes.showing_flights import FlightViews, Taken
from pipeline.prepare.flight_moved import moved
from pipeline.prepare.flight_register import register_pictures

log = logging.getLogger("siluan")

_FULL_STRENGTH = 3.0  # mean change, in its own LoD95, from which a sighting counts in full


@dataclass(frozen=True)
class Gone:
    """Something that stood at the earlier flight and not at the later one."""

    polygon_wgs84: BaseGeometry
    look: Look  # a miss of the later flight


@dataclass(frozen=True)
class Inspected:
    """What one pair said."""

    candidates: tuple[Candidate, ...] = ()
    gone: tuple[Gone, ...] = ()
    outside: int = 0  # objects that lie in no corridor
    set_aside: tuple[SetAside, ...] = ()
    # Of the candidates, those held against the flight from before anything stood at their place:
    # what they measure is all of it, and takes the place of what earlier pairs did.
    anew: tuple[Candidate, ...] = ()
    known: int = 0  # objects of a lone flight that the office's layer explains
    ask: PairAsker | None = None  # of a pair of surfaces: what it shows where it found nothing
    error_m: float = 0.0  # of the registration, 1 sigma
    views: FlightViews | None = None  # for pictures; None where two flights do not fit
    refused: bool = False  # the two cannot be brought together; ``set_aside`` says why
    failed: bool = False  # it could not be compared; run.json says why
    residuals: tuple[Feature, ...] = ()  # what is left where the flights were brought together


def inspect_pair(
    pair: FlightPair, corridors: Sequence[Corridor], options: InspectOptions
) -> Inspected:
    """Compare two flights: by their surfaces where both have one, else by their pictures.

    A pair that cannot be brought together is set aside, by name; nothing is compared in its place.
    """
    with reading_flights():
        said = _inspected(pair, corridors, options)
    hand_back(0)  # blocks of cells and what windows left; pairs and pictures come after it
    return said


def _inspected(
    pair: FlightPair, corridors: Sequence[Corridor], options: InspectOptions
) -> Inspected:
    before = DiskFlight(pair.before.folder, pair.grid, pair.surfaces)
    after = DiskFlight(pair.after.folder, pair.grid, pair.surfaces)
    pictures = (replace(before, surface=False), replace(after, surface=False))
    try:
        laid = register_pictures(
            *pictures, pair.grid, options.register_pictures, options.compare.threads
        )
        later, error_m = moved(after, laid.map), laid.error_px * pair.grid.res_m
        ask: PairAsker | None = None
        if pair.surfaces:
            found = compare_surfaces(before, later, pair.grid, options.compare, error_m)
            ask = PairAsker(before, later, pair.grid, options.compare, found, options.single)
        else:
            found = compare_pictures(before, later, pair.grid, options.compare)
    except SceneUnusableError as error:
        aside = SetAside(pair.name, "detect", error.what, error.remedy)
        return Inspected(set_aside=(aside,), refused=True)
    how = "surfaces" if pair.surfaces else "pictures"
    log.info("%s: %d object(s) by their %s", pair.name, len(found.objects), how)
    detector = DRONE_SURFACES if pair.surfaces else DRONE_PICTURES
    shown = _Shown((pair.before, pair.after), detector, error_m)
    sorted_ = _sorted_out(shown, found.grid, found.objects, (corridors, options.adjudicate))
    later = Taken(pair.after, moved(after, laid.map), laid.map)
    views = FlightViews(pair.grid, Taken(pair.before, before), later)
    left = residual_features(pair, laid, None if ask is None else ask.found.fit)
    return replace(sorted_, ask=ask, error_m=error_m, views=views, residuals=left)


def inspect_alone(
    lone: LoneFlight,
    structures: Sequence[LayerArea],
    corridors: Sequence[Corridor],
    options: InspectOptions,
) -> Inspected:
    """Give what stands out of the ground at a flight without an earlier one, and is not known.

    Parameters
    ----------
    structures : sequence of LayerArea
        What the office knows to stand there.
    """
    read = DiskFlight(lone.flight.folder, lone.grid, surface=True)
    with reading_flights():
        found = single_objects(read, lone.grid, options.compare, options.single)
    known = KnownStructures(structures, lone.grid.crs, lone.flight.extent_wgs84)
    new = [o for o in found.objects if not known.explain(outline(o.rows, o.cols, found.grid))]
    log.info("%s: %d object(s) by itself", lone.flight.id, len(new))
    shown = _Shown((lone.flight,), DRONE_SINGLE, 0.0)
    sorted_ = _sorted_out(shown, found.grid, new, (corridors, options.adjudicate))
    views = FlightViews(lone.grid, None, Taken(lone.flight, read))
    return replace(sorted_, known=len(found.objects) - len(new), views=views)


@dataclass(frozen=True)
class _Shown:
    """By which flights objects were found, and how."""

    flights: tuple[FlightFolder, ...]  # the one that shows them last
    detector: str
    error_m: float


def _sorted_out(
    shown: _Shown,
    cells: Grid,
    objects: Iterable[FlightObject],
    rest: tuple[Sequence[Corridor], AdjudicateOptions],
) -> Inspected:
    corridors, how = rest
    candidates: list[Candidate] = []
    gone: list[Gone] = []
    faults: list[SetAside] = []
    outside = 0
    for thing in objects:
        polygon = outline(thing.rows, thing.cols, cells)
        place = reproject(polygon, cells.crs, "EPSG:4326")
        look = _look(shown, thing)
        if thing.kind is ObjectKind.REMOVED:
            gone.append(Gone(place, replace(look, seen=Seen.MISS)))
            continue
        corridor = _corridor_of(place, corridors)
        if corridor is None:
            outside += 1
            continue
        if thing.kind is ObjectKind.FAULT:
            faults.append(_fault(shown, thing, place))
            continue
        looks = (*_earlier(shown, thing), look)
        candidates.append(_candidate(thing, looks, (polygon, cells.crs), (shown, corridor), how))
    return Inspected(tuple(candidates), tuple(gone), outside, tuple(faults))


def _fault(shown: _Shown, thing: FlightObject, place: BaseGeometry) -> SetAside:
    names = " and ".join(f.id for f in shown.flights)
    at, high = place.centroid, thing.height_m
    said = "a change" if high is None else f"a change of {high.value:.0f} m"
    return SetAside(
        f"{names}, at {at.x:.5f}, {at.y:.5f}",
        "detect",
        f"{said} over {thing.footprint_m2.value:.0f} m² cannot be (options.compare.change: "
        "highest_m, deepest_m, slender_ground, slender_wall), and is not told as an object",
        "Look at both surfaces there for a hole, a spike or another unit, process the surface "
        "again, and submit it with supersedes",
    )


def _look(shown: _Shown, thing: FlightObject) -> Look:
    flight = shown.flights[-1]
    return Look(
        on=flight.flown,
        pass_id=look_name(flight, shown.detector),
        sensor=DRONE,
        clear_share=round(1.0 - thing.unseen_share, 4),
        seen=Seen.HIT,
        certain=shown.detector == DRONE_SURFACES,
        residual_m=round(shown.error_m, 4),
    )


def _earlier(shown: _Shown, thing: FlightObject) -> tuple[Look, ...]:
    """Give the look of a pair's earlier flight, which shows the ground without the object."""
    return tuple(
        Look(
            on=flight.flown,
            pass_id=look_name(flight, shown.detector),
            sensor=DRONE,
            clear_share=round(1.0 - thing.unseen_share, 4),
            seen=Seen.MISS,
            certain=False,
            residual_m=round(shown.error_m, 4),
        )
        for flight in shown.flights[:-1]
    )


def _corridor_of(place: BaseGeometry, corridors: Sequence[Corridor]) -> Corridor | None:
    """Give the corridor that holds most of an object, None where none holds any."""
    shares = [(place.intersection(c.polygon_wgs84).area, c.id, c) for c in corridors]
    most = max(shares, key=lambda s: (s[0], s[1]))
    return most[2] if most[0] > 0 else None


def _candidate(
    thing: FlightObject,
    looks: tuple[Look, ...],
    place: tuple[BaseGeometry, str],
    where: tuple[_Shown, Corridor],
    how: AdjudicateOptions,
) -> Candidate:
    (polygon, crs), (shown, corridor), look = place, where, looks[-1]
    worth = float(np.clip(thing.strength / _FULL_STRENGTH, 0, 1))
    return Candidate(
        # Pictures do not tell the kinds apart; what was built is what they show best.
        kind=thing.kind.kind or Kind.JIAN,
        corridor_id=corridor.id,
        polygon=polygon,
        crs=crs,
        area_m2=round(geodesic_area_m2(polygon, crs), 2),
        looks=looks,
        evidence=fold(looks, how.fold, look.on),
        score=confidence((look,), {look.pass_id: worth}, how.score),
        measures=measures_of(thing),
        scene_ids=tuple(sorted(f.id for f in shown.flights)),
        detector=shown.detector,
    )


def measures_of(thing: FlightObject) -> dict[str, float]:
    """Name an object's measures; each value with the ends of its 95 % interval."""
    intervals: Mapping[str, Measure | None] = {
        "footprint_m2": thing.footprint_m2,
        "height_m": thing.height_m,
        "cut_m3": thing.cut_m3,
        "fill_m3": thing.fill_m3,
        "net_m3": thing.net_m3,
    }
    plain = {
        "strength": thing.strength,
        "side_slope": thing.side_slope,
        "planarity_m": thing.planarity_m,
        "unseen_share": thing.unseen_share,
        "volume_is_least": float(thing.volume_is_least),
    }
    out = {name: value for name, value in plain.items() if value is not None}
    for name, m in intervals.items():
        if m is not None:
            out |= {name: m.value, f"{name}_low": m.low, f"{name}_high": m.high}
    return {name: round(float(v), 4) for name, v in sorted(out.items()) if np.isfinite(v)}
