"""Two surfaces of one place are brought together on ground that did not change.

Nuth & Kääb (2011, doi:10.5194/tc-5-271-2011): on stable ground a horizontal shift shows as a height
difference along the slope. Their cosine is solved here in its linear form, ``dh = -gradient · shift
+ plane``, by iteratively reweighted least squares (Huber), so that flat ground, where the cosine is
singular, only makes the shift uncertain: then it is left to the picture's registration. The plane
is always tilted: a tilt that is not there costs a little certainty, which the covariance holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy import ndimage

from pipeline.errors import SceneUnusableError
from pipeline.model import Cover, SurfaceFit

Float = NDArray[np.float32]
Real = NDArray[np.float64]
Mask = NDArray[np.bool_]
NMAD = 1.4826
BLOCKS = 8


class SurfaceOptions(BaseModel):
    """When two surfaces can be trusted to lie on each other."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cell_m: float = Field(default=1.0, gt=0, le=20, description="surfaces are compared at [m]")
    least_stable: float = Field(
        default=0.15, gt=0, lt=1, description="share of stable ground that is needed"
    )
    least_spread: float = Field(
        default=0.5, gt=0, le=1, description="share of the area's blocks that must hold some of it"
    )
    steepest: float = Field(default=1.0, gt=0, description="steeper cells do not vote [1]")
    trusted_shift_m: float = Field(
        default=0.05, gt=0, description="a shift less certain than this is left to the picture [m]"
    )
    picture_shift_m: float = Field(
        default=0.05, gt=0, description="error of the picture's registration, 1 sigma per axis [m]"
    )
    largest_shift_m: float = Field(default=5.0, gt=0, description="larger shifts are refused [m]")
    rounds: int = Field(default=12, ge=1, le=50, description="most rounds of shift and fit")


@dataclass(frozen=True)
class _Solved:
    values: Real  # (5,) tilt and shift
    relief: float  # root of the mean square of slopes, in the direction with the least [1]
    covariance: Real  # (5, 5) as if residuals were independent
    used: Mask
    nmad: float


def coregister(
    before: Float,
    after: Float,
    covers: tuple[NDArray[np.uint8], NDArray[np.uint8]],
    options: SurfaceOptions,
) -> SurfaceFit:
    """Find shift and plane between two surfaces.

    Parameters
    ----------
    before, after : float32 (H, W)
        Surfaces in cells of ``options.cell_m`` [m], NaN where there is none.
    covers : pair of uint8 (H, W)
        Codes of :class:`pipeline.model.Cover`; only ground of both flights can be stable.
    options : SurfaceOptions
        Limits.

    Raises
    ------
    SceneUnusableError
        Too little stable ground, ground in one corner only, or a shift beyond belief.
    """
    both = np.isfinite(before) & np.isfinite(after)
    ground = both & (covers[0] == Cover.GROUND) & (covers[1] == Cover.GROUND)
    if not ground.any():
        raise _refused("the two surfaces share no bare or built ground")
    moved, shift = after, np.zeros(2)
    solved: _Solved | None = None
    for _ in range(options.rounds):
        solved = _solve(before, moved, ground & np.isfinite(moved), options)
        step = solved.values[3:] if _certain(solved, options) else np.zeros(2)
        shift = shift + step
        if float(np.hypot(shift[0], shift[1])) > options.largest_shift_m:
            raise _refused(
                f"the surfaces lie more than {options.largest_shift_m:g} m beside each other"
            )
        if float(np.hypot(step[0], step[1])) < 0.002:
            break
        moved = _shifted(after, shift / options.cell_m)
    assert solved is not None
    _check_stable(solved.used, both, options)
    return _fit(solved, shift, before, moved, options, float(solved.used.sum() / both.sum()))


def _refused(why: str) -> SceneUnusableError:
    return SceneUnusableError(
        f"the surface models of the two flights cannot be compared: {why}",
        "Compare the pictures alone, or fly again with ground control or RTK over the same area",
    )


def _shifted(surface: Float, by: Real) -> Float:
    """Give ``surface(row + by[0], col + by[1])``, bilinear, NaN where a neighbour has none."""
    return np.asarray(
        ndimage.shift(surface, -by, order=1, mode="constant", cval=float("nan")), np.float32
    )


def _solve(before: Float, after: Float, ok: Mask, options: SurfaceOptions) -> _Solved:
    """Fit ``after - before = plane + gradient · error`` on stable ground."""
    gr, gc = (_slope(before, axis, options.cell_m) for axis in (0, 1))
    ok = ok & np.isfinite(gr) & np.isfinite(gc) & (np.hypot(gr, gc) < options.steepest)
    if ok.sum() < 50:
        raise _refused("too little gentle ground is bare or built in both")
    rows, cols = np.nonzero(ok)
    dh = (after[ok] - before[ok]).astype(np.float64)
    middle = _middle(ok.shape, options.cell_m)
    basis = np.stack(
        [
            np.ones(dh.size),
            (rows + 0.5) * options.cell_m - middle[0],
            (cols + 0.5) * options.cell_m - middle[1],
            -gr[ok],
            -gc[ok],
        ],
        axis=1,
    ).astype(np.float64)
    # dh = plane - gradient·shift where after(x + shift) = before(x) + plane.
    values = np.zeros(5)
    values[0] = np.median(dh)
    for _ in range(20):
        rest = dh - basis @ values
        sigma = max(NMAD * float(np.median(np.abs(rest - np.median(rest)))), 1e-4)
        weight = np.where(np.abs(rest) < 3 * sigma, 1.0, 0.0) * np.minimum(
            1.0, 1.5 * sigma / np.maximum(np.abs(rest), 1e-9)
        )
        normal = (basis * weight[:, None]).T @ basis + np.diag([0, 0, 0, 1e-6, 1e-6])
        new = np.linalg.solve(normal, (basis * weight[:, None]).T @ dh)
        done = bool(np.abs(new - values).max() < 1e-7)
        values = new
        if done:
            break
    rest = dh - basis @ values
    sigma = max(NMAD * float(np.median(np.abs(rest - np.median(rest)))), 1e-4)
    keep = np.abs(rest) < 3 * sigma
    used = np.zeros(ok.shape, bool)
    used[rows[keep], cols[keep]] = True
    covariance = _sandwich(basis[keep], rest[keep], used, options.cell_m)
    relief = float(np.sqrt(np.linalg.eigvalsh(basis[:, 3:].T @ basis[:, 3:] / len(basis))[0]))
    return _Solved(np.asarray(values, np.float64), relief, covariance, used, sigma)


def _slope(surface: Float, axis: int, cell_m: float) -> Float:
    """Central difference over a metre or two [1], NaN beside holes."""
    return np.asarray(np.gradient(_smooth(surface), cell_m, axis=axis), np.float32)


def _smooth(surface: Float) -> Float:
    """Mean over 3 by 3 cells, NaN beside holes."""
    known = np.isfinite(surface)
    filled = np.where(known, surface, np.float32(0)).astype(np.float64)
    mean = ndimage.uniform_filter(filled, 3, mode="nearest")
    whole = ndimage.uniform_filter(known.astype(np.float32), 3, mode="nearest") > 0.999
    return np.where(whole, mean, np.nan).astype(np.float32)


def _sandwich(basis: Real, rest: Real, used: Mask, cell_m: float) -> Real:
    """Covariance of the solution when residuals are correlated.

    ``(X'X)^-1 X'RX (X'X)^-1``, where R is the residuals' own covariance by distance, taken from
    them by Fourier transform and cut at a quarter of the area, where it is no longer known.
    """
    inverse = np.linalg.pinv(basis.T @ basis)
    shape = [2 * n for n in used.shape]
    field = np.zeros(used.shape)
    field[used] = rest
    power = np.fft.rfft2(field, shape)
    pairs = np.fft.irfft2(np.abs(np.fft.rfft2(used.astype(float), shape)) ** 2, shape)
    own = np.fft.irfft2(np.abs(power) ** 2, shape) / np.maximum(pairs, 1.0)
    lag = np.hypot(
        np.minimum(np.arange(shape[0]), shape[0] - np.arange(shape[0]))[:, None],
        np.minimum(np.arange(shape[1]), shape[1] - np.arange(shape[1]))[None, :],
    )
    reach = max(min(used.shape) / 4, 2.0)
    by_lag = np.bincount(lag.astype(int).ravel(), (own * pairs).ravel())
    by_lag /= np.maximum(np.bincount(lag.astype(int).ravel(), pairs.ravel()), 1e-9)
    # From the first lag at which it is gone, there is none: what follows is chance.
    gone = np.flatnonzero(by_lag <= 0.02 * by_lag[0])
    end = min(int(gone[0]) if gone.size else by_lag.size, int(reach))
    by_lag[end:] = 0
    kernel = np.fft.rfft2(np.where(lag < end, by_lag[lag.astype(int)], 0.0), shape)
    spread = np.empty_like(basis)
    for k in range(basis.shape[1]):
        column = np.zeros(used.shape)
        column[used] = basis[:, k]
        smooth = np.fft.irfft2(np.fft.rfft2(column, shape) * kernel, shape)
        spread[:, k] = smooth[: used.shape[0], : used.shape[1]][used]
    inner = basis.T @ spread
    plain = inverse * float(rest.var())
    # Residuals of a fit are smaller than errors, the more so the fewer of them are independent.
    count = len(rest) ** 2 * float(rest.var()) / max(float(inner[0, 0]), 1e-12)
    grown = count / max(count - 5, 1.0)
    full = inverse @ ((inner + inner.T) / 2) @ inverse * max(grown, 1.0)
    return np.where(np.eye(5) > 0, np.maximum(full, plain), full)


def _certain(solved: _Solved, options: SurfaceOptions) -> bool:
    """Whether the surface itself gives the shift; flat ground has but its noise's slopes."""
    error = np.sqrt(np.diag(solved.covariance)[3:])
    hilly = solved.relief > 0.5 * solved.nmad / options.cell_m
    return bool(hilly and error.max() < options.trusted_shift_m)


def _middle(shape: tuple[int, ...], cell_m: float) -> tuple[float, float]:
    return shape[0] * cell_m / 2, shape[1] * cell_m / 2


def _check_stable(used: Mask, both: Mask, options: SurfaceOptions) -> None:
    share = float(used.sum() / both.sum())
    if share < options.least_stable:
        raise _refused(
            f"only {share:.0%} of the area is stable ground, "
            f"and {options.least_stable:.0%} are needed"
        )
    blocks = [(u.mean(), b.mean()) for u, b in zip(_blocks(used, 4), _blocks(both, 4), strict=True)]
    # A river's band fills no block: what counts is what the fullest ones hold.
    most = max(float(b) for _, b in blocks)
    with_data = [u for u, b in blocks if b > 0.25 * most]
    held = sum(u > 0.03 * most for u in with_data) / max(len(with_data), 1)
    if held < options.least_spread:
        raise _refused("stable ground lies in one part of the area only")


def _blocks(values: NDArray[Any], by: int) -> list[NDArray[Any]]:
    return [
        part
        for line in np.array_split(values, by, axis=0)
        for part in np.array_split(line, by, axis=1)
    ]


def _fit(
    solved: _Solved,
    shift: Real,
    before: Float,
    moved: Float,
    options: SurfaceOptions,
    share: float,
) -> SurfaceFit:
    surface = _certain(solved, options)
    covariance = solved.covariance.copy()
    tilt = solved.values[:3].copy()
    if not surface:
        tilt, covariance = _level(solved, before, moved, options)
        covariance[3, 3] = covariance[4, 4] = options.picture_shift_m**2
    plane = SurfaceFit(
        shift_m=(float(shift[0]), float(shift[1])),
        tilt=(float(tilt[0]), float(tilt[1]), float(tilt[2])),
        middle_m=_middle(before.shape, options.cell_m),
        covariance=covariance,
        horizontal_by="surface" if surface else "picture",
        stable_share=share,
        nmad_m=solved.nmad,
        residual_m=np.zeros((BLOCKS, BLOCKS), np.float32),
    )
    rows, cols = (np.asarray(v, np.float64) for v in np.indices(before.shape))
    off = plane.plane((rows + 0.5) * options.cell_m, (cols + 0.5) * options.cell_m)
    rest = np.where(solved.used, moved - off - before, np.float32("nan"))
    parts = [float(np.median(p[np.isfinite(p)])) if np.isfinite(p).any() else np.nan
             for p in _blocks(rest, BLOCKS)]  # fmt: skip
    plane.residual_m[:] = np.array(parts, np.float32).reshape(BLOCKS, BLOCKS)
    return plane


def _level(
    solved: _Solved, before: Float, moved: Float, options: SurfaceOptions
) -> tuple[Real, Real]:
    """Fit the plane alone, the horizontal shift being the picture's."""
    rows, cols = np.nonzero(solved.used)
    middle = _middle(before.shape, options.cell_m)
    dh = (moved[solved.used] - before[solved.used]).astype(np.float64)
    basis = np.zeros((dh.size, 5))
    basis[:, 0] = 1
    basis[:, 1] = (rows + 0.5) * options.cell_m - middle[0]
    basis[:, 2] = (cols + 0.5) * options.cell_m - middle[1]
    tilt = np.linalg.lstsq(basis[:, :3], dh, rcond=None)[0]
    rest = dh - basis[:, :3] @ tilt
    covariance = _sandwich(basis, rest, solved.used, options.cell_m)
    return np.asarray(tilt, np.float64), covariance
