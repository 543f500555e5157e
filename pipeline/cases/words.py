"""Words of tables that people write: days, yes and no, codes, verdicts.

What can be read in one way only is read; what could be two things is refused.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import date, datetime
from enum import StrEnum
from typing import TypeVar
from unicodedata import category

from pipeline.errors import ConfigurationError
from pipeline.ledger.status import Reason, Verdict, codes, verdict_of
from pipeline.model import Kind, Status, office_day
from pipeline.publish.words import STATUS_ZH

E = TypeVar("E", bound=StrEnum)

_DAYS = (
    re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})"),
    re.compile(r"(\d{4})/(\d{1,2})/(\d{1,2})"),
    re.compile(r"(\d{4})\.(\d{1,2})\.(\d{1,2})"),
    re.compile(r"(\d{4})年(\d{1,2})月(\d{1,2})[日号]"),
    re.compile(r"(\d{4})(\d{2})(\d{2})"),
)
_CLOCK = re.compile(r"[T ]\d{1,2}:\d{2}(:\d{2})?")
_YES = frozenset({"true", "yes", "1", "是"})
_NO = frozenset({"false", "no", "0", "否"})
_PERSONAL = re.compile(
    r"(?<!\d)(?:1[3-9]\d{9}|\d{17}[\dXx]|0\d{2,3}-?\d{7,8})(?!\d)"  # mobile, identity, landline
)
LONGEST_ID = 100  # characters; those of case systems have some 20, a UUID has 36
_NO_XML = "\ufffe\uffff"
_STATUS_ZH = {zh: status for status, zh in STATUS_ZH.items()}
_KIND_ZH = {k.zh: k for k in Kind} | {k.zh[1:]: k for k in Kind}


def plain(text: str | None) -> str | None:
    """Give text with full-width forms made plain and blanks trimmed; None where nothing is left."""
    if text is None:
        return None
    return unicodedata.normalize("NFKC", text).strip() or None


def read_day(text: str | None) -> date | None:
    """Read a day: 2026-03-05, 2026/3/5, 2026.3.5, 2026年3月5日, 20260305.

    A time of day may follow; with an offset from UTC the day is that of the office (Asia/Shanghai).

    Raises
    ------
    ConfigurationError
        It could be another day, has no year, or is no day of the calendar.
    """
    word = plain(text)
    if word is None:
        return None
    if re.search(r"\d{1,2}:\d{2}.*(Z|[+-]\d{2}:?\d{2})$", word):
        try:
            return office_day(datetime.fromisoformat(word))
        except ValueError as error:
            raise _no_day(word) from error
    clock = _CLOCK.search(word)
    day = word[: clock.start()] if clock and clock.end() == len(word) else word
    found = next((m for m in (p.fullmatch(day) for p in _DAYS) if m), None)
    if found is None:
        raise _no_day(word)
    try:
        return date(*(int(part) for part in found.groups()))
    except ValueError as error:
        raise _no_day(word) from error


def _no_day(word: str) -> ConfigurationError:
    return ConfigurationError(
        f"'{word}' is no day that can be read in one way only",
        "Write it like 2026-03-05 or 2026年3月5日",
    )


def read_flag(text: str | None, name: str) -> bool:
    """Read yes or no; nothing is no.

    Raises
    ------
    ConfigurationError
        It is neither.
    """
    word = (plain(text) or "no").lower()
    if word not in _YES | _NO:
        raise ConfigurationError(f"{name} '{word}' is neither yes nor no", "Write 是 or 否")
    return word in _YES


def read_code(choices: type[E], text: str | None, name: str) -> E | None:
    """Read a code of a closed list.

    Raises
    ------
    ConfigurationError
        It is not on the list.
    """
    word = plain(text)
    if word is None:
        return None
    try:
        return choices(word.lower())
    except ValueError as error:
        raise ConfigurationError(
            f"{name} '{word}' is not known", f"Known: {codes(choices)}"
        ) from error


def read_reason(text: str | None) -> Reason | None:
    """Read a reason by its code or its Chinese word."""
    word = plain(text)
    return next((r for r in Reason if r.zh == word), None) or read_code(Reason, text, "reason")


def read_status(text: str | None) -> Status | None:
    """Read a status by its code or its Chinese word."""
    return _STATUS_ZH.get(plain(text) or "") or read_code(Status, text, "status")


def read_kind(text: str | None) -> Kind | None:
    """Read a kind by its code or its Chinese word (乱占 or 占)."""
    return _KIND_ZH.get(plain(text) or "") or read_code(Kind, text, "kind")


def read_verdict(text: str | None) -> Verdict:
    """Read a verdict; the dot in it may be any dot or dash.

    Raises
    ------
    ConfigurationError
        It is missing or not on the list.
    """
    found = verdict_of(text or "")
    if found is None:
        known = " / ".join(v.value for v in Verdict)
        raise ConfigurationError(f"verdict '{text or ''}' is not known", f"Known: {known}")
    return found


def read_case_id(text: str | None) -> str | None:
    """Read an id of ours; full-width forms and blanks around it are made plain.

    Raises
    ------
    ConfigurationError
        It holds what no text holds, see ``require_text``.
    """
    word = plain(text)
    return None if word is None else require_text(word, "case_id")


def require_text(text: str, name: str) -> str:
    """Give text back that a table, a document and a database can all hold.

    Raises
    ------
    ConfigurationError
        It holds a control character, half of a surrogate pair, or what XML knows no character for.
    """
    odd = dict.fromkeys(c for c in text if c in _NO_XML or category(c) in ("Cc", "Cs"))
    if odd:
        raise ConfigurationError(
            f"{name} holds {', '.join(f'U+{ord(c):04X}' for c in odd)}, which is no text",
            "Take it out",
        )
    return text


def read_id(text: str | None) -> str | None:
    """Read an id of another system; ids of case systems may be as long as an identity number.

    Raises
    ------
    ConfigurationError
        A spreadsheet made a number of it and dropped its last digits, it is no text, or it is
        longer than any id.
    """
    word = require_text(" ".join((text or "").split()), "external_id")
    if len(word) > LONGEST_ID:
        raise ConfigurationError(
            f"external_id has {len(word)} characters", f"An id has at most {LONGEST_ID}"
        )
    if re.fullmatch(r"[+-]?\d+([.,]\d+)?[eE][+-]?\d+", plain(word) or ""):
        raise ConfigurationError(
            f"external_id '{word}' is a number that a spreadsheet has rounded",
            "Make the column text before the ids are entered, and enter it again",
        )
    return word or None


def free_text(text: str | None, name: str) -> str | None:
    """Give free text on one line, unless it holds a telephone or identity number.

    Raises
    ------
    ConfigurationError
        It does: no such number is ever kept; or it holds what no text holds.
    """
    word = require_text(" ".join((text or "").split()), name)
    if _PERSONAL.search(plain(word) or ""):
        raise ConfigurationError(
            f"{name} holds what looks like a telephone or identity number",
            "Leave it out: who complained and how to reach them is not kept here",
        )
    return word or None
