"""Which GeoTIFFs of the evidence a map shows."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_EVIDENCE = re.compile(r"evidence/(?P<case>[^/]+)/(?P<revision>\d+)/(?P<name>[^/]+)\.tiff?$")
TIMES = {"before": "前期影像", "after": "后期影像"}


@dataclass(frozen=True, slots=True, order=True)
class Picture:
    """A GeoTIFF of the evidence."""

    time: str  # before | after
    case_id: str
    revision: int
    path: str  # below the folder, with /


def pictures_of(names: Iterable[str]) -> list[Picture]:
    """Choose before and after of the newest revision of each case, among files of the folder.

    What is neither named before nor after (a height difference, say) is left out; of several, the
    one whose name is shortest is in true colour.
    """
    found: dict[tuple[str, str], Picture] = {}
    for path in names:
        match = _EVIDENCE.fullmatch(path)
        time = next((t for t in TIMES if match and t in match["name"].lower()), None)
        if match is None or time is None:
            continue
        picture = Picture(time, match["case"], int(match["revision"]), path)
        held = found.get((time, picture.case_id))
        if held is None or _order(picture) < _order(held):
            found[time, picture.case_id] = picture
    return sorted(found.values())


def _order(picture: Picture) -> tuple[int, int, str]:
    return -picture.revision, len(picture.path), picture.path
