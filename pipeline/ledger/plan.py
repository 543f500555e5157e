"""What a run changes in the ledger, worked out before anything is written.

Pure: known cases and candidates in, new revisions and events out. The same candidates again give an
empty plan; the order of either input does not matter.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from pipeline.grid import reproject
from pipeline.ledger.context import Either, Event, LedgerContext
from pipeline.ledger.decided import ask_desk, with_decision
from pipeline.ledger.elsewhere import inherit
from pipeline.ledger.lifecycle import absorb, look_again, open_case, place, seen_within, update_case
from pipeline.ledger.match import Matching, MatchOptions, best_cases, candidate_key, match
from pipeline.ledger.revision import events_between, settle
from pipeline.ledger.withdrawing import without_withdrawn
from pipeline.model import Candidate, Case, Look, Seen


@dataclass(frozen=True)
class Plan:
    """What to write, and the projection after it."""

    cases: tuple[Case, ...]  # all that were known, and new ones, by id
    changed: tuple[Case, ...]  # rows to write, new revisions or only new looks, by id
    events: tuple[Event, ...]
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Unread:
    """What a plan must know of the cases that it was not given; see ``reach``."""

    cases: int = 0  # how many there are
    names: frozenset[str] = frozenset()  # of their ids, those that new cases might get


def plan(
    known: Iterable[Case],
    candidates: Iterable[Candidate],
    context: LedgerContext,
    relooks: Mapping[str, Sequence[Look]] | None = None,
    options: MatchOptions | None = None,
    unread: Unread | None = None,
) -> Plan:
    """Work out what a run changes.

    Parameters
    ----------
    known : iterable of Case
        The whole ledger, or as much of it as ``reach`` asks for.
    candidates : iterable of Candidate
        Of this run, of the corridors in ``context``.
    relooks : mapping of case id to looks, optional
        What the passes of this run say at the place of known cases; used where no candidate is the
        case, so that misses reach it.
    unread : Unread, optional
        Of the cases that are not among the known ones.
    """
    unread = unread or Unread()
    before = {case.case_id: case for case in known}
    ordered = sorted(candidates, key=candidate_key)
    ground = {c.case_id: c for c in inherit(before.values(), context.heirs)}
    # What rests on superseded flights is judged without them, whatever this run finds there.
    live = [without_withdrawn(c, context) for _, c in sorted(ground.items()) if _live(c, context)]
    found = _sort(ordered, live, context, options)
    after = ground | {c.case_id: c for c in live}
    for i, candidate in enumerate(found.candidates):
        for case in _outcome(i, candidate, found, (after, unread.names), context):
            after[case.case_id] = case
    silent: set[str] = set()  # of which this run says nothing
    taken = {*found.held, *found.parents.values()}  # once: an inspection may bring thousands
    beside = _by_case(found.pictures)
    for case in live:
        if case.case_id in found.explained:
            after[case.case_id] = _still(case, found.explained[case.case_id], context)
        elif case.case_id not in taken:
            again = (relooks or {}).get(case.case_id, ())
            pictures = beside.get(case.case_id, [])
            bare = case is not ground[case.case_id]
            if _unlooked(case, context) and not (again or pictures or bare):
                silent.add(case.case_id)
                if context.spots:
                    continue
            after[case.case_id] = _missed(case, context, again, pictures)
    for name, case in after.items():
        # Where no flight was, what the last run that looked said stands.
        if _live(case, context) and not (context.spots and name in silent):
            stays = name in silent and case.decided and case.suppressed
            said = partial(with_decision, explained=name in found.explained or stays)
            after[name] = place(before.get(name), case, context, said)
    after |= _settled(before, after, [c for c in live if c is not before[c.case_id]], context)
    changed = tuple(c for i, c in sorted(after.items()) if before.get(i) != c)
    events = [e for c in changed for e in events_between(before.get(c.case_id), c, context)]
    return Plan(
        cases=tuple(c for _, c in sorted(after.items())),
        changed=changed,
        events=tuple(events),
        counts=_counts(before, changed, len(ordered), unread),
    )


def _settled(
    before: Mapping[str, Case],
    after: Mapping[str, Case],
    changed: Iterable[Case],
    context: LedgerContext,
) -> dict[str, Case]:
    """Count the revision up of cases that lost looks or have another corridor, if it is not yet."""
    pairs = [(before[c.case_id], after[c.case_id]) for c in changed]
    return {
        old.case_id: settle(old, now, context) for old, now in pairs if now.revision == old.revision
    }


def _by_case(pictures: Iterable[tuple[Candidate, str]]) -> dict[str, list[Candidate]]:
    """Group pictures by the case beside which they stand."""
    out: dict[str, list[Candidate]] = {}
    for candidate, name in pictures:
        out.setdefault(name, []).append(candidate)
    return out


def unmatched(
    known: Iterable[Case],
    candidates: Iterable[Candidate],
    context: LedgerContext,
    options: MatchOptions | None = None,
) -> tuple[Case, ...]:
    """Give the cases that no candidate is: whoever wants to know must look at their places."""
    live = [c for c in sorted(known, key=lambda c: c.case_id) if _live(c, context)]
    found = _sort(sorted(candidates, key=candidate_key), live, context, options)
    taken = {*found.held, *found.explained, *found.parents.values()}
    return tuple(case for case in live if case.case_id not in taken)


def _unlooked(case: Case, context: LedgerContext) -> bool:
    """Tell where a run judged nothing: a corridor without an answer, or an inspection's."""
    return bool(context.until) and case.corridor_id not in context.judged


def _live(case: Case, context: LedgerContext) -> bool:
    return case.merged_into is None and case.corridor_id in context.corridors


@dataclass(frozen=True)
class _Found:
    """Which candidate is what."""

    candidates: Sequence[Candidate]  # neither pictures beside a case nor explained by a decision
    cases: Sequence[Case]  # that may be them: none that the desk decided
    matching: Matching  # of these two
    parents: Mapping[int, str]  # of a candidate, a decided case that does not explain it
    explained: Mapping[str, Sequence[Candidate]]  # by decided case
    pictures: Sequence[tuple[Candidate, str]]  # beside which case

    @property
    def held(self) -> frozenset[str]:
        """Ids of the cases that a candidate is."""
        at = [*self.matching.case_of.values()]
        at += [j for js in self.matching.absorbed.values() for j in js]
        return frozenset(self.cases[j].case_id for j in at)


def _sort(
    ordered: Sequence[Candidate],
    live: Sequence[Case],
    context: LedgerContext,
    options: MatchOptions | None,
) -> _Found:
    beside = _beside(ordered, live, options)
    rest = [c for i, c in enumerate(ordered) if i not in beside]
    desk = ask_desk(rest, live, context, options)
    cases = [c for c in live if not c.decided]
    asked = [i for i in range(len(rest)) if i not in desk.first]
    matching = match([rest[i] for i in asked], cases, options)
    # What no other case claims is the desk's again, if its decision explains it.
    left = {i for n, i in enumerate(asked) if n not in matching.case_of and i in desk.explained}
    asked = [i for i in asked if i not in left]
    explained: dict[str, list[Candidate]] = {}
    for i in sorted({*desk.first, *left}):
        explained.setdefault(desk.explained[i], []).append(rest[i])
    return _Found(
        candidates=[rest[i] for i in asked],
        cases=cases,
        matching=match([rest[i] for i in asked], cases, options),
        parents={n: desk.beside[i] for n, i in enumerate(asked) if i in desk.beside},
        explained=explained,
        pictures=tuple(beside.values()),
    )


def _outcome(
    i: int,
    candidate: Candidate,
    found: _Found,
    taken: tuple[Container[str], Container[str]],
    context: LedgerContext,
) -> list[Case]:
    """Give the cases that one candidate creates or changes; no new one gets a taken id."""
    matching, cases = found.matching, found.cases
    if i not in matching.case_of:
        split = cases[matching.parent_of[i]].case_id if i in matching.parent_of else None
        fresh = open_case(candidate, context, Either(*taken), split or found.parents.get(i))
        return [fresh] if fresh else []
    best = cases[matching.case_of[i]]
    others = [cases[j] for j in matching.absorbed.get(i, ())]
    # What people work on survives before all and is never taken over; then the oldest open case. A
    # closed one takes no open case over: it gets the looks, so that imagery can propose 回弹.
    survivor, *rest = sorted([best, *others], key=_seniority)
    gone = tuple(case for case in rest if not case.issued)
    changed = [update_case(survivor, candidate, context, gone)]
    changed += [absorb(case, survivor.case_id, context) for case in gone]
    # What else people issued there keeps its own outline, and hears what stands there as well.
    changed += [_still(c, [candidate], context) for c in rest if c.issued]
    return changed


def _seniority(case: Case) -> tuple[int, str, str]:
    first = case.evidence.first_seen
    order = 0 if case.held else 2 if case.issued else 1
    return order, first.isoformat() if first else "9999", case.case_id


def _still(case: Case, shown: Sequence[Candidate], context: LedgerContext) -> Case:
    """Give a case after candidates that are at its place and leave it as it was decided."""
    looks = sorted((k for c in shown for k in c.looks), key=lambda k: k.seen is Seen.HIT)
    ids = [i for c in shown for i in c.scene_ids]
    return look_again(case, looks, context, produced=True, scene_ids=ids)


def _beside(
    candidates: Sequence[Candidate], live: Sequence[Case], options: MatchOptions | None
) -> dict[int, tuple[Candidate, str]]:
    """Give the pictures that show something at a case which calibrated imagery found.

    Such a picture is evidence beside the case. It says nothing of its kind or outline and cannot be
    followed, so it never takes the case over, and it opens no second one at its place.
    """
    pictures = [i for i, c in enumerate(candidates) if c.of_pictures]
    shown = [candidates[i] for i in pictures]
    out: dict[int, tuple[Candidate, str]] = {}
    for k, case in best_cases(shown, live, options).items():
        if not live[case].of_pictures:
            out[pictures[k]] = (shown[k], live[case].case_id)
    return out


def _missed(
    case: Case, context: LedgerContext, looks: Sequence[Look], pictures: Sequence[Candidate]
) -> Case:
    """Give a case that no candidate is, after this run; ``pictures`` show something there."""
    # Where the context says nothing of completeness, every corridor of it was judged.
    complete = not context.until or case.corridor_id in context.judged
    gone = complete and case.produced and seen_within(case, context) and _inside(case, context)
    gone = gone and not case.leads  # that a run no longer finds it does not unsay a lead
    shown = [k for c in pictures for k in c.looks if k.seen is Seen.HIT]
    return look_again(
        case,
        [*looks, *shown],
        context,
        produced=case.produced and not gone,
        scene_ids=(i for c in pictures for i in c.scene_ids),
    )


def _inside(case: Case, context: LedgerContext) -> bool:
    """Tell whether most of a case lies where this run looked: an outline may have been replaced."""
    area = context.areas.get(case.corridor_id)
    if area is None:
        return True
    place = reproject(case.polygon, case.crs, "EPSG:4326")
    return place.intersection(area).area >= 0.5 * place.area


def _counts(
    before: Mapping[str, Case], changed: Sequence[Case], candidates: int, unread: Unread
) -> dict[str, int]:
    fresh = [c for c in changed if c.case_id not in before]
    old = [(before[c.case_id], c) for c in changed if c.case_id in before]
    return {
        "candidates": candidates,
        "opened": len(fresh),
        "revised": sum(a.revision != b.revision for a, b in old),
        "merged": sum(a.merged_into != b.merged_into for a, b in old),
        "lost": sum(a.produced and not b.produced for a, b in old),
        "cases": len(before) + unread.cases + len(fresh),
    }
