"""What stands on the ground, or is dug into it, at one flight alone, by its surface.

There is no earlier surface, so the ground itself is guessed: the surface without what is narrower
than a window (morphological opening; closing for pits). Slopes and one-sided steps stay in it. An
object is what stands out of that ground on all its sides: ridges, levees, banks and walls run on
and are left out, and so is all that may be natural (plants by green or roughness, single cells,
what touches the edge of the picture). When it appeared one flight cannot say; and volumes rest on a
guessed ground, so none is given.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy import ndimage

from pipeline.detect.surface_change import ChangedCells, SurfacePair
from pipeline.detect.surface_noise import classes
from pipeline.detect.surface_objects import object_of
from pipeline.detect.surface_types import FlightObject, ObjectKind, SurfaceChangeOptions
from pipeline.model import Cover, SurfaceFit, SurfaceNoise, Window

Float = NDArray[np.float32]
Mask = NDArray[np.bool_]


class SingleOptions(BaseModel):
    """What of one surface is an object."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    window_m: float = Field(default=25.0, gt=2, le=100, description="what is as wide is ground [m]")
    pit_window_m: float = Field(default=15.0, gt=2, le=100, description="the same of pits [m]")
    least_m: float = Field(default=0.6, gt=0, description="least height or depth [m]")
    ground_error_m: float = Field(
        default=0.1, gt=0, description="error of the guessed ground, 1 sigma [m]"
    )
    alone: float = Field(
        default=0.85, gt=0, le=1, description="share of its rim beyond which the ground is reached"
    )
    rim_m: float = Field(
        default=2.0, gt=0, description="distance at which the ground must be reached [m]"
    )
    longest_m: float = Field(default=60.0, gt=0, description="longer things run on [m]")
    gentle: float = Field(
        default=0.4,
        gt=0,
        description="slope of the sides below which it may be the land's own; loose heaps stand "
        "at 0.6 [1]",
    )
    rough_m: float = Field(
        default=0.12,
        gt=0,
        description="deviation over a metre beyond which a heap may be a leafless plant [m]",
    )


@dataclass(frozen=True)
class Standing:
    """One window of one flight with both guesses of its ground."""

    up: SurfacePair  # opened ground and surface
    down: SurfacePair  # closed ground and surface


def single_halo_m(options: SingleOptions) -> float:
    """Give how far [m] the guess of a cell's ground depends on others."""
    return max(options.window_m, options.pit_window_m) + 2.0


def single_fit(shape: tuple[int, int], cell_m: float, options: SingleOptions) -> SurfaceFit:
    """Give the error of a guessed ground as the error of a plane; no shift, no tilt."""
    covariance = np.zeros((5, 5))
    covariance[0, 0] = options.ground_error_m**2
    middle = (shape[0] * cell_m / 2, shape[1] * cell_m / 2)
    return SurfaceFit(
        (0.0, 0.0), (0.0, 0.0, 0.0), middle, covariance, "surface", 1.0,
        options.ground_error_m, np.zeros((8, 8), np.float32),
    )  # fmt: skip


def standing(
    window: Window,
    cell_m: float,
    height: Float,
    cover: NDArray[np.uint8],
    options: SingleOptions,
) -> Standing:
    """Guess the ground of a window.

    Parameters
    ----------
    height : float32 (H, W)
        Surface [m], NaN where there is none.
    cover : uint8 (H, W)
        Codes of :class:`pipeline.model.Cover`.
    """
    pairs: list[SurfacePair] = []
    for sign, wide in ((1, options.window_m), (-1, options.pit_window_m)):
        # A gap between things that stand is no pit: for pits they are cut down first.
        cut = height if sign > 0 else np.minimum(height, pairs[0].before)
        ground = _opened(cut * np.float32(sign), max(3, round(wide / cell_m) | 1))
        # The lowest of many noisy cells is too low: half of the ground lies above its guess.
        rise = height * np.float32(sign) - ground
        low = np.isfinite(rise) & (cover == Cover.GROUND) & (rise < options.least_m / 2)
        bias = float(np.median(rise[low])) if low.any() else 0.0
        own = (ground + np.float32(bias)) * np.float32(sign)
        pairs.append(SurfacePair(window, cell_m, own, height, (cover, cover)))
    return Standing(pairs[0], pairs[1])


def _opened(height: Float, size: int) -> Float:
    known = np.isfinite(height)
    # A metre's median first, or single faults of matching would pull the ground down.
    smooth = ndimage.median_filter(np.where(known, height, np.float32(1e6)), 3)
    low = ndimage.minimum_filter(np.where(known, smooth, np.float32(1e6)), size, mode="nearest")
    back = ndimage.maximum_filter(low, size, mode="nearest")
    ground = ndimage.uniform_filter(np.minimum(back, np.float32(1e5)), 5, mode="nearest")
    return np.where(known, np.minimum(ground, smooth), np.float32("nan")).astype(np.float32)


def single_noise_sample(
    found: Standing, options: SingleOptions
) -> tuple[Float, Float, Float, Mask]:
    """Give what :func:`pipeline.detect.surface_noise.estimate` learns from: gentle bare ground."""
    pair = found.up
    dz = np.where(pair.surface, pair.after - pair.before, np.float32(0))
    slope, rough = classes(pair.after, pair.cell_m)
    low = pair.surface & (pair.covers[1] == Cover.GROUND) & (np.abs(dz) < options.least_m / 2)
    return dz, slope, rough, low


def single_change(change: SurfaceChangeOptions, options: SingleOptions) -> SurfaceChangeOptions:
    """Give the options of change for a guessed ground."""
    least = max(options.least_m, change.least_m)
    return change.model_copy(
        update={
            "least_m": least,
            "grass_m": max(2 * least, change.grass_m),
            "plants_m": max(3 * least, change.plants_m),
        }
    )


def single_object_of(
    found: ChangedCells,
    others: Mask,
    seen: Standing,
    noise: SurfaceNoise,
    rest: tuple[SurfaceFit, SurfaceChangeOptions, SingleOptions],
) -> FlightObject | None:
    """Measure an object and say what it is; None for what may be natural or runs on."""
    fit, change, options = rest
    pair = seen.up if found.sign > 0 else seen.down
    thing = object_of(found, others, pair, noise, fit, change)
    if thing is not None and thing.kind is ObjectKind.FAULT:
        return replace(thing, fill_m3=None, cut_m3=None, net_m3=None)
    wanted = (ObjectKind.STRUCTURE, ObjectKind.PILE) if found.sign > 0 else (ObjectKind.PIT,)
    if (
        thing is None
        or thing.kind not in wanted
        or not _stands_out(thing, pair, found.sign, options)
    ):
        return None
    return replace(thing, fill_m3=None, cut_m3=None, net_m3=None)


def _stands_out(thing: FlightObject, pair: SurfacePair, sign: int, options: SingleOptions) -> bool:
    """Tell whether the ground is reached all around it, and it is neither long nor rough."""
    mask = np.zeros(pair.after.shape, bool)
    mask[thing.rows - pair.window.row0, thing.cols - pair.window.col0] = True
    cell = pair.cell_m
    if max(np.ptp(thing.rows), np.ptp(thing.cols)) * cell > options.longest_m:
        return False
    if thing.side_slope is None or thing.side_slope < options.gentle:
        return False
    steps = max(1, round(options.rim_m / cell))
    inner = np.asarray(ndimage.binary_dilation(mask, iterations=max(1, steps - 2)), bool)
    rim = np.asarray(ndimage.binary_dilation(inner, iterations=2), bool) & ~inner
    rise = sign * (pair.after - pair.before)
    if not np.isfinite(rise[rim]).all() or thing.height_m is None:
        return False  # it goes on where nothing was seen
    half = max(abs(thing.height_m.value) / 2, options.least_m / 2)
    if float((rise[rim] < half).mean()) < options.alone:
        return False
    if thing.kind is not ObjectKind.PILE:
        return True
    _, rough = classes(pair.after, cell)
    return float(np.nanmedian(rough[mask])) <= options.rough_m
