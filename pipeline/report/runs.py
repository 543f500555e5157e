"""What the folders of runs tell a report: looks and gaps, and pictures of cases."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from shapely.geometry.base import BaseGeometry

from pipeline.errors import ConfigurationError
from pipeline.grid import reproject
from pipeline.io.corridors import reaches_of, utm_crs
from pipeline.io.layers import load_layer
from pipeline.model import Corridor
from pipeline.report.observed import RunLooks, Stretch

OVERVIEW, IMAGE = "overview.png", "after_true.png"
"""The sheet of a case, which says where it lies, and the newest image alone."""


def run_folders(out: Iterable[Path]) -> tuple[Path, ...]:
    """Give the folders of runs below some output folders, by name, each once."""
    found = {p.parent.resolve() for folder in out for p in folder.glob("*/run.json")}
    return tuple(sorted(found, key=lambda p: (p.name, str(p))))


def looks_of(folders: Sequence[Path], workflow: str) -> tuple[RunLooks, ...]:
    """Read what patrols of a workflow saw, by corridor.

    Raises
    ------
    ConfigurationError
        A file of a run cannot be read.
    """
    found: list[RunLooks] = []
    for folder in folders:
        gaps_file = folder / "not_observed.geojson"
        run = _json(folder / "run.json")
        if run.get("workflow") != workflow or not gaps_file.is_file():
            continue
        gaps = _gaps(_json(gaps_file), _day(run["period"]["start"]))
        corridors: Mapping[str, Any] = run["counts"].get("corridors", {})
        for corridor, said in corridors.items():
            days = [_day_of_pass(name) for name in said.get("levels", {})]
            newest = max((d for d in days if d is not None), default=None)
            found.append(RunLooks(corridor, newest, gaps.get(corridor, {}), run["run_id"]))
    return tuple(found)


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


def _gaps(unseen: Mapping[str, Any], start: date) -> dict[str, dict[str, tuple[date, date]]]:
    found: dict[str, dict[str, tuple[date, date]]] = {}
    for feature in unseen["features"]:
        said = feature["properties"]
        since = date.fromisoformat(said["last_clear"]) if said["last_clear"] else None
        # Of one that was never seen, the first day of the period too.
        after = since or start - timedelta(days=1)
        until = (since or start) + timedelta(days=int(said["days"]))
        found.setdefault(said["corridor_id"], {})[said["reach_id"]] = (after, until)
    return found


def _day_of_pass(name: str) -> date | None:
    """Give the UTC day in the name of a pass, which begins with it."""
    found = re.match(r"(\d{4})-?(\d{2})-?(\d{2})", name)
    return date(*(int(g) for g in found.groups())) if found else None


def _day(instant: str) -> date:
    return datetime.fromisoformat(instant).date()


def _json(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"{path} cannot be read, so what was observed is not known",
            "Run the workflow again over its period, or move the folder away",
        ) from error
