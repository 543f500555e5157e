"""What the square looks like on a date, as files of 10 and 20 m and the producer's classes."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks.speed.bands import COARSE, FINE, KEYS
from benchmarks.speed.ground import EPSG, LEFT, RES, SIDE, TOP, Image, River
from benchmarks.speed.tiff import Layout, compressed, write_tiff

FIRST = datetime(2024, 1, 3, 3, 0, 0, tzinfo=UTC)
_WATER = {"blue": 0.05, "green": 0.07, "red": 0.05, "nir": 0.03, "swir16": 0.015, "swir22": 0.01}
_SOIL = {"blue": 0.10, "green": 0.13, "red": 0.17, "nir": 0.22, "swir16": 0.28, "swir22": 0.24}
_GRASS = {"blue": 0.04, "green": 0.07, "red": 0.05, "nir": 0.30, "swir16": 0.18, "swir22": 0.10}
_CLOUD = {"blue": 0.6, "green": 0.58, "red": 0.57, "nir": 0.6, "swir16": 0.35, "swir22": 0.3}
_NOISE = 0.0028  # of a date [reflectance]: blocks then compress about twice
_SHARED = 6  # blocks for all places without the river
_FILL_PX = 24


@dataclass(frozen=True)
class Day:
    """One overpass."""

    index: int
    when: datetime
    filled: bool = False  # banks were filled before it

    @property
    def name(self) -> str:
        """Id of its scene."""
        return f"S2A_SPEED_{self.when:%Y%m%d}"


def days(history: int, new: int, every: timedelta) -> list[Day]:
    """Give overpasses over two years and then new ones, a week apart, after banks were filled."""
    old = [Day(i, FIRST + every * i) for i in range(history)]
    after = (old[-1].when if old else FIRST) + timedelta(days=5)
    return old + [Day(history + i, after + timedelta(days=5 * i), filled=True) for i in range(new)]


@dataclass(frozen=True)
class Square:
    """Writes the files of dates."""

    river: River
    folder: Path
    texture_seed: int = 1
    _heights: dict[tuple[int, int], Image] = field(default_factory=dict[tuple[int, int], Image])

    @cached_property
    def _texture(self) -> Image:
        """Of the ground, the same on all dates: patches of fields and their grain."""
        rng = np.random.default_rng(self.texture_seed)
        size = 2 * self.river.block
        grain = ndimage.gaussian_filter(rng.normal(0, 1, (size, size)), 1.2, mode="wrap") * 0.35
        field_ = ndimage.gaussian_filter(rng.normal(0, 1, (size, size)), 9, mode="wrap") * 2.5
        return (1 + np.clip(grain + field_, -0.5, 0.8)).astype(np.float32)

    def write(self, wanted: Sequence[Day], threads: int = 2) -> None:
        """Write all files of some dates; those that are there already are left alone."""
        todo = [d for d in wanted if not (self.folder / f"{d.name}_SCL.tif").exists()]
        self.folder.mkdir(parents=True, exist_ok=True)
        _ = self._texture
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(self._write_day, todo))

    def _write_day(self, day: Day) -> None:
        block, cells = self.river.block, self._cells()
        own: dict[str, dict[tuple[int, int], bytes]] = {b: {} for b in KEYS}
        fine, coarse = set(self.river.touched(RES)), set(self.river.touched(2 * RES))
        for row, col in cells:
            bands, cloud = self._cell(day, (row, col))
            for i in (0, 1):
                for j in (0, 1):
                    place = (2 * row + i, 2 * col + j)
                    if place in fine:
                        part = (
                            slice(i * block, (i + 1) * block),
                            slice(j * block, (j + 1) * block),
                        )
                        for b in FINE:
                            own[b][place] = compressed(_stored(bands[b][part]))
            if (row, col) in coarse:
                for b in COARSE:
                    own[b][row, col] = compressed(_stored(bands[b][::2, ::2]))
                classes = np.where(cloud, 9, 4).astype(np.uint8)[::2, ::2]
                own["scl"][row, col] = compressed(classes)
        shared = self._shared(day)
        for b, key in sorted(KEYS.items()):
            coarse_band = b not in FINE
            layout = Layout(
                SIDE // 2 if coarse_band else SIDE, block, 2 * RES if coarse_band else RES,
                LEFT, TOP, EPSG, np.uint8 if b == "scl" else np.uint16,
            )  # fmt: skip
            write_tiff(self.folder / f"{day.name}_{key}.tif", layout, own[b], shared[b])

    def _cells(self) -> list[tuple[int, int]]:
        """Places of coarse blocks; a cell is one of them and the four fine ones that it covers."""
        fine = {(r // 2, c // 2) for r, c in self.river.touched(RES)}
        return sorted(fine | set(self.river.touched(2 * RES)))

    def _cell(self, day: Day, place: tuple[int, int]) -> tuple[dict[str, Image], NDArray[np.bool_]]:
        size = 2 * self.river.block
        row0, col0 = place[0] * size, place[1] * size
        if place not in self._heights:
            self._heights[place] = self.river.height(row0, col0, (size, size))
        height = self._heights[place]
        rng = np.random.default_rng([day.index, *place])
        level = 0.6 + 0.5 * np.sin(day.index / 3)
        texture = np.roll(self._texture, (place[0] * 137, place[1] * 211), (0, 1))
        season = 1 + 0.15 * np.sin(2 * np.pi * day.when.timetuple().tm_yday / 365.25)
        cloud = np.zeros(height.shape, bool)
        if rng.random() < 0.3:
            r, c = (int(v) for v in rng.integers(0, size - 80, 2))
            cloud[r : r + 60, c : c + 80] = True
        bands: dict[str, Image] = {}
        for b, dark in _WATER.items():
            land = np.where(height < 1.3, _SOIL[b], _GRASS[b] * season) * texture
            value = np.where(height < level, dark, np.maximum(land, 0.02)).astype(np.float32)
            if day.filled:
                _fill(value, height, _SOIL[b] * 1.1)
            value += rng.normal(0, _NOISE, height.shape).astype(np.float32)
            value[cloud] = _CLOUD[b]
            bands[b] = value
        return bands, cloud

    def _shared(self, day: Day) -> dict[str, list[bytes]]:
        """Blocks of fields without a river, for everywhere else."""
        n = self.river.block
        out: dict[str, list[bytes]] = {}
        for b in (*FINE, *COARSE):
            out[b] = []
            for k in range(_SHARED):
                rng = np.random.default_rng([day.index, k])
                texture = np.roll(self._texture, (k * 97, k * 31), (0, 1))[:n, :n]
                noise = rng.normal(0, _NOISE, (n, n)).astype(np.float32)
                out[b].append(compressed(_stored(_GRASS[b] * texture + noise)))
        out["scl"] = [compressed(np.full((n, n), 4, np.uint8))]
        return out


def _fill(value: Image, height: Image, reflectance: float) -> None:
    """Lay a fill on the bank once in a cell, where water nearly always was."""
    shore = np.argwhere((height > -0.2) & (height < 0.0))
    if len(shore):
        r, c = shore[len(shore) // 2]
        part = (
            slice(max(r - _FILL_PX, 0), r + _FILL_PX),
            slice(max(c - _FILL_PX, 0), c + _FILL_PX),
        )
        value[part] = np.where(height[part] > -0.5, reflectance, value[part])


def _stored(values: Image) -> NDArray[np.uint16]:
    return np.rint(values.clip(0.0001, 1.5) * 10_000).astype(np.uint16)
