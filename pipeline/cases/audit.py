"""A blind sample for checking, and what its answers come to.

The list says where to look and nothing else; which stratum a place is of is kept in the state
folder, and read again with the answers.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from shapely.geometry.base import BaseGeometry

from pipeline.cases.ground import (
    SIDE_M,
    Marked,
    Place,
    Square,
    crs_of,
    groups_of,
    one_of,
    places_of,
    seen_ground,
)
from pipeline.cases.strata import CASES, Drawn, Stratum, draw, stratum_of
from pipeline.cases.tables import write_csv
from pipeline.cases.where import Report, make_folder, today
from pipeline.config import Workflow, choose_corridors, load_workflow
from pipeline.errors import ConfigurationError
from pipeline.io.atomic import write_bytes, write_json
from pipeline.io.datum import applies, to_gcj02
from pipeline.ledger import open_ledger
from pipeline.model import Status
from pipeline.publish.geometry import as_geojson, inner_point, to_wgs84
from pipeline.publish.words import NOTICE

WHERE = ("audit", "place", "corridor", "lon", "lat", "lon_gcj02", "lat_gcj02", "side_m")
COLUMNS = (*WHERE, "answer", "by", "on", "note")
_STRICT = ConfigDict(frozen=True, extra="forbid")


class Meaning(BaseModel):
    """What a place stands for."""

    model_config = _STRICT

    stratum: Stratum
    case_id: str | None = Field(
        default=None, description="the case of that stratum whose inner point lies in the square"
    )
    weight: float = Field(
        default=1.0, gt=0, description="squares it stands for, beside others of its stratum"
    )
    lon: float | None = Field(default=None, description="WGS 84, as the list says it")
    lat: float | None = None


class AuditKey(BaseModel):
    """What the list does not say; those drawn before 2026-11-28 know no weights and no places."""

    model_config = _STRICT

    audit: str
    made_at: str = Field(description="UTC")
    seed: int
    side_m: float
    ledger_events: int = Field(description="events of the ledger when it was drawn")
    sizes: dict[Stratum, int] = Field(description="squares in each stratum")
    places: dict[str, Meaning]

    @property
    def drawn_on(self) -> date:
        """The day in the office on which it was drawn: no answer is older."""
        return today(datetime.fromisoformat(self.made_at))


@dataclass(frozen=True)
class Chosen:
    """A place that was drawn."""

    stratum: Stratum
    place: Place
    weight: float  # 1 / its chance, but for what all of its stratum share


@dataclass(frozen=True)
class SampleRequest:
    """What the command was given."""

    workflow: Path
    n: int
    seed: int
    out: Path


def draw_sample(request: SampleRequest) -> Report:
    """Draw a blind sample and write it for visiting: CSV, GeoJSON, KML; the key goes to state/.

    Raises
    ------
    ConfigurationError
        There is nothing to draw from, or the list was drawn already.
    """
    workflow = load_workflow(request.workflow)
    strata, events, unseen = _population(workflow)
    drawn = choose(strata, request.n, np.random.default_rng(request.seed))
    if not drawn:
        raise ConfigurationError(
            "there is no place to draw from: no corridor was looked at", "Run the workflow first"
        )
    squares = [d.place.square for d in drawn]
    content = f"{request.seed} {events} {sorted(squares)}"
    name = f"audit-{hashlib.sha256(content.encode()).hexdigest()[:8]}"
    rows = [_row(name, f"P{i:04d}", s) for i, s in enumerate(squares, 1)]
    key = AuditKey(
        audit=name,
        made_at=_made_at(key_path(workflow.state, name)),
        seed=request.seed,
        side_m=SIDE_M,
        ledger_events=events,
        sizes={s: len(v) for s, v in strata.items()},
        places={r["place"]: _meaning(d, r) for d, r in zip(drawn, rows, strict=True)},
    )
    files = _files(request.out / name, rows, squares)
    _refuse_filled(files)
    make_folder(request.out)
    # The key first and the list that is filled in last: a list never lies there without its key.
    write_json(key_path(workflow.state, name), key.model_dump(mode="json"))
    for path, data in reversed(files.items()):
        write_bytes(path, data)
    paths = list(files)
    left_out = (f"nothing was seen yet, and nothing drawn, of {', '.join(unseen)}",)
    return Report(
        (
            *(left_out if unseen else ()),
            f"{len(rows)} places in {', '.join(str(p) for p in paths)}",
            "fill in answer (有问题: 100 m² of one or more lie in the square; 没有问题 / 看不清), "
            "by and on; then: siluan cases "
            f"audit --answers {paths[0]} --workflow {request.workflow}",
            f"seed {request.seed}; which place is of which stratum is kept in the state folder",
        )
    )


def choose(
    strata: Mapping[Stratum, Sequence[Place]], n: int, rng: np.random.Generator
) -> list[Chosen]:
    """Draw places in random order: of squares with a case one of each group that touches."""
    units = {s: groups_of(v) if s in CASES else [(p,) for p in v] for s, v in strata.items()}
    return [_chosen(drawn, rng) for drawn in draw(units, n, rng, len)]


def _chosen(drawn: Drawn[tuple[Place, ...]], rng: np.random.Generator) -> Chosen:
    place, stands = one_of(drawn.what, rng)
    return Chosen(drawn.stratum, place, stands * drawn.stands / len(drawn.what))


def _made_at(path: Path) -> str:
    """Give when a list was first drawn: drawn again, it is the same list, perhaps visited since."""
    try:
        return AuditKey.model_validate_json(path.read_bytes()).made_at
    except (OSError, ValueError):
        return datetime.now(UTC).isoformat(timespec="seconds")


def key_path(state: Path, audit: str) -> Path:
    """Give the file that says what the places of an audit are."""
    return state / "audits" / f"{audit}.json"


def _population(workflow: Workflow) -> tuple[dict[Stratum, list[Place]], int, list[str]]:
    """Give every square by stratum, how far the ledger had come, and corridors nobody looked at.

    What was seen is what any look since the patrol began saw, by whichever run: a run of one
    corridor says nothing of the others.
    """
    corridors = {c.id: c for c in choose_corridors(workflow)}
    with open_ledger(workflow.ledger_place, writing=False) as ledger:
        cases, events = ledger.cases(corridors=corridors), ledger.count_events()
        issued = {e.case_id for e in ledger.told("status", [Status.ISSUED.value])}
    placed = [(case, stratum_of(case, issued)) for case in cases]
    marked = [Marked(case, CASES.index(s)) for case, s in placed if s is not None]
    since = workflow.period.patrol_from or workflow.period.start
    seen: dict[str, dict[str, BaseGeometry]] = {}
    unseen: list[str] = []
    for corridor in corridors.values():
        ground = seen_ground(workflow.state, corridor, since)
        if ground.is_empty:
            unseen.append(corridor.id)
        else:
            seen.setdefault(crs_of(corridor), {})[corridor.id] = ground
    strata: dict[Stratum, list[Place]] = {s: [] for s in Stratum}
    for crs, grounds in sorted(seen.items()):
        for place in places_of(crs, grounds, marked):
            strata[_stratum(place)].append(place)
    return strata, events, unseen


def _stratum(place: Place) -> Stratum:
    if place.standing is not None:
        return CASES[place.standing]
    return Stratum.BESIDE if place.beside else Stratum.UNFLAGGED


def _meaning(chosen: Chosen, row: Mapping[str, Any]) -> Meaning:
    return Meaning(
        stratum=chosen.stratum,
        case_id=chosen.place.case_id,
        weight=chosen.weight,
        lon=float(row["lon"]),
        lat=float(row["lat"]),
    )


def _row(audit: str, place: str, square: Square) -> dict[str, Any]:
    lon, lat = inner_point(to_wgs84(square.polygon, square.crs))
    gcj = to_gcj02(lon, lat) if applies(lon, lat) else None
    return {
        "audit": audit,
        "place": place,
        "corridor": square.corridor_id,
        "lon": f"{lon:.7f}",
        "lat": f"{lat:.7f}",
        "lon_gcj02": f"{gcj[0]:.7f}" if gcj else None,
        "lat_gcj02": f"{gcj[1]:.7f}" if gcj else None,
        "side_m": f"{SIDE_M:.0f}",
    }


def _files(
    stem: Path, rows: Sequence[Mapping[str, Any]], squares: Sequence[Square]
) -> dict[Path, bytes]:
    """Give the places as CSV, GeoJSON and KML."""
    shapes = [to_wgs84(s.polygon, s.crs) for s in squares]
    features = [
        {"type": "Feature", "id": r["place"], "geometry": as_geojson(g), "properties": {
            c: r.get(c) for c in COLUMNS}}
        for r, g in zip(rows, shapes, strict=True)
    ]  # fmt: skip
    collection = {"type": "FeatureCollection", "features": features}
    text = json.dumps(collection, ensure_ascii=False, indent=1)
    contents = (write_csv(COLUMNS, [*rows]), text.encode(), _kml(stem.name, rows))
    ends = (".csv", ".geojson", ".kml")
    return {stem.with_name(stem.name + e): data for e, data in zip(ends, contents, strict=True)}


def _refuse_filled(files: Mapping[Path, bytes]) -> None:
    """Refuse to write over what may hold answers.

    What is as it would be written holds none: a writing that was cut off left it. But where the
    list is whole it is not drawn twice.
    """
    lying = [p for p, data in files.items() if p.exists() and not _unfilled(p, data)]
    if lying:
        raise ConfigurationError(
            f"{', '.join(map(str, lying))} is there already and may hold answers",
            "Use it, give another --seed, or another --out",
        )


def _unfilled(path: Path, data: bytes) -> bool:
    return path.suffix != ".csv" and path.is_file() and path.read_bytes() == data


def _kml(audit: str, rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Give the places as points for a telephone (OGC 07-147r2)."""
    marks = "".join(
        f"<Placemark><name>{escape(r['place'])}</name><Point><coordinates>{r['lon']},{r['lat']}"
        "</coordinates></Point></Placemark>\n"
        for r in rows
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<kml xmlns="http://www.opengis.net/kml/2.2">'
        f"<Document><name>{escape(audit)}</name><description>{NOTICE}</description>\n{marks}"
        "</Document></kml>\n"
    ).encode()
