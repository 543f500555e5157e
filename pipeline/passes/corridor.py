"""One corridor, from its passes to candidates: the sweeps in their order."""

from __future__ import annotations

import logging
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from pipeline.adjudicate.tracks import link
from pipeline.config import Workflow
from pipeline.io.failpoints import failpoint
from pipeline.io.finer import get_ready
from pipeline.io.heap import while_importing
from pipeline.io.progress import DETAIL
from pipeline.io.tasks import Progress, Workers
from pipeline.model import Candidate, Case, Corridor, Look, NotObserved, Pass, SetAside
from pipeline.passes.follow import FollowOptions, follow, relook
from pipeline.passes.foretelling import all_lines, busy_lines, foretell, planned_site
from pipeline.passes.gather import REASONS, fingerprint, gather, plan, was_used
from pipeline.passes.ground import Looks, Site
from pipeline.passes.known import earlier_cases, known_pixels, proved_fills
from pipeline.passes.layers import keep_looks
from pipeline.passes.mending import mended
from pipeline.passes.merge import one_problem
from pipeline.passes.observed import note_passes
from pipeline.passes.old_stores import note_use, say_new_store
from pipeline.passes.reduce import Reduced, reduce_dates
from pipeline.passes.showing import Shown
from pipeline.passes.site import known_site, open_site, why_unopened
from pipeline.passes.states import write_states
from pipeline.passes.told_levels import tell_levels
from pipeline.passes.unseen import never_seen, newest_clear, unseen
from pipeline.passes.watch import Watched, WatchOptions, keep_histories, watch

log = logging.getLogger("siluan")


@dataclass
class Judged:
    """What a run found in one corridor."""

    corridor_id: str
    candidates: list[Candidate] = field(default_factory=list[Candidate])
    not_observed: list[NotObserved] = field(default_factory=list[NotObserved])
    set_aside: list[SetAside] = field(default_factory=list[SetAside])
    unreachable: list[str] = field(default_factory=list[str])
    inputs: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    counts: dict[str, Any] = field(default_factory=dict[str, Any])
    seconds: dict[str, float] = field(default_factory=dict[str, float])
    cpu_seconds: dict[str, float] = field(default_factory=dict[str, float])
    relooks: dict[str, list[Look]] = field(default_factory=dict[str, list[Look]])
    judged: bool = False  # a history allowed a judgement
    counted: tuple[str, ...] = ()  # ids of the passes that count
    unread: tuple[str, ...] = ()  # ids of passes of which something could not be read this time
    gsd_m: dict[str, float] = field(default_factory=dict[str, float])
    shown: Shown | None = None  # its imagery, for pictures; None where no scene could be opened


@dataclass(frozen=True)
class Span:
    """The patrol (UTC): looks from ``start`` on are judged, up to the newest pass, ``until``."""

    start: datetime
    until: datetime


def run_corridor(
    workflow: Workflow,
    corridor: Corridor,
    passes: Sequence[Pass],
    known: tuple[Sequence[Case], Span],
    progress: Progress | None,
    workers: Workers | None = None,
) -> Judged:
    """Run all sweeps over one corridor; nothing here touches the ledger or the output.

    Parameters
    ----------
    known : (sequence of Case, Span)
        Cases of the ledger (those that began before the patrol stay out of history and are looked
        at again), and the patrol.
    workers : int, cluster or None
        What the sweeps run on; None: the workflow's threads.

    Raises
    ------
    ConfigurationError
        The store is damaged beyond what one run repairs.
    """
    judged = Judged(corridor.id, inputs=inputs_of(passes))
    judged.gsd_m = {p.sensor: min(a.gsd_m for a in p.scenes[0].assets.values()) for p in passes}
    for line in say_new_store(workflow, corridor, len(passes)):
        log.warning("%s.", line)
    site = open_site(workflow, corridor, passes, progress, workers) if passes else None
    if site is None:
        judged.counts = {"passes": len(passes), "usable": 0, "judged": 0}
        judged.set_aside, judged.unreachable = why_unopened(passes)
        judged.not_observed = never_seen(workflow, corridor)
        return judged
    note_use(site.store.root, workflow)
    *single, whole = busy_lines(foretell(workflow, site, passes, ask=False))
    for line in single:
        # A line a look is for the log; who watches is told the sum, and what is not as usual.
        strange = " damaged: " in line or " retry: " in line
        log.info("%s", line, extra={DETAIL: not strange})
    log.info("%s", whole)
    return mended(site, lambda: _sweep(workflow, site, passes, known, replace(judged)))


def inputs_of(passes: Sequence[Pass]) -> list[dict[str, Any]]:
    """Name passes with their scenes and fingerprints, for run.json."""
    return [
        {"id": p.id, "scenes": [s.id for s in p.scenes], "fingerprint": fingerprint(p)}
        for p in passes
    ]


def _sweep(
    workflow: Workflow,
    site: Site,
    passes: Sequence[Pass],
    known: tuple[Sequence[Case], Span],
    judged: Judged,
) -> Judged:
    looks, reduced = prepare_looks(workflow, site, passes, judged)
    judged.shown = Shown(site.store, looks, judged.gsd_m)
    own, span = site.corridor.id, known[1]
    cases = earlier_cases(own, known[0], span.start)
    how = follow_options(workflow)
    with stage(judged, "watch"):
        earlier = known_pixels(site, looks, cases, span.start)
        least = how.watch.zhan.expect.level.silent_looks
        filled = proved_fills(site, cases, span.start, least)
        watched = watch(site, looks, span.start, how.watch, earlier, filled)
    judged.judged = bool(watched.epochs)
    # Of a look without history to hold it against nothing is known; what was seen on it stands.
    judged.unread = (*judged.unread, *sorted(watched.unjudged))
    failpoint("detect.sighted")
    with stage(judged, "follow"):
        tracks = link(watched.sightings, workflow.options.adjudicate.link)
        every = follow(site, looks, watched, tracks, (how, span.until), cases)
        fold = workflow.options.adjudicate.fold
        here = [c for c in known[0] if c.corridor_id == own]
        judged.candidates, absorbed = one_problem(every, fold, span.until, here)
        judged.relooks = relook(site, looks, watched, cases, (how, span.start))
        keep_histories(site, "watch", watched)
    judged.not_observed = unseen(workflow, site, passes, reduced)
    judged.counts = _counts(passes, reduced, watched, len(tracks), site) | {"absorbed": absorbed}
    judged.counts["newest_clear"] = newest_clear(workflow, reduced)
    found = (len(passes), len(reduced.passes), len(watched.sightings), len(tracks))
    log.info("%s: %d passes, %d usable, %d sightings, %d objects", own, *found)
    _say_unjudged(own, watched)
    return judged


def _say_unjudged(own: str, watched: Watched) -> None:
    """Say that no case is no finding where there was nothing to compare with."""
    if watched.epochs or not watched.unjudged:
        return
    reasons = "; ".join(sorted(set(watched.unjudged.values())))
    log.warning(
        "%s: no pass could be judged (%s); that there is no case says nothing. "
        "Begin the period earlier, or fetch history by siluan baseline build.",
        own,
        reasons,
    )


def follow_options(workflow: Workflow) -> FollowOptions:
    """Give the options of looking at what is known."""
    detect = workflow.options.detect
    return FollowOptions(
        WatchOptions(detect.zhan, detect.ground, detect.epoch),
        detect.observe,
        workflow.options.adjudicate,
    )


def prepare_looks(
    workflow: Workflow, site: Site, passes: Sequence[Pass], judged: Judged
) -> tuple[Looks, Reduced]:
    """Bring all passes into the store and prepare them; what is set aside goes into ``judged``."""
    detect = workflow.options.detect
    with stage(judged, "gather"):
        with while_importing():
            get_ready()
        gathered = gather(site, passes)
    judged.set_aside = [a for g in gathered for a in g.set_aside]
    judged.unreachable = [g.unreachable for g in gathered if g.unreachable]
    usable = [p for p, g in zip(passes, gathered, strict=True) if g.usable]
    with stage(judged, "prepare"):
        reduced = reduce_dates(site, usable, workflow.options.prepare)
        keys = write_states(site, reduced.passes, reduced, detect.water)
        keep_looks(site, reduced.mask_keys, keys)
    # A pass may be good in one corridor and not in another.
    own = site.corridor.id
    judged.set_aside += [replace(a, what=f"{a.what} in {own}") for a in reduced.set_aside]
    judged.counted = tuple(p.id for p in reduced.passes)
    judged.unread = tuple(
        g.pass_id for g in gathered if g.unreachable or any(a.remedy for a in g.set_aside)
    )
    note_passes(workflow, site, passes, reduced, {g.pass_id for g in gathered if g.unreachable})
    return Looks(reduced.passes, reduced.quality, reduced.mask_keys, keys), reduced


@contextmanager
def stage(judged: Judged, name: str) -> Generator[None]:
    """Time a stage of a corridor, and say so."""
    began, cpu = time.perf_counter(), time.process_time()
    yield
    spent = round(time.perf_counter() - began, 3)
    judged.seconds[name] = spent
    judged.cpu_seconds[name] = round(time.process_time() - cpu, 3)
    log.info("%s: %s in %.1f s", judged.corridor_id, name, spent)


def plan_corridor(
    workflow: Workflow, corridor: Corridor, passes: Sequence[Pass], scratch: Path
) -> list[str]:
    """Say look by look and tile by tile what a run would read and make, and why.

    Writes nothing but into a scratch folder.
    """
    lines = say_new_store(workflow, corridor, len(passes))
    if not passes:
        return [*lines, f"{corridor.id}: no scenes in the period"]
    site = planned_site(workflow, corridor, passes, scratch)
    if site is not None:
        return [*lines, *all_lines(foretell(workflow, site, passes, ask=True))]
    # No scene can be opened, so there is no grid whose layers could be spoken of.
    for p in passes:
        names = ", ".join(s.id for s in p.scenes)
        lines.append(f"{corridor.id} {p.id} new: {REASONS['new']} ({names})")
    return lines


def known_passes(
    workflow: Workflow, corridor: Corridor, passes: Sequence[Pass]
) -> Mapping[str, str]:
    """Say per pass what gathering would do (see ``gather.plan``); empty without a store."""
    site = known_site(workflow, corridor)
    return plan(site.store, passes) if site is not None else {}


def used_passes(workflow: Workflow, corridor: Corridor, passes: Sequence[Pass]) -> frozenset[str]:
    """Give the ids of those passes of which the store has held pixels that could be used."""
    site = known_site(workflow, corridor)
    if site is None:
        return frozenset()
    return frozenset(p.id for p in passes if was_used(site.store, p.id))


def _counts(
    passes: Sequence[Pass], reduced: Reduced, watched: Watched, objects: int, site: Site
) -> dict[str, Any]:
    area = site.store.grid.pixel_area_m2
    return {
        "passes": len(passes),
        "usable": len(reduced.passes),
        "judged": sum(len(epoch.judged) for epoch, _ in watched.epochs),
        "sightings": len(watched.sightings),
        "objects": objects,
        "rejected": dict(sorted(watched.rejected.items())),
        "unknown_m2": {k: v * area for k, v in sorted(watched.unknown_px.items())},
        "unjudged": dict(sorted(watched.unjudged.items())),
        "offset_corrected": dict(sorted(reduced.corrected.items())),
        "levels": tell_levels(watched.levels, {p.id: p.acquired for p in passes}),
        "water_apart": _apart(watched),
        "registration_m": {k: round(q.residual_m, 2) for k, q in sorted(reduced.quality.items())},
    }


def _apart(watched: Watched) -> list[float | None] | None:
    """Give what of each reach's water hangs together with no channel, by the newest history."""
    against = watched.against
    return against[max(against)].apart.shares() if against else None
