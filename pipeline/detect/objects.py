"""Sparse pixels become objects, whatever the tiling was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy import ndimage

Int = NDArray[np.int32]

_ARC_PX = 3  # of a bank or of water beside an object


@dataclass(frozen=True)
class Shape:
    """Measures of an object: axes are those of the ellipse with its second moments."""

    pixels: int
    length_px: float
    width_px: float
    axis: tuple[float, float]  # unit vector (row, col) along the object
    compactness: float  # 4 pi area / perimeter², 1 for a disc

    @property
    def elongation(self) -> float:
        """Length over width, >= 1."""
        return self.length_px / max(self.width_px, 1.0)


@dataclass(frozen=True)
class Pixels:
    """Sparse candidate pixels of one date, in grid indices, by row then column."""

    rows: Int
    cols: Int
    seed: NDArray[np.bool_]


@dataclass(frozen=True)
class Rejection:
    """Why an object is no sighting; ``unknown``: nor is it known to be harmless."""

    reason: str
    unknown: bool
    pixels: int


def join(rows: Int, cols: Int) -> Int:
    """Label sparse pixels by 8-connectivity.

    Parameters
    ----------
    rows, cols : int32 (N,)
        Distinct pixels of the whole grid, of one date, in any order.

    Returns
    -------
    int32 (N,)
        0-based labels in the order of each object's first pixel (by row, then column): the same
        objects with the same labels however the grid was tiled.
    """
    n = rows.size
    if n == 0:
        return np.zeros(0, np.int32)
    stride = int(cols.max()) - int(cols.min()) + 3
    key = rows.astype(np.int64) * stride + (cols.astype(np.int64) - int(cols.min()) + 1)
    order = np.argsort(key, kind="stable")
    ordered = key[order]
    starts: list[NDArray[np.int64]] = []
    ends: list[NDArray[np.int64]] = []
    for step in (1, stride - 1, stride, stride + 1):
        found = np.searchsorted(ordered, ordered + step)
        hit = np.flatnonzero((found < n) & (ordered[np.minimum(found, n - 1)] == ordered + step))
        starts.append(hit)
        ends.append(found[hit])
    labels = np.empty(n, np.int32)
    labels[order] = _components(n, np.concatenate(starts), np.concatenate(ends))
    return labels


@njit(cache=True, nogil=True)
def _components(n, one, other):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Label the connected among ``n`` things, in the order of each label's first; int32 (n,).

    Importing SciPy's graphs and all that they need takes a tenth of a second.
    """
    root = np.arange(n)
    for k in range(one.size):
        a, b = one[k], other[k]
        while root[a] != a:
            root[a] = root[root[a]]
            a = root[a]
        while root[b] != b:
            root[b] = root[root[b]]
            b = root[b]
        root[max(a, b)] = min(a, b)  # so that a root is the first of its own
    labels = np.empty(n, np.int32)
    count = 0
    for k in range(n):
        if root[k] == k:
            labels[k] = count
            count += 1
        else:
            labels[k] = labels[root[k]]  # which lies before it, and has its label
    return labels


def split(parts: Sequence[Pixels]) -> list[Pixels]:
    """Join the sparse pixels of all tiles of one date into objects, by their first pixel."""
    if not any(p.rows.size for p in parts):
        return []
    rows = np.concatenate([p.rows for p in parts])
    cols = np.concatenate([p.cols for p in parts])
    seed = np.concatenate([p.seed for p in parts])
    order = np.lexsort((cols, rows))
    rows, cols, seed = rows[order], cols[order], seed[order]
    labels = join(rows, cols)
    by_label = np.argsort(labels, kind="stable")
    cuts = np.flatnonzero(np.diff(labels[by_label])) + 1
    return [Pixels(rows[i], cols[i], seed[i]) for i in np.split(by_label, cuts)]


def label(mask: NDArray[np.bool_]) -> Int:
    """Label a mask (H, W) by 8-connectivity, 0 outside."""
    out = np.zeros(mask.shape, np.int32)
    ndimage.label(mask, np.ones((3, 3)), output=out)
    return out


def measure(mask: NDArray[np.bool_]) -> Shape:
    """Measure the object that a mask (H, W) shows."""
    rows, cols = np.nonzero(mask)
    centred = np.stack([rows - rows.mean(), cols - cols.mean()])
    # A pixel is a square, not a point: 1/12 is its own second moment.
    moments = centred @ centred.T / rows.size + np.eye(2) / 12
    values, vectors = np.linalg.eigh(moments)
    along = vectors[:, 1]
    padded = np.pad(mask, 1)
    # Crofton: crossings along rows and columns and both diagonals.
    straight = sum(int(np.count_nonzero(np.diff(padded, axis=a))) for a in (0, 1))
    slant = int(np.count_nonzero(padded[1:, 1:] != padded[:-1, :-1]))
    slant += int(np.count_nonzero(padded[1:, :-1] != padded[:-1, 1:]))
    perimeter = np.pi / 8 * (straight + slant / np.sqrt(2))
    return Shape(
        pixels=int(rows.size),
        length_px=float(4 * np.sqrt(values[1])),
        width_px=float(4 * np.sqrt(values[0])),
        axis=(float(along[0]), float(along[1])),
        compactness=float(min(1.0, 4 * np.pi * rows.size / perimeter**2)),
    )


def ring(mask: NDArray[np.bool_], radius: int) -> NDArray[np.bool_]:
    """Pixels outside ``mask`` within ``radius`` (chessboard) of it."""
    out = np.zeros(mask.shape, np.bool_)
    rows, cols = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    if rows.size:  # beyond its box and the radius nothing is within it
        part = tuple(
            slice(max(int(a[0]) - radius, 0), int(a[-1]) + radius + 1) for a in (rows, cols)
        )
        own = mask[part]
        grown = np.asarray(ndimage.maximum_filter(own, 2 * radius + 1, mode="constant"), bool)
        out[part] = grown & ~own
    return out


def closes(mask: NDArray[np.bool_], land: NDArray[np.bool_], wet: NDArray[np.bool_]) -> float:
    """Tell how far an object reaches from bank to bank [px]; 0: it does not tie two together.

    Going round it at a distance of two pixels (mixed pixels lie nearer), land and water must take
    turns at least twice; arcs of fewer than three pixels do not count. It is measured along the
    line between the middles of the two longest arcs of land: a deck goes that way, while a fill
    along one bank of a narrow arm that almost meets the other is longer the other way.

    Parameters
    ----------
    mask, land, wet : bool (H, W)
        The object, ground that stands without it, and water.
    """
    round_it = ring(mask, 2) & ~ring(mask, 1)

    def arcs(own: NDArray[np.bool_], between: NDArray[np.bool_]) -> list[NDArray[np.float64]]:
        labels = label(round_it & (own | between))
        sizes = np.bincount(labels[round_it & own], minlength=1)
        sizes[0] = 0
        longest = [k for k in np.argsort(-sizes, kind="stable") if sizes[k] >= _ARC_PX]
        return [np.argwhere((labels == k) & own).mean(axis=0) for k in longest]

    unclear = ~land & ~wet
    banks = arcs(land, unclear)
    if len(banks) < 2 or len(arcs(wet, np.zeros_like(wet))) < 2:
        return 0.0
    line = banks[1] - banks[0]
    if np.hypot(*line) < _ARC_PX:  # arcs around one middle: no line says where the banks are
        return measure(mask).length_px
    along = np.argwhere(mask) @ (line / np.hypot(*line))
    return float(along.max() - along.min()) + 1.0


def spans(mask: NDArray[np.bool_], land: NDArray[np.bool_], shape: Shape) -> bool:
    """Tell whether an object reaches from land to land like a bridge, open along its middle.

    Parameters
    ----------
    mask, land : bool (H, W)
        The object, and ground that stands without it.
    """
    contact = ring(mask, 2) & land
    if not contact.any():
        return False
    rows, cols = np.nonzero(mask)
    centre = np.array([rows.mean(), cols.mean()])
    axis = np.asarray(shape.axis)
    along = (np.stack([rows, cols], axis=1) - centre) @ axis
    low, high = float(along.min()), float(along.max())
    touch = (np.stack(np.nonzero(contact), axis=1) - centre) @ axis
    place = (touch - low) / max(high - low, 1.0)
    middle = np.count_nonzero((place > 0.25) & (place < 0.75)) / place.size
    return bool((place < 0.15).any() and (place > 0.85).any() and middle < 0.2)
