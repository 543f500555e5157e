"""Verdicts of inspections coming back as a file."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import shapely
from shapely.geometry.base import BaseGeometry

from pipeline.adjudicate.candidates import AdjudicateOptions
from pipeline.cases.outlines import corrected_outline
from pipeline.cases.sheet import VERDICTS
from pipeline.cases.subtypes import brought_back
from pipeline.cases.tables import Row, Table, read_table
from pipeline.cases.where import Report, command, outcome, refuse, today
from pipeline.cases.words import (
    free_text,
    plain,
    read_case_id,
    read_day,
    read_kind,
    read_reason,
    read_verdict,
    require_text,
)
from pipeline.errors import ConfigurationError
from pipeline.ledger import AnyPlace, Edit, LedgerStore, Refusal, change, open_ledger
from pipeline.ledger.status import outcome as outcome_of
from pipeline.model import Case, office_day

COLUMNS = ("case_id", "revision", "verdict", "reason", "by", "on")
OPTIONAL = ("photos", "kind", "subtype", "outline", "note")


@dataclass(frozen=True)
class VerdictRequest:
    """What the command was given."""

    ledger: AnyPlace
    file: Path
    partial: bool = False
    seen_again: bool = False  # a verdict holds where nothing but further looks came since
    # Of the workflow whose table a sub-type is one of; asked only where one was written.
    graded: Callable[[], AdjudicateOptions | None] = lambda: None


def give_verdicts(request: VerdictRequest) -> Report:
    """Apply a file of verdicts; all of it, or with ``partial`` what can be applied.

    Raises
    ------
    ConfigurationError
        The file cannot be read, or a row of it is bad: every offender named, nothing changed.
    LedgerHeldError
        A run holds the ledger.
    """
    table = read_table(request.file, VERDICTS)
    table.require(*(c for c in COLUMNS if c != "reason"))
    with open_ledger(request.ledger) as ledger:
        known = {c.case_id: c for c in ledger.cases(table.names())}
        edits, bad = read_verdicts(table, known, today(), request.graded)
        if request.seen_again:
            edits = [_brought_up(e, known.get(e.case_id), ledger) for e in edits]
        said = command("verdict", edits)
        done = change(ledger, edits, said, partial=request.partial, bad=bad)
    refuse(done.refused, len(table.rows), "verdicts", partial=request.partial)
    report = outcome(done)
    unread = table.unread(*COLUMNS, *OPTIONAL)
    lines = [f"columns that are not read: {', '.join(unread)}"] if unread else []
    return Report((*lines, *report.lines), report.code)


def read_verdicts(
    table: Table,
    known: Mapping[str, Case],
    now: date,
    graded: Callable[[], AdjudicateOptions | None] = lambda: None,
) -> tuple[list[Edit], list[Refusal]]:
    """Read the rows of a table: (edits, rows that say nothing that can be used)."""
    edits: list[Edit] = []
    bad: list[Refusal] = []
    for row in table.rows:
        try:
            edit, word = _edit(row, known, now), plain(row["subtype"])
            case = known.get(edit.case_id)
            if word is not None:
                edit = brought_back(edit, word, (case,) if case else (), graded)
            edits.append(edit)
        except ConfigurationError as error:
            bad.append(Refusal(row.where, row["case_id"] or "", str(error).rstrip(".")))
    return edits, bad


def _brought_up(edit: Edit, now: Case | None, ledger: LedgerStore) -> Edit:
    """Give the edit of today's revision where only further looks lie between."""
    if now is None or edit.revision == now.revision:
        return edit
    then = [c for c in ledger.revisions(now.case_id) if c.revision == edit.revision]
    if then and _what_a_verdict_is_on(then[0]) == _what_a_verdict_is_on(now):
        return replace(edit, revision=now.revision)
    return edit


def _what_a_verdict_is_on(case: Case) -> tuple[object, ...]:
    outline = shapely.to_wkb(shapely.normalize(case.polygon))
    return case.kind, outline, case.status, case.evidence.state, case.merged_into, case.people


def _edit(row: Row, known: Mapping[str, Case], now: date) -> Edit:
    case_id = read_case_id(row["case_id"])
    if case_id is None:
        raise ConfigurationError("it names no case", "Fill the column case_id")
    verdict = read_verdict(row["verdict"])
    what = outcome_of(verdict, read_reason(row["reason"]))
    by = free_text(row["by"], "by")
    if by is None:
        raise ConfigurationError("nobody is named", "Fill the column by with who inspected it")
    case = known.get(case_id)
    day = _day(row["on"], now)
    first = case.evidence.first_seen if case else None
    if first is not None and day < office_day(first):
        raise ConfigurationError(
            f"its day {day} lies before the first sighting ({office_day(first)})",
            "Check the column on",
        )
    drawn = _outline(row)
    note = free_text(row["note"], "note")
    edit = Edit(
        case_id=case_id,
        by=by,
        on=day,
        where=row.where,
        revision=read_revision(row["revision"]),
        status=what.status,
        reason=what.reason,
        verdict=verdict.value,
        kind=read_kind(row["kind"]),
        outline_wgs84=corrected_outline(case, drawn) if case else None,
        # That it is a problem does not say that it is no longer on account.
        record=({"on_account": True} if what.on_account else {}) | ({"note": note} if note else {}),
        photos=_photos(row["photos"]),
    )
    return replace(edit, key=_key(edit, drawn, plain(row["subtype"])))


def read_revision(text: str | None) -> int:
    """Read the revision that was judged.

    Raises
    ------
    ConfigurationError
        It is missing or no number.
    """
    word = plain(text) or ""
    if not re.fullmatch(r"[1-9]\d{0,8}", word):
        raise ConfigurationError(
            f"revision '{word}' is no revision", "Give the one that stood on the list"
        )
    return int(word)


def _day(text: str | None, now: date) -> date:
    day = read_day(text)
    if day is None:
        raise ConfigurationError("it has no day", "Fill the column on")
    if day > now:
        raise ConfigurationError(f"its day {day} has not come yet", "Check the column on")
    return day


def _outline(row: Row) -> BaseGeometry | None:
    text = row["outline"]
    if text is None:
        return row.geometry
    try:
        return shapely.force_2d(shapely.from_wkt(text))
    except shapely.errors.ShapelyError as error:
        raise ConfigurationError(
            "its outline cannot be read", "Write WKT in WGS 84, or send GeoJSON"
        ) from error


def _photos(text: str | None) -> tuple[str, ...]:
    # Cameras and phones name pictures by long numbers: no name of a file is taken for a person's.
    names = (" ".join(n.split()) for n in re.split(r"[;；|\n]", text or ""))
    return tuple(require_text(n, "photos") for n in names if n)


def _key(edit: Edit, drawn: BaseGeometry | None, subtype: str | None) -> str:
    """Name what was said, as it was written: the same file again says nothing new."""
    said = (edit.case_id, edit.revision, edit.verdict, edit.reason, edit.by, edit.on, edit.kind)
    shape = shapely.to_wkt(drawn) if drawn else None
    rest = (edit.record.get("note"), edit.photos, shape, *([subtype] if subtype else []))
    return hashlib.sha256(repr((said, rest)).encode()).hexdigest()[:16]
