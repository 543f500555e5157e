"""Where a corridor's store lies and which grid it has: the imagery's own, of the finest sensor."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from pathlib import Path

from affine import Affine
from pyproj import CRS
from shapely import wkb

from pipeline.config import Workflow
from pipeline.errors import SceneUnusableError, SourceUnreachableError
from pipeline.grid import reproject
from pipeline.io.corridors import reaches_of, utm_crs
from pipeline.io.raster import Profile, raster_profile
from pipeline.io.store import CorridorStore, open_store
from pipeline.io.store_grid import known_grid
from pipeline.io.tasks import Progress, Workers
from pipeline.model import Corridor, Grid, Pass, SetAside
from pipeline.passes.ground import Site

_SILENT = 3  # scenes without an answer after which the server is taken to be down
_ALIGN_PX = 64  # the grid's corner and size; a multiple of every band's factor


def store_root(workflow: Workflow, corridor: Corridor, res_m: float | None = None) -> Path:
    """Give the folder of a corridor's store: another geometry or resolution is another store.

    Without a resolution the finest store that exists, or a name that none has.
    """
    options = workflow.options.store
    content = wkb.dumps(corridor.polygon_wgs84) + f"{options.context_m} {options.tile_px}".encode()
    mark = hashlib.sha256(content).hexdigest()[:8]
    folder = workflow.state / "store"
    stem = f"{corridor.id}-{mark}"
    if res_m is not None:
        return folder / f"{stem}-{res_m:g}m"
    found = sorted(folder.glob(f"{stem}-*m"), key=lambda p: float(p.name.rsplit("-", 1)[1][:-1]))
    return found[0] if found else folder / stem


def open_site(
    workflow: Workflow,
    corridor: Corridor,
    passes: Sequence[Pass],
    progress: Progress | None,
    workers: Workers | None = None,
) -> Site | None:
    """Open the corridor's store on the grid of its imagery; None if no scene can be opened.

    ``workers`` are the workflow's threads unless given.
    """
    try:
        profile = _finest_profile(passes)
    except SourceUnreachableError:
        return None
    if profile is None:
        return None
    crs, anchor, res = _lattice(corridor, profile)
    options = workflow.options.store
    stored = reproject(corridor.polygon_wgs84, "EPSG:4326", crs).buffer(options.context_m)
    grid = _grid(crs, anchor, res, stored.bounds)
    store = open_store(store_root(workflow, corridor, res), grid, options.tile_px, stored)
    if store.grid.crs != crs:
        stored = reproject(corridor.polygon_wgs84, "EPSG:4326", store.grid.crs)
        store = CorridorStore(
            store.root, store.grid, store.tile_px, stored.buffer(options.context_m)
        )
    reaches = reaches_of(corridor, store.grid.crs)
    run = (workers or options.workers, options.io_threads, progress)
    return Site(corridor, store, reaches, *run, owner=workflow.name)


def known_site(workflow: Workflow, corridor: Corridor) -> Site | None:
    """Open the corridor on the grid of the store it has, looking at no imagery; None without."""
    root = store_root(workflow, corridor)
    grid = known_grid(root)
    if grid is None:
        return None
    options = workflow.options.store
    stored = reproject(corridor.polygon_wgs84, "EPSG:4326", grid[0].crs).buffer(options.context_m)
    store = CorridorStore(root, *grid, stored)
    reaches = reaches_of(corridor, store.grid.crs)
    return Site(corridor, store, reaches, options.workers, options.io_threads, owner=workflow.name)


def why_unopened(passes: Sequence[Pass]) -> tuple[list[SetAside], list[str]]:
    """Name scenes where none can be opened: what is wrong with them, and who does not answer.

    The first few stand for the rest.
    """
    aside: list[SetAside] = []
    unreachable: list[str] = []
    for scene in [s for p in passes for s in p.scenes][:3]:
        asset = scene.assets.get("green")
        try:
            if asset is not None:
                raster_profile(asset.href, asset.access)
        except SourceUnreachableError as error:
            unreachable.append(error.what)
        except SceneUnusableError as error:
            aside.append(SetAside(scene.id, "gather", error.what, error.remedy))
    return aside, unreachable


def _finest_profile(passes: Sequence[Pass]) -> Profile | None:
    """Header of a scene of the finest sensor, so that no sensor coarsens another."""
    sensors = sorted({p.sensor for p in passes})
    found = [_first_profile([p for p in passes if p.sensor == s]) for s in sensors]
    usable = [(_pixel(f.transform), i) for i, f in enumerate(found) if f is not None]
    # A geographic source counts pixels in degrees; it is never the finest of several by that.
    metric = [(a, i) for a, i in usable if CRS.from_user_input(_crs_of(found[i])).is_projected]
    return found[min(metric or usable)[1]] if usable else None


def _pixel(t: Affine) -> float:
    """Give the width of a pixel, also of a file that is mirrored or turned: it is warped."""
    return math.hypot(t.a, t.d)


def _crs_of(profile: Profile | None) -> str:
    return profile.crs if profile is not None else ""


def _first_profile(passes: Sequence[Pass]) -> Profile | None:
    scenes = sorted((s for p in passes for s in p.scenes), key=lambda s: (s.catalogue_id, s.id))
    silent = 0
    for scene in scenes:
        asset = scene.assets.get("green")
        if asset is None:
            continue
        try:
            return raster_profile(asset.href, asset.access)
        except SceneUnusableError:
            continue  # it is set aside by name when it is gathered
        except SourceUnreachableError:
            silent += 1
            if silent == _SILENT:
                # The server is down: asking for each scene would take hours, and going on without
                # this sensor would choose another grid.
                raise
    return None


def _lattice(corridor: Corridor, profile: Profile) -> tuple[str, tuple[float, float], float]:
    """CRS, a corner of the lattice, and pixel size [m]: the imagery's own where it is metric."""
    crs = CRS.from_user_input(profile.crs)
    if crs.is_projected and crs.axis_info[0].unit_name == "metre" and "UTM" in crs.name.upper():
        t = profile.transform
        return profile.crs, (t.c, t.f), _pixel(t)
    # Geographic sources are warped once, to 10 m in the UTM zone of the corridor.
    return utm_crs(corridor.polygon_wgs84), (0.0, 0.0), 10.0


def _grid(
    crs: str,
    anchor: tuple[float, float],
    res: float,
    bounds: tuple[float, float, float, float],
) -> Grid:
    """Snap bounds outward to ``_ALIGN_PX`` pixels from the anchor."""
    step = res * _ALIGN_PX
    left = anchor[0] + (bounds[0] - anchor[0]) // step * step
    right = anchor[0] - (anchor[0] - bounds[2]) // step * step
    bottom = anchor[1] + (bounds[1] - anchor[1]) // step * step
    top = anchor[1] - (anchor[1] - bounds[3]) // step * step
    shape = (round((top - bottom) / res), round((right - left) / res))
    return Grid(crs, Affine(res, 0, left, 0, -res, top), shape)
