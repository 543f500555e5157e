"""Photos without a mosaic: where and when each was taken, by its EXIF (CIPA DC-008).

Only the header is read, nothing is decoded. A photo without a position, or whose time has no zone,
is refused by name: a guessed zone would order evidence wrongly.
"""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from PIL import Image

from pipeline.acquire.inbox.drop import Drop, check_names
from pipeline.acquire.inbox.reasons import refuse

_EXIF, _GPS = 0x8769, 0x8825
_MAKE, _MODEL, _TAKEN, _OFFSET = 0x010F, 0x0110, 0x9003, 0x9011
_LAT_REF, _LAT, _LON_REF, _LON, _ALT_REF, _ALT, _GPS_TIME, _DIRECTION, _GPS_DATE = (
    *(1, 2, 3, 4, 5, 6),
    *(7, 17, 29),
)
_NAMED = 5  # photos named in a sentence
# What Pillow raises for files that are no photo, or a damaged one.
_DAMAGED = (OSError, ValueError, TypeError, KeyError, SyntaxError, EOFError, ArithmeticError)
_WHY = {
    "damaged": "损坏或不是 JPEG",
    "position": "没有 GPS 位置",
    "time": "没有拍摄时间",
    "zone": "拍摄时间没有时区",
    "future": "拍摄时间晚于现在",
}


@dataclass(frozen=True, slots=True)
class Photo:
    """One photo."""

    name: str  # relative to the drop
    lon: float  # WGS 84 [°]
    lat: float
    altitude_m: float | None  # as the camera says; of what reference it does not say
    direction_deg: float | None  # of the view, clockwise from north
    taken: datetime  # aware
    camera: str


class _UnusableError(Exception):
    """Why one photo cannot be used: a key of ``_WHY``."""


def read_photos(
    drop: Drop, names: Sequence[str], zone: str | None, now: datetime
) -> tuple[Photo, ...]:
    """Read the headers of photos.

    Parameters
    ----------
    zone : str or None
        Offset of clocks whose camera stores none, ``+08:00``.
    now : datetime
        Aware; nothing was taken later.

    Raises
    ------
    SubmissionRefusedError
        Photos that cannot be used, with the reason of each.
    """
    check_names(names)
    found: list[Photo] = []
    wrong: list[tuple[str, str]] = []
    for name in names:
        try:
            found.append(_read(drop.path(name), name, zone, now))
        except _UnusableError as error:
            wrong.append((name, str(error)))
    if wrong:
        shown = wrong[:_NAMED]
        raise refuse(
            "photos",
            count=len(wrong),
            what=", ".join(f"{n} ({why})" for n, why in shown),
            zh="，".join(f"{n}（{_WHY[why]}）" for n, why in shown),
        )
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Shot:
    """What one photo says of a flight, wherever it was taken."""

    taken: datetime | None  # aware; None where it says no zone
    camera: str  # "" where it does not say


def shot_of(path: Path) -> Shot | None:
    """Read the header of a photo; None where it is none or a damaged one."""
    try:
        head, exif, gps = _header(path)
    except _UnusableError:
        return None
    try:
        taken = _taken(exif, gps, None)
    except _UnusableError:
        taken = None
    return Shot(taken, _camera(head))


def _header(path: Path) -> tuple[Mapping[int, Any], Mapping[int, Any], Mapping[int, Any]]:
    try:
        with warnings.catch_warnings():
            # Large photos and odd tags are no reason to complain: no pixel is decoded.
            warnings.simplefilter("ignore")
            with Image.open(path, formats=("JPEG", "MPO")) as image:
                head = image.getexif()
                return head, head.get_ifd(_EXIF), head.get_ifd(_GPS)
    except (*_DAMAGED, Image.DecompressionBombError) as error:
        raise _UnusableError("damaged") from error


def _camera(head: Mapping[int, Any]) -> str:
    return " ".join(str(head.get(t) or "").strip("\0 ") for t in (_MAKE, _MODEL)).strip()


def _read(path: Path, name: str, zone: str | None, now: datetime) -> Photo:
    head, exif, gps = _header(path)
    lon, lat = _position(gps)
    taken = _taken(exif, gps, zone)
    if taken > now:
        raise _UnusableError("future")
    below = gps.get(_ALT_REF) in (1, b"\x01")
    altitude = _number(gps.get(_ALT))
    return Photo(
        name=name,
        lon=lon,
        lat=lat,
        altitude_m=None if altitude is None else round(-altitude if below else altitude, 2),
        direction_deg=_number(gps.get(_DIRECTION)),
        taken=taken,
        camera=_camera(head),
    )


def _position(gps: Mapping[int, Any]) -> tuple[float, float]:
    lat = _angle(gps.get(_LAT), str(gps.get(_LAT_REF, "")), "NS")
    lon = _angle(gps.get(_LON), str(gps.get(_LON_REF, "")), "EW")
    # Zero, zero is what a receiver without a fix writes.
    ok = lat is not None and lon is not None and (lat, lon) != (0, 0)
    if not ok or abs(cast("float", lat)) > 90 or abs(cast("float", lon)) > 180:
        raise _UnusableError("position")
    return cast("float", lon), cast("float", lat)


def _angle(value: object, ref: str, signs: str) -> float | None:
    """Degrees of (degrees, minutes, seconds) with a hemisphere."""
    numbers = _numbers(value)
    sign = ref.strip("\0 ").upper()[:1]
    if numbers is None or len(numbers) != 3 or not sign or sign not in signs:
        return None
    degrees = numbers[0] + numbers[1] / 60 + numbers[2] / 3600
    return -degrees if sign == signs[1] else degrees


def _taken(exif: Mapping[int, Any], gps: Mapping[int, Any], zone: str | None) -> datetime:
    """Give the time of a photo: its own with its own zone, else that of GPS, else by ``zone``."""
    text = str(exif.get(_TAKEN) or "").strip("\0 ")
    offset = str(exif.get(_OFFSET) or "").strip("\0 ")
    local = _instant(text)
    if local is not None and re.fullmatch(r"[+-](0\d|1[0-4]):[0-5]\d", offset):
        return datetime.fromisoformat(f"{local.isoformat()}{offset}")
    from_gps = _gps_time(gps)
    if from_gps is not None:
        return from_gps
    if local is None:
        raise _UnusableError("time")
    if zone is None:
        raise _UnusableError("zone")
    return datetime.fromisoformat(f"{local.isoformat()}{zone}")


def _instant(text: str) -> datetime | None:
    try:
        # Naive on purpose: the zone is joined by whoever knows it.
        return datetime.strptime(text, "%Y:%m:%d %H:%M:%S")  # noqa: DTZ007
    except ValueError:
        return None


def _gps_time(gps: Mapping[int, Any]) -> datetime | None:
    """Give the UTC time of a fix."""
    day = str(gps.get(_GPS_DATE) or "").strip("\0 ")
    clock = _numbers(gps.get(_GPS_TIME))
    if clock is None or len(clock) != 3:
        return None
    hours, minutes, seconds = (int(v) for v in clock)
    found = _instant(f"{day} {hours:02}:{minutes:02}:{seconds:02}")
    return None if found is None else found.replace(tzinfo=UTC)


def _numbers(value: object) -> list[float] | None:
    if not isinstance(value, tuple):
        return None
    found = [_number(v) for v in cast("tuple[object, ...]", value)]
    return None if None in found else [v for v in found if v is not None]


def _number(value: object) -> float | None:
    try:
        found = float(cast("Any", value))
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return found if math.isfinite(found) else None
