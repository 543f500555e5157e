"""The output folder of a run: whole or not at all, and the same again for the same input."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.io.atomic import disk_full_named, point_latest, replace_dir, write_bytes
from pipeline.io.failpoints import failpoint
from pipeline.io.shelf import lay_out
from pipeline.model import RELAPSE, Case, EvidenceState, NotObserved, RunRecord, Status, Visit
from pipeline.publish.contract import check
from pipeline.publish.geojson import (
    Imagery,
    case_feature,
    feature_collection,
    not_observed_feature,
    to_bytes,
)
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
    visits: Mapping[str, Visit] = field(default_factory=dict[str, Visit])  # by case on watch
    audit: frozenset[str] = frozenset()  # ids of suppressed cases that somebody should check
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
    context = context or PublishContext()
    contents = render(shelves, not_observed, context)
    report = run_document(record, contents)
    check("run", report)
    contents |= context.extras
    contents["run.json"] = _pretty(report)
    folder = out_dir / f"{record.period[1]:%Y-%m-%d}_{record.run_id}"

    def build(partial: Path) -> None:
        for name, data in contents.items():
            write_bytes(partial / name, data)
        for name, kept in sorted(context.trees.items()):
            lay_out(kept, partial / name)
        failpoint("publish.before_swap")

    changed = replace_dir(folder, build, VOLATILE)
    with disk_full_named(folder):
        failpoint("publish.after_swap")
    latest = point_latest(folder)
    log.info("publish: %s %s", folder, "written" if changed else "unchanged")
    return Published(folder, latest, tuple(folder / name for name in sorted(contents)), changed)


def split_cases(cases: Iterable[Case], corridors: Collection[str] | None = None) -> Shelves:
    """Choose from the ledger what is published.

    Open are suspected and issued ones until they are closed, rejected, permitted or withdrawn, and
    closed ones of which imagery proposes 回弹; on watch are first and provisional sightings. In
    neither are what was merged into another, and what
    expired, or was no longer produced by a run over its own dates, before people held it. What the
    office's layers explain, or a decision of the desk that still holds, is on neither list but on
    that of suppressed ones.

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
    """Tell whether imagery proposes 回弹 of a closed case: a person must see that to decide it."""
    return case.status is Status.CLOSED and case.proposal == RELAPSE


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
        calibrated=share,
        audit=audit,
        visit=context.visits.get(case.case_id),
        imagery=context.imagery.get(case.case_id),
    )


def _pretty(document: Mapping[str, Any]) -> bytes:
    return (json.dumps(document, ensure_ascii=False, indent=1, allow_nan=False) + "\n").encode()
