"""Sweep 4: for every tracked object, what each look says of it; then its outline and evidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from pipeline.adjudicate.candidates import AdjudicateOptions, assemble, with_sightings
from pipeline.adjudicate.evidence import (
    LASTING_DOUBTS,
    came_with,
    carried,
    doubtful,
    lasting,
)
from pipeline.adjudicate.tracks import Track
from pipeline.adjudicate.weighing import weighed_again
from pipeline.detect.expect import (
    ExpectOptions,
    ReachDay,
    Totals,
    by_shore,
    expect,
)
from pipeline.detect.kinds import water_scores
from pipeline.detect.observe import ObserveOptions, observe
from pipeline.detect.zhan import HALO_PX
from pipeline.detect.zhan_options import ZhanOptions
from pipeline.grid import geodesic_area_m2
from pipeline.io.tasks import map_tiles
from pipeline.model import Candidate, Case, EvidenceState, Kind, Look, Pass, Window
from pipeline.passes.benches import Benches
from pipeline.passes.change import DETECTOR as GROUND
from pipeline.passes.change import box_of
from pipeline.passes.company import Company, companies
from pipeline.passes.follow_ground import ground_candidate, may_span, relook_ground
from pipeline.passes.ground import Looks, Site, Sparse, States, meet
from pipeline.passes.known import case_pixels
from pipeline.passes.piers import goes_on_as_deck
from pipeline.passes.traits import is_dark, without_swir
from pipeline.passes.verdicts import values_at
from pipeline.passes.watch import Epoch, Watched, WatchOptions
from pipeline.passes.water_outline import around, is_deck, lies_along, water_outline

DETECTOR = "zhan/1"
_MOSTLY = 0.5  # of the dates of an object, from which it touches no shore
# Beside a ground state, in what is kept of a pixel and look: water is expected there.
_ORDINARY, _BEYOND = np.uint8(16), np.uint8(32)


@dataclass(frozen=True)
class FollowOptions:
    """Options of the stages that this sweep calls."""

    watch: WatchOptions
    observe: ObserveOptions
    adjudicate: AdjudicateOptions


def follow(
    site: Site,
    looks: Looks,
    watched: Watched,
    tracks: Sequence[Track],
    how: tuple[FollowOptions, datetime],
    cases: Sequence[Case] = (),
) -> list[Candidate]:
    """Turn tracks into candidates, in the order of the tracks.

    Parameters
    ----------
    how : (FollowOptions, datetime)
        Options, and the UTC end of the period.
    cases : sequence of Case
        Of earlier patrols.
    """
    if not tracks:
        return []
    options, until = how
    states = States(site, looks, watched.flagged)
    benches = Benches(site, looks, watched, options.watch.zhan)

    earlier = [(c, case_pixels(site, c)) for c in cases]

    known = [_known_since(t, [e for e in earlier if _alike(t, e[0])]) for t in tracks]
    others = companies(site, tracks, known, benches.history, options.watch.ground)

    def one(asked: tuple[Track, datetime, Company]) -> Candidate:
        track, since, company = asked
        if track.kind is Kind.ZHAN:
            how = (options, until, since, company)
            return _candidate(site, looks, track, (benches, states), how)
        ground = options.watch.ground
        bench = benches.ground(track.first_on)
        return ground_candidate(
            site, bench, track, ground, (options.adjudicate, until, since, company)
        )

    items = list(zip(tracks, known, others, strict=True))
    return map_tiles(one, items, site.workers, site.progress, "evidence")


def relook(
    site: Site,
    looks: Looks,
    watched: Watched,
    cases: Sequence[Case],
    how: tuple[FollowOptions, datetime],
) -> dict[str, list[Look]]:
    """Look again at the places of earlier cases, so that clear misses reach those that are gone.

    Parameters
    ----------
    how : (FollowOptions, datetime)
        Options, and the start of the patrol (UTC): looks from then on are given, weighed beside
        those before.

    Returns
    -------
    dict of case id to looks
        Empty where the history does not allow a judgement yet.
    """
    options, start = how
    if not watched.epochs or not cases:
        return {}
    states = States(site, looks, watched.flagged)
    benches = Benches(site, looks, watched, options.watch.zhan)
    fold = options.adjudicate.fold

    def one(case: Case) -> list[Look]:
        pixels = case_pixels(site, case)
        if pixels[0].size == 0:
            return []
        first = watched.epochs[0][0].start
        if case.detector != GROUND:
            found = carried(_looks_at(pixels, first, (benches, states), options), fold)
            wait = timedelta(days=case.measures.get("wait_days", 0.0))
            since = case.evidence.first_seen or start
            found = lasting(found, since, wait, fold, counted=True)
            held = any(case.measures.get(n) for n in LASTING_DOUBTS)
            found = doubtful(found) if held else found
        else:
            bench = benches.ground(first)
            found = relook_ground(site, bench, case, pixels, (options.watch.ground, fold))
        return found

    results = map_tiles(one, cases, site.workers)
    found = {case.case_id: some for case, some in zip(cases, results, strict=True)}
    # What a look is worth hangs on those before it, and not on where patrols are cut.
    every = weighed_again(cases, found, fold)
    return {case_id: [k for k in some if k.on >= start] for case_id, some in every.items()}


def _alike(track: Track, case: Case) -> bool:
    """Tell whether a case may be of what a track is linked from: water, ground or dark ground."""
    if track.kind is Kind.ZHAN or case.detector != GROUND:
        return track.kind is Kind.ZHAN and case.detector != GROUND
    return bool(case.measures.get("dark")) == is_dark(track)


def _known_since(track: Track, earlier: Sequence[tuple[Case, Sparse]]) -> datetime:
    """Give the first sighting of an object, by any patrol, since it was last gone."""
    since = track.first_on
    for case, pixels in earlier:
        first = case.evidence.first_seen
        gone = case.evidence.state is EvidenceState.EXPIRED
        if gone or first is None or first >= since:
            continue
        if meet((track.rows, track.cols), pixels):
            since = first
    return since


def _candidate(
    site: Site,
    looks: Looks,
    track: Track,
    data: tuple[Benches, States],
    how: tuple[FollowOptions, datetime, datetime, Company],
) -> Candidate:
    """Turn a track in the water into a candidate.

    ``how`` ends with the first sighting ever (UTC), and what other tracks say of it.
    """
    states = data[1]
    options, until, since, company = how
    grid = site.store.grid
    found = _looks_at((track.rows, track.cols), track.first_on, data, options)
    zhan = options.watch.zhan
    leaves = _may_leave(data, track, (found, since), zhan)
    wait = _wait(track, zhan, leaves=leaves)
    fold = options.adjudicate.fold
    # Looks before that say nothing of the object show its shore all the same.
    shown = with_sightings(found, track, levels=True)
    found = carried(with_sightings(found, track), fold)
    # What only waited may count in the end: the object's measures say so (waited_out).
    found = lasting(found, since, wait, fold, counted=True)
    shape = water_outline(states, track, shown)
    drawn, ramps = (around(site, track), shape), options.watch.ground.ramps
    history = data[0].history(track.first_on)
    stood = until - since
    faces = company.facing and stood < timedelta(days=ramps.days)
    ties = is_deck(states, track, found) or faces
    if ties and lies_along(states, track, found, (history.baseline, ramps)):
        # Boats in a row, a quay, a road on piles; what nobody can tell from them stays doubted.
        ties = not _bareness(states, track) >= zhan.deck_index
    strip = float(
        ties
        or may_span(site, drawn, stood, history.baseline, ramps, wet=True)
        or goes_on_as_deck(site, data[0].ground(track.first_on), track, stood, options.watch)
    )
    afloat = _stays_afloat(states, track, zhan)
    found = doubtful(found) if strip or afloat else found
    scene_ids = [s.id for p in looks.passes if p.id in track.pass_ids for s in p.scenes]
    candidate = assemble(
        track,
        found,
        grid,
        corridor_id=site.corridor.id,
        scene_ids=scene_ids,
        detector=DETECTOR,
        until=until,
        options=options.adjudicate,
    )
    area = round(geodesic_area_m2(shape, grid.crs), 2)
    scores = water_scores([s.measures for s in track.sightings], options.watch.ground.kinds)
    kinds = {f"kind_{kind.value}": score for kind, score in scores.items()}
    measures = dict(sorted((dict(candidate.measures) | kinds).items()))
    return replace(
        candidate,
        polygon=shape,
        area_m2=area,
        measures=measures
        | {"wait_days": wait / timedelta(days=1), "strip": strip}
        | ({"afloat": 1.0} if afloat else {})
        | without_swir(site.store, track),
        kind=next(iter(scores), Kind.ZHAN),
    )


def _wait(track: Track, options: ZhanOptions, *, leaves: bool) -> timedelta:
    """Give how long an object must have stood: as long as most of its sightings ask.

    What may be debris or boats (``leaves``) waits as an island does, wherever it lies.
    """
    days = [s.measures["wait_days"] for s in track.sightings]
    most = sum(d > 0 for d in days) > len(days) / 2
    least = options.island_days if leaves else 0.0
    return timedelta(days=max(least, max(days) if most else 0.0))


def _may_leave(
    data: tuple[Benches, States],
    track: Track,
    looks: tuple[Sequence[Look], datetime],
    options: ZhanOptions,
) -> bool:
    """Tell what may be debris or boats at a shore; ``looks`` end with the first sighting (UTC).

    Neither is larger than what is taken for a vessel in open water, and drift wood lies in a line
    along the shore.
    """
    if track.rows.size > options.afloat_max_px:
        return False
    benches, states = data
    long = float(np.median([s.measures["elongation"] for s in track.sightings]))
    within = timedelta(days=options.high_water_days)
    high = benches.high_water(states.site, track)
    debris = long >= options.drift_elongation and came_with(*looks, high, within)
    return debris or _like_a_deck(states, track, options)


def _stays_afloat(states: States, track: Track, options: ZhanOptions) -> bool:
    """Tell a pontoon: it touches no shore on most of its dates, and is as flat as decks.

    Spoil is not; how long such a thing lies there says nothing.
    """
    apart = float(np.median([s.measures["island"] for s in track.sightings]))
    return apart >= _MOSTLY and _like_a_deck(states, track, options)


def _like_a_deck(states: States, track: Track, options: ZhanOptions) -> bool:
    """Tell the flat spectrum of decks and hulls from soil, sand and rubble; no without SWIR."""
    return _bareness(states, track) < options.deck_index


def _bareness(states: States, track: Track) -> float:
    """Give the bare-soil index of an object, the median of its dates; NaN without SWIR.

    The barer quarter of the object is asked: at its edge water lowers the index.
    """
    values: list[float] = []
    for s in track.sightings:
        box = box_of((s.rows, s.cols))
        bare = states.features(s.pass_id, box, ("bare",))[0][s.rows - box.row0, s.cols - box.col0]
        if np.isfinite(bare).any():
            values.append(float(np.nanpercentile(bare, 75)))
    return float(np.median(values)) if values else float("nan")


def _looks_at(
    pixels: Sparse, when: datetime, data: tuple[Benches, States], options: FollowOptions
) -> list[Look]:
    """Say what every pass says of a place, against the history of the quarter of ``when``."""
    benches, states = data
    site = states.site
    epoch, _, totals = benches.of(when)
    box = box_of(pixels)
    reach = int(np.bincount(site.reach(box)[pixels[0] - box.row0, pixels[1] - box.col0]).argmax())
    looks = states.looks

    def judge(missing: Sequence[Pass], window: Window) -> NDArray[np.uint8]:
        new = {p.id for p in missing}
        both = [(p, t) for p, t in zip(looks.passes, totals, strict=True) if p.id in new]
        return _shown(benches, (epoch, window), both, options.watch.zhan.expect)

    stack = values_at(benches.book(epoch), "at_water", pixels, looks.passes, judge)
    return _observe(looks, stack, [total.days[reach] for total in totals], options.observe)


def _shown(
    benches: Benches,
    where: tuple[Epoch, Window],
    both: Sequence[tuple[Pass, Totals]],
    options: ExpectOptions,
) -> NDArray[np.uint8]:
    """Give what some looks show of a window: its states, with where water was expected."""
    epoch, window = where
    wide = window.pad(HALO_PX + 2).intersect(benches.grid.window)
    assert wide is not None
    base = benches.past(epoch).baseline(wide, benches.of(epoch.start)[1])
    shown = np.empty((len(both), *window.shape), np.uint8)
    levels = benches.levels(epoch)
    reach = levels.states.site.reach(wide)
    views = [levels.view(p, wide, base, reach) for p, _ in both]
    for i in by_shore([t.days for _, t in both], reach):
        expected = expect(views[i], both[i][1], options, window)
        flags = _ORDINARY * expected.ordinary + _BEYOND * expected.beyond
        shown[i] = views[i].state[window.within(wide)] + flags
    return shown


def _observe(
    looks: Looks, stack: NDArray[np.uint8], days: Sequence[ReachDay], options: ObserveOptions
) -> list[Look]:
    levels = [float("nan") if day.unusable else day.level.rank for day in days]
    least = [None if day.unusable else day.level.least for day in days]
    seen = observe(
        np.ones(stack.shape[1], bool),  # rows are of the footprint already
        stack & (_ORDINARY - 1),
        (stack & _ORDINARY).astype(bool),
        (stack & _BEYOND).astype(bool),
        np.array(levels, np.float32),
        options,
    )
    out: list[Look] = []
    for p, verdict, level, surely in zip(looks.passes, seen, levels, least, strict=True):
        out.append(
            Look(
                on=p.acquired,
                pass_id=p.id,
                sensor=p.sensor,
                clear_share=round(verdict.clear_share, 4),
                seen=verdict.seen,
                certain=verdict.certain,
                level_rank=None if np.isnan(level) else round(level, 4),
                residual_m=round(looks.quality[p.id].residual_m, 2),
                level_least=None if surely is None else round(surely, 4),
            )
        )
    return out
