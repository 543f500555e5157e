"""Which candidate found which object: one to one, and everything that is left is false."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from shapely.geometry.base import BaseGeometry

from pipeline.adjudicate.evidence import FoldOptions, fold
from pipeline.model import Case, EvidenceState, Seen
from sample_scenes.matching import match


def pairs_of(objects: Sequence[BaseGeometry], candidates: Sequence[BaseGeometry]) -> dict[int, int]:
    """Give the candidate of every object that has one, by position."""
    return {p.object: p.candidate for p in match(objects, candidates)}


def suspected_at(case: Case, options: FoldOptions | None = None) -> datetime | None:
    """Give the time (UTC) of the look that first made a case a suspected one, or None.

    ``options`` are those of the run; default: the defaults.
    """
    looks = [k for k in case.looks if k.seen is not Seen.UNKNOWN]
    for n in range(1, len(looks) + 1):
        if fold(looks[:n], options).state in (EvidenceState.SUSPECTED, EvidenceState.RELAPSED):
            return looks[n - 1].on
    return None
