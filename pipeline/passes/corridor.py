"""One corridor, from its passes to candidates: the sweeps in their order."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import numpy as np
from affine import Affine
from pyproj import CRS
from shapely import wkb

from pipeline.adjudicate.tracks import link
from pipeline.config import Workflow
from pipeline.errors import SceneUnusableError, SourceUnreachableError
from pipeline.grid import reproject
from pipeline.io.burn import burn
from pipeline.io.corridors import reaches_of, utm_crs
from pipeline.io.failpoints import failpoint
from pipeline.io.raster import Profile, raster_profile
from pipeline.io.store import CorridorStore, open_store
from pipeline.io.tasks import Progress
from pipeline.model import Candidate, Case, Corridor, Grid, NotObserved, Pass, SetAside
from pipeline.passes.follow import FollowOptions, follow
from pipeline.passes.gather import fingerprint, gather, plan
from pipeline.passes.ground import Looks, Site, Sparse
from pipeline.passes.reduce import Reduced, reduce_dates
from pipeline.passes.states import write_states
from pipeline.passes.watch import Watched, watch

log = logging.getLogger("siluan")

_ALIGN_PX = 64  # the grid's corner and size; a multiple of every band's factor


@dataclass
class Judged:
    """What a run found in one corridor."""

    corridor_id: str
    candidates: list[Candidate] = field(default_factory=list[Candidate])
    not_observed: list[NotObserved] = field(default_factory=list[NotObserved])
    set_aside: list[SetAside] = field(default_factory=list[SetAside])
    unreachable: list[str] = field(default_factory=list[str])
    inputs: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    counts: dict[str, Any] = field(default_factory=dict[str, Any])
    seconds: dict[str, float] = field(default_factory=dict[str, float])
    gsd_m: dict[str, float] = field(default_factory=dict[str, float])


def run_corridor(
    workflow: Workflow,
    corridor: Corridor,
    passes: Sequence[Pass],
    known: Sequence[Case],
    progress: Progress | None,
) -> Judged:
    """Run all sweeps over one corridor; nothing here touches the ledger or the output.

    ``known`` are the cases of the ledger; those that began before the patrol stay out of history.
    """
    judged = Judged(corridor.id)
    judged.inputs = [
        {"id": p.id, "scenes": [s.id for s in p.scenes], "fingerprint": fingerprint(p)}
        for p in passes
    ]
    judged.gsd_m = {p.sensor: min(a.gsd_m for a in p.scenes[0].assets.values()) for p in passes}
    if not passes:
        judged.counts = {"passes": 0, "usable": 0}
        judged.not_observed = never_seen(workflow, corridor)
        return judged
    site = open_site(workflow, corridor, passes, progress)
    if site is None:
        _say_unopened(judged, passes)
        judged.not_observed = never_seen(workflow, corridor)
        return judged
    with _stage(judged, corridor.id, "gather"):
        gathered = gather(site, passes)
    judged.set_aside.extend(a for g in gathered for a in g.set_aside)
    judged.unreachable.extend(g.unreachable for g in gathered if g.unreachable)
    usable = [p for p, g in zip(passes, gathered, strict=True) if g.usable]
    with _stage(judged, corridor.id, "prepare"):
        reduced = reduce_dates(site, usable, workflow.options.prepare)
        key = write_states(site, reduced.passes, reduced, workflow.options.detect.water)
    # A pass may be good in one corridor and not in another.
    judged.set_aside.extend(
        replace(a, what=f"{a.what} in {corridor.id}") for a in reduced.set_aside
    )
    looks = Looks(reduced.passes, reduced.quality, reduced.mask_key, key)
    with _stage(judged, corridor.id, "watch"):
        detect = workflow.options.detect
        start = workflow.period.patrol_start
        earlier = known_pixels(site, looks, known, start)
        watched = watch(site, looks, start, detect.zhan, detect.epoch, earlier)
    failpoint("detect.sighted")
    with _stage(judged, corridor.id, "follow"):
        tracks = link(watched.sightings, workflow.options.adjudicate.link)
        how = FollowOptions(detect.zhan, detect.observe, detect.water, workflow.options.adjudicate)
        until = workflow.period.span[1]
        judged.candidates = follow(site, looks, watched, tracks, (how, until))
    judged.not_observed = unseen(workflow, site, passes, reduced)
    judged.counts = _counts(passes, reduced, watched, len(tracks), site)
    log.info(
        "%s: %d passes, %d usable, %d sightings, %d objects",
        corridor.id,
        len(passes),
        len(reduced.passes),
        len(watched.sightings),
        len(tracks),
    )
    return judged


def known_pixels(
    site: Site, looks: Looks, known: Sequence[Case], start: datetime
) -> dict[str, list[Sparse]]:
    """Give the pixels of cases first seen before ``start``, for every pass since then.

    Without this a fill that an earlier patrol found would become normal ground in the next one.
    """
    out: dict[str, list[Sparse]] = {}
    for case in known:
        first = case.evidence.first_seen
        if case.corridor_id != site.corridor.id or first is None or first >= start:
            continue
        outline = reproject(case.polygon, case.crs, site.store.grid.crs)
        rows, cols = np.nonzero(burn(outline, site.store.grid))
        pixels = rows.astype(np.int32), cols.astype(np.int32)
        for p in looks.passes:
            if first <= p.acquired < start:
                out.setdefault(p.id, []).append(pixels)
    return out


@contextmanager
def _stage(judged: Judged, corridor_id: str, name: str) -> Generator[None]:
    began = time.perf_counter()
    yield
    spent = round(time.perf_counter() - began, 3)
    judged.seconds[name] = spent
    log.info("%s: %s in %.1f s", corridor_id, name, spent)


def plan_corridor(workflow: Workflow, corridor: Corridor, passes: Sequence[Pass]) -> list[str]:
    """Say scene by scene what a run would read, and why; writes nothing."""
    reasons = {
        "new": "not in the store",
        "skip": "already in the store, unchanged",
        "recompute": "the source has changed since it was read",
    }
    root = store_root(workflow, corridor)
    known: Mapping[str, str] = {}
    if (root / "store.json").exists():
        dummy = Grid("EPSG:4326", Affine.identity(), (1, 1))
        store = open_store(root, dummy, workflow.options.store.tile_px, corridor.polygon_wgs84)
        known = plan(store, passes)
    lines: list[str] = []
    for p in passes:
        what = known.get(p.id, "new")
        names = ", ".join(s.id for s in p.scenes)
        lines.append(f"{corridor.id} {p.id} {what}: {reasons[what]} ({names})")
    return lines or [f"{corridor.id}: no scenes in the period"]


def store_root(workflow: Workflow, corridor: Corridor) -> Any:
    """Give the folder of a corridor's store: another geometry is another store."""
    options = workflow.options.store
    content = wkb.dumps(corridor.polygon_wgs84) + f"{options.context_m} {options.tile_px}".encode()
    mark = hashlib.sha256(content).hexdigest()[:8]
    return workflow.state / "store" / f"{corridor.id}-{mark}"


def open_site(
    workflow: Workflow, corridor: Corridor, passes: Sequence[Pass], progress: Progress | None
) -> Site | None:
    """Open the corridor's store on the grid of its imagery; None if no scene can be opened."""
    profile = _finest_profile(passes)
    if profile is None:
        return None
    crs, anchor, res = _lattice(corridor, profile)
    options = workflow.options.store
    stored = reproject(corridor.polygon_wgs84, "EPSG:4326", crs).buffer(options.context_m)
    grid = _grid(crs, anchor, res, stored.bounds)
    store = open_store(store_root(workflow, corridor), grid, options.tile_px, stored)
    if store.grid.crs != crs:
        stored = reproject(corridor.polygon_wgs84, "EPSG:4326", store.grid.crs)
        store = CorridorStore(
            store.root, store.grid, store.tile_px, stored.buffer(options.context_m)
        )
    reaches = reaches_of(corridor, store.grid.crs)
    return Site(corridor, store, reaches, options.workers, options.io_threads, progress)


def _say_unopened(judged: Judged, passes: Sequence[Pass]) -> None:
    """Name scenes that cannot be opened where none can; the first few stand for the rest."""
    for scene in [s for p in passes for s in p.scenes][:3]:
        asset = scene.assets.get("green")
        try:
            if asset is not None:
                raster_profile(asset.href)
        except SourceUnreachableError as error:
            judged.unreachable.append(error.what)
        except SceneUnusableError as error:
            judged.set_aside.append(SetAside(scene.id, "gather", error.what, error.remedy))


def never_seen(workflow: Workflow, corridor: Corridor) -> list[NotObserved]:
    """Give a corridor without any readable scene as unobserved over the whole period."""
    start, end = workflow.period.span
    polygon = corridor.polygon_wgs84
    return [NotObserved(corridor.id, corridor.id, polygon, None, (end.date() - start.date()).days)]


def _finest_profile(passes: Sequence[Pass]) -> Profile | None:
    """Header of a scene of the finest sensor, so that no sensor coarsens another."""
    sensors = sorted({p.sensor for p in passes})
    found = [_first_profile([p for p in passes if p.sensor == s]) for s in sensors]
    usable = [(abs(f.transform.a), i) for i, f in enumerate(found) if f is not None]
    # A geographic source counts pixels in degrees; it is never the finest of several by that.
    metric = [(a, i) for a, i in usable if CRS.from_user_input(_crs_of(found[i])).is_projected]
    return found[min(metric or usable)[1]] if usable else None


def _crs_of(profile: Profile | None) -> str:
    return profile.crs if profile is not None else ""


def _first_profile(passes: Sequence[Pass]) -> Profile | None:
    scenes = sorted((s for p in passes for s in p.scenes), key=lambda s: s.id)
    for scene in scenes:
        asset = scene.assets.get("green")
        if asset is None:
            continue
        try:
            return raster_profile(asset.href)
        except (SceneUnusableError, SourceUnreachableError):
            continue  # it is set aside by name when it is gathered
    return None


def _lattice(corridor: Corridor, profile: Profile) -> tuple[str, tuple[float, float], float]:
    """CRS, a corner of the lattice, and pixel size [m]: the imagery's own where it is metric."""
    crs = CRS.from_user_input(profile.crs)
    if crs.is_projected and crs.axis_info[0].unit_name == "metre" and "UTM" in crs.name.upper():
        t = profile.transform
        return profile.crs, (t.c, t.f), float(t.a)
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


def unseen(
    workflow: Workflow, site: Site, passes: Sequence[Pass], reduced: Reduced
) -> list[NotObserved]:
    """Give reaches without a clear look for too long, up to the newest pass of the period."""
    options = workflow.options.report
    newest = max(p.acquired for p in passes)
    used = {p.id: p for p in reduced.passes}
    out: list[NotObserved] = []
    for reach in site.reaches:
        clear: list[datetime] = [
            used[i].acquired
            for i, shares in reduced.reach_clear.items()
            if i in used and shares[reach.index] >= options.clear_share
        ]
        last = max(clear, default=None)
        since = last if last is not None else workflow.period.span[0]
        days = (newest.date() - since.date()).days
        if last is None or days >= options.unseen_days:
            polygon = reproject(reach.polygon, site.store.grid.crs, "EPSG:4326")
            on = last.date() if last else None
            out.append(NotObserved(site.corridor.id, reach.id, polygon, on, days))
    return out


def _counts(
    passes: Sequence[Pass], reduced: Reduced, watched: Watched, objects: int, site: Site
) -> dict[str, Any]:
    area = site.store.grid.pixel_area_m2
    return {
        "passes": len(passes),
        "usable": len(reduced.passes),
        "sightings": len(watched.sightings),
        "objects": objects,
        "rejected": dict(sorted(watched.rejected.items())),
        "unknown_m2": {k: v * area for k, v in sorted(watched.unknown_px.items())},
        "unjudged": dict(sorted(watched.unjudged.items())),
        "offset_corrected": dict(sorted(reduced.corrected.items())),
        "levels": {
            k: [
                None
                if level.rank != level.rank  # NaN: no level on that date
                else {"rank": round(level.rank, 4), "below_history": level.saturated}
                for level in levels[1:]
            ]
            for k, levels in sorted(watched.levels.items())
        },
        "registration_m": {k: round(q.residual_m, 2) for k, q in sorted(reduced.quality.items())},
    }
