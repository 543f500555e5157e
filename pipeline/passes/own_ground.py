"""Whether an object of bare ground is what lay bare at its place before it came."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from pipeline.adjudicate.evidence import FoldOptions
from pipeline.adjudicate.tracks import Track
from pipeline.config import GroundOptions
from pipeline.detect.features import FEATURES
from pipeline.detect.normal import YEAR_DAYS
from pipeline.detect.own_ground import own_share
from pipeline.grid import pixels_to_mask
from pipeline.model import Ground, Look, Pass, Seen, Window
from pipeline.passes.bench import Bench
from pipeline.passes.fills import is_fill
from pipeline.passes.naming import sparse_mark
from pipeline.passes.normals import day_of
from pipeline.passes.traits import ON_BAR, doubted
from pipeline.passes.verdicts import Question, Rows, rows_of

_NEWEST = 8  # hits that are asked: what lies there now counts
_FIRST = 3  # and these: what was another ground when it came is no field that dried since
_LEAST = 2  # hits that must tell
_UNSEEN_BEFORE = timedelta(days=200)  # without a look that misses it, it may have stood so long
_BEFORE = 24  # looks of the history at bare ground that are asked, nearest in the year first

Float = NDArray[np.float32]


def own_ground(
    bench: Bench,
    track: Track,
    window: Window,
    measures: Mapping[str, float],
    how: tuple[Sequence[Look], GroundOptions, FoldOptions],
) -> dict[str, float]:
    """Give the measures of bare ground that is a field's own, and how long it must stay bare.

    ``how`` begins with all looks at the place, as certain as they are without this question: it is
    asked only of what they may make suspected, since each look of the history is read for it. Water
    and bars have questions of their own, and no field fills water.
    """
    looks, options, fold = how
    ashore = measures["wet_share"] < 0.5 and measures["bar_share"] < ON_BAR
    if not ashore or measures.get("mixed_water") or doubted(measures):
        return {}
    if is_fill(track.rows.size, measures):
        return {}
    hits = [k for k in looks if k.seen is Seen.HIT]
    if sum(k.certain for k in hits) < min(fold.swift_hits, fold.confirm_hits):
        return {}
    came, newest = ({k.pass_id for k in some} for some in (hits[:_FIRST], hits[-_NEWEST:]))
    passes = [p for p in bench.looks.passes if p.id in came | newest]
    o, until = options.own_ground, _surely_before(looks, track.first_on)

    def judge(missing: Sequence[Pass]) -> Rows:
        footprint = pixels_to_mask(track.rows, track.cols, window)
        before = _before(bench, window, footprint, (track.first_on, until))
        now = (_seen(bench, p, window, footprint) for p in missing)
        return [np.array([own_share(n, before, o)]) for n in now]

    content = [sparse_mark((track.rows, track.cols)), track.first_on.isoformat(), until.isoformat()]
    question = Question("own_ground", content, 1, np.float64)
    rows = rows_of(bench.normals.quarter.book, question, passes, judge)
    for some in (came, newest):
        told = [float(r[0]) for p, r in zip(passes, rows, strict=True) if p.id in some]
        shares = np.array([t for t in told if np.isfinite(t)])
        if shares.size < _LEAST or float(np.median(shares)) < o.share:
            return {}
    return {"own_ground": 1.0, "wait_days": max(measures["wait_days"], o.wait_days)}


def _surely_before(looks: Sequence[Look], first: datetime) -> datetime:
    """Give until when history shows the place without the object (UTC).

    Before it was first told it may have lain there on looks that nobody searched.
    """
    missed = [k.on for k in looks if k.seen is Seen.MISS and k.on < first]
    return max(missed, default=first - _UNSEEN_BEFORE)


def _seen(
    bench: Bench, p: Pass, window: Window, footprint: NDArray[np.bool_]
) -> tuple[Float, NDArray[np.uint8]]:
    states = bench.normals.quarter.states
    return states.features(p.id, window, FEATURES)[:, footprint], states.of(p.id, window)[footprint]


def _before(
    bench: Bench, window: Window, footprint: NDArray[np.bool_], times: tuple[datetime, datetime]
) -> tuple[Float, NDArray[np.uint8]]:
    """Give what history saw of a footprint's N pixels where half of them were bare.

    Returns
    -------
    float32 (T, 4, N), uint8 (T, N)
        Features and ground codes, without what earlier looks flagged; of the looks nearest in the
        year to the first of ``times`` (UTC), up to the second.
    """
    on, until = times
    quarter = bench.normals.quarter
    history = [p for p in quarter.history if p.acquired <= until]
    ids = [p.id for p in history]
    found: list[tuple[float, str, NDArray[np.uint8]]] = []
    for p, state in zip(history, quarter.states.each(ids, window), strict=True):
        own = state[footprint]
        if np.count_nonzero(own == Ground.DRY) >= own.size / 2:
            away = abs(day_of(p.acquired) - day_of(on)) % YEAR_DAYS
            found.append((min(away, YEAR_DAYS - away), p.id, own))
    some = sorted(found, key=lambda f: f[:2])[:_BEFORE]
    n = int(np.count_nonzero(footprint))
    seen = np.empty((len(some), len(FEATURES), n), np.float32)
    codes = np.empty((len(some), n), np.uint8)
    for i, (_, pass_id, own) in enumerate(some):
        seen[i] = quarter.states.features(pass_id, window, FEATURES)[:, footprint]
        codes[i] = own
    return seen, codes
