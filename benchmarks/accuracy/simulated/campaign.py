"""Many seeds in several processes; results are kept by the code that made them."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.accuracy.simulated.running import run_seed

Item = TypeVar("Item")
Done = TypeVar("Done")

# 100 to 123 and 200 to 214 were the report's before, and were seen as totals.
HELD_OUT = tuple(range(124, 148))
HELD_OUT_EMPTY = tuple(range(215, 230))
DEVELOPMENT = tuple(range(1, 7))


@dataclass(frozen=True)
class Job:
    """One seed to run; ``monthly``: month by month over one ledger."""

    scratch: Path
    keep: Path | None
    seed: int
    objects: bool = True
    monthly: bool = False

    @property
    def name(self) -> str:
        """Name its folder and what is kept of it."""
        return f"{self.seed}{'' if self.objects else '-empty'}{'-monthly' if self.monthly else ''}"


def run_all(
    seeds: Sequence[int],
    empty: Sequence[int],
    jobs: int = 2,
    keep: Path | None = None,
    monthly: Sequence[int] = (),
) -> list[dict[str, Any]]:
    """Run seeds with objects and seeds without; ``keep`` is where finished ones are kept.

    Those of ``monthly`` are run month by month.
    """
    work = [(s, True) for s in seeds] + [(s, False) for s in empty]
    with tempfile.TemporaryDirectory() as scratch:
        items = [Job(Path(scratch), keep, s, o, s in monthly) for s, o in work]
        return parallel(_one, items, jobs, "seeds")


def _one(job: Job) -> dict[str, Any]:
    keep, name = job.keep, job.name
    kept = keep / code_mark() / f"{name}.json" if keep else None
    if kept and kept.is_file():
        return json.loads(kept.read_text(encoding="utf-8"))
    result = run_seed(job.scratch / name, job.seed, objects=job.objects, monthly=job.monthly)
    if kept:
        kept.parent.mkdir(parents=True, exist_ok=True)
        part = kept.with_suffix(".part")
        part.write_text(json.dumps(result), encoding="utf-8")
        part.rename(kept)
    return result


@cache
def code_mark() -> str:
    """Name all code that a seed's result depends on: another code finds nothing kept."""
    root = Path(__file__).resolve().parents[3]
    digest = sha256()
    for folder in ("pipeline", "sample_scenes", "benchmarks/accuracy"):
        for path in sorted((root / folder).rglob("*.py")):
            digest.update(str(path.relative_to(root)).encode() + path.read_bytes())
    for path in sorted((root / "config").rglob("*.yaml")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def parallel(
    work: Callable[[Item], Done], items: Iterable[Item], jobs: int, what: str
) -> list[Done]:
    """Do the items in ``jobs`` processes of one thread each, in order; progress to stderr."""
    everything = list(items)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    began = time.monotonic()
    out: dict[int, Done] = {}
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        futures = {pool.submit(work, item): i for i, item in enumerate(everything)}
        for future in as_completed(futures):
            out[futures[future]] = future.result()
            spent = time.monotonic() - began
            print(f"{what}: {len(out)} of {len(everything)}, {spent:.0f} s", file=sys.stderr)
    return [out[i] for i in range(len(everything))]
