"""What a run leaves for people to look at: evidence of every case, and the page to review them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pipeline.io.shelf import MANIFEST
from pipeline.ledger import LedgerStore
from pipeline.ledger.status import Mover, allowed
from pipeline.model import Case, Corridor, RunRecord, Status
from pipeline.passes.flight_map import flight_maps
from pipeline.passes.mosaic import corridor_mosaic, kept_mosaic
from pipeline.passes.showing import Desk, Drawn, Shown, Source, draw_cases
from pipeline.passes.showing_flights import FlightViews
from pipeline.publish import Imagery, PublishContext, Shelves, feature_of
from pipeline.publish.words import NOTICE
from pipeline.review.data import Entry, MapEntry, Told, page_data
from pipeline.review.page import page_files

_PLACE = "review"


@dataclass(frozen=True)
class Documents:
    """What was drawn of a run's cases: ``case.json`` by case id."""

    of: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])


@dataclass(frozen=True)
class Scope:
    """What a page is about."""

    record: RunRecord
    corridors: Sequence[Corridor]
    shown: Mapping[str, Shown]  # by corridor id, of those with imagery
    flights: Sequence[FlightViews] = ()  # that were looked at
    said: Mapping[str, Sequence[Told]] = field(default_factory=dict[str, Sequence[Told]])


def verdicts_said(ledger: LedgerStore, shelves: Shelves) -> dict[str, list[Told]]:
    """Give every verdict that the ledger was told of the listed cases, oldest first, by case id.

    The case itself does not do: the same verdict of a later day is noted and changes nothing.
    """
    listed = (*shelves.cases, *shelves.watch, *shelves.suppressed)
    judged = [c.case_id for c in listed if c.people is not None and c.people.verdict]
    said: dict[str, list[Told]] = {}
    for event in ledger.events(judged) if judged else ():
        word, on = event.detail.get("verdict"), event.detail.get("on")
        one = (word, on, event.revision) if word and on else None
        if one is not None and one not in said.setdefault(event.case_id, []):
            said[event.case_id].append(one)
    return said


def add_evidence(
    context: PublishContext, shelves: Shelves, source: Source, desk: Desk
) -> tuple[PublishContext, Documents]:
    """Draw the evidence of what a run lists, and let it be published with it.

    Suppressed cases get some where somebody is to check them.

    Raises
    ------
    DiskFullError
        Nothing of the output has changed.
    """
    if not desk.options.pictures:
        return context, Documents()
    audited = [c for c in shelves.suppressed if c.case_id in context.audit]
    cases = (*shelves.cases, *shelves.watch, *audited)
    drawn = draw_cases(cases, lambda c: feature_of(c, context)["properties"], source, desk)
    documents: dict[str, Mapping[str, Any]] = {}
    imagery: dict[str, Imagery] = {}
    extras: dict[str, bytes] = {}
    for case in cases:
        files = _files(case, drawn)
        documents[case.case_id] = json.loads(files["case.json"])
        imagery[case.case_id] = _imagery(
            place_of(case), documents[case.case_id], json.loads(files[MANIFEST])
        )
        if case.case_id in drawn.plain:
            extras |= {f"{place_of(case)}/{n}": data for n, data in files.items()}
    trees = {place_of(c): drawn.kept[c.case_id] for c in cases if c.case_id in drawn.kept}
    told = replace(
        context,
        imagery=imagery,
        trees={**context.trees, **trees},
        extras={**context.extras, **extras},
    )
    return told, Documents(documents)


def place_of(case: Case) -> str:
    """Give the folder of a case's evidence in a run's output."""
    return f"evidence/{case.case_id}/{case.revision}"


def _files(case: Case, drawn: Drawn) -> Mapping[str, bytes]:
    if case.case_id in drawn.plain:
        return drawn.plain[case.case_id]
    folder = drawn.kept[case.case_id]
    return {n: (folder / n).read_bytes() for n in ("case.json", MANIFEST)}


def _imagery(
    place: str, document: Mapping[str, Any], listing: Mapping[str, Sequence[Mapping[str, Any]]]
) -> Imagery:
    pictures = [f for f in listing["files"] if f["media_type"] == "image/png"]
    after = document.get("after") or {}
    return Imagery(
        tuple(sorted((f"{place}/{f['name']}", str(f["sha256"])) for f in pictures)),
        after.get("cloud_share"),
        document.get("imagery_credit"),
    )


def add_review(
    context: PublishContext, shelves: Shelves, documents: Documents, scope: Scope, desk: Desk
) -> PublishContext:
    """Let the page be published on which a run's cases are reviewed.

    Raises
    ------
    DiskFullError
        Nothing of the output has changed.
    """
    if not desk.options.review:
        return context
    maps = _maps(scope, desk)
    listed = (
        ("cases", shelves.cases),
        ("watch", shelves.watch),
        ("suppressed", shelves.suppressed),
    )
    record, said = scope.record, scope.said
    entries = [
        _entry(name, c, context, documents, said.get(c.case_id, ()))
        for name, cases in listed
        for c in cases
    ]
    head = {
        "run": record.run_id,
        "workflow": record.workflow,
        "period": [f"{t.astimezone(desk.zone):%Y-%m-%d}" for t in record.period],
        "language": desk.options.language,
        "notice": NOTICE,
    }
    page = page_files(page_data(head, (scope.corridors, [m for m, _ in maps]), entries, desk.zone))
    return replace(
        context,
        trees={**context.trees, **{f"{_PLACE}/{m.folder}": tree for m, tree in maps}},
        extras={**context.extras, **{f"{_PLACE}/{n}": data for n, data in page.items()}},
    )


def _maps(scope: Scope, desk: Desk) -> list[tuple[MapEntry, Path]]:
    """Give what the map shows below the cases, in the order to draw it, and where it is kept."""
    shelf: Path = desk.shelf.with_name("maps")
    how = (desk.threads, desk.progress)
    found: list[tuple[MapEntry, Path]] = []
    for i, c in enumerate(scope.corridors):
        shown = scope.shown.get(c.id)
        # Who reads no imagery of satellites shows what the last patrol of this state saw.
        made = corridor_mosaic(shelf, c.id, shown, how) if shown else kept_mosaic(shelf, c.id)
        if made is not None:
            found.append((MapEntry(f"tiles/{i}", made.tiles), made.folder))
    for i, m in enumerate(flight_maps(desk.shelf.with_name("flight_maps"), scope.flights, how)):
        on = f"{m.flown.astimezone(desk.zone):%Y-%m-%d}"
        found.append((MapEntry(f"tiles/f{i}", m.tiles, m.when, on), m.folder))
    return found


def _entry(
    listed: str,
    case: Case,
    context: PublishContext,
    documents: Documents,
    said: Sequence[Told],
) -> Entry:
    document = documents.of.get(case.case_id)
    folder = f"../{place_of(case)}" if document else None
    may, told = _may(case.status), _told(case)
    told = tuple(dict.fromkeys((*told, *said)))
    return Entry(listed, feature_of(case, context), document, folder, may, told)


def _told(case: Case) -> tuple[Told, ...]:
    """Give the last verdict that the case holds: what was written has arrived."""
    said = case.people
    if said is None or said.verdict is None:
        return ()
    return ((said.verdict, (said.decided_on or said.on).isoformat(), case.revision),)


def _may(status: Status) -> tuple[str, ...]:
    """Say which verdicts the table of transitions lets a status take: of a problem, of none."""
    ways = {status, *allowed(status, Mover.PERSON)}
    yes = status in (Status.ISSUED, Status.RELAPSED, Status.VERIFIED, Status.RECTIFYING)
    no = Status.REJECTED in ways and status is not Status.REJECTED
    return (*(("yes",) if yes else ()), *(("no",) if no else ()))
