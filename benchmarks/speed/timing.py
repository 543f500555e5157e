"""Whole processes, timed: wall and CPU seconds, and the largest memory of a process."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.speed.workflow import HERE

_STARTER = """
import os, sys, time
began = time.perf_counter()
pid = os.fork()
if not pid:
    os.dup2(2, 1)
    os.execv(sys.argv[1], sys.argv[1:])
_, status, used = os.wait4(pid, 0)
wall = time.perf_counter() - began
print(os.waitstatus_to_exitcode(status), wall, used.ru_utime + used.ru_stime, used.ru_maxrss)
"""
"""A small process that starts the one that is timed, which else would count this one's memory."""


@dataclass(frozen=True)
class Spent:
    """What a process took, its children included (of memory the largest of them)."""

    wall: float
    cpu: float
    peak_mb: float
    said: str
    to_candidates: float = 0.0  # CPU seconds of a patrol until it had its candidates


def child(folder: Path, *words: object) -> Spent:
    """Run a module of this package in a process of its own."""
    return measure([sys.executable, "-m", *(str(w) for w in words)], folder)


def siluan(folder: Path, *words: object) -> Spent:
    """Run the command itself; 10 means that something awaits a person.

    pandas is not ours: it comes with a peer (odc-stac, the extra ``bench``), and where it is
    installed pyogrio imports it, for 0.2 s.
    """
    code = "import sys; sys.modules['pandas'] = None; from pipeline.cli import main; main()"
    return measure([sys.executable, "-c", code, *(str(w) for w in words)], folder, (0, 10))


def measure(command: Sequence[str], folder: Path, good: Sequence[int] = (0,)) -> Spent:
    """Time one process; compiled code is kept below ``folder`` and not made each time."""
    env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    env["PYTHONPYCACHEPREFIX"] = str(folder / "pycache")
    env["NUMBA_CACHE_DIR"] = str(folder / "numba")
    with tempfile.TemporaryFile() as said:
        starter = [sys.executable, "-S", "-E", "-c", _STARTER, *command]
        told = subprocess.run(
            starter, check=False, stdout=subprocess.PIPE, stderr=said, cwd=HERE, env=env
        )
        said.seek(0)
        text = said.read().decode()
    code, wall, cpu, peak_kb = told.stdout.split()
    if int(code) not in good:
        raise SystemExit(f"{' '.join(command[2:5])} left with {int(code)}:\n{text}")
    return Spent(float(wall), float(cpu), float(peak_kb) / 1024, text)


def interleaved(
    variants: Mapping[str, Callable[[], Spent]], turns: int, settle: Sequence[str] = ()
) -> dict[str, Spent]:
    """Run variants in turn, so that a busy minute of the machine meets all; medians of each.

    ``settle`` are run once before, for compiled code and the page cache.
    """
    for name in settle:
        variants[name]()
    found: dict[str, list[Spent]] = {name: [] for name in variants}
    for turn in range(turns):
        names = list(variants) if turn % 2 == 0 else list(variants)[::-1]
        for name in names:
            found[name].append(variants[name]())
    return {name: median(runs) for name, runs in found.items()}


def median(runs: Sequence[Spent]) -> Spent:
    """Medians of wall, CPU and memory, each by itself."""
    return Spent(
        statistics.median(r.wall for r in runs),
        statistics.median(r.cpu for r in runs),
        statistics.median(r.peak_mb for r in runs),
        runs[-1].said,
        statistics.median(r.to_candidates for r in runs),
    )
