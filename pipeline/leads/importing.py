"""``siluan leads import``: from a list as it came to leads of the ledger."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path

from shapely.geometry.base import BaseGeometry

from pipeline import __version__
from pipeline.adjudicate.areas import AreaIndex
from pipeline.adjudicate.attribute import Attributor
from pipeline.adjudicate.evidence import fold
from pipeline.adjudicate.score import confidence
from pipeline.adjudicate.screen import Screener
from pipeline.cases.where import Report, refuse, today
from pipeline.cases.words import free_text
from pipeline.config import Workflow, choose_corridors, load_workflow
from pipeline.errors import ConfigurationError, ExitCode
from pipeline.io.corridors import load_corridors
from pipeline.io.datum import Datum
from pipeline.io.layers import areas_of, load_layers
from pipeline.leads.photos import ENDINGS, read_photo_leads
from pipeline.leads.placing import place_lead
from pipeline.leads.rows import Found, Listed, read_list
from pipeline.leads.words import Sayings, lead_of
from pipeline.ledger import (
    Command,
    LeadAt,
    LeadChanges,
    LedgerContext,
    Refusal,
    open_ledger,
    take_leads,
)
from pipeline.model import Case, Corridor, Kind, Lead, LeadSource
from pipeline.office.placing import Suspect, judge_position
from pipeline.office.reference import Stated, resolve_each, to_layer_crs
from pipeline.running.console import make_writable
from pipeline.running.judging import grade_case, place_case, screen_case


@dataclass(frozen=True)
class LeadRequest:
    """What the command was given."""

    file: Path
    source: LeadSource
    workflow: Path
    by: str
    origin: str  # the list or office it came from
    datum: Datum | None = None
    crs: str | None = None
    encoding: str | None = None
    layer: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict[str, str])
    kind: Kind | None = None
    on: date | None = None
    radius_m: float = 30.0
    swap_xy: bool = False
    accept_offset: str | None = None
    partial: bool = False


def import_leads(request: LeadRequest, now: datetime | None = None) -> Report:
    """Bring a list of leads into the ledger; all of it, or with ``partial`` its good rows.

    Raises
    ------
    ConfigurationError
        The list cannot be read, or rows of it are bad: every offender named, nothing changed.
    LedgerHeldError
        A run holds the ledger.
    """
    now = now or datetime.now(UTC)
    by, origin = free_text(request.by, "--by"), free_text(request.origin, "--source")
    if by is None or origin is None:
        raise ConfigurationError(
            "who brings these leads and where they come from is not said",
            'Give --by NAME and --source "name of the list or office"',
        )
    workflow = load_workflow(request.workflow)
    corridors = choose_corridors(workflow)
    listed, datum = _read(request, now)
    rows, shapes = _located(request, listed, datum)
    grading = workflow.options.adjudicate.grading
    sayings = Sayings(
        request.source,
        origin,
        today(now),
        request.kind,
        request.on,
        grading.subtypes if grading else (),
    )
    prior = confidence((), None, workflow.options.adjudicate.score)
    found: list[LeadAt] = []
    bad: list[Refusal] = []
    for row, shape in zip(rows, shapes, strict=True):
        try:
            found.append(_lead(row, shape, sayings, (corridors, datum, request.radius_m), prior))
        except ConfigurationError as error:
            bad.append(Refusal(row.where, "", str(error).rstrip(".")))
    make_writable(workflow.state)
    command = _command(found, now)
    with open_ledger(workflow.ledger_place) as ledger:
        done = take_leads(
            ledger,
            found,
            by,
            command,
            _context(workflow, command),
            partial=request.partial,
            bad=bad,
        )
    refuse(done.refused, len(listed.rows), "leads", partial=request.partial)
    return _report(request, listed, done)


def _read(request: LeadRequest, now: datetime) -> tuple[Listed, Datum]:
    if not request.file.exists():
        raise ConfigurationError(f"{request.file} does not exist", "Check the path")
    if request.datum is None:
        raise ConfigurationError(
            f"{request.file} was given without a datum",
            "Add --datum cgcs2000, wgs84, gcj02 or bd09: whoever made it knows; points picked on "
            "web maps (高德, 腾讯) and by many apps are gcj02, 百度 is bd09",
        )
    photos = request.file.suffix.lower() in ENDINGS
    if photos or (request.file.is_dir() and request.file.suffix.lower() != ".gdb"):
        if request.swap_xy:
            raise ConfigurationError(
                f"{request.file} holds photos, which say themselves what is north",
                "Leave --swap-xy out",
            )
        listed = read_photo_leads(request.file, request.datum, now)
        # A file that a citizen sent may be called by the name of whoever sent it.
        return (listed.unnamed() if request.source is LeadSource.REPORT else listed), request.datum
    listed = read_list(
        request.file,
        request.datum,
        fields=request.fields,
        encoding=request.encoding,
        layer=request.layer,
        swap_xy=request.swap_xy,
    )
    if not listed.rows:
        raise ConfigurationError(f"{request.file} holds no lead", "Check the file")
    return listed, request.datum


def _located(
    request: LeadRequest, listed: Listed, datum: Datum
) -> tuple[list[Found], list[BaseGeometry | None]]:
    """Give the rows, those without a place saying why, and the places of the others.

    Places are in lon/lat, the shift of the datum taken out.
    """
    rows = list(listed.rows)
    placed = {i: r.shape for i, r in enumerate(rows) if r.shape is not None and r.bad is None}
    shapes: list[BaseGeometry | None] = [None] * len(rows)
    if not placed:
        return rows, shapes
    stated = Stated(
        request.file, datum, listed.crs, listed.crs_stated, request.crs, request.swap_xy
    )
    crs, wrong = resolve_each(stated, list(placed.values()))
    for (i, shape), why in zip(placed.items(), wrong, strict=True):
        rows[i] = replace(rows[i], bad=why)
        shapes[i] = None if why else to_layer_crs(shape, crs, datum)
    # Points tell no datum; that a list names a web map does.
    suspect = Suspect(request.file, datum, (*listed.words, request.origin))
    good = [shape for (_, shape), why in zip(placed.items(), wrong, strict=True) if why is None]
    judge_position(suspect, good, (), request.accept_offset)
    return rows, shapes


def _lead(
    row: Found,
    shape: BaseGeometry | None,
    sayings: Sayings,
    ground: tuple[Sequence[Corridor], Datum, float],
    prior: float,
) -> LeadAt:
    if shape is None:
        raise ConfigurationError(row.bad or "it has no place", row.remedy)
    lead = lead_of(row, shape, sayings)
    at = place_lead(shape, *ground)
    return LeadAt(
        lead, at.corridor_id, at.polygon, at.crs, at.area_m2, at.detector, prior, row.where
    )


def _command(found: Sequence[LeadAt], now: datetime) -> Command:
    """Name the command by what it says: the same again has the same name."""
    keys = "\n".join(sorted(at.lead.key for at in found))
    digest = hashlib.sha256(keys.encode()).hexdigest()[:8]
    return Command("siluan leads import", f"leads-{digest}", now, __version__)


def _context(workflow: Workflow, command: Command) -> LedgerContext:
    """Bind the office's layers as a run does, so that the next run finds nothing to change."""
    options, areas = workflow.options.adjudicate, AreaIndex(areas_of(load_layers(workflow.layers)))
    every = load_corridors(workflow.corridors.file)  # a case may be of one that is not named here
    where = Attributor({c.id: c for c in every}, areas, options.place)
    screener = Screener(areas, options.screen)
    return LedgerContext(
        run_id=command.run_id,
        code_version=command.code_version,
        config_hash=workflow.config_hash(),
        corridors=(),
        siblings=tuple(c.id for c in every),
        period=(command.said, command.said),
        fold=partial(fold, options=options.fold),
        attribute=partial(place_case, where),
        screen=partial(screen_case, screener, options.fold, {}),
        grade=partial(grade_case, options),
    )


def _report(request: LeadRequest, listed: Listed, done: LeadChanges) -> Report:
    lines = list(listed.lines)
    if request.source is LeadSource.REPORT:
        lines.append("kept of a report are its number, day, kind and place, and nothing else")
    lines += [f"{at.where}: opens {case_id} (待核)" for case_id, at in done.opened]
    lines += [f"{at.where}: {_joins(case, at.lead)}" for case, at in done.joined]
    lines += [f"{at.where}: known already, nothing changed" for at in done.known]
    lines += [f"not applied: {r}" for r in done.refused]
    lines.append(
        f"{request.source.zh} leads: opened {len(done.opened)}, joined {len(done.joined)}, "
        f"known already {len(done.known)}, not applied {len(done.refused)}"
    )
    if listed.unread:
        lines.append(f"not read, and so no leads: {', '.join(listed.unread)} (only JPEG is read)")
    aside = done.refused or listed.unread
    return Report(tuple(lines), ExitCode.SET_ASIDE if aside else ExitCode.DONE)


def _joins(case: Case, lead: Lead) -> str:
    """Say which case a lead joins, and what somebody should look at then."""
    text = f"joins {case.case_id} ({case.kind.zh}, {case.status.value})"
    if lead.kind is not case.kind:
        text += f", and says {lead.kind.zh}"
    if case.suppressed and case.ruling:
        return f"{text}, which is {case.ruling.word}: see what it says against it"
    if case.unanswered and case.issued and not case.held:
        return f"{text}, decided before: look whether it came back"
    return text
