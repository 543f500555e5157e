"""Run a series through the program, and hold what it says against the truth."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import shapely
import yaml
from affine import Affine
from rasterio.features import shapes
from shapely.geometry import mapping, shape
from shapely.geometry.base import BaseGeometry

from benchmarks.accuracy.matching import pairs_of, suspected_at
from benchmarks.accuracy.real_objects import FINE, Thing, outline_mask
from benchmarks.accuracy.real_scene import CRS
from benchmarks.accuracy.real_series import FIRST
from pipeline.adjudicate.visit import rank_visits
from pipeline.errors import SiluanError
from pipeline.grid import reproject
from pipeline.ledger import open_ledger
from pipeline.model import Case
from pipeline.publish import split_cases
from pipeline.run import run_workflow
from pipeline.running.request import RunRequest

HERE = Path(__file__).resolve().parents[2]
MIN_IOU, MIN_COVER = 0.2, 0.3


@dataclass(frozen=True)
class Truth:
    """One object or trap on the ground, m in the scene's CRS."""

    id: str
    kind: str
    what: str
    area_m2: float
    polygon: BaseGeometry
    begins: date


@dataclass(frozen=True)
class Verdict:
    """What became of one object."""

    truth: Truth
    state: str  # found, on watch, outline wrong, nothing
    why: str
    case_kind: str = ""
    looks: int = -1  # clear looks from its appearance to suspected
    iou: float = 0.0


@dataclass(frozen=True)
class FalseCase:
    """A suspected case that is no object."""

    id: str
    kind: str
    area_m2: float
    lies_on: str
    state: str
    at: tuple[int, int]  # m, in the scene's CRS


@dataclass(frozen=True)
class Outcome:
    """One run, scored."""

    verdicts: tuple[Verdict, ...]
    false: tuple[FalseCase, ...]
    watch_other: int
    record: dict[str, Any]
    visits: tuple[bool, ...] = ()  # by the order of visits: does the place lie on an object


class Refused(Exception):  # noqa: N818 - an answer of the program and no fault of ours
    """The program refused the series, and says why."""


def truths(things: Sequence[Thing], day: float, corner: Affine) -> list[Truth]:
    """Outline all things that were there at some time up to a day, at their largest."""
    out: list[Truth] = []
    for thing in things:
        last = min(day, thing.ends) if not thing.on_days else thing.on_days[0]
        mask = outline_mask(thing, last)
        if not mask.any():
            continue
        res = 10 / FINE
        transform = Affine(res, 0, corner.c + thing.left * 10, 0, -res, corner.f - thing.top * 10)
        parts = [shape(g) for g, v in shapes(mask.astype(np.uint8), mask, transform=transform) if v]
        polygon = shapely.union_all(parts)
        begins = FIRST + timedelta(days=int(thing.day))
        out.append(Truth(thing.id, thing.kind, thing.what, polygon.area, polygon, begins))
    return out


def write_workflow(
    folder: Path,
    images: Path,
    sensor: tuple[str, str],
    corridor: BaseGeometry,
    days: tuple[date, date, date],
) -> Path:
    """Write a workflow over a folder of images; ``corridor`` in :data:`CRS`.

    ``sensor`` names the band table and the pattern of file names.
    """
    feature = {
        "type": "Feature",
        "geometry": mapping(reproject(corridor, CRS, "EPSG:4326")),
        "properties": {
            "id": "boadella",
            "name_zh": "博阿德利亚",
            "water": "reservoir",
            "accuracy_m": 20,
            "provenance": "outline at full pool and 200 m around it",
        },
    }
    collection = {"type": "FeatureCollection", "features": [feature]}
    (folder / "corridors.geojson").write_text(json.dumps(collection), encoding="utf-8")
    workflow = {
        "name": "injected",
        "corridors": {"file": "corridors.geojson"},
        "sources": [
            {
                "type": "folder",
                "path": str(images),
                "sensor": sensor[0],
                "pattern": sensor[1],
                "time_of_day": "10:56",
                "zone": "UTC",
            }
        ],
        "period": {
            "from": days[0].isoformat(),
            "patrol_from": days[1].isoformat(),
            "to": days[2].isoformat(),
            "zone": "UTC",
        },
        "state": "state",
        "out": "out",
        "sensors": str(HERE / "config" / "sensors"),
        # No result depends on pictures, and here nobody looks at them.
        "options": {"store": {"workers": 1}, "evidence": {"pictures": False, "review": False}},
    }
    path = folder / "workflow.yaml"
    path.write_text(yaml.safe_dump(workflow), encoding="utf-8")
    return path


def run(path: Path) -> tuple[tuple[Case, ...], dict[str, Any]]:
    """Run a workflow as the command does; give the ledger's cases and run.json."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        try:
            code = run_workflow(RunRequest(workflow=path))
        except SiluanError as error:
            raise Refused(f"{error.what}. {error.remedy}") from error
    if int(code) not in (0, 10):
        raise SystemExit(f"the run of {path} left with {code}")
    with open_ledger(path.parent / "state" / "ledger.sqlite") as ledger:
        cases = ledger.cases()
    text = (path.parent / "out" / "latest" / "run.json").read_text(encoding="utf-8")
    return cases, json.loads(text)


def score(
    cases: Sequence[Case], things: Sequence[Truth], looks: Sequence[date], record: dict[str, Any]
) -> Outcome:
    """Match one to one every case that was ever suspected with the objects (science.md 8)."""
    live = [c for c in cases if c.merged_into is None]
    told = [c for c in live if suspected_at(c) is not None]
    objects = [t for t in things if t.kind]
    pairs = pairs_of([t.polygon for t in objects], [c.polygon for c in told])
    verdicts: list[Verdict] = []
    for i, truth in enumerate(objects):
        if i in pairs:
            case = told[pairs[i]]
            when = suspected_at(case)
            assert when is not None
            waited = sum(truth.begins <= d <= when.date() for d in looks)
            iou, _ = _overlap(truth.polygon, case.polygon)
            kind = case.kind.value
            verdicts.append(Verdict(truth, "found", "", kind, waited, iou))
        else:
            verdicts.append(_why(truth, live, told))
    used = set(pairs.values())
    false = tuple(
        FalseCase(
            id=c.case_id,
            kind=c.kind.value,
            area_m2=c.area_m2,
            lies_on=_lies_on(c, things),
            state=c.evidence.state.value,
            at=_at(c),
        )
        for j, c in enumerate(told)
        if j not in used
    )
    names = {t.id for t in objects}
    other = sum(
        1 for c in live if c not in told and _lies_on(c, things).split(":")[-1] not in names
    )
    return Outcome(tuple(verdicts), false, other, record, _visits(live, objects))


def _visits(live: Sequence[Case], objects: Sequence[Truth]) -> tuple[bool, ...]:
    """Tell of every place on watch, in the order of visits, whether an object is there."""
    watch = split_cases(live).watch
    newest = max((k.on for c in live for k in c.looks), default=None)
    until = {} if newest is None else {c.corridor_id: newest for c in watch}
    order = sorted(rank_visits(watch, until).items(), key=lambda item: item[1].rank)
    shapes_ = {c.case_id: c.polygon for c in watch}
    return tuple(
        any(_overlap(t.polygon, shapes_[name])[0] > 0.02 for t in objects) for name, _ in order
    )


def _overlap(a: BaseGeometry, b: BaseGeometry) -> tuple[float, float]:
    common = a.intersection(b).area
    return common / max(a.area + b.area - common, 1e-9), common / max(a.area, 1e-9)


def _why(truth: Truth, live: list[Case], told: list[Case]) -> Verdict:
    """Say why an object was not found, from what touches it."""
    near = [(*_overlap(truth.polygon, c.polygon), c) for c in live]
    near = [n for n in near if n[1] > 0.02]
    if not near:
        return Verdict(truth, "nothing", "no candidate")
    iou, cover, case = max(near, key=lambda n: n[0])
    certain = sum(k.certain for k in case.looks if k.seen.value == "hit")
    said = (
        f"{case.case_id} {case.kind.value} {case.evidence.state.value} score {case.score:.2f} "
        f"IoU {iou:.2f} covers {cover:.2f} hits {case.evidence.hits} certain {certain} "
        f"misses {case.evidence.misses} looks {case.evidence.clear_looks}"
    )
    good = iou >= MIN_IOU and cover >= MIN_COVER
    if case in told:
        return Verdict(truth, "outline wrong", said, case.kind.value, iou=iou)
    reason = "uncertain" if certain < 3 else "not 3 of 4"
    state = "on watch" if good else "on watch, outline wrong"
    return Verdict(truth, state, f"{reason}: {said}", case.kind.value, iou=iou)


def _at(case: Case) -> tuple[int, int]:
    point = case.polygon.representative_point()
    return round(point.x), round(point.y)


def _lies_on(case: Case, things: Sequence[Truth]) -> str:
    best, name = 0.02, "open ground"
    for thing in things:
        share = thing.polygon.intersection(case.polygon).area / max(case.area_m2, 1e-9)
        share = max(share, thing.polygon.intersection(case.polygon).area / thing.area_m2)
        if share > best:
            best, name = share, f"{thing.what}:{thing.id}"
    return name
