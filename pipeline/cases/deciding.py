"""Issuing cases, and moving them by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.adjudicate.candidates import AdjudicateOptions
from pipeline.cases.subtypes import with_subtype
from pipeline.cases.where import Report, command, outcome, refuse, today
from pipeline.cases.words import free_text, read_case_id, read_id
from pipeline.errors import ConfigurationError
from pipeline.ledger import AnyPlace, Edit, change, open_ledger
from pipeline.ledger.status import Reason
from pipeline.model import Case, Kind, Ruling, Status


@dataclass(frozen=True)
class DecideRequest:
    """What the command was given."""

    ledger: AnyPlace
    name: str  # "issue" | "update"
    cases: Sequence[str]
    by: str
    status: Status | None = None
    reason: Reason | None = None
    note: str | None = None
    kind: Kind | None = None
    external_id: str | None = None
    revision: int | None = None
    record: Mapping[str, Any] = field(default_factory=dict[str, Any])  # due, overdue, on_account
    partial: bool = False
    subtype: str | None = None  # code or text of the table
    graded: AdjudicateOptions | None = None  # of the workflow whose table is meant


def decide(request: DecideRequest) -> Report:
    """Say the same of some cases; of all of them, or with ``partial`` of those that allow it.

    Raises
    ------
    ConfigurationError
        A case is unknown or its status does not allow it: every offender named, nothing changed.
    LedgerHeldError
        A run holds the ledger.
    """
    by = free_text(request.by, "--by")
    note = free_text(request.note, "--note")
    if by is None:
        raise ConfigurationError("nobody is named", "Say who decides, by --by NAME")
    cases = [name for c in request.cases if (name := read_case_id(c))]
    record = {**request.record, **({"note": note} if note else {})}
    edits = [
        Edit(
            case_id=case_id,
            by=by,
            on=today(),
            revision=request.revision,
            status=request.status,
            reason=request.reason,
            kind=request.kind,
            external_id=read_id(request.external_id),
            record=record,
        )
        for case_id in dict.fromkeys(cases)
    ]
    if request.subtype:
        word, table = request.subtype, request.graded
        edits = [with_subtype(edit, word, table, "--sub-type") for edit in edits]
    with open_ledger(request.ledger) as ledger:
        explained = [_explained(c) for c in ledger.cases(cases) if c.suppressed]
        done = change(ledger, edits, command(request.name, edits), partial=request.partial)
    refuse(done.refused, len(edits), "cases", partial=request.partial)
    report = outcome(done)
    if request.status is not Status.ISSUED:
        return report
    return Report((*explained, *report.lines), report.code)


def _explained(case: Case) -> str:
    """Say what a person who issues a case should know: that it was on no list, and why."""
    ruling = case.ruling or Ruling()
    why = next((s.text for s in ruling.spoken if s.code == ruling.rule), "")
    return f"{case.case_id}: was {ruling.word}: {why}"
