"""A corridor on its grid: store, reaches, the looks that count, and their ground states."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.detect.features import MODELLED
from pipeline.grid import box_of_mask
from pipeline.io.burn import burn, burn_indices
from pipeline.io.looks import LookReader
from pipeline.io.runs import Runs, areas_of, fill
from pipeline.io.store import CorridorStore
from pipeline.io.tasks import Progress, Workers
from pipeline.model import Corridor, DateQuality, Ground, Pass, Reach, Tile, Window

Sparse = tuple[NDArray[np.int32], NDArray[np.int32]]


def meet(one: Sparse, other: Sparse) -> bool:
    """Tell whether two sets of pixels have one in common."""
    return bool(shared(one, other).any())


def shared(one: Sparse, other: Sparse) -> NDArray[np.bool_]:
    """Tell which pixels of a set lie in another, bool (N,); far apart they are not compared."""
    none = np.zeros(one[0].size, bool)
    if not one[0].size or not other[0].size:
        return none
    if any(a.min() > b.max() or b.min() > a.max() for a, b in zip(one, other, strict=True)):
        return none
    own, theirs = (rows.astype(np.int64) << 32 | cols for rows, cols in (one, other))
    return np.isin(own, theirs)


@dataclass(frozen=True)
class Site:
    """A corridor with its store: what every sweep works on."""

    corridor: Corridor
    store: CorridorStore
    reaches: tuple[Reach, ...]
    workers: Workers = 1
    io_threads: int = 1
    progress: Progress | None = None
    owner: str = ""  # name of the workflow, for the record of what it uses

    def __getstate__(self) -> dict[str, Any]:
        # A worker elsewhere works alone and talks to nobody.
        held = {k: v for k, v in self.__dict__.items() if k not in ("_areas", "parts")}
        return {**held, "workers": 1, "io_threads": 1, "progress": None}

    def detached(self) -> Site:
        """Give the site as a worker sees it."""
        return replace(self, workers=1, io_threads=1, progress=None)

    @property
    def n_reach(self) -> int:
        """Number of reaches; their indices are 1..n_reach."""
        return len(self.reaches)

    def reach(self, window: Window) -> NDArray[np.uint16]:
        """1-based reach index over ``window``, 0 outside; uint16."""
        n = self.store.tile_px
        out = np.zeros(window.shape, np.uint16)
        for row in range(window.row0 // n, -(-window.row1 // n)):
            for col in range(window.col0 // n, -(-window.col1 // n)):
                block = Window(row * n, (row + 1) * n, col * n, (col + 1) * n)
                areas, numbers = self._areas(block)
                common = block.intersect(window)
                assert common is not None
                corner = (common.row0 - window.row0, common.col0 - window.col0)
                fill(numbers, areas, common.within(block), out, corner)
        return out

    def stored_reach(self, tile: Tile) -> NDArray[np.uint16]:
        """1-based reach index of the stored pixels of a tile's core, uint16 (N,)."""
        return self.reach(tile.core)[self.store.kept(tile.core)]

    @cached_property
    def _areas(self) -> Callable[[Window], tuple[Runs, NDArray[np.uint16]]]:
        # Every look over every window asks for them, and drawing outlines takes as long as reading
        # one; rows of a block hold a reach or two, so that those of a whole river are few bytes.
        return lru_cache(maxsize=4096)(self._draw)

    def _draw(self, block: Window) -> tuple[Runs, NDArray[np.uint16]]:
        shapes = [(r.polygon, r.index) for r in self.reaches]
        return areas_of(burn_indices(shapes, self.store.grid.sub(block)))

    def inside(self, window: Window) -> NDArray[np.bool_]:
        """Mask of the pixels in which a case may lie."""
        return self.reach(window) > 0

    @cached_property
    def parts(self) -> tuple[Tile, ...]:
        """Tiles cut to the box of their pixels in which a case may lie; those without one go.

        A river crosses a tile in a band or a corner. Counts by reach and candidates need no more.
        """
        found = (box_of_mask(self.inside(t.core), t.core) for t in self.store.tiles)
        return tuple(Tile(core, core) for core in found if core is not None)

    def stored(self, window: Window) -> NDArray[np.bool_]:
        """Mask of the pixels the store keeps: the corridor and its context."""
        return burn(self.store.stored, self.store.grid.sub(window))


@dataclass(frozen=True)
class Looks:
    """The usable looks of a site in time order, with what the reduction found of each.

    ``mask_keys`` and ``state_keys`` name the layers of each pass in the store.
    """

    passes: tuple[Pass, ...]
    quality: Mapping[str, DateQuality]
    mask_keys: Mapping[str, str]
    state_keys: Mapping[str, str]
    # Names of what the layers of a pass say, as far as they were asked for (``passes.normals``).
    marks: dict[str, str] = field(default_factory=dict[str, str], repr=False, compare=False)

    def reader(self, store: CorridorStore) -> LookReader:
        """Give a reader that applies shifts, offsets and the clear-sky mask."""
        return LookReader(store, self.quality, self.mask_keys)


@dataclass(frozen=True)
class States:
    """Ground states from the store, with pixel-looks of known sightings blanked on request."""

    site: Site
    looks: Looks
    flagged: Mapping[str, Sequence[Sparse]] = field(default_factory=dict[str, list[Sparse]])
    # Of these what was a sighting or a known case, and not only too small to be one.
    sighted: Mapping[str, Sequence[Sparse]] = field(default_factory=dict[str, list[Sparse]])

    @cached_property
    def _reader(self) -> LookReader:
        return LookReader(self.site.store)

    def of(self, pass_id: str, window: Window) -> NDArray[np.uint8]:
        """Ground codes of one pass over ``window``, uint8."""
        return self._reader.codes(
            f"state/{self.looks.state_keys[pass_id]}/{pass_id}", "state", window
        )

    def stored(self, pass_id: str, tile: Tile) -> NDArray[np.uint8]:
        """Ground codes of one pass at the stored pixels of a tile's core, uint8 (N,)."""
        folder = f"state/{self.looks.state_keys[pass_id]}/{pass_id}"
        return self._reader.stored_codes(folder, "state", tile)

    def features(
        self, pass_id: str, window: Window, names: Sequence[str] = MODELLED
    ) -> NDArray[np.float32]:
        """Features of one pass over ``window``, float32 ``(F, H, W)``, NaN without data."""
        folder = f"feature/{self.looks.state_keys[pass_id]}/{pass_id}"
        return self.site.store.reflectances(folder, names, window)

    def history(self, pass_ids: Sequence[str], window: Window) -> NDArray[np.uint8]:
        """Ground codes ``(T, H, W)`` flagged pixels UNKNOWN: a fill never becomes normal."""
        if not pass_ids:
            return np.zeros((0, *window.shape), np.uint8)
        return np.stack(list(self.each(pass_ids, window)))

    def each(self, pass_ids: Sequence[str], window: Window) -> Iterator[NDArray[np.uint8]]:
        """Give the same ``(H, W)`` one look at a time."""
        for pass_id in pass_ids:
            state = self.of(pass_id, window)
            for rows, cols in self.flagged.get(pass_id, ()):
                r, c = rows - window.row0, cols - window.col0
                ok = (r >= 0) & (r < window.shape[0]) & (c >= 0) & (c < window.shape[1])
                state[r[ok], c[ok]] = Ground.UNKNOWN
            yield state
