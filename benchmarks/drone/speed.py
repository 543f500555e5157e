"""CPU seconds and memory of a pair of 5 cm from accepted COGs to candidates, registration included.

The COGs are written as a submission writes them; the later flight's pixels do not lie on the
earlier one's, as of two real flights.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from affine import Affine

from benchmarks.drone.readers import ArrayReader, MirroredReader
from pipeline.acquire.inbox.surfaces import NO_HEIGHT
from pipeline.grid import tiles_over
from pipeline.io.cog import CogSpec, Filled, write_cog
from pipeline.io.flights import open_flights
from pipeline.model import Corridor, Grid
from pipeline.passes.flight_pairs import FlightPair, pair_flights
from pipeline.passes.inspect import inspect_pair
from pipeline.passes.inspect_workflow import InspectOptions, PairingOptions
from sample_scenes.drone_pair import Flight, make_pair

_OFF_M = {"before": (0.0, 0.0), "after": (0.0185, -0.0305)}  # of the lattices
_FLOWN = {"before": "2026-03-01T10:00:00+08:00", "after": "2026-06-01T10:00:00+08:00"}
_STEP = 2048


@dataclass(frozen=True)
class Speed:
    """What a pair cost."""

    hectares: float
    cpu_s: float
    wall_s: float
    peak_mb: float
    candidates: int


def speed(folder: Path, seed: int = 201, tiles: int = 3) -> Speed:
    """Lay one pair out ``tiles`` by ``tiles`` times and time it after a small one was run."""
    pair = make_pair(seed)
    for size, name in ((1, "small"), (tiles, "large")):
        for flight, own in (("before", pair.before), ("after", pair.after)):
            if not (folder / name / flight / "flight.yaml").exists():
                _write(folder / name / flight, own, size, flight)
    _inspected(folder / "small")  # compiles
    found, corridor = _pair(folder / "large")
    start, wall = time.process_time(), time.perf_counter()
    got = inspect_pair(found, [corridor], InspectOptions())
    end, wall = time.process_time(), time.perf_counter() - wall
    if got.set_aside:
        raise RuntimeError(f"the pair was refused: {got.set_aside[0].reason}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    area = found.grid.shape[0] * found.grid.shape[1] * found.grid.pixel_area_m2 / 1e4
    return Speed(area, end - start, wall, peak, len(got.candidates))


def _inspected(folder: Path) -> None:
    pair, corridor = _pair(folder)
    inspect_pair(pair, [corridor], InspectOptions())


def _pair(folder: Path) -> tuple[FlightPair, Corridor]:
    flights = open_flights([folder / "before", folder / "after"])
    extent = flights[0].extent_wgs84.buffer(0.01)
    corridor = Corridor("r", "河", "river", extent, None, 10.0, "made up")
    (pair,) = pair_flights(flights, [corridor], PairingOptions()).pairs
    return pair, corridor


def _write(folder: Path, flight: Flight, tiles: int, name: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    read = MirroredReader(ArrayReader.of(flight), tiles)
    side = flight.height.shape[0] * tiles
    down, right = _OFF_M[name]
    affine = Affine(0.05, 0, 500_000 + right, 0, -0.05, 3_500_000 + down)
    grid = Grid("EPSG:32650", affine, (side, side))

    def colours() -> Iterator[Filled]:
        for tile in tiles_over(grid, _STEP, 0):
            pixels = read(tile.core, 1)
            yield Filled(tile.core, pixels.colour, pixels.valid)

    def heights() -> Iterator[Filled]:
        for tile in tiles_over(grid, _STEP, 0):
            height = read(tile.core, 1).height
            assert height is not None
            seen = np.isfinite(height)
            yield Filled(tile.core, np.where(seen, height, np.float32(NO_HEIGHT))[None], seen)

    write_cog(folder / "ortho.tif", CogSpec(grid, 3, "uint8", None), colours())
    write_cog(folder / "dsm.tif", CogSpec(grid, 1, "float32", NO_HEIGHT), heights())
    (folder / "flight.yaml").write_text(f"flown: {_FLOWN[name]}\n")
