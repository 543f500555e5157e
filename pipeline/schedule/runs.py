"""When a workflow ran and how that ended: a file of JSON lines, whoever started it.

A line is added when a run begins and when it ends, so a run that was killed shows as one that
never ended. Adding is all that is done, so several may write at once.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from pipeline.errors import ExitCode
from pipeline.io.processes import is_alive, mark_of

LIMIT_BYTES = 256_000
"""Some 1,000 runs; then the file becomes ``.1``, and the earlier ``.1`` goes."""

GOOD = frozenset({ExitCode.DONE, ExitCode.SET_ASIDE})
"""Codes of a run that was done."""


@dataclass(frozen=True)
class Run:
    """One run."""

    pid: int
    began: datetime  # UTC
    ended: datetime | None = None  # UTC; None: it still runs, or was killed
    code: int | None = None
    mark: str | None = None  # tells its process from a later one of that number
    part: bool = False  # of some corridors or other dates only: it answers no due time
    untold: bool = False  # whom the workflow names could not be told how it ended

    @property
    def seconds(self) -> float | None:
        """How long it took."""
        return None if self.ended is None else (self.ended - self.began).total_seconds()

    @property
    def alive(self) -> bool:
        """Whether its process is there."""
        return self.ended is None and is_alive(self.pid, self.mark)


def note(path: Path, run: Run) -> None:
    """Add a line: of a beginning, or of an end."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > LIMIT_BYTES:
        path.replace(path.with_name(f"{path.name}.1"))
    entry: dict[str, Any] = {"pid": run.pid, "began": run.began.isoformat()}
    if run.part:
        entry["part"] = True
    if run.ended is not None:
        entry |= {"ended": run.ended.isoformat(), "code": run.code}
        if run.untold:
            entry["untold"] = True
    elif (mark := run.mark or mark_of(run.pid)) is not None:
        entry["process"] = mark
    with path.open("ab+") as file:
        # Half a line of a disk that was full must not swallow this one.
        torn = file.tell() > 0 and _last_byte(file) != b"\n"
        file.write(b"\n" * torn + json.dumps(entry).encode() + b"\n")


def _last_byte(file: BinaryIO) -> bytes:
    file.seek(-1, os.SEEK_END)
    return file.read(1)


def read_runs(path: Path) -> list[Run]:
    """Give the runs in the order of their beginnings; lines that are no entry are passed over."""
    runs: dict[tuple[int, datetime], Run] = {}
    for part in (path.with_name(f"{path.name}.1"), path):
        try:
            lines = part.read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            continue
        for run in filter(None, map(_parse, lines)):
            key = (run.pid, run.began)
            known = runs.get(key)
            runs[key] = run if known is None or known.ended is None or run.untold else known
    return sorted(runs.values(), key=lambda r: r.began)


def is_damaged(path: Path) -> bool:
    """Tell whether a list of runs is there of which no line can be read."""
    return not read_runs(path) and path.exists() and bool(path.read_bytes().strip())


def _parse(line: str) -> Run | None:
    try:
        entry: Mapping[str, Any] = json.loads(line)
        began, mark = datetime.fromisoformat(entry["began"]), entry.get("process")
        part = bool(entry.get("part"))
        run = Run(int(entry["pid"]), began, None, None, None if mark is None else str(mark), part)
        if "ended" in entry:
            ended, code = datetime.fromisoformat(entry["ended"]), int(entry["code"])
            run = replace(run, ended=ended, code=code, untold=bool(entry.get("untold")))
    except (ValueError, KeyError, TypeError):
        return None  # the last line of a disk that was full, or of a machine that lost power
    return run
