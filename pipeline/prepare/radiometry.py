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
from numba import njit
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from pipeline.bounds import within
from pipeline.prepare.band_order import ORDER, exchanged

LOWEST, HIGHEST, BINS = -0.4, 1.6, 1000  # of a histogram [reflectance]; 0.002 a bin
_PER_UNIT = BINS / (HIGHEST - LOWEST)
Histogram = NDArray[np.int64]

_NOISE = 0.01  # dark targets below this are sensor noise and sky [reflectance]
WRONG_SCALE = "the scale of the band table does not fit the files"
WRONG_ORDER = "the bands are not in the order of the band table"
_EVEN_DARKEST = "even where it is darkest"


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
        description="Share of the usual median and dark targets below which a scale is wrong",
    )
    faintest: float = Field(
        default=0.012,
        gt=0,
        description="Brightest 2 % of the brightest band below this are no ground: a wrong scale",
    )
    brightest: float = Field(
        default=1.4, gt=0, description="Half of the ground above this in all bands: a wrong scale"
    )
    brightest_swir: tuple[float, float] = Field(
        default=(0.6, 1.4),
        description="Darkest and brightest 2 % in SWIR above which neither cloud nor snow nor "
        "ground is: a wrong scale",
    )
    offset_dark: tuple[float, float] = Field(
        default=(0.08, 0.16),
        description="Dark targets of all bands, SWIR too, that only an offset not taken off makes",
    )
    exchanged_share: float = Field(
        default=0.05,
        gt=0,
        le=1,
        description="Share of the ground that only near infrared exchanged with a visible band "
        "explains, from which a date is refused; 1: never",
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
    sky: bool = False  # haze or cloud over all of it explains it as well as a fault of the scene


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
    out = np.zeros(BINS, np.int64)
    _count(np.ravel(reflectance), np.ravel(use), out)
    return out


def difference_histograms(
    usual: NDArray[np.float32], look: NDArray[np.float32], at: NDArray[np.intp]
) -> NDArray[np.int64]:
    """Count how far bands lie from what is usual, as :func:`band_histogram` does.

    Parameters
    ----------
    usual : float32 (B, N)
    look : float32 (B, M)
    at : intp (M,)
        Place of each pixel of the look in ``usual``.

    Returns
    -------
    int64 (B, BINS)
    """
    if look.shape != (usual.shape[0], at.size):
        raise ValueError(
            f"a look of {look.shape} beside {usual.shape[0]} bands and {at.size} places"
        )
    within(at, usual.shape[1])
    out = np.zeros((look.shape[0], BINS), np.int64)
    _count_differences(usual, look, at, out)
    return out


@njit(cache=True, nogil=True)
def _count(values, use, out):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    for i in range(values.size):
        if use[i] and np.isfinite(values[i]):
            out[_bin_of(values[i])] += 1


@njit(cache=True, nogil=True)
def _count_differences(usual, look, at, out):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    for b in range(look.shape[0]):
        for i in range(at.size):
            difference = look[b, i] - usual[b, at[i]]
            if np.isfinite(difference):
                out[b, _bin_of(difference)] += 1


@njit(cache=True, nogil=True, inline="always")
def _bin_of(value):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    place = np.floor((np.float64(value) - LOWEST) * _PER_UNIT + 1e-6)
    return int(min(max(place, 0.0), BINS - 1.0))


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
        One mapping per date, from ``band_histogram`` over the whole corridor; beside them under
        :data:`~pipeline.prepare.band_order.ORDER` what ``tally_order`` counted, where it was asked.
    options : RadiometryOptions
        Tolerances.

    Returns
    -------
    list of RadiometryVerdict
        In the order of ``dates``. The reference is the median of the dates whose dark targets are
        physically possible; where those are fewer than ``least_dates``, only what a date says of
        itself is known: a scale that cannot be, an offset in all bands.
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
    light = np.array([[percentile(d[n], 98.0) for n in names] for d in dates])
    alone = [
        _alone(names, (dark[i], middle[i], light[i]), d.get(ORDER), options)
        if enough[i]
        else unknown
        for i, d in enumerate(dates)
    ]
    possible &= np.array([v.usable for v in alone])
    if int(enough.sum()) < options.least_dates or int(possible.sum()) < 2:
        return alone
    reference = np.median(dark[possible], axis=0)
    usual_of = (reference, np.median(middle[possible], axis=0))
    # Fine droplets reflect up to 0.7 at 1.6 um. A table that fits most of its dates fits this one.
    even = np.array([v.reason.endswith(_EVEN_DARKEST) for v in alone])
    fits = int(possible.sum()) > int(even.sum())
    alone = [unknown if fits and e else v for v, e in zip(alone, even, strict=True)]
    return [
        _compared(
            names, (dark[i] - reference, _gain(dark[i], middle[i], usual_of)), alone[i], options
        )
        if enough[i]
        else RadiometryVerdict(
            0.0, True, False, "too few pixels to check the radiometric scale", 0.0
        )
        for i in range(len(dates))
    ]


def _gain(
    dark: NDArray[np.float64],
    middle: NDArray[np.float64],
    usual: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> float:
    """Give how bright a date is at most, as a share of the usual dark targets and median.

    A wrong gain dims both. Where most dates are half under cloud, the median of a clear one is far
    below theirs, and its dark targets are what theirs are.
    """
    reference, half = usual
    sure = reference > _NOISE
    targets = dark[sure] / reference[sure] if sure.any() else np.zeros(1)
    return max(float((middle / half).max()), float(np.median(targets)))


def _compared(
    names: Sequence[str],
    numbers: tuple[NDArray[np.float64], float],
    alone: RadiometryVerdict,
    options: RadiometryOptions,
) -> RadiometryVerdict:
    """Hold a date against the reference; what it says alone of an offset is undone by that."""
    if alone.reason.startswith(WRONG_SCALE):
        return alone
    verdict = _verdict(names, *numbers, options)
    # Where an offset is off, bands near nothing differ by many times, whatever stands there.
    return alone if alone.reason.startswith(WRONG_ORDER) and not verdict.offset else verdict


def _alone(
    names: Sequence[str],
    levels: tuple[NDArray[np.float64], ...],
    order: NDArray[np.int64] | None,
    options: RadiometryOptions,
) -> RadiometryVerdict:
    """Judge what no other date is needed for; ``levels``: dark targets, median, brightest 2 %.

    A band table that does not fit its files is wrong on all of their dates alike, and no comparison
    shows it. Water, shade and forest leave something dark in SWIR in any corridor along a river;
    bands without SWIR say nothing, since a hazy sky over dark ground is as bright in all of them.
    """
    dark, middle, light = levels
    if order is not None and options.exchanged_share < 1 and dark.min() >= options.darkest:
        odd = exchanged(order, options.exchanged_share, options.least_pixels)
        if odd:
            return RadiometryVerdict(0.0, False, True, f"{WRONG_ORDER}: {odd}", 0.0)
    if float(light.max()) < options.faintest:
        said = f"hardly anything is brighter than {float(light.max()):.3f}"
        return RadiometryVerdict(0.0, False, True, f"{WRONG_SCALE}: {said}", 0.0)
    if float(middle.min()) > options.brightest:
        said = f"half of the ground is brighter than {float(middle.min()):.1f} in all bands"
        return RadiometryVerdict(0.0, False, True, f"{WRONG_SCALE}: {said}", 0.0)
    dazzling = _dazzling(names, dark, light, options)
    if dazzling:
        return RadiometryVerdict(0.0, False, True, f"{WRONG_SCALE}: {dazzling}", 0.0)
    least, most = options.offset_dark
    offset = least <= float(dark.min()) and float(dark.max()) <= most
    if offset and "swir16" in names and float(np.ptp(dark)) <= options.band_scatter:
        reason = (
            f"even the darkest ground reflects {float(np.median(dark)):.2f} in all bands: "
            f"an offset of {-options.step:g} that the band table does not take off "
            "(Sentinel-2 since baseline 04.00), or cloud over all of the corridor"
        )
        return RadiometryVerdict(0.0, False, True, reason, 0.0)
    return RadiometryVerdict(0.0, True, False, "", 0.0)


def _dazzling(
    names: Sequence[str],
    dark: NDArray[np.float64],
    light: NDArray[np.float64],
    options: RadiometryOptions,
) -> str:
    """Say where SWIR is brighter than anything is; without SWIR cloud may be what is bright.

    Ice and water absorb there: the thickest cloud and fresh snow reflect less than they do in the
    visible, and what lies in shade between them far less.
    """
    darkest, brightest = options.brightest_swir
    swir = [i for i, n in enumerate(names) if n.startswith("swir")]
    for at in swir:
        if float(light[at]) > brightest:
            return f"{names[at]} is brighter than {brightest:.1f} where it is brightest"
    for at in swir:
        if float(dark[at]) > darkest:
            return f"{names[at]} is brighter than {darkest:.1f} {_EVEN_DARKEST}"
    return ""


def _verdict(
    names: Sequence[str],
    deviation: NDArray[np.float64],
    gain: float,
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
        return RadiometryVerdict(0.0, False, True, reason, common, sky=True)
    if abs(common) > options.unexplained:
        reason = f"dark targets deviate from the other dates without an explanation ({said})"
        return RadiometryVerdict(0.0, False, True, reason, common, sky=common > 0)
    if visible and min(visible) > options.haze:
        reason = f"haze over the darkest ground ({said})"
        return RadiometryVerdict(0.0, False, True, reason, common, sky=common > 0)
    if gain < options.dim_ratio:
        reason = f"all bands are less than {options.dim_ratio:.0%} as bright as usual"
        return RadiometryVerdict(0.0, False, True, reason, common)
    return RadiometryVerdict(0.0, True, True, "", common)
