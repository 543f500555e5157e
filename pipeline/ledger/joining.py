"""What goes on where cases and candidates turn out to be one: looks, history, words of people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from pipeline.grid import reproject
from pipeline.ledger.context import LedgerContext
from pipeline.model import (
    Candidate,
    Case,
    Inherited,
    Look,
)


def inherited_by(cases: Sequence[Case], context: LedgerContext) -> Inherited | None:
    """Give how the patrol of this run found cases that are one now.

    An inspection has no history: what it joins goes on as the newest patrol of any found it.
    """
    known = [c.inherited.start for c in cases if c.inherited is not None]
    start = max(known, default=None) if context.spots else context.period[0]
    if start is None:
        return None
    return Inherited(start, tuple(p for c in cases for p in c.as_found(start).pieces))


def joined_looks(
    case: Case, candidate: Candidate, context: LedgerContext, absorbed: Sequence[Case] = ()
) -> tuple[Look, ...]:
    """Give the looks of a case after a candidate that is it.

    What an earlier patrol saw on its own dates is not unsaid: to a later one they are history, and
    its history holds the object itself. What has been history to every patrol is said anew by a
    run that stands no later than the first: it knows the scenes that came late.
    """
    cases, start = (*absorbed, case), context.period[0]
    old = [_outside(k.looks, case.corridor_id, context) for k in cases]
    early = [k for k in candidate.looks if k.on < start]
    recent = [k for k in candidate.looks if k.on >= start]
    first = patrolled_from(cases, context)
    if context.spots or first is None or first < start:
        return merge_looks([early, *old, recent])
    run = context.judged.get(case.corridor_id)
    if run is not None and early:
        # A pass of the history may no longer count, as one of the period may.
        begin, counts = min(k.on for k in early), {*run.counted, *run.unread}
        old = [
            [k for k in part if k.of_drone or k.pass_id in counts or not begin <= k.on < start]
            for part in old
        ]
    return merge_looks([*old, early, recent])


def patrolled_from(cases: Iterable[Case], context: LedgerContext) -> datetime | None:
    """Give from when on (UTC) a look of these cases may be a patrol's own, once this run is done.

    None where that is not known, or where satellites have not seen the place.
    """
    looked = [c for c in cases if any(not k.of_drone for k in c.looks)]
    starts = [c.patrolled_from for c in looked]
    if not context.spots:
        starts.append(context.period[0])
    known = [start for start in starts if start is not None]
    return min(known) if known and len(known) == len(starts) else None


def spoken_for(case: Case, absorbed: Iterable[Case]) -> Case:
    """Give a case with what people last said of others that turned out to be it.

    Only where they said nothing of it itself. An outline that they drew was of the other alone.
    """
    said = [(a.people, a) for a in absorbed if a.people is not None]
    if case.people is not None or not said:
        return case
    people, other = max(said, key=lambda found: (found[0].on, found[1].case_id))
    kind = other.kind if people.kind_fixed else case.kind
    return replace(case, kind=kind, people=replace(people, outline_fixed=False))


def answered_for(case: Case, absorbed: Iterable[Case]) -> Case:
    """Give a case with the number and the answer of another system for what turned out to be it.

    Its own come first; of several others those of the first id, and the newest answer.
    """
    others = sorted(absorbed, key=lambda a: a.case_id)
    numbers = [a.external_id for a in others if a.external_id is not None]
    answers = [a.answer for a in others if a.answer is not None]
    return replace(
        case,
        external_id=case.external_id or next(iter(numbers), None),
        answer=case.answer or max(answers, key=lambda a: a.on, default=None),
    )


def keep_corrections(before: Case, after: Case) -> Case:
    """Give back what people corrected or verified: imagery does not argue about it."""
    if before.kind_settled:
        after = replace(after, kind=before.kind)
    if before.people is not None and before.people.outline_fixed:
        traced = reproject(after.polygon, after.crs, before.crs)
        after = replace(
            after, polygon=before.polygon, crs=before.crs, area_m2=before.area_m2, traced=traced
        )
    return after


def _outside(looks: Iterable[Look], corridor_id: str, context: LedgerContext) -> list[Look]:
    """Give the looks that a candidate does not replace: a complete run has judged its period."""
    start, end = context.period
    run = context.judged.get(corridor_id)
    return [
        k
        for k in looks
        if run is None or k.of_drone or k.pass_id in run.unread or not start <= k.on <= end
    ]


def merge_looks(parts: Iterable[Iterable[Look]]) -> tuple[Look, ...]:
    """Join looks, one per pass; a later part replaces what an earlier one said of a pass.

    What a flight saw stays when a later one is held against it.
    """
    looks: dict[str, Look] = {}
    for look in (look for part in parts for look in part):
        if not (look.of_earlier_flight and look.pass_id in looks):
            looks[look.pass_id] = look
    return tuple(sorted(looks.values(), key=lambda look: (look.on, look.pass_id)))
