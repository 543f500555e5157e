"""How often a pair of flights says rightly, wrongly or not at all that nothing is at a place.

Places are as large as a satellite's small cases (radius 6 to 12 m). *Unchanged* ones lie where the
true surface of both dates is the same all over and nothing of what is looked for stands or stood;
*changed* ones hold a true object. What is found within 3 m of a place is seen there, as in the
worklist; else the pair is asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from shapely.geometry import MultiPoint, Point

from benchmarks.drone.objects import grid_of
from benchmarks.drone.readers import ArrayReader
from pipeline.detect.surface_single import SingleOptions
from pipeline.grid import reproject
from pipeline.model import Grid
from pipeline.passes.flight_places import PairAsker
from pipeline.passes.flight_windows import FlightOptions
from pipeline.passes.flights import compare_surfaces
from sample_scenes.drone_pair import Pair, make_pair

_A_SEED = 12  # unchanged places
_TOUCHING_M = 3.0
Answer = tuple[str, str]
"""What is true of a place (``unchanged`` or a kind), and what was said of it."""


@dataclass(frozen=True)
class _Place:
    true: str
    middle_m: tuple[float, float]  # row, column [m]
    radius_m: float


def contradictions(seed: int) -> list[Answer]:
    """Ask one pair about all its places."""
    pair = make_pair(seed)
    grid, options = grid_of(pair), FlightOptions()
    readers = ArrayReader.of(pair.before), ArrayReader.of(pair.after)
    found = compare_surfaces(*readers, grid, options)
    asker = PairAsker(*readers, grid, options, found, SingleOptions())
    places = _places(seed, pair)
    shapes = [_point(grid, p).buffer(p.radius_m) for p in places]
    t = found.grid.transform
    seen = [
        MultiPoint(np.column_stack([t.c + (o.cols + 0.5) * t.a, t.f + (o.rows + 0.5) * t.e]))
        for o in found.objects
    ]
    said = asker([reproject(s, grid.crs, "EPSG:4326") for s in shapes])
    out: list[Answer] = []
    for place, shape, answer in zip(places, shapes, said, strict=True):
        near = any(s.distance(shape) <= _TOUCHING_M for s in seen)
        empty = "contradicted" if answer.nothing else "undecided"
        out.append((place.true, "seen" if near else empty))
    return out


def _point(grid: Grid, place: _Place) -> Point:
    t = grid.transform
    return Point(t.c + place.middle_m[1], t.f - place.middle_m[0])


def _places(seed: int, pair: Pair) -> Sequence[_Place]:
    rng = np.random.default_rng((seed, 7))
    out: list[_Place] = []
    for t in pair.truth:
        rows, cols = np.nonzero(t.mask)
        middle = (float(rows.mean() * pair.gsd_m), float(cols.mean() * pair.gsd_m))
        reach = float(np.hypot(rows - rows.mean(), cols - cols.mean()).max() * pair.gsd_m)
        out.append(_Place(t.kind, middle, max(reach, float(rng.uniform(6, 12)))))
    far = _room_m(pair)
    for _ in range(_A_SEED):
        radius = float(rng.uniform(6, 12))
        free = np.argwhere(far > radius + _TOUCHING_M)
        if len(free):
            r, c = free[rng.integers(len(free))] * 0.4
            out.append(_Place("unchanged", (float(r), float(c)), radius))
    return out


def _room_m(pair: Pair) -> NDArray[np.float64]:
    """Distance to water, to the frame and to what truly changed or stands [m], by 0.4 m."""
    step = round(0.4 / pair.gsd_m)
    busy = pair.water[0] | pair.water[1] | pair.standing | ~(np.abs(pair.true_dz) < 0.15)
    for t in pair.truth:
        busy |= t.mask
    rows, cols = (n // step * step for n in busy.shape)
    blocks = busy[:rows, :cols].reshape(rows // step, step, cols // step, step).mean(axis=(1, 3))
    some = np.pad(blocks > 0.05, 1, constant_values=True)
    return np.asarray(ndimage.distance_transform_edt(~some), np.float64)[1:-1, 1:-1] * 0.4
