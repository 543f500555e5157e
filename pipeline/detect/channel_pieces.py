"""Pieces of mostly-water over the tiles of a corridor: where they lie, how long, what is near."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse
from scipy.sparse.csgraph import connected_components

from pipeline.detect.channel import BETWEEN_M2, CORE_BIN, GAP_M, Piece

_EIGHT = np.ones((3, 3), bool)

Place = tuple[int, int]
"""Row and column of a tile among all tiles of a grid."""

T = TypeVar("T", bound=np.generic)


@dataclass(frozen=True)
class Pieces:
    """Pieces by number from 1.

    ``labels`` numbers those of each tile from 1 by itself, in as few bytes as hold them, and
    ``numbers`` gives the piece of each label.
    """

    labels: Mapping[Place, NDArray[np.unsignedinteger]]
    numbers: Mapping[Place, NDArray[np.int32]]
    pieces: Mapping[int, Piece]

    def among(self, place: Place, chosen: set[int]) -> NDArray[np.bool_]:
        """Tell which pixels of a tile lie in one of some pieces, bool (h, w)."""
        flags = np.isin(self.numbers[place], sorted(chosen))
        return flags[self.labels[place]]


def pieces_of(
    bins: Mapping[Place, NDArray[np.uint8]],
    reaches: Mapping[Place, NDArray[np.uint16]],
    res_m: float,
) -> Pieces:
    """Find the pieces of what was water at least half of the time, whole over all tiles.

    ``bins`` and ``reaches`` as of :func:`pipeline.detect.channel_map.apart_of`.
    """
    labels = {place: _labels(own) for place, own in bins.items()}
    numbers = _numbers(labels)
    many = max((int(n.max(initial=0)) for n in numbers.values()), default=0)
    by_reach: list[dict[int, float]] = [{} for _ in range(many + 1)]
    moments = np.zeros((many + 1, 6))
    side = side_of(bins)
    for place, own in labels.items():
        _add_areas(numbers[place][own], reaches[place], res_m**2, by_reach)
        rows, cols = np.nonzero(own)
        at = (rows + place[0] * side[0], cols + place[1] * side[1])
        moments_of(at, numbers[place][own[rows, cols]], moments)
    alone = {k: Piece(by_reach[k], length(moments[k]) * res_m) for k in range(1, many + 1)}
    large = np.array([False, *(p.area_m2 >= BETWEEN_M2 for p in alone.values())])
    near: list[set[int]] = [set() for _ in range(many + 1)]
    for place in labels:
        for piece, others in _near(labels, numbers, (place, max(1, round(GAP_M / res_m))), large):
            near[piece] |= others
    found = {k: replace(p, beside=frozenset(near[k])) for k, p in alone.items()}
    return Pieces(labels, numbers, found)


def side_of(maps: Mapping[Place, NDArray[np.generic]]) -> tuple[int, int]:
    """Give rows and columns of a whole tile: narrower ones stand at the far edges alone."""
    shapes = [own.shape for own in maps.values()] or [(1, 1)]
    return max(s[0] for s in shapes), max(s[1] for s in shapes)


def _labels(own: NDArray[np.uint8]) -> NDArray[np.unsignedinteger]:
    found = np.asarray(ndimage.label(own >= CORE_BIN, _EIGHT)[0])  # type: ignore[index]
    return found.astype(np.min_scalar_type(int(found.max(initial=0))))


def _numbers(labels: Mapping[Place, NDArray[np.unsignedinteger]]) -> dict[Place, NDArray[np.int32]]:
    """Give the piece of each label of each tile, 0 of label 0: what touches across tiles is one."""
    first: dict[Place, int] = {}
    many = 0
    for place, own in sorted(labels.items()):
        first[place], many = many, many + int(own.max(initial=0))
    held = {p: _counted(int(o.max(initial=0)), first[p]) for p, o in labels.items()}
    links = [_links(labels, held, place) for place in labels]
    a, b = np.concatenate(links, axis=1) if links else np.zeros((2, 0), np.int32)
    graph = sparse.coo_matrix((np.ones(a.size, bool), (a, b)), (many + 1, many + 1))
    _, whole = connected_components(graph, directed=False)
    _, names = np.unique(whole[1:], return_inverse=True)  # the first of all is no piece
    table = np.r_[0, names + 1].astype(np.int32)
    return {place: table[own] for place, own in held.items()}


def _counted(many: int, first: int) -> NDArray[np.int32]:
    out = np.arange(first, first + many + 1, dtype=np.int32)
    out[0] = 0
    return out


def _links(
    labels: Mapping[Place, NDArray[np.unsignedinteger]],
    numbers: Mapping[Place, NDArray[np.int32]],
    place: Place,
) -> NDArray[np.int32]:
    """Give pairs of numbers that touch at the rim of a tile, int32 (2, N)."""
    wide = _framed_numbers(labels, numbers, place, 1)
    own = wide[1:-1, 1:-1]
    rows, cols = rim(own.shape)
    there = own[rows, cols] > 0
    rows, cols = rows[there], cols[there]
    out: list[NDArray[np.int32]] = [np.zeros((2, 0), np.int32)]
    for dr in range(3):
        for dc in range(3):
            other = wide[rows + dr, cols + dc]
            out.append(np.stack([own[rows, cols], other])[:, other > 0])
    return np.concatenate(out, axis=1)


def _add_areas(
    piece: NDArray[np.int32],
    reach: NDArray[np.uint16],
    pixel_m2: float,
    into: list[dict[int, float]],
) -> None:
    there = piece > 0
    both = piece[there].astype(np.int64) << 16 | reach[there]
    for pair, count in zip(*np.unique(both, return_counts=True), strict=True):
        own, index = into[int(pair) >> 16], int(pair) & 0xFFFF
        own[index] = own.get(index, 0.0) + int(count) * pixel_m2


def moments_of(
    places: tuple[NDArray[np.int64], NDArray[np.int64]],
    of: NDArray[np.integer],
    into: NDArray[np.float64],
) -> None:
    """Add up, for each number of ``of``, pixels, rows and columns, their squares and product [px].

    ``into`` float64 (numbers, 6).
    """
    # Whole numbers below 2^53 add up exactly, in whatever order tiles come.
    r, c = places[0].astype(np.float64), places[1].astype(np.float64)
    for k, value in enumerate((np.ones_like(r), r, c, r * r, c * c, r * c)):
        into[:, k] += np.bincount(of, value, into.shape[0])


def length(moments: NDArray[np.float64]) -> float:
    """Give the length of a rectangle that spreads as a piece does along its longer axis [px].

    Parameters
    ----------
    moments : float64 (6,)
        Pixels, sums of rows, columns, their squares and their product.
    """
    if moments[0] == 0:
        return 0.0
    # A pixel is itself a square: 1/12 is what it spreads.
    return math.sqrt(12 * float(np.linalg.eigvalsh(spread(moments))[-1]) + 1)


def spread(moments: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give how the middles of pixels spread over rows and columns, float64 (2, 2) [px2]."""
    n, r, c, rr, cc, rc = moments
    both = rc / n - r * c / n**2
    return np.array([[rr / n - (r / n) ** 2, both], [both, cc / n - (c / n) ** 2]])


def _near(
    labels: Mapping[Place, NDArray[np.unsignedinteger]],
    numbers: Mapping[Place, NDArray[np.int32]],
    at: tuple[Place, int],
    large: NDArray[np.bool_],
) -> Iterator[tuple[int, set[int]]]:
    """Give what of ``large`` lies near the pieces of a tile that are large; ``at``: tile, px."""
    place, gap = at
    table = numbers[place]
    asked = np.flatnonzero(large[table])
    if not asked.size:
        return
    wide = _framed_numbers(labels, numbers, place, gap)
    wide[~large[wide]] = 0
    boxes = ndimage.find_objects(labels[place].astype(np.int32))
    names = table.tolist()
    for label in map(int, asked):
        r, c = boxes[label - 1]
        around = wide[r.start : r.stop + 2 * gap, c.start : c.stop + 2 * gap]
        piece = names[label]
        grown = np.asarray(ndimage.binary_dilation(around == piece, _EIGHT, gap), np.bool_)
        yield piece, set(np.unique(around[grown]).tolist()) - {0, piece}


def _framed_numbers(
    labels: Mapping[Place, NDArray[np.unsignedinteger]],
    numbers: Mapping[Place, NDArray[np.int32]],
    place: Place,
    pad: int,
) -> NDArray[np.int32]:
    """Give the pieces of a tile and of what lies in a frame around it, 0 none."""
    shape = labels[place].shape
    out = np.zeros((shape[0] + 2 * pad, shape[1] + 2 * pad), np.int32)
    for near, of, to in _frame(labels, place, pad):
        out[to] = numbers[near][labels[near][of]]
    return out


def framed(maps: Mapping[Place, NDArray[T]], place: Place, pad: int) -> NDArray[T]:
    """Give a tile with a frame of what lies in those around it; 0 where there is none."""
    h, w = maps[place].shape
    out = np.zeros((h + 2 * pad, w + 2 * pad), maps[place].dtype)
    for near, of, to in _frame(maps, place, pad):
        out[to] = maps[near][of]
    return out


def _frame(
    maps: Mapping[Place, NDArray[np.generic]], place: Place, pad: int
) -> Iterator[tuple[Place, tuple[slice, slice], tuple[slice, slice]]]:
    """Give each tile of a frame: which it is, what of it lies there, and where in the frame."""
    h, w = maps[place].shape
    for dr, dc in ((r, c) for r in (-1, 0, 1) for c in (-1, 0, 1)):
        near = (place[0] + dr, place[1] + dc)
        if near in maps:
            rows, top = _span(dr, maps[near].shape[0], h, pad)
            cols, left = _span(dc, maps[near].shape[1], w, pad)
            yield near, (rows, cols), (top, left)


def _span(step: int, size: int, own: int, pad: int) -> tuple[slice, slice]:
    """Give what of a tile ``size`` long lies in a frame along one axis, and where."""
    if step == 0:
        return slice(0, own), slice(pad, pad + own)
    # Narrower tiles stand at the far edges of the grid alone, and may be narrower than the frame.
    many = min(pad, size)
    if step < 0:
        return slice(size - many, size), slice(pad - many, pad)
    return slice(0, many), slice(pad + own, pad + own + many)


def rim(shape: tuple[int, int]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Give rows and columns of the pixels at the edge of a tile, each once, intp (N,)."""
    h, w = shape
    rows = np.r_[
        np.zeros(w, np.intp), np.full(w if h > 1 else 0, h - 1), np.arange(1, max(1, h - 1))
    ]
    cols = np.r_[np.arange(w), np.arange(w if h > 1 else 0), np.zeros(max(0, h - 2), np.intp)]
    if w > 1:
        rows = np.r_[rows, np.arange(1, max(1, h - 1))]
        cols = np.r_[cols, np.full(max(0, h - 2), w - 1)]
    return rows, cols
