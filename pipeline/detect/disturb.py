"""Objects of unexpected ground: what they are like, and what explains them.

A building, a heap, a pit with its spoil and a pond are one problem each, whatever its pixels look
like, so bare and wet pixels that hang together make one object. Which of the four kinds it is, is
asked once all its dates are known (:mod:`pipeline.detect.kinds`).

What can look like one and is none:

* water that stands above its bank, or an image shifted by its residual: wet pixels that hang
  together with the channel must be thicker than the shift;
* rain-fed and flooded fields: while the region's fields stand under water a wet object is never
  certain, and never before it has lasted (a flood leaves pools);
* ploughed and fallow fields, felled woods: where it is warm and wet, soil that nobody disturbs is
  green again within a season, and straw and brash are not as bare as a heap. Ground no brighter
  than bare cropland here is certain only where it is bare while it should be green, and once it
  has stayed so for :attr:`DisturbOptions.wait_soil_days`;
* the rim of a bare shore is brighter at a level that its season had not seen: bare ground that was
  bare before, at the water's edge, must be thicker than the shift;
* thin snow lightens plants that still show through it, and is dark in SWIR: never certain;
* roads and levees are long and thin: never certain;
* a bridge goes on as a narrow strip over the water (:mod:`pipeline.detect.decks`): never certain.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.detect.change import Flags, may_have_lost
from pipeline.detect.disturb_options import DisturbOptions
from pipeline.detect.hollows import HollowOptions, hollow_share
from pipeline.detect.look_surface import BRIGHT, NDVI, WATER, Surface, around_is_dry
from pipeline.detect.objects import Pixels, Rejection, Shape, label, measure, ring
from pipeline.detect.waterline import smallest_rectangle
from pipeline.grid import pixels_to_mask
from pipeline.model import Ground, Kind, Sighting

MARGIN_PX = 32
"""Margin around an object's box that :func:`examine` needs in its view [px]."""

_LOST, _LOST_Z = 0.2, 3.0  # NDVI, and its deviation, that a pixel of one felling has lost
_SOIL_NDVI = 0.1  # of ground without plants
_BARE_NDVI, _BARE_BRIGHT, _FAR_FROM_WET = 0.3, 0.08, -0.2  # what is expected of bare dry ground
_BARE_PX = 30  # pixels of it that tell how wet the soil is on a date
_PUDDLES = 0.2  # share of water from which an object may be a flooded field

Float = NDArray[np.float32]


@dataclass(frozen=True)
class Region:
    """What the corridor did on a date or always does.

    ``soil_ceiling``: brightness below which bare ground may be a field, NaN unknown;
    ``fields_flooded``: fields stand under water on this date.
    """

    soil_ceiling: float
    fields_flooded: bool


@dataclass(frozen=True)
class Marked:
    """A window with its surface, deviations, flags and the index that only tells kinds apart."""

    surface: Surface
    z: Float
    flags: Flags
    bare: Float
    colour: Float  # redness


def examine(
    pixels: Pixels,
    marked: Marked,
    region: Region,
    stamp: tuple[str, datetime],
    options: DisturbOptions | None = None,
) -> Sighting | Rejection:
    """Judge one joined object on one date.

    ``marked`` covers its box with :data:`MARGIN_PX` around it, clipped to the grid. The measure
    ``wait_days`` of a sighting says how long it must last before its looks are certain.
    """
    o = options or DisturbOptions()
    n = pixels.rows.size
    if n < o.min_pixels or not pixels.seed.any():
        return Rejection("smaller than the smallest object", False, n)
    surface = marked.surface
    mask = pixels_to_mask(pixels.rows, pixels.cols, surface.window)
    shape = measure(mask)
    numbers = _numbers(mask, shape, marked, o.hollow)
    wet = numbers["wet_share"] >= 0.5
    if wet and _is_shore(mask, surface, o):
        return Rejection("a shore that the level or a shift of the image explains", True, n)
    if not wet and _is_rim(mask, surface, numbers, o):
        return Rejection("a rim of bare shore no wider than a shift of the image", True, n)
    # Where no field is known, whatever has the spectrum of soil may be one.
    soil = not wet and not numbers["core_bright"] >= region.soil_ceiling
    soil &= not numbers.get("bare", np.inf) < o.soil_index  # without the index it may be soil
    # What has only lost its green may be felled, mown or harvested.
    soil |= not wet and numbers["z_bright"] < o.lighter_z
    linear = shape.elongation >= o.linear_elongation and shape.width_px <= o.linear_width_px
    numbers["linear"] = float(linear)
    numbers["soil"] = float(soil)
    numbers["wait_days"] = _wait(numbers, wet, o)
    on_bar = o.sparse_pool if wet else o.sparse_bar
    least = on_bar if numbers["bar_share"] >= 0.5 else o.sparse_below
    certain = (
        numbers["looks"] >= least and not linear and not (soil and not _stays_bare(numbers, o))
    )
    known = np.count_nonzero(surface.levelled[mask]) >= n / 2
    certain &= not (wet and not known and not around_is_dry(surface, mask))
    certain &= not (not wet and _veiled(numbers, o))
    certain &= not (region.fields_flooded and numbers["wet_share"] >= _PUDDLES)
    return Sighting(
        Kind.CAI if wet else Kind.DUI,
        stamp[0],
        stamp[1],
        pixels.rows,
        pixels.cols,
        _score(numbers),
        numbers,
        bool(certain),
    )


def _wait(numbers: dict[str, float], wet: bool, o: DisturbOptions) -> float:
    if wet:
        return o.wait_pool_days if numbers["bar_share"] >= 0.5 else o.wait_water_days
    bar = o.wait_bar_days if numbers["bar_share"] >= 0.5 else 0.0
    return max(bar, o.wait_soil_days if numbers["soil"] else 0.0)


def _stays_bare(numbers: dict[str, float], o: DisturbOptions) -> bool:
    """Tell bare mineral ground, on a date on which plants should stand there."""
    red = numbers["redness"] >= o.redness
    most = max(o.soil_ndvi, o.red_ndvi) if red else o.soil_ndvi
    if numbers["lost_px"] <= o.mixed_pixels:
        left = (1 - o.mixed_gone) * (numbers["expected_ndvi"] - _SOIL_NDVI)
        most = max(most, _SOIL_NDVI + left)
    bare = numbers["barest_ndvi"] <= most
    return bare and numbers["expected_ndvi"] - numbers["barest_ndvi"] >= o.green_lost


def _veiled(numbers: dict[str, float], o: DisturbOptions) -> bool:
    """Tell plants under thin snow: light in the visible, dark in SWIR (Dozier 1989), and green.

    In all of an object, off its edge: a roof among trees has pixels of its own. Where it is so
    small that it has none, plants show through anyway.
    """
    through = numbers["barest_ndvi"] > o.veil_ndvi and numbers["lost_px"] > o.mixed_pixels
    return through and numbers.get("bare", np.inf) < o.veil_index


def _is_shore(mask: NDArray[np.bool_], surface: Surface, o: DisturbOptions) -> bool:
    """Tell whether water hangs together with the channel and is no thicker than a shift."""
    elsewhere = ring(mask, 1) & (surface.state == Ground.WET) & ~surface.dry
    if np.count_nonzero(elsewhere) < 2:
        return False
    radius = int(min(3, max(1, np.ceil(2 * surface.residual_px))))
    solid = ndimage.binary_erosion(mask | elsewhere, np.ones((2 * radius + 1,) * 2))
    core = np.asarray(solid, bool) & mask
    return int(np.count_nonzero(core)) < max(o.min_pixels, mask.sum() / 4)


def _is_rim(
    mask: NDArray[np.bool_], surface: Surface, numbers: dict[str, float], o: DisturbOptions
) -> bool:
    """Tell bare ground at the water's edge that only looks brighter, and is as thin as a shift.

    Where plants were lost a shore cannot explain it; where bare ground was bare before, the mixed
    pixels of a level that was not seen in this season can. Of a field the year spreads so widely
    that all of its plants are no deviation: they are lost as well where it became much lighter, on
    more than the line along the water that a flood leaves sand on.
    """
    if numbers["z_ndvi"] <= -o.lighter_z:
        return False
    shore = (surface.state == Ground.WET) | ~surface.land
    if not (ring(mask, 1) & shore).any():
        return False
    radius = int(min(3, max(1, np.ceil(2 * surface.residual_px))))
    square = np.ones((2 * radius + 1,) * 2)
    lost = numbers["expected_ndvi"] - numbers["ndvi"] >= o.green_lost
    light = lost and numbers["z_bright"] >= 2 * o.lighter_z
    if light and ndimage.binary_erosion(mask, square).any():
        return False
    solid = ndimage.binary_erosion(mask | shore, square)
    core = np.asarray(solid, bool) & mask
    return int(np.count_nonzero(core)) < max(o.min_pixels, mask.sum() / 4)


def _numbers(
    mask: NDArray[np.bool_], shape: Shape, marked: Marked, hollow: HollowOptions
) -> dict[str, float]:
    surface = marked.surface
    seen, z = surface.seen[:, mask], marked.z[:, mask]
    ever = (surface.state == Ground.WET) & ~surface.land | surface.shoal
    near = _distance(mask, ever)
    # The edge of an object is half what lies around it, and plants have a very low soil index.
    inner = _inner(mask, seen[NDVI], surface.state[mask] != Ground.WET)
    core = ~marked.flags.rim[mask]
    core = core if core.any() else ~core
    bare = marked.bare[mask][inner]
    index = {"bare": float(np.median(bare))} if np.isfinite(bare).all() else {}
    barest, lost = _barest(mask, seen[NDVI][inner], marked)
    return (
        index
        | _around(mask, marked)
        | {
            "area_m2": surface.res_m**2 * shape.pixels,
            "elongation": shape.elongation,
            "compactness": shape.compactness,
            "rectangularity": rectangularity(mask),
            "wet_share": _wet_share(mask, marked.flags),
            "hollow_share": hollow_share(mask, marked.flags.wet, surface, hollow),
            "bar_share": float(np.count_nonzero(surface.shoal[mask])) / shape.pixels,
            "bright": float(np.median(seen[BRIGHT])),
            "core_bright": float(np.median(seen[BRIGHT][core])),
            "ndvi": float(np.median(seen[NDVI])),
            "barest_ndvi": barest,
            "lost_px": float(lost),
            "redness": float(np.median(marked.colour[mask][inner])),
            "water": float(np.median(seen[WATER])),
            "expected_ndvi": float(np.median(surface.expected[NDVI][mask])),
            "expected_water": float(np.median(surface.expected[WATER][mask])),
            "z_bright": float(np.median(z[BRIGHT])),
            "z_ndvi": float(np.median(z[NDVI])),
            "z_water": float(np.median(z[WATER])),
            "shore_px": near,
            "looks": float(np.median(surface.looks[mask])),
        }
    )


def _barest(mask: NDArray[np.bool_], inner: Float, marked: Marked) -> tuple[float, int]:
    """Give the NDVI of all that lost its green with the object, off its edge, and how large it is.

    An object is made of pixels that are bare; of a felled wood whose brash is barer in one half,
    only that half. The rest has lost its green too, and hangs together with it. Its size is told
    whatever the spread: where a felling was taken for ordinary ground once, that is wide; and with
    the green ground beside it that was not seen.
    """
    surface, greener = marked.surface, marked.z[NDVI]
    with np.errstate(invalid="ignore"):
        lost = surface.expected[NDVI] - surface.seen[NDVI] >= _LOST
        lost &= greener <= -_LOST_Z
    lost &= surface.ground & (surface.state != Ground.WET)
    whole = _joined(mask, lost)
    size = int(np.count_nonzero(_joined(mask, may_have_lost(surface, _LOST))))
    off_edge = np.asarray(ndimage.binary_erosion(whole, np.ones((3, 3))), bool)
    off_edge &= surface.state != Ground.WET
    if np.count_nonzero(off_edge) < max(4, np.count_nonzero(mask) / 4):
        return float(np.median(inner)), size
    return float(np.median(surface.seen[NDVI][off_edge])), size


def _around(mask: NDArray[np.bool_], marked: Marked) -> dict[str, float]:
    """Give how bright the ordinary bare ground around an object is, where there is enough of it."""
    surface = marked.surface
    with np.errstate(invalid="ignore"):
        bare = (surface.state == Ground.DRY) & surface.land & (surface.looks > 0)
        bare &= (surface.expected[NDVI] <= _BARE_NDVI) & (surface.expected[WATER] <= _FAR_FROM_WET)
        bare &= (surface.expected[BRIGHT] >= _BARE_BRIGHT) & ~mask & ~marked.flags.marked
    if np.count_nonzero(bare) < _BARE_PX:
        return {}
    return {"around_bright": float(np.median(surface.seen[BRIGHT][bare]))}


def _joined(mask: NDArray[np.bool_], other: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Give an object and what of the other pixels hangs together with it."""
    labels = label(mask | other)
    return np.isin(labels, np.unique(labels[mask])) & (mask | other)


def _wet_share(mask: NDArray[np.bool_], flags: Flags) -> float:
    """Give the share of water among the pixels that are of one kind: a rim is of none."""
    rim = int(np.count_nonzero(flags.rim[mask]))
    return float(np.count_nonzero(flags.wet[mask])) / max(int(mask.sum()) - rim, 1)


def _inner(mask: NDArray[np.bool_], ndvi: Float, dry: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Choose the object's pixels (N,) that show it alone, and no puddle: a puddle has no plants.

    Those off its edge; where it is too small to have four of them, the half with the fewest plants,
    which of a larger object would be the darkest noise.
    """
    dry = dry if dry.any() else ~dry
    inside = np.asarray(ndimage.binary_erosion(mask, np.ones((3, 3))), bool)[mask] & dry
    if np.count_nonzero(inside) >= 4:
        return inside
    return dry & (ndvi <= np.median(ndvi[dry]))


def _distance(mask: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    """Give the distance from an object to other pixels [px], at most the margin."""
    if not other.any():
        return float(MARGIN_PX)
    away = np.asarray(ndimage.distance_transform_edt(~other), np.float64)
    return min(float(away[mask].min()), float(MARGIN_PX))


def rectangularity(mask: NDArray[np.bool_]) -> float:
    """Area over that of the smallest rectangle around it, 0..1."""
    rows, cols = np.nonzero(mask)
    return float(rows.size / smallest_rectangle(rows, cols).area)


def _score(numbers: dict[str, float]) -> float:
    size = 1 - float(np.exp(-numbers["area_m2"] / 1500))
    strength = max(
        numbers["z_bright"], -numbers["z_ndvi"], numbers["z_water"] * (numbers["wet_share"] >= 0.5)
    )
    return round(size * float(np.clip(strength / 8, 0, 1)), 4)
