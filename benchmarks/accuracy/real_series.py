"""A long series from real dates, with recorded perturbations, as files that a workflow reads."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks.accuracy.real_masks import floats
from benchmarks.accuracy.real_objects import Thing, paste
from benchmarks.accuracy.real_scene import CRS, NAMES, Bands, Image, Mask, Scene, look

FIRST = date(2021, 1, 4)
HAZE = {"blue": 1.0, "green": 0.75, "red": 0.6, "nir": 0.35, "swir16": 0.08, "swir22": 0.04}
# Fresh snow, Wiscombe & Warren 1980 (doi:10.1175/1520-0469(1980)037<2712:AMFTSA>2.0.CO;2), thin.
SNOW = {"blue": 0.55, "green": 0.55, "red": 0.54, "nir": 0.5, "swir16": 0.12, "swir22": 0.10}
S2 = {"blue": "B02", "green": "B03", "red": "B04", "nir": "B08", "swir16": "B11", "swir22": "B12"}
L8 = {n: f"SR_B{k}" for k, n in enumerate(NAMES, 2)}


@dataclass(frozen=True)
class Plan:
    """When looks are taken; days count from :data:`FIRST`."""

    history_days: int = 730
    patrol_days: int = 270
    history_every: float = 24.0
    patrol_every: float = 12.0
    drought: bool = False  # the patrol sees levels that the history never saw


@dataclass(frozen=True)
class Note:
    """What was done to one look, recorded beside the files."""

    day: float
    level: float
    turbid: float
    odd: bool
    gain: float
    band_gain: dict[str, float]
    haze: float
    shift: tuple[float, float]
    noise: float
    cloud: float
    snow: bool
    glint: bool

    @property
    def date(self) -> date:
        """The day of the look."""
        return FIRST + timedelta(days=int(self.day))


@dataclass(frozen=True)
class Seen:
    """One look as it is written."""

    note: Note
    bands: Bands
    cloud: Mask
    shadow: Mask


def schedule(plan: Plan, rng: np.random.Generator) -> list[Note]:
    """Draw days, levels and perturbations."""
    days: list[float] = []
    day = float(rng.uniform(0, 8))
    end = plan.history_days + plan.patrol_days
    while day < end:
        days.append(float(int(day)))
        every = plan.history_every if day < plan.history_days else plan.patrol_every
        day += float(rng.uniform(0.5, 1.5)) * every
    phase = float(rng.uniform(-20, 20))
    years = rng.normal(0, 0.06, 4)
    patrol = [k for k, d in enumerate(days) if d >= plan.history_days]
    jumped = int(rng.choice(patrol)) if patrol else -1
    notes: list[Note] = []
    for k, d in enumerate(days):
        wave = 0.72 + 0.3 * np.cos(2 * np.pi * (d - 130 - phase) / 365.25) + years[int(d // 365)]
        if plan.drought and d >= plan.history_days:
            wave -= 0.35 * min((d - plan.history_days) / 120, 1.0)
        level = float(np.clip(wave + rng.normal(0, 0.03), 0.03, 1.1))
        month = (FIRST + timedelta(days=int(d))).month
        shift = rng.normal(0, 0.25, 2)
        if k == jumped:
            shift = shift + np.array([1.0, -0.6])
        notes.append(
            Note(
                day=d,
                level=level,
                turbid=float(rng.uniform(0.4, 1)) if rng.random() < 0.12 else 0.0,
                odd=bool(rng.random() < 0.5),
                gain=float(rng.normal(1, 0.025)),
                band_gain={n: float(rng.normal(1, 0.01)) for n in NAMES},
                haze=float(abs(rng.normal(0, 0.006))),
                shift=(float(shift[0]), float(shift[1])),
                noise=float(rng.uniform(0.001, 0.003)),
                cloud=float(rng.uniform(0.05, 0.4)) if rng.random() < 0.35 else 0.0,
                snow=month in (1, 2) and rng.random() < 0.25,
                glint=month in (6, 7) and rng.random() < 0.25,
            )
        )
    return notes


def make_look(scene: Scene, note: Note, things: list[Thing], rng: np.random.Generator) -> Seen:
    """Put a look together, paste what stands, and perturb it as noted."""
    bands = look(scene, _day_of_year(note), note.level, note.odd, note.turbid)
    # Sand comes from the drawdown zone: what was dumped does not drown with the place it is from.
    low = look(scene, _day_of_year(note), min(note.level, 0.0), note.odd, note.turbid)
    paste(bands, things, note.day, low)
    if note.snow:
        _snow(scene, bands, rng)
    if note.glint:
        water = (scene.height < note.level - 0.05).astype(np.float32)
        streaks = _noise(scene.shape, 12, rng)
        for n in NAMES:
            bands[n] += np.float32(0.03) * water * np.clip(streaks, 0, 2).astype(np.float32)
    cloud, shadow = _clouds(scene, bands, note.cloud, rng)
    for n in NAMES:
        value = bands[n] * np.float32(note.gain * note.band_gain[n])
        value = value + np.float32(note.haze * HAZE[n])
        value = floats(ndimage.shift(value, note.shift, order=3, mode="nearest"))
        noise = floats(rng.normal(0, note.noise, value.shape))
        bands[n] = floats(np.clip(value + noise, 0.0005, 1.5))
    moved = [
        ndimage.shift(m.astype(np.float32), note.shift, order=1) > 0.5 for m in (cloud, shadow)
    ]
    return Seen(note, bands, moved[0], moved[1])


def _day_of_year(note: Note) -> float:
    return float(note.date.timetuple().tm_yday)


def _noise(shape: tuple[int, int], sigma: float, rng: np.random.Generator) -> NDArray[np.float64]:
    field = ndimage.gaussian_filter(rng.normal(size=shape), sigma, mode="wrap")
    return field / field.std()


def _snow(scene: Scene, bands: Bands, rng: np.random.Generator) -> None:
    """Lay thin snow over part of the land; trees keep half of it."""
    land = np.clip((scene.height - 1.02) / 0.1, 0, 1)
    lies = np.clip(_noise(scene.shape, 20, rng) + 0.3, 0, 1) * land
    trees = np.clip((bands["nir"] - 0.12) / 0.15, 0, 1)
    share = (lies * (1 - 0.6 * trees)).astype(np.float32)
    for n in NAMES:
        bands[n] = floats(share * np.float32(SNOW[n]) + (1 - share) * bands[n])


def _clouds(
    scene: Scene, bands: Bands, share: float, rng: np.random.Generator
) -> tuple[Mask, Mask]:
    """Lay clouds of the real clouded date over a share of the look, with shadows."""
    none = np.zeros(scene.shape, bool)
    if share <= 0:
        return none, none
    field = _noise(scene.shape, 18, rng)
    edge = float(np.quantile(field, 1 - share))
    alpha = np.clip((field - edge) / 0.25 + 0.5, 0, 1).astype(np.float32)
    thick = np.isfinite(scene.cloud["green"])
    cast = ndimage.shift(alpha, (-9, 7), order=1)
    for n in NAMES:
        white = np.where(thick, scene.cloud[n], 0.5)
        dark = bands[n] * (1 - np.float32(0.55) * cast)
        bands[n] = (alpha * np.maximum(white, 0.25) + (1 - alpha) * dark).astype(np.float32)
    return alpha > 0.1, (cast > 0.4) & (alpha <= 0.1)


@dataclass(frozen=True)
class Sensor:
    """How a look is written."""

    name: str
    table: str  # of config/sensors
    bands: dict[str, str]  # band -> key in the file name
    classes: str = ""  # "" none, scl, qa
    res: int = 10

    @property
    def pattern(self) -> str:
        """The folder source's pattern."""
        return r"x_(?P<date>\d{4}-\d{2}-\d{2})_(?P<band>[A-Za-z0-9_]+)\.tif"


SENSORS = {
    "s2-scl": Sensor("Sentinel-2 with SCL", "sentinel-2-l2a", S2, "scl"),
    "s2": Sensor("Sentinel-2 without SCL", "sentinel-2-l2a", S2),
    "landsat": Sensor("Landsat 8/9, 30 m", "landsat-c2-l2", L8, "qa", 30),
    "four": Sensor(
        "four bands, no SWIR", "sentinel-2-l2a", {k: S2[k] for k in ("blue", "green", "red", "nir")}
    ),
    "rgb": Sensor("RGB alone", "sentinel-2-l2a", {k: S2[k] for k in ("blue", "green", "red")}),
}


def write_look(folder: Path, seen: Seen, scene: Scene, sensor: Sensor, corner: Affine) -> None:
    """Write one look as one file a band, in the numbers and pixels of its sensor."""
    day = seen.note.date.isoformat()
    for band, key in sensor.bands.items():
        values = seen.bands[band]
        res = sensor.res
        if sensor.res == 30:
            values = _coarse(floats(ndimage.gaussian_filter(values, 1.2)), 3)
            packed = np.rint((values.clip(0.0005, 1.5) + 0.2) / 0.0000275)
        else:
            if band in ("swir16", "swir22"):
                values, res = _coarse(values, 2), 20
            packed = np.rint(values.clip(0.0005, 1.5) * 10_000)
        valid = _coarse(scene.valid.astype(np.float32), res // 10) > 0.99
        out = np.where(valid, packed, 0).astype(np.uint16)
        _write(folder / f"x_{day}_{key}.tif", out, res, corner)
    if sensor.classes == "scl":
        _write(folder / f"x_{day}_SCL.tif", _scl(seen, scene)[::2, ::2], 20, corner)
    elif sensor.classes == "qa":
        _write(folder / f"x_{day}_qa_pixel.tif", _qa(seen, scene), 30, corner)


def _coarse(values: Image, by: int) -> Image:
    if by == 1:
        return values
    h, w = values.shape
    return values.reshape(h // by, by, w // by, by).mean(axis=(1, 3))


def _scl(seen: Seen, scene: Scene) -> NDArray[np.uint8]:
    """Class a look as the producer would: bright ground is called cloud too."""
    b = seen.bands
    ndvi = (b["nir"] - b["red"]) / (b["nir"] + b["red"] + 0.01)
    out = np.where(ndvi > 0.4, 4, 5).astype(np.uint8)
    out[(b["green"] > b["swir16"]) & (ndvi < 0.2)] = 6
    out[(b["blue"] > 0.22) & (b["swir16"] > 0.15)] = 8
    out[(b["green"] > 0.3) & (b["swir16"] < 0.15) & (b["green"] > b["swir16"])] = 11
    out[seen.shadow] = 3
    out[seen.cloud] = 9
    out[~scene.valid] = 0
    return out


def _qa(seen: Seen, scene: Scene) -> NDArray[np.uint16]:
    bits = np.where(seen.cloud, 1 << 3, 1 << 6) | np.where(seen.shadow, 1 << 4, 0)
    h, w = bits.shape
    block = bits.reshape(h // 3, 3, w // 3, 3).max(axis=(1, 3))
    valid = _coarse(scene.valid.astype(np.float32), 3) > 0.99
    return np.where(valid, block, 1).astype(np.uint16)


def _write(path: Path, values: NDArray[np.generic], res: int, corner: Affine) -> None:
    transform = Affine(res, 0, corner.c, 0, -res, corner.f)
    with rasterio.open(
        path, "w", driver="GTiff", height=values.shape[0], width=values.shape[1], count=1,
        dtype=values.dtype, crs=CRS, transform=transform, nodata=0,
    ) as sink:  # fmt: skip
        sink.write(values, 1)


def write_notes(path: Path, notes: list[Note]) -> None:
    """Record every perturbation."""
    rows = [{"date": n.date.isoformat(), **asdict(n)} for n in notes]
    path.write_text(json.dumps(rows, indent=1), encoding="utf-8")
