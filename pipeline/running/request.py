"""What a command asked for, and the workflow that answers it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from pipeline.config import Period, Workflow
from pipeline.errors import ConfigurationError
from pipeline.model import Pass
from pipeline.passes.corridor import Span


@dataclass(frozen=True)
class RunRequest:
    """What the command asked for."""

    workflow: Path
    corridors: tuple[str, ...] = ()
    start: date | None = None
    end: date | None = None
    out: Path | None = None
    dry_run: bool = False

    @property
    def part(self) -> bool:
        """Whether it is of some corridors or other dates only."""
        return bool(self.corridors or self.start or self.end)

    @property
    def counts(self) -> dict[str, bool]:
        """What run.json says of it: that it tells nothing of the other corridors."""
        return {"part": True} if self.part else {}


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


def span_of(workflow: Workflow, passes: Sequence[Pass]) -> Span:
    """Give the patrol, up to the newest pass: what has not been flown yet is nobody's silence."""
    start, end = workflow.period.patrol_start, workflow.period.span[1]
    newest = max((p.acquired for p in passes), default=end)
    return Span(start, max(start, min(end, newest)))
