"""The parts of the report, in its order; a part takes what was asked and gives a section."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks.accuracy import (
    confidence,
    real_change,
    real_injected,
    real_registration,
    real_sensors,
    real_sequence,
    real_water,
)
from benchmarks.accuracy.report import Section
from benchmarks.accuracy.simulated import tables, versus
from benchmarks.accuracy.simulated.campaign import HELD_OUT, HELD_OUT_EMPTY, run_all
from benchmarks.accuracy.simulated.scoring import score_seed


@dataclass(frozen=True)
class Asked:
    """What the command line asked of the parts; None leaves a part its own choice."""

    data: Path  # folder of the real imagery
    jobs: int = 2
    seeds: tuple[int, ...] | None = None
    empty: tuple[int, ...] | None = None
    keep: Path | None = None
    monthly: tuple[int, ...] = ()  # seeds that are run month by month
    pictures: Path = Path("out/accuracy")


def _simulated(asked: Asked) -> Section:
    return tables.section(_seeds(asked))


def _baselines(asked: Asked) -> Section:
    return versus.section(_seeds(asked))


def _confidence(asked: Asked) -> Section:
    return confidence.section([score_seed(r) for r in _seeds(asked)])


def _real(measure: Callable[[Path, Path], Section]) -> Callable[[Asked], Section]:
    def part(asked: Asked) -> Section:
        asked.pictures.mkdir(parents=True, exist_ok=True)
        return measure(asked.data, asked.pictures)

    return part


@cache
def _seeds(asked: Asked) -> tuple[dict[str, Any], ...]:
    """Run the seeds once for all parts that need them."""
    empty = asked.empty
    if empty is None:
        empty = HELD_OUT_EMPTY if asked.seeds is None else ()
    return tuple(run_all(asked.seeds or HELD_OUT, empty, asked.jobs, asked.keep, asked.monthly))


PARTS: dict[str, Callable[[Asked], Section]] = {
    "simulated": _simulated,
    "baselines": _baselines,
    "confidence": _confidence,
    "real_water": _real(real_water.measure),
    "real_change": _real(real_change.measure),
    "real_registration": _real(real_registration.measure),
    "real_sequence": _real(real_sequence.measure),
    "real_injected": _real(real_injected.measure),
    "real_sensors": _real(real_sensors.measure),
}
