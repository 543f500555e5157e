"""What photos and reports beside a mosaic say of a flight, for the form; nothing is guessed."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path, PurePosixPath
from typing import Any

from pipeline.acquire.inbox.drop import Drop
from pipeline.acquire.inbox.photos import Shot, shot_of
from pipeline.acquire.inbox.reasons import printable
from pipeline.model import OFFICE_ZONE

_MOST = 60  # photos whose headers are read, evenly over all
_HEAD_BYTES = 256 * 2**10  # of a photo, in which its XMP lies
_REPORT_BYTES = 16 * 2**20
_ONE_FLIGHT = timedelta(hours=12)  # photos further apart are of several
_FIXED = "50"  # RtkFlag of DJI's XMP: a fixed solution
_RTK = re.compile(rb'drone-dji:RtkFlag\s*(?:=\s*"|>)\s*(\d+)')
_DRONE = re.compile(rb'drone-dji:DroneModel\s*(?:=\s*"|>)\s*([^"<]{1,100})')


def said_by_photos(drop: Drop) -> dict[str, str]:
    """Give camera, drone, time and RTK by the names of the form's fields."""
    names = sorted(n for n in drop.files if n.lower().endswith((".jpg", ".jpeg")))
    if len(names) > _MOST:
        last = len(names) - 1
        names = [names[round(k * last / (_MOST - 1))] for k in range(_MOST)]
    paths = [drop.path(n) for n in names]
    shots = [s for s in (shot_of(p) for p in paths) if s is not None]
    heads = [_head(p) for p in paths]
    known = _when(shots)
    camera = _one({s.camera for s in shots})
    drone = _one({m.group(1).decode("utf-8", "replace") for h in heads for m in _DRONE.finditer(h)})
    flags = [m.group(1).decode() for h in heads if (m := _RTK.search(h)) is not None]
    known |= {"camera": camera} if camera else {}
    known |= {"drone": drone} if drone else {}
    # One photo without a fix is enough for a person to have to say it.
    if flags and len(flags) == len(names) and set(flags) == {_FIXED}:
        known["rtk"] = "true"
    return known


def _when(shots: list[Shot]) -> dict[str, str]:
    times = sorted(s.taken for s in shots if s.taken is not None)
    if not times or len(times) != len(shots) or times[-1] - times[0] > _ONE_FLIGHT:
        return {}
    middle = (times[0] + (times[-1] - times[0]) / 2).astimezone(OFFICE_ZONE)
    return {"flown": f"{middle:%Y-%m-%dT%H:%M:%S}", "zone": "+08:00"}


def _one(said: set[str]) -> str:
    """Give what all say alike; empty where they differ or say nothing."""
    known = {printable(s).strip() for s in said} - {""}
    return known.pop()[:200] if len(known) == 1 else ""


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(_HEAD_BYTES)
    except OSError:
        return b""


def said_by_reports(drop: Drop) -> dict[str, str]:
    """Give what OpenDroneMap's ``stats.json`` says: that no control points were used.

    Its dates carry no zone and its count of points is not theirs in the field, so both are left to
    a person. Reports of DJI Terra are pages for people and are not read.
    """
    for name in sorted(drop.files):
        if PurePosixPath(name).name == "stats.json" and drop.files[name] <= _REPORT_BYTES:
            said = _json(drop.path(name))
            if said.get("has_gcp") is False:
                return {"gcp": "0"}
    return {}


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))["reconstruction_statistics"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
