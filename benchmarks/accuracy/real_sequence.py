"""The true Boadella sequence: seven real dates, as they are and with fills pasted into them.

Usage: python -m benchmarks.accuracy.real_sequence --data ../shared/data [--out out/accuracy]

Nothing was built there, so every suspected 乱占 is false. With four clear dates no case can be
certain: what is asked of pasted fills is that they are at least on watch. The baselines compare
each late date with 2 February, the last clear date on which no fill stands, on the same pixels.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio.features import rasterize, shapes
from rasterio.warp import transform_geom
from shapely.geometry import mapping, shape
from shapely.geometry.base import BaseGeometry

from benchmarks.accuracy.matching import pairs_of, suspected_at
from benchmarks.accuracy.real_baselines import cva, mndwi, objects, otsu
from benchmarks.accuracy.real_cli import said_alone
from benchmarks.accuracy.real_injected import corridor_of
from benchmarks.accuracy.real_masks import distance, grown, opened
from benchmarks.accuracy.real_objects import FINE, blob, cover
from benchmarks.accuracy.real_run import run, write_workflow
from benchmarks.accuracy.real_scene import CRS
from benchmarks.accuracy.report import Cell, Section, Table
from benchmarks.accuracy.stats import counted, wilson
from benchmarks.boadella_fills import load, load_grid
from pipeline.grid import reproject
from pipeline.model import Case

LATE = ("2020-06-21", "2020-09-14")
BEFORE = "2020-02-02"  # the last clear date without fills
PATTERN = r"Boadella_(?P<date>\d{4}-\d{2}-\d{2})\.tif"
DAYS = (date(2020, 1, 1), date(2020, 1, 1), date(2020, 12, 31))
SEEDS = (1, 2)
FILLS = 14
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Result:
    """One run over the seven dates."""

    cases: tuple[Case, ...]
    record: dict[str, Any]
    fills: tuple[BaseGeometry, ...]  # in CRS
    baselines: dict[str, dict[str, list[BaseGeometry]]]  # method -> late date -> objects


def measure(data: Path, out: Path) -> Section:
    """Run the true sequence, and with fills; ``out`` takes no picture here."""
    del out
    title = "The true Boadella sequence"
    folder = data / "s2_l2a_boadella_reservoir"
    if not folder.is_dir():
        return Section("real_sequence", title, (), note=f"Not measured: no imagery in {data}.")
    plain = one(data, None)
    filled = [one(data, seed) for seed in SEEDS]
    live = [c for c in plain.cases if c.merged_into is None]
    told = [c for c in live if suspected_at(c) is not None]
    area = corridor_of(data).area
    unknown = plain.record["counts"]["corridors"]["boadella"]["unknown_m2"]
    worst = max(unknown.values(), default=0.0) / area
    rows: list[tuple[Cell, ...]] = [
        ("suspected 乱占", sum(c.kind.value == "zhan" for c in told)),
        ("suspected, all kinds", len(told)),
        ("on watch, 乱占", sum(c.kind.value == "zhan" for c in live if c not in told)),
        ("on watch, other kinds", sum(c.kind.value != "zhan" for c in live if c not in told)),
        ("largest share of the corridor called unknown on a date", worst),
    ]
    rows += [(f"false objects, {m}", len(_late(plain, m))) for m in plain.baselines]
    numbers = {"drawdown_suspected_zhan": float(rows[0][1] or 0), "drawdown_unknown_share": worst}
    first = Table("Drawdown alone", ("measure", "value"), tuple(rows), _aside(plain.record))
    return Section("real_sequence", title, (first, _fills(filled, numbers)), numbers)


def _aside(record: dict[str, Any]) -> str:
    parts = [f"{a['what'][:8]} ({a['reason']})" for a in record["set_aside"]]
    return f"Set aside by name: {'; '.join(parts)}." if parts else ""


def _late(result: Result, method: str) -> list[BaseGeometry]:
    return [o for day in LATE for o in result.baselines[method][day]]


def _fills(filled: Sequence[Result], numbers: dict[str, float]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    pasted = sum(len(r.fills) for r in filled)
    large = [[f for f in r.fills if f.area >= 1000] for r in filled]
    ours = [[c.polygon for c in r.cases if c.merged_into is None] for r in filled]
    found = sum(len(pairs_of(list(r.fills), o)) for r, o in zip(filled, ours, strict=True))
    found_large = sum(len(pairs_of(g, o)) for g, o in zip(large, ours, strict=True))
    false = sum(len(o) - len(pairs_of(list(r.fills), o)) for r, o in zip(filled, ours, strict=True))
    many = sum(len(g) for g in large)
    rows.append(
        (
            "this project, on watch or more",
            counted(found, pasted),
            counted(found_large, many),
            false,
        )
    )
    sure = wilson(found_large, many)
    numbers["drawdown_fill_recall"] = found_large / max(many, 1)
    numbers |= {"drawdown_fill_recall_low": sure[0], "drawdown_fill_recall_high": sure[1]}
    for method in filled[0].baselines:
        hit = hit_large = wrong = 0
        for r, g in zip(filled, large, strict=True):
            for day in LATE:
                objs = r.baselines[method][day]
                pairs = pairs_of(list(r.fills), objs)
                hit += len(pairs)
                hit_large += len(pairs_of(g, objs))
                wrong += len(objs) - len(pairs)
        rows.append((method, counted(hit, 2 * pasted), counted(hit_large, 2 * many), wrong))
    columns = ("method", "found of fills", "of those ≥ 1,000 m²", "others")
    note = (
        f"{FILLS} fills a series at most, of real soil of the same date, on the shore of 14 "
        "September, standing on both late dates; two series. Baselines are asked on each late date "
        f"by itself, against {BEFORE}."
    )
    return Table("Fills pasted into the true dates", columns, tuple(rows), note)


def one(data: Path, seed: int | None) -> Result:
    """Run the seven dates, with fills of a seed or without."""
    source = data / "s2_l2a_boadella_reservoir"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        images = folder / "images"
        images.mkdir()
        for path in sorted(source.glob("*.tif")):
            shutil.copyfile(path, images / path.name)
        fills = () if seed is None else paste(images, corridor_of(data), seed)
        sensor = ("sentinel-2-l2a-stack12", PATTERN)
        cases, record = run(write_workflow(folder, images, sensor, corridor_of(data), DAYS))
        return Result(cases, record, fills, _baselines(images, source))


def _baselines(images: Path, source: Path) -> dict[str, dict[str, list[BaseGeometry]]]:
    shutil.copyfile(source / "boadella.geojson", images / "boadella.geojson")
    series, corner = load(images), load_grid(images)
    area = grown(series.outline, 10)
    out: dict[str, dict[str, list[BaseGeometry]]] = {
        "two dates, MNDWI and Otsu": {},
        "two dates, change vectors and Otsu": {},
    }
    first = series.dates.index(BEFORE)
    for day in LATE:
        k = series.dates.index(day)
        before, after = ({n: a[i] for n, a in series.bands.items()} for i in (first, k))
        use = area & series.clear[k] & series.clear[first]
        drop = np.where(use, mndwi(before) - mndwi(after), 0.0).astype(np.float64)
        old, new = (np.stack([np.nan_to_num(v) for v in b.values()]) for b in (before, after))
        methods = otsu(drop, use) & (mndwi(before) > 0), otsu(cva(old, new, use), use)
        for name, mask in zip(out, methods, strict=True):
            out[name][day] = [_outline(m, corner) for m in objects(mask)]
    return out


def _outline(mask: Mask, transform: Affine) -> BaseGeometry:
    parts = [shape(g) for g, v in shapes(mask.astype(np.uint8), mask, transform=transform) if v]
    return shapely.union_all(parts)


def paste(images: Path, corridor: BaseGeometry, seed: int) -> tuple[BaseGeometry, ...]:
    """Paste fills into both late dates of a folder, in place; give their outlines in CRS."""
    rng = np.random.default_rng([seed, 6])
    with rasterio.open(images / f"Boadella_{LATE[1]}.tif") as src:
        stack, transform, crs = src.read().astype(np.float32), src.transform, src.crs
    inside = rasterize(
        [transform_geom(CRS, crs, mapping(corridor))], stack.shape[1:], transform=transform
    ).astype(bool)  # pyright: ignore[reportOptionalMemberAccess]
    wet = opened(inside & (stack[2] > stack[10]))
    places = np.argwhere((distance(wet) > 0.5) & (distance(wet) < 3))
    chosen: list[tuple[int, int, NDArray[np.float32]]] = []
    taken = np.zeros(wet.shape, bool)
    for k in rng.permutation(len(places)):
        if len(chosen) == FILLS:
            break
        rank = blob(float(np.exp(rng.uniform(np.log(6), np.log(200)))), rng)
        h, w = rank.shape[0] // FINE, rank.shape[1] // FINE
        top, left = int(places[k][0]) - h // 2, int(places[k][1]) - w // 2
        if top < 10 or left < 10 or top + h + 10 > wet.shape[0] or left + w + 10 > wet.shape[1]:
            continue
        part = slice(top, top + h), slice(left, left + w)
        body = cover(rank <= 1, "red", (top, left)) > 0.5
        if taken[part].any() or (body & wet[part]).sum() < 5:
            continue
        taken[top - 8 : top + h + 8, left - 8 : left + w + 8] = True
        chosen.append((top, left, rank))
    outlines: list[BaseGeometry] = []
    for day in LATE:
        outlines = _into(images / f"Boadella_{day}.tif", chosen, wet, inside, rng)
    return tuple(outlines)


def _into(
    path: Path,
    chosen: Sequence[tuple[int, int, NDArray[np.float32]]],
    wet: Mask,
    inside: Mask,
    rng: np.random.Generator,
) -> list[BaseGeometry]:
    with rasterio.open(path) as src:
        values, profile = src.read().astype(np.float32), src.profile
    red, nir, swir, green = (values[i] for i in (3, 7, 10, 2))
    ndvi = (nir - red) / np.maximum(nir + red, 1)
    soil = np.argwhere(grown(inside, 15) & (ndvi < 0.25) & (swir > 1800) & (swir > 1.4 * green))
    outlines: list[BaseGeometry] = []
    for top, left, rank in chosen:
        h, w = rank.shape[0] // FINE, rank.shape[1] // FINE
        part = slice(top, top + h), slice(left, left + w)
        pick = soil[rng.integers(0, len(soil), (h, w))]
        for band in range(values.shape[0]):
            name = "swir16" if band in (4, 5, 6, 8, 10, 11) else "red"
            alpha = cover(rank <= 1, name, (top, left))
            fresh = values[band][pick[..., 0], pick[..., 1]]
            values[band][part] = alpha * fresh + (1 - alpha) * values[band][part]
        mask = np.zeros(wet.shape, bool)
        mask[part] = cover(rank <= 1, "red", (top, left)) > 0.5
        grid = _outline(mask & grown(wet, 1), profile["transform"])
        outlines.append(reproject(grid, str(profile["crs"]), CRS))
    with rasterio.open(path, "w", **profile) as sink:
        sink.write(np.rint(values).astype(profile["dtype"]))
    return outlines


if __name__ == "__main__":
    said_alone(measure, __doc__)
