"""``state/observed/CORRIDOR.json``: which reaches each pass and each flight could see.

Kept beside the ledger and added to by every run that looks (patrols, rechecks, drones), so that
what was observed does not depend on folders of runs that somebody clears away. Facts of imagery
alone: a pass that is judged again is written over, everything else stays.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import date
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.errors import ConfigurationError
from pipeline.io.atomic import write_if_changed
from pipeline.model import Corridor

FOLDER = "observed"


class LookedAt(BaseModel):
    """What one pass or one flight saw of a corridor."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    on: date = Field(description="day, in the office's zone")
    clear: tuple[str, ...] = Field(description="ids of the reaches that were seen; empty: none")


class Observed(BaseModel):
    """All looks at one corridor, by the id of the pass or flight."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    corridor: str
    outline: str = Field(description="mark of the corridor's outline: reaches are cut from it")
    looks: Mapping[str, LookedAt]


def outline_of(corridor: Corridor) -> str:
    """Name what the reaches of a corridor are cut from."""
    line = corridor.centreline_wgs84
    parts = [corridor.polygon_wgs84.normalize().wkb_hex, line.wkb_hex if line is not None else ""]
    said = repr((parts, corridor.reach_length_m, corridor.water))
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def note_looks(state: Path, corridor: Corridor, looks: Mapping[str, LookedAt]) -> None:
    """Add looks; a corridor with another outline begins anew, as its store does.

    Call it while the ledger of this state is held: nobody else writes then.

    Raises
    ------
    DiskFullError
        What was there stays.
    """
    if not looks:
        return
    known = read_looks(state, corridor)
    merged = {**(known.looks if known else {}), **looks}
    ordered = dict(sorted(merged.items(), key=lambda k: (k[1].on, k[0])))
    told = Observed(corridor=corridor.id, outline=outline_of(corridor), looks=ordered)
    write_if_changed(_path(state, corridor), (told.model_dump_json(indent=0) + "\n").encode())


def read_looks(state: Path, corridor: Corridor) -> Observed | None:
    """Read what is known of a corridor; None where nothing is, or it was of another outline.

    Raises
    ------
    ConfigurationError
        The file is damaged.
    """
    path = _path(state, corridor)
    if not path.is_file():
        return None
    try:
        found = Observed.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise ConfigurationError(
            f"{path} is damaged, so what was observed is not known",
            "Move it away; the next patrol writes it again for all passes of its period",
        ) from error
    return found if found.outline == outline_of(corridor) else None


def _path(state: Path, corridor: Corridor) -> Path:
    return state / FOLDER / f"{corridor.id}.json"
