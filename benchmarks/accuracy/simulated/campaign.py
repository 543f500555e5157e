"""Many seeds in several processes; results are kept by the code that made them."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from benchmarks.accuracy.pool import Pool
from benchmarks.accuracy.simulated.running import run_seed

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


@dataclass(frozen=True)
class Campaign:
    """Seeds with objects and seeds without; those of ``monthly`` are run month by month.

    ``keep`` is where finished ones are kept.
    """

    seeds: Sequence[int]
    empty: Sequence[int] = ()
    keep: Path | None = None
    monthly: Sequence[int] = ()

    def jobs(self, scratch: Path) -> list[Job]:
        """List the seeds, the longest first, as they keep a core busy longest."""
        work = [(s, True) for s in self.seeds] + [(s, False) for s in self.empty]
        found = [Job(scratch, self.keep, s, o, s in self.monthly) for s, o in work]
        return sorted(found, key=lambda j: not j.monthly)


def run_all(campaign: Campaign, jobs: int = 2) -> list[dict[str, Any]]:
    """Run a campaign in ``jobs`` processes; give the results of its seeds."""
    with tempfile.TemporaryDirectory() as scratch, Pool(jobs, "seeds") as pool:
        return pool.begin(run_job, campaign.jobs(Path(scratch)))()


def run_job(job: Job) -> dict[str, Any]:
    """Run one seed, or take what an earlier run of the same code kept."""
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
