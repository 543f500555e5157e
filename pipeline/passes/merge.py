"""One problem is one case: what both detectors saw of one place becomes one candidate.

A fill begins on the bank, and its landward edge is changed ground. Two candidates that touch and
both stand are one problem: the one with the better evidence stays, of equals the
one in the water, whose case the level has proved, and takes the other's outline. Where that is
changed ground the problem is 乱占 first, because land has grown into the water; what else it may be
is kept. A pond beside a fill is another problem, unless both are suspected and came on one day:
then the fill is what was dug out. So is a heap many times its size, but where both
may have come on one day, or the heap was there before: then what reaches the water is its toe.

Their looks are one evidence: where the level hides from one detector what stands there, the other
may see it by its spectrum, and a date that both saw counts once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import shapely

from pipeline.adjudicate.evidence import LASTING_DOUBTS, FoldOptions, doubtful, fold, lasting
from pipeline.adjudicate.weighing import weighed
from pipeline.grid import geodesic_area_m2
from pipeline.model import NO_SWIR, Candidate, Case, EvidenceState, Kind, Look, Seen
from pipeline.passes.change import DETECTOR as GROUND
from pipeline.passes.fills import LIKE_SIZE, as_fill
from pipeline.passes.pieces import (
    TOUCH_M,
    dark_by_itself,
    is_pond,
    lead,
    one_object,
    pieces,
    ramps,
    together,
    told_twice,
)

_RANK = {
    EvidenceState.EXPIRED: 0,
    EvidenceState.FIRST: 1,
    EvidenceState.PROVISIONAL: 2,
    EvidenceState.SUSPECTED: 3,
    EvidenceState.RELAPSED: 3,
}


def one_problem(
    candidates: Sequence[Candidate],
    options: FoldOptions,
    until: datetime,
    known: Sequence[Case] = (),
) -> tuple[list[Candidate], int]:
    """Drop what another candidate already says; give the rest in order, and how many went.

    Pieces of changed ground are put together first (:mod:`pipeline.passes.pieces`); then 乱占 and
    changed ground are compared, and only what stays itself takes others with it. ``until`` is the
    UTC end of the period; ``known`` are the corridor's cases of the ledger
    (:func:`pipeline.passes.pieces.told_twice`).
    """
    candidates = [weighed(c, options, until) for c in candidates]
    whole_ones = dark_by_itself(_without_pieces(candidates, options, until))
    left, _ = _both_saw(whole_ones, options, until)
    once = _told_once(left, options, until, known)
    return once, len(candidates) - len(once)


def _without_pieces(
    candidates: Sequence[Candidate], options: FoldOptions, until: datetime
) -> list[Candidate]:
    """Put the ramps of a bridge to its span, and the pieces of changed ground together."""
    out = dict(enumerate(candidates))
    for group in [[i, *own] for i, own in ramps(candidates).items()] + pieces(candidates):
        members = [i for i in group if out.get(i) is candidates[i]]
        if len(members) < 2 or members[0] != group[0]:
            continue
        parts = [candidates[i] for i in members]
        own = parts[0] if parts[0].detector != GROUND else lead(parts)
        looks = _waiting(_fused(own.looks, [o.looks for o in parts[1:]]), parts, options)
        whole = replace(
            _outlined(own, parts[1:]), looks=looks, evidence=fold(looks, options, until)
        )
        for i in members:
            del out[i]
        out[min(members)] = whole
    return [out[i] for i in sorted(out)]


def _told_once(
    candidates: Sequence[Candidate], options: FoldOptions, until: datetime, known: Sequence[Case]
) -> list[Candidate]:
    """Put together parts of one object that are all suspected: its sides at different levels.

    Of a pit and what was dug out of it the pond says what it is.
    """
    out = dict(enumerate(candidates))
    for group in told_twice(candidates, known):
        own, *others = sorted((candidates[i] for i in group), key=is_pond, reverse=True)
        looks = _waiting(_fused(own.looks, [o.looks for o in others]), [own, *others], options)
        joined = _outlined(own, others) if is_pond(own) else _grown(own, others)
        whole = replace(joined, looks=looks, evidence=fold(looks, options, until))
        for i in group:
            del out[i]
        out[min(group)] = whole
    return [out[i] for i in sorted(out)]


def _both_saw(
    candidates: Sequence[Candidate], options: FoldOptions, until: datetime
) -> tuple[list[Candidate], int]:
    """Let the two detectors' candidates of one place be one; give the rest, and how many went."""
    partners = _touching(candidates)
    # The toe of a heap many times its size follows the heap.
    toes = {
        i
        for i, others in partners.items()
        if candidates[i].detector != GROUND
        and any(candidates[j].area_m2 > LIKE_SIZE * candidates[i].area_m2 for j in others)
    }
    order = sorted(
        partners,
        key=lambda i: (
            -_RANK[candidates[i].evidence.state],
            (candidates[i].detector == GROUND) + 2 * (i in toes),
            i,
        ),
    )
    gone: set[int] = set()
    taken: dict[int, list[Candidate]] = {}
    for i in order:
        if i in gone:
            continue
        for j in sorted(partners[i] - gone):
            if order.index(j) > order.index(i):
                gone.add(j)
                taken.setdefault(i, []).append(candidates[j])

    def whole(i: int) -> Candidate:
        own, others = candidates[i], taken.get(i, [])
        if not others:
            return own
        looks = _waiting(_fused(own.looks, [o.looks for o in others]), [own, *others], options)
        return replace(_grown(own, others), looks=looks, evidence=fold(looks, options, until))

    return [whole(i) for i in range(len(candidates)) if i not in gone], len(gone)


def _waiting(
    looks: Sequence[Look], parts: Sequence[Candidate], options: FoldOptions
) -> tuple[Look, ...]:
    """Let an island go on waiting until boats would have left, whatever the other detector says.
    What all dates together explain, a bridge or a pontoon, stays explained.
    """
    if _doubts(parts):
        looks = doubtful(looks)
    days = [c.measures.get("wait_days", 0.0) for c in parts if c.detector != GROUND]
    firsts = [c.evidence.first_seen for c in parts if c.evidence.first_seen is not None]
    if not firsts:
        return tuple(looks)
    wait = timedelta(days=max(days, default=0.0))
    return tuple(lasting(looks, min(firsts), wait, options))


def _doubts(parts: Sequence[Candidate]) -> dict[str, float]:
    """Give what explains most of an object or its first part: a bridge, or what is afloat.

    A fill beside a bridge or a pontoon is neither.
    """
    whole = sum(c.area_m2 for c in parts)
    return {
        n: 1.0
        for n in LASTING_DOUBTS
        if parts[0].measures.get(n)
        or sum(c.area_m2 for c in parts if c.measures.get(n)) >= whole / 2
    }


def _fused(own: Sequence[Look], others: Sequence[Sequence[Look]]) -> tuple[Look, ...]:
    """Give one look per pass: the detector's own verdict where it has one, else the others'."""
    out = {k.pass_id: k for k in own}
    for looks in others:
        for look in looks:
            before = out.get(look.pass_id)
            if before is None or before.seen is Seen.UNKNOWN:
                out[look.pass_id] = look
            elif before.seen is Seen.HIT and look.seen is Seen.HIT and look.certain:
                strong = before.strong or look.strong
                out[look.pass_id] = replace(before, certain=True, strong=strong)
    return tuple(sorted(out.values(), key=lambda k: (k.on, k.pass_id)))


def _touching(candidates: Sequence[Candidate]) -> dict[int, set[int]]:
    """Give the pairs that may be one problem, by index, both ways."""
    stands = [i for i, c in enumerate(candidates) if c.evidence.state is not EvidenceState.EXPIRED]
    water = [i for i in stands if candidates[i].detector != GROUND]
    ground = [
        i
        for i in stands
        if candidates[i].detector == GROUND and candidates[i].measures.get("wet_share", 0.0) < 0.5
    ]
    out: dict[int, set[int]] = {}
    if not water or not ground:
        return out
    tree = shapely.STRtree([candidates[i].polygon for i in water])
    shapes = np.array([candidates[i].polygon for i in ground], dtype=object)
    for a, b in tree.query(shapes, predicate="dwithin", distance=TOUCH_M).T:
        g, w = ground[int(a)], water[int(b)]
        if _one_place(candidates[g], candidates[w]):
            out.setdefault(g, set()).add(w)
            out.setdefault(w, set()).add(g)
    return out


def _one_place(ground: Candidate, water: Candidate) -> bool:
    """Tell whether changed ground and what touches it in the water are one problem.

    What grows out of a heap into the water is its toe, if the heap itself stands as surely.
    """
    if ground.area_m2 <= LIKE_SIZE * water.area_m2:
        return True
    if _RANK[ground.evidence.state] >= _RANK[water.evidence.state]:
        return one_object(ground, water)
    return together(ground.evidence, water.evidence)


def _grown(candidate: Candidate, others: Sequence[Candidate]) -> Candidate:
    """Add the outlines of the others; changed ground becomes 乱占 first where land has grown."""
    out = _outlined(candidate, others)
    measures, kind = dict(out.measures), candidate.kind
    # The toe of a large heap or building that reaches the water does not make it a fill.
    filled = sum(o.area_m2 for o in others if o.kind is Kind.ZHAN)
    if candidate.detector == GROUND and filled * LIKE_SIZE >= candidate.area_m2:
        kind, measures = Kind.ZHAN, as_fill(measures)
    return replace(out, kind=kind, measures=dict(sorted(measures.items())))


def _outlined(candidate: Candidate, others: Sequence[Candidate]) -> Candidate:
    """Add the outlines, scenes and best score of the others."""
    whole = shapely.union_all([candidate.polygon, *(o.polygon for o in others)])
    doubts = _doubts([candidate, *others])
    scenes = {*candidate.scene_ids, *(i for o in others for i in o.scene_ids)}
    measures = dict(candidate.measures) | doubts
    if not all(NO_SWIR in o.measures for o in others):
        measures.pop(NO_SWIR, None)  # a part of it was seen with it
    return replace(
        candidate,
        polygon=whole,
        area_m2=round(geodesic_area_m2(whole, candidate.crs), 2),
        measures=dict(sorted(measures.items())),
        scene_ids=tuple(sorted(scenes)),
        score=max(candidate.score, *(o.score for o in others)),
    )
