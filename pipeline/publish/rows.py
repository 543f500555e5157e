"""A case as one row of a table: what people may write, and what is for reading."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

from pipeline.io.datum import applies, to_gcj02
from pipeline.model import Attribution, Case, Grade, PeopleRecord, office_day
from pipeline.publish.geometry import inner_point, to_wgs84
from pipeline.publish.words import EVIDENCE_ZH, NOTICE, STATUS_ZH

EDITABLE = (
    *("status", "reason", "note", "kind", "subtype", "due", "overdue", "on_account"),
    "external_id",
)
"""What ``siluan cases import`` reads back, beside the outline."""

FOR_READING = (
    *("status_zh", "kind_zh", "subtype_zh", "severity", "evidence_zh", "proposal", "leads"),
    *("area_m2", "volume_m3", "height_m", "confidence_score"),
    *("corridor_id", "county_zh", "township_zh", "bank", "chainage_m", "lon", "lat"),
    *("lon_gcj02", "lat_gcj02", "first_seen", "last_seen", "last_by", "subtype_by"),
    *("ruling", "notice"),
)
COLUMNS = ("case_id", "revision", *EDITABLE, *FOR_READING)
PERSONS = frozenset({"last_by", "subtype_by"})
"""Columns that name persons: in no file that is published, or meant for other systems."""

HEADINGS = {
    "case_id": "问题编号",
    "revision": "版本",
    "status": "状态",
    "reason": "原因",
    "note": "备注",
    "kind": "类型",
    "subtype": "细类代码（更正）",
    "due": "整改期限",
    "overdue": "逾期",
    "on_account": "挂账",
    "external_id": "外部编号",
    "status_zh": "状态（中文）",
    "kind_zh": "类型（中文）",
    "subtype_zh": "细类（建议）",
    "severity": "严重程度（建议）",
    "evidence_zh": "影像证据",
    "proposal": "影像建议",
    "leads": "线索",
    "area_m2": "面积（平方米）",
    "volume_m3": "体积变化（立方米）",
    "height_m": "高差（米）",
    "confidence_score": "可信度（未校准，仅供排序）",
    "corridor_id": "河段",
    "river_zh": "河湖",
    "county_zh": "县区",
    "township_zh": "乡镇",
    "bank": "岸别",
    "chainage_m": "桩号（米）",
    "lon": "经度（WGS 84）",
    "lat": "纬度（WGS 84）",
    "lon_gcj02": "经度（GCJ-02）",
    "lat_gcj02": "纬度（GCJ-02）",
    "first_seen": "首次发现",
    "last_seen": "最近发现",
    "last_by": "经办人",
    "subtype_by": "细类更正人",
    "ruling": "图层说明",
    "notice": "说明",
}
"""The Chinese heading of every column."""

_NO_TEXT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")
_NOBODY = PeopleRecord("", date.min)


def values_of(case: Case) -> dict[str, Any]:
    """Give what people may write of a case, as it stands; keys as in ``EDITABLE``."""
    said = case.people or _NOBODY
    return {
        "status": case.status,
        "reason": said.reason,
        "note": _plain(said.note),
        "kind": case.kind,
        "subtype": said.subtype,
        "due": said.due,
        "overdue": said.overdue,
        "on_account": said.on_account,
        "external_id": _plain(case.external_id),
    }


def texts_of(case: Case) -> dict[str, str | None]:
    """Give ``values_of`` as it is exported: text, yes and no are 是 and 否."""
    return {name: _plain(_written(value)) for name, value in values_of(case).items()}


def row_of(case: Case) -> dict[str, str | None]:
    """Give a case as a row of text, keys as in ``COLUMNS``; yes and no are 是 and 否.

    Lengths in m, areas in m², angles in degrees (WGS 84, and GCJ-02 where that differs), days ISO
    and the office's.

    Raises
    ------
    ContractError
        If the outline has no area left at 7 decimals.
    """
    place, seen = case.attribution or Attribution(), case.evidence
    lon, lat = inner_point(to_wgs84(case.polygon, case.crs))
    shifted = to_gcj02(lon, lat) if applies(lon, lat) else None
    row = {
        "case_id": case.case_id,
        "revision": str(case.revision),
        **texts_of(case),
        "status_zh": STATUS_ZH[case.status],
        "kind_zh": case.kind.zh,
        **_graded(case),
        "evidence_zh": EVIDENCE_ZH[seen.state],
        "proposal": case.proposal,
        "leads": "；".join(f"{k.source.zh} {k.ref}（{k.on}）" for k in case.leads) or None,
        "area_m2": f"{case.area_m2:.2f}" if case.sized else None,
        "volume_m3": _measured(case, "net_m3"),
        "height_m": _measured(case, "height_m"),
        "confidence_score": f"{case.score:.4f}",
        "corridor_id": case.corridor_id,
        "county_zh": place.county_zh,
        "township_zh": place.township_zh,
        "bank": place.bank,
        "chainage_m": None if place.chainage_m is None else f"{place.chainage_m:.1f}",
        "lon": f"{lon:.7f}",
        "lat": f"{lat:.7f}",
        "lon_gcj02": f"{shifted[0]:.7f}" if shifted else None,
        "lat_gcj02": f"{shifted[1]:.7f}" if shifted else None,
        "first_seen": f"{office_day(seen.first_seen)}" if seen.first_seen else None,
        "last_seen": f"{office_day(seen.last_seen)}" if seen.last_seen else None,
        "last_by": case.people.by if case.people else None,
        "subtype_by": case.people.subtype_by if case.people else None,
        "ruling": ruling_word(case),
        "notice": NOTICE,
    }
    return {name: _plain(text) for name, text in row.items()}


def _plain(text: str | None) -> str | None:
    """Leave out what no workbook and no XML holds; ledgers of before it was refused may have it."""
    return None if text is None else _NO_TEXT.sub("", text)


def once_written(case: Case) -> dict[str, str]:
    """Give what versions before wrote otherwise: a table of theirs was not edited by a person.

    Days were of UTC (decision 302).
    """
    days = {"first_seen": case.evidence.first_seen, "last_seen": case.evidence.last_seen}
    return {name: f"{on:%Y-%m-%d}" for name, on in days.items() if on is not None}


def _graded(case: Case) -> dict[str, str | None]:
    """Give what the tables of the office suggest; a row nobody confirmed is said to be one."""
    grade = case.grade or Grade()
    severity = grade.severity
    unsure = "" if severity is None or severity.verified else "（分级表未经核实）"
    return {
        "subtype_zh": f"疑似{grade.subtype_zh}" if grade.subtype_zh else None,
        "severity": f"{severity.grade}{unsure}" if severity else None,
    }


def _measured(case: Case, name: str) -> str | None:
    """Give what a drone measured [m, m³], where its interval is known as well."""
    known = all(n in case.measures for n in (name, f"{name}_low", f"{name}_high"))
    return f"{case.measures[name]:.2f}" if known else None


def ruling_word(case: Case) -> str | None:
    """Give the ruling by which a case is kept from the lists; None where it is not."""
    return case.ruling.word if case.ruling and case.suppressed else None


def _written(value: Any) -> str | None:
    if isinstance(value, bool):
        return "是" if value else "否"
    return None if value is None else str(value)
