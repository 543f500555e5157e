"""Whether tiles are parts of one image: of one lattice, and showing no ground in two ways."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from shapely import STRtree

from pipeline.acquire.inbox.reasons import refuse
from pipeline.acquire.inbox.tiff import BROKEN, Header, opened, unreadable

_LATTICE = 0.05  # px that tiles may lie off the lattice of the first
# Of the smaller of two tiles, and px across: tools let neighbours share a seam of some pixels, and
# a last row of a mosaic may be all seam. Where frames share more, pixels are read: blocks of a
# flight that lie at an angle share frames and no ground, and some tools write one image twice. The
# same ground in two pictures is refused, of which one would be lost.
_SHARED, _SEAM_PX = 0.1, 64
_BLOCKS, _BLOCK_PX = 4, 64  # blocks along each side of what is shared, and their side
_LOSSY = 8  # of 255: what JPEG leaves between two copies of one picture
_NOTHING = -9999.0  # heights from here down are marks of no height
_NAMED = 3  # pairs that a sentence names


def check_tiles(headers: Sequence[Header]) -> None:
    """Refuse tiles that are no parts of one image.

    Raises
    ------
    SubmissionRefusedError
        Another CRS, other bands or pixels than the first; two show the same ground, and not the
        same of it; or a block that both hold cannot be read.
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
    """Refuse two that show the same ground in two ways; frames in pixels of the first."""
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
    much = np.flatnonzero((shapely.area(common) > _SHARED * least) & (across > _SEAM_PX))
    corners = np.rint(np.stack([left, top, right - left, top - bottom], axis=1))
    twice = [i for i in much if _differ(headers[one[i]], headers[two[i]], corners[i] * scale)]
    if twice:
        named = [f"{headers[one[i]].name}, {headers[two[i]].name}" for i in twice[:_NAMED]]
        raise refuse("tiles", what=f"{'; '.join(named)}: the same ground 覆盖同一地面")


def _differ(a: Header, b: Header, common: NDArray[np.float64]) -> bool:
    """Tell whether two show different things where both show something.

    Parameters
    ----------
    common : float64 (4,)
        Left and top of what their frames share, its width and height, in units of their CRS.
    """
    t = a.transform
    wide, high = round(common[2] / t.a), round(common[3] / -t.e)
    corners = [
        (round((common[1] - h.transform.f) / t.e), round((common[0] - h.transform.c) / t.a))
        for h in (a, b)
    ]
    other = asked = 0
    for r in _starts(high):
        for c in _starts(wide):
            size = (min(_BLOCK_PX, high), min(_BLOCK_PX, wide))
            (one, in_one), (two, in_two) = (
                _block(h, (row + r, col + c), size)
                for h, (row, col) in zip((a, b), corners, strict=True)
            )
            # Compared as floats: of unsigned numbers the difference is none.
            far = np.abs(one - two).max(axis=0) > (_LOSSY if a.dtype == "uint8" else 0)
            other += int((far & in_one & in_two).sum())
            asked += far.size
    return other > _SHARED * asked


def _starts(length: int) -> list[int]:
    """Give where blocks begin, spread over a length [px]."""
    last = max(0, length - _BLOCK_PX)
    return sorted({round(k * last / (_BLOCKS - 1)) for k in range(_BLOCKS)})


def _block(
    header: Header, corner: tuple[int, int], size: tuple[int, int]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Give colours or heights (band, H, W) of a block, and where there are any."""
    window: Any = tuple((start, start + n) for start, n in zip(corner, size, strict=True))
    bands = list(range(1, min(header.count, 3) + 1))
    try:
        with opened(header.path) as source:
            data = np.asarray(source.read(bands, window=window), np.float64)
            there = np.asarray(source.dataset_mask(window=window)) > 0
    except BROKEN as error:
        raise unreadable(header.name, error) from error
    there &= np.isfinite(data).all(axis=0) & (data != 0).any(axis=0) & (data > _NOTHING).all(axis=0)
    return np.nan_to_num(data), there
