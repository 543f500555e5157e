"""Progress: a bar for a person who watches; plain lines now and then for a log."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from pipeline.io.tasks import Progress as Callback

log = logging.getLogger("siluan")

T = TypeVar("T")

_EVERY_S = 60.0  # between two lines of one stage in a log: a run of hours stays readable
_SCENES, _CASES, _CORRIDORS = "景 scenes", "处 cases", "段 corridors"
_TILES, _PIECES = "块 tiles", "件 pieces"
CORRIDORS = "corridors"
DETAIL = "detail"  # of a log record: not for the screen
_STAGES: dict[str, tuple[str, str]] = {  # what a stage is called, and what it counts
    CORRIDORS: ("河段 corridors", _CORRIDORS),
    "reading the disk": ("整理磁盘 reading the disk", _PIECES),
    "reading scenes": ("读取影像 reading scenes", _SCENES),
    "radiometry": ("辐射检查 radiometry", _SCENES),
    "regional change": ("区域变化 regional change", _SCENES),
    "quarantine": ("质量检查 quarantine", _SCENES),
    "evidence": ("证据 evidence", _CASES),
    "registration": ("配准 registration", _TILES),
    "clear shares": ("晴空 clear shares", _TILES),
    "water and ground": ("水陆 water and ground", _TILES),
    "inventory": ("存量 inventory", _TILES),
    "pairs": ("对比航片 comparing flights", "组 pairs or flights"),
    "map": ("底图 map", _TILES),
}


_FAMILIES = {  # stages of a quarter, whose names go on with it
    "levels": "水位",
    "shores": "岸线",
    "ground": "地面",
    "candidates": "疑似变化",
    "normals": "常态",
}


class ScreenHandler(logging.Handler):
    """Log lines to standard error as it is now: a bar that is drawn there makes room for them."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line, unless it is a detail, which the log of the run alone keeps."""
        if getattr(record, DETAIL, False):
            return
        try:
            print(self.format(record), file=sys.stderr, flush=True)
        except (OSError, ValueError):  # nobody listens any more
            self.handleError(record)


@contextmanager
def reporter() -> Generator[Callback]:
    """Give a progress callback: a bar on a terminal, otherwise a line a minute of what is long."""
    if not sys.stderr.isatty():
        yield Lines(time.monotonic)
        return
    from rich.console import Console  # noqa: PLC0415 - a schedule's run draws no bar
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:.0f}/{task.total:.0f} {task.fields[unit]}"),
        TimeRemainingColumn(),
        TextColumn("剩余 left"),
    )
    # What is printed for a file or a program is not drawn on the screen instead.
    screen, to_screen = Console(stderr=True), sys.stdout.isatty()
    with Progress(*columns, console=screen, transient=True, redirect_stdout=to_screen) as bar:
        tasks: dict[str, Any] = {}

        def report(what: str, done: int, total: int) -> None:
            if not what:
                return
            name, unit = words_of(what)
            if what not in tasks:
                tasks[what] = bar.add_task(name, total=total, unit=unit)
            bar.update(tasks[what], completed=done, total=total)
            if done >= total:
                bar.remove_task(tasks.pop(what))

        yield report


class Lines:
    """A line a minute of a stage that lasts, with the time that is left at the pace so far."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._began: dict[str, tuple[float, int]] = {}
        self._said: dict[str, float] = {}

    def __call__(self, what: str, done: int, total: int) -> None:
        """Take note of a stage, and say how far it is where a minute has passed."""
        if not what:
            return
        now = self._clock()
        began, first = self._began.setdefault(what, (now, done))
        if done >= total:
            del self._began[what]
            self._said.pop(what, None)
            return
        if now - self._said.get(what, began) < _EVERY_S or done <= first:
            return
        self._said[what] = now
        name, unit = words_of(what)
        left = (now - began) / (done - first) * (total - done)
        log.info("%s: %d of %d %s, about %s left", name, done, total, unit, span_of(left))


def words_of(what: str) -> tuple[str, str]:
    """Name a stage, and what it counts."""
    family = _FAMILIES.get(what.split(" ", maxsplit=1)[0])
    return _STAGES.get(what, (f"{family} {what}" if family else what, _TILES))


def span_of(seconds: float) -> str:
    """Say how long something takes, as roughly as it is known."""
    minutes = round(seconds / 60)
    if minutes < 1:
        return "a minute"
    return f"{minutes} min" if minutes < 120 else f"{minutes / 60:.0f} h"


def counted(items: Sequence[T], progress: Callback | None, what: str) -> Generator[T]:
    """Give one item after the other, and count those that are done."""
    for done, item in enumerate(items):
        if progress is not None:
            progress(what, done, len(items))
        yield item
    if progress is not None and items:
        progress(what, len(items), len(items))
