"""What fetching would cost: bytes and seconds, from a few scenes that are looked at.

Per sensor a handful of scenes, spread over the period, are opened: the size of each of their files
times the share of its blocks that the corridor touches are its bytes, and one block that is read
gives the seconds. The rest are taken to be like them.
"""

from __future__ import annotations

import math
import os
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from shapely.geometry import box

from pipeline.errors import SceneUnusableError, SourceUnreachableError
from pipeline.grid import reproject
from pipeline.io.asset_reader import AssetReader
from pipeline.io.blocks import pieces
from pipeline.io.raster import Profile, raster_profile
from pipeline.io.sizes import file_bytes
from pipeline.model import Asset, Pass, Scene, Tile
from pipeline.passes.gather import OPTIONAL, REQUIRED
from pipeline.passes.ground import Site

_SAMPLES = 3  # scenes of a sensor
_PACKED = 0.7  # share of its pixels' bytes that a compressed file of unknown size is taken to have


@dataclass(frozen=True)
class Estimate:
    """Of all scenes of some passes over one corridor."""

    scenes: int
    fetched_bytes: float  # over the network, or from the disk the imagery is on
    stored_bytes: float  # in the corridor store
    seconds: float  # with ``io_threads`` readers
    sampled: int  # scenes that were looked at; 0: nothing could be opened and nothing is known
    measured: bool  # every file's size was told and not inferred from its shape


@dataclass(frozen=True)
class _Sample:
    fetched: float
    wall: float
    cpu: float
    measured: bool


def estimate(site: Site, passes: Sequence[Pass]) -> Estimate:
    """Estimate what gathering ``passes`` would fetch; opens at most three scenes a sensor."""
    fetched = wall = cpu = 0.0
    sampled, measured = 0, True
    scenes = [s for p in passes for s in p.scenes]
    for sensor in sorted({s.sensor for s in scenes}):
        own = [s for s in scenes if s.sensor == sensor]
        # Products of a disk that are not ready yet have no files to look at.
        there = [s for s in own if _lies_there(s)] or own
        samples = [f for s in _spread(there) if (f := _sample(site, s)) is not None]
        if not samples:
            continue
        fetched += len(own) * statistics.mean(f.fetched for f in samples)
        wall += len(own) * statistics.median(f.wall for f in samples)
        cpu += len(own) * statistics.median(f.cpu for f in samples)
        sampled += len(samples)
        measured = measured and all(f.measured for f in samples)
    pixels = sum(site.store.runs(t.core).size for t in site.store.tiles)
    bands = statistics.mean(len(_wanted(s)) for s in scenes) if scenes else 0.0
    return Estimate(
        scenes=len(scenes),
        fetched_bytes=fetched,
        stored_bytes=len(passes) * pixels * bands * 2 * _PACKED,
        # Readers wait side by side, but work only on as many cores as there are.
        seconds=max(wall / site.io_threads, cpu / min(site.io_threads, os.cpu_count() or 1)),
        sampled=sampled,
        measured=measured,
    )


def bytes_to_read(site: Site, passes: Sequence[Pass], *, ask: bool) -> float | None:
    """Estimate the bytes of ``passes`` that gathering reads; None where nobody says it.

    Parameters
    ----------
    ask
        Ask servers for the sizes of files; else only files of this machine are looked at.
    """
    total = 0.0
    scenes = [s for p in passes for s in p.scenes]
    for sensor in sorted({s.sensor for s in scenes}):
        own = [s for s in scenes if s.sensor == sensor]
        near = own if ask else [s for s in own if not any("://" in a.href for a in _wanted(s))]
        there = [s for s in near if _lies_there(s)]
        try:
            found = [_fetched(site, s)[0] for s in _spread(there)]
        except (SceneUnusableError, SourceUnreachableError):
            return None
        if not found:
            return None
        total += len(own) * statistics.mean(found)
    return total


def _spread(scenes: Sequence[Scene]) -> list[Scene]:
    """Take the middle scene of each part of the period."""
    ordered = sorted(scenes, key=lambda s: (s.acquired, s.id))
    n = min(_SAMPLES, len(ordered))
    return [ordered[(2 * i + 1) * len(ordered) // (2 * n)] for i in range(n)]


def _lies_there(scene: Scene) -> bool:
    return all("://" in a.href or Path(a.href).is_file() for a in _wanted(scene))


def _wanted(scene: Scene) -> list[Asset]:
    return [scene.assets[b] for b in (*REQUIRED, *OPTIONAL) if b in scene.assets]


def _sample(site: Site, scene: Scene) -> _Sample | None:
    assets = _wanted(scene)
    try:
        fetched, measured = _fetched(site, scene)
        times = [_seconds(site, a) for a in assets[:2]]
    except (SceneUnusableError, SourceUnreachableError):
        return None
    wall, cpu = (len(assets) * statistics.mean(t[k] for t in times) for k in (0, 1))
    return _Sample(fetched, wall, cpu, measured)


def _fetched(site: Site, scene: Scene) -> tuple[float, bool]:
    """Bytes of a scene's blocks that the corridor touches, and whether all sizes were told."""
    assets = _wanted(scene)
    fetched, measured = 0.0, True
    files = {a.href: raster_profile(a.href, a.access) for a in assets}
    for href, profile in files.items():
        used = [a for a in assets if a.href == href]
        size = file_bytes(href, used[0].access)
        measured = measured and size is not None
        if size is None:
            size = round(profile.shape[0] * profile.shape[1] * profile.count * 2 * _PACKED)
        # Bands of a stack that nobody asks for are not read where they lie apart.
        fetched += size * _touched(site, profile) * min(len(used) / profile.count, 1.0)
    return fetched, measured


def _touched(site: Site, profile: Profile) -> float:
    """Give the share of a file's blocks that the tiles of the corridor touch."""
    rows, cols = (-(-n // b) for n, b in zip(profile.shape, profile.block, strict=True))
    touched: set[tuple[int, int]] = set()
    for tile in site.store.tiles:
        frame = box(*site.store.grid.sub(tile.core).bounds)
        moved = reproject(frame.segmentize(1000), site.store.grid.crs, profile.crs)
        left, bottom, right, top = moved.bounds
        if not all(math.isfinite(v) for v in moved.bounds):
            return 1.0  # a frame that its CRS cannot hold: all of it may be touched
        inverse: Any = ~profile.transform
        corners = [inverse * (left, top), inverse * (right, bottom)]
        first = [int(v // b) for v, b in zip(corners[0][::-1], profile.block, strict=True)]
        last = [int(-(-v // b)) for v, b in zip(corners[1][::-1], profile.block, strict=True)]
        touched.update(
            (r, c)
            for r in range(max(first[0], 0), min(last[0], rows))
            for c in range(max(first[1], 0), min(last[1], cols))
        )
    return len(touched) / (rows * cols)


def _seconds(site: Site, asset: Asset) -> tuple[float, float]:
    """Time to bring one band into a store, (wall, CPU): opening it, and a tile for every tile."""
    began, tile = (time.perf_counter(), time.thread_time()), _busiest(site)
    with AssetReader(asset, site.store.grid) as reader:
        opened = (time.perf_counter(), time.thread_time())
        values, _ = reader.read(tile.core)
        layer = site.store.pack(values.astype(np.int16), tile, reader.factor)
        pieces({asset.band: layer})
        done = (time.perf_counter(), time.thread_time())
    times = len(site.store.tiles)
    wall, cpu = (o - b + (d - o) * times for b, o, d in zip(began, opened, done, strict=True))
    return wall, cpu


def _busiest(site: Site) -> Tile:
    return max(site.store.tiles, key=lambda t: site.store.runs(t.core).size)
