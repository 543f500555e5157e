"""A small office: a winding river as corridor, and files as offices have them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from pyogrio import raw
from shapely.geometry import LineString, mapping
from shapely.geometry.base import BaseGeometry

from pipeline.grid import reproject

METRIC = "EPSG:4547"


def river(length_m: float = 40_000, step_m: float = 100) -> LineString:
    """Give a winding centreline, running north, in EPSG:4547."""
    t = np.arange(0, length_m, step_m)
    x = 420_000 + 1500 * np.sin(t / 2500) + 600 * np.sin(t / 700)
    return LineString(np.column_stack((x, 3_050_000 + t)))


def lonlat(geometry: BaseGeometry, crs: str = METRIC) -> BaseGeometry:
    return reproject(geometry, crs, "EPSG:4490")


def make_config(folder: Path, accuracy_m: float = 100) -> Path:
    """Give an office's folder with one river."""
    config = folder / "config"
    config.mkdir(parents=True)
    feature = {
        "type": "Feature",
        "properties": {
            "id": "river",
            "name_zh": "小江",
            "water": "river",
            "accuracy_m": accuracy_m,
            "half_width_m": 400,
            "provenance": "made by a test",
        },
        "geometry": mapping(lonlat(river())),
    }
    write_geojson(config / "corridors.geojson", [feature])
    return config


def feature(geometry: BaseGeometry, **properties: Any) -> dict[str, Any]:
    return {"type": "Feature", "properties": properties, "geometry": mapping(geometry)}


def write_geojson(path: Path, features: Sequence[dict[str, Any]], **more: Any) -> Path:
    content = {"type": "FeatureCollection", **more, "features": list(features)}
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    return path


def write_shapefile(
    path: Path,
    geometries: Sequence[BaseGeometry | None],
    columns: Mapping[str, Sequence[str | None]],
    crs: str | None,
    *,
    encoding: str = "GBK",
    cpg: bool = False,
) -> Path:
    """Write a shapefile, without .cpg and without .prj where asked."""
    blobs = [None if g is None else shapely.to_wkb(g) for g in geometries]
    raw.write(
        path,
        geometry=np.array(blobs, dtype=object),
        field_data=[np.array(list(v), dtype=object) for v in columns.values()],
        fields=np.array(list(columns), dtype=object),
        geometry_type=next(g for g in geometries if g is not None).geom_type,
        crs=crs or "EPSG:4547",
        encoding=encoding,
        driver="ESRI Shapefile",
    )
    if not cpg:
        path.with_suffix(".cpg").unlink()
    if crs is None:
        path.with_suffix(".prj").unlink()
    return path


def siluan(*words: str | Path, cwd: Path | None = None) -> tuple[int, str, str]:
    """Run the command; give exit code, standard output, standard error."""
    command = [sys.executable, "-c", "from pipeline.cli import main; main()", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False)
    return done.returncode, done.stdout, done.stderr
