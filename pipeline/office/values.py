"""One value of an office's column: a day, a number, a code, a word; None where it is none.

What can be read in one way only is read. A day with a clock and an offset from UTC is the office's
(Asia/Shanghai): servers export midnight here as 16:00 of the day before.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime

from pipeline.io.days import stated_day
from pipeline.ledger.status import Verdict, verdict_of
from pipeline.model import office_day
from pipeline.office.afterwards import what_becomes
from pipeline.office.kinds import Parse

_DAY = r"(\d{4})\D{0,2}?(\d{1,2})\D(\d{1,2})日?"
# After a day may stand a clock, China's zone, a weekday, 起 and 止, or a remark in brackets; no
# other day, as in 2025-01-01 至 12-31. After a blank 2026 is a year and not 20:26.
_CLOCK = (
    r"(?:(?:(?<=T)|(?!19|20))(?:[01]\d|2[0-4])[0-5]\d(?:[0-5]\d(?:[.,]\d+)?)?"
    r"|(?:[01]?\d|2[0-4])"
    r"(?::\d{1,2}(?::\d{1,2}(?:[.,]\d+)?)?|[时点](?:\d{1,2}分?(?:\d{1,2}秒)?)?整?|))"
)
_PART = "(?:[上下中]午|凌晨|早上|晚上|[AP]M)"
_ZONE = r"[(\[]?(?:北京时间|中国标准时间|CST|Asia/(?:Shanghai|Chongqing|Harbin|Urumqi)|PRC)[)\]]?"
# With letters it might be another zone, (UTC), and with numerals or 至 another day.
_REMARK = r"\([^()\da-z至到延止一二三四五六七八九十]*\)"
_WEEKDAY = (
    r"\(?(?:(?:星期|周)[一二三四五六日天]"
    r"|(?:mon|tue(?:s)?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?\b)\)?"
)
_AFTER_DAY = (
    rf"(?:[ T]+(?:{_PART}\s*(?:{_CLOCK})?|{_CLOCK})(?:\s*[AP]M)?"
    rf"|\s*{_ZONE}|\s*{_WEEKDAY}|\s*(?:起始?|截?止)|\s*{_REMARK})*\s*"
)
_READ_DAY = re.compile(_DAY + _AFTER_DAY, re.IGNORECASE)
# 20250601 1231 is two days as well as a day and a clock.
_DIGITS = re.compile(r"(\d{4})(\d{2})(\d{2})(?!\s+\d{4}\b)" + _AFTER_DAY, re.IGNORECASE)


def read_date(text: str) -> str | None:
    """Give a day in ISO form (2025-06-01, 2025/6/1, 20250601, 2025年6月1日); None if it is none.

    A clock after it says nothing but the day, unless it states its offset from UTC.
    """
    word = unicodedata.normalize("NFKC", text).strip()
    instant = stated_day(word)
    if instant is not None:
        return instant.isoformat()
    found = _READ_DAY.fullmatch(word) or _DIGITS.fullmatch(word)
    if found is None:
        return None
    try:
        return date(*(int(g) for g in found.groups())).isoformat()
    except ValueError:
        return None


def _paper_day(text: str) -> str | None:
    """Read the day of a paper: none of an office is older than 1949, and 1900 is an empty cell."""
    day = read_date(text)
    return day if day and day >= "1949" else None


def _past_day(text: str) -> str | None:
    day = _paper_day(text)
    return day if day and day <= office_day(datetime.now(UTC)).isoformat() else None


def read_month_day(text: str) -> str | None:
    """Give a day of every year as MM-DD (04-01, 4月1日), or a whole date; None if it is neither."""
    found = re.fullmatch(r"(\d{1,2})\D(\d{1,2})日?", text.strip())
    if found is None:
        return _paper_day(text)
    try:
        return date(2000, int(found[1]), int(found[2])).isoformat()[5:]
    except ValueError:
        return None


def _verdict(text: str) -> str | None:
    """Read a verdict as those of inspections are read: the rules ask for the very word."""
    found = verdict_of(text)
    return found.value if found else None


# As a spreadsheet or a GIS writes a number whose last digits it has lost.
_ROUNDED = re.compile(r"\d\.\d+E\+\d{2,}", re.IGNORECASE)


def _id(text: str) -> str | None:
    return None if _ROUNDED.fullmatch(text.strip()) else text


def _number(text: str) -> str | None:
    try:
        return f"{float(text):g}"
    except ValueError:
        return None


def _code(*lengths: int) -> Callable[[str], str | None]:
    def read(text: str) -> str | None:
        digits = text.strip().removesuffix(".0")
        if not digits.isdigit():
            return None
        for length in lengths:
            # Statistical codes are padded with zeros: 430211000000 is county 430211.
            if len(digits) >= length and not digits[length:].strip("0"):
                return digits[:length]
        return None

    return read


PARSERS: Mapping[Parse, Callable[[str], str | None]] = {
    "text": lambda text: text,
    "id": _id,
    "date": _paper_day,
    "past": _past_day,
    "month-day": read_month_day,
    "number": _number,
    "county": _code(6),
    "township": _code(9),
    "after": what_becomes,
    "verdict": _verdict,
}
WANTED: Mapping[Parse, str] = {
    "text": "which is no text",
    "id": "which is a number whose last digits are lost (make the column text, and enter it again)",
    "date": "which is no date such as 2025-06-01, of 1949 or later",
    "past": "which is no date such as 2025-06-01 that has come already, of 1949 or later",
    "month-day": "which is no day such as 04-01",
    "number": "which is no number",
    "county": "which is no code of six digits",
    "township": "which is no code of nine digits",
    "verdict": f"which is none of {' / '.join(v.value for v in Verdict)}",
    "after": "which is neither 保留 (stays) nor 清退 (cleared) in plain words",
}
