"""The dry run: what a run would read, said and not done."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline.config import Workflow
from pipeline.errors import ExitCode
from pipeline.io.progress import reporter
from pipeline.model import Corridor
from pipeline.passes.corridor import plan_corridor
from pipeline.passes.pictures import dates_of
from pipeline.passes.search import Searched, search
from pipeline.running.closing import say_unreached
from pipeline.running.console import log_lines


def explain(workflow: Workflow, corridors: Sequence[Corridor]) -> ExitCode:
    """Say what a run would read; the catalogue of a folder lies in a scratch folder meanwhile."""
    with ExitStack() as stack:
        stack.enter_context(log_lines())
        progress = stack.enter_context(reporter())
        scratch = Path(stack.enter_context(TemporaryDirectory()))
        searched = search(workflow, corridors, stack, scratch, progress)
        _say_plan(workflow, corridors, searched, scratch)
        return ExitCode.UNREACHABLE if searched.unreachable else ExitCode.DONE


def _say_plan(
    workflow: Workflow, corridors: Sequence[Corridor], searched: Searched, scratch: Path
) -> None:
    for corridor in corridors:
        for line in plan_corridor(workflow, corridor, searched.passes[corridor.id], scratch):
            print(line)
        for scene in searched.pictures[corridor.id]:
            print(f"{corridor.id} {scene.id} picture: of {dates_of(scene)}, enters no history")
    if searched.to_make:
        names = ", ".join(sorted({m.product for m in searched.to_make}))
        print(f"{len(searched.to_make)} product(s) of the disk are made ready first: {names}")
    for aside in searched.set_aside:
        print(f"set aside {aside.what}: {aside.reason}")
    say_unreached(searched)
