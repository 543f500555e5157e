"""Development seeds with every miss named.

Usage: python -m benchmarks.accuracy.simulated.develop [--seeds 1 2 3 4 5 6] [--jobs 2] [--empty]
       [--monthly 27 30]

Prints the tables of the report and, one by one, each object that is not a suspected case with its
kind, area and why, and each false one. Seeds 1 to 40 are for developing; 124 to 147 and 215 to 229
are the report's, and their misses are not to be looked at one by one.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from benchmarks.accuracy.report import markdown
from benchmarks.accuracy.simulated.campaign import (
    DEVELOPMENT,
    HELD_OUT,
    HELD_OUT_EMPTY,
    Campaign,
    run_all,
)
from benchmarks.accuracy.simulated.scoring import score_seed
from benchmarks.accuracy.simulated.tables import miss_table, section


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(DEVELOPMENT))
    parser.add_argument("--empty", type=int, nargs="*", default=[], help="seeds without objects")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--keep", type=Path, help="keep finished seeds here, and start from them")
    parser.add_argument("--monthly", type=int, nargs="*", default=[],
                        help="those of the seeds that are run month by month")  # fmt: skip
    given = parser.parse_args()
    secret = sorted({*given.seeds, *given.empty} & {*HELD_OUT, *HELD_OUT_EMPTY})
    if secret:
        parser.error(f"seeds {secret} are held out; choose from 1 to 40")
    campaign = Campaign(given.seeds, given.empty, given.keep, given.monthly)
    results = run_all(campaign, given.jobs)
    scored = [score_seed(r) for r in results]
    whole = section(results)
    print(markdown(replace(whole, tables=(miss_table(scored), *whole.tables))))


if __name__ == "__main__":
    main()
