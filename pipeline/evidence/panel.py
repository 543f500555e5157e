"""One picture with what a reader needs on it: outline, scale bar, north arrow, caption."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from PIL import Image, ImageDraw
from shapely.geometry.base import BaseGeometry

from pipeline.evidence.stretch import hatched
from pipeline.evidence.text import fitted, put, wrapped
from pipeline.evidence.types import Rgb
from pipeline.model import Grid

CAPTION_PX = 46
_YELLOW, _BLACK, _WHITE = (255, 221, 0), (0, 0, 0), (255, 255, 255)
_NICE = (1, 2, 5)

Ring = list[list[float]]
"""Points (column, row) in pixels of the picture."""


def rings_of(outline: BaseGeometry, grid: Grid) -> list[Ring]:
    """Give the rings of an outline in pixels of ``grid``, holes too, to a tenth of a pixel."""
    polygons = [
        p for p in shapely.get_parts(outline) if p.geom_type == "Polygon" and not p.is_empty
    ]
    rings = [r for p in polygons for r in (p.exterior, *p.interiors)]
    inverse: Any = ~grid.transform
    return [
        [[round(c, 1), round(r, 1)] for c, r in (inverse * (x, y) for x, y in ring.coords)]
        for ring in rings
    ]


@dataclass(frozen=True)
class Caption:
    """Two lines above a picture."""

    first: str
    second: str


@dataclass(frozen=True)
class Overlay:
    """What is drawn over a picture."""

    rings: Sequence[Ring]
    res_m: float  # of a pixel
    metres: str  # the word for metres
    north: str  # the word for north


def panel(image: Rgb, overlay: Overlay, caption: Caption, side: int) -> Image.Image:
    """Draw a picture ``side`` px wide with everything on it, its caption above."""
    out = _captioned(caption, side)
    height, width = image.shape[:2]
    scale = side / max(height, width)
    size = (round(width * scale), round(height * scale))
    out.paste(_enlarged(image, size), (0, CAPTION_PX))
    part = out.crop((0, CAPTION_PX, side, CAPTION_PX + side))
    draw = ImageDraw.Draw(part)
    for ring in overlay.rings:
        points = [(c * scale, r * scale) for c, r in ring]
        draw.line(points, fill=_BLACK, width=4, joint="curve")
        draw.line(points, fill=_YELLOW, width=2, joint="curve")
    _scale_bar(draw, overlay, (side, scale))
    _north(draw, side, overlay.north)
    out.paste(part, (0, CAPTION_PX))
    return out


def empty_panel(caption: Caption, why: Sequence[str], side: int) -> Image.Image:
    """Draw in place of a picture why there is none."""
    out = _captioned(caption, side)
    out.paste(Image.fromarray(hatched((side, side))), (0, CAPTION_PX))
    draw = ImageDraw.Draw(out)
    lines = [line for text in why for line in wrapped(text, 17, side - 60)]
    top = CAPTION_PX + side / 2 - 13 * len(lines)
    for i, line in enumerate(lines):
        put(draw, (side / 2, top + 26 * i), line, 17, anchor="ma", halo=_WHITE)
    return out


def _captioned(caption: Caption, side: int) -> Image.Image:
    out = Image.new("RGB", (side, side + CAPTION_PX), _WHITE)
    draw = ImageDraw.Draw(out)
    put(draw, (0, 2), fitted(caption.first, 17, side), 17)
    put(draw, (0, 26), fitted(caption.second, 13, side), 13, (80, 80, 80))
    return out


def _enlarged(image: Rgb, size: tuple[int, int]) -> Image.Image:
    """Enlarge smoothly; whole pixels where that would be a blur of a handful of them."""
    small = min(image.shape[:2]) < 16
    how = Image.Resampling.NEAREST if small else Image.Resampling.BICUBIC
    # 64 shades: no eye sees the rest, and the file is a third smaller.
    return Image.fromarray(image).resize(size, how).point([v & 0xFC for v in range(256)] * 3)


def _scale_bar(draw: ImageDraw.ImageDraw, overlay: Overlay, at: tuple[int, float]) -> None:
    side, scale = at
    metres = nice_length(side / 3 / scale * overlay.res_m)
    length = metres / overlay.res_m * scale
    x, y = 14, side - 16
    draw.rectangle((x - 1, y - 1, x + length + 1, y + 5), fill=_BLACK)
    draw.rectangle((x, y, x + length / 2, y + 4), fill=_WHITE)
    text = f"{metres:g} {overlay.metres}"
    put(draw, (x, y - 5), text, 15, _WHITE, anchor="lb", halo=_BLACK)


def nice_length(most: float) -> float:
    """Give the largest of 1, 2, 5 times a power of ten that is not above ``most``."""
    power = 10.0 ** np.floor(np.log10(max(most, 1e-6)))
    return float(max(n * power for n in _NICE if n * power <= most * (1 + 1e-9)))


def _north(draw: ImageDraw.ImageDraw, side: int, word: str) -> None:
    """Draw an arrow: the grid is north-up, its convergence is below what the eye sees."""
    x, y = side - 24, 12
    draw.polygon([(x, y), (x - 9, y + 26), (x, y + 19), (x + 9, y + 26)], _WHITE, _BLACK)
    put(draw, (x, y + 28), word, 15, _WHITE, anchor="ma", halo=_BLACK)
