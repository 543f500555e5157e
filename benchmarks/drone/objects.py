"""Objects of simulated pairs: found, false, and how well measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from scipy import ndimage
from scipy.optimize import linear_sum_assignment

from benchmarks.drone.readers import ArrayReader
from pipeline.detect.surface_single import SingleOptions
from pipeline.detect.surface_types import FlightObject, Measure
from pipeline.model import Grid
from pipeline.passes.flight_single import single_objects
from pipeline.passes.flights import FlightOptions, compare_pictures, compare_surfaces
from pipeline.passes.known_structures import KNOWN_M, KNOWN_SHARE
from pipeline.prepare.flight_moved import moved
from pipeline.prepare.flight_register import PictureRegisterOptions, register_pictures
from sample_scenes.drone_pair import Pair, PairOptions, make_pair

MIN_IOU, MIN_COVER = 0.2, 0.3
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Scored:
    """One true object, with what was found of it."""

    seed: int
    kind: str
    name: str
    found: str | None  # kind that was given to it
    iou: float
    truth: float  # m³ of the volume that its kind is about
    volume: Measure | None
    height: float
    height_found: Measure | None
    area_m2: float  # of the ground that changed
    area_found: Measure | None


@dataclass(frozen=True)
class SeedScore:
    """One pair."""

    seed: int
    objects: tuple[Scored, ...]
    false: tuple[str, ...]  # kinds of unmatched candidates
    candidates: int


def grid_of(pair: Pair) -> Grid:
    """Give the grid of a pair."""
    affine = Affine(pair.gsd_m, 0, 500000, 0, -pair.gsd_m, 3500000)
    return Grid("EPSG:32650", affine, (pair.before.height.shape[0], pair.before.height.shape[1]))


def score_surface(seed: int, options: PairOptions | None = None) -> SeedScore:
    """Lay one pair with surfaces onto each other, as an inspection does, and score it."""
    pair = make_pair(seed, options)
    grid = grid_of(pair)
    before, after = ArrayReader.of(pair.before), ArrayReader.of(pair.after)
    old, new = (ArrayReader.of(f, surface=False) for f in (pair.before, pair.after))
    laid = register_pictures(old, new, grid, PictureRegisterOptions())
    later, error_m = moved(after, laid.map), laid.error_px * grid.res_m
    got = compare_surfaces(before, later, grid, FlightOptions(), error_m)
    return score(seed, pair, got.objects, got.grid.shape)


def score_pictures(seed: int, options: PairOptions | None = None) -> SeedScore:
    """Run one pair without surfaces and score it."""
    pair = make_pair(seed, options)
    before, after = (ArrayReader.of(f, surface=False) for f in (pair.before, pair.after))
    got = compare_pictures(before, after, grid_of(pair), FlightOptions())
    return score(seed, pair, got.objects, got.grid.shape)


def score_single(seed: int, options: PairOptions | None = None) -> SeedScore:
    """Run the later flight of a pair alone, less what stands there on both dates."""
    pair = make_pair(seed, options)
    got = single_objects(
        ArrayReader.of(pair.after), grid_of(pair), FlightOptions(), SingleOptions()
    )
    shape = got.grid.shape
    step = round(pair.before.height.shape[0] / shape[0])
    known = ndimage.binary_dilation(
        _cells(pair.standing, step, shape), iterations=round(KNOWN_M / (step * pair.gsd_m))
    )
    own = [o for o in got.objects if known[o.rows, o.cols].mean() < KNOWN_SHARE]
    truth = tuple(t for t in pair.truth if t.kind != "removed")
    return score(seed, replace(pair, truth=truth), own, shape)


def score(
    seed: int, pair: Pair, objects: Sequence[FlightObject], shape: tuple[int, int]
) -> SeedScore:
    """Match one to one and look up what is true."""
    step = round(pair.before.height.shape[0] / shape[0])
    truth = [_cells(t.mask, step, shape) for t in pair.truth]
    found = [mask_of(o, shape) for o in objects]
    match, iou = matched(truth, found)
    rows: list[Scored] = []
    for i, t in enumerate(pair.truth):
        o = objects[match[i]] if i in match else None
        up = t.kind in ("structure", "pile", "fill")
        rows.append(
            Scored(
                seed, t.kind, t.name, None if o is None else o.kind.value,
                iou[i, match[i]] if i in match else 0.0,
                t.fill_m3 if up else t.cut_m3,
                None if o is None else (o.fill_m3 if up else o.cut_m3),
                t.height_m, None if o is None else o.height_m,
                float(t.mask.sum()) * pair.gsd_m**2, None if o is None else o.footprint_m2,
            )
        )  # fmt: skip
    false = tuple(o.kind.value for k, o in enumerate(objects) if k not in match.values())
    return SeedScore(seed, tuple(rows), false, len(objects))


def mask_of(found: FlightObject, shape: tuple[int, int]) -> Mask:
    """Burn an object."""
    out = np.zeros(shape, bool)
    out[found.rows, found.cols] = True
    return out


def _cells(mask: Mask, step: int, shape: tuple[int, int]) -> Mask:
    padded = np.zeros((shape[0] * step, shape[1] * step), bool)
    padded[: mask.shape[0], : mask.shape[1]] = mask
    return padded.reshape(shape[0], step, shape[1], step).mean(axis=(1, 3)) >= 0.5


def matched(
    truth: Sequence[Mask], found: Sequence[Mask]
) -> tuple[dict[int, int], NDArray[np.float64]]:
    """Pair true and found objects: IoU of 0.2 or more, and 30 % of the true one covered."""
    iou = np.zeros((len(truth), max(len(found), 1)))
    good = np.zeros(iou.shape, bool)
    for i, t in enumerate(truth):
        for j, f in enumerate(found):
            both = int((t & f).sum())
            iou[i, j] = both / max(int((t | f).sum()), 1)
            good[i, j] = iou[i, j] >= MIN_IOU and both >= MIN_COVER * t.sum()
    rows, cols = linear_sum_assignment(np.where(good, 1000 + iou, 0), maximize=True)
    pairs = {int(i): int(j) for i, j in zip(rows, cols, strict=True) if good[i, j]}
    return pairs, iou
