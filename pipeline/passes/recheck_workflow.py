"""The file of a workflow that looks again at known cases."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, Field

from pipeline.config import Workflow, load_workflow
from pipeline.io.settings import NAME, load_model
from pipeline.io.timed import TIMED, TimedWorkflow

_STRICT = ConfigDict(frozen=True, extra="forbid")


class RecheckWorkflow(TimedWorkflow):
    """One file in ``workflows/`` of kind ``recheck``: whose cases, and for how long after 销号.

    Corridors, sources, period, state and options are the patrol's, so that both judge alike; how
    many clear misses say 已恢复 is ``options.propose`` there.
    """

    model_config = _STRICT

    name: str = Field(pattern=NAME, description="names the outputs")
    kind: Literal["recheck"]
    patrol: Path = Field(description="file of the patrol whose cases are looked at, relative")
    out: Path = Field(description="output folder, relative to the workflow")
    watch_days: int = Field(
        default=365,
        ge=0,
        le=3650,
        description="after 销号, for which a closed case is looked at [d]: a year has every season "
        "and level of the water once",
    )

    def config_hash(self, patrol: Workflow) -> str:
        """SHA-256 of all that can change a result."""
        left_out = {"patrol", "out", *TIMED}
        content = [self.model_dump(mode="json", exclude=left_out), patrol.config_hash()]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def load_recheck(path: Path) -> tuple[RecheckWorkflow, Workflow]:
    """Read and check a workflow of kind ``recheck`` and its patrol; relative paths become absolute.

    Raises
    ------
    ConfigurationError
        Every offender named.
    """
    read = load_model(path, RecheckWorkflow)
    base = path.resolve().parent
    update: dict[str, Any] = {n: (base / getattr(read, n)).resolve() for n in ("patrol", "out")}
    workflow = read.model_copy(update=update)
    return workflow, load_workflow(workflow.patrol)
