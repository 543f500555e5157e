"""A picture of the newest clear scene with truth, watch and cases outlined; rasterio alone."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import shapely
from affine import Affine
from numpy.typing import NDArray
from pyproj import Transformer
from rasterio.errors import NotGeoreferencedWarning, RasterioIOError
from rasterio.features import rasterize
from shapely.geometry import shape

SCALE = 3  # picture pixels per scene pixel
LEGEND = "cyan: traps, yellow: true events, orange: on watch, red: cases"
COLOURS = {"trap": (90, 220, 230), "event": (255, 235, 60), "watch": (255, 150, 0),
           "case": (255, 30, 30)}  # fmt: skip
Layer = tuple[str, list[Mapping[str, Any]]]


def layers(
    truth: Mapping[str, Any], watch: Mapping[str, Any], cases: Mapping[str, Any]
) -> list[Layer]:
    """Sort features into what is drawn, lowest first; wide traps such as drawdown are left out."""
    traps = [
        f
        for f in truth["features"]
        if f["properties"].get("is_trap") and f["properties"].get("area_m2", 0) < 30_000
    ]
    events = [f for f in truth["features"] if not f["properties"].get("is_trap")]
    return [
        ("trap", traps),
        ("event", events),
        ("watch", list(watch["features"])),
        ("case", list(cases["features"])),
    ]


def draw(scenes: Path, drawn: list[Layer], target: Path) -> bool:
    """Write the picture; False when there is no scene to draw on."""
    item = newest_clear(scenes)
    if item is None:
        return False
    picture, transform, crs = _true_colour(item)
    project = Transformer.from_crs(4326, crs, always_xy=True).transform
    for name, features in drawn:
        lines = [
            shapely.transform(
                shape(f["geometry"]), lambda c: np.column_stack(project(c[:, 0], c[:, 1]))
            ).boundary
            for f in features
        ]
        lines = [line for line in lines if not line.is_empty]
        if not lines:
            continue
        burnt = rasterize(lines, picture.shape[1:], transform=transform, all_touched=True)
        for band, value in zip(picture, COLOURS[name], strict=True):
            band[burnt == 1] = value
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(
            target, "w", driver="PNG", width=picture.shape[2], height=picture.shape[1], count=3,
            dtype="uint8",
        ) as sink:  # fmt: skip
            sink.write(picture)
    return True


def newest_clear(scenes: Path, most_cloud: float = 12.0) -> Path | None:
    """Find the folder of the newest readable whole scene with little cloud [%]."""
    found: list[tuple[str, int, Path]] = []
    for path in sorted(scenes.glob("sentinel-2-l2a/*/*.json")):
        item = json.loads(path.read_text(encoding="utf-8"))
        if item["properties"]["eo:cloud_cover"] > most_cloud:
            continue
        width = item["assets"]["red"]["proj:shape"][1]
        found.append((item["properties"]["datetime"], width, path))
    for _, _, path in sorted(found, reverse=True):
        try:
            for band in ("B02", "B03", "B04"):
                with rasterio.open(path.parent / f"{band}.tif") as source:
                    source.read(1)
        except RasterioIOError:
            continue
        return path
    return None


def _true_colour(item_path: Path) -> tuple[NDArray[np.uint8], Affine, str]:
    item = json.loads(item_path.read_text(encoding="utf-8"))
    bands: list[NDArray[np.float64]] = []
    transform, crs = Affine.identity(), ""
    for name in ("red", "green", "blue"):
        asset = item["assets"][name]
        told = asset["raster:bands"][0]
        with rasterio.open(item_path.parent / asset["href"]) as source:
            numbers = source.read(1)
            transform, crs = source.transform, str(source.crs)
        bands.append(numbers * told["scale"] + told["offset"])
    stretched = np.clip(np.stack(bands) / 0.25, 0, 1) ** (1 / 1.6)
    large = np.repeat(np.repeat(stretched, SCALE, axis=1), SCALE, axis=2)
    step = transform.a / SCALE
    finer = Affine(step, 0.0, transform.c, 0.0, -step, transform.f)
    return (255 * large).astype(np.uint8), finer, crs
