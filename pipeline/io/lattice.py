"""Whether the pixels of a raster lie on the lattice of a corridor's grid."""

from __future__ import annotations

from affine import Affine

from pipeline.model import Grid

_TOLERANCE = 1e-3  # of a pixel, for two lattices to be the same


def on_lattice(transform: Affine, grid: Grid) -> tuple[int, tuple[int, int]] | None:
    """Give how a raster of the grid's CRS lies on its lattice; None where it does not.

    Returns
    -------
    factor : int
        Pixels of the grid per pixel of the raster, along a side.
    corner : (int, int)
        Row and column of the grid's first pixel in the raster, in its own pixels.
    """
    t, g = transform, grid.transform
    if t.b or t.d or t.e >= 0:
        return None
    factor = round(t.a / g.a)
    # A factor that does not divide a tile would leave half pixels at its edge: warp it.
    if (
        factor < 1
        or 64 % factor
        or abs(t.a - factor * g.a) > 1e-6
        or abs(t.e - factor * g.e) > 1e-6
    ):
        return None
    col, row = (g.c - t.c) / t.a, (g.f - t.f) / t.e
    if abs(col - round(col)) > _TOLERANCE or abs(row - round(row)) > _TOLERANCE:
        return None
    return factor, (round(row), round(col))
