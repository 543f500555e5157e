"""Sweep 4b: for every object of changed ground, what each look says of it, its kind and outline."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from itertools import pairwise, takewhile

import numpy as np
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from pipeline.adjudicate.candidates import AdjudicateOptions, assemble, with_sightings
from pipeline.adjudicate.evidence import FoldOptions, doubtful, lasting, stood_since, unbroken
from pipeline.adjudicate.tracks import Track
from pipeline.config import GroundOptions
from pipeline.detect.decks import goes_out
from pipeline.detect.disturb_options import DisturbOptions
from pipeline.detect.expect import Baseline
from pipeline.detect.kinds import of_mixture
from pipeline.detect.look_surface import WATER
from pipeline.detect.medians import middle_of
from pipeline.detect.normal import YEAR_DAYS
from pipeline.detect.observe import Observed
from pipeline.detect.ramps import RampOptions, is_slim, leaves_shore
from pipeline.detect.resemble import (
    ResembleOptions,
    Signature,
    local_offset,
    place,
    resemble,
)
from pipeline.detect.water_frequency import N_BINS
from pipeline.detect.waterline import outline
from pipeline.grid import geodesic_area_m2, pixels_to_mask
from pipeline.io.burn import burn
from pipeline.model import Candidate, Case, Kind, Look, Pass, Seen, Window
from pipeline.passes.bars import standing_out
from pipeline.passes.bench import Bench
from pipeline.passes.change import DETECTOR, neutral_of
from pipeline.passes.company import Company
from pipeline.passes.deck_looks import known_scores, parts_of, water_before
from pipeline.passes.farming import farmed
from pipeline.passes.fills import as_fill, filled_measures, goes_on, is_fill, with_fill
from pipeline.passes.ground import Site, Sparse, shared
from pipeline.passes.ground_measures import bar_share_of, felled, has_floated, pond, window_of
from pipeline.passes.naming import sparse_mark
from pipeline.passes.own_ground import own_ground
from pipeline.passes.traits import (
    Trait,
    doubted,
    gradual,
    is_dark,
    summed_up,
    trait_of,
    without_swir,
)
from pipeline.passes.verdicts import Question, Rows, rows_of

_OUTLINE_LOOKS = 8  # newest hits that make an outline
_KNOWN = 0.25  # of an object, from which a sighting at its place was of itself
_YEAR = timedelta(days=YEAR_DAYS)
_SEASON = timedelta(days=60)  # around the first sighting, in which earlier years are asked
_UNSEEN = timedelta(days=60)  # between two hits, or a crop may have come and gone
_BEFORE = timedelta(days=200)  # looks before the first sighting that say when it was not there

_PRECEDENTS = "precedents"
_SEEN = tuple(Seen)


@dataclass(frozen=True)
class _Asked:
    """Which looks at a place are asked; answers are kept by ``kind``."""

    kind: str
    wanted: Callable[[Pass], bool]


def ground_candidate(
    site: Site, bench: Bench, track: Track, options: GroundOptions,
    how: tuple[AdjudicateOptions, datetime, datetime, Company],
) -> Candidate:  # fmt: skip
    """Turn a track of changed ground into a candidate.

    ``how`` holds the UTC end of the run; the first sighting that anybody had of the object: an
    earlier patrol may have seen it, and its waiting does not begin anew; and what the other tracks
    say of it.
    """
    measures = summed_up(track, options) | without_swir(site.store, track)
    measures["bar_share"] = bar_share_of(site, bench, track)
    pixels = (track.rows, track.cols)
    window = window_of(site, pixels)
    bridge = measures["wet_share"] < 0.5 and is_bridge(site, bench, track, options.disturb)
    measures["strip"] = float(bridge)
    measures["precedents"] = float(_seasons(site, bench, track, measures, (how[2], options)))
    measures |= felled(site, bench, track, measures, options)
    measures["floated"] = float(has_floated(site, bench, track, measures, options))
    trait = trait_of(measures)
    found = looks_at_ground(site, bench, pixels, trait, (how[2], options))
    measures |= pond(site, bench, track, measures, (found, how[2], options))
    asked = (found, how[2], trait.signature, options, how[0].fold)
    measures |= standing_out(bench, track, window, measures, asked)
    filled = goes_on(bench, (window, pixels), measures, found, options.onward)
    measures |= filled_measures(filled, track.rows.size, measures, options.disturb)
    measures |= farmed(bench, track, window, measures, (how[3].alike, options))
    trait = trait_of(measures)
    all_looks = found
    found = _lasted(all_looks, track, measures, how)
    own = own_ground(bench, track, window, measures, (found, options, how[0].fold))
    if own:
        measures |= own
        found = _lasted(all_looks, track, measures, how)
    shape = _outline(site, bench, track, found, (trait.signature, options.resemble))
    if filled is not None:
        footprint = pixels_to_mask(*pixels, window)
        shape = with_fill(shape, footprint, filled, site.store.grid.sub(window))
    if measures["wet_share"] < 0.5 and not bridge:
        drawn, stood = (window, shape), how[1] - how[2]
        ramp = may_span(site, drawn, stood, bench.history, options.ramps, wet=False)
        facing = how[3].facing and stood < timedelta(days=options.ramps.days)
        measures["strip"] = float(ramp or facing)
    if doubted(measures):
        found = doubtful(found)
    scene_ids = [s.id for p in bench.looks.passes if p.id in track.pass_ids for s in p.scenes]
    scores = {k: measures[f"kind_{k.value}"] for k in (Kind.CAI, Kind.DUI, Kind.JIAN)}
    if measures.get("mixed_water"):
        scores = of_mixture(scores)
        measures |= {f"kind_{k.value}": v for k, v in scores.items()}
    kind = max(scores, key=lambda k: scores[k])
    if is_fill(track.rows.size, measures):
        kind, measures = Kind.ZHAN, as_fill(measures)
    candidate = assemble(
        replace(track, kind=kind),
        found,
        site.store.grid,
        corridor_id=site.corridor.id,
        scene_ids=scene_ids,
        detector=DETECTOR,
        until=how[1],
        options=how[0],
    )
    area = round(geodesic_area_m2(shape, site.store.grid.crs), 2)
    return replace(candidate, polygon=shape, area_m2=area, measures=dict(sorted(measures.items())))


def _lasted(
    found: Sequence[Look], track: Track, measures: Mapping[str, float],
    how: tuple[AdjudicateOptions, datetime, datetime, Company],
) -> list[Look]:  # fmt: skip
    """Say which looks at a place are certain once its object has stood for as long as it must."""
    trait, slow = trait_of(measures), gradual(measures)
    # Soil that lay bare before film came onto it looks half like film.
    # What lay there before dark ground came says nothing of it.
    own = slow or measures.get("fields_alike") or measures.get("dark")
    began = how[2] if own else stood_since(found, how[2])
    seen = with_sightings(found, track, levels=measures["wet_share"] < 0.5)
    out = lasting(seen, began, trait.wait, _waiting(measures, how[0].fold), counted=trait.counted)
    return unbroken(out) if slow else out


def _waiting(measures: Mapping[str, float], fold: FoldOptions) -> FoldOptions:
    """Let fewer clear misses begin the wait anew.

    One, of what waits for a month only (:mod:`bars`); two of fields, on which a crop stood.
    """
    field = measures.get("own_ground") or measures.get("fields_alike")
    misses = 1 if measures.get("apart") else 2 if field else 0
    return fold.model_copy(update={"expire_misses": misses}) if misses else fold


def relook_ground(
    site: Site, bench: Bench, case: Case, pixels: Sparse, how: tuple[GroundOptions, FoldOptions]
) -> list[Look]:
    """Look again at the place of an earlier case of changed ground."""
    first = case.evidence.first_seen
    assert first is not None
    trait = trait_of(case.measures)
    found = looks_at_ground(site, bench, pixels, trait, (first, how[0]))
    fold = _waiting(case.measures, how[1])
    found = lasting(found, first, trait.wait, fold, counted=trait.counted)
    return unbroken(found) if gradual(case.measures) else found


def looks_at_ground(
    site: Site, bench: Bench, pixels: Sparse, trait: Trait, how: tuple[datetime, GroundOptions]
) -> list[Look]:
    """Say what every pass says of a place; ``how`` begins with the first sighting (UTC).

    How long the object has stood by then is left to :func:`pipeline.adjudicate.evidence.lasting`.
    """
    first, options = how
    since = first - _BEFORE
    asked = _Asked("at_ground", lambda p: p.acquired >= since)
    looks = _verdicts(site, bench, pixels, trait, (asked, options))
    return [
        Look(
            on=p.acquired,
            pass_id=p.id,
            sensor=p.sensor,
            clear_share=round(verdict.clear_share, 4),
            seen=verdict.seen,
            certain=trait.certain or verdict.seen is not Seen.HIT,
            level_rank=None if np.isnan(level[0]) else round(level[0], 4),
            residual_m=round(bench.looks.quality[p.id].residual_m, 2),
            level_least=None if np.isnan(level).any() else round(level[1], 4),
        )
        for p, verdict, level in looks
    ]


def _seasons(
    site: Site, bench: Bench, track: Track, measures: Mapping[str, float],
    how: tuple[datetime, GroundOptions],
) -> int:  # fmt: skip
    """Count the precedents of the first sighting; none of what stays beyond its season.

    A paddy is flooded, and a field lies bare, in its season. What was not missed since, and at one
    of whose hits of 120 days later the years before showed something else, is a pond that was dug
    there, or a heap. It stays that when the season comes round again, and when it is gone later.
    A field that lies bare all the while is its own ground (:mod:`pipeline.passes.own_ground`);
    where no colour tells that, it stays one, and so does dry ground that nobody saw for so long
    that a crop came and went.
    """
    trait = trait_of(measures)
    dry = measures["wet_share"] < 0.5
    first = precedents_of(site, bench, track, trait, how)
    if not first or (dry and not np.isfinite(measures.get("bare", np.nan))):
        return first
    found = looks_at_ground(site, bench, (track.rows, track.cols), trait, how)
    since = sorted((k for k in found if k.on >= how[0]), key=lambda k: (k.on, k.pass_id))
    stayed = list(takewhile(lambda k: k.seen is not Seen.MISS, since))
    hits = [how[0], *(k.on for k in stayed if k.seen is Seen.HIT)]
    if dry:  # as far as it was seen without a gap that a crop fits into
        hits = [hits[0], *(both[1] for both in takewhile(_follows, pairwise(hits)))]
    later = [on for on in hits if on - how[0] >= 2 * _SEASON]
    outlasted = any(not precedents_of(site, bench, track, trait, (on, how[1])) for on in later)
    return 0 if outlasted else first


def _follows(both: tuple[datetime, datetime]) -> bool:
    return both[1] - both[0] <= _UNSEEN


def precedents_of(
    site: Site, bench: Bench, track: Track, trait: Trait, how: tuple[datetime, GroundOptions]
) -> int:
    """Count looks of earlier years, in the season of the first sighting, that show the same.

    A field is ploughed in its season, year by year, and for weeks only: a model of the year takes
    those few looks for errors, but the looks themselves are there. Looks at which the place was a
    sighting already are no precedents: what was cleared and comes back is no season. A piece too
    small to be one is history to this question: corners of a field are ploughed like the field.
    """
    first, options = how
    sighted = bench.normals.quarter.states.sighted
    pixels = (track.rows, track.cols)

    def wanted(p: Pass) -> bool:
        years = round((first - p.acquired) / _YEAR)
        if years < 1 or abs(first - p.acquired - years * _YEAR) > _SEASON:
            return False
        return _share_of(pixels, sighted.get(p.id, ())) < _KNOWN

    asked = _Asked(_PRECEDENTS, wanted)
    found = _verdicts(site, bench, pixels, trait, (asked, options))
    same = [p for p, verdict, _ in found if verdict.seen is Seen.HIT]
    if is_dark(track):
        # Soil that lay bare was as dark, and of another colour.
        states, least = bench.normals.quarter.states, options.dark.neutral
        same = [p for p in same if neutral_of(states, p, pixels) >= least]
    return len(same)


def _share_of(pixels: Sparse, others: Sequence[Sparse]) -> float:
    """Give the share of sparse pixels that lie in any of the others."""
    known = np.zeros(pixels[0].size, bool)
    for other in others:
        known |= shared(pixels, other)
    return float(known.mean())


def _verdicts(
    site: Site, bench: Bench, pixels: Sparse, trait: Trait,
    how: tuple[_Asked, GroundOptions],
) -> Iterator[tuple[Pass, Observed, tuple[float, float]]]:  # fmt: skip
    """Judge the wanted looks at a place, each with the level rank of its reach and the least."""
    asked, options = how
    window = window_of(site, pixels)
    passes = [p for p in bench.looks.passes if asked.wanted(p)]

    def judge(missing: Sequence[Pass]) -> Rows:
        new = {p.id for p in missing}
        footprint = pixels_to_mask(*pixels, window)
        # Of a case that goes on in the water this detector can judge what stands on ground.
        ashore = footprint & (bench.given(window)[1].bins < N_BINS - 1)
        footprint = ashore if ashore.any() else footprint
        reach = int(np.bincount(site.reach(window)[footprint]).argmax())
        least = {p.id: own for p, own in zip(bench.looks.passes, bench.least, strict=True)}
        out: Rows = []
        for p, surface, ranks in bench.surfaces(window, lambda p: p.id in new):
            # What is the same as in its like at low water is no season, whatever year it was.
            below = asked.kind != _PRECEDENTS
            said = resemble(
                footprint, surface, trait.signature, options.resemble, below_known=below
            )
            level = (ranks[reach], least[p.id][reach])
            out.append(np.array([said.clear_share, _SEEN.index(said.seen), *level]))
        return out

    words = [seen.value for seen in _SEEN]  # rows hold their places
    content = [sparse_mark(pixels), trait.signature.values.tolist(), words]
    question = Question(asked.kind, content, 4, np.float64)
    rows = rows_of(bench.normals.quarter.book, question, passes, judge)
    for p, (share, seen, rank, surely) in zip(passes, rows, strict=True):
        yield p, Observed(float(share), _SEEN[int(seen)], True), (float(rank), float(surely))


def is_bridge(site: Site, bench: Bench, track: Track, options: DisturbOptions) -> bool:
    """Look for a new strip over the water in the looks since the first sighting.

    It may leave from what at least half of the sightings show: where a flood has bared the bank, a
    ramp is a part of all that is bare for a while. A strip that the quarter's history saw as little
    water as now is old, and explains nothing; where no look of it tells, a strip counts as new.
    """
    window = window_of(site, (track.rows, track.cols))
    bins = bench.given(window)[1].bins
    scores = [
        known_scores(surface.seen[WATER], surface.state)
        for _, surface, _ in bench.surfaces(window, lambda p: p.acquired >= track.first_on)
    ]
    before = cache(lambda: water_before(bench.normals.quarter, window))
    parts = parts_of(track, window, options.min_pixels)
    return any(goes_out(part, scores, bins, options, before) for part in parts)


def may_span(
    site: Site,
    drawn: tuple[Window, BaseGeometry],
    stood: timedelta,
    history: Callable[[Window], Baseline],
    options: RampOptions,
    *,
    wet: bool,
) -> bool:
    """Tell what may still become a bridge: a slim strip that leaves the shore, and is young.

    ``drawn`` holds the outline and a window around it, of which ``history`` is asked where that
    decides; ``wet`` as of :func:`pipeline.detect.ramps.leaves_shore`.
    """
    window, shape = drawn
    if stood >= timedelta(days=options.days):
        return False
    mask = burn(shape, site.store.grid.sub(window))
    return is_slim(mask, options) and leaves_shore(mask, history(window).bins, options, wet=wet)


def _outline(
    site: Site, bench: Bench, track: Track, found: Sequence[Look],
    how: tuple[Signature, ResembleOptions],
) -> BaseGeometry:  # fmt: skip
    """Outline where the newest hits lie nearer to the object than to the ground before."""
    signature, options = how
    window = window_of(site, (track.rows, track.cols))
    footprint = pixels_to_mask(track.rows, track.cols, window)
    watery = signature.watery
    places, unsaid = list[NDArray[np.float32]](), list[NDArray[np.float32]]()
    for hit in reversed([k.pass_id for k in found if k.seen is Seen.HIT]):
        for _, surface, _ in bench.surfaces(window, lambda p, own=hit: p.id == own):
            judged = surface.drained if watery else surface.ground
            offset = local_offset(footprint, surface, options, watery=watery)
            at, _ = place(surface, offset, signature)
            # Below all known levels a bar is compared with its like, and shows no edge.
            some = places if (judged & footprint).any() else unsaid
            some.append(np.where(judged, at, np.nan).astype(np.float32))
        if len(places) >= _OUTLINE_LOOKS:
            break
    share = middle_of((places or unsaid)[::-1]) - np.float32(0.5)
    return outline(share, footprint, site.store.grid.sub(window))
