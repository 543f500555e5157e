"""What tracks say of one another: many alike at once, and pieces of one bridge."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

import numpy as np
import shapely
from numpy.typing import NDArray

from pipeline.adjudicate.tracks import Track
from pipeline.config import GroundOptions
from pipeline.detect.crossings import FARTHEST, GAP_PX, faces, gap, over_water, points
from pipeline.detect.objects import Shape, measure
from pipeline.detect.ramps import RampOptions
from pipeline.grid import pixels_to_mask
from pipeline.model import Kind
from pipeline.passes.change import box_of
from pipeline.passes.farming import alike_tracks
from pipeline.passes.ground import Site, Sparse
from pipeline.passes.past import Past

_ASHORE = 0.5  # of a ramp that stands where no water ever was
_SIGHTINGS = 3  # dates, and most of them certain: fewer are a cloud's edge as well
_HOLLOW = 0.3  # dark share from which a piece holds water
_ROW_PX, _IN_ROW = 15.0, 2  # so many slim pieces so near, and not in its line, make a row
_RES_M = 15.0  # distances are pixels of 10 m: larger ones are no question

Points = NDArray[np.float64]
History = Callable[[datetime], Past]
"""Gives the history that a track was held against when it began (UTC)."""


@dataclass(frozen=True)
class Company:
    """What the other tracks say of one.

    ``alike``: how many places came to look like it (:func:`pipeline.passes.farming.alike_tracks`).
    ``facing``: it and another slim piece lie in one line across water (:func:`facing_tracks`).
    """

    alike: int = 0
    facing: bool = False


@dataclass(frozen=True)
class _Piece:
    """A track that is as narrow as a deck and points somewhere; pixels (N, 2), row and column."""

    index: int
    pixels: Points
    shape: Shape

    @cached_property
    def middle(self) -> Points:
        return self.pixels.mean(axis=0)


def companies(
    site: Site,
    tracks: Sequence[Track],
    since: Sequence[datetime],
    history: History,
    o: GroundOptions,
) -> list[Company]:
    """Say for each track what the others say of it; ``since``: when it was first seen (UTC)."""
    alike = alike_tracks(site, tracks, since, o.farming)
    facing = [False] * len(tracks)
    if site.store.grid.res_m <= _RES_M:
        facing = facing_tracks(tracks, since, history, o.ramps)
    return [Company(*each) for each in zip(alike, facing, strict=True)]


def facing_tracks(
    tracks: Sequence[Track], since: Sequence[datetime], history: History, options: RampOptions
) -> list[bool]:
    """Tell for each track whether another faces it across water: pieces of one bridge.

    Both are slim, lie along the line through their middles and were seen three times, at one time;
    they came within that in which a bridge is built (``options.days``), one of them stands on a
    bank, and half of the way between them was water on a quarter of the looks. What has two slim
    pieces beside it is one of a row, of greenhouses or of heaps, and no end of a bridge; twin decks
    have one.
    """
    pieces = [p for k, t in enumerate(tracks) if (p := _piece(k, t, options)) is not None]
    found: dict[int, set[int]] = {}
    if len(pieces) < 2:
        return [False] * len(tracks)
    within = timedelta(days=options.days)
    middles = np.asarray(shapely.points([p.middle for p in pieces]))
    # Middles of pieces as long as the gap lie twice as far apart.
    for i, k in _pairs(middles, 2 * GAP_PX):
        a, b = pieces[i], pieces[k]
        one, other = tracks[a.index], tracks[b.index]
        if abs(since[a.index] - since[b.index]) > within or not _together(one, other):
            continue
        if _facing(a, b) and _across([one, other], gap(a.pixels, b.pixels), history):
            found.setdefault(i, set()).add(k)
            found.setdefault(k, set()).add(i)
    pairs = _pairs(middles, _ROW_PX)
    beside = [pair for pair in pairs if not _facing(*(pieces[i] for i in pair))]
    rows = {i for i, n in Counter(i for pair in beside for i in pair).items() if n >= _IN_ROW}
    out = [False] * len(tracks)
    for i, others in found.items():
        out[pieces[i].index] = i not in rows and not others <= rows
    return out


def _pairs(middles: NDArray[np.object_], most_px: float) -> list[tuple[int, int]]:
    """Give the pairs of points at most so far apart, the lower index first, in order."""
    tree = shapely.STRtree(middles)  # SciPy's trees take a tenth of a second to import
    first, second = tree.query(middles, "dwithin", most_px)
    return sorted((int(i), int(k)) for i, k in zip(first, second, strict=True) if i < k)


def _facing(a: _Piece, b: _Piece) -> bool:
    """Tell whether two pieces lie in one line and point to each other."""
    return faces(a.pixels, a.shape, b.middle) and faces(b.pixels, b.shape, a.middle)


def _together(one: Track, other: Track) -> bool:
    """Tell whether both were seen at one time: what went before the other came is no part of it."""
    return one.first_on <= _last(other) and other.first_on <= _last(one)


def _last(track: Track) -> datetime:
    return max(s.on for s in track.sightings)


def _across(tracks: Sequence[Track], between: Points, history: History) -> bool:
    """Tell whether water lies between two tracks, of which one or both stand on a bank."""
    if not 0 < len(between) <= FARTHEST:
        return False

    past = history(min(t.first_on for t in tracks))

    def codes(pixels: Sparse) -> NDArray[np.uint8]:
        box = box_of(pixels)
        return past.baseline(box).bins[pixels[0] - box.row0, pixels[1] - box.col0]

    rows, cols = np.rint(between).astype(np.int32).T
    if not over_water(codes((rows, cols))):
        return False
    return any(np.mean(codes((t.rows, t.cols)) == 0) >= _ASHORE for t in tracks)


def _piece(index: int, track: Track, options: RampOptions) -> _Piece | None:
    """Give a track as a piece; none of what is water, or no strip as narrow as a deck."""
    if track.rows.size > options.width_px * GAP_PX or len(track.pass_ids) < _SIGHTINGS:
        return None
    if track.kind is not Kind.ZHAN and _holds_water(track):
        return None
    if 2 * sum(s.certain for s in track.sightings) <= len(track.sightings):
        return None
    shape = measure(pixels_to_mask(track.rows, track.cols, box_of((track.rows, track.cols))))
    if not points(shape, options.width_px):
        return None
    pixels = np.stack([track.rows, track.cols], axis=1).astype(np.float64)
    return _Piece(index, pixels, shape)


def _holds_water(track: Track) -> bool:
    each = [
        [s.measures.get(n, 0.0) for n in ("wet_share", "hollow_share")] for s in track.sightings
    ]
    wet, hollow = np.median(np.array(each, np.float64), axis=0)
    return bool(wet >= 0.5 or hollow >= _HOLLOW)
