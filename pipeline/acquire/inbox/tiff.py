"""The header of a GeoTIFF from outside: driver and limits first, then where it lies.

GDAL opens the file alone, with its GeoTIFF driver only: nothing beside it (.aux.xml, .ovr, .msk,
.vrt) is ever looked at, but a world file and a .prj, which are read here.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from pyproj import CRS
from pyproj.exceptions import CRSError
from rasterio._err import CPLE_BaseError
from rasterio.enums import ColorInterp
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader

from pipeline.acquire.inbox.reasons import refuse
from pipeline.io import GDAL_CACHE_BYTES
from pipeline.io.raster import crs_text

MOST_SIDE = 250_000  # px
MOST_PIXELS = 20_000_000_000  # 40,000 px squared is 1.6 of these
_MOST_BLOCK = 256 * 2**20  # bytes of one block, unpacked
_MOST_BANDS = 20
_TEXT = 64 * 2**10  # bytes of a world file or a .prj
_ALONE: dict[str, Any] = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_PAM_ENABLED": False,
    "GTIFF_REPORT_COMPD_CS": True,  # with the vertical part
    "GDAL_CACHEMAX": GDAL_CACHE_BYTES,
}
NO_BYTES, UNKNOWN = "空文件 empty", "?"
# Getters of rasterio let GDAL's own errors out as they are.
BROKEN = (RasterioError, CPLE_BaseError)
_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_OTHERS = (
    (b"<VRTDataset", "VRT"),
    (b"<!DOCTYPE html", "HTML"),
    (b"<html", "HTML"),
    (b"<?xml", "XML"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG", "PNG"),
    (b"PK\x03\x04", "ZIP"),
    (b"EHFA_HEADER", "ERDAS IMG"),
)


@dataclass(frozen=True)
class Header:
    """What one GeoTIFF says of itself; no pixel is read."""

    path: Path
    name: str  # relative to the drop
    crs: str | None  # authority string or WKT; of the file, or of a .prj beside it
    vertical_feet: bool  # its vertical CRS, or the unit of its band, is a foot
    transform: Affine
    shape: tuple[int, int]
    block: tuple[int, int]
    dtype: str
    colours: tuple[str, ...]  # GDAL's interpretation of each band
    nodata: float | None
    masked: bool = field(default=False)  # it has an internal mask
    scale: float = 1.0  # of the first band: what is stored, times this, plus the offset
    offset: float = 0.0
    unit: str = ""  # of the first band, as it is written

    @property
    def count(self) -> int:
        """Bands."""
        return len(self.colours)

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """Left, bottom, right, top in its CRS."""
        t = self.transform
        return t.c, t.f + self.shape[0] * t.e, t.c + self.shape[1] * t.a, t.f

    @property
    def scaled(self) -> bool:
        """True if what is stored is no height yet."""
        return (self.scale, self.offset) != (1.0, 0.0)

    @property
    def surface(self) -> bool:
        """True if it can hold heights: one band of numbers."""
        return self.count == 1 and self.dtype in ("float32", "float64", "int16", "uint16", "int32")


@contextmanager
def opened(path: Path) -> Generator[Any]:
    """Open a GeoTIFF and nothing else; errors are rasterio's."""
    with rasterio.Env(**_ALONE), DatasetReader(str(path.absolute()), driver="GTiff") as source:
        yield source


def read_header(path: Path, name: str) -> Header:
    """Read a header and hold it against the limits.

    Raises
    ------
    SubmissionRefusedError
        No GeoTIFF, damaged, too large, or not placed on the ground, north-up.
    """
    _check_magic(path, name)
    try:
        with opened(path) as source:
            check_size(name, (int(source.height), int(source.width)))
            _check_layout(source, name)
            return _header(source, path, name)
    except (*BROKEN, ValueError) as error:  # ValueError: a CRS that cannot be read
        raise unreadable(name, error) from error


def unreadable(name: str, error: Exception) -> Exception:
    """Say of a file that it is damaged."""
    # "See previous exception for details": whoever reads a receipt cannot.
    told = error.__cause__ if error.__cause__ and "previous exception" in str(error) else error
    what = " ".join(str(told).split()) or type(told).__name__
    return refuse("unreadable", file=name, what=what.replace(name, "")[:160])


def _check_magic(path: Path, name: str) -> None:
    with path.open("rb") as stream:
        head = stream.read(512)
    if head[:4] in _MAGIC:
        return
    text = head.lstrip(b"\xef\xbb\xbf \r\n\t").lower()
    really = next((w for mark, w in _OTHERS if text.startswith(mark.lower())), UNKNOWN)
    raise refuse("not_tiff", file=name, really=really if head else NO_BYTES)


def check_size(name: str, shape: tuple[int, int]) -> None:
    """Refuse more pixels (rows, columns) than are read."""
    rows, cols = shape
    most = f"{MOST_SIDE} px a side, {MOST_PIXELS / 1e9:g}e9 px"
    if min(rows, cols) < 1:
        raise refuse("unreadable", file=name, what=f"{cols} x {rows} px")
    if max(rows, cols) > MOST_SIDE or rows * cols > MOST_PIXELS:
        raise refuse("too_large", file=name, what=f"{cols} x {rows} px", most=most)


def _check_layout(source: Any, name: str) -> None:
    if source.count > _MOST_BANDS:
        raise refuse("bands", file=name, what=f"{source.count} bands 波段")
    high, wide = (int(n) for n in source.block_shapes[0])
    bands = source.count if source.profile.get("interleave") == "pixel" else 1
    if high * wide * bands * np.dtype(source.dtypes[0]).itemsize > _MOST_BLOCK:
        what, limit = f"one block of {wide} x {high} px", f"{_MOST_BLOCK // 2**20} MiB"
        raise refuse("too_large", file=name, what=what, most=limit)


def _header(source: Any, path: Path, name: str) -> Header:
    crs = crs_text(source.crs) if source.crs is not None else _beside_prj(path)
    rows, cols = (int(n) for n in source.block_shapes[0])
    flags = source.mask_flag_enums[0]
    return Header(
        path=path,
        name=name,
        crs=crs,
        vertical_feet=_feet(crs, source.units[0]),
        transform=_transform(source, path, name),
        shape=(int(source.height), int(source.width)),
        block=(rows, cols),
        dtype=str(source.dtypes[0]) if len(set(source.dtypes)) == 1 else "mixed",
        colours=tuple(ColorInterp(c).name for c in source.colorinterp),
        nodata=None if source.nodata is None else float(source.nodata),
        masked=[f.name for f in flags] == ["per_dataset"],
        scale=float(source.scales[0]),
        offset=float(source.offsets[0]),
        unit=(source.units[0] or "").strip(),
    )


def _transform(source: Any, path: Path, name: str) -> Affine:
    t: Affine = source.transform
    if t == Affine.identity():
        found = _world_file(path, name)
        if found is None:
            raise refuse("no_place", file=name, what="no geotransform 无定位信息")
        t = found
    if not all(math.isfinite(v) for v in t[:6]) or t.a <= 0 or t.e >= 0 or t.b or t.d:
        what = f"{t.a:g} {t.b:g} {t.d:g} {t.e:g}"
        raise refuse("no_place", file=name, what=what)
    return t


def _world_file(path: Path, name: str) -> Affine | None:
    """Read a .tfw: six numbers, of the centre of the first pixel."""
    text = _beside(path, (".tfw", ".tifw", ".TFW"))
    if text is None:
        return None
    try:
        a, d, b, e, c, f = (float(v) for v in text.split())
    except ValueError as error:
        raise refuse("no_place", file=name, what="the .tfw holds no six numbers") from error
    return Affine(a, b, c - a / 2 - b / 2, d, e, f - d / 2 - e / 2)


def _beside_prj(path: Path) -> str | None:
    text = _beside(path, (".prj", ".PRJ"))
    try:
        crs = CRS.from_user_input(text.strip()) if text and "[" in text else None
    except CRSError:
        return None
    if crs is None:
        return None
    code = crs.to_epsg(min_confidence=70)
    return f"EPSG:{code}" if code else crs.to_wkt()


def _beside(path: Path, suffixes: tuple[str, ...]) -> str | None:
    for suffix in suffixes:
        other = path.with_suffix(suffix)
        if other.is_file() and not other.is_symlink() and other.stat().st_size <= _TEXT:
            return other.read_bytes().decode("utf-8", errors="replace")
    return None


def _feet(crs: str | None, unit: str | None) -> bool:
    """Tell whether heights are in feet, by the vertical CRS or by the unit of the band."""
    named = (unit or "").strip().lower()
    if named.startswith(("ft", "feet", "foot", "us-ft", "us survey f")):
        return True
    if crs is None:
        return False
    try:
        axes = CRS.from_user_input(crs).axis_info
    except CRSError:
        return False  # and refused for it where the CRS is used
    return any(a.direction == "up" and "foot" in a.unit_name.lower() for a in axes)
