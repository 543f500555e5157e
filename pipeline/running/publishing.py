"""What of a run is laid out for people: shelves, pictures, files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

from pipeline.adjudicate.screen import chosen_for_audit
from pipeline.adjudicate.visit import rank_visits
from pipeline.config import Workflow
from pipeline.io.layers import OfficeLayer
from pipeline.ledger import LedgerResult, LedgerStore
from pipeline.ledger.status import Reason
from pipeline.model import Corridor, Proposed, RunRecord
from pipeline.passes.corridor import Judged
from pipeline.passes.showing import Desk, from_store
from pipeline.passes.unseen import unseen_of_failed
from pipeline.publish import PublishContext, Shelves, publish_run, split_cases
from pipeline.review.data import Told
from pipeline.running.recording import confidence_of
from pipeline.shown import Scope, add_evidence, add_review


def shelves_of(
    ledger: LedgerStore,
    result: LedgerResult,
    corridors: Sequence[Corridor],
    judged: Sequence[Judged],
) -> Shelves:
    """Give what is published: of a corridor that failed, what was known of it before."""
    names = {c.id for c in corridors}
    failed = names - {j.corridor_id for j in judged}
    known = {c.case_id: c for c in (*ledger.cases(corridors=failed), *result.cases)}
    return split_cases(known.values(), names)


def publish(
    workflow: Workflow,
    places: tuple[Sequence[Corridor], Mapping[str, OfficeLayer]],
    judged: Sequence[Judged],
    lists: tuple[Shelves, Mapping[str, Proposed]],
    record: RunRecord,
    until: Mapping[str, datetime],
    lines: list[str],
    said: Mapping[str, Sequence[Told]],
) -> Path:
    """Lay out what a run lists, with its pictures; give the folder.

    ``until`` is the newest pass of each corridor, also of one that failed; ``said`` is
    ``verdicts_said``.
    """
    corridors, layers = places
    shelves, proposed = lists
    shown = {j.corridor_id: j.shown for j in judged if j.shown is not None}
    scope = Scope(record, corridors, shown, said=said)
    hidden = [c.case_id for c in shelves.suppressed]
    everything = (*shelves.cases, *shelves.watch, *shelves.suppressed)
    finished = {j.corridor_id for j in judged}
    here = {k: at for k, at in until.items() if k in finished}
    calibration = workflow.options.adjudicate.calibration
    known = confidence_of(everything, calibration)
    context = PublishContext(
        rivers_zh={c.id: c.name_zh for c in corridors},
        gsd_m={k: v for j in judged for k, v in j.gsd_m.items()},
        confidence=known,
        basis=calibration.basis_word if calibration else None,
        visits=rank_visits(shelves.watch, here, known, workflow.options.adjudicate.visit),
        proposed=proposed,
        audit=chosen_for_audit(record.run_id, hidden, workflow.options.adjudicate.screen),
        corridors=tuple(corridors),
        office=layers,
        reasons_zh={r.value: r.zh for r in Reason},
        extras={"run.log": "".join(lines).encode()},
    )
    context = _with_pictures(workflow, shelves, context, scope)
    unseen = [n for j in judged for n in j.not_observed]
    for corridor in corridors:
        if corridor.id not in finished:
            unseen += unseen_of_failed(workflow, corridor, until[corridor.id])
    return publish_run(workflow.out, shelves, unseen, record, context).folder


def _with_pictures(
    workflow: Workflow, shelves: Shelves, context: PublishContext, scope: Scope
) -> PublishContext:
    """Draw the evidence of what is listed, and the page to review it."""
    options, zone = workflow.options.evidence, ZoneInfo(workflow.period.zone)
    desk = Desk(workflow.state / "evidence", options, zone, workflow.options.store.workers)
    source = partial(from_store, scope.shown, options)
    context, documents = add_evidence(context, shelves, source, desk)
    return add_review(context, shelves, documents, scope, desk)
