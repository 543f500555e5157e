"""For how long a decision of the desk explains what imagery goes on finding at its place. Pure.

A case that people rejected, permitted or withdrew is on no list of work, so it must not swallow
what comes later. It keeps the outline and the kind that were decided on, and explains a candidate
only while that is still the same thing: see ``explains``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import pairwise

from pipeline.ledger.context import LedgerContext
from pipeline.ledger.joining import merge_looks
from pipeline.ledger.match import MatchOptions, overlaps, pairs_of, ranked
from pipeline.model import (
    DECIDED_BY_PEOPLE,
    RESTORED,
    Candidate,
    Case,
    EvidenceState,
    Look,
    Ruling,
    Seen,
    Spoken,
    Status,
)

GROWN = 2.0
"""Times the area that was decided on, above which something else stands there. No source."""

_SAID = {
    Status.REJECTED: "人工已排除",
    Status.PERMITTED: "人工已核为许可",
    Status.WITHDRAWN: "人工已撤回",
}


@dataclass(frozen=True)
class Desk:
    """What decisions of the desk say of the candidates of a run, by index of the candidate."""

    explained: Mapping[int, str] = field(default_factory=dict[int, str])  # by which case
    beside: Mapping[int, str] = field(default_factory=dict[int, str])  # a case that does not
    overlapped: frozenset[int] = frozenset()  # overlap a case that is not decided

    @property
    def first(self) -> frozenset[int]:
        """Candidates that no case can claim which is not decided, but by lying near."""
        return frozenset(self.explained) - self.overlapped


def ask_desk(
    candidates: Sequence[Candidate],
    live: Sequence[Case],
    context: LedgerContext,
    options: MatchOptions | None = None,
) -> Desk:
    """Ask the decided cases about the candidates of a run; several may be one case."""
    options = options or MatchOptions()
    pairs = pairs_of(candidates, live, options)
    explained: dict[int, str] = {}
    beside: dict[int, str] = {}
    overlapped: set[int] = set()
    for pair in ranked(pairs, candidates, live):
        case, candidate = live[pair.case], candidates[pair.candidate]
        if not case.decided:
            overlapped |= {pair.candidate} if overlaps(pair, options) else set()
        elif pair.containment <= 0:
            continue  # a neighbour within the tolerance: nobody decided on that
        elif explains(case, candidate, context):
            explained.setdefault(pair.candidate, case.case_id)
        else:
            beside.setdefault(pair.candidate, case.case_id)
    return Desk(explained, beside, frozenset(overlapped))


def explains(case: Case, candidate: Candidate, context: LedgerContext) -> bool:
    """Tell whether a decision still holds for what a candidate shows.

    It does not where the thing had gone and something came anew, where that is of another kind or
    above ``GROWN`` times as large, or where the decision is older than ``context.decision_days``.
    """
    if candidate.evidence.state is EvidenceState.EXPIRED:
        return True  # nothing stands there: the case hears of it, and nobody needs another
    said = case.people
    if said is None:
        return False
    last = candidate.evidence.last_seen
    on = said.decided_on or said.on
    lapsed = last is not None and last.date() > on + timedelta(days=context.decision_days)
    # Pictures do not tell the kinds apart.
    other = candidate.kind is not case.kind and not said.kind_fixed and not candidate.of_pictures
    decided_m2 = max(case.area_m2, case.seen_polygon.area)
    grown = candidate.area_m2 > GROWN * decided_m2
    return not (lapsed or other or grown or _came_anew(case, candidate, context))


def with_decision(case: Case, explained: bool) -> Case:
    """Give a case with what its decision explains in this run, or with that taken back.

    What is gone needs no explanation.
    """
    ruling = _without(case.ruling)
    if explained and case.people is not None and case.proposal != RESTORED:
        on = case.people.decided_on or case.people.on
        text = f"{_SAID[case.status]}（{on}），情况未变"
        spoken = (Spoken(DECIDED_BY_PEOPLE, "against", text), *(ruling or Ruling()).spoken)
        ruling = replace(
            ruling or Ruling(), outcome="suppressed", rule=DECIDED_BY_PEOPLE, spoken=spoken
        )
    return replace(case, ruling=ruling)


def _without(ruling: Ruling | None) -> Ruling | None:
    if ruling is None or ruling.rule != DECIDED_BY_PEOPLE:
        return ruling
    spoken = tuple(s for s in ruling.spoken if s.code != DECIDED_BY_PEOPLE)
    rule = next((s.code for s in spoken if s.says == "against"), None)
    bare = replace(ruling, outcome="suppressed" if rule else "kept", rule=rule, spoken=spoken)
    return None if bare == Ruling() else bare


def _came_anew(case: Case, candidate: Candidate, context: LedgerContext) -> bool:
    """Tell whether clear misses ended what was decided on, and hits came after them."""
    # Ledgers of before that field know the day of the decision only.
    said = case.people
    known = (said.known_until or said.decided_on or said.on) if said else None
    looks = merge_looks((case.looks, candidate.looks))
    clear = [k for k in looks if k.seen is not Seen.UNKNOWN]
    turns = [
        i
        for i, (a, b) in enumerate(pairwise(clear), 1)
        if (a.seen, b.seen) == (Seen.MISS, Seen.HIT) and (known is None or b.on.date() > known)
    ]
    return any(_gone(case, tuple(clear[:i]), context) for i in turns)


def _gone(case: Case, looks: tuple[Look, ...], context: LedgerContext) -> bool:
    return context.evidence(case.corridor_id, looks).state is EvidenceState.EXPIRED
