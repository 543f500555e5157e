"""CPU seconds and memory of a pair of orthomosaics and surfaces of 5 cm, from accepted arrays."""

from __future__ import annotations

import resource
import time
from dataclasses import dataclass

import numpy as np

from benchmarks.drone.objects import grid_of
from benchmarks.drone.readers import ArrayReader
from pipeline.model import Grid
from pipeline.passes.flights import FlightOptions, compare_surfaces
from sample_scenes.drone_pair import Flight, Pair, make_pair


@dataclass(frozen=True)
class Speed:
    """What a pair cost; ``held_mb`` of ``peak_mb`` are the arrays themselves."""

    hectares: float
    cpu_s: float
    wall_s: float
    peak_mb: float
    held_mb: float
    objects: int


def speed(seed: int = 201, tiles: int = 3) -> Speed:
    """Lay one pair out ``tiles`` by ``tiles`` times and time the second of two runs."""
    pair = make_pair(seed)
    flights = [_tiled(f, tiles) for f in (pair.before, pair.after)]
    small = grid_of(pair)
    grid = Grid(small.crs, small.transform, (small.shape[0] * tiles, small.shape[1] * tiles))
    _run(pair)
    cpu, wall = time.process_time(), time.perf_counter()
    got = compare_surfaces(
        ArrayReader.of(flights[0]), ArrayReader.of(flights[1]), grid, FlightOptions()
    )
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    held = sum(f.colour.nbytes + f.height.nbytes for f in flights) / 1e6
    area = grid.shape[0] * grid.shape[1] * grid.pixel_area_m2 / 1e4
    return Speed(area, cpu, wall, peak, held, len(got.objects))


def _run(pair: Pair) -> None:
    compare_surfaces(
        ArrayReader.of(pair.before), ArrayReader.of(pair.after), grid_of(pair), FlightOptions()
    )


def _tiled(flight: Flight, by: int) -> Flight:
    """Mirror a flight at its edges, so that it has no seams."""
    colour, height = flight.colour, flight.height
    n = height.shape[0]
    place = np.concatenate([np.arange(n) if k % 2 == 0 else np.arange(n)[::-1] for k in range(by)])
    return Flight(
        np.ascontiguousarray(colour[:, place][:, :, place]),
        np.ascontiguousarray(height[place][:, place]),
    )
