"""Whether the surfaces of two flights lie on each other as their pictures do.

A mosaic and its surface come from one project and share every error of position. Once the later
picture is brought onto the earlier one, the two surfaces lie on each other too, but for some
decimetres of distortion; where they do not, one of them lies off its own mosaic, and walls, banks
and roofs become fills and pits. Their outlines are held against each other by orientation
correlation (Fitch, Kadyrov, Christmas & Kittler 2002, doi:10.5244/C.16.11), of heights.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from pipeline.errors import SceneUnusableError
from pipeline.prepare.flight_correlation import Complex, slopes, spectrum

Float = NDArray[np.float32]
REACH_M = 12.0
"""How far a surface is searched for [m]: as far as flights without control points may lie apart."""
# Most of 120 simulated pairs leave less than the first by their own distortions, none more than
# 0.8 m; the second is almost twice that. From 2 m on a surface off its mosaic is found.
_LEFT_M, _LARGEST_M = 0.4, 1.5
_SLOPE = 0.3  # m a cell: what rises by as much counts half as an outline, gentle ground hardly
# Simulated pairs of 80 m have peaks of 17 to 40 deviations, bare bars 2 (real surveys of four).
_PEAK = 12.0
# Where something stays in its place it shows there as well, though something else moved.
_STAYS = 0.5  # of the peak
_LEAST_CELLS = 8  # along a side that is left of a window beyond the reach


def check_place(pairs: Iterable[tuple[Float, Float]], cell_m: float) -> None:
    """Refuse surfaces that lie beside each other where their pictures do not.

    Surfaces without outlines (a bare bar) say nothing, and pass.

    Parameters
    ----------
    pairs : iterable of pairs of float32 (H, W)
        Heights [m] of windows of the earlier and of the later flight, the later one moved by its
        picture's registration; NaN where there is none.
    cell_m : float
        Side of a cell [m].

    Raises
    ------
    SceneUnusableError
        With the distance.
    """
    off = off_picture(pairs, cell_m)
    if off is not None and math.hypot(*off) > _LARGEST_M:
        raise SceneUnusableError(
            f"the surface models of the two flights lie {math.hypot(*off):.1f} m beside each other "
            "where their pictures lie on each other: one of them lies off its own mosaic",
            "Export mosaic and surface of both flights again, each pair from one project with one "
            "CRS, and submit what changed with 'supersedes'",
        )


def off_picture(pairs: Iterable[tuple[Float, Float]], cell_m: float) -> tuple[float, float] | None:
    """Give how far (row, col) the later surface lies off the earlier one [m]; None: unknown."""
    reach = round(REACH_M / cell_m)
    total = np.zeros((2 * reach + 1, 2 * reach + 1))
    beside = np.arange(-reach, reach + 1)
    for before, after in pairs:
        if min(before.shape) < 2 * reach + _LEAST_CELLS:
            continue
        first, second = (spectrum(_outlines(h)) for h in (before, after))
        both = np.real(np.asarray(fft.ifft2(np.conj(first) * second)))
        total += both[np.ix_(beside, beside)]
    level = float(np.median(total))
    spread = 1.4826 * float(np.median(np.abs(total - level)))
    r, c = (int(i) for i in np.unravel_index(int(np.argmax(total)), total.shape))
    peak = float(total[r, c]) - level
    near = math.ceil(_LEFT_M / cell_m)
    place = np.s_[reach - near : reach + near + 1]
    stays = float(total[place, place].max()) - level
    off = ((r - reach) * cell_m, (c - reach) * cell_m)
    if spread <= 0 or peak < _PEAK * spread:
        return None
    if math.hypot(*off) > _LARGEST_M and stays > _STAYS * peak:
        return None
    return off


def _outlines(height: Float) -> Complex:
    """Directions of slopes, as long as they are steep; 0 beside what has no height."""
    none = ~np.isfinite(height)
    if none.all():
        return np.zeros(height.shape, np.complex64)
    nearest = np.zeros((2, *height.shape), np.int32)
    ndimage.distance_transform_edt(none, return_distances=False, return_indices=True,
                                   indices=nearest)  # fmt: skip
    rows, cols = slopes(np.asarray(height[nearest[0], nearest[1]], np.float32))
    whole = np.asarray(ndimage.minimum_filter(~none, 9, mode="constant", cval=0), bool)
    weight = whole / (np.hypot(rows, cols) + np.float32(_SLOPE))
    out = np.empty(height.shape, np.complex64)
    out.real, out.imag = cols * weight, rows * weight
    return out
