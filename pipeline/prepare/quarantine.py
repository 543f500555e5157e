"""A date on which much stable ground looks changed is wrong itself, and is quarantined whole.

Stable ground was never wet and hardly varied, so floods and drawdown do not touch it. What the
whole region did on the date (season, illumination, thin haze) is taken out first as a median shift
per band, and the threshold grows with the ground's own brightness, since slopes and seasons scale
reflectance rather than add to it.

Reductions are integer counts and histograms: they merge exactly whatever the tiling.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from pipeline.bounds import of_one_shape, within
from pipeline.prepare.radiometry import Histogram, band_histogram, percentile

Image = NDArray[np.float32]
Mask = NDArray[np.bool_]


class QuarantineOptions(BaseModel):
    """When ground is stable, changed, and a date is wrong."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    share: float = Field(
        default=0.15,
        gt=0,
        lt=1,
        description="Changed share of stable ground from which a date is quarantined",
    )
    least_pixels: int = Field(default=500, ge=1, description="Fewest stable pixels for a decision")
    sigmas: float = Field(default=4.0, gt=0, description="Spreads by which changed ground deviates")
    floor: float = Field(
        default=0.03, gt=0, description="Smallest deviation that is a change [reflectance]"
    )
    relative: float = Field(
        default=0.30,
        ge=0,
        description="Deviation that is no change, as a share of the usual reflectance",
    )
    most_spread: float = Field(
        default=0.03, gt=0, description="Largest spread of stable ground over dates [reflectance]"
    )
    most_spread_share: float = Field(
        default=0.2, gt=0, description="the same as a share of its reflectance; the larger counts"
    )
    most_wet: float = Field(
        default=0.0, ge=0, lt=1, description="Largest water frequency of stable ground"
    )


GROUND_FIELDS = ("most_spread", "most_spread_share", "most_wet")
"""Options that say which ground is stable."""

TALLY_FIELDS = ("sigmas", "floor", "relative")
"""Options that say which of it looks changed; the others only decide on what was counted."""

NEAR_SHIFT = 0.02
"""By how much what a region did on a date is seldom beside a guess from some of it."""

_WRONG_SHARE = 0.5
"""Changed share of stable ground above which a clear date is no matter of haze.

What half of the ground did is taken out as the shift of the region, so that haze over a part of it,
however large, leaves the smaller part as changed.
"""

_CLEAR_SHARE = 0.8
"""Share of the corridor from which a date is clear; below it cloud is about. It has no source."""

_ROUNDED = np.float32(1e-5)  # for what rounding does to numbers up to some ten: 1e-6 a step


@dataclass(frozen=True, slots=True)
class QuarantineVerdict:
    """What the counts say of one date."""

    quarantined: bool
    changed_share: float  # 0..1 of stable ground; 0 if unknown
    known: bool  # false: too little stable ground was seen
    reason: str  # empty unless quarantined
    wrong: bool = False  # so much is changed under a clear sky that the scene must be at fault


def stable_ground(
    reference_median: Image, spread: Image, water_frequency: Image, options: QuarantineOptions
) -> Mask:
    """Say which ground has never been wet and hardly varies.

    Parameters
    ----------
    reference_median, spread : float32 (B, H, W)
        Median and NMAD over the clear history.
    water_frequency : float32 (H, W)
        0..1, NaN where unknown (not stable).

    Returns
    -------
    bool (H, W)
    """
    limit = np.maximum(options.most_spread, options.most_spread_share * reference_median)
    steady = np.all(np.isfinite(reference_median) & (spread <= limit), axis=0)
    return steady & (water_frequency <= options.most_wet)


def difference_histogram(reference_median: Image, look: Image, stable: Mask) -> Histogram:
    """Count ``look - reference_median`` on stable ground seen, one band (H, W); mergeable."""
    return band_histogram(look - reference_median, stable)


def regional_shift(histogram: Histogram) -> float:
    """Give the median of a difference histogram [reflectance]; 0 if it is empty."""
    shift = percentile(histogram, 50.0)
    return 0.0 if np.isnan(shift) else shift


def tally_change(
    reference_median: Image,
    spread: Image,
    look: Image,
    stable_mask: Mask,
    shift: NDArray[np.float32],
    options: QuarantineOptions,
) -> tuple[int, int]:
    """Count stable ground that looks changed on one date.

    Parameters
    ----------
    reference_median, spread, look : float32 (B, H, W)
        Median and NMAD over the clear history, and the date; NaN without data.
    stable_mask : bool (H, W)
        Stable ground that is clear on the date. Leave out what is wet on the date as well: a flood
        that goes where none was seen before is news and not an error.
    shift : float32 (B,)
        What the region did on the date per band, from ``regional_shift``.
    options : QuarantineOptions
        Thresholds.

    Returns
    -------
    (changed, stable) : (int, int)
        Pixels; add them over tiles.
    """
    difference = np.abs(look - reference_median - shift[:, None, None])
    limit = np.maximum(options.sigmas * spread, options.floor + options.relative * reference_median)
    seen = stable_mask & np.all(np.isfinite(difference) & np.isfinite(limit), axis=0)
    # A band may be odd on a few roofs; a wrong date is wrong in most bands.
    votes = (difference > limit).sum(axis=0) * 2 >= look.shape[0]
    return int((votes & seen).sum()), int(seen.sum())


@dataclass(frozen=True, slots=True)
class Deviation:
    """Stable ground seen on one look, while what the region did on that date is only guessed.

    ``stable`` pixels, of which ``changed`` look changed for any shift within :data:`NEAR_SHIFT` of
    the ``guess`` float32 (B,); ``difference`` and ``limit`` float32 (B, N) of those of which the
    shift decides, few as a rule.
    """

    stable: int
    changed: int
    difference: Image
    limit: Image
    guess: NDArray[np.float32]

    def holds(self, shift: NDArray[np.float32]) -> bool:
        """Tell whether a shift float32 (B,) is near enough to the guess."""
        return bool(np.all(np.abs(shift - self.guess) <= np.float32(NEAR_SHIFT)))

    def count(self, shift: NDArray[np.float32]) -> tuple[int, int]:
        """Give what :func:`tally_change` does for a ``shift`` that holds."""
        over = np.abs(self.difference - shift[:, None]) > self.limit
        votes = over.sum(axis=0) * 2 >= self.limit.shape[0]
        return self.changed + int(votes.sum()), self.stable


def deviation_of(
    reference_median: Image,
    spread: Image,
    look: Image,
    guess: NDArray[np.float32],
    options: QuarantineOptions,
    at: NDArray[np.intp] | None = None,
) -> Deviation:
    """Compare stable ground that is clear on a date, NaN without data.

    Parameters
    ----------
    reference_median, spread : float32 (B, N)
    look : float32 (B, M)
    guess : float32 (B,)
        What the region may have done.
    options : QuarantineOptions
        Thresholds.
    at : intp (M,), optional
        Place of each pixel of the look in the others; as they are by default.
    """
    bands, n = look.shape
    at = np.arange(n) if at is None else at
    of_one_shape(reference_median, spread)
    of_one_shape(at, *look)
    if {bands, guess.size} != {len(reference_median)}:
        raise ValueError("a look of other bands than its reference")
    within(at, reference_median.shape[1])
    held = (np.empty((bands, n), np.float32), np.empty((bands, n), np.float32))
    numbers = (options.sigmas, options.floor, options.relative, NEAR_SHIFT)
    how = np.array(numbers, np.float32)
    how[3] += _ROUNDED
    stable, changed, left = _deviate(
        reference_median, spread, look, at, (guess, how), held[0], held[1]
    )
    difference, limit = (each[:, :left].copy() for each in held)
    return Deviation(stable, changed, difference, limit, guess)


@njit(cache=True, nogil=True, error_model="numpy")
def _deviate(median, spread, look, at, given, held, limits):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Count (stable, changed, open) pixels, and hold what the shift decides of."""
    guess, how = given
    sigmas, floor, relative, near = how[0], how[1], how[2], how[3]
    bands, n = look.shape
    stable = changed = left = 0
    for i in range(n):
        k, may, must, seen = at[i], 0, 0, True
        for b in range(bands):
            usual = median[b, k]
            difference = look[b, i] - usual
            one, other = sigmas * spread[b, k], floor + relative * usual
            limit = one if one >= other or np.isnan(one) else other  # as NumPy's maximum
            seen &= np.isfinite(difference) & np.isfinite(limit)
            away = abs(difference - guess[b])
            may += away + near > limit
            must += away - near > limit
            held[b, left], limits[b, left] = difference, limit
        if seen:
            stable += 1
            if must * 2 >= bands:
                changed += 1
            elif may * 2 >= bands:
                left += 1
    return stable, changed, left


def decide(
    changed: int, stable: int, options: QuarantineOptions, clear_share: float = 1.0
) -> QuarantineVerdict:
    """Decide from the counts of all tiles.

    Parameters
    ----------
    changed, stable : int
        Pixels, from :func:`tally_change`.
    options : QuarantineOptions
        Thresholds.
    clear_share : float
        0..1 of the corridor. Beside cloud, or where most of the ground is as usual, changed ground
        is as well haze or shadow that the mask let pass as an error of the scene.
    """
    if stable < options.least_pixels:
        return QuarantineVerdict(False, 0.0, False, "")
    share = changed / stable
    if share <= options.share:
        return QuarantineVerdict(False, share, True, "")
    reason = (
        f"{share:.0%} of the stable ground looks changed (at most {options.share:.0%} is plausible)"
    )
    wrong = share > _WRONG_SHARE and clear_share >= _CLEAR_SHARE
    if not wrong:
        reason += (
            f" with {clear_share:.0%} of the corridor clear: haze, smoke or shadow that the mask "
            "let pass, or a fault of the scene; which is not known"
        )
    return QuarantineVerdict(True, share, True, reason, wrong)
