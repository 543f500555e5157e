"""Ground that is no longer what it was: bare, built upon, or under water where none belongs.

One look is compared with the seasonal normal of every pixel (:mod:`pipeline.detect.normal`), after
what the whole region did on that date has been taken out. Three signs make a pixel unexpected:

* *bare*: no vegetation to speak of, and brighter or far less green than this ground is at this time
  of the year; a change must survive the small shift that registration leaves
  (``(|I - E| - shift * |grad E|) / sigma``, the linear form of the minimum over small shifts);
* *wet*: water where the pixel was dry at this level of the reach and at higher ones;
* on bars that are under water part of the year only looks count in which the pixel should be dry,
  and a pixel needs company: more than a third of its 5x5 neighbourhood disturbed or wet.

What a pixel's history cannot say stays unsaid: no model, no flag.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy import ndimage

from pipeline.detect.deviations import count_residuals, deviations, dry_counts
from pipeline.detect.expect import Baseline
from pipeline.detect.features import MODELLED
from pipeline.detect.ground_kinds import BAR, EDGES, lies, modelled, states_with, strata_of
from pipeline.detect.neighbours import around, count
from pipeline.detect.normal import Normal
from pipeline.model import Ground, Window

Float = NDArray[np.float32]
Bool = NDArray[np.bool_]
T = TypeVar("T", bound=np.generic)

BRIGHT, NDVI, WATER = range(len(MODELLED))

HALO_PX = 8
"""Halo that makes flags exact at a tile's edge: gradient, the 9x9 count and the 5x5 share [px]."""

N_STRATA = 4  # of expected NDVI: bare, mixed, green; and bars, which lighten while they dry
_SOIL_NDVI = np.float32(0.1)  # of ground without plants
_RESIDUAL_BINS = 161
_RESIDUAL_STEP = 0.005  # residuals of -0.4..0.4 in steps of this; the ends collect the rest
UNDECIDED = 0.05
"""Water scores nearer to zero are those of neither class."""
_LOWER_PX, _LOWER_WET = 50, 0.05  # pixels of a shore that tell, and share that is under water
_BRIGHT_BINS = 200  # of 0..1


class ChangeOptions(BaseModel):
    """What makes a pixel unexpected; z is a deviation over its spread."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed_z: float = Field(default=4.0, ge=2, le=20, description="deviation that starts an object")
    grow_z: float = Field(default=2.5, ge=1, le=20, description="deviation that an object grows to")
    bare_ndvi: float = Field(
        default=0.2, ge=0.05, le=0.4, description="NDVI above which ground is not bare or built"
    )
    mixed_gone: float = Field(
        default=0.6,
        gt=0,
        le=1,
        description="share of the expected vegetation that must be gone where a pixel is only "
        "partly bare: small objects have no pure pixel",
    )
    rim_gone: float = Field(
        default=0.5,
        gt=0,
        le=1,
        description="the same beside bare ground that starts an object: its mixed rim",
    )
    rim_pixels: int = Field(
        default=6, ge=1, le=25, description="bare pixels of a 5x5 up to which an object has a rim"
    )
    small_pixels: int = Field(
        default=16,
        ge=1,
        le=81,
        description="pixels of a 9x9 that lost their plants or were not seen, up to which an "
        "object need have no pure pixel: there the loss of plants starts it, and light need only "
        "go with it; most fields and fellings have more, a plot of up to 16 pixels has not",
    )
    small_looks: int = Field(
        default=16,
        ge=1,
        description="clear looks of the pixel's own history without which an object needs a pure "
        "pixel, and light alone makes no rim: of a mixed pixel a dry year takes half the plants "
        "and gives half the light, and few looks know no such year",
    )
    water_ndvi: float = Field(
        default=-0.1,
        ge=-0.2,
        le=0.1,
        description="NDVI up to which darkened ground is mostly water: no dry soil, plant or roof "
        "has less than 0, and wet dark soil little less (an error of 0.005 in a reflectance of "
        "0.05 is 0.05); 10 m pixels show it where SWIR of 20 m still sees the banks",
    )
    mixed_wet: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="share of the expected dryness (of the water score) left in a pond's rim",
    )
    bright_min: float = Field(
        default=0.08, ge=0.02, le=0.3, description="darker ground is wet soil or shade"
    )
    green_lost: float = Field(
        default=0.2, ge=0.05, le=0.6, description="NDVI that must be gone where light is no sign"
    )
    dry_looks: int = Field(
        default=2, ge=1, description="dry looks at this level or higher that make water unexpected"
    )
    least_looks: int = Field(
        default=3, ge=1, description="clear looks of history without which nothing is unexpected"
    )
    rank_margin: float = Field(
        default=0.05, ge=0, le=0.3, description="uncertainty of a level rank"
    )
    bar_share: float = Field(
        default=0.35, gt=0, le=1, description="share of the 5x5 neighbourhood that is disturbed"
    )
    bar_pixels: int = Field(
        default=8, ge=1, le=25, description="pixels of it that can be judged at all"
    )
    shift_sigmas: float = Field(
        default=2.0, ge=0, le=4, description="registration residuals that a change must survive"
    )
    region_pixels: int = Field(
        default=200, ge=20, description="pixels of a stratum that make a regional median"
    )


@dataclass(frozen=True)
class Places:
    """Some pixels of a window: its shape, and the places ``at`` intp (N,) of its raveled image."""

    shape: tuple[int, int]
    at: NDArray[np.intp]

    def take(self, image: NDArray[T]) -> NDArray[T]:
        """Give these pixels of images (..., H, W) as one row, (..., 1, N)."""
        flat = image.reshape(*image.shape[:-2], -1)
        return flat[..., self.at][..., None, :]

    def draw(self, row: NDArray[T], blank: float = 0) -> NDArray[T]:
        """Give the image (H, W) of a row (1, N); ``blank`` elsewhere."""
        out = np.full(self.shape, blank, row.dtype)
        out.ravel()[self.at] = row[0]
        return out


@dataclass(frozen=True)
class Surface:
    """One look at one window against its normal; arrays end in (H, W).

    ``seen`` (3, H, W) and ``expected`` (3, H, W), features of ``MODELLED``; ``spread`` (3, H, W);
    ``state`` Ground codes; ``land`` never wet in history, ``shoal`` wet in part of it, ``bar`` what
    of that was seen dry at levels as low as today's; ``dry``: the level says that it should be dry;
    ``levelled``: there is a level; ``looks`` of the model, 0 without one; ``reach`` 1-based;
    ``bins``: how often history saw water (:func:`pipeline.detect.water_frequency.frequency_bins`).
    """

    window: Window
    seen: Float
    expected: Float
    spread: Float
    state: NDArray[np.uint8]
    land: Bool
    shoal: Bool
    bar: Bool
    dry: Bool
    levelled: Bool
    looks: NDArray[np.uint16]
    reach: NDArray[np.uint16]
    bins: NDArray[np.uint8]
    residual_px: float
    res_m: float = 10.0

    @property
    def ground(self) -> Bool:
        """Clear pixels with a model that should be dry ground, and look as it says."""
        return self.known & (self.land | (self.bar & self.dry))

    @property
    def drained(self) -> Bool:
        """Clear pixels with a model that should not be water.

        A bar lightens for longer than it ever did where today's level is below all of history, but
        water on it is no less unexpected for that.
        """
        return self.known & (self.land | (self.shoal & self.dry))

    @property
    def known(self) -> Bool:
        """Clear pixels with a model."""
        return (self.state != Ground.UNKNOWN) & (self.looks > 0)

    def take(self, places: Places) -> Surface:
        """Give some pixels as one row, all (1, N): what needs no neighbours is asked of those."""
        every = (f.name for f in fields(self))
        arrays = ((name, getattr(self, name)) for name in every)
        return replace(self, **{n: places.take(a) for n, a in arrays if isinstance(a, np.ndarray)})


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


def surface_of(
    look: tuple[Float, NDArray[np.uint8], float],
    normal: Normal,
    day: float,
    base: Baseline,
    where: tuple[Window, NDArray[np.uint16], float],
    ranks: tuple[Float, Float],
    options: ChangeOptions | None = None,
) -> Surface:
    """Put a look beside its normal.

    Parameters
    ----------
    look : (float32 (3, H, W), uint8 (H, W), float)
        Features, ground codes, and the registration residual [px, 1 sigma].
    normal, base : over the same window
    day : float
        Of the look, in the days of the fit.
    where : (Window, uint16 (H, W), float)
        The window, its reach indices, and the pixel size [m].
    ranks : (float32 (n_reach + 1,), float32 (n_reach + 1,))
        Level rank of the date per reach (NaN unknown), and the highest rank of the history.
    """
    o = options or ChangeOptions()
    seen, state, residual = look
    state = decided(seen, state, o)
    window, reach, res_m = where
    # A bar lightens while it dries: one that lies bare longer than it ever did is unlike itself.
    counts = dry_counts(base.history, reach, ranks[0], o.rank_margin)
    # Without a level only ground that was never wet is expected to be dry, and not for certain.
    land, shoal, bar, dry, levelled = lies(base.bins, reach, ranks, counts, o.dry_looks)
    return Surface(
        window, seen, normal.at(day), normal.spread, state, land, shoal, bar, dry, levelled,
        modelled(normal.looks, base.n_clear, o.least_looks), reach, base.bins, residual, res_m,
    )  # fmt: skip


def decided(seen: Float, state: NDArray[np.uint8], options: ChangeOptions) -> NDArray[np.uint8]:
    """Let the 10 m bands decide where the water score cannot: less near infrared than red is water.

    Parameters
    ----------
    seen : float32 (3, H, W)
        Features of the look.
    state : uint8 (H, W)
        Ground codes; of what is not clear the score is that of a cloud, and far from zero.
    """
    return states_with(seen[WATER], seen[NDVI], state, UNDECIDED, options.water_ndvi)


def around_is_dry(surface: Surface, mask: Bool) -> bool:
    """Tell that no level explains water in ``mask`` (H, W), though none may be known.

    What history saw under water as often as ``mask`` (its median), or more often, and not always,
    lies around it: there is enough of it, and no more than a twentieth is wet. A flood that reaches
    ``mask`` covers such lower ground first. Higher ground around says nothing: a hollow of a bar is
    full at levels that leave the bar's top dry.
    """
    own = np.asarray(ndimage.binary_dilation(mask, np.ones((5, 5))), bool)
    as_low = surface.shoal & (surface.bins >= np.median(surface.bins[mask]))
    lower = as_low & (surface.state != Ground.UNKNOWN) & ~own
    wet = int(np.count_nonzero(lower & (surface.state == Ground.WET)))
    n = int(np.count_nonzero(lower))
    return n >= _LOWER_PX and wet <= _LOWER_WET * n


def strata(surface: Surface) -> NDArray[np.uint8]:
    """Class ground by the vegetation expected on the date: 0 bare, 1 mixed, 2 green; 3 bars."""
    return strata_of(surface.expected[NDVI], surface.shoal)  # bare where nothing is expected


def tally_residuals(surface: Surface, core: Window, n_reach: int) -> NDArray[np.int64]:
    """Count residuals of one tile's core, int64 (n_reach + 1, N_STRATA, 3, bins); tiles add up."""
    use = surface.ground & (surface.reach > 0) & (surface.state != Ground.WET)
    where = (use, strata(surface), surface.reach)
    out = np.zeros((len(MODELLED), n_reach + 1, N_STRATA, _RESIDUAL_BINS), np.int64)
    part = core.within(surface.window)
    count_residuals(surface.seen, surface.expected, where, part, _RESIDUAL_STEP, out)
    return np.moveaxis(out, 0, 2)


def regional_offsets(
    total: NDArray[np.signedinteger], options: ChangeOptions | None = None
) -> Float:
    """Give what the region did on a date: float32 (n_reach + 1, N_STRATA, 3), to be subtracted.

    The median of a stratum of the reach; of the whole corridor where the reach has too few pixels,
    and for bars, of which a mine may take most of a reach; zero where even that has too few.
    """
    o = options or ChangeOptions()
    everywhere = total.sum(axis=0)
    out = np.zeros(total.shape[:3], np.float32)
    for index in np.ndindex(*total.shape[:3]):
        own = total[index] if index[1] != BAR else everywhere[index[1:]]
        for hist in (own, everywhere[index[1:]]):
            if hist.sum() >= o.region_pixels:
                middle = int(np.searchsorted(np.cumsum(hist), (hist.sum() + 1) / 2))
                out[index] = (middle - _RESIDUAL_BINS // 2) * _RESIDUAL_STEP
                break
    return out


def cropland(normal: Normal) -> tuple[Bool, Float]:
    """Find ground that is green in one season and bare in another, and how bright it gets.

    Returns
    -------
    fields : bool (H, W)
    ceiling : float32 (H, W)
        Brightest expected day of the year and the tail beyond it.
    """
    days = np.arange(0, 365, 15, dtype=np.float64)
    least, green = normal.over_year(days, NDVI)
    with np.errstate(invalid="ignore"):
        fields = (normal.looks > 0) & (green >= 0.5) & (green - least >= 0.2)
    _, brightest = normal.over_year(days, BRIGHT)
    return fields, (brightest + 1.645 * normal.spread[BRIGHT]).astype(np.float32)


def tally_fields(
    fields: Bool, ceiling: Float, reach: NDArray[np.uint16], n_reach: int
) -> NDArray[np.int64]:
    """Count how bright :func:`cropland` gets, int64 (n_reach + 1, bins); tiles add up."""
    use = fields & (reach > 0)
    step = np.clip((ceiling[use] * _BRIGHT_BINS).astype(np.int64), 0, _BRIGHT_BINS - 1)
    key = reach[use].astype(np.int64) * _BRIGHT_BINS + step
    size = (n_reach + 1) * _BRIGHT_BINS
    return np.bincount(key, minlength=size).reshape(n_reach + 1, _BRIGHT_BINS).astype(np.int64)


def soil_ceiling(total: NDArray[np.int64], quantile: float = 0.9) -> float:
    """Give the brightness below which bare ground may be a field; NaN where no field is known."""
    hist = total.sum(axis=0)
    if hist.sum() < 100:
        return float("nan")
    return float(np.searchsorted(np.cumsum(hist), quantile * hist.sum()) + 1) / _BRIGHT_BINS


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


def flag(surface: Surface, z: Float, options: ChangeOptions | None = None) -> Flags:
    """Mark the unexpected pixels of a look; exact where :data:`HALO_PX` lies around a pixel.

    Few pixels are out of the ordinary at all: only they are asked, and drawn where neighbours have
    a say.
    """
    o = options or ChangeOptions()
    places = Places(surface.state.shape, np.flatnonzero(_notable(surface, z, o)))
    if not places.at.size:
        return Flags(*np.zeros((4, *places.shape), bool))
    window, surface, z = surface, surface.take(places), places.take(z)
    ground = surface.ground
    lighter, greener = z[BRIGHT], z[NDVI]
    bare = (surface.state == Ground.DRY) & (surface.seen[NDVI] <= o.bare_ndvi)
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
