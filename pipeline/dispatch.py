"""Runs a workflow of any kind: a patrol, an inspection by drone flights, or a recheck."""

from __future__ import annotations

from pathlib import Path

from pipeline.errors import ConfigurationError, ExitCode
from pipeline.inspect_flights import run_inspection
from pipeline.io.settings import kind_of
from pipeline.recheck import run_recheck
from pipeline.run import RunRequest, run_workflow
from pipeline.shadow import run_shadow

_RUNS = {"inspect": run_inspection, "recheck": run_recheck}


def run_any(request: RunRequest) -> ExitCode:
    """Run a workflow by its kind; raises as :func:`pipeline.run.run_workflow`."""
    run = _RUNS.get(str(kind_of(request.workflow)), run_workflow)
    return run(request)


def run_beside(request: RunRequest, into: Path | None) -> ExitCode:
    """Run a patrol in the shadow; raises as :func:`pipeline.shadow.run_shadow`."""
    kind = str(kind_of(request.workflow))
    if kind in _RUNS:
        raise ConfigurationError(
            f"{request.workflow} is of kind {kind}, and only a patrol has a shadow",
            "Name the patrol's workflow",
        )
    return run_shadow(request, into)
