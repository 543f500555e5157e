"""Rasters, local and remote: opened, and what they say of themselves."""

from __future__ import annotations

import warnings
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import rasterio
from affine import Affine
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.io import DatasetReader, MemoryFile
from rasterio.session import Session

from pipeline.access import Access
from pipeline.errors import SceneUnusableError
from pipeline.io import remote
from pipeline.io.raster_errors import explained
from pipeline.io.secrets import clean

# A file without georeference is refused below with a sentence of our own.
warnings.filterwarnings("ignore", category=NotGeoreferencedWarning)

_ALLOWED_DRIVERS = ("GTiff", "JP2OpenJPEG")


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
    descriptions: tuple[str, ...] = ()  # what it calls its bands, "" where it says nothing
    scales: tuple[float, ...] = ()  # 1 where it states none
    offsets: tuple[float, ...] = ()  # 0 where it states none


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
def open_fetched(data: bytes) -> Generator[Any]:
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
                raise explained(what, cause, status) from cause
            what = remote.opening(what.cited, access)
    raise AssertionError("not reached")


def raster_crs(path: str) -> str | None:
    """Give the CRS of a local raster, None if it carries none; raises ``SceneUnusableError``."""
    try:
        with DatasetReader(path, driver=list(_ALLOWED_DRIVERS)) as source:
            return crs_text(source.crs) if source.crs is not None else None
    except RasterioError as error:
        raise explained(remote.opening(path, None), error, 200) from error


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
            descriptions=tuple(_band_name(source, i) for i in source.indexes),
            scales=tuple(float(s) for s in source.scales),
            offsets=tuple(float(o) for o in source.offsets),
        )


def _band_name(source: Any, index: int) -> str:
    # Some write it as a tag of the band, which GDAL does not take for its description.
    said = source.descriptions[index - 1] or source.tags(index).get("DESCRIPTION")
    return str(said or "")


def crs_text(crs: Any) -> str:
    """Give a CRS as authority string where it has one, else as WKT."""
    code = crs.to_authority()
    return f"{code[0]}:{code[1]}" if code else str(crs.to_wkt())
