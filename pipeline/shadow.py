"""``siluan run --shadow``: what the installed code and options would change, and nothing changed.

A run over the scenes that the state knows, in a second folder over the same store, with a ledger
that is read and not written. No new scene is read: what differs then is the work of code, options
and layers, and not of imagery. The search is a dry one over the state itself, because a pass is
known by the paths of its files, and products made ready lie in the state.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from pipeline.adjudicate.areas import AreaIndex
from pipeline.config import Workflow, choose_corridors, load_workflow
from pipeline.errors import ConfigurationError, ExitCode, LedgerHeldError
from pipeline.io.atomic import write_json
from pipeline.io.cloning import clone_tree
from pipeline.io.cluster import open_workers
from pipeline.io.layers import areas_of, load_layers
from pipeline.io.progress import reporter
from pipeline.io.stages import load_stages
from pipeline.ledger import LedgerContext, apply, open_ledger
from pipeline.ledger.lock import hold
from pipeline.model import Case, Corridor, Pass
from pipeline.passes.corridor import Judged, known_passes, used_passes
from pipeline.passes.layers import newest_looks
from pipeline.passes.search import Searched, search
from pipeline.passes.site import known_site
from pipeline.publish import split_cases
from pipeline.publish.published import published_confidence
from pipeline.run import judge_corridors
from pipeline.running.changes import (
    Change,
    Listed,
    change_features,
    changes_between,
    listed,
    table_lines,
)
from pipeline.running.closing import say_unreached
from pipeline.running.console import Clock, log_lines, make_writable
from pipeline.running.judging import as_the_office_sees_it, context_of, relooks_of
from pipeline.running.known import known_with_history
from pipeline.running.recording import confidence_of, layer_marks, run_id_of
from pipeline.running.request import RunRequest, with_overrides

log = logging.getLogger("siluan")

FOLDER = "shadow"
"""Of the state folder: where a shadow works unless it is told another place."""

FILE = "would_change.geojson"
_MARK = ".siluan-shadow"
_LOCK = f"{_MARK}.lock"  # of a folder that is a shadow's; locked while one works there
_CLONED = ("store", "catalogues")  # what a run and a dry search write of a state folder
_NAMED = 3  # passes that are named: the first stand for the rest


def run_shadow(request: RunRequest, into: Path | None = None) -> ExitCode:
    """Say what a run over the known scenes would change; 0 nothing, 1 something.

    Parameters
    ----------
    into
        Folder to work in, and to leave ``would_change.geojson`` in; default: state/shadow.

    Raises
    ------
    SiluanError
        There is nothing to compare with, or the run could not go on; nothing was changed.
    """
    workflow = with_overrides(load_workflow(request.workflow), request)
    corridors = choose_corridors(workflow, request.corridors)
    place = _place(workflow, into)
    with ExitStack() as stack:
        stack.enter_context(log_lines())
        progress = stack.enter_context(reporter())
        ledger = stack.enter_context(open_ledger(workflow.ledger_place, writing=False))
        known = known_with_history(ledger, workflow, corridors)
        stack.enter_context(_alone(place))
        aside = stack.enter_context(_second_state(workflow, place))
        searched = search(workflow, corridors, stack, aside.state, progress)
        searched, left = _only_known(aside, corridors, searched)
        threads = workflow.options.store.workers
        workers = stack.enter_context(open_workers(workflow.cluster, threads, aside.state))
        means = (Clock(), progress, workers)
        judged, failures = judge_corridors(aside, corridors, searched, known.cases, means)
        context = known.told_to(_context(aside, corridors, judged, searched))
        candidates = [c for j in judged for c in j.candidates]
        found = apply(ledger, candidates, context, relooks=relooks_of(judged), shadow=True)
        names = {j.corridor_id for j in judged}
        before = _listed(
            workflow, [c for c in known.cases if c.corridor_id in names], names, now=True
        )
        after = _listed(workflow, found.cases, names, now=False)
        changes = changes_between(before, after)
        write_json(place / FILE, change_features(changes))
    _say(changes, left, place)
    say_unreached(searched)
    if searched.unreachable:
        return failures.worse_than(ExitCode.UNREACHABLE)
    return failures.worse_than(ExitCode.WOULD_CHANGE if changes else ExitCode.DONE)


def _place(workflow: Workflow, into: Path | None) -> Path:
    place = (into or workflow.state / FOLDER).resolve()
    if not (workflow.state / "store").is_dir():
        raise ConfigurationError(
            f"{workflow.state} holds no store, so there is nothing to compare with",
            "Run the workflow first",
        )
    strange = place.exists() and any(place.iterdir()) and not (place / _LOCK).exists()
    inside = any(place.is_relative_to((workflow.state / name).resolve()) for name in _CLONED)
    if strange or inside:
        raise ConfigurationError(
            f"{place} holds files that no shadow run made"
            if strange
            else f"{place} lies within what a shadow lays out a second time",
            "Name an empty or another folder",
        )
    make_writable(place)
    return place


@contextmanager
def _alone(place: Path) -> Generator[None]:
    """Hold the folder: a second shadow there would remove what the first works on."""
    try:
        with hold(place / _MARK):
            yield
    except LedgerHeldError as error:
        if str(place / _MARK) not in error.what:
            raise
        raise LedgerHeldError(
            f"another shadow run works in {place}", "Wait until it ends, or name a folder by --into"
        ) from error


@contextmanager
def _second_state(workflow: Workflow, place: Path) -> Generator[Workflow]:
    """Give the workflow over a second folder; what it makes goes with it in the end."""
    state = place / "state"
    shutil.rmtree(state, ignore_errors=True)  # of a shadow that was killed
    try:
        for name in _CLONED:
            if (workflow.state / name).is_dir():
                clone_tree(workflow.state / name, state / name)
        yield workflow.model_copy(update={"state": state})
    finally:
        shutil.rmtree(state, ignore_errors=True)


@dataclass
class _Left:
    """What stays out of the comparison."""

    new: int = 0  # passes that the state has not seen
    again: list[str] = field(default_factory=list[str])  # ids of passes it has used, to be reread
    gone: list[str] = field(default_factory=list[str])  # ids of passes it has used, not found now
    corridors: list[str] = field(default_factory=list[str])  # of which no pass is left


def _only_known(
    workflow: Workflow, corridors: Sequence[Corridor], searched: Searched
) -> tuple[Searched, _Left]:
    """Leave out the passes that would have to be read.

    Raises
    ------
    ConfigurationError
        Nothing is left of any corridor: that nothing changes would be no finding.
    """
    kept: dict[str, tuple[Pass, ...]] = {}
    left = _Left()
    for corridor in corridors:
        passes = searched.passes[corridor.id]
        known = known_passes(workflow, corridor, passes)
        used = used_passes(workflow, corridor, passes)
        own = kept[corridor.id] = tuple(p for p in passes if known.get(p.id) == "skip")
        again = [p.id for p in passes if p not in own and p.id in used]
        left.again += again
        site = known_site(workflow, corridor)
        before = newest_looks(site.store, workflow.name) if site is not None else frozenset[str]()
        left.gone += sorted(before - {p.id for p in passes})
        left.new += len(passes) - len(own) - len(again)
        if passes and not own:
            left.corridors.append(corridor.id)
    if left.corridors and not any(kept.values()):
        raise ConfigurationError(
            f"the state holds no scene of {', '.join(left.corridors)} as this workflow reads it "
            "(another outline, tile_px or context_m begins a new store): nothing can be compared",
            "Run the workflow first; cases stay in the ledger",
        )
    return replace(searched, passes=kept), left


def _context(
    workflow: Workflow,
    corridors: Sequence[Corridor],
    judged: Sequence[Judged],
    searched: Searched,
) -> LedgerContext:
    """Bind the run to the office's layers and tables as they are now."""
    layers, stages = load_layers(workflow.layers), load_stages(workflow.layers)
    marks = {**layer_marks(layers), **stages.marks}
    run_id = run_id_of(workflow, corridors, judged, marks)
    context = context_of(workflow, judged, searched, run_id)
    areas = AreaIndex(areas_of(layers), stages.readings)
    return as_the_office_sees_it(context, corridors, areas, workflow.options.adjudicate)


def _listed(
    workflow: Workflow, cases: Sequence[Case], names: set[str], *, now: bool
) -> dict[str, Listed]:
    """Give what is listed: ``now`` with the confidence that was published, else as it would be."""
    confidence = confidence_of(cases, workflow.options.adjudicate.calibration)
    if now:
        published = published_confidence(workflow.out)
        if published is not None:
            confidence = published
    return listed(split_cases(cases, names), confidence)


def _say(changes: Sequence[Change], left: _Left, place: Path) -> None:
    if left.new:
        print(f"{left.new} passes are not known to the state yet, and stay out of the comparison")
    if left.again:
        named = ", ".join(left.again[:_NAMED]) + (", ..." if len(left.again) > _NAMED else "")
        print(
            f"{len(left.again)} passes that were used would be read again ({named}), and stay out "
            "of the comparison: changes may come of that. Run the workflow first to rule it out"
        )
    if left.gone:
        named = ", ".join(left.gone[:_NAMED]) + (", ..." if len(left.gone) > _NAMED else "")
        print(
            f"{len(left.gone)} passes that the last run used are not found now ({named}): gone, or "
            "no longer in the period. Changes may come of that"
        )
    if left.corridors:
        print(f"not compared, no scene is known as it is read now: {', '.join(left.corridors)}")
    if not changes:
        print("nothing would change")
        return
    print(f"{len(changes)} cases would change (list, kind, evidence, area, confidence):")
    for line in table_lines(changes):
        print(f"  {line}")
    print(f"outlines: {place / FILE}")
