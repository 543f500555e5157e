"""A finished period rests on the ledger as it was at its first report: ``state/reports``."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.errors import ConfigurationError
from pipeline.io.atomic import write_text
from pipeline.ledger import Event, LedgerStore
from pipeline.report.observed import Seen

FOLDER = "reports"
_PAGE = 5000  # events in memory at once


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


@dataclass(frozen=True, slots=True)
class Mark:
    """The first so many events of a ledger."""

    events: int  # how many
    seq: int  # number of the last of them; 0: there is none
    digest: str  # of what they say: SHA-256, 16 digits


def marks_of(ledger: LedgerStore, at: Collection[int]) -> Mapping[int, Mark]:
    """Read the events once; give what the first so many are, and all of them under -1.

    A number that is more than the ledger has is not in it.
    """
    said, count, seq = hashlib.sha256(), 0, 0
    found: dict[int, Mark] = {}
    while True:
        if count in at:
            found[count] = Mark(count, seq, said.hexdigest()[:16])
        # Pages end where somebody wants to know, so that no event is asked about it.
        later = [n - count for n in at if n > count]
        page = ledger.events_since(seq, min([_PAGE, *later]))
        if not page:
            return {**found, -1: Mark(count, seq, said.hexdigest()[:16])}
        for _, event in page:
            said.update(_said_by(event))
        count, seq = count + len(page), page[-1][0]


def _said_by(e: Event) -> bytes:
    line = (e.case_id, e.revision, e.run_id, e.as_of.isoformat(), e.what, e.old, e.new)
    return repr((line, sorted(e.detail.items()))).encode()


def read_frozen(state: Path, period: str) -> Frozen | None:
    """Read what a period rests on; None where it was never reported after its end.

    Raises
    ------
    ConfigurationError
        The file is damaged.
    """
    path = _path(state, period)
    if not path.is_file():
        return None
    try:
        return Frozen.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise ConfigurationError(
            f"{path} is damaged", "Restore it from a backup, or move it away to freeze anew"
        ) from error


def check_frozen(state: Path, found: Frozen, marks: Mapping[int, Mark]) -> None:
    """See that the ledger still begins with the events that a period rests on.

    Raises
    ------
    ConfigurationError
        It does not.
    """
    mark = marks.get(found.events)
    if mark is None or mark.digest != found.digest:
        raise ConfigurationError(
            f"{_path(state, found.period)} rests on {found.events} events that this ledger does "
            "not begin with",
            "Put back the ledger it was made of, or move the file away to freeze the period anew",
        )


def write_frozen(state: Path, frozen: Frozen) -> Path:
    """Keep what a period rests on."""
    path = _path(state, frozen.period)
    write_text(path, frozen.model_dump_json(indent=1) + "\n")
    return path


def _path(state: Path, period: str) -> Path:
    return state / FOLDER / f"{period}.json"
