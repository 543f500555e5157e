"""Sweep 3b: changed ground (乱采, 乱堆, 乱建) of one quarter, tile by tile.

The normal of the quarter is fitted or read, what each region did on each date is added up over
tiles, unexpected pixels are marked and joined over tiles, and objects are examined in their own
window. Nothing here depends on how the corridor was cut.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.config import GroundOptions
from pipeline.detect.change import HALO_PX, Flags, deviation, flag, redness
from pipeline.detect.cropland import cropland, soil_ceiling, tally_fields
from pipeline.detect.dark import as_dark, flag_dark, neutrality
from pipeline.detect.disturb import MARGIN_PX, Marked, Region, examine
from pipeline.detect.expect import Baseline, Days
from pipeline.detect.level import reaches_in
from pipeline.detect.look_surface import Surface
from pipeline.detect.normal import Normal
from pipeline.detect.objects import Pixels, Rejection, split
from pipeline.detect.regional import regional_offsets, tally_residuals
from pipeline.grid import box_of_mask
from pipeline.io.tasks import map_tiles
from pipeline.model import Pass, Sighting, Tile, Window
from pipeline.passes.book import Arrays, Found, by_place, found_by_look
from pipeline.passes.flooded import Flooded, count_fields, fields_flooded
from pipeline.passes.ground import Site, Sparse, States
from pipeline.passes.in_a_row import run_in, run_over
from pipeline.passes.normals import write_normals
from pipeline.passes.quarter import Normals, Quarter, ranks_of
from pipeline.passes.stored import Stored, stored_pixels

DETECTOR = "ground/1"


_PIECE_PX = 192  # rows of a tile that are compared at once

_Counts = tuple[NDArray[np.uint16], NDArray[np.int32], list[Flooded], NDArray[np.int64]]


@dataclass(frozen=True)
class _Regional:
    """What the corridor does on a date: the ceiling of soil, flooded fields, and offsets."""

    ceiling: float
    flooded: Flooded
    offsets: NDArray[np.float32]


@dataclass(frozen=True)
class _Regions:
    """The same of several looks."""

    ceiling: float
    flooded: Sequence[Flooded]
    offsets: Sequence[NDArray[np.float32]]

    def of(self, k: int) -> _Regional:
        return _Regional(self.ceiling, self.flooded[k], self.offsets[k])


@dataclass(frozen=True)
class _Piece:
    """Unexpected pixels of a tile by look, those of dark ground, and its looks in a row."""

    light: list[Pixels]
    dark: list[Pixels]
    run: Arrays


class ChangeSweep:
    """The sweeps over tiles of one quarter."""

    def __init__(self, quarter: Quarter, options: GroundOptions) -> None:
        self.quarter, self.options = quarter, options
        what = f"normal ground {quarter.name}"
        folder = write_normals(quarter.states, quarter.history, options.normal, what)
        self.normals = Normals(quarter, folder, options.change)
        self._parts = pieces(quarter.site)

    def found(self) -> list[Found]:
        """Give what each look of the quarter shows: kept results, and new looks are searched.

        Looks before it have a say in a look (:class:`pipeline.detect.change.Run`), so that one that
        comes late has those after it searched again.
        """
        if not self.quarter.site.parts:
            return [Found.of([], []) for _ in self.quarter.judged]  # no case may lie there
        book, keys = self.quarter.book, self._keys()
        held = [book.found("ground", key) for key in keys]
        begin, runs = self._known(keys, held)
        new = range(begin, len(keys))
        if new:
            made, run = self._search(new, runs)
            for key, found in zip(keys[begin:], made, strict=True):
                book.keep_found("ground", key, found)
            book.vault.put("run", keys[-1], **run)
            held[begin:] = made
        return [h for h in held if h is not None]

    def _keys(self) -> list[str]:
        """Name what is found on each look by it, those before it, and the normal ground."""
        out: list[str] = []
        before = self.normals.folder
        for p in self.quarter.judged:
            before = self.quarter.book.key(p, before)
            out.append(before)
        return out

    def _known(self, keys: Sequence[str], held: Sequence[Found | None]) -> tuple[int, Arrays]:
        """Give the first look to search, and the looks in a row until there (empty: none)."""
        known = next((i for i, h in enumerate(held) if h is None), len(keys))
        if known == len(keys):
            return known, {}
        for begin in range(known, 0, -1):
            run = self.quarter.book.vault.get("run", keys[begin - 1])
            if run is not None:
                return begin, run
        return 0, {}

    def _search(self, new: range, before: Arrays) -> tuple[list[Found], Arrays]:
        """Search the last looks of the quarter; give the looks in a row after them as well."""
        regions = self._regions(new)
        site = self.quarter.site
        tiles = map_tiles(
            lambda t: self._pixels(t, new, regions.offsets, before),
            self._parts, site.workers, site.progress, f"ground {self.quarter.name}",
        )  # fmt: skip
        least = self.options.disturb.min_pixels
        light = [t.light for t in tiles]
        found = self._judged(new, light, regions, lambda p: too_small(p, least))
        dark = self._judged(new, [t.dark for t in tiles], regions, dark=True)
        both = [one.beside(other) for one, other in zip(found, dark, strict=True)]
        return both, {n: np.concatenate([t.run[n] for t in tiles]) for n in tiles[0].run}

    def _judged(
        self, new: range, tiles: Sequence[Sequence[Pixels]], regions: _Regions,
        no_history: Callable[[Pixels], bool] = lambda _: False, *, dark: bool = False,
    ) -> list[Found]:  # fmt: skip
        """Judge what tiles hold of new looks, each look's pixels in its place."""
        work = [(k, piece) for k in range(len(new)) for piece in split([t[k] for t in tiles])]
        results = by_place(
            work, lambda w: self._examine(new[w[0]], w[1], regions.of(w[0]), dark=dark),
            self.quarter.site,
        )  # fmt: skip
        return found_by_look(len(new), work, results, lambda p: grown(p.rows, p.cols), no_history)

    def _window(self, tile: Tile) -> Window:
        window = tile.core.pad(HALO_PX).intersect(self.quarter.site.store.grid.window)
        assert window is not None
        return window

    def _regions(self, new: range) -> _Regions:
        site = self.quarter.site
        judged = [(self.quarter.judged[i], self.quarter.days[i]) for i in new]

        def one(pixels: Stored) -> _Counts:
            given = self.normals.given_at(pixels)
            fields, brightest = cropland(given[0])
            here = reaches_in(pixels.reach[None])
            residuals, flooded = list[NDArray[np.int32]](), list[Flooded]()
            for p, days in judged:
                surface = self.normals.stored(p, pixels, ranks_of(days), given)
                every = tally_residuals(surface, surface.window, site.n_reach)
                residuals.append(every[here].astype(np.int32))
                flooded.append(count_fields(surface, fields, pixels.places))
            counts = tally_fields(fields, brightest, pixels.reach[None], site.n_reach)
            return here, np.stack(residuals), flooded, counts.sum(axis=0, keepdims=True)

        # Whatever is counted looks at nothing but the pixel itself: no window is drawn.
        parts = map_tiles(
            lambda part: [one(pixels) for pixels in stored_pixels(site, part)],
            site.parts,
            site.workers,
        )
        tiles = list(itertools.chain.from_iterable(parts))
        # A tile tells of the reaches that it holds: a long river has many of both.
        shape = (len(judged), site.n_reach + 1, *tiles[0][1].shape[2:])
        residuals = np.zeros(shape, np.int32)  # of new looks and reaches, 8 kB each
        for here, own, _, _ in tiles:
            residuals[:, here] += own
        ceiling = soil_ceiling(np.sum([t[3] for t in tiles], axis=0))
        flooded = [sum((t[2][i] for t in tiles), start=Flooded()) for i in range(shape[0])]
        offsets = [regional_offsets(r, self.options.change) for r in residuals]
        return _Regions(ceiling, flooded, offsets)

    def _marked(
        self, p: Pass, window: Window, days: Days, offsets: NDArray[np.float32],
        given: tuple[Normal, Baseline], colour: Callable[[], NDArray[np.float32]],
    ) -> tuple[Surface, NDArray[np.float32], Flags]:  # fmt: skip
        surface = self.normals.surface(p, window, ranks_of(days), given)
        z = deviation(surface, offsets, self.options.change)
        return surface, z, flag(surface, z, self.options.change, colour)

    def _colour(self, p: Pass, window: Window) -> NDArray[np.float32]:
        """Give the redness of a look over a window, NaN without data."""
        states = self.quarter.states
        reader = states.looks.reader(states.site.store)
        return redness(*(reader.band(p.id, b, window) for b in ("red", "green")))

    def _pixels(
        self, tile: Tile, new: range, offsets: Sequence[NDArray[np.float32]], before: Arrays
    ) -> _Piece:
        """Mark the unexpected pixels of new looks in a tile."""
        window, core = self._window(tile), tile.core
        given = self.normals.given(window)
        inside = self.quarter.site.inside(core)
        part = core.within(window)
        run = run_over(window, core, before)
        out, dark = list[Pixels](), list[Pixels]()
        for i, region in zip(new, offsets, strict=True):
            p, days = self.quarter.judged[i], self.quarter.days[i]
            colour = partial(self._colour, p, window)
            surface, z, flags = self._marked(p, window, days, region, given, colour)
            run = run.seen(surface, z, flags)
            seed = flags.seed | run.seeds(flags, self.options.change)
            out.append(_sparse(flags.marked[part] & inside, seed[part], core))
            own = flag_dark(surface, z, flags, self.options.dark)
            dark.append(_sparse(own.bare[part] & inside, own.seed[part], core))
        return _Piece(out, dark, run_in(run, window, core))

    def _examine(
        self, i: int, pixels: Pixels, region: _Regional, *, dark: bool
    ) -> Sighting | Rejection:
        disturb = self.options.disturb
        if pixels.rows.size < disturb.min_pixels or not pixels.seed.any():
            return Rejection("smaller than the smallest object", False, int(pixels.rows.size))
        p, grid = self.quarter.judged[i], self.quarter.site.store.grid
        window = box_of((pixels.rows, pixels.cols)).pad(MARGIN_PX).intersect(grid.window)
        assert window is not None
        given = self.normals.given(window)
        colour = cache(partial(self._colour, p, window))
        surface, z, flags = self._marked(
            p, window, self.quarter.days[i], region.offsets, given, colour
        )
        flags = flag_dark(surface, z, flags, self.options.dark) if dark else flags
        bare = self.quarter.states.features(p.id, window, ("bare",))[0]
        marked = Marked(surface, z, flags, bare, colour())
        own = box_of((pixels.rows, pixels.cols))
        around = Region(region.ceiling, fields_flooded(region.flooded, self.options, own))
        found = examine(pixels, marked, around, (p.id, p.acquired), disturb)
        if not dark or isinstance(found, Rejection):
            return found
        neutral = neutral_of(self.quarter.states, p, (pixels.rows, pixels.cols))
        return as_dark(found, neutral, self.options.dark, disturb.wait_soil_days)


def pieces(site: Site) -> tuple[Tile, ...]:
    """Cut the parts of a corridor into pieces, to the box of pixels in which a case may lie."""
    cut = (piece.core for part in site.parts for piece in pieces_of(part.core))
    boxes = (box_of_mask(site.inside(core), core) for core in cut)
    return tuple(Tile(box, box) for box in boxes if box is not None)


def pieces_of(core: Window) -> list[Tile]:
    """Cut a tile's core into pieces of equal height: two tiles at once were a sweep's peak.

    The halo is small, so that pieces cost little more than the whole, and the same comes out.
    """
    height = core.shape[0]
    n = -(-height // _PIECE_PX)
    edges = [core.row0 + height * k // n for k in range(n + 1)]
    pieces = (Window(a, b, core.col0, core.col1) for a, b in itertools.pairwise(edges))
    return [Tile(piece, piece) for piece in pieces]


def _sparse(marked: NDArray[np.bool_], seed: NDArray[np.bool_], core: Window) -> Pixels:
    rows, cols = np.nonzero(marked)
    return Pixels(
        (rows + core.row0).astype(np.int32), (cols + core.col0).astype(np.int32), seed[rows, cols]
    )


def neutral_of(states: States, p: Pass, pixels: Sparse) -> float:
    """Give the median of blue over red of some pixels on a look; NaN without blue."""
    box = box_of(pixels)
    reader = states.looks.reader(states.site.store)
    blue, red = (reader.band(p.id, b, box) for b in ("blue", "red"))
    at = (pixels[0] - box.row0, pixels[1] - box.col0)
    own = neutrality(blue[at], red[at])
    own = own[np.isfinite(own)]
    return float(np.median(own)) if own.size else float("nan")


def too_small(pixels: Pixels, least: int) -> bool:
    """Tell what is unexpected beyond doubt and only smaller than the smallest object.

    It is no sighting, and no history: a heap of three clear pixels that were taken for ordinary
    ground would be ordinary by the next quarter, when the plants around it no longer hide the rest.
    """
    return pixels.rows.size < least and bool(pixels.seed.any())


def grown(rows: NDArray[np.int32], cols: NDArray[np.int32]) -> Sparse:
    """Give the pixels of an object and their neighbours: its blurred edge is no history either."""
    r0, c0 = int(rows.min()) - 1, int(cols.min()) - 1
    mask = np.zeros((int(rows.max()) - r0 + 2, int(cols.max()) - c0 + 2), bool)
    mask[rows - r0, cols - c0] = True
    wide = np.asarray(ndimage.binary_dilation(mask, np.ones((3, 3))), bool)
    r, c = np.nonzero(wide)
    return (r + r0).astype(np.int32), (c + c0).astype(np.int32)


def box_of(pixels: Sparse) -> Window:
    """Give the box of sparse pixels."""
    rows, cols = pixels
    return Window(int(rows.min()), int(rows.max()) + 1, int(cols.min()), int(cols.max()) + 1)
