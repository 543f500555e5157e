"""Days as the office counts them: an instant belongs to the day that it has in Asia/Shanghai."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

OFFICE_ZONE = ZoneInfo("Asia/Shanghai")

_INSTANT = re.compile(
    r"(\d{4})\D(\d{1,2})\D(\d{1,2})[ T](\d{1,2}):(\d{2})(?::(\d{2})(?:[.,]\d+)?)?"
    r"\s*(?:Z|UTC|GMT|([+-])(\d{2}):?(\d{2})?)",
    re.IGNORECASE,
)


def office_day(text: str) -> date | None:
    """Give the office's day of an instant with its offset from UTC; None of any other text.

    2024-12-31T16:00:00Z is 2025-01-01: so servers export midnight in China.
    """
    found = _INSTANT.fullmatch(text.strip())
    if found is None:
        return None
    *clock, sign, hours, minutes = found.groups()
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    try:
        zone = timezone(-offset if sign == "-" else offset)
        instant = datetime(*(int(part or 0) for part in clock), tzinfo=zone)
        return instant.astimezone(OFFICE_ZONE).date()
    except (ValueError, OverflowError):
        return None
