"""What a run may do to a case.

Imagery moves the evidence state, and the status only between watch and suspected; from *issued* on
the status belongs to people, and imagery adds evidence and proposes. A revision counts up when
something that a reader can see changes; looks that could not see are kept without one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

import shapely
from shapely.geometry.base import BaseGeometry

from pipeline.grid import reproject
from pipeline.ledger.proposing import OFFICE_ZONE, ProposeOptions, propose
from pipeline.model import (
    DRONE_SURFACES,
    Attribution,
    Candidate,
    Case,
    Evidence,
    EvidenceState,
    Grade,
    Inherited,
    Lead,
    Look,
    Ruling,
    Seen,
    Status,
)


class Fold(Protocol):
    """Adjudicate's fold, with its options bound."""

    def __call__(self, looks: tuple[Look, ...], /, *, until: datetime | None = None) -> Evidence:
        """Fold the looks of one object, in any order."""
        ...


CONFIRMED = (EvidenceState.SUSPECTED, EvidenceState.RELAPSED)


@dataclass(frozen=True)
class Judgement:
    """Which passes of a corridor a run could judge."""

    counted: Collection[str] = ()  # pass ids that count; others do not count any more
    unread: Collection[str] = ()  # pass ids that could not be read this time: nothing is known


@dataclass(frozen=True)
class LedgerContext:
    """What a run brings to the ledger."""

    run_id: str
    code_version: str
    config_hash: str
    corridors: tuple[str, ...]  # that this run looked at
    period: tuple[datetime, datetime]  # UTC, of the passes that this run looked at
    fold: Fold  # adjudicate's, with its options and the end of the period bound
    office: str = "ZZ"  # first part of every case id
    # By corridor judged completely: what the ledger says of the period is replaced. A corridor of
    # which a source gave no answer, or that has no history yet, is not in it.
    judged: Mapping[str, Judgement] = field(default_factory=dict[str, "Judgement"])
    until: Mapping[str, datetime] = field(default_factory=dict[str, datetime])  # UTC newest pass
    areas: Mapping[str, BaseGeometry] = field(default_factory=dict[str, BaseGeometry])  # WGS 84
    attribute: Callable[[Case], Attribution] | None = None  # adjudicate's, with its layers bound
    screen: Callable[[Case], Ruling] | None = None  # likewise; sees the case where it was placed
    grade: Callable[[Case], Grade] | None = None  # likewise; sees the case where it was screened
    spots: bool = False  # it looked under its flights only, and says nothing of other places
    proposing: ProposeOptions = field(default_factory=ProposeOptions)
    decision_days: int = 365  # for which a decision of the desk explains its place

    def evidence(self, corridor_id: str, looks: tuple[Look, ...]) -> Evidence:
        """Fold looks; nobody's silence is counted beyond the corridor's newest pass."""
        until = self.until.get(corridor_id)
        return self.fold(looks) if until is None else self.fold(looks, until=until)


@dataclass(frozen=True)
class Event:
    """One line of a case's history; never altered."""

    case_id: str
    revision: int  # of the case after it
    run_id: str
    # UTC: of a run the end of its period, never the wall clock; of people when they said it
    as_of: datetime
    # opened kind evidence status merged absorbed lost found proposed screened revised; of people
    # also outline subtype answered said lead, and external (of a run: with what it absorbed)
    what: str
    old: str | None = None
    new: str | None = None
    detail: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Either:
    """What is in one of two collections."""

    one: Container[str]
    other: Container[str]

    def __contains__(self, name: object, /) -> bool:
        return isinstance(name, str) and (name in self.one or name in self.other)


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
        inherited=_opened_by(candidate, context),
    )


def _opened_by(candidate: Candidate, context: LedgerContext) -> Inherited | None:
    """Say that a patrol opened the case: until another one comes, all of it is its own finding."""
    if context.spots:
        return None
    return Inherited(context.period[0], candidate.crs, candidate.detector, None)


def inherited_by(cases: Sequence[Case], context: LedgerContext) -> Inherited | None:
    """Give how the patrol of this run found cases that are one now; the first one goes on.

    An inspection changes nothing of it: it has no history.
    """
    if context.spots:
        return cases[0].inherited
    found = [case.as_found(context.period[0]) for case in cases]
    held = [(k.crs, k.outline) for k in found if k.outline is not None]
    if not held:
        return found[0]
    (crs, outline), *others = held
    for own, shape in others:
        outline = outline.union(reproject(shape, own, crs))
    return replace(found[0], crs=crs, outline=outline)


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
            measures=dict(candidate.measures),
            detector=candidate.detector,
        )
        after = keep_corrections(told, found)
    return settle(case, weigh(after, looks, context), context)


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
    """Give back what people corrected: imagery does not argue about it."""
    said = before.people
    if said is None:
        return after
    if said.kind_fixed:
        after = replace(after, kind=before.kind)
    if said.outline_fixed:
        traced = reproject(after.polygon, after.crs, before.crs)
        after = replace(
            after, polygon=before.polygon, crs=before.crs, area_m2=before.area_m2, traced=traced
        )
    return after


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
    newer = any(last is None or k.on > last.astimezone(OFFICE_ZONE).date() for k in leads)
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
        case.kind,
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
