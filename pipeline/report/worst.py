"""The ten most serious cases of a report."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from heapq import nsmallest
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from pipeline.model import Attribution, Case, Status, office_day
from pipeline.publish.geometry import inner_point, to_wgs84
from pipeline.publish.words import STATUS_ZH
from pipeline.report.tables import Cell, Names
from pipeline.report.words import NO_TOWNSHIP, UNKNOWN

MOST = 10
GRAVE = {"严重": 0, "较重": 1, "一般": 2}
_WIDEST = 1400  # pixels of a picture in a report


@dataclass(frozen=True)
class Worst:
    """One of the most serious cases."""

    row: Mapping[str, Cell]
    picture: bytes | None  # PNG


COLUMNS: Mapping[str, str] = {
    "rank": "序号",
    "case_id": "问题编号",
    "kind": "类型",
    "river": "河湖",
    "place": "县区 乡镇",
    "status": "状态",
    "area": "面积（平方米）",
    "grade": "程度",
    "first": "首次发现",
    "point": "位置（WGS 84）",
}
PLACE = ("point",)
"""Columns that have a table of their own in the template."""


def most_serious(cases: Iterable[Case]) -> tuple[Case, ...]:
    """Order cases by grade, then area, then id, and give the first ten; no more are kept."""
    return tuple(nsmallest(MOST, cases, key=_order))


def shown(case: Case, rank: int, status: Status, names: Names) -> dict[str, Cell]:
    """Give the row of a case; ``status`` is that at the end of the period."""
    place = case.attribution or Attribution()
    severity = case.grade.severity if case.grade else None
    first = case.evidence.first_seen
    county = names.county(place.county_code or place.county_zh or "")
    suspected = "（疑似）" if status is Status.ISSUED else ""
    row: dict[str, Cell] = {
        "rank": rank,
        "case_id": case.case_id,
        "kind": f"{case.kind.zh}{suspected}",
        "river": names.river(case.corridor_id),
        "place": f"{county} {place.township_zh or NO_TOWNSHIP}",
        "status": STATUS_ZH[status],
        "area": f"{case.area_m2:.0f}",
        "grade": _grade(severity.grade, severity.verified) if severity else "未分级",
        "first": f"{office_day(first)}" if first else UNKNOWN,
    }
    lon, lat = inner_point(to_wgs84(case.polygon, case.crs))
    row["point"] = f"{lon:.5f}, {lat:.5f}"
    return row


def small_picture(path: Path) -> bytes | None:
    """Read a picture, made small enough for a report; None where it cannot be read."""
    try:
        with Image.open(path) as image:
            plain = image.convert("RGB")
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError):
        return None
    plain.thumbnail((_WIDEST, _WIDEST))
    out = io.BytesIO()
    plain.save(out, "PNG", optimize=True)
    return out.getvalue()


def _order(case: Case) -> tuple[int, float, str]:
    severity = case.grade.severity if case.grade else None
    grave = GRAVE.get(severity.grade, len(GRAVE)) if severity else len(GRAVE) + 1
    return grave, -case.area_m2, case.case_id


def _grade(word: str, verified: bool) -> str:
    return word if verified else f"{word}（未确认）"
