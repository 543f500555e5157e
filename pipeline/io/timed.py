"""What every workflow may say of its times, its alarms, and what somebody wants to be told."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from pipeline.io.alerts import Alerts
from pipeline.io.cron import Schedule

_STRICT = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Monitor(BaseModel):
    """From where on ``siluan status`` warns (1) or alarms (2)."""

    model_config = _STRICT

    late_hours: float = Field(
        default=6.0, gt=0, le=8760, description="a run that is due for so long: 1, four times: 2"
    )
    stale_days: float = Field(
        default=30.0, gt=0, le=3650, description="newest clear look of a corridor: 1 [d]"
    )
    disk_gb: float = Field(default=5.0, ge=0, description="free space below which: 1 [GB]")
    disk_critical_gb: float = Field(default=1.0, ge=0, description="and below which: 2 [GB]")
    inbox: Path | None = Field(
        default=None,
        description="folder of `siluan submit --inbox`, relative; default: that of `inbox`",
    )
    inbox_waits: int = Field(default=20, ge=1, description="drops waiting there from which: 1")


class Inbox(BaseModel):
    """A folder that teams drop flights into, which the clock looks into as `siluan submit` does."""

    model_config = _STRICT

    folder: Path = Field(description="relative to the workflow")
    config: Path = Field(
        default=Path("../config"), description="the office's folder, of corridors; relative"
    )
    state: Path | None = Field(
        default=None,
        description="flights are kept in its flights/; relative; default: the workflow's state",
    )
    every_minutes: float = Field(default=5.0, ge=1, le=1440, description="between two looks [min]")


class TimedWorkflow(BaseModel):
    """Keys that every kind of workflow knows; none of them changes a result."""

    model_config = _STRICT

    schedule: Schedule | None = Field(default=None, description="when it runs; default: by hand")
    alerts: Alerts | None = Field(default=None, description="whom a bad ending is told")
    monitor: Monitor = Field(default=Monitor(), description="limits of `siluan status`")
    inbox: Inbox | None = Field(
        default=None, description="drops that the clock submits, into the state folder's flights"
    )


TIMED = ("schedule", "alerts", "monitor", "inbox")
"""Its keys, left out of the hash of what can change a result."""
