"""Counting looks that are packed two bits each, compiled: one pass, no levels in between.

A word of :func:`packed` holds what seven looks say of a pixel. Which of them were at a lower or a
higher level is the same for all pixels of a reach, so that a mask of the word chooses them, and
what they say is counted for all at once (Warren 2012, *Hacker's Delight*, 5-1). They belong to
:mod:`pipeline.detect.look_history` and say what the plain counts by level do, bit for bit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numba import njit
from numpy.typing import NDArray

Words = NDArray[np.int16]
Float = NDArray[np.float32]
Count = NDArray[np.uint16]

PER_WORD = 7
"""Looks in a word."""


def packed(states: Iterable[NDArray[np.uint8]]) -> Iterator[NDArray[np.int16]]:
    """Pack ground codes, two bits a look.

    Parameters
    ----------
    states : uint8 (H, W) each
        Ground codes of the history; no more than one is held.

    Yields
    ------
    int16 (H, W)
        A word of :data:`PER_WORD` looks each, the last one of what is left; never negative, so
        that a store's "no data" stays apart.
    """
    word: NDArray[np.int16] | None = None
    for t, state in enumerate(states):
        bits = np.int16(2 * (t % PER_WORD))
        if word is None or bits == 0:
            if word is not None:
                yield word
            word = np.zeros(state.shape, np.int16)
        word |= state.astype(np.int16) << bits
    if word is not None:
        yield word


def count_looks(words: Words) -> tuple[Count, Count]:
    """Count the looks at water, and all clear ones.

    Parameters
    ----------
    words : int16 (N, H, W)
        -32768 where nothing is stored: no look of it is clear.

    Returns
    -------
    n_wet, n_clear : uint16 (H, W)
    """
    n_wet, n_clear = (np.zeros(words.shape[1:], np.uint16) for _ in range(2))
    if words.size:
        _count(words.reshape(len(words), -1), n_wet.reshape(-1), n_clear.reshape(-1))
    return n_wet, n_clear


def look_of(words: Words, look: int, where: tuple[int, int, int, int]) -> NDArray[np.uint8]:
    """Give what one look says of a part of a window, uint8 (h, w).

    Parameters
    ----------
    words : int16 (N, H, W)
        -32768 where nothing is stored: unknown.
    look : int
        Its place among the packed ones.
    where : (int, int, int, int)
        First row and column of the part, and its height and width.
    """
    top, left, high, wide = where
    out = np.empty((high, wide), np.uint8)
    _look_of(words[look // PER_WORD], np.int16(2 * (look % PER_WORD)), (top, left), out)
    return out


def wet_below(
    words: Words,
    reach: NDArray[np.uint16],
    middles: Float,
    limit: Float,
    corner: tuple[int, int],
    tolerance: float,
) -> Count:
    """Count as :func:`pipeline.detect.look_history.known_wet` does, of a part of a window.

    Parameters
    ----------
    words : int16 (N, H, W)
    reach : uint16 (H, W)
    middles : float32 (T, n_reach + 1)
        Middle of the class of ranks of each reach on each look; NaN leaves the look out.
    limit : float32 (h, w)
        Rank up to which looks speak for water; the part's shape.
    corner : (int, int)
        First row and column of the part.
    """
    out = np.zeros(limit.shape, np.uint16)
    _wet_below(words, reach, middles, np.ascontiguousarray(limit), corner, tolerance, out)
    return out


def dry_around(
    words: Words,
    reach: NDArray[np.uint16],
    middles: Float,
    limits: tuple[Float, Float],
    where: tuple[int, int, int, int],
    tolerance: float,
) -> tuple[Count, Count]:
    """Count as :func:`pipeline.detect.deviations.dry_counts` does, of a part of a window.

    Parameters
    ----------
    limits : float32 (n_reach + 1,) each
        Of the mirrored rank from which looks are clearly higher, and of the rank up to which they
        are as low.
    where : (int, int, int, int)
        First row and column of the part, and its height and width.
    """
    higher, lower = (np.zeros(where[2:], np.uint16) for _ in range(2))
    _dry_around(words, reach, middles, limits, where[:2], tolerance, (higher, lower))
    return higher, lower


@njit(cache=True, nogil=True)
def _look_of(word, bits, corner, out):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    h, w = out.shape
    top, left = corner
    for r in range(h):
        row, line = word[top + r, left : left + w], out[r]
        for c in range(w):
            line[c] = np.uint8((row[c] >> bits) & 3)


@njit(cache=True, nogil=True, inline="always")
def _looks_of(pairs):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Count the ones among the even bits of a number of 14 bits."""
    pairs = (pairs & 0x3333) + ((pairs >> 2) & 0x3333)
    pairs = (pairs & 0x0F0F) + ((pairs >> 4) & 0x0F0F)
    return (pairs + (pairs >> 8)) & 0xFF


@njit(cache=True, nogil=True, inline="always")
def _wet_of(word):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    return _looks_of(word & ~(word >> 1) & 0x1555)  # 01: water


@njit(cache=True, nogil=True, inline="always")
def _dry_of(word):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    return _looks_of((word >> 1) & 0x1555)  # 10 and 11: dry ground and plants


@njit(cache=True, nogil=True)
def _count(words, n_wet, n_clear):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    for k in range(words.shape[0]):
        row = words[k]
        for j in range(row.size):  # of one-dimensional pieces, so that many pixels are one step
            word = np.int16(row[j] & 0x3FFF)
            wet = _wet_of(word)
            n_wet[j] += np.uint16(wet)
            n_clear[j] += np.uint16(wet + _dry_of(word))


@njit(cache=True, nogil=True, inline="always")
def _add_wet(row, mask, out):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    for j in range(row.size):
        out[j] += np.int16(_wet_of(np.int16(row[j] & mask)))


@njit(cache=True, nogil=True, inline="always")
def _add_dry(row, mask, out):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    for j in range(row.size):
        out[j] += np.int16(_dry_of(np.int16(row[j] & mask)))


@njit(cache=True, nogil=True)
def _choose_below(ranks, most, chosen):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Mask the looks at a level up to the greatest that speaks for water, and the others."""
    chosen[:] = 0
    for t in range(ranks.size):
        if not np.isnan(ranks[t]):
            bits = np.int16(3 << (2 * (t % PER_WORD)))
            chosen[0 if ranks[t] <= most else 1, t // PER_WORD] |= bits


@njit(cache=True, nogil=True)
def _wet_below(words, reach, middles, limit, corner, tolerance, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    n, (h, w), (top, left) = words.shape[0], limit.shape, corner
    chosen = np.zeros((2, n), np.int16)  # looks at a lower level, and the others
    counts = np.zeros((3, w), np.int16)  # wet at a lower level, wet at others, and dry at those
    last, last_limit = -1, np.float32(np.nan)
    for i in range(h):
        begin = 0
        while begin < w:
            own, most, end = reach[top + i, left + begin], limit[i, begin], begin + 1
            while end < w and reach[top + i, left + end] == own and limit[i, end] == most:
                end += 1
            if not np.isnan(most):  # no look is at a lower level than one that is not known
                if own != last or most != last_limit:
                    last, last_limit = own, most
                    _choose_below(middles[:, own], most, chosen)
                counts[:, begin:end] = 0
                for k in range(n):
                    row = words[k, top + i, left + begin : left + end]
                    _add_wet(row, chosen[0, k], counts[0, begin:end])
                    _add_wet(row, chosen[1, k], counts[1, begin:end])
                    _add_dry(row, chosen[1, k], counts[2, begin:end])
                for j in range(begin, end):
                    below, against = counts[0, j], counts[2, j]
                    few = against <= tolerance * (against + below + counts[1, j])
                    if few and 2 * against <= below:
                        out[i, j] = below
            begin = end


@njit(cache=True, nogil=True)
def _dry_around(words, reach, middles, limits, corner, tolerance, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    higher, lower = out
    n, (h, w), (top, left) = words.shape[0], higher.shape, corner
    one = np.float32(1)
    chosen = np.zeros((3, n), np.int16)  # looks clearly higher, the others, and those as low
    counts = np.zeros((4, w), np.int16)  # dry when higher, dry at others, wet at those, dry as low
    last = -1
    for i in range(h):
        begin = 0
        while begin < w:
            own, end = reach[top + i, left + begin], begin + 1
            while end < w and reach[top + i, left + end] == own:
                end += 1
            if own != last:
                last = own
                chosen[:] = 0
                for t in range(middles.shape[0]):
                    rank = middles[t, own]
                    if not np.isnan(rank):
                        bits = np.int16(3 << (2 * (t % PER_WORD)))
                        chosen[0 if one - rank <= limits[0][own] else 1, t // PER_WORD] |= bits
                        if rank <= limits[1][own]:
                            chosen[2, t // PER_WORD] |= bits
            counts[:, begin:end] = 0
            for k in range(n):
                row = words[k, top + i, left + begin : left + end]
                _add_dry(row, chosen[0, k], counts[0, begin:end])
                _add_dry(row, chosen[1, k], counts[1, begin:end])
                _add_wet(row, chosen[1, k], counts[2, begin:end])
                _add_dry(row, chosen[2, k], counts[3, begin:end])
            for j in range(begin, end):
                speak, against = counts[0, j], counts[2, j]
                few = against <= tolerance * (against + speak + counts[1, j])
                higher[i, j] = speak if few and 2 * against <= speak else 0
                lower[i, j] = counts[3, j]
            begin = end
