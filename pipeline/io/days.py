"""Instants that are written as text: each is of the day that it has in the office's zone."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta, timezone

from pipeline.model import office_day

# The zone's name may follow its offset: 2025-06-01T00:00:00+08:00[Asia/Shanghai].
_NAMED = r"(?:\[[a-z/_]+\]|\([^()\d]*\))"
_OFFSET = rf"\s*(?:(?:UTC|GMT)?\s*([+-])(\d{{1,2}}):?(\d{{2}})?|Z|UTC|GMT)\s*{_NAMED}?"
_INSTANTS = tuple(
    re.compile(day + clock + _OFFSET, re.IGNORECASE)
    for day, clock in (
        (r"(\d{4})\D(\d{1,2})\D(\d{1,2})", r"[ T](\d{1,2}):(\d{2})(?::(\d{2})(?:[.,]\d+)?)?"),
        (r"(\d{4})-?(\d{2})-?(\d{2})", r"T(\d{2})(\d{2})(?:(\d{2})(?:[.,]\d+)?)?"),
    )
)


def stated_day(text: str) -> date | None:
    """Give the office's day of an instant with its offset from UTC; None of any other text.

    2024-12-31T16:00:00Z is 2025-01-01: so servers export midnight in China. An end without end
    (9999-12-31) stays what it is, whatever its clock.
    """
    word = text.strip()
    found = next((m for i in _INSTANTS if (m := i.fullmatch(word))), None)
    if found is None:
        return None
    *clock, sign, hours, minutes = found.groups()
    if sign == "-" and clock[-1] is None and "T" not in word.upper():
        return None  # 2025-06-01 08:30-09:30 is from one clock to another
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    try:
        zone = timezone(-offset if sign == "-" else offset)
        instant = datetime(*(int(part or 0) for part in clock), tzinfo=zone)
        return office_day(instant)
    except OverflowError:
        return date.max if int(clock[0]) == date.max.year else None
    except ValueError:
        return None
