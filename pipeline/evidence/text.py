"""Text on pictures, in a font that ships with the package.

The machine of an office may have no Chinese font, and a picture must be the same everywhere.
``font/`` holds the characters of GB 2312 and of the 通用规范汉字表 (2013), with those of
place names.
What it lacks is written as a code point, never as an empty box.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from importlib.resources import files
from io import BytesIO
from typing import Any

from PIL import Image, ImageDraw, ImageFont

_FONT = "NotoSansSC-subset.otf"
Colour = tuple[int, int, int]


@lru_cache(maxsize=1)
def _bytes() -> bytes:
    return (files("pipeline.evidence") / "font" / _FONT).read_bytes()


class _Face(ImageFont.FreeTypeFont):
    """The font, which draws and measures once what is written again: on every sheet half of it."""

    def __init__(self, size: int) -> None:
        # The basic layout, so that no library of the system decides.
        super().__init__(BytesIO(_bytes()), size, layout_engine=ImageFont.Layout.BASIC)
        self._drawn = lru_cache(maxsize=256)(super().getmask2)
        self._long = lru_cache(maxsize=4096)(super().getlength)

    def getmask2(self, *args: Any, **kwargs: Any) -> Any:
        """Draw text as the font does; nobody writes into what comes from here."""
        return self._drawn(*args, **kwargs)

    def getlength(self, *args: Any, **kwargs: Any) -> float:
        """Measure text as the font does [px]."""
        return self._long(*args, **kwargs)


@lru_cache(maxsize=16)
def font(size: int) -> ImageFont.FreeTypeFont:
    """Give the font at a size [px]."""
    return _Face(size)


def _look(character: str) -> bytes:
    image = Image.new("L", (32, 32))
    ImageDraw.Draw(image).text((2, 2), character, fill=255, font=font(16))
    return image.tobytes()


@lru_cache(maxsize=1)
def _missing() -> bytes:
    return _look("\U0010fffe")


@lru_cache(maxsize=20_000)
def has_glyph(character: str) -> bool:
    """Tell whether the font can show a character."""
    return character.isspace() or _look(character) != _missing()


def readable(text: str) -> str:
    """Give text on one line as the font can show it: what it lacks by its code point."""
    out: list[str] = []
    for character in " ".join(unicodedata.normalize("NFC", text).split()):
        if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Cn"):
            out.append(f"[U+{ord(character):04X}]")
        else:
            out.append(character if has_glyph(character) else f"[U+{ord(character):04X}]")
    return "".join(out)


def wrapped(text: str, size: int, width: int, most: int = 99) -> list[str]:
    """Break text into lines of ``width`` [px]; more than ``most`` end in an ellipsis."""
    face, lines, line = font(size), list[str](), ""
    pieces = [p for t in _tokens(readable(text)) for p in _pieces(t, face, width)]
    for piece in pieces:
        if line and face.getlength(line + piece.rstrip()) > width:
            lines.append(line.rstrip())
            line = ""
        line += piece if line else piece.lstrip()
    if line.strip():
        lines.append(line.rstrip())
    return lines if len(lines) <= most else [*lines[: most - 1], f"{lines[most - 1][:-1]}…"]


def _pieces(token: str, face: ImageFont.FreeTypeFont, width: int) -> list[str]:
    """Cut a word that is longer than a line."""
    if face.getlength(token.rstrip()) <= width:
        return [token]
    out = [""]
    for character in token:
        if out[-1] and face.getlength(out[-1] + character) > width:
            out.append("")
        out[-1] += character
    return out


def _tokens(text: str) -> list[str]:
    """Split where a line may break: after blanks, and around each Chinese character."""
    out: list[str] = []
    for character in text:
        joins = out and not out[-1].endswith(" ") and character.isascii() and out[-1].isascii()
        closing = out and character in "，。；：、）！？”’"
        if joins or closing:
            out[-1] += character
        else:
            out.append(character)
    return out


def fitted(text: str, size: int, width: int) -> str:
    """Give text cut to a width [px], with an ellipsis where it was cut."""
    text, face = readable(text), font(size)
    if face.getlength(text) <= width:
        return text
    while text and face.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"


def put(
    draw: ImageDraw.ImageDraw,
    at: tuple[float, float],
    text: str,
    size: int,
    colour: Colour = (30, 30, 30),
    anchor: str = "la",
    halo: Colour | None = None,
) -> None:
    """Write one line; ``halo`` makes it readable over pictures."""
    draw.text(
        at,
        readable(text),
        fill=colour,
        font=font(size),
        anchor=anchor,
        stroke_width=2 if halo else 0,
        stroke_fill=halo,
    )
