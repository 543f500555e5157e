"""Give bright surfaces back: roofs and dry sand are our targets, and every mask calls them cloud.

Two rules, per pixel, over looks at which the surroundings are otherwise clear:

* *bright surface*: flagged on most of them, and most of the flagged ones show one spectrum;
* *new object*: flagged on three consecutive ones with one spectrum and no shadow that fits. A look
  that shows the same spectrum, clearly brighter than the pixel was on average, but is not flagged
  counts as well: what is flagged now and then is the edge of a roof and not a passing cloud.

A pixel so recognised is given back on every look that shows the same spectrum, and only there, so
a cloud over a roof stays a cloud.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy import ndimage

FEWEST_FLAGGED = 2
"""Flagged looks without which nothing is given back: those between them may go unflagged."""

Stack = NDArray[np.float32]
Spectrum = tuple[Stack, Stack, Stack]
MaskStack = NDArray[np.bool_]


class RescueOptions(BaseModel):
    """When a flagged pixel is a bright surface."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    around_px: int = Field(
        default=40,
        ge=5,
        le=100,
        description="Half side [px] of the box whose sky decides whether a look is otherwise clear",
    )
    around_share: float = Field(
        default=0.5,
        gt=0,
        le=1,
        description="Flagged share of that box from which the look is cloudy",
    )
    most: float = Field(
        default=0.6,
        gt=0.5,
        le=1,
        description="Share of otherwise clear looks at which a bright surface is flagged",
    )
    least_looks: int = Field(default=3, ge=3, description="Fewest looks with one spectrum")
    consecutive: int = Field(
        default=3, ge=2, description="Consecutive otherwise clear looks that make a new object"
    )
    tolerance: float = Field(
        default=0.03, gt=0, le=0.2, description="Reflectance by which one spectrum may vary"
    )
    tolerance_share: float = Field(
        default=0.12, ge=0, le=0.5, description="and in proportion to it"
    )
    object_px: int = Field(
        default=32, ge=0, le=100, description="A flagged patch no longer than this may be an object"
    )
    object_share: float = Field(
        default=0.3,
        gt=0,
        le=1,
        description="Share of such a patch that was given back from which all of it is: the pixels "
        "of its edge are mixed, and their spectrum moves with every shift",
    )
    small_px: int = Field(
        default=8,
        ge=0,
        le=20,
        description="A patch no longer than this is almost all edge: one pixel of it is enough",
    )
    brighter: float = Field(
        default=0.08,
        gt=0,
        le=0.5,
        description="Reflectance in the first band by which a new object outshines what the pixel "
        "was when it was not flagged",
    )
    shadow_px: int = Field(
        default=60, ge=0, le=120, description="How far [px] a fitting shadow is looked for"
    )


def rescue(
    spectrum: Spectrum,
    flagged: MaskStack,
    open_sky: MaskStack,
    shadowed: MaskStack,
    options: RescueOptions,
) -> MaskStack:
    """Say which flagged looks are a bright surface.

    Parameters
    ----------
    spectrum : three of float32 (T, H, W)
        Reflectance in the bands to compare.
    flagged : bool (T, H, W)
        Called cloud or cirrus; only where there is data.
    open_sky : bool (T, H, W)
        Has data, and the surroundings are otherwise clear.
    shadowed : bool (T, H, W)
        A dark patch lies where this pixel's shadow would fall.

    Returns
    -------
    bool (T, H, W)
        A part of ``flagged``; radius 0.
    """
    out = np.zeros(flagged.shape, dtype=np.bool_)
    layers = (
        np.ascontiguousarray(spectrum[0]),
        np.ascontiguousarray(spectrum[1]),
        np.ascontiguousarray(spectrum[2]),
    )
    tolerance = (options.tolerance, options.tolerance_share)
    _rescue(
        layers,
        flagged,
        open_sky,
        shadowed,
        tolerance,
        (options.most, options.least_looks, options.consecutive),
        options.brighter,
        out,
    )
    return out


def whole_objects(
    given: NDArray[np.bool_], flagged: NDArray[np.bool_], options: RescueOptions
) -> NDArray[np.bool_]:
    """Give back the edge of small flagged patches of which enough was given back.

    Parameters
    ----------
    given, flagged : bool (H, W)
        Of one date: pixels given back, and pixels still flagged.

    Returns
    -------
    bool (H, W)
        ``given`` and what belongs to it; radius ``object_px`` + 1: a patch cut by the window's edge
        is longer than that where it matters.
    """
    if not given.any() or not flagged.any() or options.object_px == 0:
        return given
    labels = np.zeros(given.shape, np.int32)
    ndimage.label(given | flagged, structure=np.ones((3, 3), dtype=int), output=labels)
    out = given.copy()
    # Its mixed edge and no more: a cloud may touch a roof.
    near = np.asarray(ndimage.binary_dilation(given, np.ones((5, 5))), bool)
    counts = np.bincount(labels[given], minlength=int(labels.max()) + 1)
    for label, box in enumerate(ndimage.find_objects(labels), 1):
        if box is None or counts[label] == 0:
            continue
        if max(s.stop - s.start for s in box) > options.object_px:
            continue
        patch = labels[box] == label
        if _enough(patch, given[box], options):
            out[box] |= patch & near[box]
    return out


def _enough(patch: NDArray[np.bool_], given: NDArray[np.bool_], options: RescueOptions) -> bool:
    """Tell whether so much of a patch was given back that it is an object and no cloud."""
    # A roof of a few pixels may have a single pure one; clouds as small that touch one are rare.
    if max(patch.shape) <= options.small_px:
        return True
    known = int(np.count_nonzero(patch & given))
    return known >= options.object_share * int(np.count_nonzero(patch))


@njit(cache=True, nogil=True)
def _same(  # pragma: no cover - compiled
    spectrum: Spectrum, place: tuple[int, int], a: int, b: int, tolerance: tuple[float, float]
) -> bool:
    for band in range(len(spectrum)):
        first = spectrum[band][a, place[0], place[1]]
        second = spectrum[band][b, place[0], place[1]]
        if not abs(first - second) <= tolerance[0] + tolerance[1] * min(first, second):
            return False
    return True


@njit(cache=True, nogil=True)
def _mode(  # pragma: no cover - compiled
    spectrum: Spectrum,
    place: tuple[int, int],
    looks: NDArray[np.int64],
    tolerance: tuple[float, float],
) -> tuple[int, int]:
    """Give the look that most others resemble, the earliest of equals, and how many do."""
    best, support = -1, 0
    for a in looks:
        alike = 0
        for b in looks:
            if _same(spectrum, place, a, b, tolerance):
                alike += 1
        if alike > support:
            best, support = a, alike
    return best, support


@njit(cache=True, nogil=True)
def _newcomer(  # pragma: no cover - compiled
    spectrum: Spectrum,
    place: tuple[int, int],
    clear: NDArray[np.int64],
    state: tuple[MaskStack, MaskStack],
    tolerance: tuple[float, float],
    needs: tuple[int, float],
) -> int:
    """Give the newest look of the first unbroken run that is long enough, or -1."""
    r, c = place
    run, last = 0, -1
    total, count = 0.0, 0  # of unflagged looks that show something else
    for t in clear:
        flagged = state[0][t, r, c]
        same = last >= 0 and _same(spectrum, place, last, t, tolerance)
        shines = not flagged and same and count > 0
        shines = shines and spectrum[0][t, r, c] >= total / count + needs[1]
        if shines or (flagged and not state[1][t, r, c]):
            run = run + 1 if same else 1
            last = t
        elif not (flagged and same):  # a dark patch in the shadow's direction alone proves nothing
            run, last = 0, -1
        if run >= needs[0]:
            return t
        if not flagged and not shines:
            total += spectrum[0][t, r, c]
            count += 1
    return -1


@njit(cache=True, nogil=True)
def _models(  # pragma: no cover - compiled
    spectrum: Spectrum,
    place: tuple[int, int],
    state: tuple[MaskStack, MaskStack, MaskStack],
    tolerance: tuple[float, float],
    counts: tuple[float, int, int],
    brighter: float,
) -> tuple[int, int]:
    """Give the looks that show the bright surface and the new object of a pixel; -1 for none."""
    flagged, open_sky, shadowed = state
    dates = flagged.shape[0]
    clear, bright = np.empty(dates, np.int64), np.empty(dates, np.int64)
    n = m = 0
    for t in range(dates):
        if open_sky[t, place[0], place[1]]:
            clear[n] = t
            n += 1
            if flagged[t, place[0], place[1]]:
                bright[m] = t
                m += 1
    known = -1
    if m >= counts[1] and m >= counts[0] * n:
        best, support = _mode(spectrum, place, bright[:m], tolerance)
        if support >= max(counts[1], counts[0] * m):
            known = best
    if m < FEWEST_FLAGGED:
        return known, -1
    needs = (counts[2], brighter)
    return known, _newcomer(spectrum, place, clear[:n], (flagged, shadowed), tolerance, needs)


@njit(cache=True, nogil=True)
def _rescue(  # pragma: no cover - compiled
    spectrum: Spectrum,
    flagged: MaskStack,
    open_sky: MaskStack,
    shadowed: MaskStack,
    tolerance: tuple[float, float],
    counts: tuple[float, int, int],
    brighter: float,
    out: MaskStack,
) -> None:
    _, height, width = flagged.shape
    for r in range(height):
        for c in range(width):
            state = (flagged, open_sky, shadowed)
            known, new = _models(spectrum, (r, c), state, tolerance, counts, brighter)
            if known < 0 and new < 0:
                continue
            for t in range(flagged.shape[0]):
                if flagged[t, r, c]:
                    old = known >= 0 and _same(spectrum, (r, c), known, t, tolerance)
                    out[t, r, c] = old or (new >= 0 and _same(spectrum, (r, c), new, t, tolerance))
