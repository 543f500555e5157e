"""What runs and hand-over leave behind, as far as ``siluan status`` reads it.

Whatever is there and cannot be read, or is of another form, is an error with its path: a file that
is broken must not look like one that has nothing to tell.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from datetime import datetime
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from pipeline.io.atomic import is_there, latest_of

_LOOSE = ConfigDict(frozen=True, extra="ignore")


class UnreadableError(Exception):
    """A file is there, and what it should say cannot be had."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"{path} ({why})")


class _Corridor(BaseModel):
    model_config = _LOOSE

    newest_clear: AwareDatetime | None = None


class _Counts(BaseModel):
    model_config = _LOOSE

    corridors: dict[str, _Corridor] = {}
    failed: dict[str, str] = {}


class Aside(BaseModel):
    """An input that was set aside; ``remedy`` is empty where nobody can mend it."""

    model_config = _LOOSE

    what: str
    reason: str
    remedy: str = ""


class Report(BaseModel):
    """What of ``run.json`` is looked at (``$defs/run`` of the case schema has all of it)."""

    model_config = _LOOSE

    set_aside: tuple[Aside, ...] = ()
    counts: _Counts = Field(default=_Counts())

    @property
    def newest_clear(self) -> dict[str, datetime | None]:
        """By corridor, of those of which it is said at all; UTC."""
        said = self.counts.corridors.items()
        return {k: v.newest_clear for k, v in said if "newest_clear" in v.model_fields_set}


def last_report(out: Path | None) -> Report:
    """Give what the newest run left; an empty one where none has left anything yet.

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
        return Report.model_validate_json(report.read_bytes())
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableError(_named(error, report), _why(error)) from error
    except ValidationError as error:
        item = error.errors()[0]
        place = ".".join(map(str, item["loc"]))
        raise UnreadableError(report, f"{place} {item['msg']}".strip()) from error


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
