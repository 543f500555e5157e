"""``state/judged_by.json``: from when the last patrol of each corridor knew its ground.

What a run can tell depends on how much history it read; a run with much less would take what
earlier ones found for ordinary ground. Kept beside the ledger, and true of whole runs alone: what a
command asked for once does not bind the workflow.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from pipeline.errors import ConfigurationError
from pipeline.io.atomic import write_json_if_changed

FILE = "judged_by.json"


class JudgedBy(BaseModel):
    """The period of the last patrol of a corridor, and the file that had it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start: date = Field(description="first day of the history, in the office's zone")
    patrol_from: date = Field(description="first day whose looks could open a case")
    corridors: str = Field(description="path of the file of corridors")


_FILE = TypeAdapter(dict[str, JudgedBy])


def read_judged_by(state: Path) -> dict[str, JudgedBy]:
    """Read what is known of each corridor, by id; empty before the first patrol.

    Raises
    ------
    ConfigurationError
        The file is damaged.
    """
    path = state / FILE
    if not path.is_file():
        return {}
    try:
        return _FILE.validate_json(path.read_bytes())
    except ValidationError as error:
        raise ConfigurationError(
            f"{path} is damaged, so how much history the cases were judged by is not known",
            "Move it away; the next patrol writes it again",
        ) from error


def note_judged_by(state: Path, told: Mapping[str, JudgedBy]) -> None:
    """Note a run's corridors; those of other runs stay. Call it while the ledger is held.

    Raises
    ------
    DiskFullError
        What was there stays.
    """
    if told:
        merged = {**read_judged_by(state), **told}
        content = {name: merged[name].model_dump(mode="json") for name in sorted(merged)}
        write_json_if_changed(state / FILE, content)
