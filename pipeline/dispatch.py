"""Runs a workflow of any kind: a patrol, an inspection by drone flights, or a recheck."""

from __future__ import annotations

from pipeline.errors import ExitCode
from pipeline.inspect_flights import run_inspection
from pipeline.io.settings import kind_of
from pipeline.recheck import run_recheck
from pipeline.run import RunRequest, run_workflow

_RUNS = {"inspect": run_inspection, "recheck": run_recheck}


def run_any(request: RunRequest) -> ExitCode:
    """Run a workflow by its kind; raises as :func:`pipeline.run.run_workflow`."""
    run = _RUNS.get(str(kind_of(request.workflow)), run_workflow)
    return run(request)
