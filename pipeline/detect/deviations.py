"""Deviations of a look from its normal, compiled: one pass over a window and no image in between.

Each does what a plain formula of arrays says, bit for bit, and without the dozen images of a window
that such a formula makes on the way. They belong to :mod:`pipeline.detect.change`.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

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
    step: float,
    out: NDArray[np.int64],
) -> None:
    """Add the differences of a feature to ``out``, int64 (n_reach + 1, strata, bins).

    Parameters
    ----------
    seen, expected : float32 (H, W)
    where : bool, uint8, uint16 (H, W)
        What counts, its stratum, and its reach.
    step : float
        Width of a bin; the middle one is zero, and the ends collect the rest.
    """
    _count_residuals(seen, expected, *where, np.float32(step), out)


def looks_at(
    counts: NDArray[np.uint8 | np.uint16], levels: Bool, reach: NDArray[np.uint16]
) -> NDArray[np.int64]:
    """Add up counts by level, (L, H, W), over the levels of each reach, bool (n_reach + 1, L)."""
    out = np.zeros(reach.shape, np.int64)
    _looks_at(counts, levels, reach, out)
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def _deviations(seen, expected, spread, kind, reach, offsets, shift, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    n_f, h, w = seen.shape
    zero, one = np.float32(0), np.float32(1)
    for f in range(n_f):
        for r in range(h):
            up, down = max(r - 1, 0), min(r + 1, h - 1)
            for c in range(w):
                own = expected[f, r, c]
                d = seen[f, r, c] - own - offsets[reach[r, c], kind[r, c], f]
                if np.isnan(d):
                    out[f, r, c] = np.nan
                    continue
                low = high = own
                around = (
                    expected[f, up, c],
                    expected[f, down, c],
                    expected[f, r, max(c - 1, 0)],
                    expected[f, r, min(c + 1, w - 1)],
                )
                for value in around:
                    if value < low:  # noqa: PLR1730 - a NaN must leave it as it is
                        low = value
                    if value > high:  # noqa: PLR1730
                        high = value
                slack = shift * max(high - own, own - low)
                z = max(abs(d) - slack, zero) / spread[f, r, c]
                sign = one if d > zero else (-one if d < zero else zero)
                out[f, r, c] = sign * z


@njit(cache=True, nogil=True)
def _count_residuals(seen, expected, use, kind, reach, step, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    half, last = out.shape[2] // 2, out.shape[2] - 1
    for r in range(seen.shape[0]):
        for c in range(seen.shape[1]):
            if use[r, c]:
                d = seen[r, c] - expected[r, c]
                if np.isfinite(d):
                    k = int(np.rint(d / step)) + half
                    out[reach[r, c], kind[r, c], min(max(k, 0), last)] += 1


@njit(cache=True, nogil=True)
def _looks_at(counts, levels, reach, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    for k in range(counts.shape[0]):
        for r in range(reach.shape[0]):
            for c in range(reach.shape[1]):
                if levels[reach[r, c], k]:
                    out[r, c] += counts[k, r, c]
