"""What a run may do to a case.

Imagery moves the evidence state, and the status only between watch and suspected; from *issued* on
the status belongs to people, and imagery adds evidence and proposes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Container, Iterable
from dataclasses import replace

from pipeline.ledger.context import LedgerContext
from pipeline.ledger.joining import (
    answered_for,
    inherited_by,
    joined_looks,
    keep_corrections,
    merge_looks,
    patrolled_from,
    spoken_for,
)
from pipeline.ledger.revision import settle, status_for, weigh
from pipeline.model import (
    DRONE_SURFACES,
    NO_SWIR,
    Candidate,
    Case,
    Evidence,
    Inherited,
    Look,
    Seen,
    Status,
)


def mint_id(candidate: Candidate, evidence: Evidence, office: str, taken: Container[str]) -> str:
    """Make the id of a new case: readable, from content alone, unlike all ids in ``taken``."""
    base = base_id(candidate, evidence, office)
    name, n = base, 1
    while name in taken:
        n += 1
        name = f"{base}-{n}"
    return name


def base_id(candidate: Candidate, evidence: Evidence, office: str) -> str:
    """Make the id that a new case has where no other case has it yet."""
    first = evidence.first_seen
    centre = candidate.polygon.centroid
    place = f"{round(centre.x, -1):.0f} {round(centre.y, -1):.0f}"
    content = [candidate.corridor_id, candidate.kind.value, str(first), candidate.crs, place]
    digest = hashlib.sha256("|".join(content).encode()).hexdigest()[:8]
    year = first.year if first else 0
    return f"{office}-{year:04d}-{candidate.kind.value}-{digest}"


def open_case(
    candidate: Candidate, context: LedgerContext, taken: Container[str], parent: str | None
) -> Case | None:
    """Open a case for a candidate that matches none; None if nothing was ever seen of it."""
    looks = merge_looks((candidate.looks,))
    evidence = context.evidence(candidate.corridor_id, looks)
    if evidence.hits == 0:
        return None
    return Case(
        case_id=mint_id(candidate, evidence, context.office, taken),
        kind=candidate.kind,
        corridor_id=candidate.corridor_id,
        polygon=candidate.polygon,
        crs=candidate.crs,
        area_m2=candidate.area_m2,
        status=status_for(Status.WATCH, evidence.state),
        evidence=evidence,
        looks=looks,
        score=candidate.score,
        measures=dict(candidate.measures),
        scene_ids=tuple(sorted(set(candidate.scene_ids))),
        detector=candidate.detector,
        revision=1,
        run_id=context.run_id,
        code_version=context.code_version,
        config_hash=context.config_hash,
        parent=parent,
        patrolled_from=None if context.spots else context.period[0],
        inherited=None if context.spots else Inherited(context.period[0]),
    )


def update_case(
    case: Case, candidate: Candidate, context: LedgerContext, absorbed: tuple[Case, ...] = ()
) -> Case:
    """Give the case after a candidate that is it, and after cases that turned out to be it."""
    looks = joined_looks(case, candidate, context, absorbed)
    ids = {*candidate.scene_ids, *case.scene_ids, *(s for a in absorbed for s in a.scene_ids)}
    merged = {*case.merged_from, *(a.case_id for a in absorbed)}
    merged |= {m for a in absorbed for m in a.merged_from}
    told = answered_for(spoken_for(case, absorbed), absorbed)
    after = replace(
        told,
        leads=tuple(sorted({*case.leads, *(k for a in absorbed for k in a.leads)})),
        scene_ids=tuple(sorted(ids)),
        merged_from=tuple(sorted(merged)),
        produced=True,
        patrolled_from=patrolled_from((case, *absorbed), context),
        inherited=inherited_by((case, *absorbed), context),
    )
    # What a drone measured stays until another drone measures it: satellites see it coarser.
    if case.detector != DRONE_SURFACES or candidate.of_drone:
        found = replace(
            after,
            kind=candidate.kind,
            polygon=candidate.polygon,
            crs=candidate.crs,
            area_m2=candidate.area_m2,
            score=candidate.score,
            measures=_measures(candidate, (case, *absorbed)),
            detector=candidate.detector,
        )
        after = keep_corrections(told, found)
    return settle(case, weigh(after, looks, context), context)


def _measures(candidate: Candidate, before: Iterable[Case]) -> dict[str, float]:
    """Give what was measured last; what another sensor had shown with SWIR was seen with it."""
    measures = dict(candidate.measures)
    own = {k.sensor for k in candidate.looks if k.seen is Seen.HIT}
    with_swir = (k for c in before if not c.measures.get(NO_SWIR) for k in c.looks)
    if any(k.seen is Seen.HIT and k.sensor not in own for k in with_swir):
        measures.pop(NO_SWIR, None)
    return measures


def look_again(
    case: Case,
    looks: Iterable[Look],
    context: LedgerContext,
    *,
    produced: bool,
    scene_ids: Iterable[str] = (),
) -> Case:
    """Give the case after looks at its place that came without a candidate that is it.

    ``produced`` is false once a run over the case's own dates no longer produced it: it is kept.
    ``scene_ids`` are those that the looks bring along.
    """
    run = context.judged.get(case.corridor_id)
    counts = set() if run is None else {*run.counted, *run.unread}
    start, end = context.period
    kept = [
        look
        for look in case.looks
        if run is None or look.of_drone or look.pass_id in counts or not start <= look.on <= end
    ]
    looks, ids = tuple(looks), tuple(sorted({*case.scene_ids, *scene_ids}))
    first = case.patrolled_from
    if run is not None and any(not k.of_drone for k in looks):
        first = patrolled_from((case,), context)
    told = replace(case, scene_ids=ids, patrolled_from=first)
    after = weigh(told, merge_looks((kept, looks)), context)
    if after.looks != case.looks or produced != case.produced:  # else nothing was said of it
        after = replace(after, inherited=inherited_by((case,), context))
    return settle(case, replace(after, produced=produced), context)


def absorb(case: Case, survivor: str, context: LedgerContext) -> Case:
    """Give the case after it turned out to be another, older one."""
    return settle(case, replace(case, merged_into=survivor), context)


def place(
    before: Case | None,
    case: Case,
    context: LedgerContext,
    last: Callable[[Case], Case] | None = None,
) -> Case:
    """Give the case where today's layers put it, and what they say; ``before``: as it was found.

    ``last`` adds what is said of it beside the layers.
    """
    placed = case
    if context.attribute is not None:
        placed = replace(case, attribution=context.attribute(case))
        if context.screen is not None:
            placed = replace(placed, ruling=context.screen(placed))
    if context.grade is not None:
        placed = replace(placed, grade=context.grade(placed))
    placed = last(placed) if last is not None else placed
    if before is None or before.revision != case.revision:
        return placed  # this run has counted the revision up already
    return settle(case, placed, context)


def seen_within(case: Case, context: LedgerContext) -> bool:
    """Tell whether this run looked at a date on which the case had been seen.

    A picture beside the case produced nothing: without a candidate the case is not lost by it. Nor
    does a patrol lose what a drone's surfaces showed.
    """
    if any(k.of_surface for k in case.looks):
        return False
    start, end = context.period
    own = [k for k in case.looks if not k.of_drone and (not k.of_picture or case.of_pictures)]
    return any(look.seen is Seen.HIT and start <= look.on <= end for look in own)
