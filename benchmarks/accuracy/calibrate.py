"""Fit the confidence on development seeds and write config/confidence.yaml.

Usage: python -m benchmarks.accuracy.calibrate [--seeds 1 2 ...] [--empty 31 ...] [--keep DIR]
                                               [--out FILE]

Seeds of the report are refused: what it says of the confidence must come from seeds that this did
not see.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import yaml

from benchmarks.accuracy.confidence import FILE, basis_of, entries_of, fit
from benchmarks.accuracy.simulated.campaign import HELD_OUT, HELD_OUT_EMPTY, Campaign, run_all
from benchmarks.accuracy.simulated.scoring import score_seed
from pipeline import __version__
from pipeline.io.atomic import write_bytes

HEAD = """# How often entries with such evidence were true; by benchmarks.accuracy.calibrate.
# It holds for the mix it was fitted on. Replace it once verdicts have come back.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(1, 13)))
    parser.add_argument("--empty", type=int, nargs="*", default=[], help="seeds without objects")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--keep", type=Path, help="keep finished seeds here, and start from them")
    parser.add_argument("--out", type=Path, default=FILE)
    given = parser.parse_args()
    secret = sorted({*given.seeds, *given.empty} & {*HELD_OUT, *HELD_OUT_EMPTY})
    if secret:
        parser.error(f"seeds {secret} are held out; choose from 1 to 40")
    campaign = Campaign(given.seeds, given.empty, given.keep)
    scored = [score_seed(r) for r in run_all(campaign, given.jobs)]
    entries = entries_of(scored)
    calibration = fit(entries, basis_of(given.seeds, given.empty, entries, __version__))
    content = yaml.safe_dump(calibration.model_dump(mode="json"), sort_keys=False)
    write_bytes(given.out, (HEAD + content).encode())
    print(f"{len(entries)} entries of {len(scored)} seeds; written to {given.out}")


if __name__ == "__main__":
    main()
