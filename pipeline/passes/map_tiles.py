"""Small pictures for a map: those of the finest level, and coarser ones put together from them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, WebPImagePlugin
from pyproj import Transformer

from pipeline.io.shelf import MANIFEST
from pipeline.model import Grid, Window

SIDE = 512
"""Of a picture [px]."""
_REDUCE, _LEVELS = 4, 3
_FORMAT = WebPImagePlugin.WebPImageFile.format  # by its name alone, all formats are imported

Rgba = NDArray[np.uint8]
"""(512, 512, 4); clear where nothing was seen."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture as its file, and what is left of it in the next coarser level.

    At full size a megabyte each: those of a long river are never held together.
    """

    webp: bytes
    small: Rgba  # (128, 128, 4)

    @classmethod
    def of(cls, image: Rgba) -> Picture:
        """Encode a picture (512, 512, 4)."""
        reduced = Image.fromarray(image).convert("RGBa").reduce(_REDUCE).convert("RGBA")
        return cls(_webp(image), np.asarray(reduced))


def pyramid(finest: Mapping[tuple[int, int], Picture], grid: Grid, span: int) -> dict[str, bytes]:
    """Give the files of a map by name, with ``tiles.json`` and a manifest.

    Parameters
    ----------
    finest : mapping
        Pictures by row and column among squares of ``span`` pixels of the grid.
    grid : Grid
        Where they lie.
    span : int
        Pixels of the grid along the side of a picture.
    """
    level = dict(finest)
    contents: dict[str, bytes] = {}
    tiles: list[dict[str, Any]] = []
    for n in range(_LEVELS):
        for (row, col), picture in sorted(level.items()):
            name = f"{n}_{row}_{col}.webp"
            contents[name] = picture.webp
            box = Window(row * span, (row + 1) * span, col * span, (col + 1) * span)
            tiles.append({"name": name, "level": n, "corners": _corners(grid, box)})
        if len(level) == 1:
            break
        level = dict(_coarser(level))
        span *= _REDUCE
    contents["tiles.json"] = json.dumps(tiles).encode()
    listed = [
        {"name": n, "sha256": hashlib.sha256(d).hexdigest()} for n, d in sorted(contents.items())
    ]
    return {**contents, MANIFEST: json.dumps({"files": listed}).encode()}


def _coarser(
    level: Mapping[tuple[int, int], Picture],
) -> Iterator[tuple[tuple[int, int], Picture]]:
    """Put 4 by 4 pictures into one."""
    small = SIDE // _REDUCE
    for key in sorted({(r // _REDUCE, c // _REDUCE) for r, c in level}):
        out = np.zeros((SIDE, SIDE, 4), np.uint8)
        for (row, col), picture in level.items():
            if (row // _REDUCE, col // _REDUCE) == key:
                r, c = row % _REDUCE * small, col % _REDUCE * small
                out[r : r + small, c : c + small] = picture.small
        yield key, Picture.of(out)


def _webp(image: Rgba) -> bytes:
    out = BytesIO()
    Image.fromarray(image).save(out, _FORMAT, quality=72, method=2)
    return out.getvalue()


@cache
def _to_degrees(crs: str) -> Transformer:
    return Transformer.from_crs(crs, "EPSG:4326", always_xy=True)


def _corners(grid: Grid, window: Window) -> list[list[float]]:
    """Longitude and latitude of the north-western, north-eastern and south-western corner."""
    left, bottom, right, top = grid.sub(window).bounds
    to = _to_degrees(grid.crs)
    places = [to.transform(x, y) for x, y in ((left, top), (right, top), (left, bottom))]
    return [[round(float(lon), 7), round(float(lat), 7)] for lon, lat in places]
