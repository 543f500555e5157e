"""Notes which reaches could be seen: by every pass of a run, and by flights."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from pipeline.config import ReportOptions, Workflow
from pipeline.grid import reproject
from pipeline.io.corridors import reaches_of, utm_crs
from pipeline.io.flights import FlightFolder
from pipeline.io.observed import LookedAt, note_looks
from pipeline.model import DRONE, Corridor, Pass, office_day
from pipeline.passes.ground import Site
from pipeline.passes.reduce import Reduced


def note_passes(
    workflow: Workflow, site: Site, passes: Sequence[Pass], reduced: Reduced, unread: set[str]
) -> None:
    """Note what every pass saw; ``unread``: those of which a source gave no answer this time."""
    least = workflow.options.report.clear_share
    looks: dict[str, LookedAt] = {}
    for p in passes:
        if p.id in unread:
            continue
        shares = reduced.reach_clear.get(p.id, ())
        clear = tuple(
            r.id for r in site.reaches if r.index < len(shares) and shares[r.index] >= least
        )
        looks[p.id] = LookedAt(on=office_day(p.acquired), clear=clear)
    note_looks(workflow.state, site.corridor, looks)


def note_flights(
    state: Path, corridors: Iterable[Corridor], flights: Sequence[FlightFolder]
) -> None:
    """Note which reaches flights saw: those of which a mosaic covers as much as a look needs."""
    least = ReportOptions().clear_share
    for corridor in corridors:
        crs = utm_crs(corridor.polygon_wgs84)
        reaches = reaches_of(corridor, crs)
        looks: dict[str, LookedAt] = {}
        for flight in flights:
            ground = reproject(flight.extent_wgs84, "EPSG:4326", crs)
            if not any(r.polygon.intersects(ground) for r in reaches):
                continue
            clear = tuple(
                r.id
                for r in reaches
                if r.polygon.intersection(ground).area >= least * r.polygon.area
            )
            on = office_day(flight.flown)
            looks[f"{DRONE}_{flight.id}"] = LookedAt(on=on, clear=clear)
        note_looks(state, corridor, looks)
