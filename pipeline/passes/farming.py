"""Whether an object came to a field together with many alike: plastic film, and no heap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np

from pipeline.adjudicate.tracks import Track
from pipeline.config import GroundOptions
from pipeline.detect.farming import FarmingOptions, places_alike, tilled_share
from pipeline.grid import pixels_to_mask
from pipeline.model import Kind, Window
from pipeline.passes.bench import Bench
from pipeline.passes.fills import is_fill
from pipeline.passes.ground import Site
from pipeline.passes.traits import ON_BAR, doubted

_LIKE = ("core_bright", "barest_ndvi", "bare")
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_NONE = float("nan")


def alike_tracks(
    site: Site, tracks: Sequence[Track], since: Sequence[datetime], options: FarmingOptions
) -> list[int]:
    """Count for each track the places near it that came to look the same in the same weeks.

    ``since`` holds the first sighting that anybody had of each (UTC). 0 for what is in the water or
    on a bar, where no plants were expected, and without SWIR.
    """
    res = site.store.grid.res_m
    at = np.array([[t.rows.mean(), t.cols.mean()] for t in tracks], np.float64).reshape(-1, 2) * res
    days = np.array([(on - _EPOCH) / timedelta(days=1) for on in since], np.float64)
    like = np.array([_like(t, options) for t in tracks], np.float64).reshape(-1, len(_LIKE))
    return [int(n) for n in places_alike(at, days, like, options)]


def _like(track: Track, o: FarmingOptions) -> list[float]:
    """Give what a track looks like in the median; NaN where no crop can have been."""
    if track.kind is Kind.ZHAN:
        return [_NONE] * len(_LIKE)
    names = (*_LIKE, "expected_ndvi", "wet_share", "bar_share")
    each = np.array([[s.measures.get(n, _NONE) for n in names] for s in track.sightings])
    seen = np.isfinite(each)
    if not seen.any(axis=0).all():
        return [_NONE] * len(_LIKE)
    # One date without SWIR, or at its edge, takes no colour from the others.
    each = np.ma.median(np.ma.masked_array(each, ~seen), axis=0)
    *like, planted, wet, bar = np.ma.getdata(each).tolist()
    mixed = any(s.measures.get("mixed_water", 0.0) for s in track.sightings)
    could = planted >= o.planted_ndvi and wet < 0.5 and bar < ON_BAR and not mixed
    return like if could else [_NONE] * len(_LIKE)


def farmed(
    bench: Bench,
    track: Track,
    window: Window,
    measures: Mapping[str, float],
    how: tuple[int, GroundOptions],
) -> dict[str, float]:
    """Give the measures of what many fields look like at once, and how long it must last.

    ``how`` begins with the count of :func:`alike_tracks`. Water and bars have questions of their
    own, and no field fills water.
    """
    alike, options = how
    o = options.farming
    if alike < o.places or measures["wet_share"] >= 0.5 or measures["bar_share"] >= ON_BAR:
        return {}
    if measures.get("mixed_water") or doubted(measures) or is_fill(track.rows.size, measures):
        return {}
    footprint = pixels_to_mask(track.rows, track.cols, window)
    quarter = bench.normals.quarter
    codes = quarter.states.each([p.id for p in quarter.history], window)
    if tilled_share((state[footprint] for state in codes), o) < o.share:
        return {}
    return {"fields_alike": float(alike), "wait_days": max(measures["wait_days"], o.wait_days)}
