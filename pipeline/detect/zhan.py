"""乱占: ground that appears where water belongs at this level.

Seeds are bare pixels where water is expected even if the date were shifted by its registration
residual; objects grow from them over bare pixels where water is expected at all. Along a bank of a
narrow channel no pixel is a seed: there the banks around say whether the image is shifted
(:mod:`pipeline.detect.placed`). An object that a
level, a plant, a vessel or a bridge explains is rejected with that reason, and an object that
cannot be told apart from a receding shore is *unknown*: an area to count, not a sighting. What only
geometry, and not the pixels' own history at lower levels, calls water never makes a certain one.

What ties two banks together with water on both sides is a bridge or a dam, however wide SWIR makes
its deck: the measure ``span_px`` says so date by date, and what they say together decides later.

Bare ground in open water, touching no shore, is most often a vessel, a raft or a shoal: small ones
are rejected, large ones (land reclaimed as an island) are kept but never certain. On a bar, which
is ground at lower levels, an island is most often a heap of spoil: it is kept whatever its size,
and certain once it has outlasted boats and flood debris (``wait_days``).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pipeline.detect.distances import CLIP_PX
from pipeline.detect.expect import (
    Expected,
    Totals,
    View,
    expect,
    is_land,
    leave_box_out,
    never_wet,
)
from pipeline.detect.objects import Pixels, Rejection, Shape, closes, label, measure, ring, spans
from pipeline.detect.onward import unlike_bed
from pipeline.detect.placed import in_place, survivors, thick
from pipeline.detect.recession import HALO_PX, percentile_of, tally_recession
from pipeline.detect.water_frequency import N_BINS
from pipeline.detect.zhan_options import ZhanOptions
from pipeline.grid import pixels_to_mask
from pipeline.model import Ground, Kind, Sighting, Window

__all__ = [
    "HALO_PX",
    "WINDOW_MARGIN_PX",
    "Pixels",
    "Rejection",
    "candidates",
    "examine",
    "may_be_object",
]

WINDOW_MARGIN_PX = HALO_PX + 40
"""Margin around an object's box that :func:`examine` needs in its view [px]."""

_ON_BAR = 0.5  # share of an object from which it stands on a bar
_KEPT_BIN = N_BINS - 4  # a pond that history saw without water so seldom was not drained
_MOSTLY = 0.5  # share of an object that lies in a pond, and so is its filling
_DECK_PX = 9.0  # a deck of one or two pixels, as SWIR of 20 m blurs it, and its shaded edges
_LOCAL_PX = 40  # shore this near to an object is its own comparison


def candidates(
    view: View, core: Window, totals: Totals, options: ZhanOptions | None = None
) -> Pixels:
    """Find candidate pixels in a tile's core; exact with a halo of :data:`HALO_PX`."""
    o = options or ZhanOptions()
    near = core.pad(view.radius_px).intersect(view.window)
    assert near is not None  # a view holds its core
    dry = view.state[near.within(view.window)] == Ground.DRY
    if view.apart is not None:  # a pond that is drained is no shore; what hardly fell dry may fill
        where = near.within(view.window)
        bins = view.base.bins[where]
        dry &= ~view.apart[where] | (bins >= _KEPT_BIN) & (bins < N_BINS)
    found = expect(view, totals, o.expect, near, dry)
    own = core.within(near)
    seed = (dry & found.deep | _shifted(found.ordinary, view.radius_px, dry))[own]
    grow = (dry & (found.ordinary | found.beyond))[own] | seed
    rows, cols = np.nonzero(grow)
    return Pixels(
        (rows + core.row0).astype(np.int32), (cols + core.col0).astype(np.int32), seed[rows, cols]
    )


def may_be_object(pixels: Pixels, options: ZhanOptions) -> bool:
    """Tell what is examined: what holds a seed, and what is no line along a bank."""
    if pixels.rows.size < options.min_pixels:
        return False
    if pixels.seed.any():
        return True
    mask = pixels_to_mask(pixels.rows, pixels.cols, _box(pixels))
    return bool(np.count_nonzero(thick(mask)) >= options.placed.thick_share * pixels.rows.size)


def examine(
    pixels: Pixels,
    view: View,
    totals: Totals,
    stamp: tuple[str, datetime],
    options: ZhanOptions | None = None,
    seen: Callable[[], NDArray[np.float32]] | None = None,
) -> Sighting | Rejection:
    """Judge one joined object on one date.

    Below all known levels nothing is certain but what the bed is unlike (``seen``).

    Parameters
    ----------
    pixels : Pixels
        The object (:func:`pipeline.detect.objects.join`), of the whole grid.
    view : View
        Its box with :data:`WINDOW_MARGIN_PX` around it, clipped to the grid.
    totals : Totals
        Of the date, all tiles merged.
    stamp : (str, datetime)
        Pass id and time (UTC).
    seen : callable, optional
        Gives the features of ``MODELLED``, float32 (3, H, W), over the view's window; asked for
        large deep objects alone.
    """
    o = options or ZhanOptions()
    n = pixels.rows.size
    if not may_be_object(pixels, o):
        return Rejection("smaller than the smallest object", False, n)
    mask = pixels_to_mask(pixels.rows, pixels.cols, view.window)
    rest = leave_box_out(totals, view, _box(pixels).pad(o.leave_px), o.expect)
    found = expect(view, rest, o.expect)
    deep = np.count_nonzero(mask & found.ordinary) < max(o.min_pixels, o.known_share * n)
    left = survivors(mask, found.ordinary | found.beyond, view.radius_px)
    outlasts = pixels.seed.any() and left.min() >= max(2, n / 4)
    if not outlasts and not _in_place(mask, view, found, left, o):
        told = bool(pixels.seed.any())  # what holds no seed was never counted as unknown
        return Rejection("explained by the level or a shift of the image", told, n)
    shape = measure(mask)
    rejection = _harmless(mask, shape, view, found, o)
    if rejection is not None:
        return rejection
    numbers = _numbers(mask, shape, view, found)
    unlike = False
    if deep:
        numbers |= _compare(mask, view, found)
        if seen is not None and n >= o.bed_object:
            unlike = unlike_bed(mask, seen(), view.state, view.base.bins, o.bed)
        if not _stands_out(numbers, o, unlike=unlike):
            return Rejection("cannot be told from the shore that this level uncovers", True, n)
    grounded, bar = _grounded(mask, view), _bar_share(mask, view)
    looks = float(np.median(view.base.n_clear[mask]))
    sure = found.known >= o.certain_looks
    sure = _shifted(sure, view.radius_px, mask) if outlasts else thick(sure & mask)
    enough = np.count_nonzero(sure) >= max(o.min_pixels, o.known_share * n / 2)
    firm = grounded or bar >= _ON_BAR
    told = unlike if deep else bool(enough)
    certain = told and firm and looks >= o.sparse_below
    numbers |= {"bar_share": bar, "island": float(not grounded)}
    numbers["span_px"] = _span(mask, shape, view, found)
    numbers["wait_days"] = max(
        0.0 if grounded else o.island_days, o.pond_days if _is_pond(mask, view) else 0.0
    )
    reach = int(np.bincount(view.reach[mask]).argmax())
    numbers |= {"level_rank": rest.days[reach].level.rank, "deep": float(deep), "looks": looks}
    return Sighting(
        Kind.ZHAN,
        stamp[0],
        stamp[1],
        pixels.rows,
        pixels.cols,
        _score(numbers, deep=bool(deep)),
        numbers,
        certain,
    )


def _is_pond(mask: NDArray[np.bool_], view: View) -> bool:
    return view.apart is not None and bool(view.apart[mask].mean() >= _MOSTLY)


def _box(pixels: Pixels) -> Window:
    r, c = pixels.rows, pixels.cols
    return Window(int(r.min()), int(r.max()) + 1, int(c.min()), int(c.max()) + 1)


def _shifted(
    expected: NDArray[np.bool_], radius: int, asked: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Where water is expected under every shift up to ``radius``, of what is ``asked``."""
    out = np.zeros(expected.shape, np.bool_)
    at = np.flatnonzero(expected & asked)
    if at.size:  # of few pixels: what is dry where water belongs is what is looked for
        _all_around(np.ascontiguousarray(expected), at, radius, out)
    return out


@njit(cache=True, nogil=True)
def _all_around(expected, at, radius, out):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    h, w = expected.shape
    for i in range(at.size):
        r, c = at[i] // w, at[i] % w
        every = True
        for row in range(max(r - radius, 0), min(r + radius + 1, h)):
            for col in range(max(c - radius, 0), min(c + radius + 1, w)):
                every &= expected[row, col]
        out[r, c] = every


def _in_place(
    mask: NDArray[np.bool_], view: View, found: Expected, left: NDArray[np.int64], o: ZhanOptions
) -> bool:
    """Tell whether the banks around an object lie where history has them, along a channel.

    What lies in a pond, with a pixel even, is not asked: ponds are drained.
    """
    if view.apart is not None and (mask & view.apart).any():
        return False
    expected = (found.ordinary, view.base.bins == 0)
    told = True if view.silent is None else ~view.silent  # a known fill is no bank
    seen = ((view.state == Ground.WET) & told, is_land(view.state) & told)
    return in_place(mask, expected, seen, left, o.placed)


def _harmless(
    mask: NDArray[np.bool_], shape: Shape, view: View, found: Expected, o: ZhanOptions
) -> Rejection | None:
    n = shape.pixels
    green = ring(mask, 2) & (view.state == Ground.GREEN) & found.wet
    if np.count_nonzero(green) >= o.green_share * n:
        return Rejection("vegetation afloat", False, n)
    afloat = n <= o.afloat_max_px and _bar_share(mask, view) < _ON_BAR
    if afloat and not _grounded(mask, view):
        return Rejection("stands in open water: a vessel, a raft or a shoal", False, n)
    land = is_land(view.state) & ~mask & ~found.wet
    slim = shape.elongation >= o.elongation_min and shape.width_px <= o.span_width_max_px
    if slim and spans(mask, land, shape):
        return Rejection("spans the channel: a bridge, a weir or a pontoon", False, n)
    return None


def _span(mask: NDArray[np.bool_], shape: Shape, view: View, found: Expected) -> float:
    """Measure a strip of dry ground from bank to bank [px], however short the water left it; or 0.

    SWIR sees 20 m and darkens for another one, so a deck of one pixel is dry over six of them, and
    over a narrow arm as wide as it is long.
    """
    land = is_land(view.state) & ~mask & ~found.wet
    # A bar in the channel is no bank: spoil that ties it to one is no bridge.
    labels = label(land)
    land &= np.isin(labels, np.unique(labels[land & never_wet(view.base.bins)]))
    return closes(mask, land, view.state == Ground.WET) if shape.width_px <= _DECK_PX else 0.0


def _grounded(mask: NDArray[np.bool_], view: View) -> bool:
    """Tell whether the object hangs together with ground that history never saw wet."""
    land = is_land(view.state)
    bridge = ring(mask, 1) & (view.state == Ground.UNKNOWN)
    labels = label(mask | bridge | land)
    own = np.unique(labels[mask])
    shore = labels[land & never_wet(view.base.bins)]
    return int(np.count_nonzero(np.isin(shore, own))) >= 4


def _bar_share(mask: NDArray[np.bool_], view: View) -> float:
    """Give the share of an object on ground that history saw both dry and under water."""
    bins = view.base.bins[mask]
    bar = (bins > 0) & (bins < N_BINS - 1)  # UNSEEN is above all bins
    return float(np.count_nonzero(bar)) / bins.size


def _numbers(
    mask: NDArray[np.bool_], shape: Shape, view: View, found: Expected
) -> dict[str, float]:
    known = found.known[mask & found.ordinary]
    return {
        "area_m2": shape.pixels * view.res_m**2,
        "elongation": shape.elongation,
        "compactness": shape.compactness,
        "known_looks": float(np.median(known)) if known.size else 0.0,
    }


def _compare(mask: NDArray[np.bool_], view: View, found: Expected) -> dict[str, float]:
    """Compare a deep object with the shore beside it and with the water beside it."""
    shore = found.shore
    depth = float(np.percentile(shore.depth[mask], 90))
    far = ring(mask, _LOCAL_PX) & ~ring(mask, 3)
    hist = tally_recession(view.state, shore, view.reach, int(view.reach.max()), far)
    beside = percentile_of(hist.sum(axis=(0, 1)), 75, 20)
    allowance = float(np.median(found.allowance_px[mask]))
    recession = max(allowance, beside if beside is not None else allowance)
    about = ring(mask, int(min(max(6, depth), CLIP_PX))) & shore.inside
    about &= (shore.depth > recession + 1) & (shore.depth <= depth + 1)
    about &= view.state != Ground.UNKNOWN
    water = int(np.count_nonzero(view.state[about] == Ground.WET))
    return {
        "depth_px": depth,
        "recession_px": recession,
        "beside_wet": water / max(int(np.count_nonzero(about)), 1),
    }


def _stands_out(numbers: dict[str, float], o: ZhanOptions, *, unlike: bool) -> bool:
    limit = o.expect.deep_factor * numbers["recession_px"] + o.expect.deep_margin_px
    compact = unlike or numbers["elongation"] <= o.deep_elongation_max
    return compact and numbers["depth_px"] > limit and numbers["beside_wet"] >= o.beside_wet


def _score(numbers: dict[str, float], *, deep: bool) -> float:
    size = 1 - float(np.exp(-numbers["area_m2"] / 1500))
    if deep:
        excess = numbers["depth_px"] / (numbers["recession_px"] + 1.5) / 4
        return round(0.5 * size * min(1.0, excess) * numbers["beside_wet"], 4)
    return round(size * min(1.0, numbers["known_looks"] / 8), 4)
