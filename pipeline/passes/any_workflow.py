"""A workflow of whatever kind: what commands about cases and the office ask of it."""

from __future__ import annotations

from pathlib import Path

from pipeline.config import Workflow, load_workflow
from pipeline.io.settings import kind_of
from pipeline.passes.inspect_workflow import InspectWorkflow, load_inspection
from pipeline.passes.recheck_workflow import load_recheck


def load_any(path: Path) -> Workflow | InspectWorkflow:
    """Read a workflow; of one of kind ``recheck`` the patrol's, whose cases it looks at.

    Raises
    ------
    ConfigurationError
        Every offender named.
    """
    kind = kind_of(path)
    if kind == "inspect":
        return load_inspection(path)
    return load_recheck(path)[1] if kind == "recheck" else load_workflow(path)
