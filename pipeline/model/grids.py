"""Windows, grids and tiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from affine import Affine


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """Half-open pixel ranges ``[row0, row1) x [col0, col1)``; may reach outside the grid."""

    row0: int
    row1: int
    col0: int
    col1: int

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        return self.row1 - self.row0, self.col1 - self.col0

    @property
    def slices(self) -> tuple[slice, slice]:
        """For indexing an array that covers the whole grid."""
        return slice(self.row0, self.row1), slice(self.col0, self.col1)

    def pad(self, pixels: int) -> Window:
        """Grown by ``pixels`` on each side."""
        return Window(
            self.row0 - pixels, self.row1 + pixels, self.col0 - pixels, self.col1 + pixels
        )

    def intersect(self, other: Window) -> Window | None:
        """Give the common part, or None."""
        r0, r1 = max(self.row0, other.row0), min(self.row1, other.row1)
        c0, c1 = max(self.col0, other.col0), min(self.col1, other.col1)
        return Window(r0, r1, c0, c1) if r0 < r1 and c0 < c1 else None

    @classmethod
    def around(cls, windows: Sequence[Window]) -> Window:
        """Give the smallest window that holds all of some; there is one at least."""
        return cls(
            min(w.row0 for w in windows),
            max(w.row1 for w in windows),
            min(w.col0 for w in windows),
            max(w.col1 for w in windows),
        )

    def within(self, outer: Window) -> tuple[slice, slice]:
        """Slices of this window inside an array that covers ``outer``."""
        return (
            slice(self.row0 - outer.row0, self.row1 - outer.row0),
            slice(self.col0 - outer.col0, self.col1 - outer.col0),
        )


@dataclass(frozen=True, slots=True)
class Grid:
    """A north-up raster geometry.

    ``crs`` is an authority string ("EPSG:32649"); ``transform`` maps (col, row) of a pixel corner
    to (x, y); ``shape`` is (rows, columns).
    """

    crs: str
    transform: Affine
    shape: tuple[int, int]

    @property
    def res_m(self) -> float:
        """Pixel size [m] (CRS units)."""
        return float(self.transform.a)

    @property
    def pixel_area_m2(self) -> float:
        """Area of a pixel [m²]."""
        return abs(self.transform.a * self.transform.e)

    @property
    def window(self) -> Window:
        """All of it."""
        return Window(0, self.shape[0], 0, self.shape[1])

    def sub(self, window: Window) -> Grid:
        """Give the grid of a window of this grid."""
        return Grid(
            self.crs, self.transform * Affine.translation(window.col0, window.row0), window.shape
        )

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """(left, bottom, right, top) in CRS units."""
        t = self.transform
        return t.c, t.f + self.shape[0] * t.e, t.c + self.shape[1] * t.a, t.f


@dataclass(frozen=True, slots=True)
class Tile:
    """A window that a worker owns (``core``) and what it may look at (``halo``, core included)."""

    core: Window
    halo: Window
