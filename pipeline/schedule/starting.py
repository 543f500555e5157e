"""Processes that the clock starts: runs, and looks into an inbox; what they say goes to a log."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from pipeline.schedule.listed import Listed
from pipeline.schedule.words import stamp

LOG_BYTES, LOGS = 1_000_000, 4
GRACE_S = 90.0
"""For a process to end after SIGTERM; then it is killed, which runs and submissions survive."""
_COMMAND = (sys.executable, "-c", "from pipeline.cli import main; main()")


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
    """Start `siluan run`; a line before what it says tells when, and of which file."""
    rotate(one.log)
    head = f"== {stamp()} siluan run {one.path}\n"
    # A full disk: the run itself says that, and tells whom it should.
    with suppress(OSError), one.log.open("ab", buffering=0) as file:
        file.write(head.encode(errors="surrogateescape"))
    return _start(("run", str(one.path)), one.log)


def start_inbox(one: Listed) -> Process:
    """Start `siluan submit --inbox` over the inbox of a workflow that has one."""
    assert one.inbox is not None
    rotate(one.inbox_log)
    return _start(inbox_words(one), one.inbox_log)


def inbox_words(one: Listed) -> tuple[str, ...]:
    """Give what comes after `siluan` to look into the inbox of a workflow that has one."""
    assert one.inbox is not None
    state = one.inbox.state or one.state
    places = ("--state", str(state), "--config", str(one.inbox.config))
    return ("submit", "--inbox", str(one.inbox.folder), *places)


def _start(words: tuple[str, ...], log: Path) -> Process:
    with log.open("ab") as file:
        return subprocess.Popen(  # noqa: S603 - our own command
            [*_COMMAND, *words],
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
