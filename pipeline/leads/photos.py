"""Photos of a patrol as leads: where and on which day each was taken. No picture is kept."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

from shapely.geometry import Point

from pipeline.acquire.inbox.drop import Drop
from pipeline.acquire.inbox.photos import read_photos
from pipeline.acquire.inbox.reasons import SubmissionRefusedError
from pipeline.errors import ConfigurationError
from pipeline.io.datum import Datum
from pipeline.leads.rows import Found, Listed
from pipeline.model import office_day

ENDINGS = (".jpg", ".jpeg")
_OTHERS = (".heic", ".heif", ".png", ".webp", ".tif", ".tiff", ".dng", ".bmp", ".gif")
# Of what a photo lacks, beyond its place.
_REMEDIES = {
    "damaged": "Copy it again from the camera",
    "time": "Its day is the camera's, and --on stands for no photo: list such photos as a CSV",
    "future": "Check the camera's clock, and list such photos as a CSV",
}
_WHY = {
    "damaged": "it is damaged or no JPEG",
    "position": "it has no place: the camera stored no position",
    "time": "it has no day: the camera stored no time",
    "future": "it was taken later than now, by its clock",
}
_OFFSET = "+08:00"  # of a phone that stores none: its day is that of the office


def read_photo_leads(path: Path, datum: Datum, now: datetime) -> Listed:
    """Read a JPEG, or all of a folder and of the folders below it, by their EXIF.

    Parameters
    ----------
    datum : Datum
        As declared: some patrol apps write the shifted positions of their map.
    now : datetime
        Aware; nothing was taken later.

    Raises
    ------
    ConfigurationError
        There is no photo.
    """
    root = path if path.is_dir() else path.parent
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    real = [f for f in files if f.is_file() and not f.is_symlink()]
    names = [f.relative_to(root).as_posix() for f in real if f.suffix.lower() in ENDINGS]
    others = tuple(f.relative_to(root).as_posix() for f in real if f.suffix.lower() in _OTHERS)
    if not names:
        but = f", but {', '.join(others)}" if others else ""
        raise ConfigurationError(
            f"{path} holds no photo that is read{but}", f"Photos end with {' or '.join(ENDINGS)}"
        )
    drop = Drop(root, dict.fromkeys(names, 0))
    crs = "EPSG:4490" if datum is Datum.CGCS2000 else "EPSG:4326"
    rows = tuple(_photo(drop, n, now) for n in names)
    return Listed(rows, crs, False, (), (path.stem,), others)


def _photo(drop: Drop, name: str, now: datetime) -> Found:
    try:
        (photo,) = read_photos(drop, (name,), _OFFSET, now)
    except SubmissionRefusedError as error:
        key = next((key for key in _WHY if f"({key})" in error.what), "")
        lacking = Found(name, {}, None, _WHY.get(key, error.what))
        return replace(lacking, remedy=_REMEDIES.get(key, lacking.remedy))
    day = office_day(photo.taken)
    values = {"ref": Path(name).stem, "on": day.isoformat()}
    return Found(name, values, Point(photo.lon, photo.lat))
