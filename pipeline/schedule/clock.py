"""The embedded clock: starts each workflow that is due, as a process of its own.

So a crash of one stops no other. Workflows over one state folder take turns, as the ledger asks; a
workflow never runs beside itself.
"""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from pipeline.errors import ExitCode, LedgerHeldError, SiluanError
from pipeline.io.cron import Schedule
from pipeline.ledger.lock import held_by, hold
from pipeline.schedule.due import Memory, begun, checked, due, exhausted, interrupted, settled
from pipeline.schedule.listed import Listed
from pipeline.schedule.memory import read_memory, write_memory
from pipeline.schedule.runs import Run, note, read_runs

log = logging.getLogger("siluan")

LONGEST_S = 30.0
"""No longer sleep, so that a clock that was set and a machine that slept are noticed."""
GRACE_S = 90.0
"""For a run to end after SIGTERM; then it is killed, which `siluan run` survives."""
LOG_BYTES, LOGS = 1_000_000, 4
_COMMAND = (sys.executable, "-c", "from pipeline.cli import main; main()", "run")


class Process(Protocol):
    """What the clock needs of a process."""

    pid: int

    def poll(self) -> int | None:
        """Give how it ended: a code, or a signal below zero; None: it runs."""
        ...

    def terminate(self) -> None:
        """Ask it to end."""
        ...

    def kill(self) -> None:
        """End it."""
        ...


def start_run(one: Listed) -> Process:
    """Start `siluan run`; what it says goes to its log."""
    rotate(one.log)
    with one.log.open("ab") as file:
        return subprocess.Popen(  # noqa: S603 - our own command
            [*_COMMAND, str(one.path)],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            # Ctrl-C is for the clock, which hands it on once.
            start_new_session=True,
        )


def rotate(path: Path) -> None:
    """Move a log aside that has become long; the last few stay."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.stat().st_size < LOG_BYTES:
        return
    for n in range(LOGS, 1, -1):
        older = path.with_name(f"{path.name}.{n - 1}")
        if older.exists():
            older.replace(path.with_name(f"{path.name}.{n}"))
    path.replace(path.with_name(f"{path.name}.1"))


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


@dataclass
class Clock:
    """Workflows with a schedule, and the processes of those that run."""

    workflows: Sequence[Listed]
    start: Callable[[Listed], Process] = start_run
    now: Callable[[], datetime] = utc_now
    once: bool = False  # none is started twice
    codes: list[int] = field(default_factory=list[int])
    _kept: list[_Kept] = field(init=False)

    def __post_init__(self) -> None:
        self._kept = [_Kept(w, w.schedule) for w in self.workflows if w.schedule is not None]

    @property
    def busy(self) -> bool:
        """Whether anything runs."""
        return any(k.process is not None for k in self._kept)

    def step(self) -> float:
        """Look once: note what ended, start what is due. Gives the seconds until the next look."""
        for kept in self._kept:
            self._look(kept, self._settle)
        # Who has waited longest is first, so that a frequent workflow starves none of its state.
        for kept in sorted(self._kept, key=lambda k: k.turn):
            self._look(kept, self._start)
        if self.busy:
            return 1.0
        now = self.now()
        ahead = min((k.schedule.next(now) - now).total_seconds() for k in self._kept)
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
            self._settle(kept, ours=True)

    def _look(self, kept: _Kept, look: Callable[[_Kept], None]) -> None:
        """Let a full or broken disk of one workflow stop no other, nor the clock; said once."""
        try:
            look(kept)
        except (SiluanError, OSError) as error:
            if str(error) != kept.trouble:
                self._say(kept, f"cannot be looked after: {error}")
            kept.trouble = str(error)

    def _memory(self, kept: _Kept) -> Memory:
        known = read_memory(kept.one.memory)
        memory = checked(known, kept.schedule, self.now())
        if memory != known:
            if known is not None and memory.done < known.done:
                self._say(
                    kept,
                    f"was remembered as done at {known.done:%Y-%m-%d %H:%M}Z, which is "
                    "to come: the clock was wrong, and that is forgotten",
                )
            write_memory(kept.one.memory, memory)
        return memory

    def _start(self, kept: _Kept) -> None:
        if kept.process is not None or (self.once and kept.turn):
            return
        now, memory = self.now(), self._memory(kept)
        at = due(memory, kept.schedule, now)
        if at is None:
            return
        if exhausted(memory, kept.schedule, at):
            self._say(kept, f"is given up until its next time, after {memory.tries} tries")
            write_memory(kept.one.memory, Memory(done=at))
            return
        if not self._has_turn(kept):
            return
        late = (now - at).total_seconds() > 120
        write_memory(kept.one.memory, begun(memory, at))
        try:
            kept.process, kept.began = self.start(kept.one), now
            kept.turn = max(k.turn for k in self._kept) + 1
        except OSError as error:
            self._say(kept, f"could not be started ({error.strerror})")
            write_memory(kept.one.memory, settled(begun(memory, at), kept.schedule, 143, now))
            return
        self._say(kept, f"begins, due {at:%Y-%m-%d %H:%M}Z{', caught up' if late else ''}")

    def _has_turn(self, kept: _Kept) -> bool:
        others = [k for k in self._kept if k.process is not None]
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
        now, code = self.now(), code if code >= 0 else 128 - code
        _note_end(kept.one, Run(kept.process.pid, kept.began, now, code))
        self.codes.append(code)
        self._say(kept, f"ended with {code} after {(now - kept.began).total_seconds():.0f} s")
        kept.process = kept.began = None
        memory = self._memory(kept)
        if ours and code > 128:
            write_memory(kept.one.memory, interrupted(memory))
            return
        after = settled(memory, kept.schedule, code, now)
        if after.not_before is not None:
            self._say(kept, f"is tried again after {after.not_before:%H:%M}Z")
        write_memory(kept.one.memory, after)

    def _say(self, kept: _Kept, what: str) -> None:
        log.info("%s %s %s", f"{self.now():%Y-%m-%dT%H:%M:%SZ}", kept.one.name, what)


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


def run_clock(workflows: Sequence[Listed], once: bool) -> ExitCode:
    """Run the clock until SIGTERM or Ctrl-C; with ``once``, until each that is due has run.

    Raises
    ------
    LedgerHeldError
        Another clock has one of the workflows.
    """
    stop = threading.Event()
    with ExitStack() as stack:
        for one in workflows:
            stack.enter_context(_alone(one))
        stack.enter_context(_stopped_by(stop))
        clock = Clock(workflows, once=once)
        try:
            while not stop.is_set():
                seconds = clock.step()
                if once and not clock.busy:
                    break
                stop.wait(seconds)
        finally:
            clock.stop()
    return worst(clock.codes) if once else ExitCode.DONE


@contextmanager
def _alone(one: Listed) -> Generator[None]:
    """Hold the memory of a workflow, so that no second clock starts it."""
    try:
        with hold(one.memory):
            yield
    except LedgerHeldError as error:
        if str(one.memory) not in error.what:
            raise
        raise LedgerHeldError(
            f"another `siluan schedule` has the workflow {one.name} over {one.state}",
            "End that one, or name other workflows",
        ) from error


@contextmanager
def _stopped_by(stop: threading.Event) -> Generator[None]:
    def asked(number: int, frame: object) -> None:
        del number, frame
        stop.set()

    before = {s: signal.signal(s, asked) for s in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
