"""What an object of a surface pair is: structure, heap, pit, fill, something gone, or nothing.

Plants that grew, moved or were felled and cars that came or went are no objects. A fallen surface
is a pit only if it lies below the ground around it; else what stood on the ground is gone.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.detect.surface_body import Body, body_of
from pipeline.detect.surface_change import ChangedCells, SurfacePair, away
from pipeline.detect.surface_measure import Measured, Outlined, measure, outlined
from pipeline.detect.surface_types import FlightObject, ObjectKind, SurfaceChangeOptions
from pipeline.model import Cover, SurfaceFit, SurfaceNoise

Mask = NDArray[np.bool_]


def halo_m(options: SurfaceChangeOptions) -> float:
    """Give how far [m] around an object its window must reach."""
    return options.margin_m + 10.0


def object_of(
    found: ChangedCells,
    others: Mask,
    pair: SurfacePair,
    noise: SurfaceNoise,
    fit: SurfaceFit,
    options: SurfaceChangeOptions,
) -> FlightObject | None:
    """Measure an object and say what it is; None for plants, cars, and what is not sure.

    What cannot be is a ``FAULT``, to be named and not told.

    Parameters
    ----------
    found, others, pair
        As of :func:`body_of`; the window reaches :func:`halo_m` beyond the object.
    """
    body = body_of(found, others, pair, noise, options)
    if not body.core.any():
        return None
    shape, filled = outlined(body, noise, options), float(found.fill.mean()) > 0.5
    if shape.footprint_m2 < options.least_area_m2 or _dropped(body, shape, filled, options):
        return None
    got = measure(body, shape, noise, fit)
    kind = ObjectKind.FILL if filled else _kind(body, got, options)
    sunk = kind is ObjectKind.FILL and got.net_m3.value < 0  # below the water's level: no fill
    if kind is None or sunk or got.strength <= 1:
        return None
    kind = ObjectKind.FAULT if _cannot_be(kind, got, options) else kind
    rows, cols = np.nonzero(got.footprint)
    return FlightObject(
        kind=kind,
        rows=(rows + pair.window.row0).astype(np.int32),
        cols=(cols + pair.window.col0).astype(np.int32),
        strength=got.strength,
        footprint_m2=got.footprint_m2,
        height_m=got.height_m,
        fill_m3=got.fill_m3,
        cut_m3=got.cut_m3,
        net_m3=got.net_m3,
        side_slope=got.side_slope,
        planarity_m=got.planarity_m,
        unseen_share=got.unseen_share,
        volume_is_least=kind is ObjectKind.FILL,
    )


def _dropped(body: Body, shape: Outlined, filled: bool, options: SurfaceChangeOptions) -> bool:
    """Whether it is none, whatever its measures: beside plants that move."""
    return not filled and shape.footprint_m2 < options.sway_m2 and _beside_plants(body)


def _kind(body: Body, got: Measured, options: SurfaceChangeOptions) -> ObjectKind | None:
    if body.sign > 0:
        kind = _raised(got, options)
        roof = kind is ObjectKind.STRUCTURE and got.planarity_m < options.flat_m / 3
        return kind if roof or not _plants(body, 1) else None
    if _below_ground(body, options):
        return ObjectKind.PIT
    stood = _raised(got, options)
    return None if stood is None or _plants(body, 0) else ObjectKind.REMOVED


def _cannot_be(kind: ObjectKind, got: Measured, options: SurfaceChangeOptions) -> bool:
    """Whether nothing is as high, as deep or as slender: a surface has a hole or a spike there."""
    high, wide = abs(got.height_m.value), float(np.sqrt(got.outlined_m2))
    dug = kind is ObjectKind.PIT
    walls = not dug and (kind is ObjectKind.STRUCTURE or got.side_slope >= options.steep)
    most = options.slender_wall if walls else options.slender_ground
    return high > (options.deepest_m if dug else options.highest_m) or high > most * wide


def _raised(got: Measured, options: SurfaceChangeOptions) -> ObjectKind | None:
    """Say what stands higher; None for a car."""
    height, area = abs(got.height_m.value), got.outlined_m2
    walls = got.side_slope >= options.steep
    (small, large), (low, tall) = options.car_m2, options.car_m
    cornered = got.side_slope >= options.car_steep
    if cornered and small <= area <= large and low <= height <= tall:
        return None
    if walls and height >= options.structure_m and got.planarity_m <= options.flat_m:
        return ObjectKind.STRUCTURE
    return ObjectKind.PILE


def _plants(body: Body, date: int) -> bool:
    """Whether plants stand there on that date, or moved about there."""
    green = body.pair.covers[date] == Cover.VEGETATION
    either = float(body.pair.plants[body.core].mean())
    return float(green[body.core].mean()) >= 0.4 or either >= 0.7


def _beside_plants(body: Body) -> bool:
    """Whether a third of what is around it is plants, on either date."""
    ring = np.asarray(ndimage.binary_dilation(body.core, iterations=3), bool) & ~body.core
    return float(body.pair.plants[ring].mean()) > 0.35 if ring.any() else False


def _below_ground(body: Body, options: SurfaceChangeOptions) -> bool:
    """Whether the deeper part of the later surface lies below the ground around it."""
    pair = body.pair
    far = away(body.core) * pair.cell_m
    ground = pair.surface & ~pair.plants & ~body.core
    ring = ground & (far > 0.6) & (far <= 3.0)
    if ring.sum() < 30:
        ring = ground & (far > 0.6)
    if ring.sum() < 30:
        return False
    rows, cols = np.nonzero(ring)
    basis = np.stack([np.ones(rows.size), rows, cols], axis=1).astype(float)
    level = np.linalg.lstsq(basis, pair.after[ring].astype(float), rcond=None)[0]
    inside_r, inside_c = np.nonzero(body.core & np.isfinite(pair.after))
    around = level[0] + level[1] * inside_r + level[2] * inside_c
    depth = around - pair.after[inside_r, inside_c]
    deep = float(np.percentile(depth, 75))
    fallen = float(np.percentile(-body.dz[body.core], 75))
    return deep > max(options.least_m, 0.5 * fallen)
