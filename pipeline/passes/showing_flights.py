"""Evidence of cases from two flights of a drone: both mosaics, and the change of the surface."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from pipeline.errors import SceneUnusableError
from pipeline.evidence.options import EvidenceOptions
from pipeline.evidence.types import Missing, Picture, Views
from pipeline.grid import reproject
from pipeline.io.burn import burn
from pipeline.io.flights import FlightFolder
from pipeline.model import DRONE, Case, FlightPixels, FlightReader, Grid, Seen, Window
from pipeline.passes.flight_looks import look_names
from pipeline.passes.showing import ground_of, nothing
from pipeline.pixel_map import SAME, PixelMap

_BANDS = ("red", "green", "blue", "nir")
_LEAST_M = 40.0  # side of the ground shown around something small
_MOST_PX = 512
_RING_PX = 20  # of stable ground without which no median is taken off


@dataclass(frozen=True)
class Taken:
    """A flight, and its pixels on a grid."""

    flight: FlightFolder
    read: FlightReader
    by: PixelMap = SAME  # how it was laid there


@dataclass(frozen=True)
class FlightViews:
    """Two flights on one grid, the later one laid onto the earlier; or one alone."""

    grid: Grid
    before: Taken | None
    after: Taken


def from_flights(flights: Sequence[FlightViews], options: EvidenceOptions, case: Case) -> Views:
    """Give the pictures of a case from the newest pair, or flight alone, that saw it.

    Of the pairs of one later flight that which shows the whole place, then that whose earlier
    flight had not seen it yet.
    """
    hits = {k.pass_id for k in case.looks if k.seen is Seen.HIT and k.of_drone}
    saw = [v for v in flights if not hits.isdisjoint(look_names(v.after.flight.id))]
    if not saw:
        return nothing(case, "of_drone" if case.of_drone else "not_here")
    place = reproject(case.polygon, case.crs, "EPSG:4326")
    newest = max(saw, key=partial(_rank, hits, place))
    try:
        return _views(newest, options, case)
    except SceneUnusableError as error:
        return replace(nothing(case, "not_here"), missing=(Missing("not_here", error.what),))


def _rank(
    hits: Collection[str], place: BaseGeometry, views: FlightViews
) -> tuple[datetime, bool, bool, bool, datetime]:
    after = views.after.flight
    if views.before is None:
        return after.flown, after.extent_wgs84.contains(place), False, False, after.flown
    before = views.before.flight
    both = before.extent_wgs84.contains(place) and after.extent_wgs84.contains(place)
    fresh = look_names(before.id).isdisjoint(hits)
    return after.flown, both, True, fresh, before.flown


def _views(flights: FlightViews, options: EvidenceOptions, case: Case) -> Views:
    fine = flights.grid
    outline = reproject(case.polygon, case.crs, fine.crs)
    near = options.model_copy(update={"least_side_m": min(_LEAST_M, options.least_side_m)})
    # As if its pixels were as coarse as those that are shown: then the ground fits.
    left, bottom, right, top = outline.bounds
    extent = max(right - left, top - bottom)
    step = max(1, math.ceil(max(extent * 1.7, _LEAST_M) / fine.res_m / _MOST_PX))
    coarse = Grid(
        fine.crs,
        fine.transform * Affine.scale(step),
        (fine.shape[0] // step, fine.shape[1] // step),
    )
    cells, whole = ground_of(outline, coarse, near)
    window = Window(*(step * v for v in (cells.row0, cells.row1, cells.col0, cells.col1)))
    grid = coarse.sub(cells)
    after = flights.after.read(window, step)
    before = None if flights.before is None else flights.before.read(window, step)
    around = ~burn(outline.buffer(2 * grid.res_m), grid)
    rise = None if before is None else _rise(before, after, around)
    pictures = (_picture(before, flights.before), _picture(after, flights.after))
    names = ("no_before", "no_after")
    missing = [Missing(n) for n, p in zip(names, pictures, strict=True) if p is None]
    missing += [Missing("no_rise")] if rise is None else []
    return Views(grid, outline, pictures[0], pictures[1], tuple(missing), rise, whole)


def _picture(pixels: FlightPixels | None, taken: Taken | None) -> Picture | None:
    if pixels is None or taken is None or not pixels.valid.any():
        return None
    flight = taken.flight
    full = np.float32(np.iinfo(pixels.colour.dtype).max)
    bands = {
        name: np.where(pixels.valid, band / full, np.float32(np.nan)).astype(np.float32)
        for name, band in zip(_BANDS, pixels.colour, strict=False)
    }
    return Picture(f"{DRONE}_{flight.id}", flight.flown, DRONE, bands, pixels.valid, flight.gsd_m)


def _rise(
    before: FlightPixels, after: FlightPixels, around: NDArray[np.bool_]
) -> NDArray[np.float32] | None:
    """Give after less before [m], with the median of the ground around the case taken off.

    That is what two flights without a common datum leave; a tilt over so little ground is less than
    the legend shows.
    """
    if before.height is None or after.height is None:
        return None
    rise = np.asarray(after.height - before.height, np.float32)
    stable = rise[around & np.isfinite(rise)]
    if stable.size < _RING_PX:
        return None
    return rise - np.float32(np.median(stable))
