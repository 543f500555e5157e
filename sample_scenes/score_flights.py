"""Compare an inspection of the sample's flights with their truth.

Usage: python -m sample_scenes.score_flights --out out/sample-flights/latest

Matched as in :mod:`sample_scenes.matching`; every case that is left is false.
What was taken away is no case. Volumes are held against the 95 % interval that the case says.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from shapely.geometry import shape

from pipeline.grid import reproject
from sample_scenes.matching import match
from sample_scenes.options import EPSG

Feature = dict[str, Any]


def lines(truth: Sequence[Feature], cases: Sequence[Feature]) -> list[str]:
    """Say what was found, missed and false, and how the volumes are."""
    found = match([_metric(f) for f in truth], [_metric(f) for f in cases])
    out = [_line(truth[p.object]["properties"], cases[p.candidate]["properties"]) for p in found]
    missed = [f for i, f in enumerate(truth) if i not in {p.object for p in found}]
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
