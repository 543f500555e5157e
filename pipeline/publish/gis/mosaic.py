"""Pictures of all cases as a few virtual mosaics (VRT, GDAL 2 or newer), by relative paths.

A mosaic refers to the GeoTIFFs of the evidence and holds no pixel. Cases have dates of their own,
and the ground shown around neighbours overlaps: what a case itself lies on is laid on top again
from its own picture, so that no neighbour of another date hides it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
import rasterio
from affine import Affine
from rasterio.crs import CRS
from shapely.geometry.base import BaseGeometry

from pipeline.grid import reproject
from pipeline.publish.gis.pictures import Picture

FOLDER = "mosaics"
_TYPES = {"uint8": "Byte", "int16": "Int16", "uint16": "UInt16", "float32": "Float32"}
_COLOURS = (  # what is drawn as red, green, blue; and what it is called
    (("red", "green", "blue"), "真彩色"),
    (("swir16", "nir", "red"), "假彩色（短波红外/近红外/红）"),
    (("nir", "red", "green"), "假彩色（近红外/红/绿）"),
)
_AROUND_PX = 6  # of a case's own ground around its outline
_SAMPLED = 48  # pictures that a stretch is measured on
_SIDE_PX = 256  # of a chip's pixels so many along a side are looked at: a drone's has a million


@dataclass(frozen=True)
class Chip:
    """A GeoTIFF of the evidence, as its header tells."""

    picture: Picture
    crs: str  # as QGIS shall take it: an authority's code, or WKT
    transform: Affine
    shape: tuple[int, int]  # rows, columns
    block: tuple[int, int]  # likewise, of its blocks
    bands: tuple[str, ...]
    dtype: str
    nodata: float | None

    @property
    def family(self) -> tuple[Any, ...]:
        """What pictures of one mosaic have in common."""
        res = tuple(round(v, 6) for v in (self.transform.a, self.transform.e))
        return self.crs, res, self.bands, self.dtype, self.nodata


@dataclass(frozen=True)
class Look:
    """Three bands of a mosaic as colours, under one stretch for both times."""

    zh: str
    bands: tuple[int, int, int]  # from 1
    stretch: tuple[tuple[float, float], ...]  # what is drawn black, and white


@dataclass(frozen=True)
class Mosaic:
    """A virtual mosaic of the pictures of one time."""

    time: str  # before | after
    path: str  # below the folder, with /
    crs: str
    content: bytes  # the VRT
    chips: int
    looks: tuple[Look, ...]


def mosaics_of(
    folder: Path, pictures: Iterable[Picture], outlines: Mapping[str, BaseGeometry]
) -> list[Mosaic]:
    """Make the mosaics over the pictures of a folder.

    Parameters
    ----------
    outlines : mapping of case id to Polygon or MultiPolygon
        Lon/lat.

    Returns
    -------
    list of Mosaic
        One per time and kind of picture (reference system, pixel, bands): a run of satellites has
        one kind for each UTM zone, a drone's has one for each size of pixel.
    """
    families: dict[tuple[Any, ...], list[Chip]] = {}
    for picture in sorted(pictures):
        chip = _chip(folder, picture)
        families.setdefault(chip.family, []).append(chip)
    found: list[Mosaic] = []
    for n, (_, chips) in enumerate(sorted(families.items(), key=lambda f: repr(f[0])), 1):
        looks = _looks(folder, chips)
        for time in ("before", "after"):
            own = [c for c in chips if c.picture.time == time]
            if own:
                path = f"{FOLDER}/{time}_{n}.vrt"
                content = _vrt(own, outlines)
                found.append(Mosaic(time, path, own[0].crs, content, len(own), looks))
    return found


def _chip(folder: Path, picture: Picture) -> Chip:
    with rasterio.open(folder / picture.path) as source:
        names = tuple(n or f"band {i}" for i, n in enumerate(source.descriptions, 1))
        return Chip(
            picture,
            _code_of(source.crs.to_wkt()),
            source.transform,
            source.shape,
            source.block_shapes[0],
            names,
            str(source.dtypes[0]),
            source.nodata,
        )


@lru_cache(maxsize=64)
def _code_of(wkt: str) -> str:
    code = CRS.from_wkt(wkt).to_epsg()
    return wkt if code is None else f"EPSG:{code}"


def _looks(folder: Path, chips: Sequence[Chip]) -> tuple[Look, ...]:
    """Choose the colours that the bands allow; plain pictures are drawn by their first three."""
    names = chips[0].bands
    wanted = [(tuple(names.index(b) + 1 for b in bands), zh) for bands, zh in _COLOURS
              if set(bands) <= set(names)]  # fmt: skip
    if not wanted and len(names) >= 3:
        wanted = [((1, 2, 3), _COLOURS[0][1])]
    every = max(1, len(chips) // _SAMPLED)
    values: list[Any] = []
    for chip in chips[::every]:
        with rasterio.open(folder / chip.picture.path) as source:
            by = -(-max(source.shape) // _SIDE_PX)
            read = source.read(masked=True)[:, ::by, ::by].astype(np.float32)
            values.append(read.filled(np.nan).reshape(len(names), -1))
    pixels = np.concatenate(values, axis=1)
    looks: list[Look] = []
    for bands, zh in wanted[:2]:
        own = pixels[[b - 1 for b in bands]]
        if np.isfinite(own).any(axis=1).all():
            low, high = np.nanpercentile(own, (2, 98), axis=1)
            limits = tuple((float(a), float(max(b, a + 1))) for a, b in zip(low, high, strict=True))
            looks.append(Look(zh, (bands[0], bands[1], bands[2]), limits))
    return tuple(looks)


@dataclass(frozen=True)
class _Part:
    """A rectangle of a chip, in its pixels."""

    chip: Chip
    col: int
    row: int
    width: int
    height: int


def _vrt(chips: Sequence[Chip], outlines: Mapping[str, BaseGeometry]) -> bytes:
    first = chips[0]
    res_x, res_y = first.transform.a, first.transform.e
    west = min(c.transform.c for c in chips)
    north = max(c.transform.f for c in chips)
    east = max(c.transform.c + c.shape[1] * res_x for c in chips)
    south = min(c.transform.f + c.shape[0] * res_y for c in chips)
    size = math.ceil(round((east - west) / res_x, 6)), math.ceil(round((south - north) / res_y, 6))
    parts = [_Part(c, 0, 0, c.shape[1], c.shape[0]) for c in chips]
    if len(chips) > 1:
        parts += [p for c in chips if (p := _own(c, outlines)) is not None]
    out = [
        f'<VRTDataset rasterXSize="{size[0]}" rasterYSize="{size[1]}">\n',
        f"<SRS>{escape(first.crs)}</SRS>\n",
        f"<GeoTransform>{west!r}, {res_x!r}, 0.0, {north!r}, 0.0, {res_y!r}</GeoTransform>\n",
    ]
    nodata = "" if first.nodata is None else f"<NoDataValue>{first.nodata:g}</NoDataValue>"
    for band, name in enumerate(first.bands, 1):
        kind = _TYPES[first.dtype]
        out.append(f'<VRTRasterBand dataType="{kind}" band="{band}">')
        out.append(f"<Description>{escape(name)}</Description>{nodata}\n")
        out += [_source(p, band, (west, north)) for p in parts]
        out.append("</VRTRasterBand>\n")
    out.append("</VRTDataset>\n")
    return "".join(out).encode()


def _own(chip: Chip, outlines: Mapping[str, BaseGeometry]) -> _Part | None:
    """Give the part of a picture that the case itself lies on."""
    outline = outlines.get(chip.picture.case_id)
    if outline is None:
        return None
    left, bottom, right, top = reproject(outline, "EPSG:4326", chip.crs).bounds
    inverse: Any = ~chip.transform
    (col0, row0), (col1, row1) = inverse * (left, top), inverse * (right, bottom)
    rows, cols = chip.shape
    col0 = min(max(math.floor(col0) - _AROUND_PX, 0), cols)
    row0 = min(max(math.floor(row0) - _AROUND_PX, 0), rows)
    col1 = min(max(math.ceil(col1) + _AROUND_PX, 0), cols)
    row1 = min(max(math.ceil(row1) + _AROUND_PX, 0), rows)
    if col1 <= col0 or row1 <= row0:
        return None
    return _Part(chip, col0, row0, col1 - col0, row1 - row0)


def _source(part: _Part, band: int, corner: tuple[float, float]) -> str:
    """Refer to a rectangle; ``SourceProperties`` spare GDAL from opening files it need not read."""
    chip = part.chip
    rows, cols = chip.shape
    x = (chip.transform.c - corner[0]) / chip.transform.a + part.col
    y = (chip.transform.f - corner[1]) / chip.transform.e + part.row
    size = f'xSize="{part.width}" ySize="{part.height}"'
    nodata = "" if chip.nodata is None else f"<NODATA>{chip.nodata:g}</NODATA>"
    return (
        f'<ComplexSource><SourceFilename relativeToVRT="1">../{escape(chip.picture.path)}'
        f"</SourceFilename><SourceBand>{band}</SourceBand>"
        f'<SourceProperties RasterXSize="{cols}" RasterYSize="{rows}" '
        f'DataType="{_TYPES[chip.dtype]}" BlockXSize="{chip.block[1]}" '
        f'BlockYSize="{chip.block[0]}"/>'
        f'<SrcRect xOff="{part.col}" yOff="{part.row}" {size}/>'
        f'<DstRect xOff="{round(x, 6)}" yOff="{round(y, 6)}" {size}/>{nodata}'
        "</ComplexSource>\n"
    )
