"""Before and around the work: log lines, seconds by stage, and folders that can be written."""

from __future__ import annotations

import errno
import logging
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryFile

from pipeline.errors import ConfigurationError
from pipeline.io.progress import ScreenHandler

log = logging.getLogger("siluan")


@dataclass
class Clock:
    """Seconds by stage, and since the run began: stages lie within each other.

    ``cpu_seconds`` are those of all threads of this process, with ``start`` until the clock was
    made; what workers in other processes take is not among them.
    """

    seconds: dict[str, float] = field(default_factory=dict[str, float])
    cpu_seconds: dict[str, float] = field(
        default_factory=lambda: {"start": round(time.process_time(), 3)}
    )
    began: float = field(default_factory=time.perf_counter)

    @property
    def elapsed(self) -> float:
        """Seconds since the clock was made."""
        return time.perf_counter() - self.began

    @contextmanager
    def stage(self, name: str) -> Generator[None]:
        """Add the time spent within to a stage."""
        began, cpu = time.perf_counter(), time.process_time()
        try:
            yield
        finally:
            spent, used = time.perf_counter() - began, time.process_time() - cpu
            self.seconds[name] = round(self.seconds.get(name, 0.0) + spent, 3)
            self.cpu_seconds[name] = round(self.cpu_seconds.get(name, 0.0) + used, 3)


@contextmanager
def log_lines() -> Generator[list[str]]:
    """Send log lines to standard error, and keep them for run.log."""
    lines: list[str] = []

    class _Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            when = datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            lines.append(f"{when} {record.levelname} {record.getMessage()}\n")

    keep, screen = _Keep(), ScreenHandler()
    screen.setFormatter(logging.Formatter("%(message)s"))
    level = log.level
    log.setLevel(logging.INFO)
    log.addHandler(keep)
    log.addHandler(screen)
    try:
        yield lines
    finally:
        log.removeHandler(keep)
        log.removeHandler(screen)
        log.setLevel(level)


def make_writable(folder: Path) -> None:
    """Find out before the work, and not after it, that its result cannot be kept."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        reason = error.strerror or type(error).__name__
        raise ConfigurationError(
            f"the folder {folder} cannot be written ({reason})", "Choose another one, or its owner"
        ) from error
