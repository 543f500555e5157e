"""When a workflow runs: a cron line in a time zone.

Five fields as in crontab(5): minute, hour, day of the month, month, day of the week (0 and 7 are
Sunday); where both days are restricted either is enough, and a field that begins with ``*`` (as in
``*/2``) is no restriction in that sense: then both must fit, as in Vixie's cron and cronie. A local
time that does not exist when clocks go forward runs an hour later by that clock; one that exists
twice runs once, but for lines of every hour, which run in each of the two.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from croniter import CroniterBadCronError, CroniterBadDateError, croniter
from pydantic import BaseModel, ConfigDict, Field, field_validator

# The library counts on a wall without a zone; with one it did not come to an end at some changes of
# the clocks. No change is longer than this, so the order of instants is found around it.
_SHIFT = timedelta(hours=3)
_PROBE = datetime(2026, 1, 1, tzinfo=UTC)
_NUMBERS = re.compile(r"[0-9*/,-]+")
_NAMES = re.compile(r"[0-9A-Za-z*/,-]+")
_WORD = re.compile(r"[A-Za-z]+")
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
_RANGE = re.compile(r"(?:^|,)(\d+)-(\d+)")


class Schedule(BaseModel):
    """When a workflow runs, and what becomes of a run that could not be finished."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cron: str = Field(description="five fields, such as '0 5 * * 1': Mondays at 05:00")
    zone: str = Field(default="Asia/Shanghai", description="IANA time zone of the cron line")
    retry_minutes: int = Field(
        default=30,
        ge=1,
        le=1440,
        description="after which a run is tried again that reached no source, found the ledger "
        "held, or was killed [min]",
    )
    retries: int = Field(default=3, ge=0, le=100, description="such tries before the next time")

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(f"no time zone is called '{value}' (try Asia/Shanghai)") from error
        return value

    @field_validator("cron")
    @classmethod
    def _fires(cls, value: str) -> str:
        text = " ".join(value.split())
        _check_form(text)
        try:
            croniter(text, _PROBE, day_or=_either_day(text)).get_next(datetime)
        except CroniterBadDateError as error:
            raise ValueError(f"the cron line '{text}' never fires: no such day exists") from error
        except (CroniterBadCronError, ValueError, KeyError) as error:
            raise ValueError(f"the cron line '{text}' is wrong: {error}") from error
        return text

    @property
    def fields(self) -> list[list[int] | None]:
        """Values of minute, hour, day, month and weekday (0 is Sunday); None: every one."""
        expanded = croniter.expand(self.cron)[0]
        return [None if "*" in f else sorted(int(v) for v in f) for f in expanded]

    @property
    def either_day(self) -> bool:
        """Whether one of the two days is enough where both are given; else both must fit."""
        return _either_day(self.cron)

    def last(self, now: datetime) -> datetime:
        """Give the newest time at or before ``now`` (UTC) at which it was due, in UTC."""
        step = croniter(self.cron, self._wall(now) + _SHIFT, day_or=self.either_day)
        best: datetime | None = None
        while True:
            wall = step.get_prev(datetime).replace(tzinfo=None)
            for at in self._instants(wall):
                if at <= now and (best is None or at > best):
                    best = at
            if best is not None and wall < self._wall(best) - _SHIFT:
                return best

    def next(self, now: datetime) -> datetime:
        """Give the first time after ``now`` (UTC) at which it will be due, in UTC."""
        step = croniter(self.cron, self._wall(now) - _SHIFT, day_or=self.either_day)
        best: datetime | None = None
        while True:
            wall = step.get_next(datetime).replace(tzinfo=None)
            for at in self._instants(wall):
                if at > now and (best is None or at < best):
                    best = at
            if best is not None and wall > self._wall(best) + _SHIFT:
                return best

    def _wall(self, at: datetime) -> datetime:
        """Give what clocks show, to the minute."""
        here = at.astimezone(ZoneInfo(self.zone))
        return here.replace(tzinfo=None, fold=0, second=0, microsecond=0)

    def _instants(self, wall: datetime) -> list[datetime]:
        """Give the instants (UTC) at which clocks show it, or would without the change.

        The first of two, but of a line of every hour both: an hour that comes twice is two hours.
        """
        local = wall.replace(tzinfo=ZoneInfo(self.zone))
        first, second = (local.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
        # Of a time that clocks skip the second would be the earlier one.
        return [first, second] if second > first and self._every_hour else [first]

    @property
    def _every_hour(self) -> bool:
        hours = self.fields[1]
        return hours is None or len(hours) == 24


def _either_day(cron: str) -> bool:
    parts = cron.split()
    return not (parts[2].startswith("*") or parts[4].startswith("*"))


def _check_form(text: str) -> None:
    parts = text.split(" ")
    if len(parts) != 5:
        raise ValueError(
            f"the cron line '{text}' has {len(parts)} fields and needs five: minute, hour, day of "
            "the month, month, day of the week"
        )
    for place, part in enumerate(parts):
        if not (_NAMES if place > 2 else _NUMBERS).fullmatch(part):
            raise ValueError(f"the cron line '{text}' is wrong at '{part}'")
        names = (_MONTHS, _DAYS)[place - 3] if place > 2 else ()
        if any(word.lower() not in names for word in _WORD.findall(part)):
            raise ValueError(f"the cron line '{text}' is wrong at '{part}'")
        for low, high in _RANGE.findall(part):
            if int(low) > int(high):
                raise ValueError(f"the cron line '{text}' has a range that runs back: '{part}'")
