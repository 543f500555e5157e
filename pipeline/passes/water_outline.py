"""The outline of an object in the water: what it covers, by looks at one level before and after."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from pipeline.adjudicate.tracks import Track
from pipeline.detect.expect import Baseline
from pipeline.detect.medians import middle_of
from pipeline.detect.ramps import RampOptions, reach_across
from pipeline.detect.waterline import covered_share, outline, width_of_change
from pipeline.grid import pixels_to_mask
from pipeline.model import Ground, Look, Seen, Window
from pipeline.passes.change import box_of
from pipeline.passes.ground import Site, States
from pipeline.passes.reduce import CLEAR_CODES
from pipeline.passes.states import state_bands

_MARGIN_PX = 12
_SAME_LEVEL = 0.12  # ranks nearer than this show the same shore
_STRIP = 0.4  # share of sightings that tie two banks together, from which it is a bridge
_DECK_NIR_PX = 2.8  # a short bridge is not wider in the near infrared [px]
_DATES = 3  # on which a strip was seen that no deck can be
_RES_M = (7.0, 15.0)  # widths are of pixels of 10 m
_BEFORE = 4  # looks before that make the medians of an outline
_HIGH_WATER = 0.75  # share of looks with a lower level, at usual high water
_RANK_NOISE = 0.01  # of the rank of a level
_AS_FINE = 1.2  # times the smallest pixel: what is stated as 9.99 m and as 10 m is alike
_CLEAR = 0.5  # of the object, from which a look before it shows its shore
_DRY_BANDS = ("nir", "swir16", "swir22")  # in which nothing is darker than water, turbid or clear
_HITS = 3  # hits that an outline should rest on


def water_outline(states: States, track: Track, found: Sequence[Look]) -> BaseGeometry:
    """Outline what is covered, by looks at one level before and after."""
    window = around(states.site, track)
    before, after = _about_one_level(track, found)
    newest = [k for k in found if k.seen is Seen.HIT][-_HITS:]
    footprint = pixels_to_mask(track.rows, track.cols, window)
    share = np.full(footprint.shape, np.nan, np.float32)
    # SWIR of 20 m blurs a fill to three pixels more; it is asked where the others show no change.
    chosen = list(dict.fromkeys((*before, *after, *newest)))
    every = _common_bands(states, chosen)
    for names in dict.fromkeys((tuple(_finest(states, chosen, every)), tuple(every))):
        was, now, last = (
            _middle(states, track, some, (window, names)) for some in (before, after, newest)
        )
        dry = [i for i, name in enumerate(names) if name in _DRY_BANDS]
        share = covered_share(was, now, footprint, dry)
        # What has grown since the water stood so high is known from newer hits, inside the object
        # only.
        grown = covered_share(was, last, footprint, dry)
        share = np.where(footprint, np.fmax(share, grown), share).astype(np.float32)
        if np.isfinite(share).any():
            break
    return outline(share - np.float32(0.5), footprint, states.site.store.grid.sub(window))


def is_deck(states: States, track: Track, found: Sequence[Look]) -> bool:
    """Tell what ties two banks together on enough of its dates and is as narrow as a deck.

    SWIR blurs a deck to six pixels; the near infrared of 10 m does not. Its width is what
    brightened over its length from bank to bank, whichever side of the object is the longer one.
    """
    spans = [s.measures["span_px"] for s in track.sightings]
    if np.mean([s > 0 for s in spans]) < _STRIP:
        return False
    length = float(np.median([s for s in spans if s > 0]))
    width = _width_over(states, track, found, length)
    return not width > _DECK_NIR_PX  # unknown: what closes a channel stays doubted


def lies_along(
    states: States,
    track: Track,
    found: Sequence[Look],
    how: tuple[Callable[[Window], Baseline], RampOptions],
) -> bool:
    """Tell a strip that lies along the shore, and across the channel is wider than a deck.

    ``how`` begins with the history that the track is held against. On fewer than three dates
    of the patrol nothing is said (a state once told lasts, and one outline may lie askew), nor of
    pixels so small or large that a deck is another number of them.
    """
    least, most = _RES_M
    if len(track.pass_ids) < _DATES or not least <= states.site.store.grid.res_m <= most:
        return False
    window = around(states.site, track)
    footprint = pixels_to_mask(track.rows, track.cols, window)
    across = reach_across(footprint, how[0](window).bins, how[1])
    return across > 0 and _width_over(states, track, found, across) > _DECK_NIR_PX


def _width_over(states: States, track: Track, found: Sequence[Look], length_px: float) -> float:
    """Give the width of what brightened in the near infrared over a length [px]; NaN unknown."""
    window = around(states.site, track)
    before, after = _about_one_level(track, found)
    was, now = (_middle(states, track, some, (window, ["nir"]))[0] for some in (before, after))
    footprint = pixels_to_mask(track.rows, track.cols, window)
    return width_of_change(was, now, footprint, length_px)


def around(site: Site, track: Track) -> Window:
    """Give the window in which an object is outlined."""
    window = box_of((track.rows, track.cols)).pad(_MARGIN_PX).intersect(site.store.grid.window)
    assert window is not None
    return window


def _common_bands(states: States, found: Sequence[Look]) -> list[str]:
    by_id = {p.id: p for p in states.looks.passes}
    return sorted(
        set.intersection(*(set(state_bands(states.site, by_id[k.pass_id])) for k in found))
    )


def _finest(states: States, found: Sequence[Look], names: Sequence[str]) -> list[str]:
    """Give those bands whose pixels are the smallest of every sensor; all where there are none.

    One sensor may be finest in other bands than the next. A scene without any of the bands, such as
    one that holds a mask alone, has no say.
    """
    ids = {k.pass_id for k in found}
    assets = [s.assets for p in states.looks.passes if p.id in ids for s in p.scenes]
    sizes = [{n: held[n].gsd_m for n in names if n in held} for held in assets]
    told = [(size, min(size.values()) * _AS_FINE) for size in sizes if size]
    fine = [n for n in names if all(size.get(n, math.inf) <= most for size, most in told)]
    return fine or list(names)


def _middle(
    states: States, track: Track, some: Sequence[Look], what: tuple[Window, Sequence[str]]
) -> NDArray[np.float32]:
    """Give the median of the clear pixels of some looks, (bands, H, W); NaN where there is none."""
    window, names = what
    reader = states.looks.reader(states.site.store)
    cubes: list[NDArray[np.float32]] = []
    for look in some:
        cube = np.stack([reader.band(look.pass_id, b, window) for b in names])
        cube[:, ~np.isin(reader.mask(look.pass_id, window), CLEAR_CODES)] = np.nan
        if look.on < track.first_on:
            # What an earlier patrol found here is not the shore before.
            for rows, cols in states.flagged.get(look.pass_id, ()):
                cube[:, pixels_to_mask(rows, cols, window)] = np.nan
            if look.seen is Seen.UNKNOWN:
                # It may hold half of the object, or a part of the bed that fell dry.
                ground = np.isin(states.of(look.pass_id, window), (Ground.DRY, Ground.GREEN))
                cube[:, ground] = np.nan
        cubes.append(cube.astype(np.float32))
    if not cubes:
        return np.full((len(names), *window.shape), np.nan, np.float32)
    return middle_of(cubes)


def _about_one_level(track: Track, found: Sequence[Look]) -> tuple[list[Look], list[Look]]:
    """Choose looks before and hits after at about usual high water, or the highest that showed it.

    A lower level leaves the upper part of the object on dry ground, and uncovers ground beside it
    that has not been filled; a flood would count ground that is hardly ever water. Where too few
    hits lie there, those next below are taken too.
    """
    hits = [k for k in found if k.seen is Seen.HIT and k.level_rank is not None]
    if not hits:
        return [], [k for k in found if k.seen is Seen.HIT][-_BEFORE:]
    told = [k for k in found if k.seen is not Seen.UNKNOWN]
    every = [_rank(k) for k in told if k.level_rank is not None]
    usual = float(np.quantile(every, _HIGH_WATER))
    # The hits nearest to that level from above, or the highest ones if none reaches it.
    ranked = sorted((_rank(k) for k in hits), reverse=True)
    high = min([r for r in ranked if r >= usual] or ranked[:1])
    ranked = [r for r in ranked if r <= high]
    # Water at a lower level before, ground at a higher one after: no shore explains that. The
    # nearest below, because a lower one leaves more of the object on dry ground.
    early = [k for k in found if k.on < track.first_on and k.level_rank is not None]
    under = [k for k in early if k.seen is Seen.MISS and _rank(k) <= high + _RANK_NOISE]
    under += _shores(early, under, high)
    before = sorted(under, key=lambda k: (_rank(k), k.on))[-_BEFORE:]
    least = ranked[min(_HITS, len(ranked)) - 1]
    if before:
        middle = float(np.median([_rank(k) for k in before]))
        least = max(min(least, middle - _RANK_NOISE), high - _SAME_LEVEL)
    return before, [k for k in hits if least <= _rank(k) <= high + _SAME_LEVEL][-_HITS:]


def _shores(early: Sequence[Look], missed: Sequence[Look], high: float) -> list[Look]:
    """Give looks before that say nothing of the object and show its shore, where misses are few.

    At about the level of the hits, since a bed that fell dry shows none.
    """
    near = [k for k in missed if _rank(k) >= high - _SAME_LEVEL]
    if len(near) >= _BEFORE:
        return []
    clear = [k for k in early if k.seen is Seen.UNKNOWN and k.clear_share >= _CLEAR]
    return [k for k in clear if high - _SAME_LEVEL <= _rank(k) <= high + _RANK_NOISE]


def _rank(look: Look) -> float:
    return look.level_rank or 0.0
