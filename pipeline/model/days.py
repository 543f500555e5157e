"""Days as people name them: instants are in UTC, and a bare day is of the office's zone."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

OFFICE_ZONE = ZoneInfo("Asia/Shanghai")
"""Of bare days: one day for the whole country."""


def office_day(on: datetime) -> date:
    """Give the day of an instant in the office's zone.

    A flight at 06:30 there is of the day before in UTC, on the first of January of another year.
    """
    return on.astimezone(OFFICE_ZONE).date()
