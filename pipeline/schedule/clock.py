"""The embedded clock: starts each workflow that is due, as a process of its own.

So a crash of one stops no other. Workflows over one state folder take turns, as the ledger asks; a
workflow never runs beside itself.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

from pipeline.errors import ExitCode, SiluanError
from pipeline.io.alerts import MEANINGS
from pipeline.io.cron import Schedule
from pipeline.ledger.lock import held_by
from pipeline.schedule.due import (
    PUT_BACK,
    Memory,
    answered,
    begun,
    checked,
    due,
    edited,
    exhausted,
    interrupted,
    recalled,
    settled,
)
from pipeline.schedule.listed import Listed
from pipeline.schedule.memory import is_damaged, read_memory, remembered_times, write_memory
from pipeline.schedule.runs import GOOD, Run, note, read_runs
from pipeline.schedule.starting import GRACE_S, Process, start_run
from pipeline.schedule.words import stamp

log = logging.getLogger("siluan")

LONGEST_S = 30.0
"""No longer sleep, so that a clock that was set and a machine that slept are noticed."""


def utc_now() -> datetime:
    """Give the time."""
    return datetime.now(UTC)


@dataclass
class _Kept:
    """A workflow on the clock."""

    one: Listed
    schedule: Schedule
    process: Process | None = None
    began: datetime | None = None
    waits: bool = False  # for its turn; said once
    turn: int = 0  # counts beginnings, over all workflows
    trouble: str = ""  # with its files; said once
    trouble_code: int = 0
    ended: tuple[datetime, int] | None = None  # what is still to be noted
    gone: bool = False  # its file is; what runs is waited for


@dataclass
class Clock:
    """Workflows with a schedule, and the processes of those that run."""

    workflows: Sequence[Listed]
    start: Callable[[Listed], Process] = start_run
    now: Callable[[], datetime] = utc_now
    once: bool = False  # none is started twice
    codes: list[int] = field(default_factory=list[int])
    _kept: list[_Kept] = field(init=False)
    _left: list[int] = field(init=False, default_factory=list[int])  # troubles of what was let go

    def __post_init__(self) -> None:
        self._kept = [_Kept(w, w.schedule) for w in self.workflows if w.schedule is not None]

    def take(self, workflows: Sequence[Listed]) -> None:
        """Go on with workflows as their files are now; what runs is not disturbed.

        One whose times are others now waits for the next of them, as a new one does.
        """
        known = {k.one.memory: k for k in self._kept}
        kept: list[_Kept] = []
        for one in workflows:
            if one.schedule is None:
                continue
            old = known.pop(one.memory, None) or _Kept(one, one.schedule)
            times = (old.schedule.cron, old.schedule.zone)
            old.one, old.schedule, old.gone = one, one.schedule, False
            if old.process is not None and times != (one.schedule.cron, one.schedule.zone):
                # What the old times have due after this is nobody's any more, when it ends.
                self._look(old, self._note_times)
            kept.append(old)
        for old in known.values():
            old.gone = True
            if old.trouble and old.process is None:
                self._left.append(old.trouble_code)
        self._kept = [*kept, *(k for k in known.values() if k.process is not None)]

    @property
    def busy(self) -> bool:
        """Whether anything runs; where all is to be done once, no end waits for being noted."""
        return any(k.process is not None and not (self.once and k.ended) for k in self._kept)

    def needs(self, one: Listed) -> bool:
        """Tell whether a workflow runs, waits for its turn, or has an end still to be noted."""
        own = (k for k in self._kept if k.one.memory == one.memory)
        return any(k.process is not None or k.waits for k in own)

    def troubles(self) -> list[int]:
        """Give the codes of what stands, or stood, in the way of looking after workflows."""
        return [*self._left, *(k.trouble_code for k in self._kept if k.trouble)]

    def step(self) -> float:
        """Look once: note what ended, start what is due. Gives the seconds until the next look."""
        for kept in self._kept:
            self._look(kept, self._settle)
        self._kept = [k for k in self._kept if k.process is not None or not k.gone]
        # Who has waited longest is first, so that a frequent workflow starves none of its state.
        for kept in sorted(self._kept, key=lambda k: k.turn):
            self._look(kept, self._start)
        if self.busy:
            return 1.0
        now = self.now()
        ahead = min(
            ((k.schedule.next(now) - now).total_seconds() for k in self._kept), default=LONGEST_S
        )
        return min(max(ahead, 0.2), LONGEST_S)

    def stop(self, grace_s: float = GRACE_S) -> None:
        """Ask what runs to end, and wait for it; it begins again with the next clock."""
        running = [k for k in self._kept if k.process is not None]
        for kept in running:
            if kept.process is not None and kept.process.poll() is None:
                self._say(kept, "is asked to end")
                kept.process.terminate()
        until = time.monotonic() + grace_s
        while any(k.process and k.process.poll() is None for k in running):
            if time.monotonic() > until:
                for kept in running:
                    if kept.process is not None and kept.process.poll() is None:
                        kept.process.kill()
                until += grace_s
            time.sleep(0.05)
        for kept in running:
            self._look(kept, partial(self._settle, ours=True))

    def _look(self, kept: _Kept, look: Callable[[_Kept], None]) -> None:
        """Let a full or broken disk of one workflow stop no other, nor the clock; said once."""
        try:
            look(kept)
        except (SiluanError, OSError) as error:
            if str(error) != kept.trouble:
                self._say(kept, f"cannot be looked after: {error}")
            kept.trouble = str(error)
            kept.trouble_code = int(getattr(error, "code", ExitCode.CONFIGURATION))

    def _memory(self, kept: _Kept) -> Memory:
        known, now = read_memory(kept.one.memory), self.now()
        said = remembered_times(kept.one.memory)
        # Only the times may differ: how long a retry waits is what the workflow says now.
        own = {"cron": said.cron, "zone": said.zone} if said else {}
        times = kept.schedule.model_copy(update=own)
        memory = checked(known, times, now)
        if known is None and is_damaged(kept.one.memory):
            memory = self._recalled(kept, memory)
        others = (times.cron, times.zone) != (kept.schedule.cron, kept.schedule.zone)
        if others:
            memory = edited(memory, times, kept.schedule, now)
        if memory != known or said is None:
            if known is not None and memory.done < known.done > now + PUT_BACK:
                self._say(
                    kept,
                    f"was remembered as done at {known.done:%Y-%m-%d %H:%M}Z, which is "
                    "to come: the clock was wrong, and that is forgotten",
                )
            self._remember(kept, memory)
        return memory

    def _note_times(self, kept: _Kept) -> None:
        self._memory(kept)

    def _recalled(self, kept: _Kept, memory: Memory) -> Memory:
        """Give what the list of runs knows where the memory is damaged; a new one without any."""
        runs = [r for r in read_runs(kept.one.runs) if not r.part and r.began <= self.now()]
        known = (
            f"its last run began {runs[-1].began:%Y-%m-%d %H:%M}Z" if runs else "it has never run"
        )
        self._say(kept, f"has a damaged {kept.one.memory}: made anew, as {known}")
        told = [(r.began, r.ended, r.code) for r in runs]
        return recalled(kept.schedule, told) or memory

    def _remember(self, kept: _Kept, memory: Memory) -> None:
        write_memory(kept.one.memory, memory, kept.schedule)

    def _start(self, kept: _Kept) -> None:
        if kept.process is not None or kept.gone or (self.once and kept.turn):
            return
        now, memory = self.now(), self._memory(kept)
        at = due(memory, kept.schedule, now)
        if at is None:
            return
        if exhausted(memory, kept.schedule, at):
            self._say(kept, f"is given up until its next time, after {memory.tries} tries")
            self._remember(kept, answered(memory, at))
            return
        if not self._has_turn(kept):
            return
        runs = (r for r in read_runs(kept.one.runs) if not r.part)
        if any(r.code in GOOD and at <= r.began <= now for r in runs):
            # By hand, or of a clock that was killed and whose run went on.
            self._say(kept, f"has run already for {at:%Y-%m-%d %H:%M}Z")
            self._remember(kept, answered(memory, at))
            return
        late = (now - at).total_seconds() > 120
        self._remember(kept, begun(memory, at))
        try:
            kept.process, kept.began = self.start(kept.one), now
            kept.turn = max(k.turn for k in self._kept) + 1
        except OSError as error:
            self._say(kept, f"could not be started ({error.strerror})")
            self._remember(kept, settled(begun(memory, at), kept.schedule, 143, now))
            return
        kept.trouble = ""
        self._say(kept, f"begins, due {at:%Y-%m-%d %H:%M}Z{', caught up' if late else ''}")

    def _has_turn(self, kept: _Kept) -> bool:
        others = [k for k in self._kept if k.process is not None and k.ended is None]
        other = next((k.one.name for k in others if k.one.state == kept.one.state), None)
        holder = held_by(kept.one.state / "ledger.sqlite")
        free = other is None and holder is None
        if not free and not kept.waits:
            self._say(
                kept,
                f"is due and waits for {other or f'process {holder}'}, which works on "
                f"{kept.one.state}",
            )
        kept.waits = not free
        return free

    def _settle(self, kept: _Kept, ours: bool = False) -> None:
        """Note how a run ended; ``ours``: we asked it to."""
        code = kept.process.poll() if kept.process is not None else None
        if kept.process is None or kept.began is None or code is None:
            return
        if kept.ended is None:
            kept.ended = (self.now(), code if code >= 0 else 128 - code)
            self.codes.append(kept.ended[1])
            seconds = (kept.ended[0] - kept.began).total_seconds()
            said = MEANINGS.get(kept.ended[1], "ended by a signal")
            see = "" if kept.ended[1] in GOOD else f": see {kept.one.log}"
            self._say(kept, f"ended with {kept.ended[1]} ({said}) after {seconds:.0f} s{see}")
        # On a full disk this is tried again with each look; until then it is not begun anew.
        now, code = kept.ended
        _note_end(kept.one, Run(kept.process.pid, kept.began, now, code))
        memory = self._memory(kept)
        after = settled(memory, kept.schedule, code, now)
        after = interrupted(memory) if ours and code > 128 else after
        self._remember(kept, after)
        kept.process = kept.began = kept.ended = None
        kept.trouble = ""
        if after.not_before is not None:
            self._say(kept, f"is tried again after {after.not_before:%H:%M}Z")

    def _say(self, kept: _Kept, what: str) -> None:
        log.info("%s %s %s", stamp(self.now()), kept.one.name, what)


def _note_end(one: Listed, run: Run) -> None:
    """Add the end of a run that could not say it itself."""
    own = [r for r in read_runs(one.runs) if r.pid == run.pid and r.began >= run.began]
    if not own:
        note(one.runs, run)
    elif own[-1].ended is None:
        note(one.runs, Run(run.pid, own[-1].began, run.ended, run.code))


def worst(codes: Sequence[int]) -> ExitCode:
    """Give the code that somebody must hear of first."""
    order = (70, 2, 5, 4, 3, 6, 10)
    found = next((c for c in order if c in codes), 0)
    if not found and any(codes):
        return ExitCode.TERMINATED
    return ExitCode(found)
