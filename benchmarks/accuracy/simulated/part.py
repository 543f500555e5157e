"""The simulated part of the report, start to end."""

from __future__ import annotations

from pathlib import Path

from benchmarks.accuracy.report import Section
from benchmarks.accuracy.simulated.campaign import HELD_OUT, HELD_OUT_EMPTY, run_all
from benchmarks.accuracy.simulated.scoring import score_seed
from benchmarks.accuracy.simulated.tables import section


def measure(
    seeds: tuple[int, ...] | None, empty: tuple[int, ...] | None, jobs: int, keep: Path | None
) -> Section:
    """Run the seeds of the report, or others, and score them."""
    if empty is None:
        empty = HELD_OUT_EMPTY if seeds is None else ()
    results = run_all(seeds or HELD_OUT, empty, jobs, keep)
    return section([score_seed(r) for r in results])
