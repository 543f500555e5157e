"""What differs between the cases that are listed now and those that a run would list."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shapely.geometry.base import BaseGeometry

from pipeline.grid import reproject
from pipeline.model import Case
from pipeline.publish import Shelves

WORDS = {
    "appears": "出现 appears",
    "vanishes": "消失 vanishes",
    "list": "清单 other list",
    "kind": "类型 other kind",
    "state": "证据 other evidence state",
    "outline": "轮廓 other outline",
    "confidence": "置信度 other confidence",
}
"""What can change of a case, in the order of the table."""

_LEAST_IOU = 0.999  # outlines that overlap so far are drawn the same
_LEAST_STEP = 0.005  # of a confidence or a score


@dataclass(frozen=True)
class Listed:
    """A case as it is listed."""

    case: Case
    where: str  # cases, watch or suppressed
    confidence: float | None  # calibrated; None where there is no calibration

    @property
    def sure(self) -> float:
        """How sure it is: calibrated where it can be, else the score."""
        return self.case.score if self.confidence is None else self.confidence


@dataclass(frozen=True)
class Change:
    """What would change of one case."""

    case_id: str
    what: tuple[str, ...]  # keys of WORDS
    before: Listed | None
    after: Listed | None

    @property
    def shown(self) -> Listed:
        """Give the case as it would be, or as it was."""
        found = self.after or self.before
        assert found is not None
        return found


def listed(shelves: Shelves, confidence: Mapping[str, float]) -> dict[str, Listed]:
    """Give what is listed, by case id."""
    lists = {"cases": shelves.cases, "watch": shelves.watch, "suppressed": shelves.suppressed}
    return {
        c.case_id: Listed(c, where, confidence.get(c.case_id))
        for where, cases in lists.items()
        for c in cases
    }


def changes_between(
    before: Mapping[str, Listed], after: Mapping[str, Listed]
) -> tuple[Change, ...]:
    """Give every case of which something would change, by id."""
    out: list[Change] = []
    for case_id in sorted({*before, *after}):
        old, new = before.get(case_id), after.get(case_id)
        what = tuple(_differences(old, new))
        if what:
            out.append(Change(case_id, what, old, new))
    return tuple(out)


def _differences(old: Listed | None, new: Listed | None) -> Iterable[str]:
    if old is None or new is None:
        yield "appears" if old is None else "vanishes"
        return
    if old.where != new.where:
        yield "list"
    if old.case.kind != new.case.kind:
        yield "kind"
    if old.case.evidence.state != new.case.evidence.state:
        yield "state"
    if not _same_outline(old.case, new.case):
        yield "outline"
    if (old.confidence is None) != (new.confidence is None) or abs(
        old.sure - new.sure
    ) >= _LEAST_STEP:
        yield "confidence"


def _same_outline(old: Case, new: Case) -> bool:
    if old.crs == new.crs and old.polygon.equals(new.polygon):
        return True
    moved = new.polygon if old.crs == new.crs else reproject(new.polygon, new.crs, old.crs)
    union = old.polygon.union(moved).area
    return union > 0 and old.polygon.intersection(moved).area / union >= _LEAST_IOU


def table_lines(changes: Sequence[Change]) -> list[str]:
    """Give one line for each change."""
    return [f"{c.case_id}  {', '.join(WORDS[w] for w in c.what)}  {_said(c)}" for c in changes]


def _said(change: Change) -> str:
    parts = [_brief(x) for x in (change.before, change.after) if x is not None]
    return " -> ".join(parts)


def _brief(x: Listed) -> str:
    sure = f"{x.sure:.2f}"
    return f"{x.where}, {x.case.kind}, {x.case.evidence.state}, {x.case.area_m2:.0f} m2, {sure}"


def change_features(changes: Sequence[Change]) -> dict[str, Any]:
    """Give the changes as GeoJSON (WGS 84): outlines as they would be, or as they were."""
    features = [
        {
            "type": "Feature",
            "id": c.case_id,
            "geometry": _wgs84(c.shown.case).__geo_interface__,
            "properties": {
                "case_id": c.case_id,
                "corridor_id": c.shown.case.corridor_id,
                "changes": list(c.what),
                "before": _facts(c.before),
                "after": _facts(c.after),
                "notice": "仅为线索，不作为处罚依据",
            },
        }
        for c in changes
    ]
    return {"type": "FeatureCollection", "features": features}


def _wgs84(case: Case) -> BaseGeometry:
    return reproject(case.polygon, case.crs, "EPSG:4326")


def _facts(x: Listed | None) -> dict[str, Any] | None:
    if x is None:
        return None
    return {
        "list": x.where,
        "kind": str(x.case.kind),
        "evidence_state": str(x.case.evidence.state),
        "area_m2": round(x.case.area_m2),
        "score": round(x.case.score, 3),
        "confidence": None if x.confidence is None else round(x.confidence, 3),
    }
