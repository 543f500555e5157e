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
        The period would end before it begins, or leave out what its looks are judged by.
    """
    update: dict[str, Any] = {}
    if request.out is not None:
        update["out"] = request.out.resolve()
    if request.start or request.end:
        period = workflow.period
        start, end = request.start or period.start, request.end or period.end
        if end < start:
            raise ConfigurationError(f"--to ({end}) lies before --from ({start})")
        _keep_history(period, start, end)
        patrol = period.patrol_from
        update["period"] = Period.model_validate(
            {"from": start, "patrol_from": patrol, "to": end, "zone": period.zone}
        )
    return workflow.model_copy(update=update)


def _keep_history(period: Period, start: date, end: date) -> None:
    """Refuse a period that would judge looks by less than the workflow's own history.

    What stood on the ground when its history begins is nothing new: a run that began later would
    take cases of the ledger for ordinary ground, and say of every one that it is gone.
    """
    own = "make a workflow of its own, with its own state folder, to leave days out"
    if start > period.start:
        raise ConfigurationError(
            f"--from ({start}) lies after the period's own beginning ({period.start}): "
            "the days between are history, by which looks are judged, and without them cases "
            "of the ledger would be lost",
            f"Leave --from out, name an earlier day, or {own}",
        )
    patrol = period.patrol_from
    if patrol is not None and end < patrol:
        raise ConfigurationError(
            f"--to ({end}) lies before patrol_from ({patrol}), so that no look could open a case",
            f"Name a later day, or {own}",
        )


def span_of(workflow: Workflow, passes: Sequence[Pass]) -> Span:
    """Give the patrol, up to the newest pass: what has not been flown yet is nobody's silence."""
    start, end = workflow.period.patrol_start, workflow.period.span[1]
    newest = max((p.acquired for p in passes), default=end)
    return Span(start, max(start, min(end, newest)))
