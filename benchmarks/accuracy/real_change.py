"""Change on labelled real pairs: construction, and what colour alone cannot decide.

Usage: python -m benchmarks.accuracy.real_change --data ../shared/data [--out out/accuracy]

Taizhou: two Landsat 7 dates, sparse labels (unlabelled is not unchanged). The program wants several
looks before it says anything, so its rules for changed ground are asked here with one earlier date
as the whole history, the spread of the pair itself in place of the seasonal one. LEVIR and DSIFN:
colour pictures without calibration, the program's comparison of pictures. Sand mines: one colour
picture, which shows no change at all.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from scipy import ndimage
from skimage.filters import threshold_otsu

from benchmarks.accuracy.real_baselines import auc, cva, ir_mad, otsu
from benchmarks.accuracy.real_cli import said_alone
from benchmarks.accuracy.real_masks import grown
from benchmarks.accuracy.real_pictures import pairs_table
from benchmarks.accuracy.report import Cell, Section, Table
from pipeline.detect.change import deviation, flag, redness
from pipeline.detect.change_options import ChangeOptions
from pipeline.detect.features import MODELLED, features
from pipeline.detect.look_surface import BRIGHT, NDVI, Surface
from pipeline.detect.normal import NormalOptions
from pipeline.detect.regional import regional_offsets, tally_residuals
from pipeline.detect.water import ground_state, water_score
from pipeline.detect.water_frequency import N_BINS
from pipeline.model import Ground, Window

Mask = NDArray[np.bool_]
Stack = NDArray[np.float32]
NAMES = ("blue", "green", "red", "nir", "swir16", "swir22")
# Chander 2009 (doi:10.1016/j.rse.2009.01.007): ETM+ gain (high) and bias, solar irradiance.
GAIN = (0.778740, 0.798819, 0.621654, 0.639764, 0.126220, 0.043898)
BIAS = (-6.978740, -7.198819, -5.621654, -5.739764, -1.126220, -0.393898)
ESUN = (1997.0, 1812.0, 1533.0, 1039.0, 230.8, 84.90)
# Folder, pixel [m], and how many pixels a run joins: it compares at 2 m unless told otherwise.
PICTURES = (("levir_samples", 0.5, 4), ("levir_samples", 0.5, 1), ("dsifn_samples", 2.0, 1))
SUN_DEG = {"2000TM": 49.0, "2003TM": 37.0}  # of 17 March and 6 February, 10:15 local, 32.5 N


def measure(data: Path, out: Path) -> Section:
    """Measure the pairs; ``out`` takes no picture here."""
    del out
    tables: list[Table] = []
    numbers: dict[str, float] = {}
    absent: list[str] = []
    taizhou = data / "landsat_change_china" / "Taizhou"
    if taizhou.is_dir():
        tables.append(_taizhou(taizhou, numbers))
    else:
        absent.append("Taizhou")
    for name, res, by in PICTURES:
        if (data / name).is_dir():
            tables.append(pairs_table(data / name, res, by))
        elif name not in absent:
            absent.append(name)
    mines = data / "sandmine_s2_india" / "Observation0"
    if mines.is_dir():
        tables.append(_mines(mines))
    else:
        absent.append("sandmine_s2_india")
    note = f"Not measured, the imagery is absent: {', '.join(absent)}." if absent else ""
    return Section("real_change", "Change on labelled real pairs", tuple(tables), numbers, note)


def _reflectance(folder: Path, name: str) -> dict[str, Stack]:
    with rasterio.open(folder / name) as src:
        counts = src.read().astype(np.float32)
    sun = np.sin(np.radians(SUN_DEG[name]))
    out: dict[str, Stack] = {}
    for k, band in enumerate(NAMES):
        radiance = GAIN[k] * counts[k] + BIAS[k]
        toa = np.pi * radiance / (ESUN[k] * sun)
        # Path radiance by the darkest object (Chavez 1988), which keeps one percent of reflectance.
        out[band] = np.maximum(toa - max(np.percentile(toa, 0.1) - 0.01, 0), 0.001).astype(
            np.float32
        )
    return out


def two_dates(before: dict[str, Stack], after: dict[str, Stack]) -> tuple[Stack, Mask, Mask]:
    """Ask the program's rules for changed ground with one earlier date as history.

    Returns
    -------
    float32 (H, W)
        The larger of the deviations that count: lighter, or less green.
    bool (H, W), bool (H, W)
        Flagged, and judged at all (dry ground before).
    """
    scores = water_score(before), water_score(after)
    old, new = _modelled(before, scores[0]), _modelled(after, scores[1])
    clear = np.asarray(np.isfinite(new).all(axis=0) & np.isfinite(old).all(axis=0), np.bool_)
    was = ground_state(before, clear, score=scores[0])
    now = ground_state(after, clear, score=scores[1])
    shape = clear.shape
    window = Window(0, shape[0], 0, shape[1])
    land = (was == Ground.DRY) | (was == Ground.GREEN)

    def surface(spread: Stack) -> Surface:
        return Surface(
            window, new, old, spread, now, land, np.zeros(shape, bool), np.zeros(shape, bool),
            land, np.ones(shape, bool), np.full(shape, 2, np.uint16), np.ones(shape, np.uint16),
            np.where(land, 0, N_BINS - 1).astype(np.uint8), 0.2, 30.0,
        )  # fmt: skip

    options = ChangeOptions()
    floors = np.broadcast_to(NormalOptions().floors[:, None, None], new.shape)
    plain = surface(np.ascontiguousarray(floors))
    offsets = regional_offsets(tally_residuals(plain, window, 1), options)
    residual = np.abs(deviation(plain, offsets, options) * floors)
    judged = plain.ground
    middle = [1.4826 * float(np.median(r[judged & np.isfinite(r)])) for r in residual]
    spread = np.maximum(floors, np.array(middle, np.float32)[:, None, None]).astype(np.float32)
    whole = surface(np.ascontiguousarray(spread))
    z = deviation(whole, offsets, options)
    flags = flag(whole, z, options, lambda: redness(after["red"], after["green"]))
    found = np.asarray(ndimage.binary_propagation(flags.seed, mask=flags.marked), np.bool_)
    return np.nan_to_num(np.maximum(z[BRIGHT], -z[NDVI])).astype(np.float32), found, judged


def _modelled(bands: dict[str, Stack], score: Stack) -> Stack:
    named = features(bands, score)
    return np.stack([named[n] for n in MODELLED])


def _taizhou(folder: Path, numbers: dict[str, float]) -> Table:
    before, after = _reflectance(folder, "2000TM"), _reflectance(folder, "2003TM")
    with rasterio.open(folder / "change.bmp") as src:
        changed = src.read(1) > 0
    with rasterio.open(folder / "unchanged.bmp") as src:
        unchanged = src.read(1) > 0
    every = np.ones(changed.shape, bool)
    stacks = np.stack([before[n] for n in NAMES]), np.stack([after[n] for n in NAMES])
    strength, found, judged = two_dates(before, after)
    fields = {
        "change vectors, Otsu": cva(*stacks, every),
        "IR-MAD, Otsu": ir_mad(*stacks, every),
    }
    rows: list[tuple[Cell, ...]] = [
        (
            "this project's rules, one earlier date",
            auc(strength.astype(np.float64), changed, unchanged),
            *_scores(found, changed, unchanged),
            float(found.mean()),
        ),
    ]
    for name, field in fields.items():
        mask = otsu(field, every)
        row = (name, auc(field, changed, unchanged), *_scores(mask, changed, unchanged))
        rows.append((*row, float(mask.mean())))
    numbers["taizhou_f1"] = float(rows[0][4] or 0)
    numbers["taizhou_recall"] = float(rows[0][2] or 0)
    columns = ("method", "AUC", "recall", "unchanged flagged", "F1", "share of scene flagged")
    note = (
        f"{int(changed.sum())} changed and {int(unchanged.sum())} unchanged labelled pixels of "
        f"30 m; {float((changed & judged).sum() / changed.sum()):.0%} of the changed ones were dry "
        "ground in 2000 and are judged at all (water that became land is 乱占's and needs levels). "
        "In the program a history of one date never makes a case: fewer than eight looks stay on "
        "watch."
    )
    return Table(
        "Construction between 2000 and 2003 (Taizhou, Landsat 7)", columns, tuple(rows), note
    )


def _scores(mask: Mask, changed: Mask, unchanged: Mask) -> tuple[float, float, float]:
    hit, false = int((mask & changed).sum()), int((mask & unchanged).sum())
    recall = hit / int(changed.sum())
    precision = hit / max(hit + false, 1)
    return (
        recall,
        false / int(unchanged.sum()),
        2 * precision * recall / max(precision + recall, 1e-9),
    )


def _mines(folder: Path) -> Table:
    with rasterio.open(folder / "rgb.tif") as src:
        rgb = src.read().astype(np.float32)
    with rasterio.open(folder / "labels_mask_obs0.tif") as src:
        mined = src.read(1) > 0
    with rasterio.open(folder / "rivers_mask_obs0.tif") as src:
        near = src.read(1) > 0
    grey = rgb.mean(axis=0)
    energy = np.hypot(ndimage.sobel(grey, 0), ndimage.sobel(grey, 1))
    other = near & ~grown(mined, 2)
    fields = {
        "brightness": grey,
        "redness (red less blue)": rgb[0] - rgb[2],
        "texture (gradient in 11x11)": ndimage.uniform_filter(energy, 11),
    }
    rows: list[tuple[Cell, ...]] = []
    for name, field in fields.items():
        value = field.astype(np.float64)
        cut = threshold_otsu(value[near])
        flagged = float((value[other] > cut).mean())
        rows.append((name, auc(value, mined, other), float((value[mined] > cut).mean()), flagged))
    columns = ("measure", "AUC", "of mined pixels above Otsu", "of other ground above Otsu")
    note = (
        f"One date of three colours, {int(mined.sum())} labelled pixels of 10 m, against other "
        "ground of the same river polygon. The program refuses three colours without near "
        "infrared as a look, and one date shows no change: it finds nothing here and says so. The "
        "table says only what a picture alone could tell; the labels hold turbid water between "
        "the pits, too."
    )
    return Table("Scars of sand mines (Khordha, RGB, one date)", columns, tuple(rows), note)


if __name__ == "__main__":
    said_alone(measure, __doc__)
