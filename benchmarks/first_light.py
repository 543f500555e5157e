"""Time the sample run: sequential against threads, peak memory, share of decoding.

Usage: python -m benchmarks.first_light [--runs 3]

Each run starts from an empty state in a temporary folder. ``decode`` reads the blocks touching
the corridors with rasterio and does nothing else: the floor of any run that starts from nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

HERE = Path(__file__).resolve().parents[1]
WORKFLOW = HERE / "workflows" / "sample.yaml"

DECODE = """
import json, sys, rasterio
from rasterio.warp import transform_bounds
from rasterio.windows import from_bounds
from pathlib import Path
root = Path(sys.argv[1])
boxes = json.loads(sys.argv[2])
for path in sorted(root.glob("sentinel-2-l2a/*/*.tif")):
    with rasterio.open(path) as source:
        for box in boxes:
            window = from_bounds(*transform_bounds("EPSG:4326", source.crs, *box), source.transform)
            try:
                source.read(1, window=window, boundless=False)
            except rasterio.errors.RasterioError:
                pass
"""


def variant(folder: Path, workers: int, io_threads: int) -> Path:
    """Write the sample workflow with its own state and output folder."""
    content = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))
    content["corridors"]["file"] = str(HERE / "sample_scenes/data/corridors.geojson")
    content["sources"][0]["url"] = str(HERE / "sample_scenes/data/catalog.json")
    content["sensors"] = str(HERE / "config/sensors")
    content["state"], content["out"] = str(folder / "state"), str(folder / "out")
    content["options"] = {"store": {"workers": workers, "io_threads": io_threads}}
    path = folder / "workflow.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def measure(command: list[str]) -> tuple[float, float, float]:
    """Run a command; wall seconds, CPU seconds, peak resident memory [MB]."""
    began = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode not in (0, 10):
        raise SystemExit(f"{' '.join(command)} left with {child.returncode}")
    wall = time.perf_counter() - began
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def corridor_boxes() -> list[list[float]]:
    from shapely.geometry import shape  # noqa: PLC0415 - only here

    text = (HERE / "sample_scenes/data/corridors.geojson").read_text(encoding="utf-8")
    features = json.loads(text)["features"]
    return [list(shape(f["geometry"]).bounds) for f in features if "of" not in f["properties"]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    if not (HERE / "sample_scenes/data/catalog.json").is_file():
        raise SystemExit("no sample scenes; run `make sample` first")
    siluan = str(Path(sys.executable).with_name("siluan"))
    decode = [sys.executable, "-c", DECODE, str(HERE / "sample_scenes/data")]
    decode.append(json.dumps(corridor_boxes()))
    rows: dict[str, list[tuple[float, float, float]]] = {}
    stages: dict[str, float] = {}
    for _ in range(given.runs):
        rows.setdefault("decode only", []).append(measure(decode))
        for name, workers, io in (("sequential", 1, 1), ("2 threads, 8 readers", 2, 8)):
            with tempfile.TemporaryDirectory() as folder:
                path = variant(Path(folder), workers, io)
                rows.setdefault(name, []).append(measure([siluan, "run", str(path)]))
                rows.setdefault(f"{name}, again", []).append(measure([siluan, "run", str(path)]))
                latest = Path(folder) / "out" / "latest" / "run.json"
                stages = json.loads(latest.read_text(encoding="utf-8"))["seconds"]
    print("| run | wall s | CPU s | peak MB |\n|---|---|---|---|")
    for name, found in rows.items():
        middle = [statistics.median(column) for column in zip(*found, strict=True)]
        print(f"| {name} | {middle[0]:.1f} | {middle[1]:.1f} | {middle[2]:.0f} |")
    print(f"\nstages of the last run (from the store), seconds: {stages}")


if __name__ == "__main__":
    main()
