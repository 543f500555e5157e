"""Pixels of a raster at places of another grid, from the overview that is as coarse as asked for.

The places of a window are an affine map of its pixels, whatever the two coordinate systems: what a
projection bends within a window is less than a twentieth of a pixel, and a window for which it is
not is cut in four. So a raster is sampled once, bilinear, and not at all where its own pixels lie
on the grid; warping each window through GDAL gave the same at some thirty times the cost.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from pyproj import Transformer
from rasterio import DatasetReader
from rasterio.enums import ColorInterp, Resampling
from rasterio.windows import Window as RasterWindow

from pipeline.io.raster import crs_text
from pipeline.model import Grid, Window
from pipeline.pixel_map import PixelMap, sample_colours, sample_heights

Real = NDArray[np.float64]
Mask = NDArray[np.bool_]
HEIGHT_MOST_M = 1e5
"""Heights beyond are none, whatever the file says."""
_BENT_PX = 0.05  # of a projection within one window
_ON_PX = 0.02  # pixels that lie this near to those asked for are taken as they are
_COARSE_PX = 1024  # along a side of what is looked at to learn how bright a picture is
_BRIGHTEST = 99.5  # per cent of its values; glints beyond are saturated
_AS_COARSE = 1.02  # a level this much coarser than asked for still serves


class HeldRasters(threading.local):
    """The rasters that a thread has open, by level; closed when it, or their reader, is gone."""

    def __init__(self) -> None:
        self._sources: dict[tuple[Path, int], Any] = {}
        self._crs: dict[Path, str] = {}
        self._spare: dict[Path, int] = {}

    def crs(self, path: Path) -> str:
        """Give the CRS of a raster."""
        if path not in self._crs:
            self._crs[path] = crs_text(self.opened(path, -1).crs)
        return self._crs[path]

    def spare_bits(self, path: Path) -> int:
        """Give how many of a mosaic's upper bits its picture leaves unused.

        Cameras of 10 or 12 bit, and reflectance in ten thousandths, come in 16 bits of which they
        fill the lower part: read as shares of 65,535 all ground would be as dark as water.
        """
        if path not in self._spare:
            self._spare[path] = self._asked_spare(path)
        return self._spare[path]

    def _asked_spare(self, path: Path) -> int:
        base = self.opened(path, -1)
        bits = np.iinfo(base.dtypes[0]).bits
        if bits == 8:
            return 0
        coarsest = self.opened(path, len(base.overviews(1)) - 1)
        by = max(1, max(coarsest.shape) // _COARSE_PX)
        shape = tuple(max(1, n // by) for n in coarsest.shape)
        seen = coarsest.dataset_mask(out_shape=shape) > 0
        values = coarsest.read([1, 2, 3], out_shape=(3, *shape))[:, seen]
        if not values.size:
            return 0
        top = int(np.percentile(values, _BRIGHTEST))
        return max(0, int(bits) - max(8, top.bit_length()))

    def opened(self, path: Path, level: int) -> Any:
        """Give a raster, or its overview number ``level`` (from 0; -1 the raster itself)."""
        key = (path, level)
        if key not in self._sources:
            more = {} if level < 0 else {"overview_level": level}
            self._sources[key] = DatasetReader(str(path), driver=["GTiff"], **more)
        return self._sources[key]


@dataclass(frozen=True)
class Places:
    """Pixels of a grid that are asked for, one per ``step`` by ``step``, through a map."""

    grid: Grid
    window: Window  # of full pixels
    step: int
    by: PixelMap  # from the grid's pixels to where they are read, in pixels of the grid

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the answer."""
        rows, cols = (-(-n // self.step) for n in self.window.shape)
        return rows, cols

    def world(self, rows: Real, cols: Real) -> tuple[Real, Real]:
        """Give x and y [m] of indices of the answer."""
        r, c = self.by(
            self.window.row0 + (rows + 0.5) * self.step - 0.5,
            self.window.col0 + (cols + 0.5) * self.step - 0.5,
        )
        t = self.grid.transform
        x, y = c + 0.5, r + 0.5
        return t.a * x + t.b * y + t.c, t.d * x + t.e * y + t.f

    def quarters(self) -> list[tuple[Places, tuple[slice, slice]]]:
        """Cut it in four, or in two where it is one pixel high or wide."""
        w, s = self.window, self.step
        cuts = [(0, n // 2, n) if n > 1 else (0, n) for n in self.shape]
        out: list[tuple[Places, tuple[slice, slice]]] = []
        for r0, r1 in zip(cuts[0], cuts[0][1:], strict=False):
            for c0, c1 in zip(cuts[1], cuts[1][1:], strict=False):
                part = Window(w.row0 + r0 * s, w.row0 + r1 * s, w.col0 + c0 * s, w.col0 + c1 * s)
                out.append((Places(self.grid, part, s, self.by), (slice(r0, r1), slice(c0, c1))))
        return out


@lru_cache(maxsize=16)
def _between(source: str, target: str, thread: int) -> Transformer:
    """Give a transformer of one thread: PROJ's objects are not shared."""
    del thread
    return Transformer.from_crs(source, target, always_xy=True)


def _matrix(places: Places, transform: Affine, crs: str) -> tuple[Real, float]:
    """Give the map from the answer's indices to a raster's (2, 3), and how much is bent [px]."""
    t = ~transform
    if crs == places.grid.crs:
        x, y = places.world(np.array([0.0, 1.0, 0.0]), np.array([0.0, 0.0, 1.0]))
        there = np.stack([t.d * x + t.e * y + t.f, t.a * x + t.b * y + t.c]) - 0.5
        start = there[:, :1]
        return np.hstack([there[:, 1:] - start, start]), 0.0
    rows, cols = (np.linspace(0, max(n - 1, 1), 3) for n in places.shape)
    i, j = (v.ravel() for v in np.meshgrid(rows, cols, indexing="ij"))
    x, y = places.world(i, j)
    x, y = _between(places.grid.crs, crs, threading.get_ident()).transform(x, y)
    there = np.stack([t.d * x + t.e * y + t.f, t.a * x + t.b * y + t.c]) - 0.5
    basis = np.column_stack([i, j, np.ones(i.size)])
    matrix = np.linalg.lstsq(basis, there.T, rcond=None)[0].T
    bent = float(np.abs(matrix @ basis.T - there).max())
    return np.asarray(matrix, np.float64), bent


@dataclass(frozen=True)
class _Level:
    """A raster or one of its overviews, and how its pixels are asked for."""

    source: Any
    matrix: Real  # (2, 3) from the answer's indices to its pixels, ``thin`` by ``thin`` as one
    thin: int  # pixels along a side that are averaged while reading; 1 where overviews serve
    bent: float  # how far the matrix is from the truth [its pixels]

    def straight(self, shape: tuple[int, int]) -> bool:
        """Whether the matrix serves."""
        return self.bent <= _BENT_PX or max(shape) == 1


def _level(held: HeldRasters, path: Path, places: Places) -> _Level:
    """Choose the coarsest level that is no coarser than asked for."""
    source = held.opened(path, -1)
    matrix, bent = _matrix(places, source.transform, held.crs(path))
    wanted = float(np.linalg.svd(matrix[:, :2], compute_uv=False)[-1]) * _AS_COARSE
    factors = source.overviews(1)
    fitting = [k for k, f in enumerate(factors) if f <= wanted]
    factor = 1
    if fitting:
        factor = factors[fitting[-1]]
        whole, source = source, held.opened(path, fitting[-1])
        # The pixels of an overview share the raster's extent evenly, whatever its factor is called.
        scale = np.array([[source.height / whole.height], [source.width / whole.width]])
        matrix = matrix * scale
        matrix[:, 2:] += 0.5 * scale - 0.5
        bent /= factor
    thin = max(1, int(wanted / factor))
    if thin > 1:
        # (row + 0.5) / thin - 0.5
        matrix = matrix / thin
        matrix[:, 2] += 0.5 / thin - 0.5
    return _Level(source, matrix, thin, bent / thin)


def _needed(level: _Level, shape: tuple[int, int]) -> Window | None:
    """Give the pixels of a level (as thinned) that an answer rests on, inside of the raster."""
    most = [max(n - 1, 0) for n in shape]
    corners = np.array([(r, c, 1) for r in (0, most[0]) for c in (0, most[1])], float)
    rows, cols = level.matrix @ corners.T
    off = _ON_PX if level.straight(shape) else -4 * level.bent
    r0, c0 = (int(np.floor(v.min() + off)) for v in (rows, cols))
    r1, c1 = (int(np.floor(v.max() + abs(off))) + 2 for v in (rows, cols))
    whole = Window(0, level.source.height // level.thin, 0, level.source.width // level.thin)
    return Window(r0, r1, c0, c1).intersect(whole)


def _shift(level: _Level, shape: tuple[int, int]) -> tuple[int, int] | None:
    """Give how far the answer's pixels lie from a level's, if they are the same pixels."""
    most = [max(n - 1, 0) for n in shape]
    corners = np.array([(r, c, 1) for r in (0, most[0]) for c in (0, most[1])], float)
    off = level.matrix @ corners.T - corners[:, :2].T
    near = np.rint(off)
    same = np.abs(off - near).max() <= _ON_PX and (near == near[:, :1]).all()
    return (int(near[0, 0]), int(near[1, 0])) if same else None


def _raster_window(window: Window, thin: int) -> Any:
    # Stubs know no arguments of it.
    make: Any = RasterWindow
    rows, cols = window.shape
    return make(window.col0 * thin, window.row0 * thin, cols * thin, rows * thin)


def _how(window: Window, level: _Level) -> dict[str, Any]:
    how: dict[str, Any] = {"window": _raster_window(window, level.thin)}
    if level.thin > 1:
        how |= {"out_shape": window.shape, "resampling": Resampling.average}
    return how


def read_colours(held: HeldRasters, path: Path, places: Places) -> tuple[NDArray[Any], Mask]:
    """Read red, green, blue, maybe near infrared (band, H, W); and where there is a picture.

    Of 16 bit the picture's own range fills the type's, whatever the camera's.
    """
    colour, valid = _read_colours(held, path, places)
    spare = held.spare_bits(path)
    if spare:
        most = np.iinfo(colour.dtype).max >> spare
        colour = np.minimum(colour, colour.dtype.type(most)) << spare
    return colour, valid


def _read_colours(held: HeldRasters, path: Path, places: Places) -> tuple[NDArray[Any], Mask]:
    base = held.opened(path, -1)
    alpha = [i + 1 for i, c in enumerate(base.colorinterp) if c is ColorInterp.alpha]
    bands = [i for i in range(1, base.count + 1) if i not in alpha][:4]
    colour = np.zeros((len(bands), *places.shape), base.dtypes[0])
    valid = np.zeros(places.shape, bool)
    level = _level(held, path, places)
    window = _needed(level, places.shape)
    if window is None:
        return colour, valid
    if not level.straight(places.shape):
        for part, at in places.quarters():
            colour[:, at[0], at[1]], valid[at] = _read_colours(held, path, part)
        return colour, valid
    how = _how(window, level)
    if alpha:
        both = level.source.read([*bands, alpha[0]], **how)
        given, seen = both[:-1], both[-1] > np.iinfo(both.dtype).max // 2
    else:
        given = level.source.read(bands, **how)
        seen = level.source.dataset_mask(**how) > 127
    whole = _shift(level, places.shape)
    if whole is None:
        return sample_colours(given, seen, _within(level.matrix, window), *places.shape)
    into, at = _overlap(whole, window, places.shape)
    colour[:, into[0], into[1]], valid[into] = given[:, at[0], at[1]], seen[at]
    return colour, valid


def read_heights(held: HeldRasters, path: Path, places: Places) -> NDArray[np.float32]:
    """Read heights [m], (H, W), NaN where there are none."""
    out = np.full(places.shape, np.nan, np.float32)
    level = _level(held, path, places)
    window = _needed(level, places.shape)
    if window is None:
        return out
    if not level.straight(places.shape):
        for part, at in places.quarters():
            out[at] = read_heights(held, path, part)
        return out
    how = _how(window, level)
    given = np.asarray(level.source.read(1, **how), np.float32)
    given[~(np.abs(given) < HEIGHT_MOST_M) | (level.source.dataset_mask(**how) == 0)] = np.nan
    whole = _shift(level, places.shape)
    if whole is None:
        return sample_heights(given, _within(level.matrix, window), *places.shape)
    into, at = _overlap(whole, window, places.shape)
    out[into] = given[at]
    return out


def _within(matrix: Real, window: Window) -> Real:
    out = matrix.copy()
    out[:, 2] -= (window.row0, window.col0)
    return out


def _overlap(
    shift: tuple[int, int], window: Window, shape: tuple[int, int]
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Give where pixels of a window go to in the answer, and which of them do."""
    asked = Window(shift[0], shift[0] + shape[0], shift[1], shift[1] + shape[1])
    both = window.intersect(asked)
    if both is None:
        return (slice(0), slice(0)), (slice(0), slice(0))
    return both.within(asked), both.within(window)
