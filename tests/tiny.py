"""A tiny river valley as a folder of stacks: enough for a whole run in a second or two."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import yaml
from affine import Affine
from numpy.typing import NDArray
from pyproj import Transformer

ROOT = Path(__file__).resolve().parents[1]
SIZE = 128
BANDS = ("blue", "green", "red", "nir", "swir16", "swir22")
WATER = (0.05, 0.07, 0.05, 0.03, 0.015, 0.01)
SOIL = (0.10, 0.13, 0.17, 0.22, 0.28, 0.24)
GRASS = (0.04, 0.07, 0.05, 0.30, 0.18, 0.10)
LEVELS = (0.9, 0.5, 0.7, 0.3, 0.8, 0.6, 0.4, 0.9, 0.5, 0.7, 0.85, 0.6, 0.75, 0.8, 0.45)
SILENT = {"type": "stac", "url": "http://127.0.0.1:9", "sensor": "tiny", "retries": 0}
FILL_FROM = 10  # index of the first date that shows the fill


def _height() -> NDArray[np.float64]:
    """0 in the deepest water, 1 where the highest level reaches; the river runs north."""
    col = np.abs(np.arange(SIZE) - SIZE / 2)
    return np.broadcast_to((col - 14) / 16, (SIZE, SIZE)).copy()


def days() -> list[date]:
    return [date(2024, 1, 5) + timedelta(days=30 * i) for i in range(len(LEVELS))]


def look(index: int, *, fill: bool) -> NDArray[np.float64]:
    """Reflectance (band, row, col) of one date."""
    return scene(LEVELS[index], 100 + index, fill=fill and index >= FILL_FROM)


def scene(level: float, seed: int, *, fill: bool) -> NDArray[np.float64]:
    """Reflectance (band, row, col) at a level of the water."""
    rng = np.random.default_rng(5)
    texture = np.kron(rng.normal(0, 0.02, (SIZE // 4, SIZE // 4)), np.ones((4, 4)))
    height = _height()
    wet = height < level
    out = np.empty((len(BANDS), SIZE, SIZE))
    noise = np.random.default_rng(seed)
    for k in range(len(BANDS)):
        land = np.where(height < 1, SOIL[k], GRASS[k]) + texture * (GRASS[k] + 0.1) * 2
        out[k] = np.where(wet, WATER[k], np.maximum(land, 0.02))
        if fill:
            out[k, 50:64, 72:92] = SOIL[k] * 1.1
        out[k] += noise.normal(0, 0.002, (SIZE, SIZE))
    return out


def write_scenes(folder: Path, *, fill: bool = True, only: range | None = None) -> Path:
    """Write the stacks; give the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for index, day in enumerate(days()):
        if only is not None and index not in only:
            continue
        write_look(folder, day, look(index, fill=fill))
    return folder


def write_look(folder: Path, day: date, reflectance: NDArray[np.float64]) -> Path:
    data = np.rint(reflectance * 10_000).clip(1, 10_000).astype("uint16")
    path = folder / f"tiny_{day:%Y-%m-%d}.tif"
    write_stack(path, data)
    return path


def write_stack(path: Path, data: NDArray[np.generic], crs: str | None = "EPSG:32649") -> None:
    profile: dict[str, Any] = {
        "driver": "GTiff",
        "height": data.shape[1],
        "width": data.shape[2],
        "count": data.shape[0],
        "dtype": data.dtype,
        "transform": Affine(10, 0, 700_000, 0, -10, 3_080_000),
        "nodata": 0,
        "tiled": True,
        "blockxsize": 64,
        "blockysize": 64,
        "compress": "deflate",
    }
    if crs:
        profile["crs"] = crs
    with rasterio.open(path, "w", **profile) as sink:
        sink.write(data)


def corridor(offset_m: float = 0.0) -> dict[str, Any]:
    mover = Transformer.from_crs("EPSG:32649", "EPSG:4326", always_xy=True)
    x0, y0 = 700_100 + offset_m, 3_079_950
    corners = [(x0, y0), (x0, y0 - 1150), (x0 + 1080, y0 - 1150), (x0 + 1080, y0), (x0, y0)]
    ring = [list(mover.transform(*c)) for c in corners]
    return {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {
            "id": "tiny" if offset_m == 0 else "far",
            "name_zh": "小河",
            "water": "river",
            "accuracy_m": 10,
            "provenance": "made by a test",
        },
    }


def workflow(folder: Path, images: Path, **changes: Any) -> Path:
    """Write a workflow over the tiny scenes; ``changes`` replace top-level keys."""
    folder.mkdir(parents=True, exist_ok=True)
    table = yaml.safe_load((ROOT / "config/sensors/sentinel-2-l2a-stack12.yaml").read_text("utf-8"))
    table["name"] = "tiny"
    table["bands"] = {b: {"index": i + 1, "gsd_m": 10} for i, b in enumerate(BANDS)}
    table["bands_in_file"] = None
    (folder / "sensors").mkdir(exist_ok=True)
    (folder / "sensors/tiny.yaml").write_text(yaml.safe_dump(table), encoding="utf-8")
    features = {"type": "FeatureCollection", "features": [corridor(), corridor(90_000)]}
    (folder / "corridors.geojson").write_text(json.dumps(features), encoding="utf-8")
    content: dict[str, Any] = {
        "name": "tiny",
        "corridors": {"file": "corridors.geojson", "ids": ["tiny"]},
        "sources": [source(images)],
        "period": {"from": "2024-01-01", "patrol_from": "2024-10-15", "to": "2025-03-31"},
        "state": "state",
        "out": "out",
        "sensors": "sensors",
        "options": {"store": {"tile_px": 128}},
    }
    content["period"]["zone"] = "UTC"
    content.update(changes)
    path = folder / "workflow.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def source(images: Path) -> dict[str, Any]:
    return {
        "type": "folder",
        "path": str(images),
        "sensor": "tiny",
        "pattern": r"tiny_(?P<date>\d{4}-\d{2}-\d{2})\.tif",
        "time_of_day": "03:00",
        "zone": "UTC",
    }


def outputs(folder: Path) -> dict[str, bytes]:
    latest = folder / "out" / "latest"
    names = ("cases.geojson", "watch.geojson", "suppressed.geojson", "not_observed.geojson")
    return {n: (latest / n).read_bytes() for n in names}


def features(folder: Path, name: str) -> list[dict[str, Any]]:
    return json.loads(outputs(folder)[name])["features"]
