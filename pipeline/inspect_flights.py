"""A workflow of kind ``inspect``: pairs of drone flights, compared into the patrol's ledger."""

from __future__ import annotations

import logging
from collections.abc import Container, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path

from pipeline import __version__
from pipeline.adjudicate.areas import AreaIndex
from pipeline.adjudicate.attribute import Attributor
from pipeline.adjudicate.evidence import fold
from pipeline.adjudicate.screen import Screener, chosen_for_audit
from pipeline.adjudicate.visit import rank_visits
from pipeline.cases.proposed import propose_cases
from pipeline.config import choose_corridors
from pipeline.errors import ConfigurationError, ExitCode
from pipeline.io.corridors import load_corridors
from pipeline.io.flights import FlightFolder, open_flights
from pipeline.io.layers import OfficeLayer, areas_of, load_layers
from pipeline.io.progress import reporter
from pipeline.io.stages import Stages, load_stages
from pipeline.ledger import (
    LedgerContext,
    LedgerResult,
    Withdrawn,
    apply,
    open_ledger,
    without_withdrawn,
)
from pipeline.ledger.status import Reason
from pipeline.model import DRONE, OFFICE_ZONE, Corridor, Kind, Proposed, RunRecord
from pipeline.passes.failing import Failures
from pipeline.passes.flight_joining import joined
from pipeline.passes.flight_pairs import Pairing
from pipeline.passes.flight_rounds import Rounds, compare_flights, uncompared
from pipeline.passes.flight_withdrawn import withdrawn_looks
from pipeline.passes.flight_withheld import withhold
from pipeline.passes.inspect import Inspected
from pipeline.passes.inspect_workflow import InspectWorkflow, load_inspection
from pipeline.passes.observed import note_flights
from pipeline.passes.showing import Desk
from pipeline.passes.showing_flights import from_flights
from pipeline.passes.worklist import Item, ask, in_time_order, worklist
from pipeline.publish import PublishContext, Shelves, make_run_id, publish_run, split_cases
from pipeline.running.closing import close_run, say_what_is_missing
from pipeline.running.console import Clock, log_lines, make_writable
from pipeline.running.inspecting import (
    residuals_geojson,
    uncompared_lines,
    what_was_compared,
    withdrawal_lines,
    withheld_lines,
    worklist_csv,
    worklist_lines,
)
from pipeline.running.judging import grade_case, month_of, place_case, screen_case
from pipeline.running.recording import confidence_of, count_proposed, count_rules, layer_marks
from pipeline.running.request import RunRequest
from pipeline.shown import Scope, add_evidence, add_review, verdicts_said

log = logging.getLogger("siluan")

_STRUCTURES = "existing"  # kind of the office's layer of what stands there


@dataclass(frozen=True)
class _Task:
    """What a run is about, all of it checked."""

    workflow: InspectWorkflow
    corridors: tuple[Corridor, ...]
    layers: Mapping[str, OfficeLayer]
    stages: Stages
    flights: tuple[FlightFolder, ...]
    pairing: Pairing

    @property
    def rounds(self) -> Rounds:
        """What its flights are compared by."""
        structures = areas_of(self.layers).get(_STRUCTURES, [])
        known = structures if _STRUCTURES in self.layers else None
        return Rounds(self.flights, self.corridors, self.workflow.options, known)

    @property
    def period(self) -> tuple[datetime, datetime]:
        """UTC, of the first and the last flight."""
        return self.flights[0].flown, self.flights[-1].flown

    @property
    def fit(self) -> list[FlightFolder]:
        """The flights that could be compared: over a corridor, and fine enough."""
        unfit = {a.what for a in self.pairing.set_aside if a.remedy}
        return [f for f in self.flights if f.id not in unfit]

    def used(self, failed: Container[str] = ()) -> set[str]:
        """Ids of the flights that are compared, or looked at alone; ``failed`` ones are not."""
        pairs = [p for p in self.pairing.pairs if p.name not in failed]
        lone = {one.flight.id for one in self.pairing.lone if one.flight.id not in failed}
        return {f.id for pair in pairs for f in (pair.before, pair.after)} | lone

    @property
    def marks(self) -> dict[str, str]:
        """What tells these layers and readings from others."""
        return {**layer_marks(self.layers), **self.stages.marks}

    @property
    def until(self) -> dict[str, datetime]:
        """UTC, by corridor, of the last flight that touches it; of all where none does."""
        out: dict[str, datetime] = {}
        for c in self.corridors:
            own = [f.flown for f in self.flights if f.extent_wgs84.intersects(c.polygon_wgs84)]
            out[c.id] = max(own, default=self.period[1])
        return out

    def run_id(self, failed: Iterable[str]) -> str:
        """By content alone, and by what of it could not be compared: that is for another run."""
        geometry = [f"{c.id} {c.polygon_wgs84.normalize().wkb_hex}" for c in self.corridors]
        layers = [f"layer {kind} {mark}" for kind, mark in self.marks.items()]
        return make_run_id(
            self.workflow.name,
            [*geometry, *layers, *(f"failed {name}" for name in sorted(failed))],
            self.period,
            {f.id: f.fingerprint for f in self.flights},
            self.workflow.config_hash(),
            __version__,
        )


def run_inspection(request: RunRequest) -> ExitCode:
    """Compare the flights of a workflow; give the exit code of ``docs/contracts.md``.

    Raises
    ------
    SiluanError
        Nothing was started, or the run could not go on; what was finished is kept.
    """
    task = _task(request)
    if request.dry_run:
        return _explain(task)
    clock = Clock()
    workflow, failures = task.workflow, Failures()
    with ExitStack() as stack:
        lines = stack.enter_context(log_lines())
        progress = stack.enter_context(reporter())
        make_writable(workflow.state)
        make_writable(workflow.out)
        ledger = stack.enter_context(open_ledger(workflow.ledger_place))
        with clock.stage("detect"):
            pairing, found = compare_flights(task.rounds, failures, progress)
            task = replace(task, pairing=pairing)
            run_id = task.run_id(failures.errors)
            names, how = {c.id for c in task.corridors}, workflow.options.adjudicate.fold
            before = ledger.cases(corridors=names)
            gone = withdrawn_looks(workflow.flights, task.flights, before, ledger.revisions)
            context = _context(task, run_id, gone)
            before = [without_withdrawn(c, context) for c in before]
            held = withhold(pairing, found, before, workflow.options.match, how)
            found = held.found
            asked = ask(pairing, found, before, names, how)
            asked = replace(asked, withheld_zh=held.why_zh)
        seen = task.used(failures.errors)
        note_flights(workflow.state, task.corridors, [f for f in task.flights if f.id in seen])
        with clock.stage("ledger"):
            result = apply(
                ledger,
                joined(in_time_order(task.pairing, found)),
                context,
                relooks=asked.looks,
                options=workflow.options.match,
            )
            # An inspection reads what lies at its spots; its folder shows the whole corridors.
            known = ledger.cases(corridors=names)
            proposed = propose_cases(ledger, month_of(task.until), workflow.options.adjudicate)
        items = worklist(asked, known, (task.pairing, found), names, how)
        lists = split_cases(known, names), proposed
        record = _record(task, found, result, (*lists, items))
        counts = {**record.counts, **failures.counts, **request.counts}
        counts["withheld"] = [asdict(k) for k in held.objects]
        record = replace(record, run_id=run_id, seconds=clock.seconds, counts=counts)
        record = replace(record, cpu_seconds=clock.cpu_seconds)
        say_what_is_missing(record, ())
        with clock.stage("publish"):
            extras = {
                "run.log": "".join(lines).encode(),
                "worklist.csv": worklist_csv(items),
                "residuals.geojson": residuals_geojson(found),
            }
            views = [part.views for part in found if part.views is not None]
            said = verdicts_said(ledger, lists[0])
            scope = Scope(record, task.corridors, {}, views, said)
            folder = _publish(task, lists, extras, scope)
    taken_back = withdrawal_lines(context.withdrawn, known)
    withheld = withheld_lines(held.objects)
    for line in (*what_was_compared(record), *taken_back, *withheld, *worklist_lines(items)):
        print(line)
    return failures.worse_than(close_run(folder, lists, record, (), clock.elapsed))


def _hectares(task: _Task, found: Sequence[Inspected]) -> dict[str, dict[str, float]]:
    said = uncompared(task.fit, task.pairing, found)
    return {name: {"uncompared": left, "ground": whole} for name, (left, whole) in said.items()}


def _task(request: RunRequest) -> _Task:
    workflow = load_inspection(request.workflow)
    if request.start or request.end:
        raise ConfigurationError(
            f"{request.workflow} compares flights, and --from and --to choose scenes of satellites",
            "Name the flights in the workflow",
        )
    if request.out is not None:
        workflow = workflow.model_copy(update={"out": request.out.resolve()})
    corridors = choose_corridors(workflow, request.corridors)
    layers = load_layers(workflow.layers)
    flights = open_flights(workflow.flights)
    stages = load_stages(workflow.layers)
    task = _Task(workflow, corridors, layers, stages, flights, Pairing((), ()))
    return replace(task, pairing=task.rounds.plan())


def _explain(task: _Task) -> ExitCode:
    """Say what a run would compare."""
    for pair in task.pairing.pairs:
        how = "surfaces" if pair.surfaces else "pictures"
        rows, cols = pair.grid.shape
        print(f"{pair.name}: {how}, {rows} x {cols} px of {pair.grid.res_m:g} m")
    for lone in task.pairing.lone:
        rows, cols = lone.grid.shape
        size = f"{rows} x {cols} px of {lone.grid.res_m:g} m"
        print(f"{lone.flight.id}: alone, against the layer of existing structures, {size}")
    for aside in task.pairing.set_aside:
        print(f"set aside {aside.what}: {aside.reason}")
    said = _hectares(task, [Inspected()] * (len(task.pairing.pairs) + len(task.pairing.lone)))
    for line in uncompared_lines(said):
        print(line)
    return ExitCode.DONE


def _context(task: _Task, run_id: str, withdrawn: Withdrawn) -> LedgerContext:
    options = task.workflow.options.adjudicate
    areas = AreaIndex(areas_of(task.layers), task.stages.readings)
    every = load_corridors(task.workflow.corridors.file)  # a case may be of one that is not named
    where = Attributor({c.id: c for c in every}, areas, options.place)
    return LedgerContext(
        run_id=run_id,
        code_version=__version__,
        config_hash=task.workflow.config_hash(),
        corridors=tuple(c.id for c in task.corridors),
        period=task.period,
        fold=partial(fold, options=options.fold),
        until=task.until,
        areas={c.id: c.polygon_wgs84 for c in task.corridors},
        attribute=partial(place_case, where),
        screen=partial(screen_case, Screener(areas, options.screen), options.fold, task.until),
        grade=partial(grade_case, options),
        decision_days=options.screen.standing.history_days,
        spots=True,
        siblings=tuple(c.id for c in every),
        withdrawn=withdrawn,
    )


def _record(
    task: _Task,
    found: Sequence[Inspected],
    result: LedgerResult,
    published: tuple[Shelves, Mapping[str, Proposed], Sequence[Item]],
) -> RunRecord:
    shelves, proposed, items = published
    count = len(task.pairing.pairs)
    aside = {*task.pairing.set_aside, *(a for part in found for a in part.set_aside)}
    return RunRecord(
        run_id="",
        workflow=task.workflow.name,
        period=task.period,
        inputs=tuple(
            {"id": f.id, "scenes": [f.id], "fingerprint": f.fingerprint}
            for f in task.flights
            if f.id in task.used()
        ),
        config_hash=task.workflow.config_hash(),
        code_version=__version__,
        counts={
            "kinds": [kind.value for kind in Kind],
            "ledger": dict(result.counts),
            "corridors": {c.id: {} for c in task.corridors},
            "pairs": {
                pair.name: {
                    "surfaces": pair.surfaces,
                    "candidates": len(part.candidates),
                    "gone": len(part.gone),
                    "outside_corridors": part.outside,
                }
                for pair, part in zip(task.pairing.pairs, found[:count], strict=True)
            },
            "alone": {
                one.flight.id: {
                    "candidates": len(part.candidates),
                    "known_structures": part.known,
                    "outside_corridors": part.outside,
                }
                for one, part in zip(task.pairing.lone, found[count:], strict=True)
            },
            "uncompared_ha": _hectares(task, found),
            "worklist": {
                i.case.case_id: {
                    "answer": i.answer.value,
                    "flights": list(i.flights),
                    "why_zh": i.why_zh,
                }
                for i in items
            },
            "layers": task.marks,
            "suppressed": count_rules(shelves),
            "proposed": count_proposed(proposed),
        },
        seconds={},
        set_aside=tuple(sorted(aside)),
    )


def _publish(
    task: _Task,
    lists: tuple[Shelves, Mapping[str, Proposed]],
    extras: Mapping[str, bytes],
    scope: Scope,
) -> Path:
    shelves, proposed = lists
    record = scope.record
    how = task.workflow.options.adjudicate
    hidden = [c.case_id for c in shelves.suppressed]
    everything = (*shelves.cases, *shelves.watch, *shelves.suppressed)
    known = confidence_of(everything, how.calibration)
    context = PublishContext(
        rivers_zh={c.id: c.name_zh for c in task.corridors},
        gsd_m={DRONE: min(f.gsd_m for f in task.flights)},
        confidence=known,
        basis=how.calibration.basis_word if how.calibration else None,
        visits=rank_visits(shelves.watch, task.until, known, how.visit),
        proposed=proposed,
        audit=chosen_for_audit(record.run_id, hidden, how.screen),
        corridors=tuple(task.corridors),
        office=task.layers,
        reasons_zh={r.value: r.zh for r in Reason},
        extras=extras,
    )
    options = task.workflow.options.evidence
    desk = Desk(task.workflow.state / "evidence", options, OFFICE_ZONE)
    source = partial(from_flights, scope.flights, options)
    context, documents = add_evidence(context, shelves, source, desk)
    context = add_review(context, shelves, documents, scope, desk)
    return publish_run(task.workflow.out, shelves, (), record, context).folder
