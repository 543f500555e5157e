"""Changed ground that goes on in the water: how far, and what that makes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from pipeline.detect.disturb import DisturbOptions
from pipeline.detect.onward import Likeness, OnwardOptions, likeness, onward
from pipeline.detect.water_frequency import N_BINS
from pipeline.detect.waterline import outline
from pipeline.grid import pixels_to_mask
from pipeline.model import Grid, Look, Seen, Window
from pipeline.passes.bench import Bench
from pipeline.passes.ground import Sparse
from pipeline.passes.traits import ON_BAR, doubted

LIKE_SIZE = 6.0
"""Changed ground beyond this times the fill that it touches is its own problem."""

_FILL_SCORE = 0.6  # of 乱占 where changed ground goes on in the water
_NEWEST = 12  # hits that are asked: what is there now counts, and each costs a look's layers
_POND = 0.5  # share of water of what is none itself

Float = NDArray[np.float32]


def goes_on(
    bench: Bench,
    where: tuple[Window, Sparse],
    measures: Mapping[str, float],
    found: Sequence[Look],
    options: OnwardOptions,
) -> Float | None:
    """Find the part of an object of changed ground that lies where water was.

    Parameters
    ----------
    where : (Window, Sparse)
        The window that is searched, and the object's pixels.
    found : sequence of Look
        What every look says of those pixels.

    Returns
    -------
    float32 (H, W) or None
        As :func:`pipeline.detect.onward.onward`; None for water and what is doubted.
    """
    window, pixels = where
    if measures["wet_share"] >= _POND or doubted(measures):
        return None
    bins = bench.history(window).bins
    if np.count_nonzero(bins == N_BINS - 1) < options.pixels:
        return None
    footprint = pixels_to_mask(*pixels, window)
    hits = {k.pass_id for k in [k for k in found if k.seen is Seen.HIT][-_NEWEST:]}
    looks: list[Likeness] = []
    for _, surface, _ in bench.surfaces(window, lambda p: p.id in hits):
        one = likeness(footprint, surface.seen, surface.state, options)
        if one is not None:
            looks.append(one)
    return onward(footprint, bins, looks, options)


def filled_measures(
    part: Float | None, pixels: int, measures: Mapping[str, float], options: DisturbOptions
) -> dict[str, float]:
    """Give the measures of an object of so many ``pixels`` with a part in the water.

    Soil waits for a season because fields lie fallow and woods are felled; neither fills water, so
    that off bars nothing is left to wait for where the part is large enough to be a fill. A bar may
    go on so once the river is lower than ever, but would be like other bed; it waits no longer than
    its pools do, since a flood leaves sand there too.
    """
    if part is None:
        return {}
    out = {"filled_px": float(np.count_nonzero(part > 0))}
    if not is_fill(pixels, out):
        return out
    wait = options.wait_pool_days if measures["bar_share"] >= ON_BAR else 0.0
    return out | {"wait_days": min(wait, measures["wait_days"]), "felled": 0.0}


def with_fill(
    shape: BaseGeometry, footprint: NDArray[np.bool_], part: Float, grid: Grid
) -> BaseGeometry:
    """Add the part in the water to an outline; ``grid`` is that of the window."""
    field = np.where(footprint, 0.5, part - np.float32(0.5)).astype(np.float32)
    return shapely.union_all([shape, outline(field, footprint | (part > 0), grid)])


def is_fill(pixels: int, measures: Mapping[str, float]) -> bool:
    """Tell whether so much of an object of so many ``pixels`` stands in the water: 乱占 first."""
    return measures.get("filled_px", 0.0) * LIKE_SIZE >= pixels


def as_fill(measures: Mapping[str, float]) -> dict[str, float]:
    """Give measures with the scores of a kind that is 乱占 first; what else it may be is kept."""
    scores = {n: v for n, v in measures.items() if n.startswith("kind_")}
    less = {n: round(v * (1 - _FILL_SCORE), 3) for n, v in scores.items()}
    return dict(measures) | less | {"kind_zhan": _FILL_SCORE}
