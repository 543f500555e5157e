"""A case as it is handed over: the promised feature, and beside it what this delivery says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.acquire.bands import load_sensor_table
from pipeline.adjudicate.calibration import Calibration, calibrated
from pipeline.deliver.changes import ENDED, Change, Item
from pipeline.deliver.evidence import Evidence
from pipeline.errors import ConfigurationError
from pipeline.ledger import Event
from pipeline.ledger.status import REASON_ZH, Reason
from pipeline.model import Case
from pipeline.publish.geojson import case_feature, instant
from pipeline.publish.words import STATUS_ZH

CHANGE_ZH = {
    Change.NEW: "新增",
    Change.UPDATED: "更新",
    Change.ENDED: "结束",
    Change.REOPENED: "重新打开",
    Change.SNAPSHOT: "现状",
}
_END_ZH = {"merged": "并入其他问题", "closed": "销号"}


@dataclass
class Dressing:
    """What a feature says beside the case itself; empty where only the state folder is known."""

    rivers_zh: Mapping[str, str] = field(default_factory=dict[str, str])
    calibration: Calibration | None = None
    sensors: Path | None = None  # folder of band tables
    _gsd_m: dict[str, float | None] = field(default_factory=dict[str, float | None], repr=False)

    def gsd_m(self, case: Case) -> dict[str, float]:
        """Give the ground sample distance [m] of the sensors that saw a case, where known."""
        found = {s: self._of(s) for s in {look.sensor for look in case.looks}}
        return {s: v for s, v in found.items() if v is not None}

    def _of(self, sensor: str) -> float | None:
        if sensor not in self._gsd_m:
            try:
                bands = load_sensor_table(self.sensors, sensor).bands if self.sensors else {}
                self._gsd_m[sensor] = min((b.gsd_m for b in bands.values()), default=None)
            except ConfigurationError:
                self._gsd_m[sensor] = None  # a sensor without a table, as a drone
        return self._gsd_m[sensor]


def handed_over(
    case: Case,
    item: Item,
    evidence: Evidence,
    number: int,
    dressing: Dressing,
    epoch: int = 0,
) -> dict[str, Any]:
    """Make the feature of a delivery; ``case`` is the revision that the item names.

    Raises
    ------
    ContractError
        The outline has no area left at 7 decimals; the case is named.
    """
    feature = case_feature(
        case,
        river_zh=dressing.rivers_zh.get(case.corridor_id),
        gsd_m=dressing.gsd_m(case),
        calibrated=calibrated(case, dressing.calibration),
        basis=dressing.calibration.basis_word if dressing.calibration else None,
    )
    feature["properties"]["chips"] = [
        {"name": f["name"], "sha256": f["sha256"]} for f in evidence.files
    ]
    people = case.people
    feature["delivery"] = {
        "key": key_of(item.case_id, item.revision, epoch),
        "number": number,
        "change": item.change.value,
        "change_zh": CHANGE_ZH[item.change],
        "old_status": item.old_status.value if item.old_status else None,
        "old_status_zh": STATUS_ZH[item.old_status] if item.old_status else None,
        "new_status": item.status.value,
        "new_status_zh": STATUS_ZH[item.status],
        "reason": item.reason,
        "reason_zh": _reason_zh(item.reason),
        "successor": item.successor,
        "issued_automatically": item.automatic,
        "due": people.due.isoformat() if people and people.due else None,
        "overdue": people.overdue if people else False,
        "on_account": people.on_account if people else False,
        "events": [_event(e) for e in item.events],
        "evidence": {
            "note": evidence.note,
            "revision": evidence.revision,
            "files": list(evidence.files),
        },
    }
    if epoch:
        feature["delivery"]["epoch"] = epoch
    return feature


def epoch_of(feature: Mapping[str, Any]) -> int:
    """Give the epoch of a delivery: 0, or the number with which a put back ledger began."""
    return int(feature["delivery"].get("epoch", 0))


def restated(feature: Mapping[str, Any], change: Change, number: int) -> dict[str, Any]:
    """Give what was handed over once more, as it stands: nothing happened since."""
    delivery: dict[str, Any] = {
        **feature["delivery"],
        "number": number,
        "change": change.value,
        "change_zh": CHANGE_ZH[change],
        "old_status": None,
        "old_status_zh": None,
        "events": [],
    }
    return {**feature, "delivery": delivery}


def has_ended(feature: Mapping[str, Any]) -> bool:
    """Tell whether a case had ended when it was handed over."""
    delivery = feature["delivery"]
    return delivery["successor"] is not None or delivery["new_status"] in ENDED


def key_of(case_id: str, revision: int, epoch: int = 0) -> str:
    """Give the idempotency key; ``epoch`` is not 0 after a ledger was put back from a backup."""
    return f"{case_id}:{revision}" + (f":{epoch}" if epoch else "")


def _reason_zh(reason: str | None) -> str | None:
    if reason is None:
        return None
    return _END_ZH.get(reason) or REASON_ZH[Reason(reason)]


def _event(event: Event) -> dict[str, Any]:
    """Give an event without names of persons, who stay in the ledger."""
    return {
        "revision": event.revision,
        "at": instant(event.as_of),
        "what": event.what,
        "old": event.old,
        "new": event.new,
    }
