"""Cases and unseen reaches as GeoJSON (RFC 7946); pure, and the same input gives the same bytes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from shapely.geometry import shape

from pipeline.errors import ContractError
from pipeline.io.datum import applies, to_gcj02
from pipeline.model import (
    NO_SWIR,
    Attribution,
    Case,
    Grade,
    Kind,
    Lead,
    Look,
    NotObserved,
    Proposed,
    Ruling,
    Seen,
    Visit,
    office_day,
)
from pipeline.publish.geometry import DECIMALS, as_geojson, bbox, inner_point, to_wgs84
from pipeline.publish.words import EVIDENCE_ZH, NOTICE, STATUS_ZH

SCHEMA_VERSION = "1.1.0"

# Loose sand and gravel that was tipped stands at 30 degrees (0.58) and more; what rivers laid down
# or took away between true surveys of two sandbars had sides of 0.24 to 0.46 (decision 299).
_REPOSE = 0.5
_MOVED = (Kind.DUI, Kind.CAI, Kind.ZHAN)


@dataclass(frozen=True)
class Imagery:
    """What pictures show a case."""

    chips: tuple[tuple[str, str], ...] = ()  # (path in the run's folder, SHA-256), sorted
    cloud_share: float | None = None  # 0..1 of the picture that shows it
    credit: str | None = None  # as the licence of the imagery asks


def case_feature(
    case: Case,
    *,
    river_zh: str | None = None,
    gsd_m: Mapping[str, float] | None = None,
    calibrated: tuple[float, str | None] | None = None,
    audit: bool = False,
    visit: Visit | None = None,
    proposed: Proposed | None = None,
    imagery: Imagery | None = None,
) -> dict[str, Any]:
    """Make the feature of a case.

    Parameters
    ----------
    river_zh : str, optional
        Name of the corridor's water.
    gsd_m : mapping of sensor to float, optional
        Ground sample distance by sensor [m].
    calibrated : (float, str), optional
        Calibrated confidence, and what the calibration was fitted on (``simulated`` or
        ``verdicts``); without it the uncalibrated score is given, and said to be one.
    audit : bool
        Drawn by lot from the suppressed ones, for a person to check.
    visit : Visit, optional
        Where it stands in the order of visits, of those on watch.
    proposed : Proposed, optional
        Where it stands in the budget of its county, of those that could be issued.
    imagery : Imagery, optional
        The pictures of its evidence.

    Raises
    ------
    ContractError
        If the outline has no area left at 7 decimals; the case is named.
    """
    try:
        outline = to_wgs84(case.polygon, case.crs)
        point = inner_point(outline)
    except ContractError as error:
        raise ContractError(f"case {case.case_id}: {error.what}", error.remedy) from error
    properties = {
        **_identity(case),
        **_what(case, calibrated),
        **_where(case, point, river_zh),
        **_law(case),
        "ruling": _ruling(case.ruling),
        "audit": audit,
        "visit": None if visit is None else {**asdict(visit), "why": list(visit.why)},
        "proposed": None if proposed is None else asdict(proposed),
        "leads": [_lead(lead) for lead in case.leads],
        **_evidence(case, gsd_m or {}, imagery or Imagery()),
        **_provenance(case),
        "notice": NOTICE,
    }
    return {
        "type": "Feature",
        "id": case.case_id,
        "bbox": bbox([outline]),
        "geometry": as_geojson(outline),
        "properties": properties,
    }


def not_observed_feature(reach: NotObserved) -> dict[str, Any]:
    """Make the feature of a reach that nobody could look at."""
    outline = to_wgs84(reach.polygon_wgs84, "EPSG:4326")
    name = f"{reach.corridor_id}/{reach.reach_id}"
    return {
        "type": "Feature",
        "id": name,
        "bbox": bbox([outline]),
        "geometry": as_geojson(outline),
        "properties": {
            "corridor_id": reach.corridor_id,
            "reach_id": reach.reach_id,
            "last_clear": reach.last_clear.isoformat() if reach.last_clear else None,
            "days": reach.days,
            "schema_version": SCHEMA_VERSION,
        },
    }


def feature_collection(features: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Collect features, sorted by id; an empty one has no bbox."""
    ordered = sorted(features, key=lambda f: str(f["id"]))
    box = bbox([shape(f["geometry"]) for f in ordered])
    return {
        "type": "FeatureCollection",
        **({"bbox": box} if box else {}),
        "features": ordered,
    }


def to_bytes(collection: Mapping[str, Any]) -> bytes:
    """Write a collection as UTF-8 JSON, one feature per line so that a diff can be read."""
    head = {k: v for k, v in collection.items() if k != "features"}
    features = ",\n".join(_compact(f) for f in collection["features"])
    return f'{_compact(head)[:-1]},"features":[\n{features}\n]}}\n'.encode()


def instant(value: datetime | None) -> str | None:
    """Write an instant in UTC to the second, as RFC 3339 does."""
    return None if value is None else value.strftime("%Y-%m-%dT%H:%M:%SZ")


def _identity(case: Case) -> dict[str, Any]:
    evidence = case.evidence
    return {
        "case_id": case.case_id,
        "revision": case.revision,
        "status": case.status.value,
        "status_zh": STATUS_ZH[case.status],
        "evidence_state": evidence.state.value,
        "evidence_state_zh": EVIDENCE_ZH[evidence.state],
        "frozen": evidence.frozen,
        "produced": case.produced,
        "proposal": case.proposal,
        "first_seen": instant(evidence.first_seen),
        "last_seen": instant(evidence.last_seen),
        "appeared_after": instant(evidence.appeared_after),
        "appeared_before": instant(evidence.first_seen),
        "merged_from": list(case.merged_from),
        "parent": case.parent,
        "external_id": case.external_id,
    }


def _what(case: Case, calibrated: tuple[float, str | None] | None) -> dict[str, Any]:
    return {
        "kind": case.kind.value,
        "kind_zh": case.kind.zh,
        **_grade(case.grade or Grade()),
        "alternatives": _alternatives(case),
        "confidence": round(case.score if calibrated is None else calibrated[0], 4),
        "confidence_calibrated": calibrated is not None,
        "confidence_basis": None if calibrated is None else calibrated[1],
        "area_m2": round(case.area_m2, 2),
        "volume_m3": _volume(case),
        "drone_measures": _measured(case),
    }


def _grade(grade: Grade) -> dict[str, Any]:
    """Give the suggested sub-type, said to be suspected, and the severity."""
    return {
        "subtype": grade.subtype,
        "subtype_zh": f"疑似{grade.subtype_zh}" if grade.subtype_zh else None,
        "severity": asdict(grade.severity) if grade.severity else None,
    }


def _lead(lead: Lead) -> dict[str, str]:
    """Give a lead as it leaves the office: neither what list nor who brought it."""
    return {
        "source": lead.source.value,
        "source_zh": lead.source.zh,
        "ref": lead.ref,
        "on": lead.on.isoformat(),
        "kind": lead.kind.value,
    }


def _volume(case: Case) -> dict[str, float] | None:
    """Give the net volume [m³] (fill less cut) with its 95 % interval, where surfaces gave one."""
    named = {"net": "net_m3", "low": "net_m3_low", "high": "net_m3_high"}
    if not all(name in case.measures for name in named.values()):
        return None
    return {key: round(case.measures[name], 2) for key, name in named.items()}


def _measured(case: Case) -> dict[str, Any] | None:
    """Give all that a drone measured, with 95 % intervals; None where none did."""
    m = case.measures
    if not case.of_drone or "footprint_m2" not in m:
        return None
    names = ("footprint_m2", "height_m", "cut_m3", "fill_m3", "net_m3")
    plain = ("side_slope", "planarity_m")
    return {
        **{name: _interval(case, name) for name in names},
        **{name: round(m[name], 3) if name in m else None for name in plain},
        "volume_is_least": bool(m.get("volume_is_least", 0.0)),
    }


def _interval(case: Case, name: str) -> dict[str, float] | None:
    named = {"value": name, "low": f"{name}_low", "high": f"{name}_high"}
    if not all(n in case.measures for n in named.values()):
        return None
    return {key: round(case.measures[n], 2) for key, n in named.items()}


def _alternatives(case: Case) -> list[dict[str, Any]]:
    """List the kinds that were weighed with their scores, best first; empty where only one was."""
    scores = {
        k: case.measures[f"kind_{k.value}"] for k in Kind if f"kind_{k.value}" in case.measures
    }
    ranked = sorted(scores.items(), key=lambda item: (-item[1], item[0]))
    return [{"kind": k.value, "subtype": None, "score": round(v, 4)} for k, v in ranked]


def _where(case: Case, point: tuple[float, float], river_zh: str | None) -> dict[str, Any]:
    place = case.attribution or Attribution()
    gcj = to_gcj02(*point) if applies(*point) else None
    return {
        "corridor_id": case.corridor_id,
        "river_zh": river_zh,
        "point_wgs84": list(point),
        "point_gcj02": None if gcj is None else [round(v, DECIMALS) for v in gcj],
        "chainage_m": place.chainage_m,
        "chainage_accuracy_m": place.chainage_accuracy_m,
        "bank": place.bank,
        "reservoir_zh": place.reservoir_zh,
        "county_code": place.county_code,
        "county_zh": place.county_zh,
        "township_code": place.township_code,
        "township_zh": place.township_zh,
        "river_chief": None,
    }


def _law(case: Case) -> dict[str, Any]:
    place, ruling = case.attribution or Attribution(), case.ruling or Ruling()
    return {
        "in_management_area": place.in_management_area,
        "boundary_used": place.boundary_used,
        "zone": place.zone,
        "no_mining": place.no_mining,
        "no_mining_in_force": place.no_mining_in_force,
        "permit": asdict(ruling.permit) if ruling.permit else None,
        "reasons": [*(s.text for s in ruling.spoken), *place.notes, *_unsure(case)],
    }


def _unsure(case: Case) -> Iterator[str]:
    """Say what imagery does not tell of the kind, and where none of it counts any more."""
    if case.unsupported:
        yield "所依据的无人机飞行已被更正替代，目前没有影像依据，请人工决定是否撤回"
    if len(case.kinds_alike) > 1:
        dry = case.measures.get("wet_share", 1.0) < 0.5 and not case.measures.get("mixed_water")
        earth = dry and set(case.kinds_alike) == {Kind.CAI, Kind.DUI}
        names = "与".join(k.zh for k in case.kinds_alike)
        yield f"类型未定：影像难以区分{names}{'（堆土或取土）' if earth else ''}"
    if case.measures.get(NO_SWIR):
        yield "所用影像没有短波红外，裸土、建筑与水的区分较不可靠"
    slope = case.measures.get("side_slope", 0.0)  # 0 is of what has no side that was measured
    earth_moved = case.of_drone and case.kind in _MOVED and not case.verified
    if earth_moved and 0.0 < slope < _REPOSE:
        yield (
            f"边坡平缓（坡度{slope:.2f}）：若在水边，也可能是河流冲淤所致，请核对两次飞行之间的水情"
        )


def _ruling(ruling: Ruling | None) -> dict[str, Any] | None:
    """Give the ruling; its sentences stand in ``reasons`` as well."""
    if ruling is None:
        return None
    return {
        "outcome": ruling.outcome,
        "rule": ruling.rule,
        "rules": [asdict(s) for s in ruling.spoken],
        "overrun_m2": ruling.overrun_m2,
    }


def _evidence(case: Case, gsd_m: Mapping[str, float], imagery: Imagery) -> dict[str, Any]:
    hits = _hits(case)
    sensors = sorted({look.sensor for look in hits})
    return {
        "dates_seen": sorted({office_day(look.on).isoformat() for look in hits}),
        "hits": case.evidence.hits,
        "misses": case.evidence.misses,
        "clear_looks": case.evidence.clear_looks,
        "sensors": sensors,
        "gsd_m": min((gsd_m[s] for s in sensors if s in gsd_m), default=None),
        "cloud_share": imagery.cloud_share,
        "residual_m": _worst([look.residual_m for look in hits]),
        "level_ranks": [
            {"on": instant(k.on), "rank": round(k.level_rank, 4), "certain": k.certain}
            for k in hits
            if k.level_rank is not None
        ],
        "chips": [{"name": name, "sha256": digest} for name, digest in imagery.chips],
        "imagery_credit": imagery.credit,
    }


def _provenance(case: Case) -> dict[str, Any]:
    return {
        "run_id": case.run_id,
        "scene_ids": list(case.scene_ids),
        "detector": case.detector,
        "code_version": case.code_version,
        "config_hash": case.config_hash,
        "schema_version": SCHEMA_VERSION,
    }


def _hits(case: Case) -> Sequence[Look]:
    """Sightings since the object (re)appeared."""
    first = case.evidence.first_seen
    return [k for k in case.looks if k.seen is Seen.HIT and first is not None and k.on >= first]


def _worst(values: Iterable[float | None]) -> float | None:
    return max((round(v, 2) for v in values if v is not None), default=None)


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
