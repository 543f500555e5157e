"""What every look says of one tracked object: it is there, it is not, or nobody can say.

A level decides what a look can say at all. Where water is not expected, dry ground proves nothing;
water above an object proves nothing either, unless it was seen dry at such a level before.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from pipeline.model import Ground, Seen


class ObserveOptions(BaseModel):
    """Shares that decide a look."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    clear_min: float = Field(
        default=0.6, gt=0, le=1, description="clear share of the footprint that a verdict needs"
    )
    hit_share: float = Field(
        default=0.5,
        gt=0,
        le=1,
        description="share of clear pixels dry where water is expected: a hit",
    )
    sure_share: float = Field(
        default=0.2,
        gt=0,
        le=1,
        description="share of clear pixels dry where history knows water: the hit is certain",
    )
    miss_share: float = Field(
        default=0.5, gt=0, le=1, description="share of clear pixels that are water again: a miss"
    )
    rank_margin: float = Field(
        default=0.05, ge=0, le=0.3, description="two levels nearer than this count as the same"
    )


@dataclass(frozen=True, slots=True)
class Observed:
    """One look at one footprint."""

    clear_share: float
    seen: Seen
    certain: bool


def observe(
    footprint: NDArray[np.bool_],
    states: NDArray[np.uint8],
    known: NDArray[np.bool_],
    beyond: NDArray[np.bool_],
    ranks: NDArray[np.float32],
    options: ObserveOptions | None = None,
) -> list[Observed]:
    """Judge all looks at one object, in time order.

    Parameters
    ----------
    footprint : bool (H, W)
        The tracked object.
    states : uint8 (T, H, W)
        Ground codes, ascending in time.
    known, beyond : bool (T, H, W)
        Where water is expected from the pixel's own history, and where only from how little the
        shore receded (``Expected.ordinary`` and ``Expected.beyond``). A date that is not judged has
        both false.
    ranks : float32 (T,)
        Level ranks, all fitted against one history; NaN if unknown.

    Returns
    -------
    list of Observed, length T
        HIT: at least half of the clear pixels are dry where water is expected; plants count as dry
        on pixels that a former hit saw dry. MISS: at least half are water, at a level at which the
        object was seen before (for looks before the first hit: at which it was first seen), or one
        lower. UNKNOWN otherwise, and with too little clear. A hit is certain if history knows
        enough of it (``sure_share``).
    """
    o = options or ObserveOptions()
    total = max(int(np.count_nonzero(footprint)), 1)
    looks = states[:, footprint]
    clear = looks != Ground.UNKNOWN
    n_clear = clear.sum(axis=1)
    share = n_clear / total
    enough = (share >= o.clear_min) & (n_clear > 0)
    hit, sure = _hits(looks, known[:, footprint], beyond[:, footprint], enough, o)
    wet = (looks == Ground.WET).sum(axis=1) >= o.miss_share * n_clear
    reference = _reference(hit, ranks)
    out: list[Observed] = []
    for t in range(len(ranks)):
        seen = Seen.UNKNOWN
        if hit[t]:
            seen = Seen.HIT
        elif enough[t] and wet[t] and ranks[t] <= reference[t] + o.rank_margin:
            seen = Seen.MISS
        out.append(Observed(float(share[t]), seen, bool(sure[t]) if hit[t] else True))
    return out


def _hits(
    looks: NDArray[np.uint8],
    known: NDArray[np.bool_],
    beyond: NDArray[np.bool_],
    enough: NDArray[np.bool_],
    o: ObserveOptions,
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Hits, and whether the pixel's own history alone carries them; (T,) each."""
    was_dry = np.zeros(looks.shape[1], bool)
    hit = np.zeros(looks.shape[0], bool)
    sure = np.zeros(looks.shape[0], bool)
    for t, state in enumerate(looks):
        dry = (state == Ground.DRY) | ((state == Ground.GREEN) & was_dry)
        need = o.hit_share * np.count_nonzero(state != Ground.UNKNOWN)
        hit[t] = enough[t] and np.count_nonzero(dry & (known[t] | beyond[t])) >= need
        n_clear = np.count_nonzero(state != Ground.UNKNOWN)
        sure[t] = hit[t] and np.count_nonzero(dry & known[t]) >= o.sure_share * n_clear
        if hit[t]:
            was_dry |= state == Ground.DRY
    return hit, sure


def _reference(hit: NDArray[np.bool_], ranks: NDArray[np.float32]) -> NDArray[np.float64]:
    """Highest rank at which the object was seen before each look; -inf if never (T,)."""
    seen = np.where(hit & np.isfinite(ranks), ranks.astype(np.float64), -np.inf)
    before = np.concatenate([[-np.inf], np.maximum.accumulate(seen)[:-1]]) if seen.size else seen
    if hit.any():
        first = int(np.flatnonzero(hit)[0])
        # A look before the first hit says that it was not there only if it would have shown then.
        before[: first + 1] = seen[first]
    return before
