"""One problem is one case: what both detectors saw of one place becomes one candidate.

A fill begins on the bank, and its landward edge is changed ground; a pit has a spoil heap that
stands in the water. Candidates of one corridor that touch are one problem. The one with the better
evidence stays, of equals the one in the water, whose case the level has proved. Where changed
ground is the better seen part of land that has grown into the water, the problem is 乱占 first: it
takes the other's kind and outline with its own evidence, and keeps what else it may be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import shapely

from pipeline.grid import geodesic_area_m2
from pipeline.model import Candidate, EvidenceState, Kind

_FILL_SCORE = 0.6  # of 乱占 where changed ground goes on in the water
_TOUCH_M = 15.0  # one and a half pixels: blurred edges of neighbours meet
_RANK = {
    EvidenceState.EXPIRED: 0,
    EvidenceState.FIRST: 1,
    EvidenceState.PROVISIONAL: 2,
    EvidenceState.SUSPECTED: 3,
    EvidenceState.RELAPSED: 3,
}


def one_problem(candidates: Sequence[Candidate]) -> tuple[list[Candidate], int]:
    """Drop what another candidate already says; give the rest in order, and how many went.

    Only 乱占 and changed ground are compared: two objects of one detector are two objects.
    """
    water = [c for c in candidates if c.kind is Kind.ZHAN]
    ground = [c for c in candidates if c.kind is not Kind.ZHAN]
    if not water or not ground:
        return list(candidates), 0
    tree = shapely.STRtree([c.polygon for c in water])
    shapes = np.array([c.polygon for c in ground], dtype=object)
    gone: set[int] = set()
    fills: dict[int, list[Candidate]] = {}
    pairs = tree.query(shapes, predicate="dwithin", distance=_TOUCH_M).T
    for g, w in sorted((int(a), int(b)) for a, b in pairs):
        one, other = ground[g], water[w]
        if _RANK[one.evidence.state] > _RANK[other.evidence.state]:
            fills.setdefault(id(one), []).append(other)
            gone.add(id(other))
        else:
            gone.add(id(one))
    kept = [_grown(c, fills.get(id(c), [])) for c in candidates if id(c) not in gone]
    return kept, len(candidates) - len(kept)


def _grown(candidate: Candidate, fills: Sequence[Candidate]) -> Candidate:
    """Add the part that stands in the water, and say that it is 乱占 first."""
    if not fills or candidate.measures["wet_share"] >= 0.5:
        return candidate
    whole = shapely.union_all([candidate.polygon, *(f.polygon for f in fills)])
    scores = {n: v for n, v in candidate.measures.items() if n.startswith("kind_")}
    shared = {n: round(v * (1 - _FILL_SCORE), 3) for n, v in scores.items()}
    measures = {**candidate.measures, **shared, "kind_zhan": _FILL_SCORE}
    area = round(geodesic_area_m2(whole, candidate.crs), 2)
    return replace(
        candidate,
        kind=Kind.ZHAN,
        polygon=whole,
        area_m2=area,
        measures=dict(sorted(measures.items())),
        scene_ids=tuple(sorted({*candidate.scene_ids, *(i for f in fills for i in f.scene_ids)})),
    )
