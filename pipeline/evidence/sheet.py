"""The sheet of a case: both dates in true and false colour, facts, all looks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from pipeline.evidence.choose import same_season, season_apart
from pipeline.evidence.facts import Fact, facts_of, moment
from pipeline.evidence.panel import (
    CAPTION_PX,
    Caption,
    Overlay,
    empty_panel,
    panel,
    rings_of,
)
from pipeline.evidence.stretch import FALSE_SWIR, TRUE, colours_of, false_bands, rise_colours
from pipeline.evidence.strip import HEIGHT_PX, strip
from pipeline.evidence.text import fitted, font, put, wrapped
from pipeline.evidence.types import Language, Missing, Picture, Rgb, Subject, Views
from pipeline.evidence.words import sensor_name, word
from pipeline.model import DRONE

_SIDE, _GAP, _FACTS, _MARGIN = 410, 14, 390, 20
_HEAD, _FOOT, _LEGEND = 58, 66, 60
_RED = (176, 0, 32)


@dataclass(frozen=True)
class Chips:
    """The bare pictures of a case, same size and stretch for both dates; by name."""

    images: dict[str, Rgb]  # before_true, after_true, before_false, after_false, rise
    false_of: tuple[str, ...] | None  # bands that the false colour shows
    missing: tuple[Missing, ...]
    rise_limit: float | None = None  # [m] at the ends of the legend


def chips_of(views: Views) -> Chips:
    """Make the bare pictures, and say what cannot be made."""
    missing = list(views.missing)
    named = {"before": views.before, "after": views.after}
    there = {name: p for name, p in named.items() if p is not None}
    images: dict[str, Rgb] = {}
    pictures = list(there.values())
    true, wanted = colours_of(pictures, TRUE), false_bands(pictures)
    false = colours_of(pictures, wanted) if wanted else None
    for kind, made in (("true", true), ("false", false)):
        if made is not None:
            images |= {f"{name}_{kind}": image for name, image in zip(there, made, strict=True)}
        elif pictures:
            missing.append(Missing(f"no_{kind}"))
    if wanted and wanted != FALSE_SWIR:
        missing.append(Missing("no_swir"))
    limit = None
    if views.rise is not None and np.isfinite(views.rise).any():
        limit = float(np.ceil(max(np.nanpercentile(np.abs(views.rise), 99), 0.2) * 10) / 10)
        images["rise"] = rise_colours(views.rise, limit)
    return Chips(images, wanted, tuple(missing), limit)


def sheet(views: Views, subject: Subject, chips: Chips) -> Image.Image:
    """Draw the sheet of a case, RGB."""
    language = subject.language
    kinds = [k for k in ("true", "false") if any(n.endswith(k) for n in chips.images)] or ["true"]
    extra = (_SIDE + CAPTION_PX + _LEGEND) if "rise" in chips.images else 0
    rows = len(kinds)
    width = 2 * _MARGIN + 2 * _SIDE + _GAP + _FACTS
    body = max(rows * (_SIDE + CAPTION_PX + 6), 480) + extra
    height = _HEAD + body + HEIGHT_PX + _FOOT
    out = Image.new("RGB", (width, height), (255, 255, 255))
    draw = ImageDraw.Draw(out)
    _head(draw, subject, width)
    overlay = Overlay(
        rings_of(views.outline, views.grid),
        views.grid.res_m,
        word("metres", language),
        word("north", language),
    )
    for r, kind in enumerate(kinds):
        for c, when in enumerate(("before", "after")):
            made = _panel((views, chips), (when, kind), overlay, subject)
            place = (_MARGIN + c * (_SIDE + _GAP), _HEAD + r * (_SIDE + CAPTION_PX + 6))
            out.paste(made, place)
    if extra:
        place = (_MARGIN, _HEAD + rows * (_SIDE + CAPTION_PX + 6))
        _rise(out, (chips, overlay), place, language)
    _facts(draw, facts_of(subject, views), (width - _FACTS - _MARGIN + 18, _HEAD + 4), body)
    looks = strip(subject.looks, subject.zone, width - 2 * _MARGIN, language)
    out.paste(looks, (_MARGIN, _HEAD + body))
    _foot(draw, (views, chips, subject), (width, height))
    return out


def _head(draw: ImageDraw.ImageDraw, subject: Subject, width: int) -> None:
    p, language = subject.properties, subject.language
    title = f"{word('suspected', language)}{word(str(p['kind']), language)}"
    river = str(p.get("river_zh") or p["corridor_id"])
    notice = word("notice", language)
    room = width - 3 * _MARGIN - round(font(18).getlength(notice))
    put(draw, (_MARGIN, 10), fitted(f"{title}   {p['case_id']}   {river}", 24, room), 24)
    put(draw, (width - _MARGIN, 16), notice, 18, _RED, anchor="ra")
    draw.line((_MARGIN, 48, width - _MARGIN, 48), fill=(200, 200, 200))


def _panel(
    made: tuple[Views, Chips], what: tuple[str, str], overlay: Overlay, subject: Subject
) -> Image.Image:
    (views, chips), (when, kind), language = made, what, subject.language
    picture = views.before if when == "before" else views.after
    name = word("false_swir" if chips.false_of == FALSE_SWIR else "false_nir", language)
    colour = word("true", language) if kind == "true" else name
    first = f"{word(when, language)} · {colour}"
    image = chips.images.get(f"{when}_{kind}")
    if picture is None or image is None:
        why = [m for m in chips.missing if m.code not in ("no_swir", "no_rise")]
        mine = [m for m in why if m.code in (f"no_{when}", f"no_{kind}")] or why
        said = [_said(m, language) for m in mine] or [word("nothing", language)]
        return empty_panel(Caption(first, ""), said, _SIDE)
    return panel(image, overlay, Caption(first, seen_as(picture, subject)), _SIDE)


def seen_as(picture: Picture, subject: Subject) -> str:
    """Say when and by what a picture was taken, and how much of it is hidden."""
    language = subject.language
    parts = [
        moment(picture.on, subject),
        sensor_name(picture.sensor, language),
    ]
    if picture.sensor != DRONE:
        parts.append(f"{word('hidden', language)} {picture.hidden_share:.0%}")
    if picture.level_rank is not None:
        parts.append(f"{word('level', language)} {picture.level_rank:.2f}")
    return " · ".join(parts)


def _said(missing: Missing, language: Language) -> str:
    about = f" ({missing.about})" if missing.about else ""
    return word(missing.code, language) + about


def _rise(
    out: Image.Image, made: tuple[Chips, Overlay], at: tuple[int, int], language: Language
) -> None:
    """Draw the change of the surface with its legend."""
    chips, overlay = made
    limit = chips.rise_limit or 1.0
    caption = Caption(word("rise", language), word("rise_note", language))
    out.paste(panel(chips.images["rise"], overlay, caption, _SIDE), at)
    top = at[1] + CAPTION_PX + _SIDE + 8
    ramp = np.linspace(-limit, limit, _SIDE, dtype=np.float32)[None].repeat(18, axis=0)
    out.paste(Image.fromarray(rise_colours(ramp, limit)), (at[0], top))
    draw = ImageDraw.Draw(out)
    draw.rectangle((at[0], top, at[0] + _SIDE - 1, top + 17), outline=(90, 90, 90))
    unit = word("metres", language)
    for share, anchor in ((0.0, "la"), (0.5, "ma"), (1.0, "ra")):
        text = f"{limit * (2 * share - 1):+.1f} {unit}" if share != 0.5 else f"0 {unit}"
        put(draw, (at[0] + share * _SIDE, top + 22), text, 15, anchor=anchor)


def _facts(
    draw: ImageDraw.ImageDraw, facts: Sequence[Fact], at: tuple[int, int], room: int
) -> None:
    x, y = at
    bottom = y + room - 30
    for fact in facts:
        lines = wrapped(fact.value, 16, _FACTS - 24, most=fact.most)
        if y + 22 + 23 * len(lines) > bottom:
            put(draw, (x, y), "…", 16)
            break
        put(draw, (x, y), fact.name, 13, (110, 110, 110))
        for i, line in enumerate(lines):
            put(draw, (x, y + 17 + 22 * i), line, 16)
        y += 17 + 22 * len(lines) + 10


def _foot(
    draw: ImageDraw.ImageDraw, made: tuple[Views, Chips, Subject], size: tuple[int, int]
) -> None:
    views, chips, subject = made
    language, (width, height) = subject.language, size
    notes = [word("same_stretch", language)]
    notes += [_said(m, language) for m in chips.missing if m.code in ("no_swir", "no_false")]
    if views.before is not None and views.after is not None and views.after.sensor != DRONE:
        code = "same_season" if same_season(views.before.on, views.after.on) else "other_season"
        days = season_apart(views.before.on, views.after.on)
        notes.append(word(code, language, days))
    if views.of_revision is not None:
        notes.append(word("of_revision", language, views.of_revision))
    if not views.whole:
        notes.append(word("part", language))
    more = [subject.credit] if subject.credit else []
    text = "；".join(notes) if language == "zh" else "; ".join(notes)
    lines = [*wrapped(text, 13, width - 2 * _MARGIN), *more]
    for i, line in enumerate(lines[:3]):
        put(draw, (_MARGIN, height - _FOOT + 4 + 19 * i), line, 13, (110, 110, 110))
