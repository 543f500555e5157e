"""A pair of flights, window by window: surfaces brought together, changes joined and measured.

Nothing is held but cells of a metre or more for the fit, some windows for the noise, the sparse
changed cells, and one window a thread: memory does not grow with the mosaic beyond those. Objects
do not depend on how the mosaic was cut.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from pipeline.box_mean import box_mean
from pipeline.detect.picture_change import (
    PictureCells,
    PictureChangeOptions,
    PicturePair,
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
    places,
    sparse,
)
from pipeline.detect.surface_noise import classes, estimate
from pipeline.detect.surface_objects import halo_m, object_of
from pipeline.detect.surface_types import FlightObject, SurfaceChangeOptions
from pipeline.io.heap import hand_back
from pipeline.model import (
    Cover,
    FlightCells,
    FlightReader,
    Grid,
    SurfaceFit,
    SurfaceNoise,
    Window,
)
from pipeline.passes.flight_cache import CellSource, CoverSource
from pipeline.passes.flight_large import Coarse
from pipeline.prepare.flight_cells import CoverOptions, cells_of, cover, cover_halo_m
from pipeline.prepare.flight_ground import CommonGround
from pipeline.prepare.flight_moved import PixelMap, moved
from pipeline.prepare.surface import SurfaceOptions, coregister

A = TypeVar("A")
B = TypeVar("B")
_NOISE_WINDOWS = 3  # along each side
_NOISE_CELLS = 400  # side of one
_NOISE_LEAST = 4  # windows of the larger size that are enough
_GROUND_CELLS = 640  # most cells along a side where ground is looked for
_FIT_CELLS = 600  # most cells along a side in the fit
_TAKEN = 900 << 20  # bytes; a process that takes more gives back what windows have left free


class FlightOptions(BaseModel):
    """How a pair of flights is compared."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cover: CoverOptions = Field(default_factory=CoverOptions, description="water and plants")
    surface: SurfaceOptions = Field(default_factory=SurfaceOptions, description="co-registration")
    change: SurfaceChangeOptions = Field(
        default_factory=SurfaceChangeOptions, description="objects of the surface"
    )
    picture: PictureChangeOptions = Field(
        default_factory=PictureChangeOptions, description="objects of pictures alone"
    )
    tile_cells: int = Field(default=512, ge=64, le=4096, description="side of a window [cells]")
    threads: int = Field(default=2, ge=1, le=64, description="windows at work at a time")


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
    noise = replace(estimate(stable, work.cell_m), edge_m=edge_m)
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
    sources = _sources(before, later, grid, options)
    covers = _covers(sources, grid, options, surface=True)
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


@dataclass(frozen=True)
class Windows:
    """Two flights (or one twice) on one grid, worked on window by window."""

    before: FlightReader
    after: FlightReader  # moved
    grid: Grid
    options: FlightOptions
    sources: tuple[CellSource, CellSource]  # of both in cells
    covers: tuple[CoverSource, CoverSource]

    @staticmethod
    def over(
        before: FlightReader,
        after: FlightReader,
        grid: Grid,
        options: FlightOptions,
        *,
        surface: bool = False,
    ) -> Windows:
        """Give the windows of two flights that lie on each other.

        ``surface`` says whether heights have a say in what covers a cell.
        """
        sources = _sources(before, after, grid, options)
        covers = _covers(sources, grid, options, surface=surface)
        return Windows(before, after, grid, options, sources, covers)

    @property
    def step(self) -> int:
        """Pixels along the side of a cell."""
        return _step(self.grid, self.options)

    @property
    def cell_m(self) -> float:
        """Side of a cell [m]."""
        return self.grid.res_m * self.step

    @property
    def cells(self) -> Grid:
        """The grid of cells."""
        return coarse_grid(self.grid, self.step)

    def shown(self, halo: int) -> list[Window]:
        """Cut the cells into windows, of which, and ``halo`` around, both flights show some."""
        return [w for w in tiles(self) if all(s.shows(w.pad(halo)) for s in self.sources)]

    def each(self, do: Callable[[A], B], over: Iterable[A]) -> list[B]:
        """Do something for each, some at a time; in order."""

        def done(one: A) -> B:
            said = do(one)
            hand_back(_TAKEN)
            return said

        with ThreadPoolExecutor(self.options.threads) as pool:
            return list(pool.map(done, over))

    def ahead(self, read: Callable[[A], B], over: Sequence[A]) -> Iterator[B]:
        """Read for each, one ahead of what is being worked on; in order."""
        with ThreadPoolExecutor(1) as pool:
            coming = pool.submit(read, over[0]) if over else None
            for following in (*over[1:], None):
                if coming is None:
                    return
                here = coming.result()
                coming = None if following is None else pool.submit(read, following)
                yield here
                del here
                hand_back(_TAKEN)


@dataclass(frozen=True)
class SurfaceWindows(Windows):
    """The same of two surfaces that were brought together."""

    fit: SurfaceFit


def _step(grid: Grid, options: FlightOptions) -> int:
    return max(1, round(options.change.cell_m / grid.res_m))


def _sources(
    before: FlightReader, after: FlightReader, grid: Grid, options: FlightOptions
) -> tuple[CellSource, CellSource]:
    step = _step(grid, options)
    one, other = (CellSource(read, step, grid) for read in (before, after))
    return one, other


def _covers(
    sources: tuple[CellSource, CellSource], grid: Grid, options: FlightOptions, *, surface: bool
) -> tuple[CoverSource, CoverSource]:
    halo = round(cover_halo_m() / (grid.res_m * _step(grid, options)))

    def judged(cells: FlightCells) -> NDArray[np.uint8]:
        return cover(cells if surface else replace(cells, height=None), options.cover)

    one, other = (CoverSource(source, judged, halo) for source in sources)
    return one, other


def coarse_grid(grid: Grid, step: int) -> Grid:
    """Give the grid of cells of ``step`` by ``step`` pixels."""
    rows, cols = (-(-n // step) for n in grid.shape)
    return Grid(grid.crs, grid.transform * grid.transform.scale(step), (rows, cols))


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


def surface_pair(work: SurfaceWindows, window: Window) -> SurfacePair:
    """Read a window (of cells), later surface less the plane."""
    heights: list[NDArray[np.float32]] = []
    for source in work.sources:
        height = source(window).height
        assert height is not None
        heights.append(height)
    covers = (work.covers[0](window), work.covers[1](window))
    pair = SurfacePair(window, work.cell_m, heights[0], heights[1], covers)
    np.subtract(pair.after, work.fit.plane(*places(pair)), out=pair.after)
    return pair


def picture_pair(work: Windows, window: Window) -> PicturePair:
    """Read the pictures of a window (of cells)."""
    before, after = (replace(s(window), nir=None, height=None) for s in work.sources)
    return PicturePair(window, before, after, (work.covers[0](window), work.covers[1](window)))


def by_groups(
    work: Windows,
    windows: Sequence[Window],
    read: Callable[[Window], A],
    do: Callable[[A, Sequence[int]], list[B]],
) -> list[B]:
    """Do something for many windows, those of near objects together where that reads less.

    It is done in one thread while another reads ahead: two that take many small steps hold each
    other up by Python's lock, and need more time together than one alone.

    Parameters
    ----------
    windows : sequence of Window
        What each object needs, in cells.
    read : callable
        Given a window that holds those of some objects.
    do : callable
        Given what was read, and the indices of those objects: what each gives.

    Returns
    -------
    list
        One for each window, in their order.
    """
    side = work.options.tile_cells
    tiles_: dict[tuple[int, int], list[int]] = {}
    for i, w in enumerate(windows):
        middle = ((w.row0 + w.row1) // 2 // side, (w.col0 + w.col1) // 2 // side)
        tiles_.setdefault(middle, []).append(i)
    groups: list[tuple[Window, list[int]]] = []
    for _, own in sorted(tiles_.items()):
        hull = _hull([windows[i] for i in own])
        if _area(hull) <= sum(_area(windows[i]) for i in own):
            groups.append((hull, own))
        else:
            groups += [(windows[i], [i]) for i in own]
    done: dict[int, B] = {}
    shown = work.ahead(read, [hull for hull, _ in groups])
    for (_, own), one in zip(groups, shown, strict=True):
        done.update(zip(own, do(one, own), strict=True))
    return [done[i] for i in range(len(windows))]


def _hull(windows: Sequence[Window]) -> Window:
    return Window(
        min(w.row0 for w in windows), max(w.row1 for w in windows),
        min(w.col0 for w in windows), max(w.col1 for w in windows),
    )  # fmt: skip


def _area(window: Window) -> int:
    rows, cols = window.shape
    return rows * cols


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


def noise_windows(work: Windows) -> list[Window]:
    """Give windows (of cells) from which the noise is learnt: all over the grid.

    Where the frame is mostly empty they lie along what both flights show.
    """
    grid = work.grid
    step = work.step * max(1, -(-max(grid.shape) // (_GROUND_CELLS * work.step)))
    both = work.before(grid.window, step).valid & work.after(grid.window, step).valid
    ground = CommonGround(both, step // work.step, work.cells.shape)
    regular, best = _on_grid(work.cells), list[Window]()
    for k in (1, 2, 4):
        side = _NOISE_CELLS // k
        found = ground.windows(regular if k == 1 else [], side, _NOISE_WINDOWS**2)
        if len(found) > len(best):
            best = found
        if found is regular or len(best) >= _NOISE_LEAST:
            break
    return best or regular


def _on_grid(cells: Grid) -> list[Window]:
    side = [min(_NOISE_CELLS, n) for n in cells.shape]
    starts = [
        sorted({round(k * (n - s) / max(_NOISE_WINDOWS - 1, 1)) for k in range(_NOISE_WINDOWS)})
        if n > 2 * s
        else ([0] if n == s else [0, n - s])
        for n, s in zip(cells.shape, side, strict=True)
    ]
    return [Window(r, r + side[0], c, c + side[1]) for r in starts[0] for c in starts[1]]


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


def tiles(work: Windows) -> Iterable[Window]:
    """Cut a grid of cells into windows."""
    size = work.options.tile_cells
    rows, cols = work.cells.shape
    for r in range(0, rows, size):
        for c in range(0, cols, size):
            yield Window(r, min(r + size, rows), c, min(c + size, cols))


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
        return cells.fine(got)

    small = [i for i, c in enumerate(coarse) if c.by == 1]
    measured = by_groups(work, [windows[i] for i in small], partial(surface_pair, work), some)
    done = dict(zip(small, measured, strict=True))
    return [done[i] if i in done else large(i) for i in range(len(found))]


def others_within(
    found: Sequence[ChangedCells],
    boxes: NDArray[np.int64],
    index: int,
    window: Window,
    by: int = 1,
) -> NDArray[np.bool_]:
    """Mask the cells of a window that belong to other objects, of which ``boxes`` are known.

    ``by`` is how many cells along a side are one of the mask.
    """
    own = Coarse(by).window(window)
    others = np.zeros(own.shape, bool)
    top, bottom, left, right = boxes.T
    near = (
        (top < window.row1) & (bottom > window.row0) & (left < window.col1) & (right > window.col0)
    )
    for k in map(int, np.flatnonzero(near)):
        if k != index:
            other = found[k]
            inside = (
                (other.rows >= window.row0) & (other.rows < window.row1)
                & (other.cols >= window.col0) & (other.cols < window.col1)
            )  # fmt: skip
            rows, cols = other.rows[inside] // by, other.cols[inside] // by
            others[rows - own.row0, cols - own.col0] = True
    return others


def boxes_of(found: Sequence[ChangedCells]) -> NDArray[np.int64]:
    """Give the first and last but one row and column of each object, (N, 4)."""
    rows = [(int(f.rows.min()), int(f.rows.max()) + 1) for f in found]
    cols = [(int(f.cols.min()), int(f.cols.max()) + 1) for f in found]
    return np.array([(*r, *c) for r, c in zip(rows, cols, strict=True)], np.int64).reshape(-1, 4)


def window_of(found: ChangedCells) -> Window:
    """Give the least window that holds an object."""
    return Window(
        int(found.rows.min()), int(found.rows.max()) + 1,
        int(found.cols.min()), int(found.cols.max()) + 1,
    )  # fmt: skip
