"""The layers of a run: cases by list, unseen reaches, and the ground they lie on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import shapely

from pipeline.io.layers import OfficeLayer
from pipeline.model import Case, Corridor, Kind, NotObserved, Proposed, Visit
from pipeline.publish.geometry import to_wgs84
from pipeline.publish.gis.drawings import case_drawing, hatched, outlined
from pipeline.publish.gis.table import Column, Drawing, GisLayer, Type
from pipeline.publish.rows import COLUMNS, EDITABLE, HEADINGS, PERSONS, row_of
from pipeline.publish.words import STATUS_ZH

CASES = ("cases", "疑似问题")
WATCH = ("watch", "待核（仅供分析）")
SUPPRESSED = ("suppressed", "已由图层或决定说明")
UNSEEN = ("not_observed", "未观测河段")
CORRIDORS = ("corridors", "巡查范围（非管理范围）")

RUN_ONLY = (
    *("river_zh", "confidence", "frozen", "visit_rank", "visit_why", "proposed_rank", "waits"),
    *("audit", "reasons", "picture"),
)
"""Columns of a run's layers that an export for editing has not; for reading."""

_MORE_HEADINGS = {
    "confidence": "可信度（校准后）",
    "frozen": "暂无观测",
    "visit_rank": "核查次序",
    "visit_why": "待核缘由",
    "proposed_rank": "建议交办次序（本县本月）",
    "waits": "暂缓交办缘由",
    "audit": "抽查",
    "reasons": "判定依据",
    "picture": "证据图",
}
_TYPES: Mapping[str, Type] = {
    **dict.fromkeys(("area_m2", "confidence_score", "chainage_m", "confidence"), "real"),
    **dict.fromkeys(("volume_m3", "height_m"), "real"),
    **dict.fromkeys(("lon", "lat", "lon_gcj02", "lat_gcj02"), "real"),
    **dict.fromkeys(("revision", "visit_rank", "proposed_rank"), "whole"),
    **dict.fromkeys(("due", "first_seen", "last_seen"), "day"),
}
_QGIS_NULL = "{2839923C-8B7D-419E-B84B-CA2FE9B80EC7}"  # QGIS's word for NULL in a list of choices
_YES_NO = (("是", "是"), ("否", "否"))
_CHOICES = {
    "status": tuple((s.value, zh) for s, zh in STATUS_ZH.items()),
    "kind": tuple((k.value, k.zh) for k in Kind),
    "overdue": _YES_NO,
    "on_account": _YES_NO,
    "bank": (("left", "左岸"), ("right", "右岸")),
}

# Office layers that are shown, from top to bottom: heading, and how they are drawn.
_NAME = '"name"'
_OFFICE: Mapping[str, tuple[str, Drawing]] = {
    "boundary": ("管理范围", outlined("管理范围线", "#7b3294", "solid", "0.6", _NAME)),
    "zones": ("岸线功能区", hatched("岸线功能区", "#008837", 45, '"zone"')),
    "no-mining": ("禁采区和禁采期", hatched("禁采区", "#b35806", 135, _NAME)),
    "permits": ("许可", hatched("许可", "#5e3c99", 0, '"id"')),
    "works": ("在建或已批准工程", hatched("已批准工程", "#404040", 90, _NAME)),
    "history": ("历史问题", outlined("历史问题", "#606060", "dot", "0.5")),
    "existing": ("既有建筑物", outlined("既有建筑物", "#404040", "solid", "0.3", _NAME)),
    "townships": ("乡镇", outlined("乡镇界", "#969696", "dot", "0.3", _NAME)),
    "counties": ("县区", outlined("县区界", "#636363", "dash", "0.4", _NAME)),
}
_POSITIONS = {"agrees": "已核对", "accepted": "未核对，有人负责", "unverified": "未核对"}


def case_columns(names: Iterable[str], reasons_zh: Mapping[str, str]) -> tuple[Column, ...]:
    """Give the columns of cases by name, with headings, types and what may be written.

    ``reasons_zh`` are the words of the codes of reasons, which the ledger knows.
    """
    headings = HEADINGS | _MORE_HEADINGS
    choices = {**_CHOICES, "reason": ((_QGIS_NULL, "（无）"), *reasons_zh.items())}
    return tuple(
        Column(n, headings[n], _TYPES.get(n, "text"), n in EDITABLE, choices.get(n, ()))
        for n in names
    )


def cases_for_editing(
    cases: Sequence[Case], rows: Sequence[Mapping[str, Any]], reasons_zh: Mapping[str, str]
) -> GisLayer:
    """Give the layer of an export: cases with their rows."""
    shapes = [to_wgs84(c.polygon, c.crs) for c in cases]
    columns = case_columns(COLUMNS, reasons_zh)
    return GisLayer(CASES[0], "问题台账", columns, rows, shapes, case_drawing())


@dataclass(frozen=True)
class Said:
    """What a run says of cases beside the cases themselves, by case id unless told otherwise."""

    rivers_zh: Mapping[str, str]  # by corridor id
    confidence: Mapping[str, float]  # calibrated
    visits: Mapping[str, Visit]
    audit: frozenset[str]  # ids of suppressed cases that somebody should check
    reasons_zh: Mapping[str, str]  # by code
    proposed: Mapping[str, Proposed] = field(default_factory=dict[str, Proposed])
    pictures: Mapping[str, str] = field(default_factory=dict[str, str])  # path below the folder


def run_cases(named: tuple[str, str], cases: Sequence[Case], said: Said) -> GisLayer:
    """Give a list of a run as a layer; names of persons are not in it."""
    names = (*(c for c in COLUMNS if c not in PERSONS), *RUN_ONLY)
    shapes = [to_wgs84(c.polygon, c.crs) for c in cases]
    rows = [{**row_of(c), **_more(c, said)} for c in cases]
    columns = case_columns(names, said.reasons_zh)
    shown = named != SUPPRESSED
    return GisLayer(*named, columns, rows, shapes, case_drawing(), shown)


def _more(case: Case, said: Said) -> dict[str, Any]:
    visit, share = said.visits.get(case.case_id), said.confidence.get(case.case_id)
    place = said.proposed.get(case.case_id)
    spoken = case.ruling.spoken if case.ruling else ()
    notes = case.attribution.notes if case.attribution else ()
    return {
        "river_zh": said.rivers_zh.get(case.corridor_id),
        "confidence": None if share is None else round(share, 4),
        "frozen": "是" if case.evidence.frozen else "否",
        "visit_rank": visit.rank if visit else None,
        "visit_why": "；".join(visit.why) or None if visit else None,
        "proposed_rank": place.rank if place else None,
        "waits": place.waits if place else None,
        "audit": "是" if case.case_id in said.audit else "否",
        "reasons": "；".join((*(s.text for s in spoken), *notes)) or None,
        "picture": said.pictures.get(case.case_id),
    }


def unseen_layer(reaches: Sequence[NotObserved], rivers_zh: Mapping[str, str]) -> GisLayer:
    """Give the reaches that nobody could look at, with the days."""
    columns = (
        Column("corridor_id", "河段"),
        Column("river_zh", "河湖"),
        Column("reach_id", "河段分段"),
        Column("last_clear", "最近晴空观测", "day"),
        Column("days", "未观测天数", "whole"),
    )
    ordered = sorted(reaches, key=lambda r: (r.corridor_id, r.reach_id))
    rows = [
        {
            "corridor_id": r.corridor_id,
            "river_zh": rivers_zh.get(r.corridor_id),
            "reach_id": r.reach_id,
            "last_clear": r.last_clear,
            "days": r.days,
        }
        for r in ordered
    ]
    shapes = [to_wgs84(r.polygon_wgs84, "EPSG:4326") for r in ordered]
    label = "\"days\" || ' 天未观测'"
    return GisLayer(*UNSEEN, columns, rows, shapes, hatched("未观测", "#8c8c8c", 60, label))


def corridor_layer(corridors: Sequence[Corridor]) -> GisLayer:
    """Give the corridors; a working geometry, never a legal one, and named so."""
    columns = (
        Column("corridor_id", "河段"),
        Column("name_zh", "河湖"),
        Column("water", "类型", choices=(("river", "河流"), ("reservoir", "水库"))),
        Column("accuracy_m", "精度（米）", "real"),
        Column("provenance", "来源"),
    )
    ordered = sorted(corridors, key=lambda c: c.id)
    rows = [
        {
            "corridor_id": c.id,
            "name_zh": c.name_zh,
            "water": c.water,
            "accuracy_m": c.accuracy_m,
            "provenance": c.provenance,
        }
        for c in ordered
    ]
    drawing = outlined("巡查范围", "#2b8cbe", "dash", "0.5", '"name_zh"')
    shapes = [to_wgs84(c.polygon_wgs84, "EPSG:4326") for c in ordered]
    return GisLayer(*CORRIDORS, columns, rows, shapes, drawing)


def office_layers(office: Mapping[str, OfficeLayer]) -> tuple[list[GisLayer], dict[str, int]]:
    """Give the polygons of the office's layers; and how many points and lines were left out."""
    found: list[GisLayer] = []
    left_out: dict[str, int] = {}
    for kind, (zh, drawing) in _OFFICE.items():
        layer = office.get(kind)
        if layer is None:
            continue
        flat = [f for f in layer.features if int(shapely.get_dimensions(f.geometry)) == 2]
        if len(flat) < len(layer.features):
            left_out[kind] = len(layer.features) - len(flat)
        if not flat:
            continue
        names = list(dict.fromkeys(n for f in flat for n in f.fields))
        checked = {s.source: _POSITIONS[s.position.position] for s in layer.record.sources}
        rows = [{**f.fields, "source": f.source, "position": checked.get(f.source)} for f in flat]
        columns = (
            *(Column(n, n) for n in names),
            Column("source", "来源"),
            Column("position", "位置核对"),
        )
        shapes = [shapely.force_2d(f.geometry) for f in flat]
        name = kind.replace("-", "_")
        found.append(GisLayer(name, zh, columns, rows, shapes, drawing))
    return found, left_out
