"""``recheck.geojson``: what newer imagery says of cases that people hold or have closed. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pipeline.errors import ContractError
from pipeline.model import Attribution, Rechecked
from pipeline.publish.contract import check
from pipeline.publish.geojson import SCHEMA_VERSION, feature_collection, to_bytes
from pipeline.publish.geometry import as_geojson, bbox, inner_point, to_wgs84
from pipeline.publish.words import NOTICE, STATUS_ZH

NAME = "recheck.geojson"


def render_rechecks(
    found: Iterable[Rechecked], rivers_zh: Mapping[str, str], run_id: str
) -> dict[str, bytes]:
    """Make the file, checked against the schema.

    Parameters
    ----------
    rivers_zh : mapping of corridor id to str
        Name of the water.
    """
    features = [_feature(one, rivers_zh.get(one.case.corridor_id), run_id) for one in found]
    collection = feature_collection(features)
    check("rechecks", collection)
    return {NAME: to_bytes(collection)}


def _feature(one: Rechecked, river_zh: str | None, run_id: str) -> dict[str, Any]:
    case = one.case
    place = case.attribution or Attribution()
    try:
        outline = to_wgs84(case.polygon, case.crs)
        point = inner_point(outline)
    except ContractError as error:
        raise ContractError(f"case {case.case_id}: {error.what}", error.remedy) from error
    return {
        "type": "Feature",
        "id": case.case_id,
        "bbox": bbox([outline]),
        "geometry": as_geojson(outline),
        "properties": {
            "case_id": case.case_id,
            "revision": case.revision,
            "kind": case.kind.value,
            "kind_zh": case.kind.zh,
            "status": case.status.value,
            "status_zh": STATUS_ZH[case.status],
            "corridor_id": case.corridor_id,
            "river_zh": river_zh,
            "county_zh": place.county_zh,
            "township_zh": place.township_zh,
            "point_wgs84": list(point),
            "word": one.word,
            "why": one.why,
            "since": _day(one.since),
            "counted_after": _day(one.after),
            "dates_seen": sorted({d.isoformat() for d in one.seen}),
            "dates_missed": sorted({d.isoformat() for d in one.missed}),
            "clear_looks": len(one.seen) + len(one.missed),
            "unclear_looks": one.unclear,
            "unseen_days": one.unseen_days,
            "looked_until": _day(one.looked_until),
            "watch_until": _day(one.watch_until),
            "run_id": run_id,
            "schema_version": SCHEMA_VERSION,
            "notice": NOTICE,
        },
    }


def _day(value: Any) -> str | None:
    return None if value is None else value.isoformat()
