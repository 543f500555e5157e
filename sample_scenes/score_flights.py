"""Compare an inspection of the sample's flights with their truth.

Usage: python -m sample_scenes.score_flights --out out/sample-flights/latest

An object is found when one case has IoU >= 0.2 with it, one to one; every other case is false.
What was taken away is no case. Volumes are held against the 95 % interval that the case says.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment
from shapely.geometry import shape

from pipeline.grid import reproject
from sample_scenes.options import EPSG

_LEAST = 0.2
Feature = dict[str, Any]


def pairs(truth: Sequence[Feature], cases: Sequence[Feature]) -> list[tuple[int, int]]:
    """Match objects with cases, one to one, by their overlap."""
    there, here = ([_metric(f) for f in part] for part in (truth, cases))
    overlap = np.zeros((len(there), len(here)))
    for i, a in enumerate(there):
        for j, b in enumerate(here):
            overlap[i, j] = a.intersection(b).area / max(a.union(b).area, 1e-9)
    rows, cols = linear_sum_assignment(-overlap)
    matched = zip(rows.tolist(), cols.tolist(), strict=True)
    return [(i, j) for i, j in matched if overlap[i, j] >= _LEAST]


def lines(truth: Sequence[Feature], cases: Sequence[Feature]) -> list[str]:
    """Say what was found, missed and false, and how the volumes are."""
    found = pairs(truth, cases)
    out = [_line(truth[i]["properties"], cases[j]["properties"]) for i, j in found]
    missed = [f for i, f in enumerate(truth) if i not in {i for i, _ in found}]
    out += [f"missed: {f['properties']['name']}" for f in missed]
    false = len(cases) - len(found)
    return [*out, f"drone flights: {len(found)} of {len(truth)} objects found, {false} false"]


def _line(true: Feature, case: Feature) -> str:
    net = true["fill_m3"] - true["cut_m3"]
    said = case["volume_m3"]
    if said is None:
        return f"found: {true['name']} as {case['kind']}"
    word = "inside" if said["low"] <= net <= said["high"] else "outside"
    return (
        f"found: {true['name']} as {case['kind_zh']}, net {net:.1f} m³, "
        f"said {said['net']:.1f} ({said['low']:.1f} to {said['high']:.1f}), {word}"
    )


def _metric(feature: Feature) -> Any:
    return reproject(shape(feature["geometry"]), "EPSG:4326", f"EPSG:{EPSG}")


def main() -> None:
    """Print the comparison."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("out/sample-flights/latest"))
    parser.add_argument(
        "--truth", type=Path, default=Path("sample_scenes/data/flights/truth.geojson")
    )
    given = parser.parse_args()
    told = (given.truth, given.out / "cases.geojson")
    truth, cases = (json.loads(p.read_text(encoding="utf-8"))["features"] for p in told)
    truth = [f for f in truth if f["properties"]["kind"] != "removed"]
    print("\n".join(lines(truth, cases)))


if __name__ == "__main__":
    main()
