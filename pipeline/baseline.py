"""``siluan baseline build``: fetch the history of a corridor once, so that runs need not.

It says what it would cost before it starts. Every pass is finished on its own, so that a build that
was killed goes on where it was; scenes that cannot be used are set aside by name, as in a run.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline.acquire.disk.search import keep_listings
from pipeline.acquire.disk.source import DiskSource
from pipeline.acquire.source import Making
from pipeline.config import Period, Workflow, choose_corridors, load_workflow
from pipeline.errors import ConfigurationError, ExitCode
from pipeline.io.failpoints import failpoint
from pipeline.io.progress import reporter
from pipeline.io.sizes import in_words
from pipeline.io.tasks import Progress
from pipeline.ledger import open_ledger
from pipeline.model import Corridor, Pass, SetAside
from pipeline.passes.corridor import known_passes
from pipeline.passes.estimate import Estimate, estimate
from pipeline.passes.gather import Gathered, gather
from pipeline.passes.old_stores import note_use, say_new_store
from pipeline.passes.search import Searched, search
from pipeline.passes.site import open_site, why_unopened
from pipeline.running.closing import say_unreached
from pipeline.running.console import log_lines, make_writable

log = logging.getLogger("siluan")

_BATCH = 32  # passes after which a server that answered none of them is taken to be down


@dataclass(frozen=True)
class BuildRequest:
    """What the command asked for."""

    workflow: Path
    corridors: tuple[str, ...] = ()
    years: float = 3.0
    yes: bool = False
    dry_run: bool = False


@dataclass(frozen=True)
class _Plan:
    """One corridor before anything is fetched."""

    corridor: Corridor
    passes: tuple[Pass, ...]
    todo: tuple[Pass, ...]
    cost: Estimate | None  # None: no scene could be opened


@dataclass
class _Done:
    """What became of one corridor."""

    gathered: list[Gathered]
    set_aside: list[SetAside]
    unreachable: list[str]
    stopped: bool = False


def build_baseline(request: BuildRequest) -> ExitCode:
    """Fetch the history of the workflow's corridors; give the exit code.

    Raises
    ------
    SiluanError
        Nothing was started, or the build could not go on; what was fetched is kept.
    """
    asked = load_workflow(request.workflow)
    workflow = _with_history(asked, request.years)
    corridors = choose_corridors(workflow, request.corridors)
    with ExitStack() as stack:
        stack.enter_context(log_lines())
        progress = stack.enter_context(reporter())
        # Catalogues of folders, and the grids of the estimate, leave nothing behind.
        scratch = Path(stack.enter_context(TemporaryDirectory()))
        aside = workflow.model_copy(update={"state": scratch})
        searched = search(workflow, corridors, stack, scratch, progress, trials=True)
        failpoint("acquire.searched")
        plans = [_plan(workflow, aside, c, searched.passes[c.id]) for c in corridors]
        _say_start(asked.period, workflow.period, request.years)
        _say_making(workflow, searched.to_make)
        _say_plans(workflow, plans, searched)
        _say_aside(searched.set_aside)
        say_unreached(searched)
        if request.dry_run:
            return ExitCode.UNREACHABLE if searched.unreachable else ExitCode.DONE
        if searched.to_make or any(p.todo for p in plans):
            _ask(request)
        make_writable(workflow.state)
        # Runs and builds of one state folder take turns.
        stack.enter_context(open_ledger(workflow.ledger_place))
        if any(isinstance(source, DiskSource) for source in workflow.sources):
            # What lies on a disk is made ready now that somebody said yes.
            keep_listings(scratch / "catalogues", workflow.state)
            first = searched
            searched = search(workflow, corridors, stack, None, progress, before=first)
            _say_aside([a for a in searched.set_aside if a not in first.set_aside])
            plans = [_plan(workflow, None, c, searched.passes[c.id]) for c in corridors]
        failpoint("baseline.planned")
        done = [_fetch(workflow, plan, progress) for plan in plans]
        return _close(searched, plans, done)


def _with_history(workflow: Workflow, years: float) -> Workflow:
    if years <= 0:
        raise ConfigurationError(f"--years must be more than 0, not {years:g}")
    end = workflow.period.end
    # A run reads from the period's own start: what lies before the years is fetched now, too.
    start = min(workflow.period.start, end - timedelta(days=round(365.25 * years)))
    period = {"from": start, "to": end, "zone": workflow.period.zone}
    return workflow.model_copy(update={"period": Period.model_validate(period)})


def _plan(
    workflow: Workflow, aside: Workflow | None, corridor: Corridor, passes: Sequence[Pass]
) -> _Plan:
    """Say what is to be read; with a scratch folder ``aside`` also what that costs."""
    known = known_passes(workflow, corridor, passes)
    todo = tuple(p for p in passes if known.get(p.id, "new") != "skip")
    site = open_site(aside, corridor, todo, None) if todo and aside is not None else None
    cost = estimate(site, todo) if site is not None else None
    return _Plan(corridor, tuple(passes), todo, cost)


def _say_start(asked: Period, period: Period, years: float) -> None:
    if period.start < period.end - timedelta(days=round(365.25 * years)):
        print(
            f"the workflow's period begins on {asked.start}, before the last {years:g} year(s): "
            "all of it is fetched, because a run reads all of it"
        )


def _say_making(workflow: Workflow, making: Sequence[Making]) -> None:
    """Say what making the products of disks ready costs, in all corridors together."""
    if not making:
        return
    readers = workflow.options.store.workers
    images = in_words(sum(m.image_bytes for m in making))
    print(f"on the disk: {len(making)} product(s) to make ready first, once: {images} of images")
    known = [m for m in making if m.seconds is not None]
    if known:
        kept = in_words(sum(m.kept_bytes or 0 for m in known))
        seconds = sum(m.seconds or 0 for m in known) / min(readers, os.cpu_count() or 1)
        print(
            f"  about {kept} to keep in the state folder, {_duration(seconds)} with {readers} "
            "thread(s); an estimate from one product a sensor, made ready on trial"
        )
    if len(known) < len(making):
        print(
            f"  what {len(making) - len(known)} of them cost is not known: none like them could "
            "be made ready on trial, being damaged or larger than 2 GiB"
        )


def _say_plans(workflow: Workflow, plans: Sequence[_Plan], searched: Searched) -> None:
    period = workflow.period
    readers = workflow.options.store.io_threads
    for plan in plans:
        held = len(plan.passes) - len(plan.todo)
        print(
            f"{plan.corridor.id}: {len(plan.passes)} passes from {period.start} to {period.end}, "
            f"{held} already in the store, {len(plan.todo)} to read"
        )
        for line in say_new_store(workflow, plan.corridor, len(plan.todo)):
            print(f"  {line}")
        pictures = searched.pictures[plan.corridor.id]
        if pictures:
            print(
                f"  {len(pictures)} uncalibrated picture(s) enter no history, and nothing of them "
                f"is fetched: {', '.join(p.id for p in pictures)}"
            )
        cost = plan.cost
        if not plan.todo:
            continue
        if cost is None or not cost.sampled:
            print("  what that costs is not known: none of the scenes tried could be opened")
            continue
        how = "" if cost.measured else " (some inferred from the shape of the image)"
        print(
            f"  {cost.scenes} scenes, about {in_words(cost.fetched_bytes)} to fetch, "
            f"{in_words(cost.stored_bytes)} to keep, {_duration(cost.seconds)} with {readers} "
            "readers"
        )
        print(
            f"  an estimate from {cost.sampled} scene(s): sizes of their files{how} x the share of "
            "blocks that the corridor touches, and the time of a few reads"
        )


def _ask(request: BuildRequest) -> None:
    """Ask a person; a schedule has to say yes beforehand."""
    if request.yes:
        return
    if not sys.stdin.isatty():
        raise ConfigurationError(
            "nobody is here to say yes, and nothing was fetched", "Add --yes to the command"
        )
    if input("Fetch it? [y/N] ").strip().lower() not in ("y", "yes", "是"):
        raise ConfigurationError("nothing was fetched, as you said")


def _fetch(workflow: Workflow, plan: _Plan, progress: Progress | None) -> _Done:
    done = _Done([], [], [])
    if not plan.passes:
        return done
    site = open_site(workflow, plan.corridor, plan.passes, progress)
    if site is None:
        done.set_aside, done.unreachable = why_unopened(plan.passes)
        return done
    note_use(site.store.root, workflow)
    for first in range(0, len(plan.todo), _BATCH):
        batch = plan.todo[first : first + _BATCH]
        found = gather(site, batch)
        done.gathered += found
        done.set_aside += [a for g in found for a in g.set_aside]
        done.unreachable += [g.unreachable for g in found if g.unreachable]
        log.info("%s: %d of %d passes", plan.corridor.id, len(done.gathered), len(plan.todo))
        if all(g.unreachable for g in found):
            done.stopped = len(done.gathered) < len(plan.todo)
            break
    failpoint("baseline.fetched")
    return done


def _say_aside(aside: Sequence[SetAside]) -> None:
    for a in aside:
        if a.remedy:
            log.warning("set aside %s: %s. %s.", a.what, a.reason, a.remedy)


def _close(searched: Searched, plans: Sequence[_Plan], done: Sequence[_Done]) -> ExitCode:
    unreachable = {*searched.unreachable}
    mendable = any(a.remedy for a in searched.set_aside)
    for plan, found in zip(plans, done, strict=True):
        _say_aside(found.set_aside)
        unreachable |= {*found.unreachable}
        mendable = mendable or any(a.remedy for a in found.set_aside)
        kept = sum(g.usable and g.fresh for g in found.gathered)
        useless = sum(g.fresh and not g.usable for g in found.gathered)
        silent = sum(bool(g.unreachable) for g in found.gathered)
        rest = len(plan.todo) - len(found.gathered)
        print(
            f"{plan.corridor.id}: {kept} passes read, {len(plan.passes) - len(plan.todo)} were "
            f"there, {useless} of no use (cloud or set aside), {silent + rest} not reached"
        )
        if found.stopped:
            log.error("%s: no answer %d times, so the rest was left", plan.corridor.id, silent)
    for what in sorted(unreachable):
        log.error("not reached: %s. Run again later: it goes on.", what)
    if unreachable:
        return ExitCode.UNREACHABLE
    return ExitCode.SET_ASIDE if mendable else ExitCode.DONE


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(seconds, 1):.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"
