"""A workflow of whatever kind: what commands about cases and the office ask of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.config import Workflow, load_workflow
from pipeline.io.settings import kind_of

if TYPE_CHECKING:
    from pipeline.passes.inspect_workflow import InspectWorkflow


def load_any(path: Path) -> Workflow | InspectWorkflow:
    """Read a workflow; of one of kind ``recheck`` the patrol's, whose cases it looks at.

    Raises
    ------
    ConfigurationError
        Every offender named.
    """
    kind = kind_of(path)
    if kind == "inspect":
        # All that flights are compared by comes along, and who reads a patrol needs none of it.
        from pipeline.passes.inspect_workflow import load_inspection  # noqa: PLC0415

        return load_inspection(path)
    if kind == "recheck":
        from pipeline.passes.recheck_workflow import load_recheck  # noqa: PLC0415

        return load_recheck(path)[1]
    return load_workflow(path)
