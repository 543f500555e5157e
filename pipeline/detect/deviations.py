"""Deviations of a look from its normal, compiled: one pass over a window and no image in between.

Each does what a plain formula of arrays says, bit for bit, and without the dozen images of a window
that such a formula makes on the way. They belong to :mod:`pipeline.detect.change`.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pipeline.detect.look_history import TOLERANCE, History, LookHistory

Float = NDArray[np.float32]
Bool = NDArray[np.bool_]


def deviations(
    look: tuple[Float, Float, Float],
    kind: NDArray[np.uint8],
    reach: NDArray[np.uint16],
    offsets: Float,
    shift: np.float32,
) -> Float:
    """Give ``sign(d) * max(|d| - shift * gradient, 0) / spread`` with ``d = seen - expected - o``.

    Parameters
    ----------
    look : three of float32 (F, H, W)
        Seen, expected, and spread; NaN without.
    kind : uint8 (H, W)
        Stratum.
    reach : uint16 (H, W)
    offsets : float32 (n_reach + 1, strata, F)
        What is taken out, by reach and stratum.
    shift : float32
        Registration that a change must survive [px]; the gradient is the largest difference to a
        neighbour of the row or the column, the edge repeated, neighbours that are NaN left out.

    Returns
    -------
    float32 (F, H, W)
        NaN where anything is.
    """
    out = np.empty(look[0].shape, np.float32)
    _deviations(*look, kind, reach, offsets, np.float32(shift), out)
    return out


def count_residuals(
    seen: Float,
    expected: Float,
    where: tuple[Bool, NDArray[np.uint8], NDArray[np.uint16]],
    part: tuple[slice, slice],
    step: float,
    out: NDArray[np.int64],
) -> None:
    """Add the differences of features to ``out``, int64 (F, n_reach + 1, strata, bins).

    Parameters
    ----------
    seen, expected : float32 (F, H, W)
    where : bool, uint8, uint16 (H, W)
        What counts, its stratum, and its reach.
    part : (slice, slice)
        Rows and columns that are counted.
    step : float
        Width of a bin; the middle one is zero, and the ends collect the rest.
    """
    box = (part[0].start, part[0].stop, part[1].start, part[1].stop)
    _count_residuals(seen, expected, *where, box, np.float32(step), out)


def dry_counts(
    history: History, reach: NDArray[np.uint16], ranks: Float, margin: float
) -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
    """Count the looks in which a pixel was dry, at levels clearly higher and at levels as low.

    Parameters
    ----------
    reach : uint16 (H, W)
    ranks : float32 (n_reach + 1,)
        Level rank of the date by reach, NaN unknown.
    margin : float
        Uncertainty of a rank.

    Returns
    -------
    higher : uint16 (H, W)
        The mirror of :func:`pipeline.detect.look_history.known_wet`, height upside down and wet for
        dry: 0 where history contradicts.
    lower : uint16 (H, W)
        At the date's rank and the margin above it, or lower.
    """
    limit, upper = (1 - ranks).astype(np.float32) - np.float32(margin), ranks + np.float32(margin)
    if isinstance(history, LookHistory):
        return history.dry_around((limit, upper.astype(np.float32)), TOLERANCE)
    higher, lower = np.empty(reach.shape, np.uint16), np.empty(reach.shape, np.uint16)
    held = (history.wet, history.dry, history.ranks)
    _dry_counts(held, reach, limit, upper.astype(np.float32), TOLERANCE, higher, lower)
    return higher, lower


@njit(cache=True, nogil=True, error_model="numpy")
def _deviations(seen, expected, spread, kind, reach, offsets, shift, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    n_f, h, w = seen.shape
    if w == 0:
        return
    moved, wide = np.empty((n_f, w), np.float32), np.empty(w + 2, np.float32)
    for r in range(h):
        up, down = max(r - 1, 0), min(r + 1, h - 1)
        for c in range(w):
            for f in range(n_f):
                moved[f, c] = offsets[reach[r, c], kind[r, c], f]
        for f in range(n_f):
            own = expected[f, r]
            wide[0], wide[w + 1] = own[0], own[w - 1]
            wide[1 : w + 1] = own
            around = (expected[f, up], expected[f, down], wide[:w], wide[2:])
            _deviate(seen[f, r], own, moved[f], around, (spread[f, r], shift), out[f, r])


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _deviate(seen, expected, moved, around, how, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    zero, one = np.float32(0), np.float32(1)
    up, down, left, right = around
    spread, shift = how
    for c in range(out.size):  # without a branch, so that many pixels are one step
        own = expected[c]
        d = seen[c] - own - moved[c]
        # Compared so that a neighbour that is NaN leaves them as they are.
        low = up[c] if up[c] < own else own
        low = down[c] if down[c] < low else low
        low = left[c] if left[c] < low else low
        low = right[c] if right[c] < low else low
        high = up[c] if up[c] > own else own
        high = down[c] if down[c] > high else high
        high = left[c] if left[c] > high else high
        high = right[c] if right[c] > high else high
        above, below = high - own, own - low
        rest = abs(d) - shift * (above if above > below else below)
        z = (rest if rest > zero else zero) / spread[c]
        sign = (one if d > zero else zero) - (one if d < zero else zero)
        out[c] = np.float32(np.nan) if np.isnan(d) else sign * z


@njit(cache=True, nogil=True)
def _count_residuals(seen, expected, use, kind, reach, box, step, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    half, last = out.shape[3] // 2, out.shape[3] - 1
    for r in range(box[0], box[1]):
        for c in range(box[2], box[3]):
            if use[r, c]:
                for f in range(seen.shape[0]):
                    d = seen[f, r, c] - expected[f, r, c]
                    if np.isfinite(d):
                        k = int(np.rint(d / step)) + half
                        out[f, reach[r, c], kind[r, c], min(max(k, 0), last)] += 1


@njit(cache=True, nogil=True)
def _dry_counts(held, reach, limit, upper, tolerance, higher, lower):  # type: ignore[no-untyped-def]  # pragma: no cover
    wet, dry, ranks = held
    n, h, w = wet.shape
    least, most = np.empty(w, np.float32), np.empty(w, np.float32)
    speak, against, every, low = np.zeros((4, w), np.int32)
    for i in range(h):
        for j in range(w):
            least[j], most[j] = limit[reach[i, j]], upper[reach[i, j]]
        speak[:] = 0
        against[:] = 0
        every[:] = 0
        low[:] = 0
        for k in range(n):  # levels outside, columns inside: memory is read in order
            rank = ranks[k]
            mirrored = np.float32(1) - rank
            for j in range(w):
                seen = np.int32(dry[k, i, j])
                every[j] += seen
                low[j] += seen if rank <= most[j] else np.int32(0)
                above = mirrored <= least[j]
                speak[j] += seen if above else np.int32(0)
                against[j] += np.int32(0) if above else np.int32(wet[k, i, j])
        for j in range(w):
            few = against[j] <= tolerance * (against[j] + every[j])
            higher[i, j] = speak[j] if few and 2 * against[j] <= speak[j] else 0
            lower[i, j] = low[j]
