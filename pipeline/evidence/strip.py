"""The strip of all looks: when anybody could see the place, and what was seen."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from PIL import Image, ImageDraw

from pipeline.evidence.text import Colour, font, put
from pipeline.evidence.types import Language
from pipeline.evidence.words import word
from pipeline.model import Look, Seen

HEIGHT_PX = 178
_LEFT, _RIGHT, _ROW, _TOP, _BOTTOM = 14, 14, 62, 88, 138
_CLEAR = 0.5  # clear share of an object from which a look without an answer was not for clouds
_BLUE: Colour = (0, 90, 181)
_RED: Colour = (220, 50, 32)
_GREY: Colour = (150, 150, 150)
_DARK: Colour = (70, 70, 70)
CODES = ("seen", "seen_uncertain", "missed", "undecided", "unseen")


def code_of(look: Look) -> str:
    """Say what a look was, as one of ``CODES``."""
    if look.seen is Seen.HIT:
        return "seen" if look.certain else "seen_uncertain"
    if look.seen is Seen.MISS:
        return "missed"
    return "undecided" if look.clear_share >= _CLEAR else "unseen"


def strip(looks: Sequence[Look], zone: ZoneInfo, width: int, language: Language) -> Image.Image:
    """Draw all looks over time: by shape as well as colour, with the level's rank below."""
    out = Image.new("RGB", (width, HEIGHT_PX), (255, 255, 255))
    draw = ImageDraw.Draw(out)
    put(draw, (0, 2), f"{word('looks', language)} ({len(looks)})", 17)
    _legend(draw, width, language)
    if not looks:
        return out
    ends = _span([k.on for k in looks])
    _axis(draw, ends, (width, zone))
    put(draw, (_LEFT, _TOP - 3), word("level_axis", language), 12, _GREY, anchor="lb")
    draw.line((_LEFT, _BOTTOM, width - _RIGHT, _BOTTOM), fill=(190, 190, 190))
    order = {c: i for i, c in enumerate(reversed(CODES))}
    for look in sorted(looks, key=lambda k: (order[code_of(k)], k.on)):
        x = _place(look.on, ends, width)
        if look.level_rank is not None:
            y = _BOTTOM - look.level_rank * (_BOTTOM - _TOP)
            draw.line((x, _BOTTOM, x, y), fill=(150, 190, 220), width=2)
            draw.ellipse((x - 2, y - 2, x + 2, y + 2), fill=(90, 140, 180))
        mark(draw, (x, _ROW), code_of(look))
    return out


def mark(draw: ImageDraw.ImageDraw, at: tuple[float, float], code: str) -> None:
    """Draw the mark of a look."""
    x, y = at
    box = (x - 6, y - 6, x + 6, y + 6)
    if code == "seen":
        draw.ellipse(box, fill=_RED, outline=(90, 20, 10))
    elif code == "seen_uncertain":
        draw.ellipse(box, fill=(255, 255, 255), outline=_RED, width=3)
    elif code == "missed":
        draw.rectangle((x - 5, y - 5, x + 5, y + 5), fill=_BLUE)
    elif code == "undecided":
        draw.polygon([(x, y - 6), (x + 6, y), (x, y + 6), (x - 6, y)], (255, 255, 255), _DARK)
    else:
        draw.line((x - 4, y - 4, x + 4, y + 4), fill=_GREY, width=2)
        draw.line((x - 4, y + 4, x + 4, y - 4), fill=_GREY, width=2)


def _legend(draw: ImageDraw.ImageDraw, width: int, language: Language) -> None:
    x = float(width)
    for code in reversed(CODES):
        text = word(code, language)
        x -= font(14).getlength(text)
        put(draw, (x, 4), text, 14)
        mark(draw, (x - 12, 14), code)
        x -= 34


def _span(times: Sequence[datetime]) -> tuple[datetime, datetime]:
    first, last = min(times), max(times)
    return (
        (first, last) if last > first else (first - timedelta(days=15), last + timedelta(days=15))
    )


def _place(on: datetime, ends: tuple[datetime, datetime], width: int) -> float:
    share = (on - ends[0]) / (ends[1] - ends[0])
    return _LEFT + 8 + share * (width - _LEFT - _RIGHT - 16)


def _axis(
    draw: ImageDraw.ImageDraw, ends: tuple[datetime, datetime], where: tuple[int, ZoneInfo]
) -> None:
    """Name days along the bottom, as many as fit, always the first and the last."""
    width, zone = where
    n = max(2, min(8, width // 150))
    for i in range(n):
        on = ends[0] + (ends[1] - ends[0]) * i / (n - 1)
        x = _place(on, ends, width)
        draw.line((x, _BOTTOM, x, _BOTTOM + 5), fill=_DARK)
        anchor = "la" if i == 0 else "ra" if i == n - 1 else "ma"
        edge = {"la": _LEFT, "ra": width - _RIGHT, "ma": x}[anchor]
        put(draw, (edge, _BOTTOM + 8), f"{on.astimezone(zone):%Y-%m-%d}", 14, _DARK, anchor=anchor)
