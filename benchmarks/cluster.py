"""Two workers of Dask against two threads, and with a worker killed: time, and the same output.

Usage: python -m benchmarks.cluster [--length-km 12] [--dates 60] [--rounds 3] [--folder DIR]

Scenes are those of :mod:`benchmarks.corridor50`, made once in a temporary folder. Every round runs
the three ways one after the other, each in a process of its own over an empty state; ratios are of
one round, and their median is printed. CPU seconds are of the run and all its workers. A run that
is not counted goes before, so that bytecode and compiled kernels are there, as in an installation
that is in use: without them every worker makes its own.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import yaml

from benchmarks.corridor50 import HERE, make_scenes, write_workflow

CLASS: dict[str, Any] = {
    "class": "distributed.LocalCluster",
    "args": {"n_workers": 0, "threads_per_worker": 1, "dashboard_address": ":0"},
    "scale": 2,
}
WAYS: dict[str, Any] = {"2 threads": "threads", "2 workers": CLASS, "2 workers, one killed": CLASS}
OUTPUTS = ("cases.geojson", "watch.geojson", "suppressed.geojson", "not_observed.geojson")
_COMMAND = (sys.executable, "-c", "from pipeline.cli import main; main()", "run")


@dataclass(frozen=True)
class Measured:
    """One run."""

    wall_s: float
    cpu_s: float
    sweeps_s: float  # wall, without starting, searching and publishing
    output: str  # hash


def run(folder: Path, path: Path, cluster: Any, *, kill: bool) -> Measured:
    """Run a workflow over an empty state, and kill a worker in the middle."""
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    path.write_text(yaml.safe_dump({**content, "cluster": cluster}), encoding="utf-8")
    for name in ("state", "out"):
        shutil.rmtree(folder / name, ignore_errors=True)
    began = time.perf_counter()
    env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    env["PYTHONPYCACHEPREFIX"] = str(folder / "pycache")
    env["NUMBA_CACHE_DIR"] = str(folder / "numba")
    with tempfile.TemporaryFile() as said:
        command = [*_COMMAND, str(path)]
        child = subprocess.Popen(command, stdout=said, stderr=said, cwd=HERE, env=env)
        killed: list[int] = []
        killer = threading.Thread(target=_kill_one, args=(child.pid, folder, killed), daemon=True)
        if kill:
            killer.start()
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - began
        said.seek(0)
        if child.returncode not in (0, 10) or (kill and not killed):
            text = said.read().decode()
            raise SystemExit(f"the run left with {child.returncode}, killed {killed}:\n{text}")
    latest = folder / "out" / "latest"
    seconds = json.loads((latest / "run.json").read_text(encoding="utf-8"))["seconds"]
    digest = hashlib.sha256(b"".join((latest / n).read_bytes() for n in OUTPUTS)).hexdigest()
    return Measured(wall, usage.ru_utime + usage.ru_stime, seconds["detect"], digest)


def _kill_one(pid: int, folder: Path, killed: list[int]) -> None:
    """Kill a worker in the middle: when looks are ready and are being judged."""
    while not killed:
        try:
            workers = [
                child
                for child in psutil.Process(pid).children(recursive=True)
                if "spawn_main" in " ".join(child.cmdline())
            ]
        except psutil.Error:
            return
        if workers and next((folder / "state/store").glob("*/feature/*"), None) is not None:
            workers[0].kill()
            killed.append(workers[0].pid)
        time.sleep(0.1)


def benchmark(folder: Path, given: argparse.Namespace) -> None:
    length_px = int(given.length_km * 100) // 2 * 2
    clear = make_scenes(folder / "scenes", length_px, given.dates)
    print(f"{given.length_km:g} km, {given.dates} dates, {len(clear)} of them clear\n", flush=True)
    path = write_workflow(folder, length_px, given.dates, 2)
    rounds: list[dict[str, Measured]] = []
    run(folder, path, CLASS, kill=False)
    print("| round | way | wall s | of them sweeps | CPU s | output |\n|---|---|---|---|---|---|")
    for number in range(1, given.rounds + 1):
        found: dict[str, Measured] = {}
        for way, cluster in WAYS.items():
            m = found[way] = run(folder, path, cluster, kill="killed" in way)
            cells = f"{m.wall_s:.1f} | {m.sweeps_s:.1f} | {m.cpu_s:.1f} | {m.output[:8]}"
            print(f"| {number} | {way} | {cells} |", flush=True)
        rounds.append(found)
    print("\n| against 2 threads | wall | sweeps | CPU | same output |\n|---|---|---|---|---|")
    for way in list(WAYS)[1:]:
        pairs = [(r[way], r["2 threads"]) for r in rounds]
        ratios = (
            statistics.median(a.wall_s / b.wall_s for a, b in pairs),
            statistics.median(a.sweeps_s / b.sweeps_s for a, b in pairs),
            statistics.median(a.cpu_s / b.cpu_s for a, b in pairs),
        )
        same = "yes" if all(a.output == b.output for a, b in pairs) else "NO"
        print(f"| {way} | {' | '.join(f'{r:.2f} x' for r in ratios)} | {same} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--length-km", type=float, default=12.0)
    parser.add_argument("--dates", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where to make the temporary folder")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        benchmark(Path(folder), given)


if __name__ == "__main__":
    main()
