"""What is known of an object of changed ground from all of its sightings together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from pipeline.adjudicate.tracks import Track
from pipeline.config import GroundOptions
from pipeline.detect.disturb_options import DisturbOptions
from pipeline.detect.features import MODELLED
from pipeline.detect.kinds import kind_scores
from pipeline.detect.resemble import Signature
from pipeline.io.store import CorridorStore
from pipeline.model import NO_SWIR

ON_BAR = 0.5
"""Share of an object on a bar, from which it stands there."""

_RISEN = 2.5  # deviation of the water score of what is half water


@dataclass(frozen=True)
class Trait:
    """What is known of an object before its looks are judged."""

    signature: Signature
    wait: timedelta  # a look is certain once the object has lasted so long
    certain: bool  # most of its sightings were
    counted: bool = False  # looks that only waited count with the first that is certain


def trait_of(measures: Mapping[str, float]) -> Trait:
    """Read the trait from the summed-up measures of a track or of a case."""
    values = np.array([measures[name] for name in MODELLED], np.float32)
    wait = timedelta(days=measures["wait_days"])
    certain = measures["certain_share"] >= 0.5 and not doubted(measures)
    # Water on a bar that a flood left goes in weeks; what is there at each look of two months of
    # low water was seen often enough by then.
    pool = measures["wet_share"] >= 0.5 and measures["bar_share"] >= 0.5
    pool |= measures.get("uncropped", 0.0) > 0  # nor is a pond in a wood a paddy
    # Light soil where trees stood was seen well enough; only time tells it from a felling. Cases of
    # earlier versions do not have the measure.
    light = bool(measures.get("felled", 0.0)) and measures["soil"] < 0.5
    # So is what was unlike ground as high on most looks: that had dried for as long.
    apart = measures.get("apart", 0.0) > 0
    return Trait(Signature(values), wait, certain, pool or light or apart)


def doubted(measures: Mapping[str, float]) -> bool:
    """Tell what all dates together show, whatever single ones said.

    A bridge; a thing of the season; water from which a mat of plants went; a road or a levee, of
    which a cloud over one end leaves what is no line. Cases of earlier versions have no
    ``precedents`` and were not asked whether they ``floated``.
    """
    season, floated = measures.get("precedents", 0.0), measures.get("floated", 0.0)
    return bool(measures["strip"] or season or floated or measures["linear"] >= 0.5)


def summed_up(track: Track, options: GroundOptions) -> dict[str, float]:
    """Give the medians of a track's measures, the share of certain sightings, and kind scores."""
    names, values = _table([s.measures for s in track.sightings])
    medians: list[float] = np.median(values, axis=1).tolist()
    out = {n: round(m, 4) for n, m in zip(names, medians, strict=True)}
    out["certain_share"] = round(float(np.mean([s.certain for s in track.sightings])), 4)
    scores = kind_scores(by_pass(track), options.kinds)
    return out | {f"kind_{kind.value}": score for kind, score in scores.items()}


def without_swir(store: CorridorStore, track: Track) -> dict[str, float]:
    """Give the measure of an object that no look with SWIR has shown; of others nothing."""
    seen = any("swir16" in store.note(pass_id)["bands"] for pass_id in track.pass_ids)
    return {} if seen else {NO_SWIR: 1.0}


def is_dark(track: Track) -> bool:
    """Tell a track of dark ground (:mod:`pipeline.detect.dark`)."""
    return bool(track.sightings[0].measures.get("dark"))


def half_water(measures: Mapping[str, float], pixels: int, options: DisturbOptions) -> bool:
    """Tell a small pond of mixed pixels from soil: half way to water, and no lighter.

    Soil takes the place of plants and is lighter than they are; its water score is as low. Where
    plants went from less than half of the ``pixels`` that argument fails: a bare yard gets damp.
    Without SWIR the score says only that plants went, which is so of soil and of roofs as well.
    """
    dry = measures.get("expected_water", 0.0)  # cases of earlier versions do not have it
    if measures["wet_share"] >= 0.5 or dry >= 0 or measures.get(NO_SWIR):
        return False
    small = pixels / 2 <= measures["lost_px"] <= options.mixed_pixels
    dark = measures["z_bright"] < options.lighter_z
    half = measures["water"] >= options.mixed_wet * dry and measures["z_water"] >= _RISEN
    return small and dark and half


def gradual(measures: Mapping[str, float]) -> bool:
    """Tell what comes about by itself and slowly: a bar that dries, a pool that drains."""
    water = measures["wet_share"] >= 0.5 or measures.get("mixed_water", 0.0) > 0
    return water or measures["bar_share"] >= ON_BAR


def by_pass(track: Track) -> list[dict[str, float]]:
    """Sum up a track's measures date by date: a pond and its spoil may be apart on one of them."""
    out: list[dict[str, float]] = []
    for pass_id in track.pass_ids:
        each = [s.measures for s in track.sightings if s.pass_id == pass_id]
        names, values = _table(each)
        areas = np.array([m["area_m2"] for m in each], np.float64)
        means: list[float] = ((values * areas).sum(axis=1) / areas.sum()).tolist()
        area = float(sum(m["area_m2"] for m in each))
        out.append(dict(zip(names, means, strict=True)) | {"area_m2": area})
    return out


def _table(each: Sequence[Mapping[str, float]]) -> tuple[list[str], NDArray[np.float64]]:
    """Give the measures that all have, sorted, and their values, float64 (names, N).

    Summed up by one call: NumPy takes as long for each as for all fifty of them.
    """
    names = sorted(set.intersection(*(set(m) for m in each)))
    return names, np.array([[m[n] for m in each] for n in names], np.float64)
