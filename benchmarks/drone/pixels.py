"""Real pairs of colour pictures with masks of change: pixel F1 beside textbooks' methods."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from skimage.io import imread

from benchmarks.accuracy.real_baselines import cva, ir_mad, otsu
from pipeline.detect import image_change as older
from pipeline.detect.picture_change import (
    PictureChangeOptions,
    PicturePair,
    fields,
    light,
    scales,
    strength,
)
from pipeline.model import Cover, FlightCells, Window

Mask = NDArray[np.bool_]
Picture = NDArray[np.uint8]
Real = NDArray[np.float64]
OLDER_CUT = 1.5  # as the satellite pictures of the program are cut
_AS_TEXTURE = 0.5  # the weight that image_change gives another texture
OVER_PX = 6.0  # the half side of its texture window; scores of both sets were seen meanwhile


def pixel_f1(folder: Path) -> dict[str, float]:
    """Give F1 over all pixels of all pairs of a folder, by method."""
    masks: dict[str, list[Mask]] = {}
    labels: list[Mask] = []
    for path in sorted((folder / "A").glob("*.png")):
        before, after = (_read(folder / part / path.name) for part in ("A", "B"))
        label = imread(folder / "label" / path.name)
        labels.append((label if label.ndim == 2 else label[..., 0]) > 127)
        use = np.ones(labels[-1].shape, bool)
        a, b = before.astype(np.float32), after.astype(np.float32)
        older_strength = _older(before, after, use)
        smooth = gaussian_filter(older_strength, OVER_PX)
        for name, mask in (
            ("drone pictures", _drone(before, after)),
            ("satellite pictures (image_change)", older_strength >= OLDER_CUT),
            ("the same over 6 px, Otsu", otsu(smooth, use)),
            (
                "the same with right angles, Otsu",
                otsu(smooth + _AS_TEXTURE * _right_angles(before, after), use),
            ),
            ("change vectors + Otsu", otsu(cva(a, b, use), use)),
            ("IR-MAD + Otsu", otsu(ir_mad(a, b, use), use)),
        ):
            masks.setdefault(name, []).append(mask)
    return {name: _f1(own, labels) for name, own in masks.items()}


def _right_angles(before: Picture, after: Picture) -> Real:
    """Give how much more of a picture's outlines run along each other or across, in spreads.

    That is what tells buildings from fields: the sum of gradients by four times their direction.
    Each picture's own contrast is taken out.
    """
    old, new = (np.log(_squared(p) + 0.1) for p in (before, after))
    more = new - old
    away = more - np.median(more)
    return away / (1.4826 * np.median(np.abs(away)) + 1e-6)


def _squared(picture: Picture) -> Real:
    rows, cols = np.gradient(gaussian_filter(picture.mean(axis=0) / 255, 1.0))
    length, turn = np.hypot(rows, cols), 4 * np.arctan2(rows, cols)
    parts = [gaussian_filter(length * part(turn), OVER_PX) for part in (np.cos, np.sin)]
    found = np.hypot(*parts)
    return np.asarray(found / np.median(found), np.float64)


def _f1(masks: Sequence[Mask], labels: Sequence[Mask]) -> float:
    both = sum(int((m & t).sum()) for m, t in zip(masks, labels, strict=True))
    total = sum(int(m.sum()) + int(t.sum()) for m, t in zip(masks, labels, strict=True))
    return 2 * both / max(total, 1)


def _read(path: Path) -> Picture:
    return np.ascontiguousarray(np.moveaxis(imread(path)[..., :3], -1, 0))


def _drone(before: Picture, after: Picture) -> Mask:
    options = PictureChangeOptions()
    shape = (before.shape[1], before.shape[2])
    covers = np.full(shape, Cover.GROUND, np.uint8)
    pair = PicturePair(
        Window(0, shape[0], 0, shape[1]), _cells(before), _cells(after), (covers, covers)
    )
    got = fields(pair, light(pair, options), options)
    value = strength(got, scales([(*got, pair.seen)]), options)
    return np.asarray(value >= options.grow, bool)


def _cells(picture: Picture) -> FlightCells:
    shares = (picture / 255).astype(np.float32)
    return FlightCells(shares, None, np.ones(picture.shape[1:], bool), None, 1.0)


def _older(before: Picture, after: Picture, use: Mask) -> NDArray[np.float32]:
    options = older.PictureOptions()
    ranks = tuple(older.ranks_of(older.tally_colours(p, use)) for p in (before, after))
    got = older.compare(before, after, (ranks[0], ranks[1]), options)
    return older.strength(got, older.scales_of(older.tally_fields(got, use)))
