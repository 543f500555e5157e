"""How often each pixel was wet and not wet at each known level."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pipeline.detect.level import reaches_in
from pipeline.detect.lookbits import PER_WORD
from pipeline.detect.water_frequency import N_BINS
from pipeline.model import Ground

_WET = int(Ground.WET)


@dataclass(frozen=True)
class LevelHistory:
    """Per pixel, how often it was wet and not wet at each known level.

    ``ranks`` float32 (L,), ascending, the middle of each class of ranks; ``wet`` and ``dry``
    (L, H, W), uint16, or uint8 where there are few enough looks.
    """

    ranks: NDArray[np.float32]
    wet: NDArray[np.uint16 | np.uint8]
    dry: NDArray[np.uint16 | np.uint8]

    @property
    def nbytes(self) -> int:
        """Bytes that are held."""
        return self.wet.nbytes + self.dry.nbytes

    def part(self, where: tuple[slice, slice]) -> LevelHistory:
        """Give a part of the window."""
        return LevelHistory(self.ranks, self.wet[:, *where], self.dry[:, *where])

    def known_wet(
        self,
        rank: NDArray[np.float32] | float,
        margin: float,
        where: tuple[slice, slice] | None,
        tolerance: float,
    ) -> NDArray[np.uint16]:
        """Answer :func:`pipeline.detect.look_history.known_wet`."""
        asked = where or (slice(None), slice(None))
        rows, cols = (s.indices(n) for s, n in zip(asked, self.wet.shape[1:], strict=True))
        at = np.broadcast_to(np.asarray(rank, np.float32), (rows[1] - rows[0], cols[1] - cols[0]))
        limit, corner = at - np.float32(margin), (rows[0], cols[0])
        return _known_wet(self.ranks, self.wet, self.dry, limit, corner, tolerance)


def tally_by_level(
    states: NDArray[np.uint8], ranks: NDArray[np.float32], n_levels: int = N_BINS
) -> LevelHistory:
    """Count looks per pixel and level of its reach on that look.

    Parameters
    ----------
    states : uint8 (T, H, W)
        Ground codes of the history.
    ranks : float32 (T,) or (T, H, W)
        Rank of each date (of the pixel's reach); NaN leaves the look out.
    n_levels : int
        Ranks are grouped into this many equal classes of 0..1.

    Returns
    -------
    LevelHistory
        Independent of the order of dates; counts of disjoint dates add up.
    """
    t, h, w = states.shape
    full = np.broadcast_to(ranks if ranks.ndim == 3 else ranks[:, None, None], (t, h, w))
    wet = np.zeros((n_levels, h, w), np.uint16)
    dry = np.zeros((n_levels, h, w), np.uint16)
    _by_level(states, full, wet, dry)
    edges = ((np.arange(n_levels) + 0.5) / n_levels).astype(np.float32)
    return LevelHistory(edges, wet, dry)


def fold_levels(
    words: Iterable[NDArray[np.int16]],
    levels: tuple[NDArray[np.float32], NDArray[np.int64]],
    reach: NDArray[np.uint16],
) -> tuple[NDArray[np.uint16], NDArray[np.uint16], LevelHistory]:
    """Count words by level; ``levels`` are those of :func:`level_index`."""
    middles, index = levels
    dtype = np.uint8 if len(index) <= np.iinfo(np.uint8).max else np.uint16
    wet = np.zeros((middles.size, *reach.shape), dtype)
    dry = np.zeros((middles.size, *reach.shape), dtype)
    n_wet, n_clear = np.zeros(reach.shape, np.uint16), np.zeros(reach.shape, np.uint16)
    starts = range(0, len(index), PER_WORD)
    for word, start in zip(words, starts, strict=True):
        own = index[start : start + PER_WORD]
        _fold(word, own, reach, (n_wet, n_clear), (wet, dry))
    return n_wet, n_clear, LevelHistory(middles, wet, dry)


def level_index(
    ranks: NDArray[np.float32], reach: NDArray[np.uint16], n_levels: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Give the middles of the levels that occur in some reaches, and which one each look has."""
    levels = (np.nan_to_num(ranks.astype(np.float64), nan=-1.0) * n_levels).astype(np.int64)
    levels = np.where(np.isnan(ranks), -1, np.clip(levels, 0, n_levels - 1))
    here = levels[:, reaches_in(reach)]
    used = np.unique(here[here >= 0])
    index = np.where(levels >= 0, np.searchsorted(used, levels), -1)
    return ((used + 0.5) / n_levels).astype(np.float32), index


@njit(cache=True, nogil=True)
def _fold(word, level_of, reach, counts, levels):  # type: ignore[no-untyped-def]  # pragma: no cover
    n_wet, n_clear = counts
    wet, dry = levels
    for i in range(reach.shape[0]):
        for j in range(reach.shape[1]):
            codes = word[i, j]
            if codes <= 0:
                continue
            for b in range(level_of.shape[0]):
                s = (codes >> (2 * b)) & 3
                if s == 0:
                    continue
                n_clear[i, j] += 1
                level = level_of[b, reach[i, j]]
                if s == _WET:
                    n_wet[i, j] += 1
                    if level >= 0:
                        wet[level, i, j] += 1
                elif level >= 0:
                    dry[level, i, j] += 1


@njit(cache=True, nogil=True)
def _by_level(states, ranks, wet, dry):  # type: ignore[no-untyped-def]  # pragma: no cover
    n_levels = wet.shape[0]
    for t in range(states.shape[0]):
        for i in range(states.shape[1]):
            for j in range(states.shape[2]):
                s, q = states[t, i, j], ranks[t, i, j]
                if s == 0 or np.isnan(q):
                    continue
                level = min(max(int(q * n_levels), 0), n_levels - 1)
                if s == 1:
                    wet[level, i, j] += 1
                else:
                    dry[level, i, j] += 1


@njit(cache=True, nogil=True)
def _known_wet(ranks, wet, dry, limit, corner, tolerance):  # type: ignore[no-untyped-def]  # pragma: no cover
    n, (h, w), (top, left) = wet.shape[0], limit.shape, corner
    out = np.zeros((h, w), np.uint16)
    below = np.zeros(w, np.int32)
    against = np.zeros(w, np.int32)
    every = np.zeros(w, np.int32)
    for i in range(h):
        below[:] = 0
        against[:] = 0
        every[:] = 0
        for k in range(n):  # levels outside, columns inside: memory is read in order
            for j in range(w):
                every[j] += wet[k, top + i, left + j]
                if ranks[k] <= limit[i, j]:
                    below[j] += wet[k, top + i, left + j]
                else:
                    against[j] += dry[k, top + i, left + j]
        for j in range(w):
            few = against[j] <= tolerance * (against[j] + every[j])
            if few and 2 * against[j] <= below[j]:
                out[i, j] = below[j]
    return out
