"""Rasters, local and remote, read in windows of a corridor's grid.

A band whose pixels lie on the grid, or on one coarser by a whole factor, is read as it is. Anything
else (another CRS, another lattice) is warped once, and ``warped`` says so.
"""

from __future__ import annotations

import os

for _name in ("PROJ_LIB", "PROJ_DATA", "GDAL_DATA"):
    # Left behind by QGIS or PostGIS they point rasterio's own GDAL to foreign tables.
    os.environ.pop(_name, None)
# GDAL's own limit, a twentieth of the machine's memory, is more than a whole run needs otherwise;
# decoded blocks are of use until the next tile only. The environment takes MB, rasterio bytes.
_CACHE_MB = 128
CACHE_BYTES = _CACHE_MB * 2**20
os.environ.setdefault("GDAL_CACHEMAX", str(_CACHE_MB))

import math  # noqa: E402
import warnings  # noqa: E402
from collections.abc import Generator, Mapping  # noqa: E402
from contextlib import ExitStack, contextmanager  # noqa: E402
from dataclasses import dataclass  # noqa: E402
from pathlib import Path  # noqa: E402
from types import TracebackType  # noqa: E402
from typing import Any, cast  # noqa: E402

import numpy as np  # noqa: E402
import rasterio  # noqa: E402
from affine import Affine  # noqa: E402
from numpy.typing import NDArray  # noqa: E402
from rasterio.enums import ColorInterp, Resampling  # noqa: E402
from rasterio.errors import NotGeoreferencedWarning, RasterioError  # noqa: E402
from rasterio.io import DatasetReader, MemoryFile  # noqa: E402
from rasterio.session import Session  # noqa: E402
from rasterio.vrt import WarpedVRT  # noqa: E402

from pipeline.access import Access  # noqa: E402
from pipeline.errors import SceneUnusableError, SourceUnreachableError  # noqa: E402
from pipeline.io import remote  # noqa: E402
from pipeline.io.inflate import Blocks, Like, NotInflatedError, open_blocks  # noqa: E402
from pipeline.io.secrets import clean  # noqa: E402
from pipeline.io.unpack import Runs  # noqa: E402
from pipeline.model import Asset, Grid, Window  # noqa: E402

# A file without georeference is refused below with a sentence of our own.
warnings.filterwarnings("ignore", category=NotGeoreferencedWarning)

_ALLOWED_DRIVERS = ("GTiff", "JP2OpenJPEG")
_TOLERANCE = 1e-3  # of a pixel, for two lattices to be the same


Lattice = tuple[int, tuple[int, int], tuple[int, int], tuple[int, int]]
"""Of a file on a grid: its factor, its first pixel, and rows and columns of a block and of it."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What a raster file says of itself."""

    crs: str  # authority string or WKT
    transform: Affine
    shape: tuple[int, int]
    block: tuple[int, int]  # rows, columns of a block
    count: int
    dtype: str
    nodata: float | None


class _Secrets(Session):
    """Hands secrets to GDAL; rasterio refuses them as plain options, and would ask for boto3."""

    def __init__(self, secrets: Mapping[str, Any]) -> None:
        self._secrets = dict(secrets)

    def get_credential_options(self) -> dict[str, Any]:  # pyright: ignore[reportIncompatibleMethodOverride] - a stub's guess
        return dict(self._secrets)


@contextmanager
def open_raster(href: str, access: Access | None = None) -> Generator[Any]:
    """Open a GeoTIFF, COG or JPEG 2000 for reading: a path, http(s):// or s3://.

    ``access`` says how its catalogue is read; without it nothing is signed.

    Raises
    ------
    SceneUnusableError
        No such file, truncated, not a raster, or no georeference.
    SourceUnreachableError
        The server does not answer, or keeps answering with an error of its own.
    """
    what = remote.opening(href, access)
    with rasterio.Env(session=_Secrets({}), **what.options), _opened(what, access) as source:
        if source.crs is None:
            raise SceneUnusableError(
                f"{what.href} carries no coordinate reference system",
                "Export it again with its CRS; it is never guessed",
            )
        yield source


@contextmanager
def _open_fetched(data: bytes) -> Generator[Any]:
    """Open what was fetched of a file; it lies in memory, and GDAL asks for nothing beside it.

    Raises
    ------
    RasterioError
        It cannot be opened, or has no CRS: :func:`open_raster` says what is wrong with the file.
    """
    with ExitStack() as stack:
        with rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR"):
            file = stack.enter_context(MemoryFile(data))
            source = stack.enter_context(file.open(driver="GTiff"))
        if source.crs is None:
            raise RasterioError("no coordinate reference system")
        yield source


def _opened(what: remote.Opening, access: Access | None) -> Any:
    """Open a file; a refused token is renewed once."""
    for first in (True, False):
        try:
            # Secrets are GDAL's only while it opens: the next file may lie at another host.
            with rasterio.Env(session=_Secrets(what.secrets)):
                return DatasetReader(what.path, driver=list(_ALLOWED_DRIVERS))
        except RasterioError as error:
            status = remote.probe(what) if what.probe else 200
            refused = isinstance(status, int) and remote.renewed(what, access, status)
            if not (first and refused):
                cause = RasterioError(clean(str(error)))
                raise _explained(what, cause, status) from cause
            what = remote.opening(what.cited, access)
    raise AssertionError("not reached")


def raster_crs(path: str) -> str | None:
    """Give the CRS of a local raster, None if it carries none; raises ``SceneUnusableError``."""
    try:
        with DatasetReader(path, driver=list(_ALLOWED_DRIVERS)) as source:
            return crs_text(source.crs) if source.crs is not None else None
    except RasterioError as error:
        raise _explained(remote.opening(path, None), error, 200) from error


def raster_profile(href: str, access: Access | None = None) -> Profile:
    """Read the header of a raster; raises as :func:`open_raster`."""
    with open_raster(href, access) as source:
        rows, cols = source.block_shapes[0]
        return Profile(
            crs=crs_text(source.crs),
            transform=source.transform,
            shape=(int(source.height), int(source.width)),
            block=(int(rows), int(cols)),
            count=int(source.count),
            dtype=str(source.dtypes[0]),
            nodata=None if source.nodata is None else float(source.nodata),
        )


def crs_text(crs: Any) -> str:
    """Give a CRS as authority string where it has one, else as WKT."""
    code = crs.to_authority()
    return f"{code[0]}:{code[1]}" if code else str(crs.to_wkt())


def _explained(
    what: remote.Opening, error: Exception, status: int | SourceUnreachableError
) -> SceneUnusableError | SourceUnreachableError:
    """Tell a bad file from a bad server: GDAL reports both as "not recognized"."""
    known = remote.meaning(what, status)
    if known is not None:
        return known
    detail = " ".join(str(error).split())
    if status in (401, 403):  # of an object store, asked without a signature
        remedy = "Check the keys of the source's access.s3, and that the object is there"
        return SceneUnusableError(f"{what.href} cannot be read ({detail})", remedy)
    return SceneUnusableError(
        f"{what.href} cannot be read as a raster ({detail})", "Fetch or export the file again"
    )


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
        As :func:`open_raster`; a band index that the file does not have.
    """

    def __init__(self, asset: Asset, grid: Grid, data: bytes | None = None) -> None:
        self.asset = asset
        self._grid = grid
        self._context = (
            open_raster(asset.href, asset.access) if data is None else _open_fetched(data)
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
        placed = _on_lattice(self._source, self._grid)
        if placed is None:
            self.warped = True
            self._vrt = WarpedVRT(
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
            return
        self.factor, self._origin = placed
        if not self.by_alpha and self._source.driver == "GTiff":
            self._without_gdal(self._opened_blocks())

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
            parts = self._wanted(whole, keep, (row, col))
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
        rows, cols = self._source.block_shapes[self.asset.band_index - 1]
        inside = Window(0, self._source.height, 0, self._source.width)
        whole = Window(row, row + keep.shape[0], col, col + keep.shape[1]).intersect(inside)
        if whole is None:
            return set()
        parts = self._wanted(whole, keep, (row, col))
        return {
            (r, c)
            for p in parts
            for r in range(p.row0 // rows, -(-p.row1 // rows))
            for c in range(p.col0 // cols, -(-p.col1 // cols))
        }

    def _wanted(
        self, whole: Window, keep: NDArray[np.bool_], corner: tuple[int, int]
    ) -> list[Window]:
        """Cut a window of the file to its blocks that hold wanted pixels; neighbours together."""
        rows, cols = self._source.block_shapes[self.asset.band_index - 1]
        out: list[Window] = []
        for top in range(whole.row0 // rows * rows, whole.row1, rows):
            r0, r1 = max(top, whole.row0), min(top + rows, whole.row1)
            last: Window | None = None
            for left in range(whole.col0 // cols * cols, whole.col1, cols):
                c0, c1 = max(left, whole.col0), min(left + cols, whole.col1)
                part = keep[r0 - corner[0] : r1 - corner[0], c0 - corner[1] : c1 - corner[1]]
                if not part.any():
                    last = None
                    continue
                if last is not None:
                    out.pop()
                last = Window(r0, r1, c0 if last is None else last.col0, c1)
                out.append(last)
        # Where every block is wanted one read fetches them side by side.
        wanted = sum(w.shape[0] * w.shape[1] for w in out)
        return [whole] if wanted == whole.shape[0] * whole.shape[1] else out

    def _part(self, source: Any, part: Window) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
        """Read a window of the file (or of what it is warped to), all of it inside."""
        window = ((part.row0, part.row1), (part.col0, part.col1))
        try:
            block = cast("NDArray[np.generic]", source.read(self.asset.band_index, window=window))
        except RasterioError as error:
            cause = RasterioError(clean(str(error)))
            raise _explained_read(self.asset, cause) from cause
        nodata = self._nodata()
        if nodata is None:
            inside = np.ones(block.shape, dtype=bool)
            if self._alpha():
                inside = np.asarray(source.read(self._alpha(), window=window)) > 0
            elif self._vrt is not None:
                inside = np.asarray(source.dataset_mask(window=window)) > 0
            return block, inside
        inside = np.isfinite(block) if math.isnan(nodata) else block != nodata
        # Table and file may name different numbers: neither is a measurement.
        other = self._source.nodata
        if other is not None and other != nodata and not math.isnan(other):
            inside = inside & (block != other)
        return block, inside


def _explained_read(asset: Asset, error: Exception) -> SceneUnusableError | SourceUnreachableError:
    what = remote.opening(asset.href, asset.access)
    found = _explained(what, error, remote.probe(what) if what.probe else 200)
    if isinstance(found, SourceUnreachableError):
        return found
    if asset.access and asset.access.signing and "403" in str(error):
        reason = f"{what.href} was refused while it was read: its token ended"
        return SourceUnreachableError(reason, "Run again")
    return SceneUnusableError(
        f"{what.href} is damaged or truncated ({' '.join(str(error).split())})",
        "Fetch the file again",
    )


def _on_lattice(source: Any, grid: Grid) -> tuple[int, tuple[int, int]] | None:
    """Whole factor and offset (row, col, in source pixels) of the grid in a source, or None."""
    if crs_text(source.crs) != grid.crs:
        return None
    t, g = source.transform, grid.transform
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
