"""A folder of GeoTIFFs, stacked or one band a file, as scenes.

The folder is catalogued into static STAC items first, so that what follows is the path of any other
catalogue. The date comes from the file's name by a pattern; its time of day and zone are stated in
the workflow, because a date without a zone is not a time.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, field_validator
from shapely.geometry import box, mapping

from pipeline.acquire.bands import SensorTable
from pipeline.acquire.stac import Found, StacSource, Wanted, search_stac
from pipeline.errors import ConfigurationError, SceneUnusableError
from pipeline.grid import reproject
from pipeline.io.atomic import write_json
from pipeline.io.raster import Profile, raster_profile
from pipeline.model import SetAside


class FolderSource(BaseModel):
    """A folder of files that somebody exported."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Literal["folder"] = "folder"
    path: str = Field(description="the folder, relative to the workflow")
    sensor: str = Field(description="band table in config/sensors")
    pattern: str = Field(
        default=r".*?(?P<date>\d{4}-?\d{2}-?\d{2}).*\.tiff?$",
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


def search_folder(source: FolderSource, table: SensorTable, wanted: Wanted, cache: Path) -> Found:
    """Catalogue a folder into ``cache`` and search it.

    Raises
    ------
    ConfigurationError
        No such folder, or no file fits the pattern.
    """
    catalogue, aside = catalogue_folder(source, table, cache)
    found = search_stac(StacSource(url=str(catalogue), sensor=source.sensor), table, wanted)
    return Found(found.scenes, tuple(sorted({*found.set_aside, *aside})), found.elsewhere)


def catalogue_folder(
    source: FolderSource, table: SensorTable, cache: Path
) -> tuple[Path, list[SetAside]]:
    """Write static STAC items for a folder; give the catalogue's path and what was set aside."""
    folder = Path(source.path)
    if not folder.is_dir():
        raise ConfigurationError(f"the folder {folder} does not exist", "Check the source's path")
    groups: dict[tuple[str, str], dict[str, Path]] = {}
    clashes: list[str] = []
    for path in sorted(folder.iterdir()):
        match = re.fullmatch(source.pattern, path.name) if path.is_file() else None
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
            f"files of {folder} that the pattern cannot tell apart: {'; '.join(clashes)}",
            "Add a group (?P<tile>...), or (?P<band>...), to the pattern of the source",
        )
    if not groups:
        raise ConfigurationError(
            f"no file of {folder} fits the pattern {source.pattern}",
            "Correct the pattern of the source",
        )
    aside: list[SetAside] = []
    items: list[dict[str, Any]] = []
    for (day, tile), files in groups.items():
        try:
            items.append(_item(source, table, (day, tile), files))
        except SceneUnusableError as error:
            name = ", ".join(p.name for p in files.values())
            aside.append(SetAside(name, "acquire", error.what, error.remedy))
    mark = hashlib.sha256(source.path.encode()).hexdigest()[:12]
    return write_catalogue(cache / f"folder-{mark}", items, "A folder of files, catalogued"), aside


def write_catalogue(root: Path, items: Iterable[dict[str, Any]], title: str) -> Path:
    """Write items and a catalogue that links to them; give the catalogue's path."""
    links: list[dict[str, str]] = []
    for item in items:
        write_json(root / "items" / f"{item['id']}.json", item)
        links.append({"rel": "item", "href": f"./items/{item['id']}.json"})
    catalogue: dict[str, Any] = {
        "type": "Catalog",
        "id": root.name,
        "stac_version": "1.0.0",
        "description": title,
        "links": links,
    }
    write_json(root / "catalog.json", catalogue)
    return root / "catalog.json"


def _item(
    source: FolderSource, table: SensorTable, key: tuple[str, str], files: dict[str, Path]
) -> dict[str, Any]:
    day, tile = key
    acquired = _acquired(source, day)
    profiles = {band: raster_profile(str(path)) for band, path in files.items()}
    by_key = {k: name for name, b in table.bands.items() for k in (name, *b.keys)}
    assets: dict[str, Any] = {}
    for band, path in files.items():
        names = table.bands if band == "" else {by_key.get(band, band): None}
        for name in names:
            if name in table.bands:
                assets[name] = {"href": str(path), "roles": ["data"]}
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
        "id": re.sub(r"[^A-Za-z0-9._-]", "_", stem),
        "geometry": mapping(_footprint(list(profiles.values()))),
        "bbox": list(_footprint(list(profiles.values())).bounds),
        "properties": properties,
        "assets": assets,
        "links": [],
    }


def _acquired(source: FolderSource, day: str) -> datetime:
    digits = re.sub(r"\D", "", day)
    try:
        date = datetime.strptime(digits, "%Y%m%d").date()  # noqa: DTZ007 - the zone follows
    except ValueError as error:
        raise SceneUnusableError(
            f"'{day}' in the file name is no date", "Rename the file or correct the pattern"
        ) from error
    when = datetime.combine(date, source.time_of_day, ZoneInfo(source.zone))
    return when.astimezone(UTC)


def _footprint(profiles: list[Profile]) -> Any:
    first = profiles[0]
    t = first.transform
    right, bottom = t.c + first.shape[1] * t.a, t.f + first.shape[0] * t.e
    frame = box(min(t.c, right), min(t.f, bottom), max(t.c, right), max(t.f, bottom))
    return reproject(frame.segmentize(max(frame.length / 40, 1e-9)), first.crs, "EPSG:4326")
