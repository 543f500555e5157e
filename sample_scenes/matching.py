"""Which candidate found which object: one to one, and everything that is left is false."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from scipy.optimize import linear_sum_assignment
from shapely.geometry.base import BaseGeometry

MIN_IOU, MIN_COVER = 0.2, 0.3


@dataclass(frozen=True, slots=True)
class Pair:
    """An object and the candidate that found it, by their positions."""

    object: int
    candidate: int
    iou: float
    covered: float  # 0..1 of the object


def match(objects: Sequence[BaseGeometry], candidates: Sequence[BaseGeometry]) -> list[Pair]:
    """Assign candidates to objects so that most are found, then by the sum of IoU.

    A candidate finds an object with an IoU of 0.2 or more and 30 % or more of it covered; both in
    one projected CRS [m].
    """
    if not objects or not candidates:
        return []
    a = np.array(objects, dtype=object)[:, None]
    b = np.array(candidates, dtype=object)[None, :]
    common = shapely.area(shapely.intersection(a, b))
    iou = common / np.maximum(shapely.area(a) + shapely.area(b) - common, 1e-9)
    covered = common / np.maximum(shapely.area(a), 1e-9)
    good = (iou >= MIN_IOU) & (covered >= MIN_COVER)
    rows, cols = linear_sum_assignment(np.where(good, 1000 + iou, 0), maximize=True)
    return [
        Pair(int(i), int(j), float(iou[i, j]), float(covered[i, j]))
        for i, j in zip(rows, cols, strict=True)
        if good[i, j]
    ]
