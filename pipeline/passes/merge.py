"""One problem is one case: what both detectors saw of one place becomes one candidate.

A fill begins on the bank, and its landward edge is changed ground. Two candidates that touch and
both stand are one problem: the one with the better evidence stays, of equals the
one in the water, whose case the level has proved, and takes the other's outline. Where that is
changed ground the problem is 乱占 first, because land has grown into the water; what else it may be
is kept. A pond beside a fill is another problem, and so is a heap many times its size.

Their looks are one evidence: where the level hides from one detector what stands there, the other
may see it by its spectrum, and a date that both saw counts once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import shapely

from pipeline.adjudicate.evidence import FoldOptions, fold, lasting
from pipeline.grid import geodesic_area_m2
from pipeline.model import Candidate, EvidenceState, Kind, Look, Seen
from pipeline.passes.change import DETECTOR as GROUND

_FILL_SCORE = 0.6  # of 乱占 where changed ground goes on in the water
_TOUCH_M = 15.0  # one and a half pixels: blurred edges of neighbours meet
_LIKE_SIZE = 6.0  # changed ground beyond this times the fill that it touches is its own problem
_RANK = {
    EvidenceState.EXPIRED: 0,
    EvidenceState.FIRST: 1,
    EvidenceState.PROVISIONAL: 2,
    EvidenceState.SUSPECTED: 3,
    EvidenceState.RELAPSED: 3,
}


def one_problem(
    candidates: Sequence[Candidate], options: FoldOptions, until: datetime
) -> tuple[list[Candidate], int]:
    """Drop what another candidate already says; give the rest in order, and how many went.

    Only 乱占 and changed ground are compared: two objects of one detector are two objects. Only
    what stays itself takes others with it. ``until`` is the UTC end of the period.
    """
    partners = _touching(candidates)
    order = sorted(
        partners,
        key=lambda i: (
            -_RANK[candidates[i].evidence.state],
            candidates[i].detector == GROUND,
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
    """Let an island go on waiting until boats would have left, whatever the other detector says."""
    days = [c.measures.get("wait_days", 0.0) for c in parts if c.detector != GROUND]
    firsts = [c.evidence.first_seen for c in parts if c.evidence.first_seen is not None]
    if not firsts:
        return tuple(looks)
    wait = timedelta(days=max(days, default=0.0))
    return tuple(lasting(looks, min(firsts), wait, options))


def _fused(own: Sequence[Look], others: Sequence[Sequence[Look]]) -> tuple[Look, ...]:
    """Give one look per pass: the detector's own verdict where it has one, else the others'."""
    out = {k.pass_id: k for k in own}
    for looks in others:
        for look in looks:
            before = out.get(look.pass_id)
            if before is None or before.seen is Seen.UNKNOWN:
                out[look.pass_id] = look
            elif before.seen is Seen.HIT and look.seen is Seen.HIT and look.certain:
                out[look.pass_id] = replace(before, certain=True)
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
    for a, b in tree.query(shapes, predicate="dwithin", distance=_TOUCH_M).T:
        g, w = ground[int(a)], water[int(b)]
        if candidates[g].area_m2 <= _LIKE_SIZE * candidates[w].area_m2:
            out.setdefault(g, set()).add(w)
            out.setdefault(w, set()).add(g)
    return out


def _grown(candidate: Candidate, others: Sequence[Candidate]) -> Candidate:
    """Add the outlines of the others; changed ground becomes 乱占 first where land has grown."""
    whole = shapely.union_all([candidate.polygon, *(o.polygon for o in others)])
    scenes = {*candidate.scene_ids, *(i for o in others for i in o.scene_ids)}
    measures = dict(candidate.measures)
    kind = candidate.kind
    if candidate.detector == GROUND and any(o.kind is Kind.ZHAN for o in others):
        kind = Kind.ZHAN
        scores = {n: v for n, v in measures.items() if n.startswith("kind_")}
        measures |= {n: round(v * (1 - _FILL_SCORE), 3) for n, v in scores.items()}
        measures["kind_zhan"] = _FILL_SCORE
    return replace(
        candidate,
        kind=kind,
        polygon=whole,
        area_m2=round(geodesic_area_m2(whole, candidate.crs), 2),
        measures=dict(sorted(measures.items())),
        scene_ids=tuple(sorted(scenes)),
        score=max(candidate.score, *(o.score for o in others)),
    )
