"""One workflow, start to end: search, gather, reduce, watch, follow, ledger, publish."""

from __future__ import annotations

import errno
import logging
import time
from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import Any
from zoneinfo import ZoneInfo

from pipeline import __version__
from pipeline.adjudicate.areas import AreaIndex
from pipeline.adjudicate.attribute import Attributor
from pipeline.adjudicate.budget import budget_line
from pipeline.adjudicate.calibration import Calibration, calibrated
from pipeline.adjudicate.candidates import AdjudicateOptions
from pipeline.adjudicate.evidence import FoldOptions, fold
from pipeline.adjudicate.grading import grade
from pipeline.adjudicate.rules import subject_of
from pipeline.adjudicate.screen import Screener, chosen_for_audit
from pipeline.adjudicate.visit import rank_visits
from pipeline.cases.proposed import county_names, propose_cases
from pipeline.closing import after_run, closing_table
from pipeline.config import Period, Workflow, choose_corridors, load_workflow
from pipeline.errors import ConfigurationError, ExitCode
from pipeline.io.cluster import open_workers
from pipeline.io.failpoints import failpoint
from pipeline.io.layers import OfficeLayer, areas_of, load_layers
from pipeline.io.progress import CORRIDORS, ScreenHandler, counted, reporter
from pipeline.io.stages import load_stages
from pipeline.io.tasks import Progress, Workers
from pipeline.ledger import (
    Judgement,
    LedgerContext,
    LedgerResult,
    LedgerStore,
    apply,
    open_ledger,
)
from pipeline.ledger.status import Reason
from pipeline.model import (
    Attribution,
    Case,
    Corridor,
    Grade,
    Kind,
    Look,
    Pass,
    Proposed,
    Ruling,
    RunRecord,
    SetAside,
)
from pipeline.passes.corridor import Judged, Span, plan_corridor, run_corridor
from pipeline.passes.failing import Failures
from pipeline.passes.old_stores import drop_old_stores
from pipeline.passes.pictures import add_pictures, dates_of
from pipeline.passes.search import Searched, search
from pipeline.passes.showing import Desk, from_store
from pipeline.publish import PublishContext, Shelves, make_run_id, publish_run, split_cases
from pipeline.shown import Scope, add_evidence, add_review

log = logging.getLogger("siluan")

ZONE = ZoneInfo("Asia/Shanghai")
"""Months of the budget are months there."""


@dataclass(frozen=True)
class RunRequest:
    """What the command asked for."""

    workflow: Path
    corridors: tuple[str, ...] = ()
    start: date | None = None
    end: date | None = None
    out: Path | None = None
    dry_run: bool = False


@dataclass
class Clock:
    """Seconds by stage."""

    seconds: dict[str, float] = field(default_factory=dict[str, float])

    @contextmanager
    def stage(self, name: str) -> Generator[None]:
        """Add the time spent within to a stage."""
        began = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - began
            self.seconds[name] = round(self.seconds.get(name, 0.0) + spent, 3)


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
        return _explain(workflow, corridors)
    clock = Clock()
    with ExitStack() as stack:
        lines = stack.enter_context(log_lines())
        progress = stack.enter_context(reporter())
        make_writable(workflow.state)
        # A search writes catalogues and makes products ready: two runs of one state take turns.
        ledger = stack.enter_context(open_ledger(workflow.ledger_place))
        with clock.stage("search"):
            searched = search(workflow, corridors, stack, None, progress)
        failpoint("acquire.searched")
        make_writable(workflow.out)
        known = ledger.cases(corridors={c.id for c in corridors})
        threads = workflow.options.store.workers
        workers = stack.enter_context(open_workers(workflow.cluster, threads, workflow.state))
        judged, failures = _judge(workflow, corridors, searched, known, (clock, progress, workers))
        aside = sorted({*searched.set_aside, *(a for j in judged for a in j.set_aside)})
        run_id = _run_id(workflow, corridors, judged, marks)
        with clock.stage("ledger"):
            options = workflow.options.adjudicate
            areas = AreaIndex(areas_of(layers), stages.readings)
            context = _context(workflow, judged, searched, run_id)
            context = _as_the_office_sees_it(context, corridors, areas, options)
            candidates = [c for j in judged for c in j.candidates]
            failpoint("adjudicate.done")
            result = apply(ledger, candidates, context, relooks=relooks_of(judged))
            proposed = propose_cases(ledger, month_of(context.until), options)
        record = _record(workflow, judged, result, (run_id, clock.seconds, aside))
        shelves = _shelves(ledger, result, corridors, judged)
        more = {
            "layers": marks,
            "suppressed": count_rules(shelves),
            "proposed": count_proposed(proposed),
            **failures.counts,
        }
        record = replace(record, counts={**record.counts, **more})
        unreachable = sorted({*searched.unreachable, *(u for j in judged for u in j.unreachable)})
        say_what_is_missing(record, unreachable)
        with clock.stage("publish"):
            places, lists = (corridors, layers), (shelves, proposed)
            folder = _publish(workflow, places, judged, lists, record, context.until, lines)
        if not unreachable:
            _drop_old_stores(workflow, corridors, judged)
    return failures.worse_than(close_run(folder, (shelves, proposed), record, unreachable))


def _shelves(
    ledger: LedgerStore,
    result: LedgerResult,
    corridors: Sequence[Corridor],
    judged: Sequence[Judged],
) -> Shelves:
    """Give what is published: of a corridor that failed, what was known of it before."""
    names = {c.id for c in corridors}
    failed = names - {j.corridor_id for j in judged}
    known = {c.case_id: c for c in (*ledger.cases(corridors=failed), *result.cases)}
    return split_cases(known.values(), names)


def _judge(
    workflow: Workflow,
    corridors: Sequence[Corridor],
    searched: Searched,
    known: Sequence[Case],
    means: tuple[Clock, Progress | None, Workers],
) -> tuple[list[Judged], Failures]:
    """Run one corridor after the other; one that fails is left out, and stops no other."""
    clock, progress, workers = means
    judged: list[Judged] = []
    failures = Failures()
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


def _as_the_office_sees_it(
    context: LedgerContext,
    corridors: Sequence[Corridor],
    areas: AreaIndex,
    options: AdjudicateOptions,
) -> LedgerContext:
    """Bind what places, screens and grades a case to the office's layers and tables."""
    where = Attributor({c.id: c for c in corridors}, areas, options.place)
    screener = Screener(areas, options.screen)
    return replace(
        context,
        attribute=partial(place_case, where),
        screen=partial(screen_case, screener, options.fold, context.until),
        grade=partial(grade_case, options),
        areas={c.id: c.polygon_wgs84 for c in corridors},
        decision_days=options.screen.standing.history_days,
    )


def relooks_of(judged: Sequence[Judged]) -> dict[str, list[Look]]:
    """Give what looking again at known cases said, by case id."""
    return {case: looks for j in judged for case, looks in j.relooks.items()}


def _drop_old_stores(
    workflow: Workflow, corridors: Sequence[Corridor], judged: Sequence[Judged]
) -> None:
    """Remove what a new outline has replaced, once a run over it is finished."""
    counted = {j.corridor_id for j in judged if j.counted}
    for corridor in corridors:
        for line in drop_old_stores(workflow, corridor) if corridor.id in counted else ():
            log.info("%s", line)


def _explain(workflow: Workflow, corridors: Sequence[Corridor]) -> ExitCode:
    """Say what a run would read; the catalogue of a folder lies in a scratch folder meanwhile."""
    with ExitStack() as stack:
        stack.enter_context(log_lines())
        progress = stack.enter_context(reporter())
        scratch = Path(stack.enter_context(TemporaryDirectory()))
        searched = search(workflow, corridors, stack, scratch, progress)
        _say_plan(workflow, corridors, searched)
        return ExitCode.UNREACHABLE if searched.unreachable else ExitCode.DONE


def make_writable(folder: Path) -> None:
    """Find out before the work, and not after it, that its result cannot be kept."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise
        reason = error.strerror or type(error).__name__
        raise ConfigurationError(
            f"the folder {folder} cannot be written ({reason})", "Choose another one, or its owner"
        ) from error


def with_overrides(workflow: Workflow, request: RunRequest) -> Workflow:
    """Give the workflow with the period and the output folder that the command asked for.

    Raises
    ------
    ConfigurationError
        The period would end before it begins.
    """
    update: dict[str, Any] = {}
    if request.out is not None:
        update["out"] = request.out.resolve()
    if request.start or request.end:
        period = workflow.period
        start, end = request.start or period.start, request.end or period.end
        if end < start:
            raise ConfigurationError(f"--to ({end}) lies before --from ({start})")
        patrol = period.patrol_from
        if patrol is not None:
            patrol = min(max(patrol, start), end)
        update["period"] = Period.model_validate(
            {"from": start, "patrol_from": patrol, "to": end, "zone": period.zone}
        )
    return workflow.model_copy(update=update)


def _say_plan(workflow: Workflow, corridors: Sequence[Corridor], searched: Searched) -> None:
    for corridor in corridors:
        for line in plan_corridor(workflow, corridor, searched.passes[corridor.id]):
            print(line)
        for scene in searched.pictures[corridor.id]:
            print(f"{corridor.id} {scene.id} picture: of {dates_of(scene)}, enters no history")
    if searched.to_make:
        names = ", ".join(sorted({m.product for m in searched.to_make}))
        print(f"{len(searched.to_make)} product(s) of the disk are made ready first: {names}")
    for aside in searched.set_aside:
        print(f"set aside {aside.what}: {aside.reason}")
    say_unreached(searched)


def say_unreached(searched: Searched) -> None:
    """Name the sources that gave no answer: the plan is not the whole of it."""
    for what in searched.unreachable:
        print(f"not reached: {what}. Run again later.")


def place_case(where: Attributor, case: Case) -> Attribution:
    """Say where a case lies, by the day of its first sighting, or else of its first lead."""
    first = case.evidence.first_seen
    day = first.date() if first else case.leads[0].on if case.leads else None
    return where(case.corridor_id, case.polygon, case.crs, day)


def screen_case(
    rules: Screener, memory: FoldOptions, newest: Mapping[str, datetime], case: Case
) -> Ruling:
    """Say what the office's layers say of a case; ``newest`` pass by corridor (UTC)."""
    return rules(subject_of(case, memory, newest.get(case.corridor_id)))


def grade_case(options: AdjudicateOptions, case: Case) -> Grade:
    """Say what the office's tables say of a case."""
    return grade(case, options.grading, options.grade)


def month_of(until: Mapping[str, datetime]) -> str:
    """Give the month (office's zone) of the newest pass of a run: never the clock's."""
    return f"{max(until.values()).astimezone(ZONE):%Y-%m}"


def count_proposed(proposed: Mapping[str, Proposed]) -> dict[str, dict[str, int]]:
    """Count what is proposed for issue and what waits, by county."""
    counts: dict[str, dict[str, int]] = {}
    for p in proposed.values():
        pot = counts.setdefault(p.county, {"proposed": 0, "waiting": 0})
        pot["proposed" if p.waits is None else "waiting"] += 1
    return dict(sorted(counts.items()))


def layer_marks(layers: Mapping[str, OfficeLayer]) -> dict[str, str]:
    """Give what tells one import of each layer from another."""
    return {kind: layer.fingerprint for kind, layer in layers.items()}


def _run_id(
    workflow: Workflow,
    corridors: Sequence[Corridor],
    judged: Sequence[Judged],
    marks: Mapping[str, str],
) -> str:
    geometry = [f"{c.id} {c.polygon_wgs84.normalize().wkb_hex}" for c in corridors]
    return make_run_id(
        workflow.name,
        [*geometry, *(f"layer {kind} {mark}" for kind, mark in marks.items())],
        workflow.period.span,
        {f"{j.corridor_id}/{i['id']}": str(i["fingerprint"]) for j in judged for i in j.inputs},
        workflow.config_hash(),
        __version__,
    )


def span_of(workflow: Workflow, passes: Sequence[Pass]) -> Span:
    """Give the patrol, up to the newest pass: what has not been flown yet is nobody's silence."""
    start, end = workflow.period.patrol_start, workflow.period.span[1]
    newest = max((p.acquired for p in passes), default=end)
    return Span(start, max(start, min(end, newest)))


def _context(
    workflow: Workflow, judged: Sequence[Judged], searched: Searched, run_id: str
) -> LedgerContext:
    # An item that could not be used may have been any pass: then nothing is known to be complete.
    broken = bool(searched.unreachable) or any(a.remedy for a in searched.set_aside)
    period = workflow.period
    return LedgerContext(
        run_id=run_id,
        code_version=__version__,
        config_hash=workflow.config_hash(),
        corridors=tuple(j.corridor_id for j in judged),
        # Looks of the history belong to the runs whose patrol they were.
        period=(period.patrol_start, period.span[1]),
        fold=partial(fold, options=workflow.options.adjudicate.fold),
        proposing=workflow.options.propose,
        judged={
            j.corridor_id: Judgement(frozenset(j.counted), frozenset(j.unread))
            for j in judged
            if j.judged and not broken
        },
        until={
            j.corridor_id: span_of(workflow, searched.passes[j.corridor_id]).until for j in judged
        },
    )


def _record(
    workflow: Workflow,
    judged: Sequence[Judged],
    result: LedgerResult,
    rest: tuple[str, Mapping[str, float], Sequence[SetAside]],
) -> RunRecord:
    run_id, seconds, aside = rest
    spent = dict(seconds)
    for j in judged:
        for name, value in j.seconds.items():
            spent[name] = round(spent.get(name, 0.0) + value, 3)
    return RunRecord(
        run_id=run_id,
        workflow=workflow.name,
        period=workflow.period.span,
        inputs=tuple(i for j in judged for i in j.inputs),
        config_hash=workflow.config_hash(),
        code_version=__version__,
        counts={
            "kinds": [kind.value for kind in Kind],
            "ledger": dict(result.counts),
            "corridors": {j.corridor_id: dict(j.counts) for j in judged},
        },
        seconds=spent,
        set_aside=tuple(aside),
    )


def _publish(
    workflow: Workflow,
    places: tuple[Sequence[Corridor], Mapping[str, OfficeLayer]],
    judged: Sequence[Judged],
    lists: tuple[Shelves, Mapping[str, Proposed]],
    record: RunRecord,
    until: Mapping[str, datetime],
    lines: list[str],
) -> Path:
    corridors, layers = places
    shelves, proposed = lists
    shown = {j.corridor_id: j.shown for j in judged if j.shown is not None}
    scope = Scope(record, corridors, shown)
    hidden = [c.case_id for c in shelves.suppressed]
    everything = (*shelves.cases, *shelves.watch, *shelves.suppressed)
    known = confidence_of(everything, workflow.options.adjudicate.calibration)
    context = PublishContext(
        rivers_zh={c.id: c.name_zh for c in corridors},
        gsd_m={k: v for j in judged for k, v in j.gsd_m.items()},
        confidence=known,
        visits=rank_visits(shelves.watch, until, known, workflow.options.adjudicate.visit),
        proposed=proposed,
        audit=chosen_for_audit(record.run_id, hidden, workflow.options.adjudicate.screen),
        corridors=tuple(corridors),
        office=layers,
        reasons_zh={r.value: r.zh for r in Reason},
        extras={"run.log": "".join(lines).encode()},
    )
    context = _with_pictures(workflow, shelves, context, scope)
    unseen = [n for j in judged for n in j.not_observed]
    return publish_run(workflow.out, shelves, unseen, record, context).folder


def _with_pictures(
    workflow: Workflow, shelves: Shelves, context: PublishContext, scope: Scope
) -> PublishContext:
    """Draw the evidence of what is listed, and the page to review it."""
    options, zone = workflow.options.evidence, ZoneInfo(workflow.period.zone)
    desk = Desk(workflow.state / "evidence", options, zone, workflow.options.store.workers)
    source = partial(from_store, scope.shown, options)
    context, documents = add_evidence(context, shelves, source, desk)
    return add_review(context, shelves, documents, scope, desk)


def confidence_of(cases: Sequence[Case], calibration: Calibration | None) -> dict[str, float]:
    """Give the calibrated confidence by case, of those that have one."""
    shares = {c.case_id: calibrated(c, calibration) for c in cases}
    return {case: share for case, share in shares.items() if share is not None}


def count_rules(shelves: Shelves) -> dict[str, int]:
    """Count what was suppressed, by rule."""
    rules = Counter(c.ruling.rule for c in shelves.suppressed if c.ruling and c.ruling.rule)
    return dict(sorted(rules.items()))


def close_run(
    folder: Path,
    lists: tuple[Shelves, Mapping[str, Proposed]],
    record: RunRecord,
    unreachable: Sequence[str],
) -> ExitCode:
    """Print the closing lines of a run and give its exit code."""
    shelves, proposed = lists
    print("\n".join(closing_table(shelves, record)))
    rules = ", ".join(f"{rule} {n}" for rule, n in count_rules(shelves).items())
    by = f" ({rules})" if rules else ""
    print(
        f"疑似 suspected: {len(shelves.cases)} · on watch: {len(shelves.watch)} · "
        f"suppressed: {len(shelves.suppressed)}{by} · in {folder}"
    )
    line = budget_line(proposed, county_names(shelves.cases))
    if line:
        print(line)
    print(after_run(folder, shelves, record, unreachable))
    if unreachable:
        return ExitCode.UNREACHABLE
    return ExitCode.SET_ASIDE if any(a.remedy for a in record.set_aside) else ExitCode.DONE


def say_what_is_missing(record: RunRecord, unreachable: Sequence[str]) -> None:
    """Name what somebody can mend; clouds and duplicates stand in run.json only."""
    for a in record.set_aside:
        if a.remedy:
            log.warning("set aside %s: %s. %s.", a.what, a.reason, a.remedy)
    for what in unreachable:
        log.error("not reached: %s. Run again later.", what)


@contextmanager
def log_lines() -> Generator[list[str]]:
    """Send log lines to standard error, and keep them for run.log."""
    lines: list[str] = []

    class _Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            when = datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            lines.append(f"{when} {record.levelname} {record.getMessage()}\n")

    keep, screen = _Keep(), ScreenHandler()
    screen.setFormatter(logging.Formatter("%(message)s"))
    level = log.level
    log.setLevel(logging.INFO)
    log.addHandler(keep)
    log.addHandler(screen)
    try:
        yield lines
    finally:
        log.removeHandler(keep)
        log.removeHandler(screen)
        log.setLevel(level)
