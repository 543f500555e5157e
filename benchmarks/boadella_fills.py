"""Count pasted fills found, and false alarms of a falling reservoir.

Pastes fills (real soil spectra of the same date, blurred by the sensor, growing from the shore into
the water as it lies on that date) into late dates of a real reservoir series, and counts found and
false objects for three methods: differencing two dates with Otsu's threshold, the plain rank of
water frequency, and the detector of this project. With no fill at all, everything is false.

A fill is found if an object has IoU >= 0.2 with it and covers at least 30 % of it; every object
that matches none is false. One object matches one fill at most.

    python benchmarks/boadella_fills.py --data FOLDER [--seeds 5] [--fills 14]
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.features import rasterize
from rasterio.warp import Resampling, calculate_default_transform, reproject, transform_geom
from scipy import ndimage
from skimage.filters import threshold_otsu

from pipeline.detect.expect import (
    Baseline,
    Totals,
    View,
    judge_levels,
    tally_levels,
    tally_shore,
)
from pipeline.detect.level import fit_level, tally_level
from pipeline.detect.objects import join, label
from pipeline.detect.water import ground_state, water_score
from pipeline.detect.water_frequency import N_BINS, frequency_bins, tally_history
from pipeline.detect.zhan import Pixels, Rejection, candidates, examine
from pipeline.detect.zhan_options import ZhanOptions
from pipeline.model import Ground, Sighting, Window

BANDS = {"blue": 2, "green": 3, "red": 4, "nir": 8, "swir16": 11, "swir22": 12}  # 1-based
CRS = "EPSG:32631"
LATE = ("2020-06-21", "2020-09-14")
METHODS = ("two dates, Otsu", "plain rank", "this project")

Mask = NDArray[np.bool_]
Stack = dict[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Series:
    """The usable dates: bands float32 (T, H, W), crude clear mask, outline at full pool."""

    dates: tuple[str, ...]
    bands: Stack
    clear: Mask
    outline: Mask


def load(folder: Path) -> Series:
    """Warp the series to 10 m UTM; dates that are mostly cloud are left out."""
    files = sorted(folder.glob("*_20??-??-??.tif"))
    grid, (height, width) = _grid(files[0])
    stack = np.stack([_warp(f, grid, (height, width)) for f in files])
    bands = {n: np.ascontiguousarray(stack[:, i]) for i, n in enumerate(BANDS)}
    clear = np.isfinite(bands["green"]) & ~_crude_cloud(bands)
    use = clear.mean(axis=(1, 2)) > 0.6
    shapes = json.loads((folder / "boadella.geojson").read_text(encoding="utf-8"))
    geometry = [transform_geom("EPSG:4326", CRS, f["geometry"]) for f in shapes["features"]]
    outline = rasterize(geometry, (height, width), transform=grid).astype(bool)  # pyright: ignore[reportOptionalMemberAccess]
    dates = tuple(f.stem[-10:] for f, u in zip(files, use, strict=True) if u)
    return Series(dates, {n: a[use] for n, a in bands.items()}, clear[use], outline)


def load_date(folder: Path, day: str) -> Stack:
    """Warp one date to the grid of :func:`load`, clouds and all; bands float32 (H, W)."""
    (path,) = folder.glob(f"*_{day}.tif")
    grid, shape = _grid(path)
    values = _warp(path, grid, shape)
    return {n: np.ascontiguousarray(values[i]) for i, n in enumerate(BANDS)}


def load_grid(folder: Path) -> Affine:
    """Give the transform of the 10 m grid."""
    return _grid(min(folder.glob("*_20??-??-??.tif")))[0]


def _grid(path: Path) -> tuple[Affine, tuple[int, int]]:
    with rasterio.open(path) as src:
        t, width, height = calculate_default_transform(
            src.crs, CRS, src.width, src.height, *src.bounds, resolution=10
        )
    if width is None or height is None:
        raise SystemExit(f"{path}: no size on the 10 m grid; is it a whole image?")
    corner = np.floor(t.c / 10) * 10, np.ceil(t.f / 10) * 10
    return Affine(10, 0, corner[0], 0, -10, corner[1]), (height, width)


def _warp(path: Path, grid: Affine, shape: tuple[int, int]) -> NDArray[np.float32]:
    out = np.full((len(BANDS), *shape), np.nan, np.float32)
    with rasterio.open(path) as src:
        data = src.read(list(BANDS.values())).astype(np.float32) * np.float32(1e-4)
        reproject(
            data,
            out,
            src_transform=src.transform,
            src_crs=src.crs,
            dst_transform=grid,
            dst_crs=CRS,
            resampling=Resampling.bilinear,
            dst_nodata=np.nan,
            init_dest_nodata=True,
        )
    return out


def _crude_cloud(bands: Stack) -> Mask:
    bright = (bands["blue"] > 0.18) & (bands["swir16"] > 0.08)
    opened = np.stack([ndimage.binary_opening(b, iterations=2) for b in bright])
    grown = [ndimage.binary_dilation(b, iterations=8) if b.any() else b for b in opened]
    return np.asarray(grown, bool)


def paste(
    series: Series, date: int, count: int, rng: np.random.Generator
) -> tuple[Stack, list[Mask]]:
    """Paste fills into a copy of one date; give its bands (H, W) and the fills (alpha > 0.5)."""
    bands = {n: a[date].copy() for n, a in series.bands.items()}
    state = ground_state(bands, series.clear[date])
    water = (state == Ground.WET) & series.outline
    soil = (state == Ground.DRY) & ndimage.binary_dilation(series.outline, iterations=6)
    shore = water & ndimage.binary_dilation(soil | (state == Ground.GREEN), iterations=2)
    shore &= ndimage.binary_erosion(series.clear[date], iterations=10, border_value=1)
    places = np.argwhere(shore)
    spectra = np.argwhere(ndimage.binary_erosion(soil))  # bare in 3x3, not a lone pixel
    taken = np.zeros_like(water)
    truth: list[Mask] = []
    for _ in range(count * 40):
        if len(truth) == count:
            break
        centre = places[rng.integers(len(places))]
        area_px = np.exp(rng.uniform(np.log(4.0), np.log(150.0)))
        alpha = _alpha(centre, float(area_px), water, rng)
        fill = (alpha > 0.5) & water
        near = ndimage.binary_dilation(fill, iterations=12)
        if fill.sum() < 4 or (near & taken).any():
            continue
        taken |= fill
        source = spectra[rng.integers(len(spectra))]
        for name, old in bands.items():
            around = series.bands[name][date][_near(source, soil.shape)]
            texture = rng.choice(around[np.isfinite(around)].ravel(), size=alpha.shape)
            value = 0.6 * series.bands[name][date][tuple(source)] + 0.4 * texture
            bands[name] = (alpha * value + (1 - alpha) * old).astype(np.float32)
        truth.append(fill)
    return bands, truth


def _near(centre: NDArray[np.int64], shape: tuple[int, ...]) -> tuple[slice, slice]:
    r, c = int(centre[0]), int(centre[1])
    return slice(max(r - 1, 0), min(r + 2, shape[0])), slice(max(c - 1, 0), min(c + 2, shape[1]))


def _alpha(
    centre: NDArray[np.int64], area_px: float, water: Mask, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Share of each pixel that is filled: a half-sunk ellipse or rectangle, blurred."""
    scale = 5
    ratio = rng.uniform(0.45, 1.0)
    # About half of the figure lies on land, so it is drawn twice as large.
    a = np.sqrt(2 * area_px / (np.pi * ratio))
    angle = rng.uniform(0, np.pi)
    rows, cols = np.indices((water.shape[0] * scale, water.shape[1] * scale), dtype=np.float32)
    y, x = (rows + 0.5) / scale - centre[0] - 0.5, (cols + 0.5) / scale - centre[1] - 0.5
    u, v = x * np.cos(angle) + y * np.sin(angle), -x * np.sin(angle) + y * np.cos(angle)
    power = rng.choice([2.0, 6.0])
    figure = (np.abs(u / a) ** power + np.abs(v / (a * ratio)) ** power <= 1).astype(np.float32)
    share = figure.reshape(water.shape[0], scale, water.shape[1], scale).mean(axis=(1, 3))
    return np.asarray(ndimage.gaussian_filter(share, 0.5), np.float32)


def two_dates(series: Series, date: int, bands: Stack) -> list[Mask]:
    """Difference MNDWI with the clear date before, threshold by Otsu, objects of 4 pixels."""
    both = series.clear[date] & series.clear[date - 1]
    area = ndimage.binary_dilation(series.outline, iterations=10) & both
    earlier = _mndwi({n: a[date - 1] for n, a in series.bands.items()})
    drop = earlier - _mndwi(bands)
    cut = threshold_otsu(drop[area])
    return _objects(area & (drop > cut) & (earlier > 0))


def _mndwi(b: Stack) -> NDArray[np.float32]:
    total = np.maximum(b["green"] + b["swir16"], np.float32(1e-3))
    return ((b["green"] - b["swir16"]) / total).astype(np.float32)


def _objects(mask: Mask) -> list[Mask]:
    labels = label(mask)
    each = [labels == i + 1 for i in range(int(labels.max()))]
    return [m for m in each if m.sum() >= 4]


def plain_rank(
    states: NDArray[np.uint8], reach: NDArray[np.uint16], state: NDArray[np.uint8]
) -> list[Mask]:
    """Call dry ground encroachment where w >= 1 - q + margin."""
    bins = frequency_bins(*tally_history(states))
    level = fit_level(tally_level(state, bins, reach, 1)[1])
    if level.saturated or np.isnan(level.rank):
        return []
    cut = (1 - level.rank + 0.05) * N_BINS
    return _objects((state == Ground.DRY) & (bins >= cut) & (bins < N_BINS) & (reach > 0))


def ours(
    states: NDArray[np.uint8], reach: NDArray[np.uint16], state: NDArray[np.uint8]
) -> tuple[list[Sighting], list[tuple[Pixels, Rejection]]]:
    """Run the detector over one window, as the driver does over tiles."""
    o = ZhanOptions()
    bins = frequency_bins(*tally_history(states))
    fits = [fit_level(tally_level(s, bins, reach, 1)[1]) for s in states]
    ranks = np.array([[np.nan, f.rank] for f in fits], np.float32)
    whole = Window(0, reach.shape[0], 0, reach.shape[1])
    view = View(whole, state, reach, Baseline.build(states, ranks, reach))
    level = tally_levels(view, 1)
    days = judge_levels(level)
    totals = Totals(level, tally_shore(view, days), days)
    found = candidates(view, whole, totals, o)
    labels = join(found.rows, found.cols)
    seen: list[Sighting] = []
    turned_away: list[tuple[Pixels, Rejection]] = []
    for number in range(int(labels.max(initial=-1)) + 1):
        one = labels == number
        pixels = Pixels(found.rows[one], found.cols[one], found.seed[one])
        verdict = examine(pixels, view, totals, ("p", datetime(2020, 1, 1, tzinfo=UTC)), o)
        if isinstance(verdict, Sighting):
            seen.append(verdict)
        else:
            turned_away.append((pixels, verdict))
    return seen, turned_away


def as_mask(rows: NDArray[np.int32], cols: NDArray[np.int32], shape: tuple[int, ...]) -> Mask:
    """Sparse pixels as a mask."""
    mask = np.zeros(shape, bool)
    mask[rows, cols] = True
    return mask


def match(objects: list[Mask], truth: list[Mask]) -> tuple[int, int]:
    """Count (found, false) one to one, best IoU first."""
    pairs = []
    for i, obj in enumerate(objects):
        for j, fill in enumerate(truth):
            both = int((obj & fill).sum())
            if both and both / (obj | fill).sum() >= 0.2 and both / fill.sum() >= 0.3:
                pairs.append((-both / (obj | fill).sum(), i, j))
    used_i: set[int] = set()
    used_j: set[int] = set()
    for _, i, j in sorted(pairs):
        if i not in used_i and j not in used_j:
            used_i.add(i)
            used_j.add(j)
    return len(used_j), len(objects) - len(used_i)


def run(series: Series, fills: int, seed: int) -> dict[str, dict[str, tuple[int, int, int]]]:
    """Give date -> method -> (found, pasted, false)."""
    score = water_score(series.bands)
    states = ground_state(series.bands, series.clear, score=score)
    reach = ndimage.binary_dilation(series.outline, iterations=10).astype(np.uint16)
    out: dict[str, dict[str, tuple[int, int, int]]] = {}
    for day in LATE:
        date = series.dates.index(day)
        rng = np.random.default_rng(seed * 100 + date)
        bands, truth = paste(series, date, fills, rng)
        state = ground_state(bands, series.clear[date])
        seen, _ = ours(states[:date], reach, state)
        masks = (
            two_dates(series, date, bands),
            plain_rank(states[:date], reach, state),
            [as_mask(s.rows, s.cols, state.shape) for s in seen],
        )
        out[day] = {}
        for name, objects in zip(METHODS, masks, strict=True):
            found, false = match(objects, truth)
            out[day][name] = (found, len(truth), false)
    return out


def main() -> None:
    """Print a table over seeds; the row without fills shows what the drawdown alone raises."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with Boadella_*.tif")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--fills", type=int, default=14)
    args = parser.parse_args()
    series = load(args.data)
    print("dates used:", ", ".join(series.dates))
    for fills in (0, args.fills):
        results = [run(series, fills, s) for s in range(args.seeds if fills else 1)]
        print(f"\n{fills} fills a date, {len(results)} seed(s): found / pasted, false")
        for day in LATE:
            for name in METHODS:
                found, pasted, false = np.sum([r[day][name] for r in results], axis=0)
                print(f"  {day}  {name:16s} {found:4d} / {pasted:3d}  false {false:4d}")


if __name__ == "__main__":
    main()
