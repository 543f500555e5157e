"""Leads that people bring: which case each belongs to, or the case that it opens. Pure.

A lead never confirms: what it opens is *watch* with the evidence *provisional* and without a look.
It joins the case at its place by the ledger's own matching, and imagery that shows something there
later joins that case in turn. The same lead again changes nothing.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time

from shapely.geometry.base import BaseGeometry

from pipeline.ledger.context import Either, Event, LedgerContext
from pipeline.ledger.lifecycle import base_id, mint_id, place
from pipeline.ledger.match import MatchOptions, pairs_of, ranked
from pipeline.ledger.people import Command, Refusal
from pipeline.ledger.revision import heard, status_for
from pipeline.model import OFFICE_ZONE, Candidate, Case, Evidence, EvidenceState, Lead, Status

NEVER_SEEN = Evidence(EvidenceState.PROVISIONAL, 0, 0, 0, None, None, None, False)


@dataclass(frozen=True)
class LeadAt:
    """A lead with its place."""

    lead: Lead
    corridor_id: str
    polygon: BaseGeometry  # in ``crs``, m; valid Polygon or MultiPolygon
    crs: str
    area_m2: float
    detector: str  # LEAD_POINT | LEAD_OUTLINE
    score: float  # 0..1, the prior of what nobody looked at
    where: str = ""  # line of a file, for sentences


@dataclass(frozen=True)
class LeadChanges:
    """What leads come to."""

    cases: tuple[Case, ...] = ()  # changed, by id
    events: tuple[Event, ...] = ()
    opened: tuple[tuple[str, LeadAt], ...] = ()  # by id
    joined: tuple[tuple[Case, LeadAt], ...] = ()  # the case as it is afterwards
    known: tuple[LeadAt, ...] = ()  # of which nothing new was said
    refused: tuple[Refusal, ...] = ()


def apply_leads(
    cases: Iterable[Case],
    found: Sequence[LeadAt],
    by: str,
    command: Command,
    context: LedgerContext,
    options: MatchOptions | None = None,
    taken: Container[str] = (),
) -> LeadChanges:
    """Work out what leads change; the order in which they are given does not matter.

    Parameters
    ----------
    cases : iterable of Case
        The whole ledger, or as much of it as ``reach.read_homes`` reads.
    taken : container of str
        Ids that are taken by cases which are not among them.
    by : str
        Who brings them, for the history.
    context : LedgerContext
        With the office's layers bound; nothing of it that speaks of imagery is asked.
    """
    before = {c.case_id: c for c in cases}
    new = _not_told_yet(before.values(), found)
    home = _homes(
        new.todo, [c for _, c in sorted(before.items()) if c.merged_into is None], options
    )
    settled = _settled(new.todo, before, home, taken, context)
    changed = tuple(
        _revised(before.get(i), c, command, context)
        for i, c in sorted(settled.after.items())
        if before.get(i) is not c
    )
    now = {c.case_id: c for c in changed}
    return LeadChanges(
        cases=changed,
        events=_events(new.todo, now, settled, by, command),
        opened=tuple(settled.opened),
        joined=tuple((now[settled.case_of[at.lead.key]], at) for at in settled.joined),
        known=tuple(new.known),
        refused=tuple(new.refused),
    )


@dataclass(frozen=True)
class _New:
    """Leads, each once, by what is known of them."""

    todo: Sequence[LeadAt]
    known: Sequence[LeadAt]  # told before, in the same words
    refused: Sequence[Refusal]  # told before, in others


def _not_told_yet(cases: Iterable[Case], found: Sequence[LeadAt]) -> _New:
    """Tell new leads from those that cases have, or that come twice."""
    told = {(k.source, k.origin, k.ref): k for c in cases for k in c.leads}
    fresh: dict[tuple[str, str, str], LeadAt] = {}
    known: list[LeadAt] = []
    refused: list[Refusal] = []
    for at in sorted(found, key=lambda a: (a.lead, a.where)):
        name = (at.lead.source, at.lead.origin, at.lead.ref)
        earlier = told.get(name) or (fresh[name].lead if name in fresh else None)
        if earlier is None:
            fresh[name] = at
        elif earlier.key == at.lead.key:
            known.append(at)
        else:
            refused.append(Refusal(at.where, "", _other(earlier, name in fresh)))
    return _New(list(fresh.values()), known, refused)


@dataclass(frozen=True)
class _Settled:
    """Cases with their leads."""

    after: Mapping[str, Case]  # all, by id
    case_of: Mapping[str, str]  # by key of the lead
    opened: Sequence[tuple[str, LeadAt]]
    joined: Sequence[LeadAt]


def _settled(
    todo: Sequence[LeadAt],
    before: Mapping[str, Case],
    home: _Homes,
    taken: Container[str],
    context: LedgerContext,
) -> _Settled:
    """Put each lead to its case; a group's first one opens it."""
    after = dict(before)
    opened: list[tuple[str, LeadAt]] = []
    joined: list[LeadAt] = []
    case_of: dict[str, str] = {}
    for i, first in enumerate(home.group):
        at = todo[i]
        if i in home.case_of:
            case = _joined(after[home.case_of[i]], at.lead)
        elif first != i:
            case = _joined(after[case_of[todo[first].lead.key]], at.lead)
        else:
            case = _opened(at, home.parent_of.get(i), Either(after, taken), context)
            opened.append((case.case_id, at))
        after[case.case_id] = case
        case_of[at.lead.key] = case.case_id
        if first != i or i in home.case_of:
            joined.append(at)
    return _Settled(after, case_of, opened, joined)


def _events(
    todo: Sequence[LeadAt], now: Mapping[str, Case], settled: _Settled, by: str, command: Command
) -> tuple[Event, ...]:
    """Give the lines of history: cases that were opened, then what each lead said."""
    state = EvidenceState.PROVISIONAL.value
    events = [_event(now[case_id], command, "opened", state, {}) for case_id, _ in settled.opened]
    for at in todo:
        case = now[settled.case_of[at.lead.key]]
        detail = {"by": by, "origin": at.lead.origin, "on": at.lead.on.isoformat()}
        detail |= {"command": command.name, "key": at.lead.key}
        events.append(_event(case, command, "lead", said_of(at.lead), detail))
    return tuple(events)


@dataclass(frozen=True)
class _Homes:
    """Where each lead goes, by index."""

    case_of: Mapping[int, str]  # a case that it joins
    parent_of: Mapping[int, str]  # a decided case at its place that it outlives
    group: tuple[int, ...]  # of each lead, the one whose case it is; itself where it is the first


def _homes(todo: Sequence[LeadAt], live: Sequence[Case], options: MatchOptions | None) -> _Homes:
    """Find the case of each lead: one that is not decided before one that is."""
    options = options or MatchOptions()
    asked = [as_candidate(at) for at in todo]
    case_of: dict[int, str] = {}
    decided: dict[int, Case] = {}
    for pair in ranked(pairs_of(asked, live, options), asked, live):
        case = live[pair.case]
        if case.decided:
            decided.setdefault(pair.candidate, case)
        else:
            case_of.setdefault(pair.candidate, case.case_id)
    parent_of: dict[int, str] = {}
    for i, case in decided.items():
        if i in case_of:
            continue
        # What was known when people decided is answered; what came later needs a case of its own.
        said = case.people
        if said is not None and todo[i].lead.on <= (said.decided_on or said.on):
            case_of[i] = case.case_id
        else:
            parent_of[i] = case.case_id
    return _Homes(case_of, parent_of, _groups(todo, asked, case_of, options))


def _groups(
    todo: Sequence[LeadAt],
    asked: Sequence[Candidate],
    case_of: Mapping[int, str],
    options: MatchOptions,
) -> tuple[int, ...]:
    """Put leads without a case that are of one thing together, under the oldest of them."""
    rest = [i for i in range(len(todo)) if i not in case_of]
    stand_in = [_stand_in(todo[i]) for i in rest]
    near: dict[int, list[int]] = {}
    pairs = pairs_of([asked[i] for i in rest], stand_in, options)
    ask = [asked[i] for i in rest]
    for pair in ranked(pairs, ask, stand_in):
        near.setdefault(rest[pair.candidate], []).append(rest[pair.case])
    group = list(range(len(todo)))
    for i in rest:
        group[i] = next((j for j in near.get(i, ()) if j < i and group[j] == j), i)
    return tuple(group)


def as_candidate(at: LeadAt) -> Candidate:
    """Give a lead as something that cases are matched with."""
    return Candidate(
        kind=at.lead.kind,
        corridor_id=at.corridor_id,
        polygon=at.polygon,
        crs=at.crs,
        area_m2=at.area_m2,
        looks=(),
        evidence=NEVER_SEEN,
        score=at.score,
        measures={},
        scene_ids=(),
        detector=at.detector,
    )


def _stand_in(at: LeadAt) -> Case:
    return Case(
        case_id=at.lead.key,
        kind=at.lead.kind,
        corridor_id=at.corridor_id,
        polygon=at.polygon,
        crs=at.crs,
        area_m2=at.area_m2,
        status=Status.WATCH,
        evidence=NEVER_SEEN,
        looks=(),
        score=at.score,
        measures={},
        scene_ids=(),
        detector=at.detector,
        revision=0,
        run_id="",
        code_version="",
        config_hash="",
        leads=(at.lead,),
    )


def first_name(at: LeadAt, office: str) -> str:
    """Give the id of the case that a lead would open, if that were not taken."""
    return base_id(as_candidate(at), _named(at), office)


def said_of(lead: Lead) -> str:
    """Give what the event of a lead says."""
    return f"{lead.source.value} {lead.ref}"


def _named(at: LeadAt) -> Evidence:
    day = datetime.combine(at.lead.on, time(12), OFFICE_ZONE).astimezone(UTC)
    return replace(NEVER_SEEN, first_seen=day)


def _opened(at: LeadAt, parent: str | None, taken: Container[str], context: LedgerContext) -> Case:
    """Open a case for a lead: on watch, provisional, no look of imagery."""
    case_id = mint_id(as_candidate(at), _named(at), context.office, taken)
    return replace(_stand_in(at), case_id=case_id, parent=parent)


def _joined(case: Case, lead: Lead) -> Case:
    after = replace(case, leads=tuple(sorted({*case.leads, lead})))
    if case.issued:
        return after
    evidence = heard(case.evidence, after.leads)
    # On a list again, also where a run no longer produced it: somebody says that it is there.
    status = status_for(case.status, evidence.state)
    return replace(after, evidence=evidence, status=status, produced=True)


def _revised(before: Case | None, after: Case, command: Command, context: LedgerContext) -> Case:
    """Give a changed case with its next revision, and a new one where the layers put it."""
    placed = after if before is not None else place(None, after, context)
    return replace(
        placed,
        revision=1 if before is None else before.revision + 1,
        run_id=command.run_id,
        code_version=command.code_version,
        config_hash=context.config_hash if before is None else before.config_hash,
    )


def _event(case: Case, command: Command, what: str, new: str, detail: Mapping[str, str]) -> Event:
    said = command.said.astimezone(UTC)
    return Event(case.case_id, case.revision, command.run_id, said, what, None, new, detail)


def _other(earlier: Lead, same_file: bool) -> str:
    where = "this file has" if same_file else "the ledger has"
    return (
        f"{where} {earlier.source.zh} {earlier.ref} of {earlier.origin} already with another "
        f"place, day or kind ({earlier.on}, {earlier.kind.zh}): give it a number of its own"
    )
