"""The parts of the report, in its order; a part takes what was asked and gives a section."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.accuracy.report import Section


@dataclass(frozen=True)
class Asked:
    """What the command line asked of the parts; None leaves a part its own choice."""

    data: Path  # folder of the real imagery
    jobs: int = 2
    seeds: tuple[int, ...] | None = None
    empty: tuple[int, ...] | None = None
    keep: Path | None = None


def _simulated(asked: Asked) -> Section:
    from benchmarks.accuracy.simulated.part import measure  # noqa: PLC0415 - only when asked for

    return measure(asked.seeds, asked.empty, asked.jobs, asked.keep)


PARTS: dict[str, Callable[[Asked], Section]] = {"simulated": _simulated}
