"""Water on labelled and unlabelled real imagery, with the program's own detection.

Usage: python -m benchmarks.accuracy.real_water --data ../shared/data [--out out/accuracy]

No threshold is fitted to the chip. The chip is level 1C (top of atmosphere) while the detector is
made for surface reflectance, so it is also measured after a standard Rayleigh path is taken off.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from skimage.filters import threshold_otsu
from skimage.io import imsave

from benchmarks.accuracy.real_cli import said_alone
from benchmarks.accuracy.report import Cell, Section, Table
from benchmarks.boadella_fills import load
from pipeline.detect.water import ground_state, water_score
from pipeline.model import Ground

Mask = NDArray[np.bool_]
Bands = dict[str, NDArray[np.float32]]
ORDER = {"blue": 1, "green": 2, "red": 3, "nir": 7, "swir16": 11, "swir22": 12}  # 0-based, of 13
# Rayleigh path reflectance, sun at 40 degrees (Vermote 1997, doi:10.1109/36.581987), rounded.
PATH = {"blue": 0.07, "green": 0.04, "red": 0.022, "nir": 0.009, "swir16": 0.001, "swir22": 0.0}


def measure(data: Path, out: Path) -> Section:
    """Measure water on the chip, inside the reservoir, and draw the narrow river."""
    title = "Water on real imagery"
    chips = data / "sen1floods11_spain" / "sample"
    tables: list[Table] = []
    numbers: dict[str, float] = {}
    absent: list[str] = []
    if chips.is_dir():
        tables.append(_chips(chips, numbers))
    else:
        absent.append("Sen1Floods11")
    if (data / "s2_l2a_boadella_reservoir").is_dir():
        tables.append(_reservoir(data / "s2_l2a_boadella_reservoir", numbers))
    else:
        absent.append("Boadella")
    if (data / "s2_l2a_bolzano").is_dir():
        tables.append(_narrow(data / "s2_l2a_bolzano" / "S2_L2A_sample.tif", out))
    else:
        absent.append("Bolzano")
    note = f"Not measured, the imagery is absent: {', '.join(absent)}." if absent else ""
    return Section("real_water", title, tuple(tables), numbers, note)


def _chips(folder: Path, numbers: dict[str, float]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for image in sorted((folder / "S2").glob("*_S2Hand.tif")):
        name = image.stem.removesuffix("_S2Hand")
        bands = reflectance(image)
        with rasterio.open(folder / "Labels" / f"{name}_LabelHand.tif") as src:
            label = src.read(1)
        surface = {n: np.maximum(v - np.float32(PATH[n]), 0.001) for n, v in bands.items()}
        for what, one in (("as it is (1C)", bands), ("path taken off", surface)):
            rows += [(name, what, *row) for row in _methods(one, label)]
    wanted = (
        ("water_f1", "this project", True),
        ("water_f1_surface", "this project", False),
        ("water_f1_known", "… known pixels only", True),
    )
    for key, method, as_it_is in wanted:
        mine = [r[3] for r in rows if r[2] == method and ("1C" in str(r[1])) == as_it_is]
        numbers[key] = float(np.mean([v for v in mine if isinstance(v, float)]))
    columns = ("chip", "reflectance", "method", "F1", "precision", "recall", "unknown")
    note = (
        "Unlabelled pixels (-1) count nowhere. *This project* calls a pixel water where the score "
        "is positive; *surely wet* leaves scores within 0.05 of zero unknown, and counts them as "
        "not water; *known pixels only* counts them nowhere. Best single threshold: fitted to the "
        "chip, which no method may do."
    )
    return Table("Hand-labelled chips of Sen1Floods11", columns, tuple(rows), note)


def reflectance(image: Path) -> Bands:
    """Read a chip of Sen1Floods11: bands by name, float32 (H, W)."""
    with rasterio.open(image) as src:
        values = src.read().astype(np.float32) * np.float32(1e-4)
    return {n: values[i] for n, i in ORDER.items()}


def _methods(bands: Bands, label: NDArray[np.int16]) -> list[tuple[Cell, ...]]:
    score = water_score(bands)
    state = ground_state(bands, np.ones(label.shape, bool), score=score)
    four = {n: bands[n] for n in ("blue", "green", "red", "nir")}
    use = label >= 0
    known = state != Ground.UNKNOWN
    unknown = float((~known & use).sum() / use.sum())
    rows: list[tuple[Cell, ...]] = [
        ("this project", *_f1(score > 0, label, use), 0.0),
        ("… surely wet", *_f1(state == Ground.WET, label, use), unknown),
        ("… known pixels only", *_f1(state == Ground.WET, label, use & known), unknown),
        ("… without SWIR", *_f1(water_score(four) > 0, label, use), 0.0),
    ]
    for name, dark in (("NDWI", "nir"), ("MNDWI", "swir16")):
        total = np.maximum(bands["green"] + bands[dark], 1e-3)
        index = (bands["green"] - bands[dark]) / total
        cuts = {"0": 0.0, "Otsu": float(threshold_otsu(index[use]))}
        tries = np.linspace(-0.6, 0.6, 49)
        cuts["best single threshold"] = float(
            max(tries, key=lambda t: _f1(index > t, label, use)[0])
        )
        rows += [(f"{name}, {k}", *_f1(index > t, label, use), 0.0) for k, t in cuts.items()]
    return rows


def _f1(water: Mask, label: NDArray[np.int16], use: Mask) -> tuple[float, float, float]:
    hit = int((water & (label == 1) & use).sum())
    precision = hit / max(int((water & use).sum()), 1)
    recall = hit / max(int(((label == 1) & use).sum()), 1)
    return 2 * precision * recall / max(precision + recall, 1e-9), precision, recall


def _reservoir(folder: Path, numbers: dict[str, float]) -> Table:
    series = load(folder)
    rows: list[tuple[Cell, ...]] = []
    outside: list[float] = []
    for i, day in enumerate(series.dates):
        bands = {n: a[i] for n, a in series.bands.items()}
        state = ground_state(bands, series.clear[i])
        clear = series.clear[i]
        full = series.outline & clear
        wet = state == Ground.WET
        inside = float((wet & full).sum() / max(wet.sum(), 1))
        outside.append(1 - inside)
        rows.append(
            (
                day,
                float((wet & full).sum() / full.sum()),
                float(((state == Ground.UNKNOWN) & full).sum() / full.sum()),
                float(((state == Ground.DRY) & full).sum() / full.sum()),
                inside,
            )
        )
    numbers["boadella_outside_share"] = max(outside)
    columns = ("date", "wet, of the outline", "unknown", "dry", "water inside the outline")
    note = (
        "The outline is the reservoir at full pool; the rest is drawdown. 13 January is hazy (the "
        "run sets it aside); 18 and 23 January are cloud."
    )
    return Table("Water inside the Boadella outline", columns, tuple(rows), note)


def _narrow(path: Path, out: Path) -> Table:
    with rasterio.open(path) as src:
        values = src.read()
    names = ("red", "green", "blue", "nir")
    bands = {n: values[i].astype(np.float32) * np.float32(1e-4) for i, n in enumerate(names)}
    state = ground_state(bands, values[0] > 0)
    picture(bands, state, values[4] == 6, out / "bolzano.png")
    wet = state == Ground.WET
    both = int((wet & (values[4] == 6)).sum())
    rows: list[tuple[Cell, ...]] = [
        ("this project, without SWIR [px]", int(wet.sum())),
        ("SCL water [px]", int((values[4] == 6).sum())),
        ("both [px]", both),
        ("unknown [px]", int((state == Ground.UNKNOWN).sum())),
    ]
    note = (
        "No label: bolzano.png shows the image, this project's water (blue) and unknown (magenta), "
        "and SCL's water. The rivers are followed where SCL breaks off; some metal roofs are "
        "unknown, a few wet."
    )
    return Table("A narrow river (Bolzano)", ("measure", "value"), tuple(rows), note)


def picture(
    bands: Mapping[str, NDArray[np.float32]], state: NDArray[np.uint8], other: Mask, path: Path
) -> None:
    """Draw the image, the states over it, and another mask over it, one below the other."""
    true = np.stack([bands["red"], bands["green"], bands["blue"]], -1)
    image = (np.clip(true / 0.25, 0, 1) * 255).astype(np.uint8)
    ours, theirs = image.copy(), image.copy()
    ours[state == Ground.WET] = (0, 160, 255)
    ours[state == Ground.UNKNOWN] = (255, 0, 255)
    theirs[other] = (0, 160, 255)
    path.parent.mkdir(parents=True, exist_ok=True)
    imsave(path, np.vstack([image, ours, theirs]), check_contrast=False)


if __name__ == "__main__":
    said_alone(measure, __doc__)
