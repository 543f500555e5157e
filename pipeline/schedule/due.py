"""What is due: a pure function of the cron line, the time, and what the clock remembers.

A time that was missed is caught up once, however many were. Times are compared in UTC. A clock that
runs forward makes one run; one that is put back makes none before it comes to the next time again,
and a memory of a far future (a clock that was wrong for a while) is forgotten.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from pipeline.errors import ExitCode
from pipeline.io.cron import Schedule

PUT_BACK = timedelta(days=1)
"""A memory farther ahead than this comes from a clock that was wrong."""

AGAIN = frozenset({ExitCode.UNREACHABLE, ExitCode.LEDGER_HELD, *(130, 143)})
"""Codes after which the same run is tried again; so are runs that a signal ended (> 128)."""


@dataclass(frozen=True)
class Memory:
    """What the clock remembers of a workflow; instants in UTC."""

    done: datetime  # the newest due time that needs nothing more
    pending: datetime | None = None  # the due time that was last begun
    tries: int = 0  # beginnings for it
    not_before: datetime | None = None  # of the next try


def checked(memory: Memory | None, schedule: Schedule, now: datetime) -> Memory:
    """Give a memory that can be used now: a new workflow waits for its next time."""
    if memory is None or memory.done > now + PUT_BACK:
        return Memory(done=schedule.last(now))
    late = timedelta(minutes=schedule.retry_minutes)
    if memory.not_before is not None and memory.not_before > now + late:
        return replace(memory, not_before=now)
    return memory


def due(memory: Memory, schedule: Schedule, now: datetime) -> datetime | None:
    """Give the due time for which a run is to be started now."""
    last = schedule.last(now)
    if last <= memory.done:
        return None
    if memory.pending == last and memory.not_before is not None and now < memory.not_before:
        return None
    return last


def begun(memory: Memory, at: datetime) -> Memory:
    """Remember that a run for a due time is being started."""
    tries = memory.tries + 1 if memory.pending == at else 1
    return replace(memory, pending=at, tries=tries, not_before=None)


def exhausted(memory: Memory, schedule: Schedule, at: datetime) -> bool:
    """Tell whether a due time was tried often enough (a run may take the machine down)."""
    return memory.pending == at and memory.tries > schedule.retries


def settled(memory: Memory, schedule: Schedule, code: int, now: datetime) -> Memory:
    """Remember how a run ended."""
    at = memory.pending or memory.done
    if code not in AGAIN and code <= 128:
        return Memory(done=max(at, memory.done))
    later = now + timedelta(minutes=schedule.retry_minutes)
    if code == ExitCode.LEDGER_HELD:
        # It was not its turn: that is no try.
        return replace(memory, tries=max(0, memory.tries - 1), not_before=later)
    if memory.tries > schedule.retries:
        return Memory(done=max(at, memory.done))
    return replace(memory, not_before=later)


def interrupted(memory: Memory) -> Memory:
    """Remember that the clock itself was ended: the run begins again when it is back."""
    return replace(memory, tries=max(0, memory.tries - 1), not_before=None)
