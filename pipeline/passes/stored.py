"""Stored pixels of a tile in one row, for what looks at nothing but the pixel itself.

A window is a river's box with a halo, and mostly empty; the store keeps its pixels packed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.io.blocks import NODATA, SCALE
from pipeline.io.store import CorridorStore
from pipeline.model import Tile
from pipeline.passes.ground import Site, Sparse

_AT_ONCE = 1 << 17  # pixels that are compared at once; a tile of 512 px has twice as many


@dataclass(frozen=True)
class Stored:
    """Stored pixels of a tile in which a case may lie, in their order.

    ``at`` intp (N,): places among all its stored pixels; ``reach`` uint16 (N,); ``places``: rows
    and columns in the grid, int32 (N,) each.
    """

    tile: Tile
    at: NDArray[np.intp]
    reach: NDArray[np.uint16]
    places: Sparse


def stored_pixels(site: Site, part: Tile) -> Iterator[Stored]:
    """Give the stored pixels of a part in which a case may lie, in pieces worked on at once.

    One piece at least, of none. They are made part by part: 18 bytes a pixel of a whole corridor
    are 60 MB along 200 km.
    """
    (tile,) = site.store.touched(part.core)
    reach = site.stored_reach(tile)
    inside = np.flatnonzero(reach)
    rows, cols = np.nonzero(site.store.kept(tile.core))
    rows, cols = rows + tile.core.row0, cols + tile.core.col0
    for begin in range(0, max(inside.size, 1), _AT_ONCE):
        at = inside[begin : begin + _AT_ONCE]
        places = (rows[at].astype(np.int32), cols[at].astype(np.int32))
        yield Stored(tile, at, reach[at], places)


def stored_values(
    store: CorridorStore,
    folder: str,
    names: Sequence[str],
    where: tuple[Tile, NDArray[np.intp]],
    blank: float,
) -> NDArray[np.float32]:
    """Give layers as :meth:`CorridorStore.reflectances` does, at stored pixels of a tile's core.

    ``where`` ends with the places of those that are wanted among the stored pixels.

    Returns
    -------
    float32 (layers, N)
    """
    tile, at = where
    out = np.full((len(names), at.size), blank, np.float32)
    for values, name in zip(out, names, strict=True):
        layer = store.packed(folder, name, tile)
        if layer is not None:
            packed = layer.values[at]
            known = packed != NODATA
            np.divide(packed, np.float32(SCALE), out=values, where=known, dtype=np.float32)
    return out
