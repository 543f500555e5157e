"""Which places on watch deserve a flight or a visit first, and what keeps each of them on watch.

Imagery of 10 m leaves most of what it sees undecided (待核), all of it where there are few dates.
Somebody has to go there, and not everywhere: places are ranked by how likely they are something,
times how much that would matter, times how fresh it is. The product of the four factors is that of
a budget for inspections; it is an order and no probability. A place that somebody points at comes
before the same place without a lead.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, time, timedelta

from pydantic import BaseModel, ConfigDict, Field

from pipeline.adjudicate.calibration import on_one_scale
from pipeline.model import DRONE_SINGLE, LEAD_POINT, Case, Kind, Seen, Visit

_DAY = timedelta(days=1)
_MOSTLY = 0.5  # share of certain sightings below which its looks are not certain
_SIGNS = (
    (("deep",), "水位低于以往记录，可能为正常出露"),
    (("soil",), "裸土光谱，可能为耕地、采伐或施工"),
    (("dark",), "暗色干地，可能为火烧迹地、煤、矿渣、灰或沥青"),
    (("felled",), "原为林地，可能仅为采伐；裸露满一季、扩大、积水或地表改变后再定"),
    (("strip", "linear"), "条带状，可能为桥梁、道路或堤"),
    (("afloat",), "多数影像中不与岸相连且光谱平直，可能为趸船、浮桥或船只"),
    (("floated",), "水面此前可能为漂浮植物（如水葫芦）覆盖，清除后复现"),
    (("precedents",), "往年同季曾见类似地表，可能为季节性"),
    (("own_ground",), "与该地块往年裸露时相同，可能为耕地翻耕、收割或休耕"),
    (("fields_alike",), "同期附近多处农地出现类似地表，可能为地膜、大棚或农事"),
)
"""Measures that speak against a place, and how the list of visits says it."""


class VisitOptions(BaseModel):
    """What makes a place urgent."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    half_area_m2: float = Field(
        default=1000.0, gt=0, le=1e6, description="area that weighs half of the largest [m2]"
    )
    half_life_days: float = Field(
        default=90.0, gt=0, le=3650, description="days since it was last seen that halve it [d]"
    )
    zone_weight: float = Field(
        default=1.5, ge=1, le=10, description="weight of a place in a zone of the office's layers"
    )
    lead_weight: float = Field(
        default=2.0, ge=1, le=10, description="weight of a place that a lead points at; no source"
    )
    few_looks: int = Field(
        default=8, ge=1, le=100, description="clear looks of history below which nothing is certain"
    )


def rank_visits(
    cases: Iterable[Case],
    until: Mapping[str, datetime],
    confidence: Mapping[str, float] | None = None,
    options: VisitOptions | None = None,
) -> dict[str, Visit]:
    """Rank places on watch for a flight or a visit.

    Parameters
    ----------
    cases : iterable of Case
        On watch.
    until : mapping of corridor id to datetime (UTC)
        The newest pass of the corridor: freshness is counted to it, never to the clock.
    confidence : mapping of case id to float, optional
        Calibrated confidence; where a place has none, all are ordered by the uncalibrated score.

    Returns
    -------
    dict of case id to Visit
        Every case has one; ties go by id, so the order of the input does not matter.
    """
    o = options or VisitOptions()
    cases = list(cases)
    known = on_one_scale(cases, confidence)
    scored = [(_score(c, until, known, o), c) for c in cases]
    scored.sort(key=lambda pair: (-pair[0], pair[1].case_id))
    return {c.case_id: Visit(i, s, _why(c, o)) for i, (s, c) in enumerate(scored, 1)}


def _score(
    case: Case, until: Mapping[str, datetime], known: Mapping[str, float], o: VisitOptions
) -> float:
    likely = known.get(case.case_id, case.score)
    # Of a point nobody knows how large it is.
    made = case.detector == LEAD_POINT
    size = 0.5 if made else case.area_m2 / (case.area_m2 + o.half_area_m2)
    last, newest = _last(case), until.get(case.corridor_id)
    age = max((newest - last) / _DAY, 0.0) if last and newest else 0.0
    fresh = 0.5 ** (age / o.half_life_days)
    place = case.attribution
    zone = o.zone_weight if place and place.zone else 1.0
    if place and place.no_mining and case.kind is Kind.CAI:
        zone *= o.zone_weight
    lead = o.lead_weight if case.leads else 1.0
    return round(likely * size * fresh * zone * lead, 4)


def _last(case: Case) -> datetime | None:
    """Give when somebody last saw it: an image, or a person who pointed at it (noon of the day)."""
    told = [datetime.combine(k.on, time(12), UTC) for k in case.leads]
    return max((t for t in (case.evidence.last_seen, *told) if t is not None), default=None)


def _why(case: Case, o: VisitOptions) -> tuple[str, ...]:
    """Say what keeps a place on watch: leads, and what its measures and looks tell."""
    told = tuple(f"线索：{k.source.zh} {k.ref}（{k.on}）" for k in case.leads)
    return (*told, *(("影像尚未见到，待现场核查",) if case.of_lead else _seen(case, o)))


def _seen(case: Case, o: VisitOptions) -> tuple[str, ...]:
    m = case.measures
    hits = [k for k in case.looks if k.seen is Seen.HIT]
    out: list[str] = []
    if case.of_pictures:
        alone = case.detector == DRONE_SINGLE
        out.append("仅一次飞行可见，何时出现不明" if alone else "仅见于未定标影像，类别不可靠")
    if m.get("looks", float("inf")) < o.few_looks:
        out.append(f"历史清晰影像不足{o.few_looks}期，待核")
    told = dict(m) | ({"soil": 0.0} if m.get("dark") else {})  # of another colour than soil
    out += [words for names, words in _SIGNS if any(told.get(name) for name in names)]
    first, last = case.evidence.first_seen, case.evidence.last_seen
    stood = (last - first) / _DAY if first and last else 0.0
    if stood < m.get("wait_days", 0.0):
        out.append(f"持续未满{m['wait_days']:.0f}天")
    if not out and case.kind is Kind.ZHAN and not any(k.certain for k in hits):
        out.append("无法与水位变化区分")
    if len(hits) < 3:
        out.append(f"仅{len(hits)}期影像可见")
    if not out and m.get("certain_share", 1.0) < _MOSTLY:
        out.append("多数发现单期难以确定（混合像元，或受水位、季节影响）")
    # Nothing speaks against it, and it was not confirmed all the same: too few looks were certain.
    sure = sum(k.certain for k in hits)
    return tuple(out) or (f"可确定的影像{sure}期，尚未连续确认",)
