"""Whether tiles are parts of one image: of one lattice, and beside each other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import shapely
from affine import Affine
from shapely import STRtree

from pipeline.acquire.inbox.reasons import refuse
from pipeline.acquire.inbox.tiff import Header

_LATTICE = 0.05  # px that tiles may lie off the lattice of the first
# Of the smaller of two tiles, and px across: tools let neighbours share a seam of some pixels, and
# a last row of a mosaic may be all seam. More is the same ground twice, of which one would be lost.
_SHARED, _SEAM_PX = 0.1, 64
_NAMED = 3  # pairs that a sentence names


def check_tiles(headers: Sequence[Header]) -> None:
    """Refuse tiles that are no parts of one image.

    Raises
    ------
    SubmissionRefusedError
        Another CRS, other bands or pixels than the first; or two show the same ground.
    """
    first = headers[0]
    for other in headers[1:]:
        what = ""
        if other.crs != first.crs:
            what = "CRS 坐标系"
        elif (other.count, other.dtype) != (first.count, first.dtype):
            what = "bands 波段"
        elif not _on_lattice(first.transform, other.transform):
            what = "pixels 像元"
        if what:
            raise refuse("tiles", what=f"{first.name}, {other.name}: {what}")
    _check_apart(headers)


def _on_lattice(a: Affine, b: Affine) -> bool:
    if abs(a.a / b.a - 1) > 1e-6 or abs(a.e / b.e - 1) > 1e-6:
        return False
    col, row = (b.c - a.c) / a.a, (b.f - a.f) / a.e
    return abs(col - round(col)) < _LATTICE and abs(row - round(row)) < _LATTICE


def _check_apart(headers: Sequence[Header]) -> None:
    """Refuse two that show the same ground; frames in pixels of the first."""
    scale = np.array([headers[0].transform.a, -headers[0].transform.e] * 2)
    with np.errstate(over="ignore"):
        edges = np.array([h.bounds for h in headers]) / scale
    if len(headers) < 2 or not np.isfinite(edges).all():
        return  # pixels of no size, which the caller refuses by their size
    frames = shapely.box(*edges.T)
    pairs = STRtree(frames).query(frames, predicate="intersects")
    one, two = pairs[:, pairs[0] < pairs[1]]
    common = shapely.intersection(frames[one], frames[two])
    left, bottom, right, top = shapely.bounds(common).reshape(-1, 4).T
    across = np.minimum(right - left, top - bottom)
    least = np.minimum(shapely.area(frames[one]), shapely.area(frames[two]))
    twice = np.flatnonzero((shapely.area(common) > _SHARED * least) & (across > _SEAM_PX))
    if twice.size:
        named = [f"{headers[one[i]].name}, {headers[two[i]].name}" for i in twice[:_NAMED]]
        raise refuse("tiles", what=f"{'; '.join(named)}: the same ground 覆盖同一地面")
