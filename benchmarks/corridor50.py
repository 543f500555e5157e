"""Peak memory and CPU of a long corridor: 50 km, two years of scenes every five days.

Usage: python -m benchmarks.corridor50 [--length-km 50] [--dates 146] [--workers 2] [--folder DIR]

Scenes are made on the fly in a temporary folder (about 4 GB with the store at full size) and
removed: 10 m bands with noise, a river whose level rises and falls, a few fills near the end, small
clouds on clear dates, and two of three dates overcast by their classes. Three runs, each a process
of its own: *cold* reads and computes everything but the newest clear date; *again* has nothing new;
*one more date* is what a scheduler's run is like. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import yaml
from affine import Affine
from numpy.typing import NDArray
from scipy import ndimage
from shapely.geometry import box, mapping

from pipeline.grid import reproject

HERE = Path(__file__).resolve().parents[1]
CRS, LEFT, TOP, WIDE_PX = "EPSG:32649", 600_000, 3_080_000, 1000
FINE = {"blue": "B02", "green": "B03", "red": "B04", "nir": "B08"}
COARSE = {"swir16": "B11", "swir22": "B12"}
WATER = {"blue": 0.05, "green": 0.07, "red": 0.05, "nir": 0.03, "swir16": 0.015, "swir22": 0.01}
SOIL = {"blue": 0.10, "green": 0.13, "red": 0.17, "nir": 0.22, "swir16": 0.28, "swir22": 0.24}
GRASS = {"blue": 0.04, "green": 0.07, "red": 0.05, "nir": 0.30, "swir16": 0.18, "swir22": 0.10}
CLOUD = {"blue": 0.6, "green": 0.58, "red": 0.57, "nir": 0.6, "swir16": 0.35, "swir22": 0.3}
FIRST = datetime(2024, 1, 3, 3, 0, 0, tzinfo=UTC)
Image = NDArray[np.float32]


class Valley:
    """The ground: how high it lies above the river, and its texture; the river runs east."""

    def __init__(self, length_px: int) -> None:
        rng = np.random.default_rng(1)
        self.shape = (WIDE_PX, length_px)
        row, col = np.mgrid[0:WIDE_PX, 0:length_px].astype(np.float32)
        middle = WIDE_PX / 2 + 150 * np.sin(col / 400)
        self.height = (np.abs(row - middle) - 25) / 25
        fine = rng.normal(0, 1, (WIDE_PX // 4, -(-length_px // 4))).astype(np.float32)
        wide = np.kron(ndimage.gaussian_filter(fine, 1), np.ones((4, 4), np.float32))
        self.texture = 1 + 0.6 * wide[:, :length_px]
        self.fills = [
            (slice(int(middle[0, c]) + 20, int(middle[0, c]) + 45), slice(c, c + 30))
            for c in range(200, length_px - 40, 450)
        ]

    def look(self, index: int, dates: int) -> tuple[dict[str, Image], NDArray[np.bool_]]:
        """Reflectance by band of one date, and where it is cloud."""
        rng = np.random.default_rng(100 + index)
        level = 0.6 + 0.5 * np.sin(index / 9) + 0.1 * rng.normal()
        wet = self.height < level
        cloud = np.zeros(self.shape, bool)
        for _ in range(int(rng.integers(4))):
            r, c = (int(rng.integers(n)) for n in self.shape)
            cloud[max(r - 40, 0) : r + 40, max(c - 60, 0) : c + 60] = True
        bands: dict[str, Image] = {}
        for b, dark in WATER.items():
            land = np.where(self.height < 1.3, SOIL[b], GRASS[b]) * self.texture
            value = np.where(wet, dark, np.maximum(land, 0.02)).astype(np.float32)
            if index > 0.85 * dates:
                for part in self.fills:
                    value[part] = SOIL[b] * 1.1
            value += rng.normal(0, 0.004, self.shape).astype(np.float32)
            value[cloud] = CLOUD[b]
            bands[b] = value
        return bands, cloud


def write(path: Path, values: NDArray[np.generic], res: int) -> None:
    """Write one band as a tiled GeoTIFF."""
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=values.shape[0],
        width=values.shape[1],
        count=1,
        dtype=values.dtype,
        crs=CRS,
        transform=Affine(res, 0, LEFT, 0, -res, TOP),
        nodata=0,
        tiled=True,
        blockxsize=512,
        blockysize=512,
        compress="deflate",
        zlevel=1,
        predictor=2,
    ) as sink:
        sink.write(values, 1)


def make_scenes(folder: Path, length_px: int, dates: int) -> list[str]:
    """Write all scenes and a static catalogue; give the ids of the clear ones."""
    valley = Valley(length_px)
    coarse = (WIDE_PX // 2, length_px // 2)
    folder.mkdir(parents=True)
    write(folder / "overcast.tif", np.full(coarse, 9, np.uint8), 20)

    def one(index: int) -> tuple[str, bool]:
        when = FIRST + timedelta(days=5 * index)
        name, clear = f"S2A_BENCH_{when:%Y%m%d}", index % 3 == 0
        names = {**FINE, **COARSE, "scl": "SCL"}
        hrefs = dict.fromkeys(names.values(), "./overcast.tif")
        if clear:
            hrefs = {key: f"./{name}_{key}.tif" for key in names.values()}
            bands, cloud = valley.look(index, dates)
            for b, value in bands.items():
                res = 10 if b in FINE else 20
                packed = np.rint(value.clip(0.0001, 1.5) * 10_000).astype(np.uint16)
                part = packed if res == 10 else packed[::2, ::2]
                write(folder / f"{name}_{names[b]}.tif", part, res)
            classes = np.where(cloud, 9, 4).astype(np.uint8)[::2, ::2]
            write(folder / f"{name}_SCL.tif", classes, 20)
        item = {
            "type": "Feature",
            "stac_version": "1.0.0",
            "id": name,
            "geometry": mapping(lonlat(0, length_px * 10, 0)),
            "properties": {
                "datetime": f"{when:%Y-%m-%dT%H:%M:%SZ}",
                "platform": "sentinel-2a",
                "view:sun_azimuth": 150.0,
                "view:sun_elevation": 40.0,
            },
            "assets": {key: {"href": href} for key, href in hrefs.items()},
            "links": [],
        }
        (folder / f"{name}.json").write_text(json.dumps(item), encoding="utf-8")
        return name, clear

    with ThreadPoolExecutor(2) as pool:
        made = list(pool.map(one, range(dates)))
    catalogue(folder, [name for name, _ in made])
    return [name for name, clear in made if clear]


def catalogue(folder: Path, names: list[str]) -> None:
    links = [{"rel": "item", "href": f"./{name}.json"} for name in names]
    root = {"type": "Catalog", "id": "bench", "stac_version": "1.0.0", "description": "made"}
    text = json.dumps({**root, "links": links})
    (folder / "catalog.json").write_text(text, encoding="utf-8")


def lonlat(x0: float, x1: float, margin_m: float) -> Any:
    """Give the scenes' frame, less a margin, as lon/lat."""
    frame = box(
        LEFT + x0 + margin_m,
        TOP - WIDE_PX * 10 + margin_m,
        LEFT + x1 - margin_m,
        TOP - margin_m,
    )
    return reproject(frame.segmentize(1000), CRS, "EPSG:4326")


def write_workflow(folder: Path, length_px: int, dates: int, workers: int) -> Path:
    feature = {
        "type": "Feature",
        "geometry": mapping(lonlat(0, length_px * 10, 300)),
        "properties": {
            "id": "bench",
            "name_zh": "长河",
            "water": "river",
            "accuracy_m": 10,
            "provenance": "made by a benchmark",
        },
    }
    collection = {"type": "FeatureCollection", "features": [feature]}
    (folder / "corridors.geojson").write_text(json.dumps(collection), encoding="utf-8")
    last = FIRST + timedelta(days=5 * dates)
    patrol = FIRST + timedelta(days=5 * (dates * 3 // 4))
    content = {
        "name": "bench",
        "corridors": {"file": "corridors.geojson"},
        "sources": [
            {"type": "stac", "url": "scenes/catalog.json", "sensor": "sentinel-2-l2a"},
        ],
        "period": {
            "from": FIRST.date().isoformat(),
            "patrol_from": patrol.date().isoformat(),
            "to": last.date().isoformat(),
            "zone": "UTC",
        },
        "state": "state",
        "out": "out",
        "sensors": str(HERE / "config/sensors"),
        "options": {"store": {"workers": workers}},
    }
    path = folder / "workflow.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def measure(path: Path) -> tuple[float, float, float, dict[str, float], str]:
    """Run the workflow; wall and CPU seconds, peak resident MB, seconds by stage, last line."""
    command = [sys.executable, "-c", "from pipeline.cli import main; main()", "run", str(path)]
    began = time.perf_counter()
    with tempfile.TemporaryFile() as said:
        child = subprocess.Popen(command, stdout=said, stderr=said, cwd=HERE)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        text = said.read().decode()
    if child.returncode not in (0, 10):
        raise SystemExit(f"the run left with {child.returncode}:\n{text}")
    wall = time.perf_counter() - began
    record = json.loads((path.parent / "out/latest/run.json").read_text(encoding="utf-8"))
    cpu = usage.ru_utime + usage.ru_stime
    last = next((k for k in text.splitlines() if "suspected" in k), "")
    return wall, cpu, usage.ru_maxrss / 1024, record["seconds"], last.split(" · in ")[0]


def size_mb(folder: Path) -> float:
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()) / 1e6


def benchmark(folder: Path, given: argparse.Namespace) -> None:
    length_px = int(given.length_km * 100) // 2 * 2
    began = time.perf_counter()
    clear = make_scenes(folder / "scenes", length_px, given.dates)
    spent = time.perf_counter() - began
    print(
        f"{given.length_km:g} km, {length_px} x {WIDE_PX} px, {given.dates} dates, {len(clear)} of "
        f"them clear; scenes {size_mb(folder / 'scenes'):.0f} MB, made in {spent:.0f} s\n"
    )
    path = write_workflow(folder, length_px, given.dates, given.workers)
    names = sorted(p.stem for p in (folder / "scenes").glob("S2A*.json"))
    catalogue(folder / "scenes", [n for n in names if n < clear[-1]])
    stages = ("gather", "prepare", "watch", "follow")
    print(f"| run | wall s | CPU s | peak MB | {' | '.join(f'{s} s' for s in stages)} | found |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name in ("cold", "again", "one more date"):
        if name == "one more date":
            catalogue(folder / "scenes", [n for n in names if n <= clear[-1]])
        wall, cpu, peak, seconds, found = measure(path)
        parts = " | ".join(f"{seconds.get(s, 0):.1f}" for s in stages)
        print(f"| {name} | {wall:.0f} | {cpu:.0f} | {peak:.0f} | {parts} | {found} |", flush=True)
    print(f"\nstate {size_mb(folder / 'state'):.0f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--length-km", type=float, default=50.0)
    parser.add_argument("--dates", type=int, default=146)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="where to make the temporary folder")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        benchmark(Path(folder), given)


if __name__ == "__main__":
    main()
