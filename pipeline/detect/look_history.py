"""The history of a window look by look: what was seen of a pixel at which level.

What it answers is what :class:`~pipeline.detect.level_history.LevelHistory` counts; of up to
``_HELD_LOOKS`` looks the packed words themselves are fewer bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pipeline.detect import lookbits
from pipeline.detect.level_history import LevelHistory, fold_levels, level_index
from pipeline.detect.lookbits import PER_WORD
from pipeline.detect.water_frequency import N_BINS

TOLERANCE = 0.1
"""Share of the looks that may contradict what history knows of a level: errors of the mask."""

_HELD_LOOKS = 112  # up to which looks as they are packed are fewer bytes than counts by level


@dataclass(frozen=True)
class LookHistory:
    """Looks at a window as :func:`pipeline.detect.lookbits.packed`; counted by level for who asks.

    ``words`` int16 (N, H, W) and ``reach`` uint16 (H, W) are those of a whole window, of which
    ``where`` is the part that is meant: first row and column, height and width. ``index`` int64
    (T, n_reach + 1): place in ``ranks`` of the level of each reach on each look; -1 leaves it out.
    """

    ranks: NDArray[np.float32]
    words: NDArray[np.int16]
    reach: NDArray[np.uint16]
    index: NDArray[np.int64]
    where: tuple[int, int, int, int]

    @property
    def nbytes(self) -> int:
        """Bytes that are held."""
        return self.words.nbytes + self.reach.nbytes

    @property
    def wet(self) -> NDArray[np.uint16 | np.uint8]:
        """Looks at water by level, (L, H, W)."""
        return self._levels.wet

    @property
    def dry(self) -> NDArray[np.uint16 | np.uint8]:
        """Looks at ground by level, (L, H, W)."""
        return self._levels.dry

    def part(self, where: tuple[slice, slice]) -> LookHistory:
        """Give a part of the window."""
        return replace(self, where=self._within(where))

    def look(self, t: int) -> NDArray[np.uint8]:
        """Give the ground codes of a look by its place in the history, uint8 (H, W)."""
        return lookbits.look_of(self.words, t, self.where)

    def known_wet(
        self,
        rank: NDArray[np.float32] | float,
        margin: float,
        where: tuple[slice, slice] | None,
        tolerance: float,
    ) -> NDArray[np.uint16]:
        """Answer :func:`known_wet`."""
        top, left, *shape = self._within(where) if where else self.where
        limit = np.broadcast_to(np.asarray(rank, np.float32), shape) - np.float32(margin)
        held = (self.words, self.reach, self._middles)
        return lookbits.wet_below(*held, limit, (top, left), tolerance)

    def dry_around(
        self, limits: tuple[NDArray[np.float32], NDArray[np.float32]], tolerance: float
    ) -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
        """Answer :func:`pipeline.detect.deviations.dry_counts`."""
        held = (self.words, self.reach, self._middles)
        return lookbits.dry_around(*held, limits, self.where, tolerance)

    def _within(self, where: tuple[slice, slice]) -> tuple[int, int, int, int]:
        top, left, *shape = self.where
        rows, cols = (s.indices(n) for s, n in zip(where, shape, strict=True))
        return top + rows[0], left + cols[0], rows[1] - rows[0], cols[1] - cols[0]

    @cached_property
    def _middles(self) -> NDArray[np.float32]:
        middles = np.append(self.ranks, np.float32(np.nan))  # of the place -1
        return middles[self.index].astype(np.float32)

    @cached_property
    def _levels(self) -> LevelHistory:
        top, left, high, wide = self.where
        part = (slice(top, top + high), slice(left, left + wide))
        words = (np.ascontiguousarray(word[part]) for word in self.words)
        own = np.ascontiguousarray(self.reach[part])
        return fold_levels(words, (self.ranks, self.index), own)[2]


History = LevelHistory | LookHistory


def fold_history(
    words: Iterable[NDArray[np.int16]],
    ranks: NDArray[np.float32],
    reach: NDArray[np.uint16],
    n_levels: int = N_BINS,
) -> tuple[NDArray[np.uint16], NDArray[np.uint16], History]:
    """Count water, clear looks and levels, a word of looks at a time.

    Parameters
    ----------
    words : int16 (H, W) each
        Of :func:`pipeline.detect.lookbits.packed`, -32768 where nothing is stored; of many
        looks no more than one is held.
    ranks : float32 (T, n_reach + 1)
        Rank of each reach on each of the packed looks; NaN leaves the look out.
    reach : uint16 (H, W)
        1-based reach index, 0 outside.

    Returns
    -------
    n_wet, n_clear : uint16 (H, W)
    LookHistory, or LevelHistory of many looks
        Of the levels that occur in these reaches: the others hold nothing.
    """
    levels = level_index(ranks, reach, n_levels)
    if len(ranks) > _HELD_LOOKS:
        return fold_levels(words, levels, reach)
    held = list(words)
    if len(held) != -(-len(ranks) // PER_WORD):
        # Kernels index words by look, and check no bounds.
        raise ValueError(f"{len(held)} words of looks, and levels of {len(ranks)} looks")
    stack = np.stack(held) if held else np.zeros((0, *reach.shape), np.int16)
    where = (0, 0, *reach.shape)
    return *lookbits.count_looks(stack), LookHistory(levels[0], stack, reach, levels[1], where)


def known_wet(
    history: History,
    rank: NDArray[np.float32] | float,
    margin: float,
    tolerance: float = TOLERANCE,
    where: tuple[slice, slice] | None = None,
) -> NDArray[np.uint16]:
    """Count the looks at a clearly lower level in which a pixel was wet, if it never contradicts.

    Parameters
    ----------
    rank : float or float32 (H, W)
        Level on the date asked for (of the pixel's reach).
    margin : float
        Uncertainty of a rank; only looks at ``rank - margin`` or lower speak for water, while looks
        at ``rank - margin`` or higher in which the pixel was not wet speak against it.
    tolerance : float
        Share of the looks that may be dry at such a level or a higher one.
    where : (slice, slice), optional
        Part of the history that is asked, of which ``rank`` is the image; all of it by default.

    Returns
    -------
    uint16 (H, W)
        0 where nothing is known or history contradicts: more than ``tolerance`` of the looks, or
        more than half as many as the looks that speak for water. Non-decreasing in ``rank``.
    """
    return history.known_wet(rank, margin, where, tolerance)
