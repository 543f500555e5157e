"""A finished period rests on the ledger as it was at its first report: ``state/reports``."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.errors import ConfigurationError
from pipeline.io.atomic import write_text
from pipeline.ledger import Event
from pipeline.report.observed import Seen

FOLDER = "reports"


class Frozen(BaseModel):
    """What a finished period rests on; written once."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    period: str
    events: int = Field(ge=0, description="the first so many events of the ledger count")
    digest: str = Field(description="of these events: SHA-256, 16 digits")
    frozen_on: str = Field(description="day of the first report, in the office's zone")
    observed: dict[str, tuple[Seen, ...]] = Field(
        default_factory=dict[str, tuple[Seen, ...]],
        description="by workflow, whose corridors they are; added when it first reports the period",
    )


def digest_of(events: Sequence[Event]) -> str:
    """Name events by what they say."""
    said = hashlib.sha256()
    for e in events:
        line = (e.case_id, e.revision, e.run_id, e.as_of.isoformat(), e.what, e.old, e.new)
        said.update(repr((line, sorted(e.detail.items()))).encode())
    return said.hexdigest()[:16]


def read_frozen(state: Path, period: str, events: Sequence[Event]) -> Frozen | None:
    """Read what a period rests on; None where it was never reported after its end.

    Raises
    ------
    ConfigurationError
        The file is damaged, or the ledger no longer begins with these events.
    """
    path = _path(state, period)
    if not path.is_file():
        return None
    try:
        found = Frozen.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise ConfigurationError(
            f"{path} is damaged", "Restore it from a backup, or move it away to freeze anew"
        ) from error
    if found.events > len(events) or digest_of(events[: found.events]) != found.digest:
        raise ConfigurationError(
            f"{path} rests on {found.events} events that this ledger does not begin with",
            "Put back the ledger it was made of, or move the file away to freeze the period anew",
        )
    return found


def write_frozen(state: Path, frozen: Frozen) -> Path:
    """Keep what a period rests on."""
    path = _path(state, frozen.period)
    write_text(path, frozen.model_dump_json(indent=1) + "\n")
    return path


def _path(state: Path, period: str) -> Path:
    return state / FOLDER / f"{period}.json"
