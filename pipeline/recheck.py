"""A workflow of kind ``recheck``: cases that people hold or have closed, in newer imagery.

It opens no case and moves no status. What it saw becomes looks of the cases, and what imagery
proposes stands beside their status, as after a patrol.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline import __version__
from pipeline.adjudicate.evidence import fold
from pipeline.closing import after_recheck
from pipeline.config import Workflow, choose_corridors
from pipeline.errors import ConfigurationError, ExitCode
from pipeline.io.cluster import open_workers
from pipeline.io.progress import CORRIDORS, counted, reporter
from pipeline.io.tasks import Progress, Workers
from pipeline.ledger import LedgerContext, apply, open_ledger
from pipeline.ledger.rechecking import due, may_be_asked, recheck
from pipeline.ledger.restoring import finish_restore
from pipeline.model import UNKNOWN_ZH, UNRESTORED, Case, Corridor, Look, Rechecked, RunRecord
from pipeline.passes.corridor import Judged, plan_corridor
from pipeline.passes.failing import Failures
from pipeline.passes.recheck import Asked, recheck_corridor
from pipeline.passes.recheck_workflow import RecheckWorkflow, load_recheck
from pipeline.passes.search import Searched, search
from pipeline.publish import make_run_id, publish_files
from pipeline.publish.rechecks import render_rechecks
from pipeline.running.closing import say_unreached, say_what_is_missing
from pipeline.running.console import Clock, log_lines, make_writable
from pipeline.running.judging import relooks_of
from pipeline.running.request import RunRequest, span_of, with_overrides

log = logging.getLogger("siluan")

NOTHING = (
    "nothing to recheck: no case is issued, verified, rectifying or relapsed, and none was closed "
    "within {days} days; no imagery was read"
)


@dataclass(frozen=True)
class _Task:
    """What a recheck is about, all of it checked."""

    own: RecheckWorkflow
    patrol: Workflow
    corridors: tuple[Corridor, ...]  # that hold a case to look at

    def newest(self, searched: Searched) -> dict[str, datetime]:
        """Give the newest pass (UTC) by corridor; without one the corridor is missing."""
        passes = {c.id: searched.passes[c.id] for c in self.corridors}
        return {k: max(p.acquired for p in own) for k, own in passes.items() if own}


def run_recheck(request: RunRequest) -> ExitCode:
    """Look again at the cases of a patrol; give the exit code of ``docs/contracts.md``.

    Raises
    ------
    SiluanError
        Nothing was started, or the run could not go on; what was finished is kept.
    """
    own, patrol = load_recheck(request.workflow)
    if request.out is not None:
        own = own.model_copy(update={"out": request.out.resolve()})
    patrol = with_overrides(patrol, replace(request, out=None))
    place = patrol.ledger_place
    finish_restore(place.file.resolve())
    if place.url is None and not place.file.is_file() and not place.mark.is_file():
        raise ConfigurationError(
            f"there is no ledger at {place.file}, so no case to look at again",
            f"Run the patrol first: siluan run {own.patrol}",
        )
    corridors = choose_corridors(patrol, request.corridors)
    if request.dry_run:
        return _explain(own, patrol, corridors)
    clock = Clock()
    with ExitStack() as stack:
        lines = stack.enter_context(log_lines())
        progress = stack.enter_context(reporter())
        make_writable(patrol.state)
        ledger = stack.enter_context(open_ledger(place))
        make_writable(own.out)
        known = ledger.cases(corridors=[c.id for c in corridors])
        asked = _asked(known, corridors)
        task = _Task(own, patrol, _holding(asked, corridors))
        with clock.stage("search"):
            searched = _search(task, stack)
        newest = task.newest(searched)
        cases = [c for c in asked if _due(c, newest, own)]
        task = replace(task, corridors=_holding(cases, corridors))
        workers = stack.enter_context(
            open_workers(patrol.cluster, patrol.options.store.workers, patrol.state)
        )
        about = (searched, known, cases)
        judged, failures = _looked_at(task, about, (clock, progress, workers))
        newest = {k: at for k, at in newest.items() if k not in failures.errors}
        run_id = _run_id(task, judged, cases)
        with clock.stage("ledger"):
            apply(ledger, (), _context(task, newest, run_id), relooks=_news(cases, judged))
            # Applied is what there is news of; the list is of all that were asked about.
            after = ledger.cases([c.case_id for c in cases])
        found = recheck(after, newest, own.watch_days, patrol.options.propose)
        found = tuple(_of_failed(one, failures) for one in found)
        unreachable = sorted({*searched.unreachable, *(u for j in judged for u in j.unreachable)})
        record = _record(task, judged, searched, found)
        counts = {**record.counts, **failures.counts, **request.counts}
        record = replace(record, run_id=run_id, seconds=dict(clock.seconds), counts=counts)
        record = replace(record, cpu_seconds=dict(clock.cpu_seconds))
        say_what_is_missing(record, unreachable)
        rivers = {c.id: c.name_zh for c in corridors}
        contents = render_rechecks(found, rivers, run_id)
        extras = {"run.log": "".join(lines).encode()}
        folder = publish_files(own.out, contents, record, extras).folder
    _close(found, folder, own)
    mendable = sum(bool(a.remedy) for a in record.set_aside)
    proposing = sum(one.word not in (UNKNOWN_ZH, UNRESTORED) for one in found)
    print(after_recheck(folder, proposing, failures.errors, bool(unreachable), mendable))
    return failures.worse_than(_code(record, unreachable))


def _looked_at(
    task: _Task,
    about: tuple[Searched, Sequence[Case], Sequence[Case]],
    means: tuple[Clock, Progress | None, Workers],
) -> tuple[list[Judged], Failures]:
    """Look again in one corridor after the other; one that fails stops no other."""
    (searched, known, cases), (clock, progress, workers) = about, means
    judged: list[Judged] = []
    failures = Failures()
    for corridor in counted(task.corridors, progress, CORRIDORS):
        passes = searched.passes[corridor.id]
        span = span_of(task.patrol, passes)
        asked = Asked(_of_satellites(known), _here(cases, corridor), span)
        with failures.of(corridor.id), clock.stage("detect"):
            judged.append(recheck_corridor(task.patrol, corridor, passes, asked, progress, workers))
    failures.raise_if_all(len(task.corridors))
    return judged, failures


def _code(record: RunRecord, unreachable: Sequence[str]) -> ExitCode:
    if unreachable:
        return ExitCode.UNREACHABLE
    return ExitCode.SET_ASIDE if any(a.remedy for a in record.set_aside) else ExitCode.DONE


def _of_failed(one: Rechecked, failures: Failures) -> Rechecked:
    """Say of a case that nobody could tell anything of why that is so."""
    if one.case.corridor_id not in failures.errors or one.word != UNKNOWN_ZH:
        return one
    return replace(one, why="该河段本次处理失败，尚不能判断")


def _explain(own: RecheckWorkflow, patrol: Workflow, corridors: Sequence[Corridor]) -> ExitCode:
    """Say what a run would look at and read."""
    with ExitStack() as stack:
        stack.enter_context(log_lines())
        ledger = stack.enter_context(open_ledger(patrol.ledger_place, writing=False))
        asked = _asked(ledger.cases(corridors=[c.id for c in corridors]), corridors)
        task = _Task(own, patrol, _holding(asked, corridors))
        scratch = Path(stack.enter_context(TemporaryDirectory()))
        searched = _search(task, stack, scratch)
        newest = task.newest(searched)
        cases = [c for c in asked if _due(c, newest, own)]
        if not cases:
            print(NOTHING.format(days=own.watch_days))
        for case in cases:
            print(f"{case.case_id}: {case.status} in {case.corridor_id} would be looked at again")
        for corridor in _holding(cases, corridors):
            for line in plan_corridor(patrol, corridor, searched.passes[corridor.id], scratch):
                print(line)
        say_unreached(searched)
        return ExitCode.UNREACHABLE if searched.unreachable else ExitCode.DONE


def _search(task: _Task, stack: ExitStack, scratch: Path | None = None) -> Searched:
    if not task.corridors:
        return Searched({}, (), (), {}, {})
    return search(task.patrol, task.corridors, stack, scratch)


def _asked(known: Sequence[Case], corridors: Sequence[Corridor]) -> list[Case]:
    ids = {c.id for c in corridors}
    return [c for c in known if may_be_asked(c, ids)]


def _holding(cases: Sequence[Case], corridors: Sequence[Corridor]) -> tuple[Corridor, ...]:
    held = {c.corridor_id for c in cases}
    return tuple(c for c in corridors if c.id in held)


def _due(case: Case, newest: dict[str, datetime], own: RecheckWorkflow) -> bool:
    at = newest.get(case.corridor_id)
    return at is None or due(case, at, own.watch_days)


def _of_satellites(cases: Sequence[Case]) -> list[Case]:
    """Give those that calibrated looks can judge; the others are said to be unknown."""
    return [c for c in cases if not (c.of_pictures or c.of_drone or c.of_lead)]


def _here(cases: Sequence[Case], corridor: Corridor) -> list[Case]:
    return [c for c in _of_satellites(cases) if c.corridor_id == corridor.id]


def _news(cases: Sequence[Case], judged: Sequence[Judged]) -> dict[str, list[Look]]:
    """Give the looks at passes of which a case has none: a patrol's own stay as they are."""
    held = {c.case_id: {k.pass_id for k in c.looks} for c in cases}
    every = relooks_of(judged)
    new = {i: [k for k in looks if k.pass_id not in held[i]] for i, looks in every.items()}
    return {i: looks for i, looks in new.items() if looks}


def _run_id(task: _Task, judged: Sequence[Judged], cases: Sequence[Case]) -> str:
    geometry = [f"{c.id} {c.polygon_wgs84.normalize().wkb_hex}" for c in task.corridors]
    return make_run_id(
        task.own.name,
        [*geometry, *(f"case {c.case_id} {c.status} {c.people}" for c in cases)],
        task.patrol.period.span,
        {f"{j.corridor_id}/{i['id']}": str(i["fingerprint"]) for j in judged for i in j.inputs},
        task.own.config_hash(task.patrol),
        __version__,
    )


def _context(task: _Task, newest: dict[str, datetime], run_id: str) -> LedgerContext:
    period = task.patrol.period
    passes_end = {k: min(period.span[1], at) for k, at in newest.items()}
    return LedgerContext(
        run_id=run_id,
        code_version=__version__,
        config_hash=task.own.config_hash(task.patrol),
        # Of a corridor without any pass nothing is said.
        corridors=tuple(c.id for c in task.corridors if c.id in newest),
        period=(period.patrol_start, period.span[1]),
        fold=partial(fold, options=task.patrol.options.adjudicate.fold),
        proposing=task.patrol.options.propose,
        until=passes_end,
        spots=True,  # it says nothing of other places, and nothing there is complete
    )


def _record(
    task: _Task, judged: Sequence[Judged], searched: Searched, found: Sequence[Rechecked]
) -> RunRecord:
    aside = {*searched.set_aside, *(a for j in judged for a in j.set_aside)}
    return RunRecord(
        run_id="",
        workflow=task.own.name,
        period=task.patrol.period.span,
        inputs=tuple(i for j in judged for i in j.inputs),
        config_hash=task.own.config_hash(task.patrol),
        code_version=__version__,
        counts={
            "corridors": {j.corridor_id: dict(j.counts) for j in judged},
            "recheck": _count(found),
            "cases": {one.case.case_id: one.word for one in found},
        },
        seconds={},
        set_aside=tuple(sorted(aside)),
        zone=task.patrol.period.zone,
    )


def _count(found: Sequence[Rechecked]) -> dict[str, int]:
    return dict(sorted(Counter(one.word for one in found).items()))


def _close(found: Sequence[Rechecked], folder: Path, own: RecheckWorkflow) -> None:
    """Print the table of a recheck."""
    if not found:
        print(NOTHING.format(days=own.watch_days))
    for one in found:
        print(f"{one.case.case_id} {one.case.status} {one.word}: {one.why}")
    words = " · ".join(f"{word} {n}" for word, n in _count(found).items())
    unknown = sum(one.word == UNKNOWN_ZH for one in found)
    print(f"复核 rechecked: {len(found)}{f' ({words})' if words else ''} · in {folder}")
    if unknown and unknown == len(found):
        print("nobody could tell anything yet: see why, case by case, above")
