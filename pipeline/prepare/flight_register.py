"""The picture of a later flight is brought onto that of an earlier one, from metres to two pixels.

First a seed: both mosaics are read coarsely, the later one is turned by small steps, and the peak
of their orientation correlation (Fitch, Kadyrov, Christmas & Kittler 2002, doi:10.5244/C.16.11)
gives turn and shift. Then ties: windows on a grid, or along what both show where the frame is
mostly empty, correlated through the map that is known so far, on finer and finer pixels; a robust
similarity (random samples, then least squares of those that agree), and an affine map where many
ties agree all over. Orientations of gradients, not grey: a turned sun and another exposure change
the one and hardly the other; windows on moved shadows and on water
disagree with the rest and are voted out. Only coarse pictures and one window at a time are held.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from pipeline.errors import SceneUnusableError
from pipeline.model import FlightReader, Grid, Window
from pipeline.pixel_map import sample_heights
from pipeline.prepare.flight_correlation import (
    Complex,
    correlate,
    gradients,
    grey_of,
    orientation,
    spectrum,
)
from pipeline.prepare.flight_ground import CommonGround
from pipeline.prepare.flight_moved import PixelMap, map_of, moved

Real = NDArray[np.float64]
Float = NDArray[np.float32]
_SEED_CELLS = 640  # most along a side of the coarse pictures
_WIDE = 32  # cells that a band should be wide in them ...
_FINER = 3  # ... for which they may be so many times finer
_LEAST_SIDE = 64  # of a tie's window [cells]
_SHOWN = 0.15  # of it with outlines in both
_THERE_PX = 2.0  # of a tie's window of hundreds: as good as none
_DRAWS = 400  # of two ties
_SCALED = 0.05  # scales differ by no more
_ENOUGH = 32  # ties, after which the other windows are left out
_BY, _BY_SMALL = 8, 3  # how much finer the next pixels are, where windows are whole, or are not
_HELD = 0.5  # of a tie's variance that an affine map may have where both have a picture
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
    largest_map_px: float = Field(
        default=1.0,
        gt=0,
        description="deviation of the map itself, by where its ties lie, in 95 % of the area [px]",
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
    before: FlightReader,
    after: FlightReader,
    grid: Grid,
    options: PictureRegisterOptions,
    threads: int = 1,
) -> Registration:
    """Find the map of the later mosaic.

    Parameters
    ----------
    before, after : FlightReader
        Both on ``grid`` by their own georeference, metres and a degree or two apart.
    grid : Grid
        Full pixels, projected, m.
    threads : int
        Turns and windows at work at a time; changes nothing of the result.

    Raises
    ------
    SceneUnusableError
        Nothing in common is found, too few windows agree, they lie in one part only, or they agree
        too loosely.
    """
    coarse = _coarse(before, after, grid)
    found = _seed((before, after), grid, coarse, options, threads)
    ground = _common(before, moved(after, found), grid, coarse)
    finest = max(1, round(options.finest_m / grid.res_m))
    step, rounds = coarse, 0
    while True:
        windows = _tie_windows(ground, step, options)
        places, shifts = _ties((before, moved(after, found)), windows, step, options, threads)
        result = _solve(found, (places, shifts), ground, step, options)
        found = result.map
        if step > finest:
            step = _finer(windows, step, finest, options)
            continue
        # Windows that lay on each other already say the same when they are looked at again.
        least = float(np.percentile(np.abs(shifts[result.agreed]), 95))
        if rounds or (step < coarse and least <= _THERE_PX * step):
            break
        rounds += 1
    _check(result, grid, options)
    _check_map(result, ground, options)
    return result


def _finer(windows: list[Window], step: int, finest: int, options: PictureRegisterOptions) -> int:
    """Give the pixels to look at next: what is left of the error is found in a window of them."""
    whole = bool(windows) and windows[0].shape[0] >= options.window * step
    by = _BY if whole else _BY_SMALL
    return finest if step <= 2 * finest else max(finest, step // by)


def _common(before: FlightReader, after: FlightReader, grid: Grid, step: int) -> CommonGround:
    """Look where both have a picture."""
    mask = before(grid.window, step).valid & after(grid.window, step).valid
    return CommonGround(mask, step, grid.shape)


def _coarse(before: FlightReader, after: FlightReader, grid: Grid) -> int:
    """Choose the pixels of the seed: finer ones where only a narrow band shows anything."""
    coarse = max(1, -(-max(grid.shape) // _SEED_CELLS))
    ground = _common(before, after, grid, coarse)
    if not ground.mask.any():
        raise _refused("no ground is in the picture of both")
    return max(1, coarse // min(_FINER, -(-_WIDE // max(1, int(ground.width)))))


def _refused(why: str) -> SceneUnusableError:
    return SceneUnusableError(
        f"the orthomosaics of the two flights cannot be brought together: {why}",
        "Check that both show the same place and their coordinate systems, or add control points",
    )


def _turn(angle: float, middle: tuple[float, float]) -> PixelMap:
    """Give the map that turns about ``middle`` by an angle [rad]."""
    c, s = np.cos(angle), np.sin(angle)
    r0, c0 = middle
    return map_of(np.array([[c, -s, r0 - c * r0 + s * c0], [s, c, c0 - s * r0 - c * c0]]))


def _seed(
    flights: tuple[FlightReader, FlightReader],
    grid: Grid,
    step: int,
    options: PictureRegisterOptions,
    threads: int,
) -> PixelMap:
    before, after = flights
    first = spectrum(orientation(before(grid.window, step)))
    seen = after(grid.window, step)
    held = grey_of(seen), seen.valid
    reach = round(options.largest_shift_m / (grid.res_m * step))
    middle = (first.shape[0] / 2, first.shape[1] / 2)
    most = options.largest_turn_deg
    best = _tried(first, held, 0.0, middle, reach)

    def one(angle: float) -> tuple[float, float, float, float]:
        return _tried(first, held, float(angle), middle, reach)

    def turned(angles: Iterable[float]) -> list[tuple[float, float, float, float]]:
        with ThreadPoolExecutor(threads) as pool:
            return list(pool.map(one, angles))

    tried = turned(a for a in (-0.5, 0.5) if abs(a) <= most)
    # Most flights are turned by next to nothing: a peak far beyond chance that falls to both sides
    # is the one, and larger turns need not be tried.
    if best[0] < _SURE * options.seed_peak or any(t[0] >= best[0] for t in tried):
        angles = np.arange(-most, most + 1e-6, 0.5) if most else np.zeros(1)
        tried += turned(angles)
    best = max([best, *tried])
    centre = best[3]
    best = max([best, *turned(centre + np.arange(-0.4, 0.41, 0.1) if most else [])])
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
    dr, dc, peak = correlate(first, spectrum(gradients(grey, valid)), reach)
    return peak, dr, dc, angle


def _turned(values: Float, turn: Real) -> Float:
    out = sample_heights(values, turn, *values.shape)
    return np.nan_to_num(out, copy=False)


def _ties(
    flights: tuple[FlightReader, FlightReader],
    windows: list[Window],
    step: int,
    options: PictureRegisterOptions,
    threads: int,
) -> tuple[Real, Real]:
    """Correlate windows; places [px] and shifts [px] of those with a clear peak."""

    def tied(window: Window) -> tuple[float, float] | None:
        first, second = (orientation(read(window, step)) for read in flights)
        if min(np.count_nonzero(f) for f in (first, second)) < _SHOWN * first.size:
            return None
        reach = min(first.shape) // 6
        dr, dc, peak = correlate(spectrum(first), spectrum(second), reach)
        return (dr * step, dc * step) if peak >= options.tie_peak else None

    found: list[tuple[Window, tuple[float, float]]] = []
    half = -(-len(windows) // 2)
    # Half of the windows first: where most have a picture, the others add next to nothing.
    parts = (windows[:half], windows[half::2], windows[half + 1 :: 2])
    with ThreadPoolExecutor(threads) as pool:
        for some in parts:
            if len(found) < _ENOUGH:
                shown = zip(some, pool.map(tied, some), strict=True)
                found += [(window, shift) for window, shift in shown if shift is not None]
    places = [((w.row0 + w.row1) / 2, (w.col0 + w.col1) / 2) for w, _ in found]
    shifts = [s for _, s in found]
    return np.array(places, float).reshape(-1, 2), np.array(shifts, float).reshape(-1, 2)


def _tie_windows(ground: CommonGround, step: int, options: PictureRegisterOptions) -> list[Window]:
    """Give windows on multiples of ``step``; smaller ones where there are too few large ones."""
    best: list[Window] = []
    for side in sorted({max(options.window // k, _LEAST_SIDE) for k in (1, 2, 4)}, reverse=True):
        size = side * step
        found = ground.windows(_on_grid(ground.shape, size, step, options), size, options.ties**2)
        if len(found) > len(best):
            best = found
        if len(best) >= 2 * options.least_ties:
            break
    return [_snapped(w, step) for w in best]


def _snapped(window: Window, step: int) -> Window:
    (rows, cols), r, c = window.shape, window.row0 // step * step, window.col0 // step * step
    return Window(r, r + rows, c, c + cols)


def _on_grid(
    shape: tuple[int, int], size: int, step: int, options: PictureRegisterOptions
) -> list[Window]:
    """Give windows all over a frame, every second one first."""
    side = [max(1, min(options.ties, 2 * n // size)) for n in shape]
    starts = [np.linspace(0, max(n - size, 0), k) for n, k in zip(shape, side, strict=True)]
    corners = [(int(r) // step * step, int(c) // step * step) for r in starts[0] for c in starts[1]]
    windows = [Window(r, r + size, c, c + size) for r, c in corners]
    return windows[::2] + windows[1::2]


def _solve(
    found: PixelMap,
    ties: tuple[Real, Real],
    ground: CommonGround,
    step: int,
    options: PictureRegisterOptions,
) -> Registration:
    places, shifts = ties
    if len(places) < options.least_ties:
        raise _refused(f"only {len(places)} windows have outlines in common")
    rows, cols = found(places[:, 0] + shifts[:, 0], places[:, 1] + shifts[:, 1])
    target = np.stack([rows, cols], axis=1)
    agreed = _vote(places, target, options.agree_px * step)
    if agreed.sum() < max(options.least_ties, options.least_share * len(places)):
        raise _refused(f"of {len(places)} windows only {int(agreed.sum())} agree")
    matrix = np.zeros((2, 3))
    for _ in range(5):
        # Six unknowns need ties all over; with few, or along a line, four are safer.
        many = agreed.sum() >= 20 and _leverage(places[agreed], ground, affine=True) <= _HELD
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
    picks = np.array([rng.choice(len(places), 2, replace=False) for _ in range(_DRAWS)])
    # As complex numbers a similarity is one product and one sum: all draws at a time.
    p, t = (v[:, 0] + 1j * v[:, 1] for v in (places, target))
    along = p[picks[:, 1]] - p[picks[:, 0]]
    apart = np.abs(along) >= 1
    turn = (t[picks[:, 1]] - t[picks[:, 0]]) / np.where(apart, along, 1)
    fair = apart & (np.abs(np.abs(turn) - 1) <= _SCALED)
    middle, aim = (v[picks].mean(axis=1) for v in (p, t))
    off = t - (aim[:, None] + turn[:, None] * (p - middle[:, None]))
    agreed = (np.abs(off) <= within) & fair[:, None]
    return np.asarray(agreed[int(agreed.sum(axis=1).argmax())], np.bool_)


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


def _leverage(places: Real, ground: CommonGround, *, affine: bool) -> float:
    """Give the variance of a map, as that of a tie, that 95 % of the ground keeps below."""
    middle = places.mean(axis=0)
    off, there = places - middle, ground.places - middle
    if affine:
        inverse = np.linalg.inv(off.T @ off + 1e-6 * np.eye(2))
        turned = np.einsum("ni,ij,nj->n", there, inverse, there)
    else:
        turned = (there**2).sum(axis=1) / max(float((off**2).sum()), 1e-9)
    return float(np.percentile(1 / len(places) + turned, 95))


def _check_map(result: Registration, ground: CommonGround, options: PictureRegisterOptions) -> None:
    """Refuse a map that its ties hold in one part of the ground and not in another."""
    held = _leverage(result.places[result.agreed], ground, affine=False)
    error = result.error_px * float(np.sqrt(held))
    if error > options.largest_map_px:
        raise _refused(
            f"the windows that agree lie where they hold the rest within {error:.1f} px only, "
            f"and {options.largest_map_px:g} px are needed"
        )


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
