"""What one row says: number, day and kind; nothing of who said it is kept."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from shapely.geometry.base import BaseGeometry

from pipeline.adjudicate.grading import Subtype
from pipeline.cases.words import free_text, plain, read_day, read_id, read_kind
from pipeline.errors import ConfigurationError
from pipeline.leads.rows import Found
from pipeline.model import Kind, Lead, LeadSource

FIRST_YEAR = 1972
"""Of civil imagery, and of no lead before; clocks that were reset say 1970."""

_MOBILE = re.compile(r"(\+?86)?1[3-9]\d{9}")
_LANDLINE_BARE = re.compile(r"0\d{2,3}\d{7,8}")
_BETWEEN = re.compile(r"[\s()\-.]+")  # as people write a number in groups
_IDENTITY = re.compile(r"\d{6}(19|20)\d{2}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])\d{3}[\dXx]")
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)  # GB 11643-1999
_CHECKS = "10X98765432"


@dataclass(frozen=True)
class Sayings:
    """What holds for every row of a list."""

    source: LeadSource
    origin: str
    now: date  # in the office
    kind: Kind | None = None  # of rows that name none
    on: date | None = None  # of rows without a day
    subtypes: Sequence[Subtype] = ()  # a row may name one of them as its kind


def lead_of(row: Found, place_wgs84: BaseGeometry, sayings: Sayings) -> Lead:
    """Give the lead of one row.

    Raises
    ------
    ConfigurationError
        It has no day or kind, one that cannot be read in one way only, or its number looks like a
        telephone or identity number.
    """
    kind = _kind(row.values.get("kind"), sayings)
    if kind is None:
        raise ConfigurationError(
            "it names no kind", "Fill the column, or give --kind for all such rows"
        )
    on = read_day(row.values.get("on")) or sayings.on
    if on is None:
        raise ConfigurationError("it has no day", "Fill the column, or give --on for all such rows")
    if on > sayings.now:
        raise ConfigurationError(f"its day {on} has not come yet", "Check it")
    if on.year < FIRST_YEAR:
        raise ConfigurationError(
            f"its day {on} is before {FIRST_YEAR}", "Check it; a camera's clock may have been reset"
        )
    ref = _ref(row.values.get("ref"))
    content = f"{kind.value} {on} {place_wgs84.wkt}"
    said = hashlib.sha256(
        "|".join((sayings.source.value, sayings.origin, ref or "", content)).encode()
    ).hexdigest()[:16]
    return Lead(on, sayings.source, ref or f"L-{said[:8]}", kind, sayings.origin, said)


def _kind(text: str | None, sayings: Sayings) -> Kind | None:
    word = plain(text)
    if word is None:
        return sayings.kind
    named = next((s.kind for s in sayings.subtypes if word in (s.code, plain(s.text))), None)
    return named or read_kind(word)


def _ref(text: str | None) -> str | None:
    """Read the number of a lead; it may be long, but nobody's telephone or identity number.

    Raises
    ------
    ConfigurationError
        It is one, or a spreadsheet has rounded it.
    """
    ref = read_id(text)
    if ref is None:
        return None
    word = plain(ref) or ""
    bare = _BETWEEN.sub("", word)
    grouped = bare != word and _LANDLINE_BARE.fullmatch(bare)
    if _MOBILE.fullmatch(bare) or grouped or _is_identity(bare):
        raise ConfigurationError(
            "its number looks like a telephone or identity number",
            "Give the number of the lead: who complained is not kept here",
        )
    if not word.isdigit():
        # A number with words in it is text, and text may hold such a number.
        free_text(ref, "its number")
    return ref


def _is_identity(word: str) -> bool:
    """Tell whether a word is an identity number with its check digit (GB 11643-1999)."""
    if not _IDENTITY.fullmatch(word):
        return False
    total = sum(w * int(d) for w, d in zip(_WEIGHTS, word[:17], strict=True))
    return _CHECKS[total % 11] == word[17].upper()
