"""How fast a patrol is: ``python -m benchmarks.speed FOLDER [--quick] [--into docs/speed.md]``.

Makes Sentinel-2 squares of full size in FOLDER (once; some 30 MB a date and band at most), a
corridor of 200 km that winds through one, and times whole processes against the floor (only
decoding the touched blocks with rasterio) and against peers with the same output. Peers need
``pip install 'siluan[bench]'``.
"""

from __future__ import annotations

import argparse
import importlib.util
import platform
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.speed.rows import ROWS, Bench, Plan
from pipeline import __version__

_BEGIN, _END = "<!-- measured: begin -->", "<!-- measured: end -->"
_HEAD = """| what | CPU s | wall s | peak MB | CPU / wall against | goal |
|---|---|---|---|---|---|"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="scratch; scenes in it are used again")
    parser.add_argument("--quick", action="store_true", help="10 km and few dates: 3 minutes")
    parser.add_argument("--length", type=float, default=1.0, help="share of the 200 km")
    parser.add_argument("--block", type=int, choices=(512, 1024), default=512)
    parser.add_argument("--history", type=int, default=26, help="dates of two years")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=list(ROWS), default=list(ROWS))
    parser.add_argument("--into", type=Path, help="a document whose table is replaced")
    given = parser.parse_args()
    here = importlib.util.find_spec("odc.stac") is not None if _has("odc") else False
    plan = Plan(given.length, given.block, given.history, 4, given.turns, True, here)
    if given.quick:
        plan = Plan(0.05, given.block, 5, 3, 1, False, here)
    folder = given.folder.resolve()
    bench = Bench(folder, plan)
    bench.square.write(bench.days)
    for name in given.only:
        if name == "peers" and not here:
            print("odc-stac is not installed (pip install 'siluan[bench]'): no peers")
            continue
        ROWS[name](bench)
    text = report(bench)
    print("\n" + text)
    if given.into:
        replace(given.into, text)


def _has(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


def report(bench: Bench) -> str:
    """Give the table with its date, machine class and version."""
    river, plan = bench.river, bench.plan
    touched = len(river.touched(10.0))
    head = (
        f"{datetime.now(UTC):%Y-%m-%d}, version {__version__}, {platform.machine()}, two cores; "
        f"{river.length_km:.0f} km of river, {river.stored.area / 1e6:.0f} km² stored, {touched} "
        f"blocks of {plan.block} px touched in a 10 m band; medians of {plan.turns}."
    )
    return "\n".join([head, "", _HEAD, *bench.lines, "", *bench.tables])


def replace(path: Path, text: str) -> None:
    """Put the table between its marks."""
    old = path.read_text(encoding="utf-8")
    before, _, rest = old.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    if not after:
        raise SystemExit(f"{path} has no {_BEGIN} … {_END}")
    path.write_text(f"{before}{_BEGIN}\n{text}\n{_END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
