"""What an inspection prints and leaves beside its cases: the worklist, and what was compared."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pipeline.cases.tables import write_csv
from pipeline.ledger import Withdrawn
from pipeline.model import Case, RunRecord
from pipeline.passes.flight_withheld import HeldBack
from pipeline.passes.inspect import Inspected
from pipeline.passes.worklist import Answer, Item
from pipeline.publish.words import NOTICE, STATUS_ZH

_SEAM, _LEAST_HA = 0.02, 0.01  # of a flight's ground: edges of two frames never fall together
_COLUMNS = (
    *("case_id", "kind_zh", "status", "status_zh", "answer", "answer_zh", "why_zh", "flights"),
    "notice",
)


def what_was_compared(record: RunRecord) -> list[str]:
    """Name the flights that were compared with nothing, and what of the others was not.

    What can be mended has been said as a warning already.
    """
    lines = [
        f"set aside {a.what}: {a.reason}"
        for a in record.set_aside
        if not a.remedy and a.stage == "acquire"
    ]
    whole = {a.what for a in record.set_aside}
    said = record.counts["uncompared_ha"]
    return [*lines, *uncompared_lines({k: v for k, v in said.items() if k not in whole})]


def uncompared_lines(said: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Say of flights how much of their ground [ha] nothing was compared with, seams left out."""
    return [
        f"{name}: 未与其他飞行比较 compared with nothing: "
        f"{ha['uncompared']:g} of {ha['ground']:g} ha"
        for name, ha in said.items()
        if ha["uncompared"] > max(_SEAM * ha["ground"], _LEAST_HA)
    ]


def worklist_lines(items: Sequence[Item]) -> list[str]:
    """Give the table of open cases that the flights cover."""
    if not items:
        return ["no open case lies under these flights"]
    rows = [
        f"{i.case.case_id}  疑似{i.case.kind.zh}  {i.answer} {i.answer.zh}  {i.why_zh}"
        for i in items
    ]
    counts = Counter(i.answer for i in items)
    said = ", ".join(f"{a} {a.zh} {counts[a]}" for a in Answer if counts[a])
    return [*rows, f"open cases under these flights: {len(items)} ({said})"]


def withheld_lines(objects: Iterable[HeldBack]) -> list[str]:
    """Name what flights show and no list has, each with its place and the case it is held by."""
    return [
        f"{k.case_id}: {k.flight} 在 at {k.lon:.5f}, {k.lat:.5f} ({k.area_m2:.0f} m²) "
        f"未列入 not listed: {k.why_zh}"
        for k in objects
    ]


def residuals_geojson(found: Sequence[Inspected]) -> bytes:
    """Give what is left where flights were brought together, as a layer for a map."""
    features = [feature for part in found for feature in part.residuals]
    content = {"type": "FeatureCollection", "name": "residuals", "features": features}
    return json.dumps(content, ensure_ascii=False).encode()


def worklist_csv(items: Sequence[Item]) -> bytes:
    """Give the same as CSV for a spreadsheet."""
    return write_csv(_COLUMNS, [_csv_row(i) for i in items])


def _csv_row(item: Item) -> dict[str, Any]:
    case = item.case
    return {
        "case_id": case.case_id,
        "kind_zh": case.kind.zh,
        "status": case.status.value,
        "status_zh": STATUS_ZH[case.status],
        "answer": item.answer.value,
        "answer_zh": item.answer.zh,
        "why_zh": item.why_zh,
        "flights": " ".join(item.flights),
        "notice": NOTICE,
    }


def withdrawal_lines(withdrawn: Withdrawn, known: Iterable[Case]) -> list[str]:
    """Name the cases that had looks of superseded flights, and what is left of each.

    With the cases that each has taken over since: they stay in it, and only people can tell whether
    they were drawn together by the flight that was wrong.
    """
    lines: list[str] = []
    for case in known:
        if case.case_id in withdrawn.cases:
            said = "其余影像仍支持 other imagery shows it"
            if case.unsupported and case.issued:
                said = "再无影像依据，请人工决定 no imagery is left, kept for people to decide on"
            elif not case.produced:
                said = "再无影像依据，已移出清单 no imagery is left, taken off the list"
            before = withdrawn.cases[case.case_id]
            since = sorted({*case.merged_from} - {*(before.merged_from if before else ())})
            if since:
                names = ", ".join(since)
                said += (
                    f"; 此后并入的问题仍在其中，请人工核对 cases merged into it since stay: {names}"
                )
            lines.append(f"{case.case_id}: 所依据的飞行已被替代 a flight was superseded; {said}")
    return lines
