"""Notes when a run began and how it ended, and tells whoever the workflow says."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from pipeline.commands.ending import guard
from pipeline.errors import ExitCode, LedgerHeldError, SiluanError

log = logging.getLogger("siluan")

_LOOK_S = 10.0


def in_turn(action: Callable[[], ExitCode], minutes: float, look_s: float = _LOOK_S) -> ExitCode:
    """Run ``action``; where another run holds the ledger, again until it is free.

    Raises
    ------
    LedgerHeldError
        It was held for longer than ``minutes``.
    """
    until = time.monotonic() + 60 * minutes
    said = False
    while True:
        try:
            return action()
        except LedgerHeldError as error:
            if time.monotonic() + look_s > until:
                raise
            if not said:
                log.warning("%s: waits for up to %g min", error.what, minutes)
            said = True
        time.sleep(look_s)


def note_run(
    workflow: Path, action: Callable[[], ExitCode], debug: bool, *, part: bool = False
) -> None:
    """Run ``action`` to its exit code; what is noted, or cannot be, never changes that code.

    ``part``: of some corridors or other dates only, which answers no time of the schedule.
    """
    from pipeline.io.alerts import is_told, payload, tell  # noqa: PLC0415 - keeps --help fast
    from pipeline.schedule.listed import Listed, read_listed  # noqa: PLC0415
    from pipeline.schedule.runs import Run, note  # noqa: PLC0415

    began, pid = datetime.now(UTC), os.getpid()
    one: Listed | None = None

    def work() -> ExitCode:
        nonlocal one
        try:
            one = read_listed(workflow)
            note(one.runs, Run(pid, began, part=part))
        except SiluanError:
            pass  # the run itself refuses that workflow, with the sentence
        except OSError as error:
            log.warning("the beginning was not noted: %s", error.strerror)
        return action()

    def ended(code: ExitCode) -> None:
        if one is None:
            return
        end = Run(pid, began, datetime.now(UTC), int(code), part=part)
        _note_end(one, end)
        assert end.ended is not None
        told = tell(one.alerts, payload(one.name, int(code), began, end.ended))
        if not told and is_told(one.alerts, int(code)):
            _note_end(one, replace(end, untold=True))

    def _note_end(one: Listed, end: Run) -> None:
        try:
            note(one.runs, end)
        except OSError as error:
            log.warning("the ending was not noted: %s", error.strerror)

    guard(work, debug, ended)
