"""Is a date on the same radiometric scale as the others? Asked of its dark targets.

Processing baseline 04.00 of Sentinel-2 adds 1000 DN, and catalogues flag it wrongly. Water, forest
and shade are dark in every season and under most skies, so the low percentiles of a date stay
where they are; a common step of 0.1 in all bands is the flag's fault and is undone exactly, any
other common step has no explanation and the date is refused.

Everything is decided from integer histograms, which merge exactly whatever the tiling. Make them
from *all* pixels with data (outside the producer's cloud classes where there are some), before the
clear-sky mask: the mask needs the right scale, dark targets do not need the mask.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

LOWEST, HIGHEST, BINS = -0.4, 1.6, 1000  # of a histogram [reflectance]; 0.002 a bin
Histogram = NDArray[np.int64]


class RadiometryOptions(BaseModel):
    """What a date may deviate from the others (reflectance)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    percentile: float = Field(
        default=2.0, gt=0, lt=50, description="Percentile of a date that is its dark targets"
    )
    bands: tuple[str, ...] = Field(
        default=("blue", "green", "red", "swir16", "swir22"),
        description="Bands whose dark targets are water and forest alike; near infrared is not one",
    )
    step: float = Field(default=0.1, gt=0, description="Offset that a wrong baseline flag makes")
    step_tolerance: float = Field(
        default=0.02, gt=0, description="Deviation from it that is still it"
    )
    unexplained: float = Field(
        default=0.04, gt=0, description="Median deviation of the bands from which a date is refused"
    )
    haze: float = Field(
        default=0.06,
        gt=0,
        description="Deviation of the visible bands from which a date is refused",
    )
    band_scatter: float = Field(
        default=0.035, gt=0, description="Difference between bands of a common step, at most"
    )
    darkest: float = Field(
        default=-0.05, lt=0, description="Dark targets below this are impossible"
    )
    dark: float = Field(
        default=0.08, gt=0, description="Dark targets above this are not believed as a reference"
    )
    dim_ratio: float = Field(
        default=0.4,
        gt=0,
        lt=1,
        description="Share of the usual median, in all bands, below which a scale is wrong",
    )
    least_dates: int = Field(
        default=3, ge=2, description="Fewest dates with a histogram for a reference"
    )
    least_pixels: int = Field(
        default=1000, ge=1, description="Fewest pixels of a histogram that is used"
    )


@dataclass(frozen=True, slots=True)
class RadiometryVerdict:
    """What the check says of one date."""

    offset: float  # to add to all bands [reflectance]; 0.0, or plus or minus the step exactly
    usable: bool
    known: bool  # false: too few dates or pixels to say; then offset is 0 and usable is true
    reason: str  # empty if nothing was found
    deviation: float  # median over bands of dark target minus reference [reflectance]; 0 if unknown


def band_histogram(reflectance: NDArray[np.float32], use: NDArray[np.bool_]) -> Histogram:
    """Count the reflectance of usable pixels.

    Parameters
    ----------
    reflectance : float32, any shape
        NaN without data; values outside -0.4..1.6 go into the first and last bin.
    use : bool, same shape
        Pixels that count.

    Returns
    -------
    int64 (1000,)
        Bins of 0.002.
    """
    values = reflectance[use & np.isfinite(reflectance)].astype(np.float64)
    bins = np.floor((values - LOWEST) * (BINS / (HIGHEST - LOWEST)) + 1e-6).astype(np.int64)
    return np.bincount(np.clip(bins, 0, BINS - 1), minlength=BINS).astype(np.int64)


def merge(histograms: Iterable[Histogram]) -> Histogram:
    """Add histograms of disjoint pixels; exact, in any order."""
    total = np.zeros(BINS, dtype=np.int64)
    for histogram in histograms:
        total += histogram
    return total


def percentile(histogram: Histogram, percent: float) -> float:
    """Give the reflectance at the centre of the bin that holds the percentile; NaN if empty."""
    total = int(histogram.sum())
    if total == 0:
        return float("nan")
    wanted = max(int(np.ceil(total * percent / 100)), 1)
    index = int(np.searchsorted(np.cumsum(histogram), wanted))
    return LOWEST + (index + 0.5) * (HIGHEST - LOWEST) / BINS


def check_radiometry(
    dates: Sequence[Mapping[str, Histogram]], options: RadiometryOptions
) -> list[RadiometryVerdict]:
    """Compare the dark targets of each date with those of the others.

    Parameters
    ----------
    dates : sequence of band to histogram
        One mapping per date, from ``band_histogram`` over the whole corridor.
    options : RadiometryOptions
        Tolerances.

    Returns
    -------
    list of RadiometryVerdict
        In the order of ``dates``. The reference is the median of the dates whose dark targets are
        physically possible; where those are fewer than ``least_dates`` nothing is known.
    """
    names = [name for name in options.bands if all(name in date for date in dates)]
    enough = np.array(
        [
            bool(names) and min(int(d[n].sum()) for n in names) >= options.least_pixels
            for d in dates
        ],
        dtype=np.bool_,
    )
    unknown = RadiometryVerdict(0.0, True, False, "", 0.0)
    dark = np.array([[percentile(d[n], options.percentile) for n in names] for d in dates])
    middle = np.array([[percentile(d[n], 50.0) for n in names] for d in dates])
    if not names or not dates:
        return [unknown] * len(dates)
    level = np.median(np.where(np.isnan(dark), np.inf, dark), axis=1)
    # Only possible darkness makes the reference: half a series may carry the wrong flag.
    possible = enough & (level > options.darkest) & (level < options.dark)
    if int(enough.sum()) < options.least_dates or int(possible.sum()) < 2:
        return [unknown] * len(dates)
    reference, usual = np.median(dark[possible], axis=0), np.median(middle[possible], axis=0)
    return [
        _verdict(names, dark[i] - reference, middle[i] / usual, options)
        if enough[i]
        else RadiometryVerdict(
            0.0, True, False, "too few pixels to check the radiometric scale", 0.0
        )
        for i in range(len(dates))
    ]


def _verdict(
    names: Sequence[str],
    deviation: NDArray[np.float64],
    brightness: NDArray[np.float64],
    options: RadiometryOptions,
) -> RadiometryVerdict:
    common = float(np.median(deviation))
    together = float(np.ptp(deviation)) <= options.band_scatter
    said = ", ".join(f"{n} {d:+.3f}" for n, d in zip(names, deviation, strict=True))
    if together and abs(abs(common) - options.step) <= options.step_tolerance:
        offset = -options.step if common > 0 else options.step
        reason = f"dark targets of all bands are off by about {-offset:+.1f} ({said})"
        return RadiometryVerdict(offset, True, True, reason, common)
    visible = [d for n, d in zip(names, deviation, strict=True) if n in ("blue", "green", "red")]
    if common > options.step + options.step_tolerance:
        reason = f"even the darkest ground is bright: cloud over all of the corridor ({said})"
        return RadiometryVerdict(0.0, False, True, reason, common)
    if abs(common) > options.unexplained:
        reason = f"dark targets deviate from the other dates without an explanation ({said})"
        return RadiometryVerdict(0.0, False, True, reason, common)
    if visible and min(visible) > options.haze:
        reason = f"haze over the darkest ground ({said})"
        return RadiometryVerdict(0.0, False, True, reason, common)
    if float(brightness.max()) < options.dim_ratio:
        reason = f"all bands are less than {options.dim_ratio:.0%} as bright as usual"
        return RadiometryVerdict(0.0, False, True, reason, common)
    return RadiometryVerdict(0.0, True, True, "", common)
