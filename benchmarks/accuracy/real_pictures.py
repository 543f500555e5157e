"""Pairs of colour pictures without calibration, with the program's comparison of pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from skimage.filters import threshold_otsu
from skimage.io import imread
from skimage.transform import downscale_local_mean

from benchmarks.accuracy.real_baselines import auc
from benchmarks.accuracy.real_masks import labelled
from benchmarks.accuracy.report import Cell, Table
from pipeline.detect.image_change import (
    PictureOptions,
    compare,
    judgeable,
    objects,
    ranks_of,
    scales_of,
    strength,
    tally_colours,
    tally_fields,
)

Mask = NDArray[np.bool_]
Picture = NDArray[np.uint8]
AS_RUN, EVERY = 2.0, 1000.0  # objects kept per km²: as the program keeps them, and all


def pairs_table(folder: Path, res_m: float, by: int) -> Table:
    """Measure all pairs of a folder with A, B and label, ``by`` pixels joined to one."""
    names = sorted(p.name for p in (folder / "A").glob("*.png"))
    sums: dict[str, list[NDArray[np.float64]]] = {"ours": [], "grey": [], "label": []}
    kept = {AS_RUN: [0, 0, 0], EVERY: [0, 0, 0]}
    true = 0
    for name in names:
        before, after = (_read(folder / part / name, by) for part in ("A", "B"))
        label = _label(folder / "label" / name, by)
        field, inside = _strength(before, after)
        truth = [t for t in labelled(label) if t.sum() * (res_m * by) ** 2 >= 100]
        true += len(truth)
        for per_km2, count in kept.items():
            found = _objects(field, inside, res_m * by, per_km2)
            count[0] += len(found)
            union = np.logical_or.reduce(found) if found else np.zeros(label.shape, bool)
            count[1] += sum(bool((union & t).sum() >= 0.3 * t.sum()) for t in truth)
            count[2] += sum(bool((f & label).sum() < 0.1 * f.sum()) for f in found)
        grey = np.abs(after.mean(axis=0) - before.mean(axis=0)).astype(np.float64)
        sums["ours"].append(field[inside].astype(np.float64))
        sums["grey"].append(grey[inside])
        sums["label"].append(label[inside].astype(np.float64))
    label = np.concatenate(sums["label"]) > 0.5
    rows: list[tuple[Cell, ...]] = []
    for what, key in (("this project", "ours"), ("difference of grey, Otsu", "grey")):
        value = np.concatenate(sums[key])
        cut = 1.5 if key == "ours" else float(threshold_otsu(value))
        mask = value >= cut
        rows.append(
            (
                what,
                auc(value, label, ~label),
                float(mask[label].mean()),
                float(mask[~label].mean()),
                None, None, None,
            )
        )  # fmt: skip
    for per_km2, count in kept.items():
        what = "… objects as a run keeps them" if per_km2 == AS_RUN else "… all objects"
        rows.append((what, None, None, None, f"{count[1]} of {true}", count[0], count[2]))
    columns = (
        "method", "AUC", "changed flagged", "unchanged flagged", "changed objects ≥ 100 m² touched",
        "objects", "of them with less than a tenth of change",
    )  # fmt: skip
    note = (
        "Three colours cannot tell a roof from bare ground, ground from turbid water, or a season "
        "from a change; such objects are leads to look at, never certain, and no case without "
        "other evidence. The tiles were chosen by others for holding change."
    )
    return Table(
        f"Pictures of {res_m:g} m compared at {res_m * by:g} m ({folder.name}, {len(names)} pairs)",
        columns,
        tuple(rows),
        note,
    )


def _read(path: Path, by: int) -> Picture:
    image = imread(path)[..., :3]
    small = downscale_local_mean(image, (by, by, 1)) if by > 1 else image
    return np.ascontiguousarray(np.moveaxis(np.rint(small), -1, 0).astype(np.uint8))


def _label(path: Path, by: int) -> Mask:
    image = imread(path)
    flat = image if image.ndim == 2 else image[..., 0]
    return downscale_local_mean((flat > 127).astype(np.float64), (by, by)) >= 0.5


def _strength(before: Picture, after: Picture) -> tuple[NDArray[np.float32], Mask]:
    options = PictureOptions()
    mask = np.ones(before.shape[1:], bool)
    ranks = ranks_of(tally_colours(before, mask)), ranks_of(tally_colours(after, mask))
    fields = compare(before, after, ranks, options)
    return strength(fields, scales_of(tally_fields(fields, mask))), judgeable(mask, options)


def _objects(field: NDArray[np.float32], inside: Mask, res_m: float, per_km2: float) -> list[Mask]:
    options = PictureOptions(per_km2=per_km2)
    rows, cols = (i.astype(np.int32) for i in np.nonzero(inside & (field >= options.grow)))
    area = res_m**2
    out: list[Mask] = []
    for change in objects(rows, cols, field[rows, cols], area, field.size * area / 1e6, options):
        mask = np.zeros(field.shape, bool)
        mask[change.rows, change.cols] = True
        out.append(mask)
    return out
