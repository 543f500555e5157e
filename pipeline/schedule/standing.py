"""How one workflow stands: read from what runs and hand-over leave; nothing is written or held."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pipeline.errors import ExitCode
from pipeline.io.alerts import MEANINGS
from pipeline.ledger.lock import held_by
from pipeline.schedule.due import Memory
from pipeline.schedule.listed import Listed
from pipeline.schedule.memory import read_memory
from pipeline.schedule.runs import Run, read_runs
from pipeline.schedule.words import span

FINE, WARNING, CRITICAL = 0, 1, 2
_GRAVE = frozenset({ExitCode.CONFIGURATION, ExitCode.DISK_FULL, ExitCode.BUG})
_DONE = frozenset({ExitCode.DONE, ExitCode.SET_ASIDE})
_OURS = ("accepted", "quarantine", "飞行登记表.html")
_BESIDE = ("_回执.html", "_登记表.html")


@dataclass(frozen=True)
class Standing:
    """How a workflow stands; instants in UTC, None where nothing is known or there is none."""

    workflow: str
    last: Run | None  # the newest that had the ledger
    good: datetime | None  # when the newest run ended that was done (0 or 10)
    clock: int | None  # process of the embedded clock that has it
    next: datetime | None
    due_since: datetime | None  # a run that should have been
    set_aside: tuple[Mapping[str, str], ...]  # what somebody can mend: what, reason, remedy
    set_aside_others: int  # clouds, duplicates
    inbox: int | None
    outbox: Mapping[str, int] | None  # waiting, dead
    newest_clear: Mapping[str, datetime | None]  # by corridor
    failed: Mapping[str, str]  # corridors that the last run could not finish
    ledger_held_by: int | None
    free_bytes: Mapping[str, int]  # of the disks of state and out
    findings: tuple[tuple[int, str], ...] = ()  # (1 or 2, a sentence)

    @property
    def level(self) -> int:
        """0 fine, 1 warnings, 2 critical."""
        return max((level for level, _ in self.findings), default=FINE)


def standing_of(one: Listed, now: datetime) -> Standing:
    """Look how a workflow stands.

    Parameters
    ----------
    now : datetime
        UTC.
    """
    runs = read_runs(one.runs)
    own = [r for r in runs if r.code != ExitCode.LEDGER_HELD]
    report = _last_report(one.out)
    mendable, others = _set_aside(report)
    corridors: Mapping[str, Any] = report.get("counts", {}).get("corridors", {})
    seen = {k: _instant(v["newest_clear"]) for k, v in corridors.items() if "newest_clear" in v}
    standing = Standing(
        workflow=one.name,
        last=own[-1] if own else None,
        good=max((r.ended for r in own if r.ended and r.code in _DONE), default=None),
        clock=held_by(one.memory),
        next=one.schedule.next(now) if one.schedule else None,
        due_since=_due_since(one, own, now),
        set_aside=mendable,
        set_aside_others=others,
        inbox=_waiting(one.monitor.inbox),
        outbox=_outbox(one.state / "outbox" / "outbox.sqlite"),
        newest_clear=seen,
        failed=report.get("counts", {}).get("failed", {}),
        ledger_held_by=held_by(one.state / "ledger.sqlite"),
        free_bytes={name: _free(p) for name, p in (("state", one.state), ("out", one.out)) if p},
    )
    return replace(standing, findings=tuple(_findings(one, standing, now)))


def _due_since(one: Listed, runs: list[Run], now: datetime) -> datetime | None:
    """Give the due time that no run has answered, by whoever's clock."""
    if one.schedule is None:
        return None
    last = one.schedule.last(now)
    memory: Memory | None = read_memory(one.memory)
    if memory is not None and memory.done >= last:
        return None
    # Without any run and any clock nobody knows since when it should have run.
    if any(r.began >= last for r in runs) or (memory is None and not runs):
        return None
    return last


def _findings(one: Listed, s: Standing, now: datetime) -> Iterator[tuple[int, str]]:
    yield from _of_runs(one, s, now)
    for name, why in sorted(s.failed.items()):
        yield CRITICAL, f"corridor {name} failed in the last run: {why}"
    if s.set_aside:
        yield WARNING, f"{len(s.set_aside)} inputs were set aside that somebody can mend"
    if s.inbox is not None and s.inbox >= one.monitor.inbox_waits:
        yield WARNING, f"{s.inbox} drops wait in {one.monitor.inbox}"
    if one.monitor.inbox is not None and s.inbox is None:
        yield WARNING, f"the inbox {one.monitor.inbox} cannot be read"
    if s.outbox is not None and s.outbox["dead"]:
        yield WARNING, f"{s.outbox['dead']} dead letters: receivers refused them for good"
    for corridor, seen in sorted(s.newest_clear.items()):
        if seen is None or now - seen > timedelta(days=one.monitor.stale_days):
            ago = "never" if seen is None else f"{(now - seen).days} d ago"
            yield WARNING, f"corridor {corridor} was last seen clearly {ago}"
    for place, free in s.free_bytes.items():
        if free < one.monitor.disk_gb * 1e9:
            level = CRITICAL if free < one.monitor.disk_critical_gb * 1e9 else WARNING
            yield level, f"{free / 1e9:.1f} GB are free on the disk of {place}"


def _of_runs(one: Listed, s: Standing, now: datetime) -> Iterator[tuple[int, str]]:
    if s.last is None:
        yield (WARNING, "it has never run") if one.schedule else (FINE, "it has never run")
    elif s.last.code is None and not s.last.alive:
        yield WARNING, f"the run that began {s.last.began:%Y-%m-%d %H:%M}Z was killed"
    elif s.last.code is not None and s.last.code not in _DONE:
        level = CRITICAL if s.last.code in _GRAVE else WARNING
        meaning = MEANINGS.get(s.last.code, "ended by a signal")
        yield level, f"the last run ended with {s.last.code}: {meaning}"
    if s.due_since is not None:
        late = (now - s.due_since) / timedelta(hours=one.monitor.late_hours)
        if late >= 1:
            words = f"it is due for {span((now - s.due_since).total_seconds())}"
            yield (CRITICAL if late >= 4 else WARNING), words


def _last_report(out: Path | None) -> dict[str, Any]:
    """Give run.json of the newest run; empty where there is none that can be read."""
    if out is None:
        return {}
    folder = out / "latest"
    pointer = out / "latest.txt"  # where links cannot be made
    try:
        if not folder.exists() and pointer.exists():
            folder = out / pointer.read_text(encoding="utf-8").strip()
        content = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _set_aside(report: Mapping[str, Any]) -> tuple[tuple[Mapping[str, str], ...], int]:
    every: list[Mapping[str, str]] = report.get("set_aside", [])
    mendable = tuple(a for a in every if a.get("remedy"))
    return mendable, len(every) - len(mendable)


def _waiting(inbox: Path | None) -> int | None:
    """Count drops that nobody has answered yet; None without an inbox, or where it is not there."""
    if inbox is None:
        return None
    try:
        names = [p.name for p in inbox.iterdir()]
    except OSError:
        return None
    return sum(not (n.startswith(".") or n in _OURS or n.endswith(_BESIDE)) for n in names)


def _outbox(path: Path) -> Mapping[str, int] | None:
    """Count what waits to be handed over and what was refused for good; None without an outbox."""
    if not path.is_file():
        return None
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=2)) as database:
            rows = dict(database.execute("select state, count(*) from queue group by state"))
    except sqlite3.Error:
        return None
    return {"waiting": int(rows.get("waiting", 0)), "dead": int(rows.get("dead", 0))}


def _free(path: Path) -> int:
    place = next(p for p in (path, *path.parents) if p.exists())
    return shutil.disk_usage(place).free


def _instant(text: str | None) -> datetime | None:
    if text is None:
        return None
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=UTC)
