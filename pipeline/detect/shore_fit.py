"""A waterline put where the sensor's own blur says that the edge is.

A threshold, whether of an index or half-way between water and land nearby, puts the line where a
pixel looks half like the land *farther up*. The land at the water's edge is another: wet, bare, and
darker than what grows behind it, so the line comes to lie on land, the farther the gentler the bank
(Pardo-Pascual 2018, doi:10.3390/rs10020326, found wet sand and the same direction). What does not
depend on how bright either side is, is where the step between them is. Across the line, water is
taken as flat and land as a slope, both blurred as the sensor blurs, and the place of the step is
the one that fits all bands best; as a fit of surfaces it follows Pardo-Pascual 2012
(doi:10.1016/j.rse.2012.02.024), with the blur known instead of a polynomial's Laplacian.

A blur also moves what it blurs. Where the shore turns, the step that a picture shows lies towards
the centre of the turn, by half the variance of the blur times the curvature (blurring is diffusion,
whose level lines move so: Merriman 1994, doi:10.1006/jcph.1994.1105): at a headland of 40 m radius
0.4 m in a band of 10 m pixels, and 2 m in one of 20 m. Each band is read as much farther off.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy import ndimage
from scipy.special import ndtr

from pipeline.model import Grid

Float = NDArray[np.float32]
Real = NDArray[np.float64]
# Bands that water absorbs: of the visible ones red most (Pope and Fry 1997,
# doi:10.1364/AO.36.008710). Green and blue see the bed of clear water, and haze.
BANDS = ("nir", "swir16", "red")
_DARK = ("nir", "swir16")  # in these, land is the brighter side
_EVERY = 0.5  # px between the samples of a profile
_TRY = 0.1  # px between the places that are tried
_NOISE = 0.001  # reflectance; a fit better than this says nothing more
_TOGETHER = 3  # points, of whose moves the middle one counts
_TURNS_OVER = 1.5  # sigma along the line [px] over which its curvature is taken
_SHARPEST = 0.3  # curvature [1/px]: what turns within three pixels is noise, or no shore
_WRONG_WAY = 2.0  # cost of a step whose bright side is the water; one of a bad fit is 1


class ShoreFitOptions(BaseModel):
    """How the edge is looked for; lengths in pixels of the grid unless another is named."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    blur: float = Field(
        default=0.55,
        ge=0.1,
        le=2.0,
        description="sigma of the sensor's blur, in pixels of the band itself, its pixels' own "
        "size included; 0.55 is a contrast of 0.22 at the Nyquist frequency, and Sentinel-2 has "
        "0.15 to 0.3",
    )
    width: float = Field(
        default=1.5,
        ge=0.5,
        le=4.0,
        description="sigma of the weight of a profile's samples about the line",
    )
    reach: float = Field(
        default=1.5, ge=0.2, le=4.0, description="how far a round may move the line"
    )
    along: float = Field(
        default=1.0,
        ge=0.0,
        le=10.0,
        description="sigma, along the line, over which neighbours decide together; what is wider "
        "than the blur rounds off headlands and inlets",
    )
    rounds: int = Field(default=2, ge=1, le=5, description="times that the line is moved")


@dataclass(frozen=True)
class Seen:
    """A band as the line is fitted to it: ``values`` (H, W), reflectance, NaN unknown."""

    values: Float
    pixel: int = 1  # the band's own pixel, in pixels of the grid it was brought to


def fit_shore(
    lines: Sequence[Real], bands: Mapping[str, Seen], grid: Grid, options: ShoreFitOptions
) -> list[Real]:
    """Move waterlines to the step between water and land.

    Parameters
    ----------
    lines : sequence of float64 (N, 2)
        x, y in the grid's CRS as :func:`pipeline.detect.waterline.waterline` traces them: land is
        on a line's left-hand side.
    bands : mapping of Seen
        Any of :data:`BANDS`; others are not used.

    Returns
    -------
    list of float64 (M, 2)
        x, y about one pixel apart; closed where they were. Lines shorter than three pixels, which
        no profile can be laid across, are left out.

    Raises
    ------
    KeyError
        If there is no near infrared.
    """
    names = [b for b in BANDS if b in bands or b == "nir"]
    pictures = {b: _Picture(bands[b], b in _DARK, options) for b in names}
    out: list[Real] = []
    for line in lines:
        pixels = _even(_to_pixels(line, grid))
        if pixels is None:
            continue
        closed = bool(np.allclose(line[0], line[-1]))
        for _ in range(options.rounds):
            moved = _moved(pixels, closed, list(pictures.values()), options)
            pixels = _even(moved)
            if pixels is None:
                break
        if pixels is not None:
            out.append(_to_xy(pixels, grid))
    return out


class _Picture:
    """A band ready to be sampled anywhere, and the blur of an edge in it."""

    def __init__(self, seen: Seen, dark: bool, options: ShoreFitOptions) -> None:
        self.known: NDArray[np.bool_] = np.asarray(np.isfinite(seen.values), bool)
        values = seen.values.astype(np.float64)
        if not self.known.all() and self.known.any():
            nearest = ndimage.distance_transform_edt(
                ~self.known, return_distances=False, return_indices=True
            )
            values = values[tuple(np.asarray(nearest))]
        self.spline = np.asarray(ndimage.spline_filter(values, 3))
        self.dark = dark
        # Coarse bands were brought to the grid by linear interpolation, a triangle of variance
        # pixel² / 6; the blur of both adds up.
        between = seen.pixel**2 / 6 if seen.pixel > 1 else 0.0
        self.sigma = float(np.hypot(options.blur * seen.pixel, np.sqrt(between)))

    def at(self, rows: Real, cols: Real) -> tuple[Real, NDArray[np.bool_]]:
        """Sample; the mask is True where a value is that of pixels that were seen."""
        values = ndimage.map_coordinates(
            self.spline, [rows, cols], order=3, prefilter=False, mode="nearest"
        )
        r, c = (np.asarray(np.rint(v), np.intp) for v in (rows, cols))
        height, width = self.known.shape
        within = (r >= 0) & (r < height) & (c >= 0) & (c < width)
        r, c = np.clip(r, 0, height - 1), np.clip(c, 0, width - 1)
        return np.asarray(values), within & self.known[r, c]


def _moved(
    line: Real, closed: bool, pictures: Sequence[_Picture], options: ShoreFitOptions
) -> Real:
    """Move every point of an even line (row, col) along its normal to the best common step."""
    points = line[:-1] if closed else line
    mode = "wrap" if closed else "nearest"
    normal = _to_land(points, closed)
    half = 2 * options.width
    across = np.arange(-half, half + _EVERY / 2, _EVERY)
    tried = np.arange(-options.reach, options.reach + _TRY / 2, _TRY)
    turn = _curvature(points, normal, closed)
    weight = np.exp(-0.5 * (across / options.width) ** 2)
    cost = np.zeros((len(points), len(tried)))
    for p in pictures:
        from_line = across + (0.5 * p.sigma**2 * turn)[:, None]
        rows, cols = (points[:, k, None] + from_line * normal[:, k, None] for k in (0, 1))
        profiles, seen = p.at(rows, cols)
        one = _misfit(profiles, (across, tried, weight), p)
        whole = np.asarray(seen.all(axis=1), bool)
        cost[whole] += one[whole]
    if options.along > 0:
        cost = ndimage.gaussian_filter1d(cost, options.along, axis=0, mode=mode)
    step = ndimage.median_filter(_least(cost, tried), _TOGETHER, mode=mode)
    return _unfolded(points, points + step[:, None] * normal, closed)


def _unfolded(before: Real, after: Real, closed: bool) -> Real:
    """Leave out points that run backwards: in a narrow inlet normals cross, and the line folds."""
    if closed:
        before, after = (np.vstack([v, v[:1]]) for v in (before, after))
    on = (np.diff(before, axis=0) * np.diff(after, axis=0)).sum(axis=1) > 0
    keep = np.concatenate([[True], on])
    if closed:
        keep[-1] = True
    return after[keep]


def _misfit(profiles: Real, at: tuple[Real, Real, Real], picture: _Picture) -> Real:
    """Cost (N, places) of a step at each place, between 0 and about 1 whatever the contrast.

    A profile that no place fits, as where there is a boat or a second bank, tells its places apart
    by little: the misfit is divided by that of its own best place.
    """
    across, tried, weight = at
    root = np.sqrt(weight)
    y = profiles * root
    whole = (y**2).sum(axis=1)
    rest = np.empty((len(y), len(tried)))
    rise = np.empty_like(rest)
    for k, place in enumerate(tried):
        q, r = np.linalg.qr(_blurred(across - place, picture.sigma) * root[:, None])
        held = y @ q
        rest[:, k] = np.maximum(whole - (held**2).sum(axis=1), 0)
        rise[:, k] = np.linalg.solve(r, held.T)[1]
    best = rest.min(axis=1)
    usual = float(np.median(best)) + _NOISE**2 * float(weight.sum())
    cost = rest / (best + usual)[:, None]
    return cost + _WRONG_WAY * (rise <= 0) if picture.dark else cost


def _blurred(away: Real, sigma: float) -> Real:
    """Give what a profile is made of (T, 3): flat, the step, and the slope of the land beyond."""
    u = away / sigma
    land = np.asarray(ndtr(u))
    slope = away * land + sigma * np.exp(-0.5 * u**2) / np.sqrt(2 * np.pi)
    return np.column_stack([np.ones_like(away), land, slope])


def _least(cost: Real, tried: Real) -> Real:
    """Give the place of least cost of each row, between the places by a parabola."""
    rows = np.arange(len(cost))
    at = cost.argmin(axis=1)
    inner = np.clip(at, 1, len(tried) - 2)
    left, middle, right = (cost[rows, inner + d] for d in (-1, 0, 1))
    bend = left - 2 * middle + right
    shift = np.where(bend > 1e-12, 0.5 * (left - right) / np.maximum(bend, 1e-12), 0)
    best = tried[at] + np.where(at == inner, np.clip(shift, -0.5, 0.5) * _TRY, 0)
    # Nothing was seen, or all fits alike: the line stays.
    flat = np.ptp(cost, axis=1) < 1e-9
    return np.where(flat, 0.0, best)


def _to_land(points: Real, closed: bool) -> Real:
    """Give unit normals (row, col) towards land, of the line smoothed over its neighbours."""
    ends = _smooth(points, closed)
    tangent = ends[2:] - ends[:-2]
    normal = np.column_stack([-tangent[:, 1], tangent[:, 0]])
    return normal / np.maximum(np.hypot(*normal.T), 1e-9)[:, None]


def _curvature(points: Real, normal: Real, closed: bool) -> Real:
    """Give curvature [1/px], positive where the line bends towards land, as in a headland."""
    ends = _smooth(points, closed)
    speed = np.hypot(*(ends[2:] - ends[:-2]).T) / 2
    bend = ((ends[2:] - 2 * ends[1:-1] + ends[:-2]) * normal).sum(axis=1)
    return np.clip(bend / np.maximum(speed, 1e-9) ** 2, -_SHARPEST, _SHARPEST)


def _smooth(points: Real, closed: bool) -> Real:
    """Smooth a line over its neighbours; with one more point before and after it."""
    smooth = ndimage.gaussian_filter1d(
        points, _TURNS_OVER, axis=0, mode="wrap" if closed else "nearest"
    )
    return np.pad(smooth, ((1, 1), (0, 0)), mode="wrap" if closed else "edge")


def _even(line: Real) -> Real | None:
    """Lay points a pixel apart along a line; None if it is too short to have a direction."""
    lengths = np.hypot(*np.diff(line, axis=0).T)
    way = np.concatenate([[0.0], np.cumsum(lengths)])
    if way[-1] < 3:
        return None
    marks = np.linspace(0, way[-1], round(way[-1]) + 1)
    return np.column_stack([np.interp(marks, way, line[:, k]) for k in (0, 1)])


def _to_pixels(line: Real, grid: Grid) -> Real:
    t = ~grid.transform
    x, y = line[:, 0], line[:, 1]
    col, row = t.a * x + t.b * y + t.c, t.d * x + t.e * y + t.f
    return np.column_stack([row - 0.5, col - 0.5])


def _to_xy(line: Real, grid: Grid) -> Real:
    t = grid.transform
    row, col = line[:, 0] + 0.5, line[:, 1] + 0.5
    return np.column_stack([t.a * col + t.b * row + t.c, t.d * col + t.e * row + t.f])
