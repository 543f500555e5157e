"""One workflow, start to end: search, gather, reduce, watch, follow, ledger, publish."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace

from pipeline.adjudicate.areas import AreaIndex
from pipeline.cases.proposed import propose_cases
from pipeline.config import Workflow, choose_corridors, load_workflow
from pipeline.errors import ExitCode
from pipeline.io.cluster import open_workers
from pipeline.io.failpoints import failpoint
from pipeline.io.layers import areas_of, load_layers
from pipeline.io.progress import CORRIDORS, counted, reporter
from pipeline.io.stages import load_stages
from pipeline.io.tasks import Progress, Workers
from pipeline.ledger import apply, open_ledger
from pipeline.model import Case, Corridor
from pipeline.passes.corridor import Judged, run_corridor
from pipeline.passes.failing import Failures
from pipeline.passes.limits import keep_within
from pipeline.passes.old_stores import drop_old_stores
from pipeline.passes.pictures import add_pictures
from pipeline.passes.search import Searched, search
from pipeline.running.closing import close_run, say_what_is_missing
from pipeline.running.console import Clock, log_lines, make_writable
from pipeline.running.judging import (
    as_the_office_sees_it,
    context_of,
    month_of,
    relooks_of,
)
from pipeline.running.known import after_judging, known_with_history
from pipeline.running.plan import explain
from pipeline.running.publishing import publish, shelves_of
from pipeline.running.recording import (
    count_proposed,
    count_rules,
    layer_marks,
    record_of,
    run_id_of,
)
from pipeline.running.request import RunRequest, span_of, with_overrides
from pipeline.shown import verdicts_said

log = logging.getLogger("siluan")


def run_workflow(request: RunRequest) -> ExitCode:
    """Run a workflow; give the exit code of ``docs/contracts.md``.

    Raises
    ------
    SiluanError
        Nothing was started, or the run could not go on; what was finished is kept.
    """
    workflow = with_overrides(load_workflow(request.workflow), request)
    corridors = choose_corridors(workflow, request.corridors)
    layers, stages = load_layers(workflow.layers), load_stages(workflow.layers)
    marks = {**layer_marks(layers), **stages.marks}
    if request.dry_run:
        return explain(workflow, corridors)
    clock = Clock()
    with ExitStack() as stack:
        lines = stack.enter_context(log_lines())
        progress = stack.enter_context(reporter())
        make_writable(workflow.state)
        # A search writes catalogues and makes products ready: two runs of one state take turns.
        ledger = stack.enter_context(open_ledger(workflow.ledger_place))
        known = known_with_history(ledger, workflow, corridors)
        with clock.stage("search"):
            searched = search(workflow, corridors, stack, None, progress)
        failpoint("acquire.searched")
        make_writable(workflow.out)
        threads = workflow.options.store.workers
        workers = stack.enter_context(open_workers(workflow.cluster, threads, workflow.state))
        judged, failures = judge_corridors(
            workflow, corridors, searched, known.cases, (clock, progress, workers)
        )
        aside = sorted({*searched.set_aside, *(a for j in judged for a in j.set_aside)})
        run_id = run_id_of(workflow, corridors, judged, marks)
        with clock.stage("ledger"):
            options = workflow.options.adjudicate
            areas = AreaIndex(areas_of(layers), stages.readings)
            context = known.told_to(context_of(workflow, judged, searched, run_id))
            context = as_the_office_sees_it(context, corridors, areas, options)
            candidates = [c for j in judged for c in j.candidates]
            failpoint("adjudicate.done")
            result = apply(ledger, candidates, context, relooks=relooks_of(judged))
            proposed = propose_cases(ledger, month_of(context.until), options)
            after_judging(workflow, context, result.counts, whole=request.start is None)
        record = record_of(workflow, judged, result, (run_id, clock, aside))
        shelves = shelves_of(ledger, result, corridors, judged)
        more = {
            "layers": marks,
            "suppressed": count_rules(shelves),
            "proposed": count_proposed(proposed),
            **failures.counts,
            **request.counts,
        }
        record = replace(record, counts={**record.counts, **more})
        unreachable = sorted({*searched.unreachable, *(u for j in judged for u in j.unreachable)})
        say_what_is_missing(record, unreachable)
        with clock.stage("publish"):
            places, lists = (corridors, layers), (shelves, proposed)
            until = {c.id: span_of(workflow, searched.passes[c.id]).until for c in corridors}
            said = verdicts_said(ledger, shelves)
            folder = publish(workflow, places, judged, lists, record, until, lines, said)
        if not unreachable:
            _drop_old_stores(workflow, corridors, judged)
        # What a source that gave no answer has is in use as well, and not known now.
        if not searched.unreachable:
            used = {i: [p.id for p in passes] for i, passes in searched.passes.items()}
            for line in keep_within(workflow, used, corridors):
                log.warning("%s.", line)
    code = close_run(folder, lists, record, unreachable, clock.elapsed)
    return failures.worse_than(code)


def judge_corridors(
    workflow: Workflow,
    corridors: Sequence[Corridor],
    searched: Searched,
    known: Sequence[Case],
    means: tuple[Clock, Progress | None, Workers],
) -> tuple[list[Judged], Failures]:
    """Run one corridor after the other; one that fails is left out, and stops no other."""
    clock, progress, workers = means
    judged: list[Judged] = []
    failures = Failures(alone=len(corridors) == 1)
    # Cases that rest on pictures alone are nothing that calibrated looks can judge.
    # Nor are those whose outline is a drone's: a pixel is larger than most of them.
    # What only a lead points at was never in any image: there is nothing to follow.
    seen = [c for c in known if not (c.of_pictures or c.of_drone or c.of_lead)]
    for corridor in counted(corridors, progress, CORRIDORS):
        passes = searched.passes[corridor.id]
        about = (seen, span_of(workflow, passes))
        with failures.of(corridor.id):
            with clock.stage("detect"):
                found = run_corridor(workflow, corridor, passes, about, progress, workers)
            with clock.stage("pictures"):
                pictures = searched.pictures[corridor.id]
                add_pictures(workflow, corridor, pictures, found, progress)
            judged.append(found)
    failures.raise_if_all(len(corridors))
    return judged, failures


def _drop_old_stores(
    workflow: Workflow, corridors: Sequence[Corridor], judged: Sequence[Judged]
) -> None:
    """Remove what a new outline has replaced, once a run over it is finished."""
    counted = {j.corridor_id for j in judged if j.counted}
    for corridor in corridors:
        for line in drop_old_stores(workflow, corridor) if corridor.id in counted else ():
            log.info("%s", line)
