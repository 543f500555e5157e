"""Edits of exported cases back into the ledger; and whether a file holds any."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from pipeline.adjudicate.candidates import AdjudicateOptions
from pipeline.cases.merging import Author, merge_row, pending
from pipeline.cases.sheet import VERDICTS
from pipeline.cases.tables import Row, Table, read_table
from pipeline.cases.verdicts import read_revision
from pipeline.cases.where import Report, command, outcome, refuse, today
from pipeline.cases.words import free_text, plain, read_day
from pipeline.errors import ConfigurationError
from pipeline.ledger import AnyPlace, Edit, LedgerStore, Refusal, change, open_ledger
from pipeline.ledger.status import verdict_of
from pipeline.model import Case
from pipeline.publish.gis.layers import RUN_ONLY
from pipeline.publish.rows import COLUMNS, FOR_READING, once_written, row_of


@dataclass(frozen=True)
class ImportRequest:
    """What the command was given."""

    ledger: AnyPlace
    file: Path
    by: str
    partial: bool = False
    graded: Callable[[], AdjudicateOptions | None] = lambda: None  # of the workflow, if any


def import_cases(request: ImportRequest) -> Report:
    """Bring the edits of an exported table back; all, or with ``partial`` those without conflict.

    What it holds beside the columns for writing is named and not kept.

    Raises
    ------
    ConfigurationError
        The table is none of ours, or a row cannot be applied: every offender named, nothing
        changed.
    LedgerHeldError
        A run holds the ledger.
    """
    by = free_text(request.by, "--by")
    if by is None:
        raise ConfigurationError("nobody is named", "Say who edited it, by --by NAME")
    table = read_table(request.file)
    table.require("case_id", "revision", "status")
    with open_ledger(request.ledger) as ledger:
        lost = [f"not read: {what}" for what in _unread(table, ledger)]
        edits, bad = _edits(table, ledger, Author(by, today(), request.graded))
        said = command("import", edits)
        done = change(ledger, edits, said, partial=request.partial, bad=bad)
    refuse(done.refused, len(table.rows), "rows", partial=request.partial)
    report = outcome(done)
    return Report((*lost, *report.lines), report.code)


def refuse_to_lose(path: Path, ledger: LedgerStore) -> None:
    """Refuse to write over a file that holds anything the ledger does not know.

    Raises
    ------
    ConfigurationError
        It does (each place named), is open in another program, or is none of ours.
    """
    if not path.exists():
        return
    if any(path.with_name(f"{path.name}{end}").exists() for end in ("-wal", "-journal")):
        raise ConfigurationError(
            f"{path} is open in another program", "Close it there, or export to another folder"
        )
    table = read_table(path)
    table.require("case_id", "revision", "status")
    unread = _unread(table, ledger)
    if unread:
        raise ConfigurationError(
            f"{path} holds what import does not read: {'; '.join(unread)}",
            "Put it into note and import that, or export to another folder",
        )
    news: list[str] = []
    for row, then, now in _versions(table, ledger):
        if isinstance(then, Refusal) or now is None:
            news.append(str(then))
            continue
        try:
            wrote = pending(row, then, now)
        except ConfigurationError as error:
            news.append(f"{row.where}: {now.case_id}: {str(error).rstrip('.')}")
            continue
        if wrote:
            news.append(f"{row.where}: {now.case_id}: {', '.join(wrote)}")
    if news:
        raise ConfigurationError(
            f"{path} holds edits that were not imported: {'; '.join(news)}",
            "Run siluan cases import on it first, or export to another folder",
        )
    if path.suffix.lower() == ".xlsx":
        _refuse_to_lose_verdicts(path, ledger)


def _refuse_to_lose_verdicts(path: Path, ledger: LedgerStore) -> None:
    """Refuse to write over a workbook with verdicts that the ledger does not know."""
    table = read_table(path, VERDICTS)
    known = {c.case_id: c.people for c in ledger.cases(table.names())}
    news: list[str] = []
    for row in table.rows:
        wrote = verdict_of(row["verdict"] or "")
        people = known.get(plain(row["case_id"]) or "")
        if wrote is None or people is None or verdict_of(people.verdict or "") is not wrote:
            news.append(f"{row.where}: {row['case_id']}")
    if news:
        raise ConfigurationError(
            f"{path} holds verdicts that were not read: {'; '.join(news)}",
            "Run siluan cases verdict on it first, or export to another folder",
        )


def _unread(table: Table, ledger: LedgerStore) -> list[str]:
    """Name what import does not read of a table: further columns, and edited reading ones."""
    more = [
        f"the column {name}"
        for name in table.unread(*COLUMNS, *RUN_ONLY)
        if any(row[name] is not None for row in table.rows)
    ]
    for row, then, now in _versions(table, ledger):
        if isinstance(then, Refusal) or now is None:
            continue
        stood, once = row_of(then), once_written(then)
        names = [
            name
            for name in FOR_READING
            if name in row.values
            and not _same(row[name], stood[name])
            and not (name in once and _same(row[name], once[name]))
        ]
        more += [f"{row.where}: {now.case_id}: {', '.join(names)}"] if names else []
    return more


def _same(wrote: str | None, stood: str | None) -> bool:
    """Tell whether a value is what was exported; a spreadsheet writes numbers and days its way."""
    if (wrote or "").strip() == (stood or "").strip():
        return True
    if wrote is None or stood is None:
        return False
    try:
        return math.isclose(float(wrote), float(stood), rel_tol=1e-6)
    except ValueError:
        pass
    try:
        return read_day(wrote) == read_day(stood)
    except ConfigurationError:
        return False


def _edits(table: Table, ledger: LedgerStore, author: Author) -> tuple[list[Edit], list[Refusal]]:
    edits: list[Edit] = []
    bad: list[Refusal] = []
    for row, then, now in _versions(table, ledger):
        if isinstance(then, Refusal) or now is None:
            bad += [then] if isinstance(then, Refusal) else []
            continue
        try:
            edit = merge_row(row, then, now, author)
        except ConfigurationError as error:
            bad.append(Refusal(row.where, now.case_id, str(error).rstrip(".")))
            continue
        edits += [edit] if edit else []
    return edits, bad


def _versions(
    table: Table, ledger: LedgerStore
) -> Iterable[tuple[Row, Case | Refusal, Case | None]]:
    """Give each row with its case at the row's revision, and as it stands."""
    known = {c.case_id: c for c in ledger.cases(table.names())}
    for row in table.rows:
        name = plain(row["case_id"]) or ""
        now = known.get(name)
        try:
            yield row, _then(ledger, now, row), now
        except ConfigurationError as error:
            yield row, Refusal(row.where, name, str(error).rstrip(".")), None


def _then(ledger: LedgerStore, now: Case | None, row: Row) -> Case:
    if now is None:
        raise ConfigurationError("the ledger has no such case", "Rows cannot be added here")
    revision = read_revision(row["revision"])
    if revision == now.revision:
        return now
    found = [c for c in ledger.revisions(now.case_id) if c.revision == revision]
    if not found:
        raise ConfigurationError(f"it never had revision {revision}", "Export it again")
    return found[0]
