"""CPU seconds and memory of a pair of orthomosaics and surfaces of 5 cm, registration included."""

from __future__ import annotations

import resource
import time
from dataclasses import dataclass

from benchmarks.drone.objects import grid_of
from benchmarks.drone.readers import ArrayReader, MirroredReader
from pipeline.model import Grid
from pipeline.passes.flights import FlightOptions, compare_surfaces
from pipeline.prepare.flight_moved import moved
from pipeline.prepare.flight_register import PictureRegisterOptions, register_pictures
from sample_scenes.drone_pair import make_pair


@dataclass(frozen=True)
class Speed:
    """What a pair cost."""

    hectares: float
    register_cpu_s: float
    compare_cpu_s: float
    wall_s: float
    peak_mb: float
    objects: int


def speed(seed: int = 201, tiles: int = 3) -> Speed:
    """Lay one pair out ``tiles`` by ``tiles`` times and time it after a small one was run."""
    pair = make_pair(seed)
    before, after = (ArrayReader.of(f) for f in (pair.before, pair.after))
    small = grid_of(pair)
    compare_surfaces(before, after, small, FlightOptions())  # compiles
    grid = Grid(small.crs, small.transform, (small.shape[0] * tiles, small.shape[1] * tiles))
    wide = MirroredReader(before, tiles), MirroredReader(after, tiles)
    start, wall = time.process_time(), time.perf_counter()
    laid = register_pictures(*wide, grid, PictureRegisterOptions())
    middle = time.process_time()
    got = compare_surfaces(wide[0], moved(wide[1], laid.map), grid, FlightOptions())
    end, wall = time.process_time(), time.perf_counter() - wall
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    area = grid.shape[0] * grid.shape[1] * grid.pixel_area_m2 / 1e4
    return Speed(area, middle - start, end - middle, wall, peak, len(got.objects))
