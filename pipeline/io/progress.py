"""Progress for a person who watches; plain lines for a log."""

from __future__ import annotations

import logging
import sys
from collections.abc import Generator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from pipeline.io.tasks import Progress as Callback

log = logging.getLogger(__name__)


@contextmanager
def reporter() -> Generator[Callback | None]:
    """Give a progress callback: a bar on a terminal, otherwise none (stages log their own line)."""
    if not sys.stderr.isatty():
        yield None
        return
    columns = (
        TextColumn("{task.description:<24}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        tasks: dict[str, int] = {}

        def report(what: str, done: int, total: int) -> None:
            if not what:
                return
            if what not in tasks:
                tasks[what] = int(bar.add_task(what, total=total))
            bar.update(tasks[what], completed=done, total=total)  # type: ignore[arg-type]
            if done >= total:
                bar.remove_task(tasks.pop(what))  # type: ignore[arg-type]

        yield report
