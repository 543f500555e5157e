"""How looks become evidence and status, and what of a change a reader can see.

A revision counts up when something that is published changes; looks that could not see are kept
without one.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import shapely

from pipeline.ledger.context import CONFIRMED, Event, LedgerContext
from pipeline.ledger.proposing import propose
from pipeline.model import (
    Case,
    Evidence,
    EvidenceState,
    Lead,
    Look,
    Seen,
    Status,
    office_day,
)


def weigh(case: Case, looks: tuple[Look, ...], context: LedgerContext) -> Case:
    """Fold the looks of a case anew and let evidence, status and proposal follow."""
    evidence = context.evidence(case.corridor_id, looks)
    if not case.issued:
        evidence = heard(evidence, case.leads)
    if case.issued and evidence.state is EvidenceState.EXPIRED:
        # Only people end what they issued: imagery proposes it.
        evidence = replace(evidence, state=case.evidence.state)
    status = status_for(case.status, evidence.state)
    after = replace(case, looks=looks, evidence=evidence, status=status)
    return replace(after, proposal=propose(after, context.proposing))


def heard(evidence: Evidence, leads: Collection[Lead]) -> Evidence:
    """Give evidence with what leads add: a place that one points at is *provisional*, never more.

    Imagery ends that only by having seen the thing and then its absence after the newest lead; that
    it never saw it says nothing, because most of what people report is smaller than its pixels.
    """
    early = evidence.state in (EvidenceState.FIRST, EvidenceState.EXPIRED)
    last = evidence.last_seen
    newer = any(last is None or k.on > office_day(last) for k in leads)
    if early and leads and (newer or evidence.state is EvidenceState.FIRST):
        return replace(evidence, state=EvidenceState.PROVISIONAL)
    return evidence


def status_for(status: Status, state: EvidenceState) -> Status:
    """Give the status that imagery may set; issued and later ones stay."""
    if status not in (Status.WATCH, Status.SUSPECTED):
        return status
    return Status.SUSPECTED if state in CONFIRMED else Status.WATCH


def settle(before: Case, after: Case, context: LedgerContext) -> Case:
    """Count the revision up if a reader can see the change; otherwise keep all but the looks."""
    if content(before) == content(after):
        same = replace(before, looks=after.looks, traced=after.traced)
        return replace(same, patrolled_from=after.patrolled_from, inherited=after.inherited)
    return replace(
        after,
        revision=before.revision + 1,
        run_id=context.run_id,
        code_version=context.code_version,
        config_hash=context.config_hash,
    )


def content(case: Case) -> tuple[object, ...]:
    """Give what makes a revision: all that is published, without provenance."""
    return (
        (case.kind, case.corridor_id),
        shapely.to_wkb(shapely.normalize(case.polygon), byte_order=1),
        case.crs,
        case.area_m2,
        case.status,
        case.evidence,
        tuple(look for look in case.looks if look.seen is not Seen.UNKNOWN),
        case.score,
        tuple(sorted(case.measures.items())),
        (case.detector, case.parent, case.merged_from, case.merged_into),
        (case.produced, case.proposal, case.external_id, case.attribution, case.ruling),
        (case.people, case.leads, case.grade, case.answer),
    )


def events_between(before: Case | None, after: Case, context: LedgerContext) -> list[Event]:
    """Name what changed from one revision to the next; empty if the revision is the same."""
    if before is None:
        opened = [_event(after, context, "opened", None, after.evidence.state.value)]
        screened = [_event(after, context, "screened", None, _screened(after))]
        return opened + screened if after.suppressed else opened
    if before.revision == after.revision:
        return []
    named = [
        ("kind", before.kind.value, after.kind.value),
        ("corridor", before.corridor_id, after.corridor_id),
        ("evidence", before.evidence.state.value, after.evidence.state.value),
        ("status", before.status.value, after.status.value),
        ("merged", ",".join(before.merged_from), ",".join(after.merged_from)),
        ("absorbed", before.merged_into, after.merged_into),
        ("external", before.external_id, after.external_id),
        ("proposed", before.proposal, after.proposal),
        ("screened", _screened(before), _screened(after)),
        ("lost" if before.produced else "found", str(before.produced), str(after.produced)),
    ]
    events = [_event(after, context, what, old, new) for what, old, new in named if old != new]
    return events or [_event(after, context, "revised", None, None)]


def _screened(case: Case) -> str:
    return case.ruling.word if case.ruling else "kept"


def _event(
    case: Case, context: LedgerContext, what: str, old: str | None, new: str | None
) -> Event:
    return Event(case.case_id, case.revision, context.run_id, context.period[1], what, old, new)
