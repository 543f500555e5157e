"""How times and spans are said to people."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo


def stamp(at: datetime | None = None) -> str:
    """Give what a line of the clock begins with: the time, in UTC."""
    return f"{at or datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"


def local(at: datetime, zone: str) -> str:
    """Say an instant in a time zone, with its name."""
    return f"{at.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M} {zone}"


def span(seconds: float) -> str:
    """Say how long something took or takes, in the largest unit that fits."""
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"


def shown(text: object) -> str:
    """Say a name as UTF-8, whatever the system's encoding; bytes of it that are none by number."""
    return str(text).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
