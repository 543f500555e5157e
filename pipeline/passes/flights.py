"""A pair of flights, window by window: surfaces brought together, changes joined and measured.

Nothing is held but cells of a metre or more for the fit, some windows for the noise, the sparse
changed cells, and one window a thread: memory does not grow with the mosaic beyond those. Objects
do not depend on how the mosaic was cut.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from pipeline.box_mean import box_mean
from pipeline.detect.picture_change import (
    PictureCells,
    fields,
    light,
    picture_halo,
    scales,
    strength,
)
from pipeline.detect.picture_change import objects as picture_objects
from pipeline.detect.picture_change import sparse as picture_sparse
from pipeline.detect.surface_change import (
    ChangedCells,
    SurfacePair,
    change_halo_m,
    gather,
    judge,
    sparse,
)
from pipeline.detect.surface_noise import classes, estimate
from pipeline.detect.surface_objects import halo_m, object_of
from pipeline.detect.surface_types import FlightObject
from pipeline.model import Cover, FlightReader, Grid, SurfaceFit, SurfaceNoise, Window
from pipeline.passes.flight_groups import boxes_of, by_groups, others_within, window_of
from pipeline.passes.flight_large import Coarse
from pipeline.passes.flight_windows import (
    FlightOptions,
    SurfaceWindows,
    Windows,
    covers_of,
    noise_windows,
    picture_pair,
    sources_of,
    surface_pair,
)
from pipeline.prepare.flight_cells import cells_of, cover
from pipeline.prepare.flight_moved import PixelMap, moved
from pipeline.prepare.surface import coregister

_FIT_CELLS = 600  # most cells along a side in the fit


@dataclass(frozen=True)
class SurfaceChange:
    """What two flights with surfaces say."""

    grid: Grid  # of the cells that objects are indices into
    objects: tuple[FlightObject, ...]
    fit: SurfaceFit
    noise: SurfaceNoise

    def windows(
        self, before: FlightReader, after: FlightReader, grid: Grid, options: FlightOptions
    ) -> SurfaceWindows:
        """Give the flights that were compared, so that a place can be looked at again."""
        return _windows(before, after, grid, options, self.fit)


def compare_surfaces(
    before: FlightReader,
    after: FlightReader,
    grid: Grid,
    options: FlightOptions,
    edge_m: float = 0.0,
) -> SurfaceChange:
    """Find what changed between two flights that both have a surface.

    Parameters
    ----------
    before, after : FlightReader
        The two flights on ``grid``; the later one already moved by its picture's registration.
    grid : Grid
        Full pixels of the pair, projected, m.
    options : FlightOptions
        All options.
    edge_m : float
        Deviation per axis of what is left of the registration from place to place [m].

    Raises
    ------
    SceneUnusableError
        The surfaces cannot be brought together (see :func:`pipeline.prepare.surface.coregister`).
    """
    fit = fit_surfaces(before, after, grid, options)
    work = _windows(before, after, grid, options, fit)
    stable = work.each(lambda w: _stable(work, w), noise_windows(work))
    noise = replace(estimate(stable, work.cell_m, options.threads), edge_m=edge_m)
    parts = [
        part
        for window in work.each(lambda w: _judged(work, w, noise), work.shown(_halo(work)))
        for part in window
    ]
    found = gather(parts, work.cell_m, options.change)
    objects = _objects(work, found, noise)
    return SurfaceChange(work.cells, tuple(o for o in objects if o is not None), fit, noise)


def _windows(
    before: FlightReader,
    after: FlightReader,
    grid: Grid,
    options: FlightOptions,
    fit: SurfaceFit,
) -> SurfaceWindows:
    later = moved(after, PixelMap.shift(*(s / grid.res_m for s in fit.shift_m)))
    sources = sources_of(before, later, grid, options)
    covers = covers_of(sources, grid, options, surface=True)
    return SurfaceWindows(before, later, grid, options, sources, covers, fit)


@dataclass(frozen=True)
class PictureChange:
    """What two flights without surfaces say."""

    grid: Grid  # of the cells that objects are indices into
    objects: tuple[FlightObject, ...]


def compare_pictures(
    before: FlightReader, after: FlightReader, grid: Grid, options: FlightOptions
) -> PictureChange:
    """Find what changed between two flights by their pictures alone.

    Parameters
    ----------
    before, after, grid, options
        As of :func:`compare_surfaces`; heights are not looked at.
    """
    work = Windows.over(before, after, grid, options)
    windows = noise_windows(work)
    own = options.picture
    lights = np.stack(work.each(lambda w: light(picture_pair(work, w), own), windows))
    if np.isnan(lights).all():
        return PictureChange(work.cells, ())  # nothing was seen twice
    lit = np.nanmedian(lights, axis=0)
    scale = scales(work.each(lambda w: sampled(work, w, lit), windows))
    shown = work.shown(picture_halo(own))
    parts = work.each(lambda w: _picture_judged(work, w, lit, scale), shown)
    found = picture_objects(parts, work.cell_m, options.picture)
    return PictureChange(work.cells, tuple(found))


def fit_surfaces(
    before: FlightReader, after: FlightReader, grid: Grid, options: FlightOptions
) -> SurfaceFit:
    """Bring two surfaces together in cells of a metre, or coarser ones of a large mosaic."""
    least = max(options.surface.cell_m, max(grid.shape) * grid.res_m / _FIT_CELLS)
    step = max(1, round(least / grid.res_m))
    own = options.surface.model_copy(update={"cell_m": step * grid.res_m})

    def coarse(read: FlightReader) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        cells = cells_of(read(grid.window, step), 1, step * grid.res_m)
        if cells.height is None:
            raise ValueError("a flight without a surface cannot be compared by its surface")
        return cells.height, cover(cells, options.cover)

    with ThreadPoolExecutor(options.threads) as pool:
        (old, old_cover), (new, new_cover) = pool.map(coarse, (before, after))
    return coregister(old, new, (old_cover, new_cover), own)


def sampled(
    work: Windows, window: Window, lit: NDArray[np.float64]
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]:
    """Give colour, texture and the ground of a window, of which spreads are taken."""
    pair = picture_pair(work, window)
    colour, texture = fields(pair, lit, work.options.picture)
    ground = pair.seen & (pair.covers[0] == Cover.GROUND) & (pair.covers[1] == Cover.GROUND)
    return colour, texture, ground


def _picture_judged(
    work: Windows, core: Window, lit: NDArray[np.float64], scale: NDArray[np.float64]
) -> PictureCells:
    own = work.options.picture
    pair = picture_pair(work, core.pad(picture_halo(own)))
    return picture_sparse(strength(fields(pair, lit, own), scale, own), pair, core, own)


def _stable(
    work: SurfaceWindows, window: Window
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]:
    """Differences of stable ground: what is neither changed, nor plants, nor near either."""
    pair = surface_pair(work, window)
    dz = np.where(pair.surface, pair.after - pair.before, np.float32(0))
    size = max(3, round(work.options.change.window_m / work.cell_m) | 1)
    limit = max(work.options.change.least_m, 4 * work.fit.nmad_m)
    changed = np.abs(box_mean(dz, size)) > limit
    near = box_mean(changed | pair.plants, 3 * size) > 1e-3
    ground = (pair.covers[0] == Cover.GROUND) & (pair.covers[1] == Cover.GROUND)
    slope, rough = (
        np.minimum(a, b)
        for a, b in zip(
            classes(pair.before, work.cell_m), classes(pair.after, work.cell_m), strict=True
        )
    )
    return dz, slope, rough, pair.surface & ground & ~near


def _halo(work: Windows) -> int:
    """Cells around a window on which its judgement rests."""
    return round(change_halo_m(work.options.change) / work.cell_m) + 1


def _judged(work: SurfaceWindows, core: Window, noise: SurfaceNoise) -> list[ChangedCells]:
    change = work.options.change
    pair = surface_pair(work, core.pad(_halo(work)))
    if not np.isfinite(pair.after).any():
        return []
    return sparse(judge(pair, noise, work.fit, change), pair, core)


def _objects(
    work: SurfaceWindows, found: Sequence[ChangedCells], noise: SurfaceNoise
) -> list[FlightObject | None]:
    """Measure objects; those that lie near each other are read together."""
    pad = round(halo_m(work.options.change) / work.cell_m)
    boxes = boxes_of(found)
    windows = [window_of(own).pad(pad) for own in found]

    coarse = [Coarse.of(w) for w in windows]
    change = work.options.change

    def some(pair: SurfacePair, which: Sequence[int]) -> list[FlightObject | None]:
        out: list[FlightObject | None] = []
        for i in (small[k] for k in which):
            others, own = others_within(found, boxes, i, windows[i]), pair.within(windows[i])
            out.append(object_of(found[i], others, own, noise, work.fit, change))
        return out

    def large(i: int) -> FlightObject | None:
        cells, by = coarse[i], coarse[i].by
        window = cells.window(windows[i])
        pair = cells.pair(partial(surface_pair, work), window)
        others = others_within(found, boxes, i, windows[i], by)
        got = object_of(cells.found(found[i]), others, pair, cells.noise(noise), work.fit, change)
        return cells.fine(got, work.cells.shape)

    small = [i for i, c in enumerate(coarse) if c.by == 1]
    measured = by_groups(work, [windows[i] for i in small], partial(surface_pair, work), some)
    done = dict(zip(small, measured, strict=True))
    return [done[i] if i in done else large(i) for i in range(len(found))]
