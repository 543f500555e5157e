"""Runs a workflow of any kind: a patrol, an inspection by drone flights, or a recheck."""

from __future__ import annotations

from pipeline.errors import ExitCode
from pipeline.inspect_flights import run_any as run_patrol_or_inspection
from pipeline.passes.recheck_workflow import is_recheck
from pipeline.recheck import run_recheck
from pipeline.run import RunRequest


def run_any(request: RunRequest) -> ExitCode:
    """Run a workflow by its kind; raises as :func:`pipeline.run.run_workflow`."""
    if is_recheck(request.workflow):
        return run_recheck(request)
    return run_patrol_or_inspection(request)
