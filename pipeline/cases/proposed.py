"""Which cases of the ledger are proposed for issue in a month, and which wait."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path

from pipeline.adjudicate.budget import budget_line, issued_in, pot_of, propose
from pipeline.adjudicate.calibration import calibrated
from pipeline.adjudicate.candidates import AdjudicateOptions
from pipeline.cases.listing import Filter, aligned, document
from pipeline.cases.where import today
from pipeline.errors import ConfigurationError
from pipeline.ledger import LedgerStore, Narrow, open_ledger
from pipeline.model import Case, Proposed, Status
from pipeline.passes.any_workflow import load_any
from pipeline.publish.words import NOTICE

_ASKED = Narrow(statuses=[Status.SUSPECTED], merged=False)
"""Which cases could be issued; see ``budget.could_be_issued``."""


def propose_cases(
    ledger: LedgerStore, month: str, options: AdjudicateOptions
) -> dict[str, Proposed]:
    """Say which of all cases of a ledger are proposed for issue in a month, and which wait.

    A county has cases in other corridors than a run's: what is suspected anywhere is read, and what
    people issued in the month.

    Parameters
    ----------
    month : str
        "2026-03", in the office's zone; what people issued in it counts against it.
    """
    if options.budget.per_county_month is None:
        return {}
    cases = list(ledger.scan(_ASKED))
    # Also of what was withdrawn and taken in again: it was somebody's work in that month.
    days = [
        (e.case_id, date.fromisoformat(e.detail["on"]))
        for e in ledger.told("status", [Status.ISSUED.value])
        if e.detail.get("on", "").startswith(month)
    ]
    once = {c.case_id: c for c in ledger.cases({name for name, _ in days})}
    said = [(once[name], on) for name, on in days]
    known = {c.case_id: calibrated(c, options.calibration) for c in cases}
    shares = {case_id: share for case_id, share in known.items() if share is not None}
    newest = ledger.newest_looks()
    return propose(cases, month, issued_in(month, said), shares, options.budget, newest)


def county_names(cases: Sequence[Case]) -> dict[str, str]:
    """Give what the counties of cases are called, by the key of their budget."""
    named = {pot_of(c): c.attribution.county_zh for c in cases if c.attribution}
    return {pot: name for pot, name in named.items() if name}


def list_proposed(
    workflow: Path, wanted: Filter, month: str | None = None, *, as_json: bool = False
) -> str:
    """Give the cases that could be issued in the order of their budget.

    Parameters
    ----------
    month : str, optional
        "2026-03"; this month where it is not given.

    Raises
    ------
    ConfigurationError
        The workflow has no budget or no ledger, or the month is none.
    """
    if month is not None and not re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", month):
        raise ConfigurationError(f"--month {month} is no month", "Write it like 2026-03")
    read = load_any(workflow)
    options = read.options.adjudicate
    if options.budget.per_county_month is None:
        raise ConfigurationError(
            f"{workflow} has no budget",
            "Give options.adjudicate.budget.per_county_month: how many cases of a county a month",
        )
    with open_ledger(read.ledger_place, writing=False) as store:
        cases = tuple(store.scan(_ASKED))
        found = propose_cases(store, month or f"{today():%Y-%m}", options)
    shown = [(found[c.case_id], c) for c in cases if c.case_id in found and wanted.takes(c)]
    shown.sort(key=lambda pair: (pair[0].county, pair[0].rank))
    if as_json:
        return json.dumps(
            [document(c) | {"proposed": asdict(p)} for p, c in shown], ensure_ascii=False, indent=1
        )
    return "\n".join(_lines(shown, found, county_names(cases)))


def _lines(
    shown: Sequence[tuple[Proposed, Case]],
    found: Mapping[str, Proposed],
    names: Mapping[str, str],
) -> list[str]:
    head = ("county", "rank", "case", "kind", "severity", "m²", "score", "this month")
    rows = [_row(p, c, names) for p, c in shown]
    line = budget_line(found, names) or "no case could be issued"
    return [*aligned([head, *rows]), line, NOTICE]


def _row(p: Proposed, case: Case, names: Mapping[str, str]) -> tuple[str, ...]:
    severity = case.grade.severity if case.grade else None
    grade = "-" if severity is None else severity.grade + ("" if severity.verified else "?")
    return (
        names.get(p.county, p.county),
        str(p.rank),
        case.case_id,
        f"{case.kind} {case.kind.zh}",
        grade,
        f"{case.area_m2:.0f}",
        f"{p.score:.3f}",
        p.waits or "提请交办",
    )
