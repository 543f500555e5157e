"""How well real pairs are registered: known sub-pixel shifts are added and recovered.

Usage: python -m benchmarks.accuracy.real_registration --data ../shared/data [--out out/accuracy]

How far a real pair truly lies apart nobody knows. So each moving image is shifted by known amounts
(cubic spline), and the *difference* of what is found with and without is held against the amount.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks.accuracy.real_cli import said_alone
from benchmarks.accuracy.real_masks import shrunk
from benchmarks.accuracy.report import Cell, Section, Table
from benchmarks.boadella_fills import load
from pipeline.prepare.register import (
    RegisterOptions,
    Vote,
    lattice_windows,
    vote,
    window_shift,
)

Image = NDArray[np.float32]
Mask = NDArray[np.bool_]
PART = ((250, 650), (250, 650))  # of the Slovenian images, for speed
SHIFTS = ((0.3, -0.7), (-0.55, 0.2), (1.4, 0.9))


@dataclass(frozen=True)
class Pair:
    """Two red bands on one grid, and where both show clear land."""

    site: str
    name: str
    first: Image
    second: Image
    ok: Mask
    res_m: float


def measure(data: Path, out: Path) -> Section:
    """Register all pairs; ``out`` takes no picture here."""
    del out
    rows: list[tuple[Cell, ...]] = []
    every: list[float] = []
    for pair in _pairs(data):
        plain = shift_between(pair.first, pair.second, pair.ok)
        if not plain.known:
            rows.append((pair.site, pair.name, "not registered", None, None, None, None, 0))
            continue
        errors: list[float] = []
        for dy, dx in SHIFTS:
            moved = np.asarray(
                ndimage.shift(pair.second, (dy, dx), order=3, mode="nearest"), np.float32
            )
            seen = ndimage.shift(pair.ok.astype(np.float32), (dy, dx), order=1) > 0.99
            found = shift_between(pair.first, moved, pair.ok & seen)
            if found.known:
                errors.append(float(np.hypot(found.dy - plain.dy - dy, found.dx - plain.dx - dx)))
        every += errors
        rows.append(
            (
                pair.site, pair.name, f"{plain.dy:+.2f}, {plain.dx:+.2f}", plain.residual_px,
                plain.residual_px * pair.res_m, _rms(errors), max(errors, default=float("nan")),
                len(errors),
            )
        )  # fmt: skip
    columns = (
        "site", "pair", "shift found (row, col) [px]", "residual said [px]", "residual said [m]",
        "error of added shifts, RMS [px]", "largest [px]", f"of {len(SHIFTS)} recovered",
    )  # fmt: skip
    note = (
        "Residual: 1 sigma per axis that one place must still expect, as the program tells its "
        "detectors. 13 January of Boadella is hazy. The Landsat pairs lie years apart and the "
        "120 m pixels of Slovenia hide most of what moves."
    )
    numbers = {"registration_rms_px": _rms(every)} if every else {}
    absent = "" if rows else f"Not measured: no imagery in {data}."
    table = Table("Residual of registration on real pairs", columns, tuple(rows), note)
    return Section(
        "real_registration", "Registration of real pairs", (table,) if rows else (), numbers, absent
    )


def _rms(values: list[float]) -> float:
    return float(np.sqrt(np.mean(np.square(values)))) if values else float("nan")


def shift_between(first: Image, second: Image, ok: Mask) -> Vote:
    """Register two images as the program does: windows of a lattice, and their vote."""
    options = RegisterOptions()
    shifts = [
        window_shift(
            np.ascontiguousarray(first[w.row0 : w.row1, w.col0 : w.col1]),
            np.ascontiguousarray(second[w.row0 : w.row1, w.col0 : w.col1]),
            np.ascontiguousarray(ok[w.row0 : w.row1, w.col0 : w.col1]),
            options,
        )
        for w in lattice_windows(first.shape, options.size_px, options.stride_px)
    ]
    return vote([s for s in shifts if s is not None], options)


def _pairs(data: Path) -> Iterator[Pair]:
    yield from _boadella(data / "s2_l2a_boadella_reservoir")
    yield from _slovenia(data / "s2_l2a_multidate_slovenia_120m" / "sentinel-2-l2a")
    yield from _guatemala(data / "landsat7_river_pair_guatemala")


def _boadella(folder: Path) -> Iterator[Pair]:
    if not folder.is_dir():
        return
    series = load(folder)
    red, green, dark = (series.bands[n] for n in ("red", "green", "swir16"))
    land = ~((green > dark) & series.clear).any(axis=0)
    first = series.dates.index("2020-06-21")
    for k, day in enumerate(series.dates):
        if k != first:
            ok = series.clear[first] & series.clear[k] & land
            one, two = (np.nan_to_num(red[i]) for i in (first, k))
            yield Pair("Boadella, Sentinel-2", f"{series.dates[first]} – {day}", one, two, ok, 10)


def _slovenia(folder: Path) -> Iterator[Pair]:
    looks: list[tuple[str, Image, Mask]] = []
    for item in sorted(folder.glob("S2*")):
        with rasterio.open(item / "B04.tif") as src:
            red = src.read(1, window=PART).astype(np.float32)
        with rasterio.open(item / "SCL.tif") as src:
            classes = src.read(1, window=PART)
        clear = np.isin(classes, (4, 5, 7)) & (red > 0)
        looks.append((item.name.split("_")[2], red, clear))
    looks.sort(key=lambda k: k[0])
    for (a, one, seen), (b, two, also) in pairwise(looks):
        ok = shrunk(seen & also)
        yield Pair("Slovenia, Sentinel-2 at 120 m", f"{a} – {b}", one, two, ok, 120)


def _guatemala(folder: Path) -> Iterator[Pair]:
    files = sorted(folder.glob("*_stack.gtif"))
    if len(files) < 2:
        return
    stacks: list[NDArray[np.float32]] = []
    for path in files:
        with rasterio.open(path) as src:
            stacks.append(src.read().astype(np.float32))
    ok = np.logical_and.reduce(
        [np.isfinite(s).all(axis=0) & (s[:4] > 0).all(axis=0) for s in stacks]
    )
    dry = np.logical_and.reduce([s[1] < s[4] for s in stacks])  # green below SWIR: no water
    one, two = stacks[0][2], stacks[1][2]
    yield Pair("Guatemala, Landsat 7", "1999-11-18 – 2002-04-16", one, two, ok & dry, 30)


if __name__ == "__main__":
    said_alone(measure, __doc__)
