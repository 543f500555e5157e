"""Changed ground that goes on in the water: how far, and what that makes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from pipeline.detect.disturb_options import DisturbOptions
from pipeline.detect.look_surface import BRIGHT
from pipeline.detect.objects import label
from pipeline.detect.onward import Likeness, OnwardOptions, covered, likeness, onward
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


@dataclass(frozen=True)
class Filled:
    """Where an object of changed ground goes on in the water.

    ``part`` bool (H, W), its pixels there; ``share`` float32 (H, W), how much of each pixel object
    and part cover (:func:`pipeline.detect.onward.covered`).
    """

    part: NDArray[np.bool_]
    share: Float


def goes_on(
    bench: Bench,
    where: tuple[Window, Sparse],
    measures: Mapping[str, float],
    found: Sequence[Look],
    options: OnwardOptions,
) -> Filled | None:
    """Find the part of an object of changed ground that lies where water was.

    Parameters
    ----------
    where : (Window, Sparse)
        The window that is searched, and the object's pixels.
    found : sequence of Look
        What every look says of those pixels.

    Returns
    -------
    Filled or None
        None where :func:`pipeline.detect.onward.onward` finds none, for water and what is doubted.
    """
    window, pixels = where
    if measures["wet_share"] >= _POND or doubted(measures):
        return None
    bins = bench.history(window).bins
    if np.count_nonzero(bins == N_BINS - 1) < options.pixels:
        return None
    footprint = pixels_to_mask(*pixels, window)
    hits = {k.pass_id for k in [k for k in found if k.seen is Seen.HIT][-_NEWEST:]}
    looks: list[tuple[Float, Likeness]] = []
    for _, surface, _ in bench.surfaces(window, lambda p: p.id in hits):
        one = likeness(footprint, surface.seen, surface.state, options)
        if one is not None:
            looks.append((surface.seen[BRIGHT], one))
    part = onward(footprint, bins, (one for _, one in looks), options)
    if part is None:
        return None
    return Filled(part, covered(footprint, part, bins, looks))


def filled_measures(
    filled: Filled | None, pixels: int, measures: Mapping[str, float], options: DisturbOptions
) -> dict[str, float]:
    """Give the measures of an object of so many ``pixels`` with a part in the water.

    Soil waits for a season because fields lie fallow and woods are felled; neither fills water, so
    that off bars nothing is left to wait for where the part is large enough to be a fill. A bar may
    go on so once the river is lower than ever, but would be like other bed; it waits no longer than
    its pools do, since a flood leaves sand there too.
    """
    if filled is None:
        return {}
    out = {"filled_px": float(np.count_nonzero(filled.part))}
    if not is_fill(pixels, out):
        return out
    wait = options.wait_pool_days if measures["bar_share"] >= ON_BAR else 0.0
    return out | {"wait_days": min(wait, measures["wait_days"]), "felled": 0.0}


def with_fill(
    shape: BaseGeometry, footprint: NDArray[np.bool_], filled: Filled, grid: Grid
) -> BaseGeometry:
    """Add the part in the water to an outline; ``grid`` is that of the window."""
    field = filled.share - np.float32(0.5)
    within = footprint | filled.part
    reached = label(within | (field >= 0))
    within |= np.isin(reached, np.unique(reached[within])) & (reached > 0)
    return shapely.union_all([shape, outline(field, within, grid)])


def is_fill(pixels: int, measures: Mapping[str, float]) -> bool:
    """Tell whether so much of an object of so many ``pixels`` stands in the water: 乱占 first."""
    return measures.get("filled_px", 0.0) * LIKE_SIZE >= pixels


def as_fill(measures: Mapping[str, float]) -> dict[str, float]:
    """Give measures with the scores of a kind that is 乱占 first; what else it may be is kept."""
    scores = {n: v for n, v in measures.items() if n.startswith("kind_")}
    less = {n: round(v * (1 - _FILL_SCORE), 3) for n, v in scores.items()}
    return dict(measures) | less | {"kind_zhan": _FILL_SCORE}
