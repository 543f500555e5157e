"""Bands of coarser pixels, drawn with the edges that finer bands of the same look have.

Much of what the short-wave infrared of 20 m sees in a river of 45 m is its banks, and bilinear
interpolation keeps that. Where it changes with the near infrared and red around, the fine
structure of those says how it is spread within its pixels: hyper-sharpening by local regression
(Selva et al. 2015, doi:10.1109/JSTARS.2015.2440092), which Du et al. 2016 (doi:10.3390/rs8040354)
found to serve the water index of Sentinel-2.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Float = NDArray[np.float32]
Weights = tuple[NDArray[np.intp], NDArray[np.float32]]

RIDGE = 1e-3
"""Added to the variances of the finer bands (Hoerl & Kennard 1970,
doi:10.1080/00401706.1970.10488634) [reflectance squared]: texture of 0.03 counts half."""

LEAST_PIXELS = 5
"""Coarse pixels of a 3x3 neighbourhood with data, below which nothing is sharpened."""

REACH_PX = 2
"""Coarse pixels around a window that have a say in it."""


def sharpen(
    coarse: Float, fine: Float, origin: tuple[int, int], rows: Weights, cols: Weights
) -> Float:
    """Interpolate a coarse band by two finer ones; as bilinear where these have no data.

    Each pixel depends on the :data:`REACH_PX` coarse pixels around it and what lies under them,
    and on nothing else: it has the same bits whatever the window.

    Parameters
    ----------
    coarse : float32 (h, w)
        Reflectance, NaN without data.
    fine : float32 (2, f h, f w)
        Reflectance of the finer bands over the same ground, NaN without data.
    origin : (int, int)
        Row and column in ``fine`` of the first pixel that is wanted.
    rows, cols : (intp (H,), float32 (H,)), (intp (W,), float32 (W,))
        Of the wanted pixels: index of the coarse pixel before, and the weight 0..1 of the one after
        it.

    Returns
    -------
    float32 (H, W)
        No less than 0, if interpolation is not.

    Raises
    ------
    ValueError
        If the finer bands do not cover the same ground in whole pixels.
    """
    factor = fine.shape[1] // max(coarse.shape[0], 1)
    if fine.shape != (2, coarse.shape[0] * factor, coarse.shape[1] * factor):
        raise ValueError(f"bands of {fine.shape} px do not lie under {coarse.shape} px")
    coarse, fine = np.ascontiguousarray(coarse), np.ascontiguousarray(fine)
    local = np.full((4, *coarse.shape), np.nan, np.float32)  # means of the two, and their slopes
    _means(fine, factor, local)
    _slopes(coarse, local, (RIDGE, LEAST_PIXELS))
    out = np.empty((rows[0].size, cols[0].size), np.float32)
    _draw(coarse, fine, local, (origin, *rows, *cols), out)
    return out


@njit(cache=True, nogil=True)
def _means(fine, factor, local):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    share = np.float32(1 / (factor * factor))
    for b in range(2):
        for r in range(local.shape[1]):
            for c in range(local.shape[2]):
                total = np.float32(0)
                for i in range(factor):
                    for j in range(factor):
                        total += fine[b, r * factor + i, c * factor + j]
                local[b, r, c] = total * share


@njit(cache=True, nogil=True)
def _slopes(coarse, local, how):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Fit coarse = a + k1 * fine1 + k2 * fine2 around each coarse pixel, by 3x3 of them."""
    height, width = coarse.shape
    part = np.empty((3, 9), np.float64)
    for r in range(1, height - 1):
        for c in range(1, width - 1):
            if np.isnan(local[0, r, c] + local[1, r, c] + coarse[r, c]):
                continue
            n = 0
            for i in range(r - 1, r + 2):
                for j in range(c - 1, c + 2):
                    if not np.isnan(local[0, i, j] + local[1, i, j] + coarse[i, j]):
                        part[0, n] = local[0, i, j]
                        part[1, n] = local[1, i, j]
                        part[2, n] = coarse[i, j]
                        n += 1
            if n >= how[1]:
                local[2, r, c], local[3, r, c] = _fit(part, n, how[0])


@njit(cache=True, nogil=True, error_model="numpy")
def _fit(part, n, ridge):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    for row in range(3):
        total = 0.0
        for i in range(n):
            total += part[row, i]
        for i in range(n):
            part[row, i] -= total / n
    xx, yy, xy, xz, yz = n * ridge, n * ridge, 0.0, 0.0, 0.0
    for i in range(n):
        xx += part[0, i] * part[0, i]
        yy += part[1, i] * part[1, i]
        xy += part[0, i] * part[1, i]
        xz += part[0, i] * part[2, i]
        yz += part[1, i] * part[2, i]
    whole = xx * yy - xy * xy  # positive, as the ridge is
    return (yy * xz - xy * yz) / whole, (xx * yz - xy * xz) / whole


@njit(cache=True, nogil=True, inline="always")
def _between(values, k, m, w, v):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    one = np.float32(1)
    left = values[k, m] * (one - w) + values[k + 1, m] * w
    right = values[k, m + 1] * (one - w) + values[k + 1, m + 1] * w
    return left * (one - v) + right * v


@njit(cache=True, nogil=True)
def _draw(coarse, fine, local, where, out):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    (top, left), rows, rw, cols, cw = where
    half, none = np.float32(0.5), np.float32(0)
    for r in range(rows.size):
        k, w = rows[r], rw[r]
        near = k + (1 if w >= half else 0)
        for c in range(cols.size):
            m, v = cols[c], cw[c]
            plain = _between(coarse, k, m, w, v)
            if np.isnan(plain):
                plain = coarse[near, m + (1 if v >= half else 0)]
            out[r, c] = plain
            one, other = fine[0, top + r, left + c], fine[1, top + r, left + c]
            if np.isnan(one + other + plain):
                continue
            value = plain + _between(local[2], k, m, w, v) * (one - _between(local[0], k, m, w, v))
            value += _between(local[3], k, m, w, v) * (other - _between(local[1], k, m, w, v))
            if not np.isnan(value):
                out[r, c] = max(value, min(plain, none))
