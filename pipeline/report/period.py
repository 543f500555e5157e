"""Periods of reports: a month, a quarter or a year of the office's calendar. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta

from pipeline.errors import ConfigurationError

_FORMS = re.compile(r"(\d{4})(?:-?[Qq]([1-4])|-(0[1-9]|1[0-2]))?")


@dataclass(frozen=True, slots=True)
class ReportPeriod:
    """Days of the office (Asia/Shanghai), both included."""

    first: date
    last: date

    @property
    def name(self) -> str:
        """Its short form, which names files: 2026, 2026Q3, 2026-03."""
        months = self.months
        if months == 12:
            return f"{self.first.year}"
        if months == 3:
            return f"{self.first.year}Q{(self.first.month + 2) // 3}"
        return f"{self.first:%Y-%m}"

    @property
    def months(self) -> int:
        """1, 3 or 12."""
        return self.last.month - self.first.month + 1

    @property
    def zh(self) -> str:
        """Its name for people."""
        year = f"{self.first.year}年"
        if self.months == 12:
            return f"{year}度"
        if self.months == 3:
            return f"{year}第{'一二三四'[(self.first.month - 1) // 3]}季度"
        return f"{year}{self.first.month}月"

    @property
    def days(self) -> int:
        """How many days it has."""
        return (self.last - self.first).days + 1

    def before(self) -> ReportPeriod:
        """Give the period of the same length that ends where this one begins."""
        at = self.first.year * 12 + self.first.month - 1 - self.months
        return _of(at, self.months)


def read_period(text: str) -> ReportPeriod:
    """Read 2026, 2026Q3 or 2026-03.

    Raises
    ------
    ConfigurationError
        It is none of these.
    """
    found = _FORMS.fullmatch(text.strip())
    if found is None or int(found[1]) < 1901:
        raise ConfigurationError(
            f"--period '{text}' is no period",
            "Write a year, a quarter or a month: 2026, 2026Q3, 2026-03",
        )
    year, quarter, month = int(found[1]), found[2], found[3]
    if quarter:
        return _of(year * 12 + (int(quarter) - 1) * 3, 3)
    if month:
        return _of(year * 12 + int(month) - 1, 1)
    return _of(year * 12, 12)


def _of(at: int, months: int) -> ReportPeriod:
    """Give the period that begins in a month, counted from the year 0."""
    end = at + months
    last = date(end // 12, end % 12 + 1, 1) - timedelta(days=1)
    return ReportPeriod(date(at // 12, at % 12 + 1, 1), last)
