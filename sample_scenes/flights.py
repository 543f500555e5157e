"""A pair of simulated drone flights over the sample's river, as teams hand them in.

Usage: python -m sample_scenes.flights --out sample_scenes/data/flights [--seed 3]

Writes two folders (``ortho.tif``, ``dsm.tif``, ``flight.yaml``) and ``truth.geojson``; they appear
whole or not at all. All of it is made up.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import shapely
import yaml
from affine import Affine
from rasterio.enums import ColorInterp
from rasterio.features import shapes
from rasterio.profiles import Profile
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from pipeline.grid import reproject
from sample_scenes.drone_pair import Flight, Pair, PairOptions, TrueObject, make_pair
from sample_scenes.geo import collection, geojson
from sample_scenes.options import EPSG

FLOWN = ("2025-06-12T09:40:00+08:00", "2025-11-20T10:05:00+08:00")
CORRIDOR = "sample-river"


def origin(corridors: Path, side_m: float) -> tuple[float, float]:
    """Give the north-western corner of a square in the sample's river [m, UTM].

    Parameters
    ----------
    corridors : Path
        The sample's own, whose river is made up too.
    """
    features = json.loads(corridors.read_text(encoding="utf-8"))["features"]
    river = next(f for f in features if f["properties"]["id"] == CORRIDOR)
    area = reproject(shape(river["geometry"]), "EPSG:4326", f"EPSG:{EPSG}")
    middle = area.buffer(-side_m).representative_point()
    return round(middle.x - side_m / 2), round(middle.y + side_m / 2)


def write(out: Path, corridors: Path, seed: int) -> int:
    """Write both flights and the truth into ``out``, in place of what was there; count it."""
    options = PairOptions(side_m=80.0)
    pair = make_pair(seed, options)
    west, north = origin(corridors, options.side_m)
    transform = Affine(pair.gsd_m, 0, west, 0, -pair.gsd_m, north)
    part = out.with_name(out.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    for flight, flown in zip((pair.before, pair.after), FLOWN, strict=True):
        _write_flight(part / flown[:10], flight, flown, transform)
    truth = _truth(pair, transform)
    (part / "truth.geojson").write_text(
        json.dumps(truth, ensure_ascii=False, indent=1), encoding="utf-8"
    )
    shutil.rmtree(out, ignore_errors=True)
    part.rename(out)
    return len(truth["features"])


def _write_flight(folder: Path, flight: Flight, flown: str, transform: Affine) -> None:
    folder.mkdir(parents=True)
    height, width = flight.height.shape
    profile = Profile(
        driver="GTiff", crs=f"EPSG:{EPSG}", transform=transform, height=height, width=width,
        compress="deflate", predictor=2, tiled=True,
    )  # fmt: skip
    alpha = np.full((1, height, width), 255, np.uint8)
    with rasterio.open(folder / "ortho.tif", "w", **profile, dtype="uint8", count=4) as out:
        out.write(np.concatenate([flight.colour, alpha]))
        out.colorinterp = [*out.colorinterp[:3], ColorInterp.alpha]
    profile.update(predictor=3, nodata=-9999.0)
    with rasterio.open(folder / "dsm.tif", "w", **profile, dtype="float32", count=1) as out:
        out.write(np.where(np.isfinite(flight.height), flight.height, -9999.0), 1)
    form = {
        "team": "样例无人机队（虚构）",
        "drone": "simulated",
        "camera": "simulated",
        "flown": flown,
        "vertical": "unknown",
        "rtk": False,
        "gcp": 0,
    }
    text = yaml.safe_dump(form, allow_unicode=True, sort_keys=False)
    (folder / "flight.yaml").write_text(text, encoding="utf-8")


def _truth(pair: Pair, transform: Affine) -> dict[str, Any]:
    return collection([_feature(o, transform) for o in pair.truth])


def _feature(thing: TrueObject, transform: Affine) -> dict[str, Any]:
    return {
        "type": "Feature",
        "geometry": geojson(reproject(_outline(thing, transform), f"EPSG:{EPSG}", "EPSG:4326")),
        "properties": {
            "kind": thing.kind,
            "name": thing.name,
            "fill_m3": round(thing.fill_m3, 2),
            "cut_m3": round(thing.cut_m3, 2),
            "height_m": round(thing.height_m, 2),
        },
    }


def _outline(thing: TrueObject, transform: Affine) -> BaseGeometry:
    parts = shapes(thing.mask.astype(np.uint8), mask=thing.mask, transform=transform)
    return shapely.union_all([shape(g) for g, _ in parts])


def main() -> None:
    """Write the flights."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("sample_scenes/data/flights"))
    parser.add_argument(
        "--corridors", type=Path, default=Path("sample_scenes/data/corridors.geojson")
    )
    parser.add_argument("--seed", type=int, default=3)
    given = parser.parse_args()
    number = write(given.out, given.corridors, given.seed)
    print(f"two flights with {number} true objects in {given.out}")


if __name__ == "__main__":
    main()
