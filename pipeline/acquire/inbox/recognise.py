"""Which files of a drop are the mosaic, the surface, the form and photos, by name and content.

The names are those that the tools write: OpenDroneMap (``odm_orthophoto.tif``, ``dsm.tif``), DJI
Terra (``result.tif``, ``dsm.tif``), Pix4D (``*_mosaic_group1*.tif``, ``*_dsm*.tif``, whole or in
tiles). Under other names a file of colours is the mosaic and a file of heights is the surface,
where there is one of each.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from pipeline.acquire.inbox.drop import Drop, check_names, inside
from pipeline.acquire.inbox.form import NAME, FileNames
from pipeline.acquire.inbox.reasons import Fault, SubmissionRefusedError, refuse, refuse_all
from pipeline.acquire.inbox.tiff import Header, read_header

# Beside the results; by these words they are no mosaic and no surface of it.
_OTHER = re.compile(r"(^|[_-])(dtm|dem_|chm|slope|hillshade|ndvi|index|gsddsm|cut|feathered)", re.I)
_TOOLS = (
    ("OpenDroneMap", re.compile(r"odm_orthophoto\.tiff?", re.I)),
    ("DJI Terra", re.compile(r"result\.tiff?", re.I)),
    ("Pix4D", re.compile(r".*_mosaic_group\d+(_\d+_\d+)?\.tiff?", re.I)),
)
_DSM = re.compile(r"((^|.*[_-])dsm([_-]\d+[_-]\d+)?)\.tiff?", re.I)
_TILE = re.compile(r".*[_-]\d+[_-]\d+\.tiff?", re.I)
# A day in a name is no number of a tile: 2025-06-12, 2025_06_12 or 20250612.
_DAY = re.compile(r"(?<!\d)(20\d\d)([-_.]?)(0[1-9]|1[0-2])\2(0[1-9]|[12]\d|3[01])(?!\d)")
# Pictures and packages that somebody may take for the mosaic.
_FOREIGN = (
    *(".ecw", ".sid", ".jp2", ".png", ".bmp", ".img", ".vrt", ".kmz", ".mbtiles", ".pdf"),
    *(".zip", ".rar", ".7z", ".tar", ".gz", ".tgz"),
)
_ROLES = {"mosaic": "正射影像", "surface model": "地表模型（DSM）"}


@dataclass(frozen=True)
class Parts:
    """The files of a flight by what they are."""

    tool: str  # that wrote it, as far as names say; "" if unknown
    mosaic: tuple[Header, ...]  # one, or the tiles of one; none: photos only
    dsm: tuple[Header, ...]
    photos: tuple[str, ...]
    left: tuple[str, ...]  # rasters that are neither


def form_name(drop: Drop) -> str:
    """Name of the form: the one that lies highest.

    Raises
    ------
    SubmissionRefusedError
        None, or several at one height.
    """
    found = [n for n in drop.files if PurePosixPath(n).name.lower() in (NAME, "flight.yml")]
    if not found:
        raise refuse("no_form")
    highest = min(n.count("/") for n in found)
    at = [n for n in found if n.count("/") == highest]
    return _one(at, NAME, "飞行信息文件")


def recognise(drop: Drop, names: FileNames | None) -> Parts:
    """Find the parts of a flight.

    Raises
    ------
    SubmissionRefusedError
        Nothing there, several of one kind, a name that leads out, a file that is no GeoTIFF, one
        to be read whose name is no UTF-8.
    """
    rasters = [n for n in drop.files if n.lower().endswith((".tif", ".tiff"))]
    photos = tuple(n for n in drop.files if n.lower().endswith((".jpg", ".jpeg")))
    if names is not None:
        mosaic, dsm = _named(drop, names.mosaic), _named(drop, names.dsm)
        return Parts("", _headers(drop, mosaic), _headers(drop, dsm), photos, ())
    if not rasters:
        if photos:
            return Parts("", (), (), photos, ())
        foreign = [n for n in drop.files if n.lower().endswith(_FOREIGN)]
        if foreign:
            raise refuse("foreign", files=", ".join(foreign[:5]))
        raise refuse("nothing")
    return _by_name_and_content(drop, rasters, photos)


def _named(drop: Drop, names: Sequence[str]) -> list[str]:
    refuse_all([Fault.of("leaves", file=n) for n in names if not inside(n)])
    plain = [PurePosixPath(n.replace("\\", "/")).as_posix() for n in names]
    refuse_all([Fault.of("no_file", file=n) for n in plain if n not in drop.files])
    return plain


def _by_name_and_content(drop: Drop, rasters: Sequence[str], photos: tuple[str, ...]) -> Parts:
    usual = [n for n in rasters if not _OTHER.search(PurePosixPath(n).name)]
    dsm = _whole_or_tiles([n for n in usual if _matches(_DSM, n)])
    tool, mosaic = "", list[str]()
    for name, pattern in _TOOLS:
        mosaic = _whole_or_tiles([n for n in usual if _matches(pattern, n)])
        if mosaic:
            tool = name
            break
    known = [*mosaic, *dsm]
    if not mosaic or not dsm:
        rest = [n for n in usual if n not in known and not _matches(_DSM, n)]
        rest = [n for n in rest if not any(_matches(p, n) for _, p in _TOOLS)]
        headers = _headers(drop, rest)
        mosaic = mosaic or _whole_or_tiles([h.name for h in headers if h.count >= 3])
        dsm = dsm or _whole_or_tiles([h.name for h in headers if h.surface])
    if not mosaic:
        raise refuse("nothing")
    left = tuple(n for n in rasters if n not in (*mosaic, *dsm))
    return Parts(
        tool,
        _headers(drop, _same_group(mosaic, "mosaic")),
        _headers(drop, _same_group(dsm, "surface model")),
        photos,
        left,
    )


def _matches(pattern: re.Pattern[str], name: str) -> bool:
    return pattern.fullmatch(PurePosixPath(name).name) is not None


def _whole_or_tiles(names: Sequence[str]) -> list[str]:
    """Prefer the whole to its tiles: tools leave both."""
    whole = [n for n in names if not _is_tile(n)]
    return whole or list(names)


def _is_tile(name: str) -> bool:
    path = PurePosixPath(name)
    return _TILE.fullmatch(_DAY.sub("", path.name)) is not None or "tiles" in path.parts[:-1]


def _days(names: Sequence[str]) -> set[tuple[str, ...]]:
    """Days that stand in the names of files."""
    found = (_DAY.search(PurePosixPath(n).name) for n in names)
    return {(f[1], f[3], f[4]) for f in found if f is not None}


def _same_group(names: Sequence[str], role: str) -> list[str]:
    """Give one file, or tiles of one folder and, as far as their names say, of one day."""
    if len(names) > 1 and all(_is_tile(n) for n in names) and len(_days(names)) < 2:
        stems = {re.sub(r"[_-]\d+[_-]\d+(\.tiff?)$", "", n, flags=re.I) for n in names}
        if len(stems) == 1 or len({PurePosixPath(n).parent for n in names}) == 1:
            return list(names)
    return [_one(names, role, _ROLES[role])] if names else []


def _one(names: Sequence[str], role: str, role_zh: str) -> str:
    if len(names) > 1:
        shown = ", ".join(sorted(names)[:5])
        raise refuse("several", role=role, role_zh=role_zh, files=shown)
    return names[0]


def _headers(drop: Drop, names: Sequence[str]) -> tuple[Header, ...]:
    """Read headers; every file that is wrong is named."""
    check_names(names)
    found: list[Header] = []
    faults: list[Fault] = []
    for name in names:
        found += _gather(faults, lambda n=name: read_header(drop.path(n), n))
    refuse_all(faults)
    return tuple(found)


def _gather(faults: list[Fault], read: Callable[[], Header]) -> list[Header]:
    try:
        return [read()]
    except SubmissionRefusedError as error:
        faults.extend(error.faults)
        return []
