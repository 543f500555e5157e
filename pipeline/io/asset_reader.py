"""One band of one scene, read in windows of a corridor's grid.

A band whose pixels lie on the grid, or on one coarser by a whole factor, is read as it is. Anything
else (another CRS, another lattice) is warped once, and ``warped`` says so.
"""

from __future__ import annotations

import math
from pathlib import Path
from types import TracebackType
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from rasterio.enums import ColorInterp, Resampling
from rasterio.errors import RasterioError
from rasterio.vrt import WarpedVRT

from pipeline.errors import SceneUnusableError
from pipeline.io import remote
from pipeline.io.file_blocks import blocks_of, wanted_parts
from pipeline.io.inflate import Blocks, Like, NotInflatedError, open_blocks
from pipeline.io.lattice import on_lattice
from pipeline.io.raster import crs_text, open_fetched, open_raster
from pipeline.io.raster_errors import explained_read
from pipeline.io.runs import Runs
from pipeline.io.secrets import clean
from pipeline.model import Asset, Grid, Window

Lattice = tuple[int, tuple[int, int], tuple[int, int], tuple[int, int]]
"""Of a file on a grid: its factor, its first pixel, and rows and columns of a block and of it."""


class AssetReader:
    """One band of one scene, opened for windows of a corridor's grid; a context manager.

    Parameters
    ----------
    asset
        What to read; its ``nodata`` wins over the file's.
    grid
        The corridor's grid.
    data
        What :mod:`pipeline.io.fetched` brought of the file, with all blocks that will be read;
        without it GDAL reads it where it lies.

    Attributes
    ----------
    factor : int
        Pixels of the grid per pixel read, along a side: windows come back at this resolution, and
        must then be multiples of it.
    warped : bool
        True if the band did not lie on the grid's lattice.

    Raises
    ------
    SceneUnusableError, SourceUnreachableError
        As :func:`~pipeline.io.raster.open_raster`; a band index that the file does not have.
    """

    def __init__(self, asset: Asset, grid: Grid, data: bytes | None = None) -> None:
        self.asset = asset
        self._grid = grid
        self._context = (
            open_raster(asset.href, asset.access) if data is None else open_fetched(data)
        )
        self._data = data
        self._source: Any = None
        self._vrt: Any = None
        self._blocks: Blocks | None = None
        self.factor = 1
        self.warped = False
        self._origin = (0, 0)

    def __enter__(self) -> AssetReader:
        self._source = self._context.__enter__()
        try:
            self._prepare()
        except BaseException:
            self._context.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._vrt is not None:
            self._vrt.close()
        self._without_gdal(None)
        self._context.__exit__(None, None, None)

    def _prepare(self) -> None:
        if not 1 <= self.asset.band_index <= self._source.count:
            raise SceneUnusableError(
                f"{remote.named(self.asset.href)} has {self._source.count} band(s) and no band "
                f"{self.asset.band_index} ({self.asset.band})",
                "Check the band table in config/sensors",
            )
        placed = None
        if crs_text(self._source.crs) == self._grid.crs:
            placed = on_lattice(self._source.transform, self._grid)
        if placed is None:
            self.warped = True
            self._vrt = self._warp()
            return
        self.factor, self._origin = placed
        if not self.by_alpha and self._source.driver == "GTiff":
            self._without_gdal(self._opened_blocks())

    def _warp(self) -> WarpedVRT:
        """Lay the file's pixels on the grid's lattice."""
        return WarpedVRT(
            self._source,
            crs=self._grid.crs,
            transform=self._grid.transform,
            height=self._grid.shape[0],
            width=self._grid.shape[1],
            resampling=Resampling.nearest if self.asset.band == "scl" else Resampling.bilinear,
            src_nodata=self._nodata(),
            nodata=self._nodata(),
            # Without a number for no data only an alpha band tells ground from the margin.
            add_alpha=self._nodata() is None and not self._alpha(),
        )

    def _without_gdal(self, blocks: Blocks | None) -> None:
        """Read ordinary blocks by these from now on, or by GDAL alone."""
        if self._blocks is not None:
            self._blocks.close()
        self._blocks = blocks

    def _opened_blocks(self) -> Blocks | None:
        """Give the blocks of an ordinary file that lies here; None if GDAL has to read it."""
        place: Path | bytes | None = self._data
        if place is None:
            path = remote.opening(self.asset.href, self.asset.access).path
            if path.startswith("/vsi") or "://" in path:
                return None
            place = Path(path)
        shape = (int(self._source.height), int(self._source.width))
        like = Like(shape, self.block_shape, self.asset.band_index, self.pixel_bytes[0])
        return open_blocks(place, like)

    @property
    def numbers(self) -> int:
        """How many different numbers a pixel may hold, where :meth:`stored` can read it; else 0."""
        return self._blocks.numbers if self._blocks is not None else 0

    @property
    def blanks(self) -> frozenset[float]:
        """Numbers that stand for no data."""
        nodata = self._nodata()
        if nodata is None:
            return frozenset()
        # Table and file may name different numbers: neither is a measurement.
        return frozenset(n for n in (nodata, self._source.nodata) if n == n and n is not None)  # noqa: PLR0124

    def stored(
        self, window: Window, runs: Runs, table: NDArray[np.int16], nodata: int
    ) -> NDArray[np.int16] | None:
        """Read what a store keeps of a window, without GDAL; None where GDAL has to.

        Parameters
        ----------
        runs
            The pixels that are kept, at this ``factor``.
        table : int16 (``numbers``,)
            What is kept of each number.
        nodata
            What is kept outside the file.

        Returns
        -------
        int16 (N,) or None
            In row-major order.
        """
        if self._blocks is None:
            return None
        f = self.factor
        corner = (window.row0 // f + self._origin[0], window.col0 // f + self._origin[1])
        try:
            return self._blocks.stored(corner, runs, table, nodata)
        except NotInflatedError:
            self._without_gdal(None)  # GDAL says what is wrong
            return None

    @property
    def block_shape(self) -> tuple[int, int]:
        """Rows and columns of a block of the band."""
        rows, cols = self._source.block_shapes[self.asset.band_index - 1]
        return int(rows), int(cols)

    @property
    def pixel_bytes(self) -> tuple[int, int]:
        """Bytes of a pixel of the band, and of all bands of the file."""
        sizes = [np.dtype(kind).itemsize for kind in self._source.dtypes]
        return sizes[self.asset.band_index - 1], sum(sizes)

    @property
    def by_alpha(self) -> bool:
        """True if another band, alpha, says where there is data."""
        return self._nodata() is None and self._alpha() > 0

    def _alpha(self) -> int:
        """Give the index of the file's own alpha band, 0 without one."""
        kinds = list(self._source.colorinterp)
        return kinds.index(ColorInterp.alpha) + 1 if ColorInterp.alpha in kinds else 0

    def _nodata(self) -> float | None:
        return self._source.nodata if self.asset.nodata is None else self.asset.nodata

    def read(
        self, window: Window, keep: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
        """Read a window of the grid.

        Parameters
        ----------
        keep : bool (rows / factor, cols / factor), optional
            Pixels that are wanted: blocks of the file without any of them are not read, and come
            back as if they had no data.

        Returns
        -------
        values : (rows / factor, cols / factor)
            Digital numbers as stored; zeros outside the file.
        valid : bool, same shape
            False outside the file and where it has no data.
        """
        f = self.factor
        row, col = window.row0 // f, window.col0 // f
        shape = (-(-window.row1 // f) - row, -(-window.col1 // f) - col)
        source = self._source if self._vrt is None else self._vrt
        row, col = row + self._origin[0], col + self._origin[1]
        values = np.zeros(shape, dtype=source.dtypes[self.asset.band_index - 1])
        valid = np.zeros(shape, dtype=bool)
        r0, r1 = max(row, 0), min(row + shape[0], source.height)
        c0, c1 = max(col, 0), min(col + shape[1], source.width)
        if r0 >= r1 or c0 >= c1:
            return values, valid
        whole = Window(r0, r1, c0, c1)
        parts = [whole]
        if keep is not None and self._vrt is None:
            parts = wanted_parts(whole, keep, (row, col), self.block_shape)
        for part in parts:
            at = (slice(part.row0 - row, part.row1 - row), slice(part.col0 - col, part.col1 - col))
            values[at], valid[at] = self._part(source, part)
        return values, valid

    @property
    def lattice(self) -> Lattice:
        """Say how the file lies on the grid; files of which it is the same have the same blocks."""
        shape = (int(self._source.height), int(self._source.width))
        return (self.factor, self._origin, self.block_shape, shape)

    def blocks(self, window: Window, keep: NDArray[np.bool_]) -> set[tuple[int, int]]:
        """Give the blocks (row, column) of the file that :meth:`read` would read."""
        f = self.factor
        row, col = window.row0 // f + self._origin[0], window.col0 // f + self._origin[1]
        inside = Window(0, self._source.height, 0, self._source.width)
        whole = Window(row, row + keep.shape[0], col, col + keep.shape[1]).intersect(inside)
        if whole is None:
            return set()
        block = self.block_shape
        return blocks_of(wanted_parts(whole, keep, (row, col), block), block)

    def _part(self, source: Any, part: Window) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
        """Read a window of the file (or of what it is warped to), all of it inside."""
        window = ((part.row0, part.row1), (part.col0, part.col1))
        try:
            block = cast("NDArray[np.generic]", source.read(self.asset.band_index, window=window))
        except RasterioError as error:
            cause = RasterioError(clean(str(error)))
            raise explained_read(self.asset, cause) from cause
        nodata = self._nodata()
        if nodata is None:
            inside = np.ones(block.shape, dtype=bool)
            if self._alpha():
                inside = np.asarray(source.read(self._alpha(), window=window)) > 0
            elif self._vrt is not None:
                inside = np.asarray(source.dataset_mask(window=window)) > 0
            return block, inside
        # Table and file may name different numbers: neither is a measurement.
        blanks = [b for b in {nodata, self._source.nodata} if b is not None]
        inside = np.ones(block.shape, dtype=bool)
        for blank in blanks:
            inside &= np.isfinite(block) if math.isnan(blank) else block != blank
        return block, inside
