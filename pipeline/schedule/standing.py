"""How one workflow stands: read from what runs and hand-over leave; nothing is written or held."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TypeVar

from pipeline.errors import ExitCode, SiluanError
from pipeline.io.alerts import MEANINGS, missing_program
from pipeline.ledger.lock import held_by
from pipeline.schedule.due import PUT_BACK, Memory
from pipeline.schedule.leavings import (
    Report,
    UnreadableError,
    last_report,
    outbox_counts,
)
from pipeline.schedule.listed import Listed, Unread
from pipeline.schedule.memory import is_damaged as memory_damaged
from pipeline.schedule.memory import read_memory
from pipeline.schedule.runs import GOOD, Run, read_runs
from pipeline.schedule.runs import is_damaged as runs_damaged
from pipeline.schedule.words import span

FINE, WARNING, CRITICAL = 0, 1, 2
_GRAVE = frozenset({ExitCode.CONFIGURATION, ExitCode.DISK_FULL, ExitCode.BUG})
_OURS = ("accepted", "quarantine", "飞行登记表.html")
_BESIDE = ("_回执.html", "_登记表.html")

_SKEW = timedelta(minutes=1)
"""A run that began later than this from now was begun under a clock that was ahead."""

T = TypeVar("T")


@dataclass(frozen=True)
class Standing:
    """How a workflow stands; instants in UTC, None where nothing is known or there is none."""

    workflow: str
    path: Path
    last: Run | None  # the newest that had the ledger, of the whole workflow where there is one
    good: datetime | None  # when the newest run of the whole workflow ended that was done (0 or 10)
    clock: int | None  # process of the embedded clock that has it
    next: datetime | None
    due_since: datetime | None  # a run that should have been
    set_aside: tuple[Mapping[str, str], ...]  # what somebody can mend: what, reason, remedy
    set_aside_others: int  # clouds, duplicates
    inbox: int | None
    outbox: Mapping[str, int] | None  # waiting, dead
    newest_clear: Mapping[str, datetime | None]  # by corridor
    part: Run | None  # the newest of some corridors or other dates, where that is newer than `last`
    failed: Mapping[str, str]  # corridors that the last run of them could not finish
    ledger_held_by: int | None
    free_bytes: Mapping[str, int]  # of the disks of state and out
    findings: tuple[tuple[int, str], ...] = ()  # (1 or 2, a sentence)

    @property
    def level(self) -> int:
        """0 fine, 1 warnings, 2 critical."""
        return max((level for level, _ in self.findings), default=FINE)


def standings_of(
    workflows: Sequence[Listed], now: datetime
) -> tuple[list[tuple[Listed, Standing]], list[Unread]]:
    """Look how workflows stand; one that cannot be looked at keeps no other from being told."""
    found: list[tuple[Listed, Standing]] = []
    wrong: list[Unread] = []
    for one in workflows:
        try:
            found.append((one, standing_of(one, now)))
        except Exception as error:  # noqa: BLE001 - what it meets is told, and the others as well
            why = SiluanError(f"how {one.path} stands cannot be told: {error!r}")
            wrong.append(Unread(one.path, why))
    return found, wrong


def standing_of(one: Listed, now: datetime) -> Standing:
    """Look how a workflow stands.

    Parameters
    ----------
    now : datetime
        UTC.
    """
    unread: list[tuple[int, str]] = []

    def of(level: int, read: Callable[[], T], without: T) -> T:
        try:
            return read()
        except UnreadableError as error:
            unread.append((level, f"what the last run left cannot be read: {error}"))
        except OSError as error:
            named = f"{error.filename or one.state} ({error.strerror})"
            unread.append((level, f"when it ran cannot be read: {named}"))
        return without

    # Without these two nobody knows whether it runs at all.
    runs = of(CRITICAL, lambda: read_runs(one.runs), [])
    memory = of(CRITICAL, lambda: read_memory(one.memory), None)
    for damaged, path, what in (
        (runs_damaged, one.runs, "when it ran"),
        (memory_damaged, one.memory, "what the clock remembers"),
    ):
        if of(CRITICAL, partial(damaged, path), False):
            unread.append((CRITICAL, f"{what} cannot be read: {path} (no line of it makes sense)"))
    # One of a clock that was ahead would be the last for as long as it was.
    own = [
        r for r in runs if r.code != ExitCode.LEDGER_HELD and (r.began <= now + _SKEW or r.alive)
    ]
    # One of a corridor, or of other dates, says nothing of how the workflow fares.
    whole = [r for r in own if not r.part]
    report = of(WARNING, lambda: last_report(one.out), Report())
    mendable = tuple(a.model_dump() for a in report.set_aside if a.remedy)
    standing = Standing(
        workflow=one.name,
        path=one.path,
        last=next(reversed(whole or own), None),
        part=own[-1] if whole and own[-1].part else None,
        good=max((r.ended for r in whole if r.ended and r.code in GOOD), default=None),
        clock=held_by(one.memory),
        next=one.schedule.next(now) if one.schedule else None,
        due_since=_due_since(one, memory, own, now),
        set_aside=mendable,
        set_aside_others=len(report.set_aside) - len(mendable),
        inbox=_waiting(one.monitor.inbox),
        outbox=of(WARNING, lambda: outbox_counts(one.state / "outbox" / "outbox.sqlite"), None),
        newest_clear=report.newest_clear,
        failed=report.counts.failed,
        ledger_held_by=held_by(one.state / "ledger.sqlite"),
        free_bytes={name: _free(p) for name, p in (("state", one.state), ("out", one.out)) if p},
    )
    blind = any(level == CRITICAL for level, _ in unread)
    if missing := missing_program(one.alerts):
        unread.append(
            (WARNING, f"the command of alerts is not there, or may not be run: {missing}")
        )
    of_runs = () if blind else _of_runs(one, standing, now)
    return replace(
        standing, findings=(*dict.fromkeys(unread), *of_runs, *_findings(one, standing, now))
    )


def _due_since(
    one: Listed, memory: Memory | None, runs: Sequence[Run], now: datetime
) -> datetime | None:
    """Give the first due time that no run has answered, by whoever's clock.

    The first, and not the newest: a clock that is dead is later with every time that passes.
    """
    if one.schedule is None:
        return None
    answered = [r.began for r in runs if r.began <= now and not r.part]
    owed = memory.owed if memory is not None else None
    if owed is not None and owed <= now and not any(began >= owed for began in answered):
        return owed
    if memory is not None and memory.done <= now + PUT_BACK:
        answered.append(memory.done)
    # Without any run and any clock nobody knows since when it should have run.
    if not answered:
        return None
    first = one.schedule.next(max(answered))
    return first if first <= now else None


def _findings(one: Listed, s: Standing, now: datetime) -> Iterator[tuple[int, str]]:
    for name, why in sorted(s.failed.items()):
        yield CRITICAL, f"corridor {name} failed in the last run of it: {why}"
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
        critical = free < one.monitor.disk_critical_gb * 1e9
        if critical or free < one.monitor.disk_gb * 1e9:
            level = CRITICAL if critical else WARNING
            yield level, f"{free / 1e9:.1f} GB are free on the disk of {place}"


def _of_runs(one: Listed, s: Standing, now: datetime) -> Iterator[tuple[int, str]]:
    if s.last is None:
        yield (WARNING, "it has never run") if one.schedule else (FINE, "it has never run")
    elif s.last.code is None and not s.last.alive:
        yield WARNING, f"the run that began {s.last.began:%Y-%m-%d %H:%M}Z was killed"
    elif s.last.code is not None and s.last.code not in GOOD:
        level = CRITICAL if s.last.code in _GRAVE else WARNING
        meaning = MEANINGS.get(s.last.code, "ended by a signal")
        yield level, f"the last run ended with {s.last.code}: {meaning}{_see(one, s.last)}"
    # A person who asks for a part wrongly is told so at once.
    if s.part is not None and s.part.code not in (None, *GOOD, ExitCode.CONFIGURATION):
        level = CRITICAL if s.part.code in _GRAVE else WARNING
        meaning = MEANINGS.get(s.part.code, "ended by a signal")
        yield level, f"the last run of a part ended with {s.part.code}: {meaning}"
    if s.part is not None and s.part.code is None and not s.part.alive:
        yield WARNING, f"the run of a part that began {s.part.began:%Y-%m-%d %H:%M}Z was killed"
    if any(r is not None and r.untold for r in (s.last, s.part)):
        yield WARNING, f"nobody could be told how the last run ended: see alerts of {one.path}"
    if s.due_since is not None:
        late = (now - s.due_since) / timedelta(hours=one.monitor.late_hours)
        if late >= 1:
            words = f"it is due for {span((now - s.due_since).total_seconds())}"
            yield (CRITICAL if late >= 4 else WARNING), words


def _see(one: Listed, run: Run) -> str:
    """Name the log where the clock started that run; what others start they log themselves."""
    try:
        ours = one.log.stat().st_mtime >= run.began.timestamp()
    except OSError:
        return ""
    return f" (see {one.log})" if ours else ""


def _waiting(inbox: Path | None) -> int | None:
    """Count drops that nobody has answered yet; None without an inbox, or where it is not there."""
    if inbox is None:
        return None
    try:
        names = [p.name for p in inbox.iterdir()]
    except OSError:
        return None
    return sum(not (n.startswith(".") or n in _OURS or n.endswith(_BESIDE)) for n in names)


def _free(path: Path) -> int:
    """Give what is free on the disk of a place, or of the nearest above that tells it [bytes]."""
    for place in (path, *path.parents):
        try:
            return shutil.disk_usage(place).free
        except OSError:
            continue
    return 0
