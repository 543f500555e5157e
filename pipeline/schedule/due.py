"""What is due: a pure function of the cron line, the time, and what the clock remembers.

A time that was missed is caught up once, however many were. Times are compared in UTC. A clock that
runs forward makes one run; one that is put back makes none before it comes to the next time again,
and a memory of a far future (a clock that was wrong for a while) is forgotten.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from pipeline.errors import ExitCode
from pipeline.io.cron import Schedule

PUT_BACK = timedelta(days=1)
"""A memory farther ahead than this comes from a clock that was wrong."""

_ENDED = (130, 143)  # by a signal
AGAIN = frozenset({ExitCode.UNREACHABLE, ExitCode.LEDGER_HELD, *_ENDED})
"""Codes after which the same run is tried again; so are runs that a signal ended (> 128)."""


@dataclass(frozen=True)
class Memory:
    """What the clock remembers of a workflow; instants in UTC."""

    done: datetime  # the newest due time that needs nothing more
    owed: datetime | None = None  # one by times that were edited since, that no run has answered
    pending: datetime | None = None  # the due time that was last begun
    tries: int = 0  # beginnings for it
    not_before: datetime | None = None  # of the next try


def checked(memory: Memory | None, schedule: Schedule, now: datetime) -> Memory:
    """Give a memory that can be used now: a new workflow waits for its next time."""
    if memory is None or memory.done > now + PUT_BACK:
        return Memory(done=schedule.last(now))
    ahead = now + PUT_BACK
    if memory.owed is not None and memory.owed > ahead:  # of a clock that was ahead
        memory = replace(memory, owed=None)
    late = timedelta(minutes=schedule.retry_minutes)
    if memory.not_before is not None and memory.not_before > now + late:
        return replace(memory, not_before=now)
    return memory


def edited(memory: Memory, before: Schedule, after: Schedule, now: datetime) -> Memory:
    """Go on with other times: they wait for their next, and what is unanswered by the old is owed.

    A retry that waits goes on waiting.
    """
    return replace(memory, done=after.last(now), owed=_unanswered(memory, before, now))


def due(memory: Memory, schedule: Schedule, now: datetime) -> datetime | None:
    """Give the due time for which a run is to be started now."""
    at = _unanswered(memory, schedule, now)
    if at is None:
        return None
    if memory.pending == at and memory.not_before is not None and now < memory.not_before:
        return None
    return at


def _unanswered(memory: Memory, schedule: Schedule, now: datetime) -> datetime | None:
    """Give the due time that no run has answered; a newer one answers what was owed as well."""
    last = schedule.last(now)
    if last > memory.done:
        return last
    return memory.owed if memory.owed is not None and memory.owed <= now else None


def answered(memory: Memory, at: datetime) -> Memory:
    """Remember that a due time needs nothing more; an owed one that came after it still does."""
    later = memory.owed is not None and memory.owed > at
    return Memory(done=max(at, memory.done), owed=memory.owed if later else None)


def recalled(
    schedule: Schedule, runs: Sequence[tuple[datetime, datetime | None, int | None]]
) -> Memory | None:
    """Give what a list of runs tells where nothing is remembered; None where there is none.

    Parameters
    ----------
    runs : (begin, end, code)
        In order, of the whole workflow; end and code are None of one that goes on or was killed.
    """
    if not runs:
        return None
    at = schedule.last(runs[-1][0])
    own = [run for run in runs if run[0] >= at]
    ended = own[-1][1]
    if any(c is not None and not _again(c) for _, _, c in own):
        return Memory(done=runs[-1][0])
    # Its time is still unanswered, as it was when it was last tried.
    # Of a run that was ended nobody can tell whether the clock itself was: that is no try.
    tries = sum(c not in (ExitCode.LEDGER_HELD, *_ENDED) for _, _, c in own)
    later = None if ended is None else ended + timedelta(minutes=schedule.retry_minutes)
    before = schedule.last(at - timedelta(minutes=1))
    return Memory(done=before, pending=at, tries=tries, not_before=later)


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
    if not _again(code):
        return answered(memory, at)
    later = now + timedelta(minutes=schedule.retry_minutes)
    if code == ExitCode.LEDGER_HELD:
        # It was not its turn: that is no try.
        return replace(memory, tries=max(0, memory.tries - 1), not_before=later)
    if memory.tries > schedule.retries:
        return answered(memory, at)
    return replace(memory, not_before=later)


def _again(code: int) -> bool:
    return code in AGAIN or code > 128


def interrupted(memory: Memory) -> Memory:
    """Remember that the clock itself was ended: the run begins again when it is back."""
    return replace(memory, tries=max(0, memory.tries - 1), not_before=None)
