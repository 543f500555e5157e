"""What stands out on a bar from ground that lies as high, look by look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import numpy as np

from pipeline.adjudicate.candidates import with_sightings
from pipeline.adjudicate.evidence import FoldOptions
from pipeline.adjudicate.tracks import Track
from pipeline.adjudicate.weighing import flooded_before
from pipeline.config import GroundOptions
from pipeline.detect.resemble import Signature, alike_share
from pipeline.grid import pixels_to_mask
from pipeline.model import Look, Pass, Seen, Window
from pipeline.passes.bench import Bench
from pipeline.passes.naming import sparse_mark
from pipeline.passes.traits import ON_BAR
from pipeline.passes.verdicts import Question, Rows, rows_of

_TOLD = 2  # hits that must tell
_LOW_RANK = 0.05  # level below which history looked once in twenty times


def standing_out(
    bench: Bench,
    track: Track,
    window: Window,
    measures: Mapping[str, float],
    how: tuple[Sequence[Look], datetime, Signature, GroundOptions, FoldOptions],
) -> dict[str, float]:
    """Give the measures of bare ground on a bar that neither drying nor a flood explains.

    A bar lightens for weeks while it dries, and more than ever where it lies dry for longer; so
    does all of it that lies as high. What was unlike that ground on the middle one of its hits did
    not come about by drying, and waits no longer than a pool does. One look is not enough. A flood
    leaves its sand and silt in one place and not in another, and they lighten as they dry, so that
    what was first seen within ``flood_days`` of a flood waits on, whatever was seen between. Looks
    at levels that history hardly knows say nothing: what falls dry for longer than ever bleaches,
    on real shores here more than there.

    ``how`` holds all looks at the place, with those that see nothing since the bar is under water;
    the first sighting (UTC); and the object's signature.
    """
    looks, since, signature, options, fold = how
    bare = measures["wet_share"] < 0.5 and measures["bar_share"] >= ON_BAR
    if not bare or measures["wait_days"] > options.disturb.wait_bar_days:
        return {}  # what looks like soil waits for its season
    if flooded_before(looks, since, fold):
        return {}
    seen = (k for k in with_sightings(looks, track) if k.seen is Seen.HIT)
    hits = {k.pass_id for k in seen if k.level_rank is None or k.level_rank >= _LOW_RANK}
    passes = [p for p in bench.looks.passes if p.id in hits]

    def judge(missing: Sequence[Pass]) -> Rows:
        new = {p.id for p in missing}
        footprint = pixels_to_mask(track.rows, track.cols, window)
        return [
            np.array([alike_share(footprint, surface, signature, options.resemble)])
            for _, surface, _ in bench.surfaces(window, lambda p: p.id in new)
        ]

    content = [sparse_mark((track.rows, track.cols)), signature.values.tolist()]
    question = Question("as_high", content, 1, np.float64)
    shares = np.array(
        [float(r[0]) for r in rows_of(bench.normals.quarter.book, question, passes, judge)]
    )
    told = shares[np.isfinite(shares)]
    if told.size < _TOLD or float(np.median(told)) > options.resemble.like_hits:
        return {}
    return {"apart": 1.0, "wait_days": min(measures["wait_days"], options.disturb.wait_pool_days)}
