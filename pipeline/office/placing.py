"""Is a layer where its datum says? Measured where it can be, suspected from its words elsewhere."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from shapely.geometry.base import BaseGeometry

from pipeline.errors import ConfigurationError
from pipeline.io.datum import Datum
from pipeline.io.layers import PositionRecord
from pipeline.office.offset import PositionCheck, Reference, check_position

_WEB_MAPS = {
    Datum.GCJ02: r"amap|autonavi|gaode|高德|腾讯|tencent|datav|gcj|火星坐标",
    Datum.BD09: r"baidu|百度|bd-?09",
}


@dataclass(frozen=True)
class Suspect:
    """A file whose datum is declared."""

    file: Path
    datum: Datum
    words: tuple[str, ...]  # its name, its layer, its texts


def judge_position(
    suspect: Suspect,
    shapes: Sequence[BaseGeometry],
    known: Sequence[Reference],
    accepted_by: str | None = None,
) -> PositionRecord:
    """Check where a layer lies.

    Parameters
    ----------
    shapes : sequence
        Lon/lat with the shift of the declared datum still in them.
    accepted_by : str, optional
        Whoever answers for a position that is suspicious, or that cannot be checked.

    Raises
    ------
    ConfigurationError
        It fits better in another datum, or its text names a web map, and nobody accepted that.
    """
    check = check_position(shapes, suspect.datum, known)
    if check.position == "agrees":
        return PositionRecord(position="agrees", detail=str(check))
    why = _suspicion(suspect, check)
    what, datum = why or (str(check), suspect.datum)
    if accepted_by:
        return PositionRecord(position="accepted", detail=what, accepted_by=accepted_by)
    if why is None:
        return PositionRecord(position="unverified", detail=what)
    raise ConfigurationError(
        f"{suspect.file} is declared {suspect.datum.value}, but {what}",
        f"Declare --datum {datum.value} if that is true; if the file is right after all, import it "
        "with --accept-offset NAME of whoever answers for it",
    )


def _suspicion(suspect: Suspect, check: PositionCheck) -> tuple[str, Datum] | None:
    if check.position == "shifted" and check.fits is not None:
        return str(check), check.fits
    if suspect.datum.shifted:
        return None
    for datum, pattern in _WEB_MAPS.items():
        found = next((w for w in suspect.words if re.search(pattern, w, re.IGNORECASE)), None)
        if found:
            return f"it names a web map ('{found[:60]}'), whose maps are {datum.value}", datum
    return None
