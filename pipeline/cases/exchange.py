"""Cases out for editing, and the edits back: CSV and GeoPackage.

An export never writes over edits that were not imported: a file that is there is read first.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from pyogrio import raw

from pipeline.cases.listing import Filter, ruling_word
from pipeline.cases.merging import READERS, Author, merge_row, pending, values_of
from pipeline.cases.tables import LAYER, Row, Table, read_table, write_csv
from pipeline.cases.verdicts import read_revision
from pipeline.cases.where import Report, command, outcome, refuse, today
from pipeline.cases.words import free_text, read_day
from pipeline.errors import ConfigurationError
from pipeline.io.atomic import write_bytes
from pipeline.io.vector import as_column
from pipeline.ledger import AnyPlace, Edit, LedgerStore, Refusal, change, open_ledger
from pipeline.model import Attribution, Case
from pipeline.publish.geometry import inner_point, to_wgs84
from pipeline.publish.words import EVIDENCE_ZH, NOTICE, STATUS_ZH

NAMES = ("cases.csv", "cases.gpkg")
EDITABLE = tuple(READERS)
FOR_READING = (
    *("status_zh", "kind_zh", "evidence_zh", "proposal", "area_m2", "confidence_score"),
    *("corridor_id", "county_zh", "township_zh", "bank", "chainage_m", "lon", "lat"),
    *("first_seen", "last_seen", "last_by", "ruling", "notice"),
)
COLUMNS = ("case_id", "revision", *EDITABLE, *FOR_READING)


@dataclass(frozen=True)
class ExportRequest:
    """What the command was given."""

    ledger: AnyPlace
    out: Path
    wanted: Filter


@dataclass(frozen=True)
class ImportRequest:
    """What the command was given."""

    ledger: AnyPlace
    file: Path
    by: str
    partial: bool = False


def export_cases(request: ExportRequest) -> Report:
    """Write cases for editing into a folder, as CSV and as GeoPackage.

    Raises
    ------
    ConfigurationError
        A file that is there holds edits that were not imported (each named), is open in another
        program, or is none of ours; then neither is written.
    """
    if request.out.exists() and not request.out.is_dir():
        raise ConfigurationError(f"{request.out} is a file", "Name a folder for the export")
    targets = [request.out / name for name in NAMES]
    with open_ledger(request.ledger, writing=False) as ledger:
        for path in targets:
            _spare(path, ledger)
        cases = [c for c in ledger.scan() if request.wanted.takes(c)]
    rows = [row_of(case) for case in cases]
    contents = (write_csv(COLUMNS, [*rows]), _gpkg(cases, rows))
    for path, data in zip(targets, contents, strict=True):
        write_bytes(path, data)
    return Report((f"{len(cases)} cases in {' and '.join(str(p) for p in targets)}",))


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
        edits, bad = _edits(table, ledger, Author(by, today()))
        said = command("import", edits)
        done = change(ledger, edits, said, partial=request.partial, bad=bad)
    refuse(done.refused, len(table.rows), "rows", partial=request.partial)
    report = outcome(done)
    return Report((*lost, *report.lines), report.code)


def row_of(case: Case) -> dict[str, Any]:
    """Give a case as a row for editing; yes and no are 是 and 否."""
    place, seen = case.attribution or Attribution(), case.evidence
    lon, lat = inner_point(to_wgs84(case.polygon, case.crs))
    values = {k: _written(v) for k, v in values_of(case).items()}
    return {
        "case_id": case.case_id,
        "revision": str(case.revision),
        **values,
        "status_zh": STATUS_ZH[case.status],
        "kind_zh": case.kind.zh,
        "evidence_zh": EVIDENCE_ZH[seen.state],
        "proposal": case.proposal,
        "area_m2": f"{case.area_m2:.2f}",
        "confidence_score": f"{case.score:.4f}",
        "corridor_id": case.corridor_id,
        "county_zh": place.county_zh,
        "township_zh": place.township_zh,
        "bank": place.bank,
        "chainage_m": None if place.chainage_m is None else f"{place.chainage_m:.1f}",
        "lon": f"{lon:.7f}",
        "lat": f"{lat:.7f}",
        "first_seen": f"{seen.first_seen:%Y-%m-%d}" if seen.first_seen else None,
        "last_seen": f"{seen.last_seen:%Y-%m-%d}" if seen.last_seen else None,
        "last_by": case.people.by if case.people else None,
        "ruling": ruling_word(case),
        "notice": NOTICE,
    }


def _written(value: Any) -> str | None:
    if isinstance(value, bool):
        return "是" if value else "否"
    return None if value is None else str(value)


def _gpkg(cases: Sequence[Case], rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Write the rows with outlines in WGS 84 (EPSG:4326)."""
    shapes = [shapely.to_wkb(to_wgs84(c.polygon, c.crs)) for c in cases]
    buffer = io.BytesIO()
    raw.write(
        buffer,
        geometry=np.array(shapes, dtype=object),
        field_data=[as_column([r.get(name) for r in rows]) for name in COLUMNS],
        fields=np.array(COLUMNS, dtype=object),
        geometry_type="MultiPolygon",
        promote_to_multi=True,
        crs="EPSG:4326",
        layer=LAYER,
        driver="GPKG",
    )
    return buffer.getvalue()


def _spare(path: Path, ledger: LedgerStore) -> None:
    """Refuse to write over a file that holds anything the ledger does not know."""
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


def _unread(table: Table, ledger: LedgerStore) -> list[str]:
    """Name what import does not read of a table: further columns, and edited reading ones."""
    more = [
        f"the column {name}"
        for name in table.unread(*COLUMNS)
        if any(row[name] is not None for row in table.rows)
    ]
    for row, then, now in _versions(table, ledger):
        if isinstance(then, Refusal) or now is None:
            continue
        stood = row_of(then)
        names = [
            name for name in FOR_READING if name in row.values and not _same(row[name], stood[name])
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
    names = {name for row in table.rows if (name := row["case_id"])}
    known = {c.case_id: c for c in ledger.cases(names)}
    for row in table.rows:
        name = row["case_id"] or ""
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
