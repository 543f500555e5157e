"""What runs and hand-over leave behind, as far as ``siluan status`` reads it.

Whatever is there and cannot be read, or is of another form, is an error with its path: a file that
is broken must not look like one that has nothing to tell.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from pipeline.io.atomic import is_there, latest_of

_LOOSE = ConfigDict(frozen=True, extra="ignore")
_FOLDER = re.compile(r"\d{4}-\d{2}-\d{2}_[0-9a-f]{12}")

MOST_EARLIER = 50
"""No more of the runs before are read where the newest ones were of a part."""


class UnreadableError(Exception):
    """A file is there, and what it should say cannot be had."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"{path} ({why})")


class _Corridor(BaseModel):
    model_config = _LOOSE

    newest_clear: AwareDatetime | None = None

    def or_later(self, other: _Corridor | None) -> _Corridor:
        """Give the one that was seen clearly later: a part may be of dates long past."""
        at, others = self.newest_clear, other.newest_clear if other is not None else None
        return other if other is not None and others and (at is None or others > at) else self


class _Counts(BaseModel):
    model_config = _LOOSE

    corridors: dict[str, _Corridor] = {}
    failed: dict[str, str] = {}
    part: bool = False  # of some corridors or other dates only


class Aside(BaseModel):
    """An input that was set aside; ``remedy`` is empty where nobody can mend it."""

    model_config = _LOOSE

    what: str
    reason: str
    remedy: str = ""


class _Period(BaseModel):
    model_config = _LOOSE

    end: AwareDatetime | None = None


class Report(BaseModel):
    """What of ``run.json`` is looked at (``$defs/run`` of the case schema has all of it)."""

    model_config = _LOOSE

    workflow: str = ""
    period: _Period = Field(default_factory=_Period)
    set_aside: tuple[Aside, ...] = ()
    counts: _Counts = Field(default=_Counts())

    def answers(self, before: Report, corridor: str) -> bool:
        """Tell whether it is about a corridor that failed before, and about no older dates."""
        own, others = self.period.end, before.period.end
        return corridor in self.counts.corridors and not (own and others and own < others)

    @property
    def newest_clear(self) -> dict[str, datetime | None]:
        """By corridor, of those of which it is said at all; UTC."""
        said = self.counts.corridors.items()
        return {k: v.newest_clear for k, v in said if "newest_clear" in v.model_fields_set}


def last_report(out: Path | None) -> Report:
    """Give what the newest run left; an empty one where none has left anything yet.

    Of corridors that it was not about, what the runs before it left, up to the newest of all.

    Raises
    ------
    UnreadableError
        ``latest`` points at something that cannot be read.
    """
    if out is None:
        return Report()
    report = out / "latest" / "run.json"
    try:
        folder = latest_of(out)
        if folder is None:
            return Report()
        report = folder / "run.json"
        newest = _read(report)
        return _completed(newest, out, folder) if newest.counts.part else newest
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableError(_named(error, report), _why(error)) from error
    except ValidationError as error:
        item = error.errors()[0]
        place = ".".join(map(str, item["loc"]))
        raise UnreadableError(report, f"{place} {item['msg']}".strip()) from error


def _read(report: Path) -> Report:
    return Report.model_validate_json(report.read_bytes())


def _completed(newest: Report, out: Path, folder: Path) -> Report:
    """Add to a part what the runs before it say of the other corridors.

    None is asked that is older than a run of all corridors: what that does not name is no more.
    What was set aside before may have been mended by a part; the next run of all says so.
    """
    corridors, failed = dict(newest.counts.corridors), dict(newest.counts.failed)
    aside = {a.what: a for a in newest.set_aside}
    later = [newest]
    for report in _earlier(out, folder):
        if report.workflow != newest.workflow:
            continue
        failed |= {
            k: why
            for k, why in report.counts.failed.items()
            if k not in failed and not any(r.answers(report, k) for r in later)
        }
        aside = {a.what: a for a in report.set_aside} | aside
        later.append(report)
        for name, corridor in report.counts.corridors.items():
            known = corridors.get(name)
            corridors[name] = corridor if known is None else known.or_later(corridor)
        if not report.counts.part:
            break
    counts = newest.counts.model_copy(update={"corridors": corridors, "failed": failed})
    return newest.model_copy(update={"counts": counts, "set_aside": tuple(aside.values())})


def _earlier(out: Path, newest: Path) -> Iterator[Report]:
    """Give what the runs before the newest left, the last of them first; damaged ones not."""
    own = newest.resolve().name
    found: list[tuple[float, Path]] = []
    for report in out.glob("*/run.json"):
        name = report.parent.name
        if name != own and _FOLDER.fullmatch(name):
            with suppress(OSError):
                # Names go by the end of the period; the file is written anew by every run.
                found.append((report.stat().st_mtime, report))
    for _, report in sorted(found, reverse=True)[:MOST_EARLIER]:
        with suppress(OSError, ValidationError):
            yield _read(report)


def outbox_counts(path: Path) -> Mapping[str, int] | None:
    """Count what waits to be handed over and what was refused for good; None without an outbox.

    Raises
    ------
    UnreadableError
        It is there, and is no database that can be read.
    """
    try:
        if not is_there(path):
            return None
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=2)) as database:
            rows = dict(database.execute("select state, count(*) from queue group by state"))
    except OSError as error:
        raise UnreadableError(_named(error, path), _why(error)) from error
    except sqlite3.Error as error:
        raise UnreadableError(path, str(error)) from error
    return {"waiting": int(rows.get("waiting", 0)), "dead": int(rows.get("dead", 0))}


def _named(error: Exception, path: Path) -> Path:
    name = getattr(error, "filename", None)
    return Path(name) if isinstance(name, str) else path


def _why(error: Exception) -> str:
    return error.strerror or type(error).__name__ if isinstance(error, OSError) else str(error)
