"""Baselines on a seed: the two clearest dates of the same season, a year apart."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.features import rasterize
from shapely.geometry.base import BaseGeometry

from benchmarks.accuracy.baselines import FACTORS, METHODS, Bands, objects_of
from benchmarks.accuracy.simulated.series import LEAST_LOOKS, Made, home_of
from sample_scenes import truth
from sample_scenes.geo import to_utm
from sample_scenes.make import NEW, OLD
from sample_scenes.matching import match
from sample_scenes.options import AT_10M, transform
from sample_scenes.schedule import Day
from sample_scenes.stacio import COLLECTION, WAVES, Product

_CLEAR = (4, 5, 6, 7, 11)  # of the scene classification
_SEASON = (290, 366)  # days of the year: all objects stand by then
_READ = ("blue", "green", "red", "nir", "swir16", "swir22")


def baselines(folder: Path, made: Made, seed: int) -> list[dict[str, Any]]:
    """Count per corridor, method and threshold: objects asked for, found, and false ones."""
    out: list[dict[str, Any]] = []
    side = (made.options.size, made.options.size)
    for ident, area in truth.corridor_shapes(made.options, made.world.ground).items():
        burnt = rasterize([to_utm(area)], side, transform=transform(), dtype="uint8")
        inside = np.asarray(burnt, np.uint8) == 1
        before, after = (_clearest(folder, made, inside, year) for year in (2024, 2025))
        clear = inside & before[1] & after[1]
        own = [p for p in made.placed if home_of(seed) == ident]
        enough = {p.thing.id for p in own if len(made.chances[p.thing.id]) >= LEAST_LOOKS}
        asked = [to_utm(p.thing.truth) for p in own if p.thing.id in enough]
        rest = [to_utm(p.thing.truth) for p in own if p.thing.id not in enough]
        for name, method in METHODS.items():
            strength = method(before[0], after[0], clear)
            for factor in FACTORS:
                found = objects_of(strength, clear, factor, transform())
                out.append(
                    {"corridor": ident, "method": name, "factor": factor}
                    | _count(asked, rest, found)
                )
    return out


def _count(
    asked: Sequence[BaseGeometry], rest: Sequence[BaseGeometry], found: Sequence[BaseGeometry]
) -> dict[str, Any]:
    pairs = match([*asked, *rest], found)
    hit = [p.object for p in pairs if p.object < len(asked)]
    large = [i for i, s in enumerate(asked) if s.area >= 1000]
    others = {i for i, s in enumerate(rest) if s.area >= 1000}
    hit_large = set(hit) & set(large)
    return {
        "asked": len(asked),
        "found": len(hit),
        "asked_large": len(large),
        "found_large": len(hit_large),
        "all": len(asked) + len(rest),
        "found_all": len(pairs),
        "all_large": len(large) + len(others),
        "found_all_large": len(hit_large) + len({p.object - len(asked) for p in pairs} & others),
        "false": len(found) - len(pairs),
    }


def _clearest(
    folder: Path, made: Made, inside: NDArray[np.bool_], year: int
) -> tuple[Bands, NDArray[np.bool_]]:
    """Give bands and clear mask of the clearest date of a year's last weeks."""
    low, high = _SEASON
    days = [
        d for d in made.days
        if d.when.year == year and low <= d.when.timetuple().tm_yday <= high and d.gain < 1.2
    ]  # fmt: skip
    best: tuple[float, Day, NDArray[np.bool_]] | None = None
    for day in days:
        classes = _read(folder, day, "SCL")
        clear = np.kron(np.isin(classes, _CLEAR), np.ones((2, 2))).astype(bool)
        score = float(clear[inside].mean())
        if best is None or score > best[0]:
            best = score, day, clear
    if best is None:
        raise ValueError(f"no date of late {year} was rendered")
    return {b: _band(folder, best[1], b) for b in _READ}, best[2]


def _band(folder: Path, day: Day, name: str) -> NDArray[np.float32]:
    numbers = _read(folder, day, WAVES[name][0]).astype(np.float32)
    values = ((numbers - day.dn_offset) / 10_000).astype(np.float32)
    return values if name in AT_10M else np.repeat(np.repeat(values, 2, axis=0), 2, axis=1)


def _read(folder: Path, day: Day, file: str) -> NDArray[np.generic]:
    item = Product(day, "49RGL", (0, 0), NEW if day.dn_offset else OLD).id
    with rasterio.open(folder / COLLECTION / item / f"{file}.tif") as source:
        return source.read(1)
