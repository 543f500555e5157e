"""What a run writes down of itself: its id, its record, and what it counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from pipeline import __version__
from pipeline.adjudicate.calibration import Calibration, calibrated
from pipeline.config import Workflow
from pipeline.io.layers import OfficeLayer
from pipeline.ledger import LedgerResult
from pipeline.model import Case, Corridor, Kind, Proposed, RunRecord, SetAside
from pipeline.passes.corridor import Judged
from pipeline.publish import Shelves, make_run_id
from pipeline.running.console import Clock


def run_id_of(
    workflow: Workflow,
    corridors: Sequence[Corridor],
    judged: Sequence[Judged],
    marks: Mapping[str, str],
) -> str:
    """Name a run by all that its result depends on."""
    geometry = [f"{c.id} {c.polygon_wgs84.normalize().wkb_hex}" for c in corridors]
    return make_run_id(
        workflow.name,
        [*geometry, *(f"layer {kind} {mark}" for kind, mark in marks.items())],
        workflow.period.span,
        {f"{j.corridor_id}/{i['id']}": str(i["fingerprint"]) for j in judged for i in j.inputs},
        workflow.config_hash(),
        __version__,
    )


def record_of(
    workflow: Workflow,
    judged: Sequence[Judged],
    result: LedgerResult,
    rest: tuple[str, Clock, Sequence[SetAside]],
) -> RunRecord:
    """Give what stands in ``run.json``."""
    run_id, clock, aside = rest
    spent = _summed([clock.seconds, *(j.seconds for j in judged)])
    cpu = _summed([clock.cpu_seconds, *(j.cpu_seconds for j in judged)])
    return RunRecord(
        run_id=run_id,
        workflow=workflow.name,
        period=workflow.period.span,
        inputs=tuple(i for j in judged for i in j.inputs),
        config_hash=workflow.config_hash(),
        code_version=__version__,
        counts={
            "kinds": [kind.value for kind in Kind],
            "ledger": dict(result.counts),
            "corridors": {j.corridor_id: dict(j.counts) for j in judged},
        },
        seconds=spent,
        set_aside=tuple(aside),
        cpu_seconds=cpu,
        zone=workflow.period.zone,
    )


def _summed(parts: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Add up seconds by stage."""
    total: dict[str, float] = {}
    for part in parts:
        for name, value in part.items():
            total[name] = round(total.get(name, 0.0) + value, 3)
    return total


def layer_marks(layers: Mapping[str, OfficeLayer]) -> dict[str, str]:
    """Give what tells one import of each layer from another."""
    return {kind: layer.fingerprint for kind, layer in layers.items()}


def count_proposed(proposed: Mapping[str, Proposed]) -> dict[str, dict[str, int]]:
    """Count what is proposed for issue and what waits, by county."""
    counts: dict[str, dict[str, int]] = {}
    for p in proposed.values():
        pot = counts.setdefault(p.county, {"proposed": 0, "waiting": 0})
        pot["proposed" if p.waits is None else "waiting"] += 1
    return dict(sorted(counts.items()))


def count_rules(shelves: Shelves) -> dict[str, int]:
    """Count what was suppressed, by rule."""
    rules = Counter(c.ruling.rule for c in shelves.suppressed if c.ruling and c.ruling.rule)
    return dict(sorted(rules.items()))


def confidence_of(cases: Sequence[Case], calibration: Calibration | None) -> dict[str, float]:
    """Give the calibrated confidence by case, of those that have one."""
    shares = {c.case_id: calibrated(c, calibration) for c in cases}
    return {case: share for case, share in shares.items() if share is not None}
