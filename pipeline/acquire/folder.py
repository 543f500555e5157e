"""A folder of GeoTIFFs, stacked or one band a file, as scenes.

The folder is catalogued into static STAC items first, so that what follows is the path of any other
catalogue. The date comes from the file's name by a pattern; its time of day and zone are stated in
the workflow, because a date without a zone is not a time.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time
from functools import cached_property
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, field_validator
from shapely.geometry import Polygon, box, mapping

from pipeline.acquire.bands import REQUIRED, SensorTable
from pipeline.acquire.stac import Found, StacSource, Wanted, search_stac
from pipeline.acquire.stated import contradictions, missing_bands
from pipeline.errors import ConfigurationError, SceneUnusableError
from pipeline.grid import reproject
from pipeline.io.atomic import write_json_if_changed
from pipeline.io.raster import Profile, raster_profile
from pipeline.model import SetAside

_RASTERS = (".tif", ".tiff", ".gtif", ".jp2", ".img", ".dat", ".vrt")
_NAMED = 8  # files named in one line
# A date has (19|20)YY, a month and a day, and is no part of a longer number (an orbit, a path and
# row, an order); but a time of day may follow at once.
_DEFAULT = (
    r"(?i).*?(?<!\d)(?P<date>"
    r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:(?!\d)|(?=\d{4,7}(?!\d)))"
    r"|(?:19|20)\d\d([-_])(?:0[1-9]|1[0-2])\2(?:0[1-9]|[12]\d|3[01])(?!\d)"
    r"|(?:19|20)\d\d年(?:0?[1-9]|1[0-2])月(?:0?[1-9]|[12]\d|3[01])日"
    r").*\.tiff?$"
)
# By lengths of their numbers: strptime would read day 322 of 1999 as the 22nd of March.
_FORMS: dict[tuple[int, ...], str] = {(8,): "%Y%m%d", (7,): "%Y%j", (4, 3): "%Y %j"}
_YEARS = (1972, 2100)  # of civil imagery: what lies outside is a path, a row or an orbit


class FolderSource(BaseModel):
    """A folder of files that somebody exported."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Literal["folder"] = "folder"
    path: str = Field(description="the folder, relative to the workflow")
    sensor: str = Field(description="band table in config/sensors")
    pattern: str = Field(
        default=_DEFAULT,
        description="regular expression over the file name; groups: date, optional band and tile",
    )
    time_of_day: time = Field(description="of the overflight, for example 03:00")
    zone: str = Field(description="IANA time zone of date and time_of_day, for example UTC")

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, value: str) -> str:
        try:
            found = re.compile(value)
        except re.error as error:
            raise ValueError(f"no regular expression: {error}") from error
        if "date" not in found.groupindex:
            raise ValueError("the pattern needs a group (?P<date>...)")
        return value

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"no time zone is called '{value}'") from error
        return value

    def anchored(self, base: Path) -> FolderSource:
        """Give the source with a relative path made absolute."""
        return self.model_copy(update={"path": str((base / self.path).resolve())})


class Folder:
    """The search of a folder, which is catalogued when it is first asked, and once.

    Headers of all its files are read for that, and every corridor of a run asks.

    Parameters
    ----------
    cache
        Folder under which the catalogue is written.
    """

    def __init__(self, source: FolderSource, table: SensorTable, cache: Path) -> None:
        self._source, self._table, self._cache = source, table, cache

    @cached_property
    def catalogue(self) -> tuple[Path, list[SetAside], tuple[str, ...]]:
        """Give the path of its static STAC items, what was set aside, and what to say of it.

        Raises
        ------
        ConfigurationError
            No such folder, no file fits the pattern, or files that it cannot tell apart.
        """
        source, table = self._source, self._table
        listed = _files(source)
        aside: list[SetAside] = []
        items: list[dict[str, Any]] = []
        for (day, tile), files in _grouped(source, listed).items():
            try:
                items.append(_item(source, table, (day, tile), files))
            except SceneUnusableError as error:
                name = ", ".join(p.name for p in files.values())
                aside.append(SetAside(name, "acquire", error.what, error.remedy))
        # Two sources may read one folder, each its own files of it.
        mark = hashlib.sha256(source.model_dump_json().encode()).hexdigest()[:12]
        root = self._cache / f"folder-{mark}"
        notes = (*_left_out(source, listed), *_not_known(source, table, listed))
        return write_catalogue(root, items, "A folder of files, catalogued"), aside, notes

    def search(self, wanted: Wanted) -> Found:
        """Search it; errors as of :attr:`catalogue`."""
        path, aside, notes = self.catalogue
        stac = StacSource(url=str(path), sensor=self._source.sensor)
        found = search_stac(stac, self._table, wanted)
        every = tuple(sorted({*found.set_aside, *aside}))
        return replace(found, set_aside=every, notes=(*found.notes, *notes))


_Listed = Sequence[tuple[Path, re.Match[str] | None]]
"""The files of a folder, and how the pattern reads their names."""


def _files(source: FolderSource) -> _Listed:
    folder = Path(source.path)
    if not folder.is_dir():
        raise ConfigurationError(f"the folder {folder} does not exist", "Check the source's path")
    files = sorted(p for p in folder.iterdir() if p.is_file())
    return [(p, re.fullmatch(source.pattern, p.name)) for p in files]


def _grouped(source: FolderSource, listed: _Listed) -> dict[tuple[str, str], dict[str, Path]]:
    """Give the files of a folder by day and tile, and by band; band "" is a stack."""
    groups: dict[tuple[str, str], dict[str, Path]] = {}
    clashes: list[str] = []
    for path, match in listed:
        if match is None:
            continue
        parts = match.groupdict()
        key = (str(parts["date"]), str(parts.get("tile") or ""))
        band = str(parts.get("band") or "")
        first = groups.setdefault(key, {}).setdefault(band, path)
        if first is not path:
            clashes.append(f"{first.name} and {path.name}")
    if clashes:
        raise ConfigurationError(
            f"files of {source.path} that the pattern cannot tell apart: {'; '.join(clashes)}",
            "Add a group (?P<tile>...), or (?P<band>...), to the pattern of the source",
        )
    if not groups:
        raise ConfigurationError(
            f"no file of {source.path} fits the pattern {source.pattern}",
            "Correct the pattern of the source",
        )
    return groups


def _left_out(source: FolderSource, listed: _Listed) -> tuple[str, ...]:
    """Name rasters that the pattern passes over: a date may be missing in their names."""
    names = [p.name for p, m in listed if m is None and p.suffix.lower() in _RASTERS]
    if not names:
        return ()
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    some = ", ".join(names[:_NAMED])
    return (f"{source.path}: left out, for their names do not fit the pattern: {some}{more}",)


def _not_known(source: FolderSource, table: SensorTable, listed: _Listed) -> tuple[str, ...]:
    """Name bands of files that the table knows no key of: SCL_20m may be meant for SCL."""
    known = {k for n, b in table.bands.items() for k in (n, *b.keys)}
    given = {str(m.groupdict().get("band") or "") for _, m in listed if m is not None}
    names = sorted(given - known - {""})
    if not names:
        return ()
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    some = ", ".join(names[:_NAMED])
    return (f"{source.path}: not read, for {table.name} knows no such band: {some}{more}",)


def write_catalogue(root: Path, items: Iterable[dict[str, Any]], title: str) -> Path:
    """Write items and a catalogue that links to them; give the catalogue's path."""
    links: list[dict[str, str]] = []
    for item in items:
        # Waiting for the disk is most of it, and most items are as they were.
        write_json_if_changed(root / "items" / f"{item['id']}.json", item)
        links.append({"rel": "item", "href": f"./items/{item['id']}.json"})
    catalogue: dict[str, Any] = {
        "type": "Catalog",
        "id": root.name,
        "stac_version": "1.0.0",
        "description": title,
        "links": links,
    }
    write_json_if_changed(root / "catalog.json", catalogue)
    return root / "catalog.json"


def _item(
    source: FolderSource, table: SensorTable, key: tuple[str, str], files: dict[str, Path]
) -> dict[str, Any]:
    day, tile = key
    acquired = _acquired(source, day)
    profiles = {band: raster_profile(str(path)) for band, path in files.items()}
    carried = _carried(table, files)
    assets = {n: {"href": str(files[b]), "roles": ["data"]} for n, b in carried.items()}
    lacking = missing_bands(table, carried, REQUIRED, [b for b in files if b])
    if lacking:
        raise SceneUnusableError(
            lacking, f"Correct the group (?P<band>...) of the pattern, or keys of {table.name}.yaml"
        )
    odd = contradictions(table, carried, profiles)
    if odd:
        raise SceneUnusableError(
            f"the band table {table.name} does not fit: {'; '.join(odd)}",
            "Choose or write the table that fits (docs/folders.md)",
        )
    stem = next(iter(files.values())).stem if "" in files else f"{source.sensor}_{tile}_{day}"
    properties: dict[str, Any] = {
        "datetime": acquired.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "platform": table.name,
    }
    if tile:
        properties["grid:code"] = tile
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": _id(stem),
        "geometry": mapping(_footprint(list(profiles.values()))),
        "bbox": list(_footprint(list(profiles.values())).bounds),
        "properties": properties,
        "assets": assets,
        "links": [],
    }


def _id(stem: str) -> str:
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", stem)
    if plain == stem:
        return plain
    # Two names in Chinese come out alike, and the second item would take the first one's place.
    return f"{plain}-{hashlib.sha256(stem.encode()).hexdigest()[:8]}"


def _carried(table: SensorTable, files: Mapping[str, Path]) -> dict[str, str]:
    """Give the file's band group by band of the table: one file may carry several bands."""
    out: dict[str, str] = dict.fromkeys(table.bands, "") if "" in files else {}
    classes = table.bands.get("scl")
    if classes and classes.keys and "index" not in classes.model_fields_set:
        out.pop("scl", None)  # a file of its own is meant: where it is missing there are none
    for name, band in table.bands.items():
        # A file of its own wins over the stack: classes often lie beside the bands.
        keys = [k for k in (name, *band.keys) if k in files]
        if keys:
            out[name] = keys[0]
    return out


def _acquired(source: FolderSource, day: str) -> datetime:
    try:
        date = _date(day)
    except ValueError as error:
        raise SceneUnusableError(
            f"'{day}' in the file name is no date from {_YEARS[0]} to {_YEARS[1]}",
            "Rename the file or correct the pattern: YYYYMMDD, or YYYYDDD by the day of the year",
        ) from error
    when = datetime.combine(date, source.time_of_day, ZoneInfo(source.zone))
    return when.astimezone(UTC)


def _date(text: str) -> date:
    """Read 20240305, 2024-3-5 with any signs between, 2024065 or 2024-065.

    Signs are heeded: without them 2024-1-15 would be day 115 of the year.
    """
    parts = re.findall(r"\d+", text)
    form = _FORMS.get(tuple(len(p) for p in parts))
    if form is not None:
        found = datetime.strptime(" ".join(parts), form).date()  # noqa: DTZ007 - the zone follows
    elif len(parts) == 3 and len(parts[0]) == 4:
        found = date(*(int(p) for p in parts))
    else:
        raise ValueError(text)
    # strptime makes day 366 of 2023 the first of 2024.
    if not _YEARS[0] <= found.year <= _YEARS[1] or found.year != int(parts[0][:4]):
        raise ValueError(text)
    return found


def _footprint(profiles: list[Profile]) -> Any:
    first = profiles[0]
    t, (rows, cols) = first.transform, first.shape
    if not abs(t.determinant) > 0:  # true of nan as well
        raise SceneUnusableError(
            "its georeference gives pixels without an extent", "Export it again with its place"
        )
    if t.b or t.d:  # turned
        frame = Polygon([t * corner for corner in ((0, 0), (cols, 0), (cols, rows), (0, rows))])
    else:
        right, bottom = t.c + cols * t.a, t.f + rows * t.e
        frame = box(min(t.c, right), min(t.f, bottom), max(t.c, right), max(t.f, bottom))
    return reproject(frame.segmentize(max(frame.length / 40, 1e-9)), first.crs, "EPSG:4326")
