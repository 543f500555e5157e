"""Ground that is no longer what it was: bare, built upon, or under water where none belongs.

One look is compared with the seasonal normal of every pixel (:mod:`pipeline.detect.normal`), after
what the whole region did on that date has been taken out. Three signs make a pixel unexpected:

* *bare*: no vegetation to speak of, and brighter or far less green than this ground is at this time
  of the year. Soil red with iron has an NDVI of up to 0.3 without a plant on it, and is
  told by its colour, which plants, straw and brash do not have (the index is the coloration index
  of Mathieu et al. 1998, doi:10.1016/S0034-4257(98)00030-3). A change must survive the small
  shift that registration leaves
  (``(|I - E| - shift * |grad E|) / sigma``, the linear form of the minimum over small shifts);
* *wet*: water where the pixel was dry at this level of the reach and at higher ones;
* on bars that are under water part of the year only looks count in which the pixel should be dry,
  and a pixel needs company: more than a third of its 5x5 neighbourhood disturbed or wet.

What a pixel's history cannot say stays unsaid: no model, no flag.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.detect.change_options import ChangeOptions
from pipeline.detect.deviations import deviations
from pipeline.detect.features import FLOOR
from pipeline.detect.ground_kinds import EDGES
from pipeline.detect.look_surface import (
    BRIGHT,
    NDVI,
    UNDECIDED,
    WATER,
    Bool,
    Float,
    Places,
    Surface,
    strata,
)
from pipeline.detect.neighbours import around, count
from pipeline.detect.water import LEAST_SUM
from pipeline.model import Ground

HALO_PX = 8
"""Halo that makes flags exact at a tile's edge: gradient, the 9x9 count and the 5x5 share [px]."""

_SOIL_NDVI = np.float32(0.1)  # of ground without plants


@dataclass(frozen=True)
class Flags:
    """Unexpected pixels of one look (H, W); ``seed`` is part of ``bare | wet``."""

    bare: Bool
    wet: Bool
    seed: Bool
    rim: Bool  # beside what is unexpected and half way to it: part of the object, of no kind

    @property
    def marked(self) -> Bool:
        """All pixels of objects."""
        return self.bare | self.wet | self.rim


def deviation(surface: Surface, offsets: Float, options: ChangeOptions | None = None) -> Float:
    """Give signed deviations z (3, H, W) that survive the registration shift; NaN without model.

    ``offsets`` float32 (n_reach + 1, N_STRATA, 3), or (3,) where one set holds for the window.
    """
    o = options or ChangeOptions()
    shift = np.float32(min(1.0, o.shift_sigmas * surface.residual_px))
    kind, reach = strata(surface), surface.reach
    if offsets.ndim < 3:
        kind, reach, offsets = np.zeros_like(kind), np.zeros_like(reach), offsets[None, None]
    look = (surface.seen, surface.expected, surface.spread)
    return deviations(look, kind, reach, np.ascontiguousarray(offsets), shift)


def redness(red: Float, green: Float) -> Float:
    """Give (red - green) / (red + green) of reflectances, float32, about -1..1, NaN without."""
    out = red - green
    out /= np.maximum(red + green + FLOOR, LEAST_SUM)
    return out


def flag(
    surface: Surface,
    z: Float,
    options: ChangeOptions | None = None,
    colour: Callable[[], Float] | None = None,
) -> Flags:
    """Mark the unexpected pixels of a look; exact where :data:`HALO_PX` lies around a pixel.

    Few pixels are out of the ordinary at all: only they are asked, and drawn where neighbours have
    a say. ``colour`` gives :func:`redness` (H, W), and is asked where red soil alone could be bare;
    None: no soil is red.
    """
    o = options or ChangeOptions()
    places = Places(surface.state.shape, np.flatnonzero(_notable(surface, z, o)))
    if not places.at.size:
        return Flags(*np.zeros((4, *places.shape), bool))
    window, surface, z = surface, surface.take(places), places.take(z)
    ground = surface.ground
    lighter, greener = z[BRIGHT], z[NDVI]
    bare = (surface.state == Ground.DRY) & (surface.seen[NDVI] <= o.bare_ndvi)
    bare |= _red(surface, o, None if colour is None else lambda: places.take(colour()))
    few = _mostly_bare(surface, z, o, lambda: places.take(_small(window, o)))
    bare |= (surface.state != Ground.WET) & few
    bare &= ground & (surface.seen[BRIGHT] >= o.bright_min)
    lost = surface.expected[NDVI] - surface.seen[NDVI] >= o.green_lost
    with np.errstate(invalid="ignore"):
        weak = bare & ((lighter >= o.grow_z) | ((greener <= -o.grow_z) & lost & (lighter >= 0)))
        strong = bare & ((lighter >= o.seed_z) | ((greener <= -o.seed_z) & lost & (lighter >= 1)))
        drained = surface.drained & surface.dry
        risen = (z[WATER] >= o.grow_z) | surface.shoal
        wet = drained & (surface.state == Ground.WET) & risen
        wet |= drained & _mostly_wet(surface, z, o)
        drowned = wet & (z[WATER] >= o.seed_z)
        rim = drained & _partly_wet(surface, z, (drowned, places), o)
        small = places.take(count(places.draw(weak))) <= o.rim_pixels
        rim |= ground & small & _partly_bare(surface, z, (strong & surface.land, places), o)
        rim &= ~wet & ~weak
    company = places.take(_share(places.draw(weak | wet), window.drained, o))
    bare_seed = strong & surface.land | weak & surface.bar & company
    # That dry ground is water is no matter of degree: a pool of nine pixels has a core of its own.
    pool = places.take(_core(places.draw(wet))) if wet.any() else wet
    wet_seed = drowned & surface.land | wet & (drowned & company | surface.shoal & pool)
    keep = surface.land | company | pool
    rows = (weak & keep, wet & keep, bare_seed | wet_seed, rim & keep)
    return Flags(*(places.draw(row) for row in rows))


def _red(surface: Surface, o: ChangeOptions, colour: Callable[[], Float] | None) -> Bool:
    """Where ground is bare soil by its colour, whose NDVI alone would pass for thin plants."""
    seen = surface.seen
    maybe = (surface.state == Ground.DRY) & surface.ground & (seen[BRIGHT] >= o.bright_min)
    maybe &= (seen[NDVI] > o.bare_ndvi) & (seen[NDVI] <= o.red_ndvi)
    if colour is None or not maybe.any():
        return np.zeros_like(maybe)
    with np.errstate(invalid="ignore"):
        return maybe & (colour() >= o.redness)


def _notable(surface: Surface, z: Float, o: ChangeOptions) -> Bool:
    """Where a pixel deviates as far as any that is marked, or is water on a bar."""
    with np.errstate(invalid="ignore"):
        away = (z[BRIGHT] >= o.grow_z) | (z[NDVI] <= -o.grow_z) | (z[WATER] >= o.grow_z)
    return away | (surface.shoal & surface.dry & (surface.state == Ground.WET))


def _core(wet: Bool) -> Bool:
    """Where a pixel under water is one of a pool that has a pixel with most neighbours wet."""
    return wet & (around(wet & (around(wet) >= 5)) > 0)


def _mostly_wet(surface: Surface, z: Float, o: ChangeOptions) -> Bool:
    """Where dry ground became as dark in the near infrared as water alone does.

    A pond narrower than three pixels of SWIR (20 m, and its blur) never has the water score of
    water: half of what SWIR sees is its banks. Red and near infrared have pixels of 10 m.
    """
    with np.errstate(invalid="ignore"):
        dark = (surface.state == Ground.DRY) & (surface.seen[NDVI] <= o.water_ndvi)
        expected, seen = surface.expected[WATER], surface.seen[WATER]
        half = (expected < 0) & (seen >= o.mixed_wet * expected)
        risen = (z[WATER] >= o.grow_z) | surface.shoal & (z[NDVI] <= -o.grow_z)
        return dark & half & risen & (z[NDVI] < 0) & (z[BRIGHT] < o.grow_z)


def _mostly_bare(surface: Surface, z: Float, o: ChangeOptions, small: Callable[[], Bool]) -> Bool:
    """Where green ground lost most of its green and became much brighter: pixels partly covered.

    ``small`` gives :func:`_small` of them, where anything hangs on that.
    """
    expected = surface.expected[NDVI]
    with np.errstate(invalid="ignore"):
        left = (surface.seen[NDVI] - _SOIL_NDVI) / np.maximum(expected - _SOIL_NDVI, 0.05)
        green = (expected >= EDGES[0]) & (left <= 1 - o.mixed_gone)
        lost = green & (z[NDVI] <= -o.seed_z) & (z[BRIGHT] >= o.grow_z)
    dim = lost & (z[BRIGHT] < o.seed_z)
    return lost & ~(dim & ~small()) if dim.any() else lost


def _small(surface: Surface, o: ChangeOptions) -> Bool:
    """Where so few pixels lost their plants that none of them need be a pure one.

    Whatever their spread: where a felling was taken for ordinary ground once, it is wide.
    """
    few = count(may_have_lost(surface, o.green_lost), 9) <= o.small_pixels
    return few & (surface.looks >= o.small_looks)


def may_have_lost(surface: Surface, green: float) -> Bool:
    """Where so much NDVI is gone, or may be: of what was not seen the rest of a felling may be.

    Beside the edge of a swath or under a cloud only ground counts that should have been green.
    """
    ndvi = surface.seen[NDVI]
    clouded = (surface.state == Ground.UNKNOWN) & (np.abs(surface.seen[WATER]) >= UNDECIDED)
    bare = np.where(clouded | ~np.isfinite(ndvi), _SOIL_NDVI, ndvi)
    with np.errstate(invalid="ignore"):
        return np.asarray(surface.expected[NDVI] - bare >= green)


def _partly_bare(surface: Surface, z: Float, beside: tuple[Bool, Places], o: ChangeOptions) -> Bool:
    """Where ground beside unexpected bare ground is half way to it: the mixed rim.

    It lost half of its plants too, or became half as much brighter.

    A heap of 1,000 m2 is one or two pure pixels and eight mixed ones; left out of it, those are
    history of the next quarter, and the ground is taken for one that changes all the time.
    """
    strong, places = beside
    if not strong.any():
        return strong
    near = places.take(around(places.draw(strong))) > 0
    expected = surface.expected[NDVI]
    with np.errstate(invalid="ignore"):
        gone = (expected - surface.seen[NDVI]) / np.maximum(expected - _SOIL_NDVI, 0.05)
        lost = expected - surface.seen[NDVI] >= o.green_lost
        partly = lost & (gone >= o.rim_gone) & (z[NDVI] <= -o.grow_z) & (z[BRIGHT] >= 0)
        # Where plants are dormant light alone tells the mixture.
        light = surface.seen[BRIGHT] - surface.expected[BRIGHT]
        image = places.draw(np.where(strong, light, -np.inf), -np.inf)
        most = places.take(ndimage.maximum_filter(image, 3, mode="nearest"))
        known = surface.looks >= o.small_looks
        partly |= known & (light >= o.rim_gone * most) & (z[BRIGHT] >= o.grow_z)
    return near & surface.land & (surface.state != Ground.WET) & partly


def _partly_wet(surface: Surface, z: Float, beside: tuple[Bool, Places], o: ChangeOptions) -> Bool:
    """Where ground beside unexpected water is itself half way to water: a pond's mixed rim.

    A pond of 1,000 m2 has a handful of pure pixels; without its rim it is smaller than the smallest
    object.
    """
    drowned, places = beside
    if not drowned.any():
        return drowned
    near = places.take(around(places.draw(drowned))) > 0
    expected = surface.expected[WATER]
    with np.errstate(invalid="ignore"):
        half = surface.seen[WATER] >= o.mixed_wet * expected
        return near & (expected < 0) & half & (z[WATER] >= o.grow_z)


@dataclass(frozen=True)
class Run:
    """Looks in a row at which a pixel was under water; arrays (H, W)."""

    total: Float  # of their deviations
    looks: NDArray[np.uint8]

    @classmethod
    def begin(cls, shape: tuple[int, int]) -> Run:
        """Give that of a window before its first look."""
        return cls(np.zeros(shape, np.float32), np.zeros(shape, np.uint8))

    def seen(self, surface: Surface, z: Float, flags: Flags) -> Run:
        """Add a look: water goes on with it, dry ground ends it, what is not clear says nothing."""
        total, looks = self.total.copy(), self.looks.copy()
        begun = np.nonzero(looks)
        if begun[0].size:
            kept = (~surface.drained | flags.wet)[begun]
            total[begun] *= kept
            looks[begun] *= kept
        wet = np.nonzero(flags.wet)
        total[wet] += np.nan_to_num(z[WATER][wet])
        looks[wet] += 1
        return Run(total, looks)

    def seeds(self, flags: Flags, options: ChangeOptions | None = None) -> Bool:
        """Where looks that are each too weak start an object together.

        The noise of n looks is independent, their water is not: the sum over the root of n.
        """
        o = options or ChangeOptions()
        out = flags.wet & (self.looks >= 2)
        at = np.nonzero(out)
        out[at] = self.total[at] >= o.seed_z * np.sqrt(self.looks[at])
        return out


def _share(marked: Bool, ground: Bool, o: ChangeOptions) -> Bool:
    """Where more than the share of the judged 5x5 neighbourhood is marked."""
    if not marked.any():
        return marked
    own, judged = count(marked), count(ground)
    return (judged >= o.bar_pixels) & (own > o.bar_share * judged)
