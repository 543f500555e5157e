"""Two flights on one grid, worked on window by window."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from pipeline.detect.picture_change import PictureChangeOptions, PicturePair
from pipeline.detect.surface_change import SurfacePair, places
from pipeline.detect.surface_types import SurfaceChangeOptions
from pipeline.io.heap import hand_back
from pipeline.model import FlightCells, FlightReader, Grid, SurfaceFit, Window
from pipeline.passes.flight_cache import CellSource, CoverSource
from pipeline.prepare.flight_cells import CoverOptions, cover, cover_halo_m
from pipeline.prepare.flight_ground import CommonGround
from pipeline.prepare.surface import SurfaceOptions

A = TypeVar("A")
B = TypeVar("B")
_NOISE_WINDOWS = 3  # along each side
_NOISE_CELLS = 400  # side of one
_NOISE_LEAST = 4  # windows of the larger size that are enough
_GROUND_CELLS = 640  # most cells along a side where ground is looked for
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
        sources = sources_of(before, after, grid, options)
        covers = covers_of(sources, grid, options, surface=surface)
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
        """Read for each, one ahead of what is being worked on unless one thread is asked for."""
        if self.options.threads == 1:
            for one in over:
                yield read(one)
                hand_back(_TAKEN)
            return
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


def sources_of(
    before: FlightReader, after: FlightReader, grid: Grid, options: FlightOptions
) -> tuple[CellSource, CellSource]:
    """Give the cells of both."""
    step = _step(grid, options)
    one, other = (CellSource(read, step, grid) for read in (before, after))
    return one, other


def covers_of(
    sources: tuple[CellSource, CellSource], grid: Grid, options: FlightOptions, *, surface: bool
) -> tuple[CoverSource, CoverSource]:
    """Give what covers the cells of both; ``surface``: heights have a say in it."""
    halo = round(cover_halo_m() / (grid.res_m * _step(grid, options)))

    def judged(cells: FlightCells) -> NDArray[np.uint8]:
        return cover(cells if surface else replace(cells, height=None), options.cover)

    one, other = (CoverSource(source, judged, halo) for source in sources)
    return one, other


def coarse_grid(grid: Grid, step: int) -> Grid:
    """Give the grid of cells of ``step`` by ``step`` pixels."""
    rows, cols = (-(-n // step) for n in grid.shape)
    return Grid(grid.crs, grid.transform * grid.transform.scale(step), (rows, cols))


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


def tiles(work: Windows) -> Iterable[Window]:
    """Cut a grid of cells into windows."""
    size = work.options.tile_cells
    rows, cols = work.cells.shape
    for r in range(0, rows, size):
        for c in range(0, cols, size):
            yield Window(r, min(r + size, rows), c, min(c + size, cols))
