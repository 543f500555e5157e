"""The output folder of a run: whole or not at all, and the same again for the same input."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

from pipeline.io.atomic import disk_full_named, point_latest, replace_dir, write_bytes
from pipeline.io.failpoints import failpoint
from pipeline.io.layers import OfficeLayer
from pipeline.io.shelf import lay_out
from pipeline.model import (
    RELAPSE,
    Case,
    Corridor,
    EvidenceState,
    NotObserved,
    Proposed,
    RunRecord,
    Status,
    Visit,
)
from pipeline.publish.contract import check
from pipeline.publish.geojson import (
    Imagery,
    case_feature,
    feature_collection,
    not_observed_feature,
    to_bytes,
)
from pipeline.publish.gis.layers import Said
from pipeline.publish.gis.output import CRS, GEOPACKAGE, PROJECT, gis_layers, project_over
from pipeline.publish.gis.table import GisLayer
from pipeline.publish.record import run_document

log = logging.getLogger(__name__)

VOLATILE = frozenset({"run.json", "run.log"})  # may differ between runs over the same input

OPEN = frozenset(
    {Status.SUSPECTED, Status.ISSUED, Status.VERIFIED, Status.RECTIFYING, Status.RELAPSED}
)


@dataclass(frozen=True)
class Shelves:
    """What a run publishes of the ledger, by list; each in the order of ids."""

    cases: tuple[Case, ...] = ()  # open
    watch: tuple[Case, ...] = ()  # for analysts
    suppressed: tuple[Case, ...] = ()  # either, explained by the office's layers


@dataclass(frozen=True)
class PublishContext:
    """What features say beside the case itself."""

    rivers_zh: Mapping[str, str] = field(default_factory=dict[str, str])  # by corridor id
    gsd_m: Mapping[str, float] = field(default_factory=dict[str, float])  # by sensor [m]
    extras: Mapping[str, bytes] = field(default_factory=dict[str, bytes])  # e.g. run.log
    confidence: Mapping[str, float] = field(default_factory=dict[str, float])  # calibrated, by case
    basis: str | None = None  # what the calibration was fitted on, in a word
    visits: Mapping[str, Visit] = field(default_factory=dict[str, Visit])  # by case on watch
    proposed: Mapping[str, Proposed] = field(default_factory=dict[str, Proposed])  # by case
    audit: frozenset[str] = frozenset()  # ids of suppressed cases that somebody should check
    corridors: tuple[Corridor, ...] = ()  # for the map
    office: Mapping[str, OfficeLayer] = field(default_factory=dict[str, OfficeLayer])  # likewise
    reasons_zh: Mapping[str, str] = field(default_factory=dict[str, str])  # words of reason codes
    imagery: Mapping[str, Imagery] = field(default_factory=dict[str, Imagery])  # by case
    # Folder in the output → a folder of the shelf whose files it gets.
    trees: Mapping[str, Path] = field(default_factory=dict[str, Path])


@dataclass(frozen=True)
class Published:
    """Where a run left what it found."""

    folder: Path  # dated
    latest: Path  # link (or text file) that points to it
    files: tuple[Path, ...]
    changed: bool  # anything but run.json and run.log


def publish_run(
    out_dir: Path,
    shelves: Shelves,
    not_observed: Iterable[NotObserved],
    record: RunRecord,
    context: PublishContext | None = None,
) -> Published:
    """Write the folder of a run, named by the period's end and the run id, and point latest to it.

    Parameters
    ----------
    shelves : Shelves
        See ``split_cases``.
    context : PublishContext, optional
        Names, ground sample distances, further files.

    Raises
    ------
    ContractError
        If anything would break the schema; then nothing is written.
    DiskFullError
        If the disk is full; what was there before stays, and nothing half-written.
    """
    # A second GDAL, which nothing before needs: see pipeline.io.ogr.
    from pipeline.publish.gis.edited import keep_edits  # noqa: PLC0415
    from pipeline.publish.gis.geopackage import geopackage  # noqa: PLC0415

    context = context or PublishContext()
    unseen = tuple(not_observed)
    contents = render(shelves, unseen, context)
    layers, counts = _map_of(shelves, unseen, context)
    contents[GEOPACKAGE] = geopackage(layers, CRS, record.period[1])
    title = f"四乱疑似问题 {record.workflow} {record.last_day}"

    def finish(partial: Path) -> Finished:
        for name, kept in sorted(context.trees.items()):
            lay_out(kept, partial / name)
        # Last, since it shows what else lies there.
        files, pictures = project_over(layers, partial, title)
        return files, {"gis": {**counts, "before_after": pictures}}

    keep_edits(folder_of(out_dir, record), GEOPACKAGE, PROJECT)
    return publish_files(out_dir, contents, record, context.extras, finish)


Finished: TypeAlias = tuple[Mapping[str, bytes], Mapping[str, Any]]
"""Further promised files, and counts for run.json."""


def publish_files(
    out_dir: Path,
    promised: Mapping[str, bytes],
    record: RunRecord,
    extras: Mapping[str, bytes],
    finish: Callable[[Path], Finished] | None = None,
) -> Published:
    """Write the folder of a run of any kind; raises as :func:`publish_run`.

    Parameters
    ----------
    promised : mapping of name to bytes
        What it promises, checked against its schema already; run.json has their SHA-256.
    extras : mapping of name to bytes
        Further files, such as run.log.
    finish : callable, optional
        Makes what shows everything else that lies in the folder, and is called last.
    """
    contents = dict(promised)
    folder = folder_of(out_dir, record)

    def build(partial: Path) -> None:
        for name, data in {**contents, **extras}.items():
            write_bytes(partial / name, data)
        more, counts = finish(partial) if finish is not None else ({}, {})
        for name, data in more.items():
            write_bytes(partial / name, data)
        contents.update(more)
        report = run_document(replace(record, counts={**record.counts, **counts}), contents)
        check("run", report)
        write_bytes(partial / "run.json", _pretty(report))
        failpoint("publish.before_swap")

    changed = replace_dir(folder, build, VOLATILE)
    with disk_full_named(folder):
        failpoint("publish.after_swap")
    latest = point_latest(folder)
    log.info("publish: %s %s", folder, "written" if changed else "unchanged")
    names = sorted({*contents, *extras, "run.json"})
    return Published(folder, latest, tuple(folder / name for name in names), changed)


def folder_of(out_dir: Path, record: RunRecord) -> Path:
    """Name the folder of a run: by the last day of its period and its id."""
    return out_dir / f"{record.last_day}_{record.run_id}"


def _map_of(
    shelves: Shelves, unseen: Sequence[NotObserved], context: PublishContext
) -> tuple[list[GisLayer], dict[str, Any]]:
    said = Said(
        context.rivers_zh,
        context.confidence,
        context.visits,
        context.audit,
        context.reasons_zh,
        context.proposed,
        {
            case: name
            for case, imagery in context.imagery.items()
            for name, _ in imagery.chips
            if name.endswith("/overview.png")
        },
    )
    lists = (shelves.cases, shelves.watch, shelves.suppressed)
    return gis_layers(lists, unseen, said, (context.corridors, context.office))


def split_cases(cases: Iterable[Case], corridors: Collection[str] | None = None) -> Shelves:
    """Choose from the ledger what is published.

    Open are suspected and issued ones until they are closed, rejected, permitted or withdrawn, and
    closed ones of which imagery proposes 回弹 or a newer lead speaks; on watch are first and
    provisional sightings. In neither are what was merged into another, and what expired, or was no
    longer produced by a run over its own dates, before people held it. What the office's layers
    explain, or a decision of the desk that still holds, is on neither list but on that of
    suppressed ones.

    Parameters
    ----------
    corridors : collection of str, optional
        Only cases of these, so that a run over others does not change this run's folder.
    """
    early = (EvidenceState.FIRST, EvidenceState.PROVISIONAL)
    live = sorted(
        (
            c
            for c in cases
            if c.merged_into is None
            and (c.issued or c.produced)
            and (corridors is None or c.corridor_id in corridors)
        ),
        key=lambda c: c.case_id,
    )
    is_open = tuple(c for c in live if c.status in OPEN or _come_back(c))
    watch = tuple(c for c in live if c.status is Status.WATCH and c.evidence.state in early)
    decided = [c for c in live if c.decided]
    hidden = [c for c in (*is_open, *watch, *decided) if c.suppressed]
    return Shelves(
        tuple(c for c in is_open if not c.suppressed),
        tuple(c for c in watch if not c.suppressed),
        tuple(sorted(hidden, key=lambda c: c.case_id)),
    )


def _come_back(case: Case) -> bool:
    """Tell whether a person must decide if a closed case came back.

    Imagery proposes 回弹, or somebody pointed at it after it was closed.
    """
    back = case.proposal == RELAPSE or bool(case.unanswered)
    return case.status is Status.CLOSED and back


def render(
    shelves: Shelves,
    not_observed: Iterable[NotObserved],
    context: PublishContext,
) -> dict[str, bytes]:
    """Make the GeoJSON files by name, each checked against the schema; pure but for the schema."""
    collections = {
        "cases.geojson": ("cases", [feature_of(c, context) for c in shelves.cases]),
        "watch.geojson": ("cases", [feature_of(c, context) for c in shelves.watch]),
        "suppressed.geojson": ("cases", [feature_of(c, context) for c in shelves.suppressed]),
        "not_observed.geojson": ("not_observed", [not_observed_feature(r) for r in not_observed]),
    }
    contents: dict[str, bytes] = {}
    for name, (promise, features) in collections.items():
        collection = feature_collection(features)
        check(promise, collection)
        contents[name] = to_bytes(collection)
    return contents


def feature_of(case: Case, context: PublishContext) -> dict[str, Any]:
    """Give a case as it is published."""
    river = context.rivers_zh.get(case.corridor_id)
    share = context.confidence.get(case.case_id)
    audit = case.case_id in context.audit
    return case_feature(
        case,
        river_zh=river,
        gsd_m=context.gsd_m,
        calibrated=None if share is None else (share, context.basis),
        audit=audit,
        visit=context.visits.get(case.case_id),
        proposed=context.proposed.get(case.case_id),
        imagery=context.imagery.get(case.case_id),
    )


def _pretty(document: Mapping[str, Any]) -> bytes:
    return (json.dumps(document, ensure_ascii=False, indent=1, allow_nan=False) + "\n").encode()
