"""The picture of a later flight is brought onto that of an earlier one, from metres to two pixels.

First a seed: both mosaics are read coarsely, the later one is turned by small steps, and the peak
of their orientation correlation (Fitch, Kadyrov, Christmas & Kittler 2002, doi:10.5244/C.16.11)
gives turn and shift. Then ties: windows on a grid, correlated through the map that is known so far,
on finer and finer pixels; a robust similarity (random samples, then least squares of those that
agree), and an affine map where many ties agree. Orientations of gradients, not grey: a turned sun
and another exposure change the one and hardly the other; windows on moved shadows and on water
disagree with the rest and are voted out. Only coarse pictures and one window at a time are held.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy import fft, ndimage

from pipeline.errors import SceneUnusableError
from pipeline.model import FlightPixels, FlightReader, Grid, Window
from pipeline.pixel_map import sample_heights
from pipeline.prepare.flight_moved import PixelMap, map_of, moved

Real = NDArray[np.float64]
Complex = NDArray[np.complex64]
Float = NDArray[np.float32]
_SEED_CELLS = 640  # most along a side of the coarse pictures
_THERE_PX = 2.0  # of a tie's window of hundreds: as good as none
_THREADS = 2
_ENOUGH = 32  # ties of half of the windows, after which the other half is left out
_SOME = 7  # one pixel of so many is enough for a median
_SURE = 3.0  # times the peak that is needed, from which no larger turns are tried


class PictureRegisterOptions(BaseModel):
    """How far pictures may lie apart, and when their registration is trusted."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    largest_shift_m: float = Field(default=15.0, gt=0, description="searched for [m]")
    largest_turn_deg: float = Field(default=3.0, ge=0, le=10, description="searched for [degrees]")
    seed_peak: float = Field(
        default=7.0, gt=1, description="peak of the seed over its surroundings [deviations]"
    )
    window: int = Field(default=256, ge=64, le=1024, description="side of a tie's window [cells]")
    ties: int = Field(default=9, ge=3, le=40, description="most ties along a side")
    tie_peak: float = Field(default=6.0, gt=1, description="the same for a tie")
    agree_px: float = Field(default=1.5, gt=0, description="ties agree within this [cells]")
    least_ties: int = Field(default=8, ge=4, description="ties that must agree")
    least_share: float = Field(
        default=0.3, gt=0, le=1, description="share of the usable ties that must agree"
    )
    least_spread: float = Field(
        default=0.5, gt=0, le=1, description="share of ninths of the area that hold a tie"
    )
    largest_p95_px: float = Field(
        default=2.5, gt=0, description="residual that 95 % of the agreeing ties keep below [px]"
    )
    finest_m: float = Field(default=0.05, gt=0, description="no finer pixels are compared [m]")


@dataclass(frozen=True)
class Registration:
    """How the later mosaic lies on the earlier one's grid."""

    map: PixelMap  # from the grid to the later mosaic
    places: Real  # (N, 2) middles of all ties that were usable, (row, col) [px]
    residuals: Real  # (N, 2) what is left there [px]
    agreed: NDArray[np.bool_]  # (N,)
    p95_px: float  # of those that agreed

    @property
    def error_px(self) -> float:
        """Deviation per axis of what is left where ties agree [px]."""
        kept = self.residuals[self.agreed]
        return float(1.4826 * np.median(np.abs(kept)))


def register_pictures(
    before: FlightReader, after: FlightReader, grid: Grid, options: PictureRegisterOptions
) -> Registration:
    """Find the map of the later mosaic.

    Parameters
    ----------
    before, after : FlightReader
        Both on ``grid`` by their own georeference, metres and a degree or two apart.
    grid : Grid
        Full pixels, projected, m.

    Raises
    ------
    SceneUnusableError
        Nothing in common is found, too few windows agree, they lie in one part only, or they agree
        too loosely.
    """
    coarse = max(1, -(-max(grid.shape) // _SEED_CELLS))
    found = _seed(before, after, grid, coarse, options)
    finest = max(1, round(options.finest_m / grid.res_m))
    steps = [coarse]
    while steps[-1] > 2 * finest:
        steps.append(max(finest, steps[-1] // 3))
    steps += [finest, finest] if steps[-1] != finest else [finest]
    result: Registration | None = None
    for k, step in enumerate(steps):
        places, shifts = _ties(before, moved(after, found), grid, step, options)
        result = _solve(found, places, shifts, step, options)
        found = result.map
        # Windows that lay on each other already say the same when they are looked at again.
        least = float(np.percentile(np.abs(shifts[result.agreed]), 95))
        if k and step == finest and least <= _THERE_PX * step:
            break
    assert result is not None
    _check(result, grid, options)
    return result


def _refused(why: str) -> SceneUnusableError:
    return SceneUnusableError(
        f"the orthomosaics of the two flights cannot be brought together: {why}",
        "Check that both show the same place and their coordinate systems, or add control points",
    )


def orientation(pixels: FlightPixels) -> Complex:
    """Give the unit gradients of the logarithm of grey, weak where the picture is flat.

    Returns
    -------
    complex64 (H, W)
        ``column part + i · row part``, length below 1; 0 where the picture has none.
    """
    return _gradients(_grey(pixels), pixels.valid)


def _grey(pixels: FlightPixels) -> Float:
    """Mean of the colours, as a share of full scale."""
    full = np.float32(np.iinfo(pixels.colour.dtype).max)
    return pixels.colour[:3].mean(axis=0, dtype=np.float32) / full


def _gradients(grey: Float, valid: NDArray[np.bool_]) -> Complex:
    log = np.log(grey + np.float32(0.02))
    rows, cols = (
        ndimage.gaussian_filter1d(
            ndimage.gaussian_filter1d(log, 1.0, axis=a, order=1, truncate=3.0),
            1.0,
            axis=1 - a,
            truncate=3.0,
        )
        for a in (0, 1)
    )
    length = np.hypot(rows, cols)
    inner = _inner(valid)
    some = length[inner][::_SOME]
    if not some.size:
        return np.zeros(grey.shape, np.complex64)
    weight = inner / (length + np.float32(np.median(some)) + np.float32(1e-4))
    out = np.empty(grey.shape, np.complex64)
    out.real, out.imag = cols * weight, rows * weight
    return out


def _inner(valid: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Mask what has a picture on 4 pixels all around."""
    if not valid.all():
        return np.asarray(ndimage.minimum_filter(valid, 9, mode="constant", cval=0), bool)
    out = np.zeros(valid.shape, bool)
    out[4:-4, 4:-4] = True
    return out


def _spectrum(values: Complex) -> Complex:
    """Transform with the borders weighted down."""
    return np.asarray(fft.fft2(values * _taper(values.shape)))


@lru_cache(maxsize=4)
def _taper(shape: tuple[int, ...]) -> Float:
    return np.outer(np.hanning(shape[0]), np.hanning(shape[1])).astype(np.float32)


def _correlate(first: Complex, second: Complex, reach: int) -> tuple[float, float, float]:
    """Give the shift (row, col) that ``second`` lies off ``first``, and its peak [deviations].

    Both are spectra.
    """
    both = np.real(np.asarray(fft.ifft2(np.conj(first) * second)))
    reach = min(reach, min(first.shape) // 2 - 2)
    beside = np.arange(-reach, reach + 1)
    near = both[np.ix_(beside, beside)]
    r, c = np.unravel_index(int(np.argmax(near)), near.shape)
    level = float(np.median(near))
    spread = 1.4826 * float(np.median(np.abs(near - level))) + 1e-12
    peak = float(near[r, c] - level) / spread
    dr, dc = _top(near, int(r), int(c))
    return float(r) + dr - reach, float(c) + dc - reach, peak


def _top(values: NDArray[np.floating], r: int, c: int) -> tuple[float, float]:
    """Sub-pixel place of a peak by parabolas."""
    if not (0 < r < values.shape[0] - 1 and 0 < c < values.shape[1] - 1):
        return 0.0, 0.0
    out: list[float] = []
    for low, high in ((values[r - 1, c], values[r + 1, c]), (values[r, c - 1], values[r, c + 1])):
        bend = float(low - 2 * values[r, c] + high)
        out.append(float(np.clip((low - high) / (2 * bend), -0.5, 0.5)) if bend < 0 else 0.0)
    return out[0], out[1]


def _turn(angle: float, middle: tuple[float, float]) -> PixelMap:
    """Give the map that turns about ``middle`` by an angle [rad]."""
    c, s = np.cos(angle), np.sin(angle)
    r0, c0 = middle
    return map_of(np.array([[c, -s, r0 - c * r0 + s * c0], [s, c, c0 - s * r0 - c * c0]]))


def _seed(
    before: FlightReader,
    after: FlightReader,
    grid: Grid,
    step: int,
    options: PictureRegisterOptions,
) -> PixelMap:
    first = _spectrum(orientation(before(grid.window, step)))
    seen = after(grid.window, step)
    held = _grey(seen), seen.valid
    reach = round(options.largest_shift_m / (grid.res_m * step))
    middle = (first.shape[0] / 2, first.shape[1] / 2)
    most = options.largest_turn_deg
    best = _tried(first, held, 0.0, middle, reach)
    beside = [a for a in (-0.5, 0.5) if abs(a) <= most]
    tried = [_tried(first, held, a, middle, reach) for a in beside]
    # Most flights are turned by next to nothing: a peak far beyond chance that falls to both sides
    # is the one, and larger turns need not be tried.
    if best[0] < _SURE * options.seed_peak or any(t[0] >= best[0] for t in tried):
        angles = np.arange(-most, most + 1e-6, 0.5) if most else np.zeros(1)
        tried += [_tried(first, held, float(a), middle, reach) for a in angles]
    best = max([best, *tried])
    centre = best[3]
    for angle in centre + np.arange(-0.4, 0.41, 0.1) if most else []:
        best = max(best, _tried(first, held, float(angle), middle, reach))
    if best[0] < options.seed_peak:
        raise _refused("they have no outlines in common within the distance that is searched")
    whole = (middle[0] * step, middle[1] * step)
    shift = PixelMap.shift(best[1] * step, best[2] * step)
    return _turn(np.radians(best[3]), whole).after(shift)


def _tried(
    first: Complex,
    held: tuple[Float, NDArray[np.bool_]],
    angle: float,
    middle: tuple[float, float],
    reach: int,
) -> tuple[float, float, float, float]:
    grey, valid = held
    if angle:
        turn = _turn(np.radians(angle), middle).array
        grey, seen = _turned(grey, turn), _turned(valid.astype(np.float32), turn)
        valid = seen > np.float32(0.99)
    dr, dc, peak = _correlate(first, _spectrum(_gradients(grey, valid)), reach)
    return peak, dr, dc, angle


def _turned(values: Float, turn: Real) -> Float:
    out = sample_heights(values, turn, *values.shape)
    return np.nan_to_num(out, copy=False)


def _ties(
    before: FlightReader,
    after: FlightReader,
    grid: Grid,
    step: int,
    options: PictureRegisterOptions,
) -> tuple[Real, Real]:
    """Correlate windows on a grid; places [px] and shifts [px] of those with a clear peak."""
    size = options.window * step
    side = [max(1, min(options.ties, 2 * n // size)) for n in grid.shape]
    starts = [np.linspace(0, max(n - size, 0), k) for n, k in zip(grid.shape, side, strict=True)]
    corners = [(int(r) // step * step, int(c) // step * step) for r in starts[0] for c in starts[1]]

    def tied(corner: tuple[int, int]) -> tuple[float, float] | None:
        r0, c0 = corner
        window = Window(r0, r0 + size, c0, c0 + size)
        first, second = (orientation(read(window, step)) for read in (before, after))
        if min(np.count_nonzero(f) for f in (first, second)) < 0.3 * first.size:
            return None
        dr, dc, peak = _correlate(_spectrum(first), _spectrum(second), options.window // 6)
        return (dr * step, dc * step) if peak >= options.tie_peak else None

    found: list[tuple[tuple[int, int], tuple[float, float]]] = []
    with ThreadPoolExecutor(_THREADS) as pool:
        # Every second window first: where most have a picture, the others add next to nothing.
        for some in (corners[::2], corners[1::2]):
            if len(found) < _ENOUGH:
                shown = zip(some, pool.map(tied, some), strict=True)
                found += [(corner, shift) for corner, shift in shown if shift is not None]
    places = [(r + size / 2, c + size / 2) for (r, c), _ in found]
    shifts = [s for _, s in found]
    return np.array(places, float).reshape(-1, 2), np.array(shifts, float).reshape(-1, 2)


def _solve(
    found: PixelMap, places: Real, shifts: Real, step: int, options: PictureRegisterOptions
) -> Registration:
    if len(places) < options.least_ties:
        raise _refused(f"only {len(places)} windows have outlines in common")
    rows, cols = found(places[:, 0] + shifts[:, 0], places[:, 1] + shifts[:, 1])
    target = np.stack([rows, cols], axis=1)
    agreed = _vote(places, target, options.agree_px * step)
    if agreed.sum() < max(options.least_ties, options.least_share * len(places)):
        raise _refused(f"of {len(places)} windows only {int(agreed.sum())} agree")
    matrix = np.zeros((2, 3))
    for _ in range(5):
        # Six unknowns need ties all over; with few, four are safer.
        many = agreed.sum() >= 20
        matrix = (_affine if many else _similarity)(places[agreed], target[agreed])
        rest = target - _apply(matrix, places)
        agreed = np.hypot(*rest.T) <= options.agree_px * step
        if agreed.sum() < options.least_ties:
            raise _refused("windows do not agree on one shift, turn and scale")
    rest = target - _apply(matrix, places)
    p95 = float(np.percentile(np.hypot(*rest[agreed].T), 95))
    return Registration(map_of(matrix), places, rest, agreed, p95)


def _vote(places: Real, target: Real, within: float) -> NDArray[np.bool_]:
    """Find the similarity of two ties that most others agree with."""
    rng = np.random.default_rng(len(places))
    best = np.zeros(len(places), bool)
    for _ in range(400):
        pick = rng.choice(len(places), 2, replace=False)
        if np.hypot(*(places[pick[0]] - places[pick[1]])) < 1:
            continue
        matrix = _similarity(places[pick], target[pick])
        if abs(np.hypot(matrix[0, 0], matrix[1, 0]) - 1) > 0.05:
            continue
        agreed = np.hypot(*(target - _apply(matrix, places)).T) <= within
        if agreed.sum() > best.sum():
            best = agreed
    return best


def _apply(matrix: Real, places: Real) -> Real:
    return np.asarray(places @ matrix[:, :2].T + matrix[:, 2], np.float64)


def _similarity(places: Real, target: Real) -> Real:
    """Least-squares shift, turn and scale, as (2, 3)."""
    middle, aim = places.mean(axis=0), target.mean(axis=0)
    p, t = places - middle, target - aim
    power = max(float((p**2).sum()), 1e-9)
    a = float((p * t).sum()) / power
    b = float((p[:, 0] * t[:, 1] - p[:, 1] * t[:, 0]).sum()) / power
    turn = np.array([[a, -b], [b, a]])
    return np.column_stack([turn, aim - turn @ middle])


def _affine(places: Real, target: Real) -> Real:
    basis = np.column_stack([places, np.ones(len(places))])
    return np.asarray(np.linalg.lstsq(basis, target, rcond=None)[0].T, np.float64)


def _check(result: Registration, grid: Grid, options: PictureRegisterOptions) -> None:
    scale = np.linalg.svd(result.map.array[:, :2], compute_uv=False)
    if np.abs(scale - 1).max() > 0.05:
        raise _refused("their scales differ by more than a twentieth")
    if result.p95_px > options.largest_p95_px:
        raise _refused(
            f"windows agree only within {result.p95_px:.1f} px, and "
            f"{options.largest_p95_px:g} px are needed"
        )
    ninth = np.minimum(result.places / np.array(grid.shape) * 3, 2).astype(int)
    usable = {(int(r), int(c)) for r, c in ninth}
    held = {(int(r), int(c)) for r, c in ninth[result.agreed]}
    if len(held) < options.least_spread * max(len(usable), 4):
        raise _refused("windows that agree lie in one part of the area only")
