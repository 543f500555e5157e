"""What an object of changed ground is by its place and history: a bar, a wood, a mat, a pond."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from pipeline.adjudicate.tracks import Track
from pipeline.adjudicate.weighing import below_floods
from pipeline.config import GroundOptions
from pipeline.detect.afloat import floated
from pipeline.detect.cropland import cropland
from pipeline.detect.disturb import MARGIN_PX
from pipeline.detect.seasons import longest_unseen
from pipeline.detect.water_frequency import N_BINS
from pipeline.detect.woods import only_felled, wooded_share
from pipeline.grid import pixels_to_mask
from pipeline.model import Ground, Look, Window
from pipeline.passes.bench import Bench
from pipeline.passes.change import box_of
from pipeline.passes.ground import Site, Sparse
from pipeline.passes.normals import day_of
from pipeline.passes.traits import ON_BAR, by_pass, half_water, is_dark


def window_of(site: Site, pixels: Sparse) -> Window:
    """Give the box of an object with the margin that judging it needs."""
    window = box_of(pixels).pad(MARGIN_PX).intersect(site.store.grid.window)
    assert window is not None
    return window


def bar_share_of(site: Site, bench: Bench, track: Track) -> float:
    """Give the share of an object on ground that was water now and then before it came.

    Later sightings are held against a history that knows its own water: a paddy becomes a bar.
    """
    window = window_of(site, (track.rows, track.cols))
    bins = bench.history(window).bins[pixels_to_mask(track.rows, track.cols, window)]
    shoal = (bins > 0) & (bins < N_BINS - 1)  # UNSEEN is above all bins
    return round(float(np.count_nonzero(shoal)) / bins.size, 4)


def felled(
    site: Site, bench: Bench, track: Track, measures: Mapping[str, float], options: GroundOptions
) -> dict[str, float]:
    """Give the measures of bare soil where trees stood, and how long it must stay bare."""
    window = window_of(site, (track.rows, track.cols))
    footprint = pixels_to_mask(track.rows, track.cols, window)
    wooded = wooded_share(bench.given(window)[0], footprint, options.woods)
    index = options.disturb.soil_index
    felled = only_felled(wooded, by_pass(track), index, options.woods)
    out = {"wooded": round(wooded, 4), "felled": float(felled)}
    if felled:
        disturb, woods = options.disturb, options.woods
        red = measures.get("redness", 0.0) >= disturb.redness
        # Bare by its colour alone: shoots and brash on red soil have as much NDVI.
        thin = red and measures["barest_ndvi"] > disturb.soil_ndvi
        wait = woods.thin_wait_days if thin else woods.wait_days
        out["wait_days"] = max(measures["wait_days"], wait)
    return out


def has_floated(
    site: Site, bench: Bench, track: Track, measures: Mapping[str, float], options: GroundOptions
) -> bool:
    """Tell water where something floated before, and no ground was dug."""
    if measures["wet_share"] < 0.5 or measures["bar_share"] < ON_BAR:
        return False
    window = window_of(site, (track.rows, track.cols))
    footprint = pixels_to_mask(track.rows, track.cols, window)
    quarter = bench.normals.quarter
    reach = int(np.bincount(site.reach(window)[footprint]).argmax())
    level = {p.id: r[reach] for p, r in zip(bench.looks.passes, bench.ranks, strict=True)}
    ranks = np.array([level[p.id] for p in quarter.history], np.float32)
    states = [s[footprint] for s in quarter.states.each([p.id for p in quarter.history], window)]
    days = np.array([day_of(p.acquired) for p in quarter.history], np.float64)
    return bool(states) and floated(np.stack(states), ranks, days, options.afloat)


def pond(
    site: Site, bench: Bench, track: Track, measures: Mapping[str, float],
    how: tuple[Sequence[Look], datetime, GroundOptions],
) -> dict[str, float]:  # fmt: skip
    """Give the measures of a pond on land that no farmer explains, and of one that no flood does.

    ``how`` begins with all looks at the place and the first sighting (UTC). Fields are flooded in
    their season, and floods leave pools. What came to be where no crop grows waits for the pools
    alone, and was seen often enough by then; what came while the river was low at every look was
    dug, and has nothing to wait for. Where history never looked while crops stand, one may grow.
    Where trees stood a flood leaves their crowns: water that shows there came after they were
    felled, and waits no longer than pools do on a bar. Of mixed pixels no water was seen: they wait
    as ponds do, and as bare soil where trees were felled if they look like that.
    """
    found, since, options = how
    # Dark ground is half way to water by its darkness alone.
    mixed = not is_dark(track) and half_water(measures, track.rows.size, options.disturb)
    if not (measures["wet_share"] >= 0.5 or mixed) or measures["bar_share"] >= 0.5:
        return {}
    window = window_of(site, (track.rows, track.cols))
    footprint = pixels_to_mask(track.rows, track.cols, window)
    fields = cropland(bench.given(window)[0])[0][footprint]
    wooded = measures.get("wooded", 0.0) >= 1 - options.dry.crop_share
    if not wooded:
        # What is as green as trees for the rest of the year grows no crop in two months of it.
        fields |= _unseen(bench, window, footprint) > options.dry.crop_gap_days
    if np.count_nonzero(fields) > options.dry.crop_share * track.rows.size:
        return {}
    o = options.disturb
    wait = measures["wait_days"]
    if not (mixed and measures.get("felled", 0.0)):
        wait = min(wait, o.wait_pool_days if wooded and not mixed else o.wait_water_days)
    if mixed:
        return {"uncropped": 1.0, "mixed_water": 1.0, "wait_days": wait}
    if below_floods(found, since, options.dry):
        return {"uncropped": 1.0, "dug": 1.0, "wait_days": 0.0}
    return {"uncropped": 1.0} | ({"wait_days": wait} if wooded else {})


def _unseen(bench: Bench, window: Window, footprint: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Give the longest part of the year (days) that a footprint's pixels were never seen in."""
    quarter = bench.normals.quarter
    codes = quarter.states.each([p.id for p in quarter.history], window)
    clear = (state[footprint] != Ground.UNKNOWN for state in codes)
    days = [day_of(p.acquired) for p in quarter.history]
    return longest_unseen(days, clear, int(np.count_nonzero(footprint)))
