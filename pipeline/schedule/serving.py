"""`siluan schedule`: the clock until it is ended, over workflows as their files are at the time."""

from __future__ import annotations

import errno
import logging
import signal
import threading
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.errors import (
    ConfigurationError,
    DiskFullError,
    ExitCode,
    LedgerHeldError,
    SiluanError,
)
from pipeline.ledger.lock import hold
from pipeline.schedule.clock import Clock, worst
from pipeline.schedule.inbox import Inboxes
from pipeline.schedule.listed import Listed, Unread, files_of, list_workflows
from pipeline.schedule.words import stamp

log = logging.getLogger("siluan")

_Marks = tuple[tuple[str, int, int], ...]


@dataclass
class Roster:
    """The workflows of some files and folders; noticed when one is edited, added or removed."""

    paths: Sequence[Path]
    workflows: tuple[Listed, ...] = ()
    wrong: tuple[Unread, ...] = ()
    held: tuple[Unread, ...] = ()  # another clock has them, or their state cannot be written
    _marks: _Marks = ()
    _held: dict[Path, ExitStack] = field(default_factory=dict[Path, ExitStack])

    def read(self) -> None:
        """Read all of them; one that cannot be read is said once, and is as it was before.

        One that another clock has, or whose state folder cannot be written, is said once and left
        out until it can be had.

        Raises
        ------
        ConfigurationError
            There is none.
        SiluanError
            None can be had: why the first cannot.
        """
        marks = _marks_of(self.paths)
        read = list_workflows(self.paths)
        named = {w.memory for w in read.good}
        was = {w.path: w for w in self.workflows if w.memory not in named}
        kept = [was[w.path] for w in read.wrong if w.path in was]
        found = (*(w for w in read.good if w.schedule or w.inbox), *kept)
        ours, held = self._taken(found)
        said = {(w.path, str(w.why)) for w in self.wrong}
        for one in read.wrong:
            if (one.path, str(one.why)) not in said:
                before = one.path in was
                how = "the clock goes on as before, though" if before else "left out:"
                log.warning("%s %s %s", stamp(), how, one.why)
        # What is gone stays ours until the end: a run of it may be at work.
        self.workflows, self.wrong, self.held, self._marks = ours, read.wrong, held, marks

    def _taken(self, found: Sequence[Listed]) -> tuple[tuple[Listed, ...], tuple[Unread, ...]]:
        """Take what no other clock has; gives it, and the rest with the reason."""
        ours: list[Listed] = []
        held: list[tuple[Listed, SiluanError | OSError]] = []
        for one in found:
            try:
                if one.memory not in self._held:
                    stack = ExitStack()
                    stack.enter_context(_alone(one))
                    self._held[one.memory] = stack
            except (SiluanError, OSError) as error:
                held.append((one, error))
            else:
                ours.append(one)
        if held and not self._held:
            raise _in_words(*held[0])
        said = {(w.path, str(w.why)) for w in self.held}
        out = tuple(Unread(one.path, _in_words(one, error)) for one, error in held)
        for each in out:
            if (each.path, str(each.why)) not in said:
                log.warning("%s left out until it can be had: %s", stamp(), each.why)
        return tuple(ours), out

    def changed(self) -> bool:
        """Read them again where a file has changed; tells whether the clock has others now."""
        marks = _marks_of(self.paths)
        if marks == self._marks and not self.held:
            return False
        before = self.workflows
        try:
            self.read()
        except (SiluanError, OSError) as error:
            self._marks = marks
            said = "workflows were edited; the clock goes on as before"
            log.warning("%s %s: %s", stamp(), said, error)
            return False
        if self.workflows == before:
            return False
        names = ", ".join(w.name for w in self.workflows) or "none"
        log.info("%s workflows were edited; on the clock now: %s", stamp(), names)
        return True

    def let_go(self, done: Sequence[Listed]) -> None:
        """Let another clock have some of the workflows; they are ours no more."""
        for one in done:
            self._held.pop(one.memory).close()
        gone = {one.memory for one in done}
        self.workflows = tuple(w for w in self.workflows if w.memory not in gone)

    def close(self) -> None:
        """Let go of all."""
        for stack in self._held.values():
            stack.close()


def run_clock(paths: Sequence[Path], once: bool) -> ExitCode:
    """Run the clock until SIGTERM or Ctrl-C; with ``once``, until each that is due has run.

    Where a file could not be read at the end, or a workflow not be had, the code is that of why.

    Raises
    ------
    ConfigurationError
        There is no workflow, or one that was named alone cannot be read.
    LedgerHeldError
        Another clock has all of the workflows.
    SiluanError
        No state folder can be written.
    """
    stop = threading.Event()
    with ExitStack() as stack:
        roster = Roster(paths)
        stack.callback(roster.close)
        roster.read()
        stack.enter_context(_stopped_by(stop))
        clock, inboxes = Clock(roster.workflows, once=once), Inboxes(once=once)
        inboxes.take(roster.workflows)
        try:
            while not stop.is_set():
                if not once and roster.changed():
                    clock.take(roster.workflows)
                    inboxes.take(roster.workflows)
                seconds = min(clock.step(), inboxes.step())
                if once:
                    _let_go(roster, clock, inboxes)
                if once and not clock.busy and not inboxes.busy:
                    break
                stop.wait(seconds)
        finally:
            inboxes.ask()  # both at once: a service manager waits for neither for long
            clock.stop()
            inboxes.stop()
    left = [int(w.why.code) for w in (*roster.wrong, *roster.held)]
    ended = [*clock.codes, *clock.troubles(), *inboxes.codes] if once else ()
    return worst([*left, *ended])


def _let_go(roster: Roster, clock: Clock, inboxes: Inboxes) -> None:
    """Leave to the next call what is done here: others may run for hours, or hang."""
    busy = {w.memory for w in roster.workflows if clock.needs(w) or inboxes.needs(w)}
    # A run that has only begun does not hold the ledger yet: who shares its state waits for it.
    states = {w.state for w in roster.workflows if clock.needs(w)}
    done = [w for w in roster.workflows if w.memory not in busy and w.state not in states]
    roster.let_go(done)
    clock.take(roster.workflows)
    inboxes.take(roster.workflows)


def _in_words(one: Listed, error: SiluanError | OSError) -> SiluanError:
    if isinstance(error, SiluanError):
        return error
    what = f"the clock cannot write to {one.memory.parent} for {one.name} ({error.strerror})"
    remedy = "Mend the folder or its disk; it is tried again"
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return DiskFullError(what, remedy) if full else ConfigurationError(what, remedy)


def _marks_of(paths: Sequence[Path]) -> _Marks:
    marks: list[tuple[str, int, int]] = []
    try:
        files = files_of(paths)
    except SiluanError as error:  # reading the workflows says it
        return ((str(error), -1, -1),)
    for file in files:
        try:
            stat = file.stat()
        except OSError:
            marks.append((str(file), -1, -1))
        else:
            marks.append((str(file), stat.st_mtime_ns, stat.st_size))
    return tuple(marks)


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
