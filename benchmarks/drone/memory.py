"""Peak memory of taking in a mosaic, and of comparing a pair, of any size.

A band of ground along the diagonal and the rest of the frame empty, as a flight along a river
leaves it: what must not grow with the frame is what is held of it. Each step runs in a process of
its own, whose peak is read from the system.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.acquire.inbox.checks import Sheet
from pipeline.acquire.inbox.pixels import plan_bands, write_mosaic
from pipeline.acquire.inbox.surfaces import write_surface
from pipeline.acquire.inbox.tiff import read_header
from pipeline.io.flights import open_flights
from pipeline.model import Corridor, Grid
from pipeline.passes.flight_pairs import pair_flights
from pipeline.passes.inspect import inspect_pair
from pipeline.passes.inspect_workflow import InspectOptions, PairingOptions

_GSD, _CRS, _BLOCK, _DETAIL = 0.05, "EPSG:32650", 2048, 8
_HEAP_M = 2.5  # of the blocks that the later flight has and the earlier one has not


@dataclass(frozen=True)
class Peak:
    """What one step cost."""

    step: str
    peak_mb: float
    cpu_s: float
    said: str


def memory(folder: Path, side: int) -> list[Peak]:
    """Take in two flights of ``side`` by ``side`` pixels (RGBA and surface) and compare them.

    Flights that an earlier call left in the folder are compared and not taken in again.
    """
    out: list[Peak] = []
    for flight in ("before", "after"):
        if (folder / flight / "taken.txt").exists():
            continue  # of an earlier call: what is left to measure is the comparison
        _apart(_write_raw, folder, side, flight)
        out.append(_apart(_take_in, folder, side, flight))
        for name in ("raw.tif", "raw_dsm.tif"):
            (folder / flight / name).unlink()
        (folder / flight / "taken.txt").touch()
    out.append(_apart(_compare, folder, side, ""))
    return out


def _apart(do: Callable[[Path, str], str] | Any, folder: Path, side: int, flight: str) -> Peak:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_measured, do, folder, side, flight).result()


def _measured(do: Any, folder: Path, side: int, flight: str) -> Peak:
    start = time.process_time()
    said = do(folder, side, flight)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    step = f"{do.__name__.strip('_').replace('_', ' ')} {flight}".strip()
    return Peak(step, peak, time.process_time() - start, said)


def _write_raw(folder: Path, side: int, flight: str) -> str:
    own = folder / flight
    own.mkdir(parents=True, exist_ok=True)
    profile: dict[str, Any] = {
        "driver": "GTiff", "height": side, "width": side, "crs": _CRS, "tiled": True,
        "blockxsize": 512, "blockysize": 512, "compress": "lzw", "sparse_ok": True,
        "transform": Affine(_GSD, 0, 500000, 0, -_GSD, 3500000), "bigtiff": "yes",
    }  # fmt: skip
    colours: dict[str, Any] = {"count": 4, "dtype": "uint8", "photometric": "RGB", "alpha": "YES"}
    heights: dict[str, Any] = {"count": 1, "dtype": "float32", "nodata": -9999.0}
    with (
        rasterio.open(own / "raw.tif", "w", **profile, **colours) as ortho,
        rasterio.open(own / "raw_dsm.tif", "w", **profile, **heights) as dsm,
    ):
        for k in range(side // _BLOCK):
            for near in (k - 1, k):
                if near < 0:
                    continue
                colour, height = _block(k, near, later=flight == "after")
                at = ((k * _BLOCK, (k + 1) * _BLOCK), (near * _BLOCK, (near + 1) * _BLOCK))
                ortho.write(colour, window=at)
                dsm.write(height, 1, window=at)
    (own / "flight.yaml").write_text(
        f"flown: 2026-0{3 if flight == 'before' else 6}-01T10:00:00+08:00\n"
    )
    return ""


def _block(row: int, col: int, *, later: bool) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Draw ground with detail of 0.4 m, and two heaps that the later flight alone has."""
    rng = np.random.default_rng((row, col))
    n = _BLOCK // _DETAIL
    grey = ndimage.gaussian_filter(rng.normal(0, 1, (n, n)), 1.5) * 90 + 120
    grey = np.kron(np.clip(grey, 20, 230).astype(np.uint8), np.ones((_DETAIL, _DETAIL), np.uint8))
    height = np.full((_BLOCK, _BLOCK), 40.0, np.float32)
    height += np.kron(np.round(rng.normal(0, 0.02, (n, n)), 2), np.ones((_DETAIL, _DETAIL))).astype(
        np.float32
    )
    if later:
        grey, height = grey.copy(), height + np.float32(0.3)
        for r, c in ((300, 400), (1300, 1500)):
            grey[r : r + 120, c : c + 120] = 215
            height[r : r + 120, c : c + 120] += np.float32(_HEAP_M)
    colour = np.stack([grey, grey - 5, grey - 12, np.full_like(grey, 255)])
    return colour, height


def _take_in(folder: Path, side: int, flight: str) -> str:
    own = folder / flight
    sheets: list[Sheet] = []
    for name in ("raw.tif", "raw_dsm.tif"):
        header = read_header(own / name, name)
        grid = Grid(_CRS, header.transform, header.shape)
        sheets.append(Sheet((header,), grid, _GSD))
    tally = write_mosaic(sheets[0], plan_bands(sheets[0], None), own / "ortho.tif")
    write_surface(sheets[1], own / "dsm.tif")
    return f"{side} px a side, {tally.valid * _GSD**2 / 1e4:.0f} ha with a picture"


def _compare(folder: Path, side: int, flight: str) -> str:
    del side, flight
    flights = open_flights([folder / "before", folder / "after"])
    extent = flights[0].extent_wgs84
    corridor = Corridor("r", "河", "river", extent.buffer(0.01), None, 10.0, "made up")
    (pair,) = pair_flights(flights, [corridor], PairingOptions()).pairs
    got = inspect_pair(pair, [corridor], InspectOptions())
    aside = "".join(f"; {a.reason}" for a in got.set_aside)
    return f"{len(got.candidates)} candidates{aside}"
