"""Ground whose water does not hang together with the channel: it tells no level, and has none.

What hangs together is asked of the whole corridor, tile by tile until nothing rises any more
(:mod:`pipeline.detect.channel`), once for each history, and is kept beside it,
``past/KEY/apart``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse
from scipy.sparse.csgraph import connected_components

from pipeline.detect.channel import AROUND_PX, CORE_BIN, GAP_PX, belongs, cores, flood
from pipeline.detect.water_frequency import UNSEEN
from pipeline.io.store import CorridorStore
from pipeline.model import Tile, Window
from pipeline.passes.past import Past

_NAME = "apart"
_EIGHT = np.ones((3, 3), bool)

Place = tuple[int, int]
"""Row and column of a tile among all tiles of a grid."""

T = TypeVar("T", bound=np.generic)
_Bins = dict[Place, NDArray[np.uint8]]
_Flags = dict[Place, NDArray[np.bool_]]


@dataclass(frozen=True)
class Apart:
    """What is apart in a history; ``share`` 0: nothing is."""

    past: Past
    share: float

    @property
    def _folder(self) -> str:
        return f"past/{self.past.key}/apart-{self.share:g}"

    def find(self) -> None:
        """Find it, unless it is kept; before any of the other methods."""
        store = self.past.states.site.store
        names = {store.tile_name(t) for t in store.all_tiles}
        if self.share and names - store.written(self._folder):
            found = _apart(self.past, self.share)
            for tile in store.all_tiles:
                layer = store.pack(found[_place(store, tile)].astype(np.int16), tile, 1)
                store.write(self._folder, tile, {_NAME: layer}, durable=False)

    def stored(self, tile: Tile) -> NDArray[np.bool_] | None:
        """Give it of the stored pixels of a tile's core, bool (N,); None: nothing is."""
        if not self.share:
            return None
        layer = self.past.states.site.store.packed(self._folder, _NAME, tile)
        return None if layer is None else np.asarray(layer.values) == 1

    def over(self, window: Window) -> NDArray[np.bool_] | None:
        """Give it of a window, bool (H, W); None: nothing is."""
        if not self.share:
            return None
        return self.past.states.site.store.dense(self._folder, _NAME, window)[0] == 1


def _apart(past: Past, share: float) -> _Flags:
    site = past.states.site
    store = site.store
    bins: _Bins = {}
    reaches: dict[Place, NDArray[np.uint16]] = {}
    for tile in store.all_tiles:
        own = np.zeros(tile.core.shape, np.uint8)
        own[store.kept(tile.core)] = past.stored(tile).bins[0]
        own[own == UNSEEN] = 0
        bins[_place(store, tile)] = own
        reaches[_place(store, tile)] = site.reach(tile.core)
    return apart_of(bins, reaches, share)


def apart_of(bins: _Bins, reaches: dict[Place, NDArray[np.uint16]], share: float) -> _Flags:
    """Find what is apart.

    Parameters
    ----------
    bins : uint8 (h, w) by place
        Water frequency of the tiles of a corridor by their row and column among all tiles; 0 where
        it was never water, or never seen. Tiles of a row have one height, of a column one width.
    reaches : uint16 (h, w) by place
        1-based reach, 0 outside.
    share
        As of :func:`pipeline.detect.channel.cores`.

    Returns
    -------
    bool (h, w) by place
    """
    pieces = _pieces(bins, reaches)
    chosen = np.zeros(len(pieces.sizes) + 1, bool)
    chosen[list(cores(pieces.sizes, pieces.reaches, pieces.beside, share))] = True
    if not chosen.any():  # nothing was water half of the time: nothing tells a river from ponds
        return {place: np.zeros(own.shape, bool) for place, own in bins.items()}
    reached = {p: np.where(chosen[ids], bins[p], np.uint8(0)) for p, ids in pieces.ids.items()}
    _rise(bins, reached)
    joined = {p: belongs(own, reached[p]) for p, own in bins.items()}
    return {p: ~(joined[p] | (own == 0) & _near(joined, p)) for p, own in bins.items()}


def _rise(bins: _Bins, reached: _Bins) -> None:
    """Raise what tiles have reached, with what comes in from those beside, until nothing rises."""
    waiting = dict.fromkeys(p for p, own in reached.items() if own.any())
    while waiting:
        place = next(iter(waiting))
        del waiting[place]
        own, level = _framed(bins, place, 1), _framed(reached, place, 1)
        flood(own, level)
        reached[place] = level[1:-1, 1:-1].copy()
        for beside in _beside(place):
            if beside in bins and _would_rise(bins[beside], reached, beside):
                waiting.setdefault(beside)


def _would_rise(own: NDArray[np.uint8], reached: _Bins, place: Place) -> bool:
    """Tell whether the rim of a tile rises by what those beside it have reached."""
    level = _framed(reached, place, 1)
    rim = np.zeros(own.shape, bool)
    rim[[0, -1], :], rim[:, [0, -1]] = True, True
    rows, cols = np.nonzero(rim & (own > reached[place]))
    for dr in range(3):
        for dc in range(3):
            if (
                np.minimum(level[rows + dr, cols + dc], own[rows, cols])
                > reached[place][rows, cols]
            ).any():
                return True
    return False


@dataclass(frozen=True)
class _Pieces:
    """Pieces of mostly-water, whole over all tiles, by number from 1; what :func:`cores` asks."""

    ids: dict[Place, NDArray[np.int32]]
    sizes: dict[int, int]
    reaches: dict[int, set[int]]
    beside: dict[int, set[int]]


def _pieces(bins: _Bins, reaches: dict[Place, NDArray[np.uint16]]) -> _Pieces:
    ids, many = _numbered(bins)
    sizes = np.zeros(many + 1, np.int64)
    there: dict[int, set[int]] = {k: set() for k in range(1, many + 1)}
    near: dict[int, set[int]] = {k: set() for k in range(1, many + 1)}
    for place, own in ids.items():
        sizes += np.bincount(own.ravel(), minlength=many + 1)
        pairs = np.unique(np.stack([own[own > 0], reaches[place][own > 0]]), axis=1)
        for piece, reach in pairs.T.tolist():
            there[piece].add(reach)
        wide = _framed(ids, place, GAP_PX)
        for piece, around in _windows(own):
            part = wide[around]
            reach_out = ndimage.binary_dilation(part == piece, _EIGHT, GAP_PX)
            near[piece] |= set(np.unique(part[reach_out]).tolist()) - {0, piece}
    return _Pieces(ids, {k: int(sizes[k]) for k in there}, there, near)


def _windows(own: NDArray[np.int32]) -> list[tuple[int, tuple[slice, slice]]]:
    """Give the pieces of a tile, each with its window in a tile framed by :data:`GAP_PX`."""
    out: list[tuple[int, tuple[slice, slice]]] = []
    names = np.unique(own[own > 0])
    compact = np.searchsorted(names, own) + 1
    for name, box in zip(names, ndimage.find_objects(np.where(own > 0, compact, 0)), strict=True):
        r, c = box
        out.append(
            (int(name), (slice(r.start, r.stop + 2 * GAP_PX), slice(c.start, c.stop + 2 * GAP_PX)))
        )
    return out


def _numbered(bins: _Bins) -> tuple[dict[Place, NDArray[np.int32]], int]:
    """Give mostly-water a number a piece, over all tiles, from 1; and the last of them."""
    ids: dict[Place, NDArray[np.int32]] = {}
    first = 0
    for place, own in sorted(bins.items()):
        labels = np.asarray(ndimage.label(own >= CORE_BIN, _EIGHT)[0], np.int32)  # type: ignore[index]
        ids[place] = np.where(labels > 0, labels + first, 0).astype(np.int32)
        first += int(labels.max(initial=0))
    links: list[NDArray[np.int32]] = []
    for place, own in ids.items():
        wide = _framed(ids, place, 1)
        rows, cols = np.nonzero(own)
        edge = (rows == 0) | (cols == 0) | (rows == own.shape[0] - 1) | (cols == own.shape[1] - 1)
        rows, cols = rows[edge], cols[edge]
        for dr in range(3):
            for dc in range(3):
                other = wide[rows + dr, cols + dc]
                links.append(np.stack([own[rows, cols], other])[:, other > 0])
    a, b = np.concatenate(links, axis=1) if links else np.zeros((2, 0), np.int32)
    graph = sparse.coo_matrix((np.ones(a.size, bool), (a, b)), (first + 1, first + 1))
    _, whole = connected_components(graph, directed=False)
    _, names = np.unique(whole[1:], return_inverse=True)  # the first of all is no piece
    table = np.concatenate([[0], names + 1]).astype(np.int32)
    return {place: table[own] for place, own in ids.items()}, int(table.max(initial=0))


def _near(joined: _Flags, place: Place) -> NDArray[np.bool_]:
    """Tell what lies near what hangs together with the channel."""
    wide = _framed(joined, place, AROUND_PX)
    grown = ndimage.binary_dilation(wide, _EIGHT, AROUND_PX)
    return np.asarray(grown[AROUND_PX:-AROUND_PX, AROUND_PX:-AROUND_PX], np.bool_)


def _framed(maps: dict[Place, NDArray[T]], place: Place, pad: int) -> NDArray[T]:
    """Give a tile with a frame of what lies in those around it; 0 where there is none."""
    own = maps[place]
    h, w = own.shape
    out = np.zeros((h + 2 * pad, w + 2 * pad), own.dtype)
    spans = {-1: (slice(-pad, None), 0), 0: (slice(None), pad)}
    for dr, dc in ((r, c) for r in (-1, 0, 1) for c in (-1, 0, 1)):
        other = maps.get((place[0] + dr, place[1] + dc))
        if other is None:
            continue
        rows, top = spans.get(dr, (slice(0, pad), pad + h))
        cols, left = spans.get(dc, (slice(0, pad), pad + w))
        part = other[rows, cols]
        # Narrower tiles stand at the far edges of the grid alone.
        out[top : top + part.shape[0], left : left + part.shape[1]] = part
    return out


def _beside(place: Place) -> list[Place]:
    around = ((r, c) for r in (-1, 0, 1) for c in (-1, 0, 1) if (r, c) != (0, 0))
    return [(place[0] + r, place[1] + c) for r, c in around]


def _place(store: CorridorStore, tile: Tile) -> Place:
    return tile.core.row0 // store.tile_px, tile.core.col0 // store.tile_px
