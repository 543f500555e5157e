"""Which reaches have a channel that runs along them: elsewhere nothing tells a river from ponds."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from pipeline.detect.channel_pieces import Place, moments_of, spread

_STEP_M = 100.0  # parts of a reach along its axis
_ALONG = 0.5  # of them that a channel must occupy
_TOLD_M2 = 20_000.0  # of channel, without which no level is told either
_SAMPLE_M = 40.0  # of ground of a reach, whose outline is all that is asked for
_SQUARE = 2.0  # length over width below which a reach has no axis


def told_reaches(
    reaches: Mapping[Place, NDArray[np.uint16]],
    core: Mapping[Place, NDArray[np.bool_]],
    side: tuple[int, int],
    res_m: float,
) -> set[int]:
    """Give the reaches along at least half of which the core of a channel lies.

    Where a river is dry for most of a year, or pools between riffles are all of its lasting water,
    a pond may be the only core: what hangs together with it says nothing of the river, and in such
    a reach nothing is apart. Along is the longer axis of its ground, by second moments; of a reach
    that is nearly as wide as long either axis will do.

    Parameters
    ----------
    reaches : uint16 (h, w) by place
        1-based reach, 0 outside.
    core : bool (h, w) by place
        The chosen pieces.
    side
        Rows and columns of a whole tile.
    """
    many = 1 + max((int(r.max(initial=0)) for r in reaches.values()), default=0)
    step = max(1, round(_SAMPLE_M / res_m))
    moments = np.zeros((many, 6))
    ground = {p: _sampled(own, _corner(p, side), step) for p, own in reaches.items()}
    for rows, cols, reach in ground.values():
        moments_of((rows, cols), reach, moments)
    held = {p: _places(own, reaches[p], _corner(p, side)) for p, own in core.items()}
    told: set[int] = set()
    for index in range(1, many):
        if moments[index, 0] == 0:
            continue
        found = np.concatenate([np.stack(h[:2])[:, h[2] == index] for h in held.values()], axis=1)
        if found.shape[1] * res_m**2 < _TOLD_M2:
            continue
        all_of = np.concatenate(
            [np.stack(g[:2])[:, g[2] == index] for g in ground.values()], axis=1
        )
        if _share(all_of, found, _axes(moments[index]), _STEP_M / res_m) >= _ALONG:
            told.add(index)
    return told


_Places = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint16]]


def _corner(place: Place, side: tuple[int, int]) -> tuple[int, int]:
    return place[0] * side[0], place[1] * side[1]


def _sampled(own: NDArray[np.uint16], corner: tuple[int, int], step: int) -> _Places:
    """Give every so manieth pixel of the grid that lies in a reach, whatever tile it is in."""
    first = (-corner[0] % step, -corner[1] % step)
    part = own[first[0] :: step, first[1] :: step]
    rows, cols = np.nonzero(part)
    return (
        rows * step + (first[0] + corner[0]),
        cols * step + (first[1] + corner[1]),
        part[rows, cols],
    )


def _places(core: NDArray[np.bool_], reach: NDArray[np.uint16], corner: tuple[int, int]) -> _Places:
    rows, cols = np.nonzero(core)
    return rows + corner[0], cols + corner[1], reach[rows, cols]


def _axes(moments: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the longer axis of a piece, and the other one too where it has none; float64 (2, K)."""
    values, vectors = np.linalg.eigh(spread(moments))
    square = values[1] < _SQUARE**2 * values[0]
    return vectors[:, ::-1] if square else vectors[:, 1:]


def _share(
    ground: NDArray[np.int64], core: NDArray[np.int64], axes: NDArray[np.float64], step: float
) -> float:
    """Give the share of the steps along an axis that hold ground in which core lies, the larger."""
    best = 0.0
    for axis in axes.T:
        parts = np.unique(np.floor(axis @ ground / step))
        best = max(best, float(np.isin(parts, np.floor(axis @ core / step)).mean()))
    return best
