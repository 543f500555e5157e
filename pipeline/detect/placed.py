"""Tell by the banks around an object that its image lies where it should.

Along a bank a shifted image looks like a fill two pixels wide, so that an object must outlast every
shift that the registration leaves (:mod:`pipeline.detect.zhan`). In a channel of four or five
pixels no fill along a bank does. But a shift moves both banks, and all of them: where the land and
water around an object lie as history has them, and would not under the shifts that could explain
it, no shift does. Both banks must be near: along one side of a wide river boats, quays and stone
facing are as thin, and there a fill has room to be wider.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from pipeline.detect.objects import label, ring

Bool = NDArray[np.bool_]

_EXPLAINED = 0.5  # a shift that leaves no more of an object's pixels is an explanation
_BANK_PX = 8  # smallest piece of land around that is a bank


class PlacedOptions(BaseModel):
    """What disproves a shift; pixels are 10 m."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reach_px: int = Field(default=12, ge=4, le=40, description="how far around an object [px]")
    against: int = Field(
        default=8,
        ge=1,
        le=1000,
        description="pixels more than without a shift that a shift must contradict",
    )
    factor: float = Field(
        default=2.0, ge=1, le=10, description="and as many times those without a shift"
    )
    thick_share: float = Field(
        default=0.33,
        ge=0,
        le=1,
        description="share of an object in blocks of 2x2 pixels: half a pixel of shift, which no "
        "count of pixels tells, makes a line",
    )


def thick(mask: Bool) -> Bool:
    """Give the pixels of a mask (H, W) that are part of a full block of 2x2."""
    full = mask[1:, 1:] & mask[:-1, 1:] & mask[1:, :-1] & mask[:-1, :-1]
    out = np.zeros(mask.shape, np.bool_)
    for rows in (slice(1, None), slice(None, -1)):
        for cols in (slice(1, None), slice(None, -1)):
            out[rows, cols] |= full
    return out


def survivors(mask: Bool, expected: Bool, radius: int) -> NDArray[np.int64]:
    """Count the pixels of an object that each shift leaves unexplained.

    Returns
    -------
    int64 (2 radius + 1, 2 radius + 1)
        By rows and columns of the shift; the middle one is no shift.
    """
    size = 2 * radius + 1
    padded = np.pad(expected, radius, mode="edge")
    h, w = mask.shape
    counts = [
        int(np.count_nonzero(mask & padded[dr : dr + h, dc : dc + w]))
        for dr in range(size)
        for dc in range(size)
    ]
    return np.array(counts, np.int64).reshape(size, size)


def in_place(
    mask: Bool,
    expected: tuple[Bool, Bool],
    seen: tuple[Bool, Bool],
    left: NDArray[np.int64],
    options: PlacedOptions | None = None,
) -> bool:
    """Tell whether the surroundings contradict every shift that would explain an object.

    Parameters
    ----------
    mask : bool (H, W)
        The object.
    expected : (bool (H, W), bool (H, W))
        Water as history has it at this level, and land that it never saw wet. Pixels of neither
        say nothing.
    seen : (bool (H, W), bool (H, W))
        Water and land on the date.
    left : int64 (2 r + 1, 2 r + 1)
        What :func:`survivors` gives for the object.

    Returns
    -------
    bool
        False as well where no shift would explain half of it, where an object is a line that half
        a pixel explains, and where only one bank is near.
    """
    o = options or PlacedOptions()
    pixels = int(np.count_nonzero(mask))
    if np.count_nonzero(thick(mask & expected[0])) < max(4, o.thick_share * pixels):
        return False
    near = ring(mask, o.reach_px)
    if not _has_two_banks(near & expected[1]):
        return False
    around = near & ~ring(mask, 1)
    explaining = left <= _EXPLAINED * pixels
    radius = left.shape[0] // 2
    against = _against(around, expected, seen, radius, explaining)
    least = o.factor * _against_one(around, expected, seen, (0, 0)) + o.against
    return bool(explaining.any() and (against[explaining] >= least).all())


def _has_two_banks(land: Bool) -> bool:
    """Tell whether land around an object lies in two pieces or more: water parts them."""
    return int(np.count_nonzero(np.bincount(label(land).ravel())[1:] >= _BANK_PX)) >= 2


def _against(
    around: Bool,
    expected: tuple[Bool, Bool],
    seen: tuple[Bool, Bool],
    radius: int,
    asked: NDArray[np.bool_],
) -> NDArray[np.int64]:
    """Count for each shift that is asked for the pixels around that contradict it."""
    out = np.zeros(asked.shape, np.int64)
    for dr, dc in np.argwhere(asked):
        out[dr, dc] = _against_one(around, expected, seen, (int(dr) - radius, int(dc) - radius))
    return out


def _against_one(
    around: Bool, expected: tuple[Bool, Bool], seen: tuple[Bool, Bool], shift: tuple[int, int]
) -> int:
    """Count what is water where the shift has land, and land where it has water."""
    water, land = (_moved(e, shift) for e in expected)
    return int(np.count_nonzero(around & (seen[0] & land | seen[1] & water)))


def _moved(values: Bool, shift: tuple[int, int]) -> Bool:
    """Give ``values[row + dr, col + dc]``, False outside."""
    out = np.zeros(values.shape, np.bool_)
    to, of = zip(*(_slices(n, d) for n, d in zip(values.shape, shift, strict=True)), strict=True)
    out[to] = values[of]
    return out


def _slices(size: int, by: int) -> tuple[slice, slice]:
    return slice(max(-by, 0), size - max(by, 0)), slice(max(by, 0), size - max(-by, 0))
