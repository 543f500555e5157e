"""What state and folders of runs tell a report: looks by reach, and pictures of cases."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path

from shapely.geometry.base import BaseGeometry

from pipeline.grid import reproject
from pipeline.io.corridors import reaches_of, utm_crs
from pipeline.io.layers import load_layer
from pipeline.io.observed import read_looks
from pipeline.model import Corridor
from pipeline.report.observed import CorridorLooks, Stretch

OVERVIEW, IMAGE = "overview.png", "after_true.png"
"""The sheet of a case, which says where it lies, and the newest image alone."""


def run_folders(out: Iterable[Path]) -> tuple[Path, ...]:
    """Give the folders of runs below some output folders, by name, each once."""
    found = {p.parent.resolve() for folder in out for p in folder.glob("*/run.json")}
    return tuple(sorted(found, key=lambda p: (p.name, str(p))))


def looks_of(state: Path, corridors: Iterable[Corridor]) -> dict[str, CorridorLooks]:
    """Read what all looks saw, by corridor: of patrols, rechecks and drones.

    Raises
    ------
    ConfigurationError
        A file of the state folder is damaged.
    """
    found: dict[str, CorridorLooks] = {}
    for corridor in corridors:
        known = read_looks(state, corridor)
        if known is None or not known.looks:
            continue
        days = [k.on for k in known.looks.values()]
        clear: dict[str, set[date]] = {}
        for look in known.looks.values():
            for reach in look.clear:
                clear.setdefault(reach, set()).add(look.on)
        named = {reach: frozenset(on) for reach, on in clear.items()}
        found[corridor.id] = CorridorLooks(min(days), max(days), named)
    return found


def stretches_of(corridors: Iterable[Corridor], layers: Path) -> tuple[Stretch, ...]:
    """Cut corridors into reaches, and those at the borders of counties where they were imported."""
    layer = load_layer(layers, "counties")
    counties = [
        (str(f.fields.get("code") or ""), f.geometry) for f in (layer.features if layer else ())
    ]
    return tuple(s for c in corridors for s in _stretches(c, counties))


def picture_of(
    folders: Sequence[Path], case_id: str, revision: int, names: Sequence[str]
) -> Path | None:
    """Give the newest picture of a case up to a revision; None where no run left one.

    Parameters
    ----------
    names : sequence of str
        Files of a revision's evidence that will do, best first.
    """
    found: dict[int, Path] = {}
    for folder in folders:
        for place in (folder / "evidence" / case_id).glob("[0-9]*"):
            files = [place / name for name in names if (place / name).is_file()]
            if place.name.isdigit() and files:
                found[int(place.name)] = files[0]
    known = [r for r in found if r <= revision]
    return found[max(known)] if known else None


def _stretches(
    corridor: Corridor, counties: Sequence[tuple[str, BaseGeometry]]
) -> Iterable[Stretch]:
    crs = utm_crs(corridor.polygon_wgs84)
    line = corridor.centreline_wgs84
    for reach in reaches_of(corridor, crs):
        if corridor.water != "river" or line is None:
            where = reproject(reach.polygon.representative_point(), crs, "EPSG:4326")
            county = next((code for code, area in counties if area.contains(where)), "")
            yield Stretch(corridor.id, reach.id, county, None)
            continue
        part = reproject(line, "EPSG:4326", crs).intersection(reach.polygon)
        inside: dict[str, float] = {}
        for code, area in counties:
            km = part.intersection(reproject(area, "EPSG:4326", crs)).length / 1000
            inside[code] = inside.get(code, 0.0) + km
        rest = max(part.length / 1000 - sum(inside.values()), 0.0)
        for code, km in {**inside, "": rest + inside.get("", 0.0)}.items():
            if km > 0.0005:
                yield Stretch(corridor.id, reach.id, code, km)
