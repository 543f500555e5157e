"""Inboxes that the clock looks into: each at its own interval, as `siluan submit --inbox` does."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.errors import ExitCode
from pipeline.io.alerts import MEANINGS
from pipeline.io.timed import Inbox
from pipeline.schedule.listed import Listed
from pipeline.schedule.starting import GRACE_S, Process, start_inbox
from pipeline.schedule.words import stamp

log = logging.getLogger("siluan")

_FINE = (0, int(ExitCode.QUARANTINED))
"""A refused drop has its receipt: that is the team's to mend, and an ordinary day's work."""


@dataclass
class _Looked:
    """One inbox."""

    one: Listed
    at: float  # of the next look, by a clock that nobody sets [s]
    process: Process | None = None
    said: str = ""  # the last trouble, said once
    asked: bool = False  # to end
    gone: bool = False  # no workflow names it any more; what is being submitted is waited for


@dataclass
class Inboxes:
    """All inboxes of some workflows; two workflows over one inbox and state look into it once."""

    start: Callable[[Listed], Process] = start_inbox
    tick: Callable[[], float] = time.monotonic
    once: bool = False
    codes: list[int] = field(default_factory=list[int])
    _looked: dict[tuple[Path, Path], _Looked] = field(init=False, default_factory=dict)

    @property
    def busy(self) -> bool:
        """Whether anything is being submitted."""
        return any(k.process is not None for k in self._looked.values())

    def take(self, workflows: Sequence[Listed]) -> None:
        """Go on with inboxes as the workflows name them now."""
        before, self._looked = self._looked, {}
        for one in workflows:
            if one.inbox is None:
                continue
            key = _key(one, one.inbox)
            known = before.pop(key, None) or _Looked(one, self.tick())
            known.one, known.gone = one, False
            self._looked.setdefault(key, known)
        for key, left in before.items():
            if left.process is not None:
                left.gone = True
                self._looked.setdefault(key, left)

    def needs(self, one: Listed) -> bool:
        """Tell whether the inbox of a workflow is being submitted."""
        looked = self._looked.get(_key(one, one.inbox)) if one.inbox is not None else None
        return looked is not None and looked.process is not None

    def step(self) -> float:
        """Note what ended, look where it is time. Gives the seconds until the next look."""
        for looked in self._looked.values():
            self._settle(looked)
        self._looked = {k: v for k, v in self._looked.items() if v.process or not v.gone}
        for looked in self._looked.values():
            inbox = looked.one.inbox
            if inbox is None or looked.process is not None or self.tick() < looked.at:
                continue
            looked.at = self.tick() + (float("inf") if self.once else 60 * inbox.every_minutes)
            try:
                looked.process = self.start(looked.one)
            except OSError as error:
                self._say(looked, f"could not be looked into ({error.strerror})")
        if self.busy:
            return 1.0
        ahead = (k.at - self.tick() for k in self._looked.values())
        return max(0.2, min(ahead, default=float("inf")))

    def ask(self) -> None:
        """Ask what is being submitted to end."""
        for looked in self._looked.values():
            if looked.process is not None and not looked.asked and looked.process.poll() is None:
                looked.process.terminate()
                looked.asked = True

    def stop(self, grace_s: float = GRACE_S) -> None:
        """Ask what is being submitted to end, and wait: a flight is taken in whole or not."""
        self.ask()
        running = [k.process for k in self._looked.values() if k.process is not None]
        until = time.monotonic() + grace_s
        while alive := [p for p in running if p.poll() is None]:
            if time.monotonic() > until:
                for process in alive:
                    process.kill()
                until += grace_s
            time.sleep(0.05)

    def _settle(self, looked: _Looked) -> None:
        code = looked.process.poll() if looked.process is not None else None
        if code is None:
            return
        looked.process = None
        if self.once and looked.one.inbox is not None:
            # Its workflow may run for hours yet, and keeps the next call from looking.
            looked.at = self.tick() + 60 * looked.one.inbox.every_minutes
        code = code if code >= 0 else 128 - code
        if code == ExitCode.LEDGER_HELD:
            return  # somebody submits by hand; the next look is soon
        self.codes.append(code)
        if code in _FINE:
            looked.said = ""
            return
        meaning = MEANINGS.get(code, "ended by a signal")
        self._say(looked, f"ended with {code} ({meaning}): see {looked.one.inbox_log}")

    def _say(self, looked: _Looked, what: str) -> None:
        if what != looked.said:
            log.warning("%s the inbox of %s %s", stamp(), looked.one.name, what)
        looked.said = what


def _key(one: Listed, inbox: Inbox) -> tuple[Path, Path]:
    return inbox.folder, inbox.state or one.state
