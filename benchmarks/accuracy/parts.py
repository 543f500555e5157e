"""The parts of the report, in its order.

A part begins its work in processes that all share, and gives what waits for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from benchmarks.accuracy import (
    confidence,
    real_change,
    real_injected,
    real_registration,
    real_sensors,
    real_sequence,
    real_sharpen,
    real_water,
)
from benchmarks.accuracy.pool import Pool
from benchmarks.accuracy.report import Section
from benchmarks.accuracy.simulated import tables, versus
from benchmarks.accuracy.simulated.campaign import (
    HELD_OUT,
    HELD_OUT_EMPTY,
    Campaign,
    run_job,
)
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


@dataclass(frozen=True)
class Bench:
    """What all parts share: what was asked, the processes, and a folder for what they write."""

    asked: Asked
    pool: Pool
    scratch: Path

    @cached_property
    def seeds(self) -> Callable[[], list[dict[str, Any]]]:
        """Begin the seeds once for all parts that need them."""
        asked = self.asked
        empty = asked.empty
        if empty is None:
            empty = HELD_OUT_EMPTY if asked.seeds is None else ()
        campaign = Campaign(asked.seeds or HELD_OUT, empty, asked.keep, asked.monthly)
        return self.pool.begin(run_job, campaign.jobs(self.scratch))


Finish = Callable[[], Section]
"""Waits for what a part has begun and gives its section."""


def _of_seeds(section: Callable[[list[dict[str, Any]]], Section]) -> Callable[[Bench], Finish]:
    def part(bench: Bench) -> Finish:
        seeds = bench.seeds
        return lambda: section(seeds())

    return part


def _confidence(seeds: list[dict[str, Any]]) -> Section:
    return confidence.section([score_seed(r) for r in seeds])


def _real(measure: Callable[[Path, Path], Section]) -> Callable[[Bench], Finish]:
    def part(bench: Bench) -> Finish:
        asked = bench.asked
        asked.pictures.mkdir(parents=True, exist_ok=True)
        waiting = bench.pool.begin(partial(measure, asked.data), [asked.pictures])
        return lambda: waiting()[0]

    return part


def _series(begin: Callable[[Pool, Path, Path], Finish]) -> Callable[[Bench], Finish]:
    return lambda bench: begin(bench.pool, bench.asked.data, bench.asked.pictures)


OF_SEEDS = ("simulated", "baselines", "confidence")
"""The parts that rest on the simulated seeds."""

PARTS: dict[str, Callable[[Bench], Finish]] = {
    "simulated": _of_seeds(tables.section),
    "baselines": _of_seeds(versus.section),
    "confidence": _of_seeds(_confidence),
    "real_water": _real(real_water.measure),
    "real_sharpen": _real(real_sharpen.measure),
    "real_change": _real(real_change.measure),
    "real_registration": _real(real_registration.measure),
    "real_sequence": _real(real_sequence.measure),
    "real_injected": _series(real_injected.begin),
    "real_sensors": _series(real_sensors.begin),
}
