"""Flights that were taken in: a folder each, and a static STAC catalogue over all of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from shapely.geometry import mapping, shape
from shapely.geometry.base import BaseGeometry

from pipeline.acquire.inbox.form import FlightForm
from pipeline.acquire.inbox.place import Covered
from pipeline.errors import ConfigurationError
from pipeline.io.atomic import write_if_changed, write_json

ITEM = "item.json"
DROP = "drop.json"
_COLLECTION = "siluan-flights"


@dataclass(frozen=True)
class Flight:
    """One flight of the catalogue."""

    id: str
    folder: Path
    item: Mapping[str, Any]

    @property
    def flown(self) -> datetime:
        """UTC."""
        return datetime.fromisoformat(self.item["properties"]["datetime"]).astimezone(UTC)

    @property
    def footprint_wgs84(self) -> BaseGeometry:
        """Lon/lat."""
        return shape(self.item["geometry"])

    @property
    def mosaic_sums(self) -> frozenset[str]:
        """SHA-256 of the files that the mosaic, or the photos, came from."""
        return frozenset(
            s["sha256"]
            for s in self.item["properties"]["siluan:sources"]
            if s["role"] in ("mosaic", "photo")
        )

    @property
    def team(self) -> str:
        """Who flew."""
        return str(self.item["properties"]["siluan:team"])

    @property
    def assets(self) -> frozenset[str]:
        """What it holds: ortho and maybe dsm, or photos."""
        return frozenset(self.item["assets"])

    @property
    def drop(self) -> Mapping[str, Any]:
        """Where it was dropped, and what lay there."""
        return json.loads((self.folder / DROP).read_text(encoding="utf-8"))

    @property
    def waiting(self) -> bool:
        """True while no corridor is known where it was flown."""
        return bool(self.item["properties"]["siluan:awaiting_corridor"])


@dataclass(frozen=True)
class Source:
    """A file as it was handed in."""

    name: str
    role: str  # mosaic | dsm | photo | form
    bytes: int
    sha256: str


def flights_in(root: Path) -> tuple[Flight, ...]:
    """Read all flights, by id.

    Raises
    ------
    ConfigurationError
        An item that cannot be read.
    """
    found: list[Flight] = []
    for path in sorted(root.glob(f"[!.]*/{ITEM}")):
        try:
            item = json.loads(path.read_text(encoding="utf-8"))
            flight = Flight(str(item["id"]), path.parent, item)
            _ = (flight.flown, flight.footprint_wgs84, flight.mosaic_sums, flight.waiting)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ConfigurationError(
                f"the flight {path.parent} is damaged ({type(error).__name__})",
                "Restore the folder from a backup, or move it away and submit the flight again",
            ) from error
        found.append(flight)
    return tuple(found)


def in_use(flights: Sequence[Flight]) -> tuple[Flight, ...]:
    """Leave out what a later submission supersedes."""
    gone = {f.item["properties"]["siluan:supersedes"] for f in flights}
    return tuple(f for f in flights if f.id not in gone)


@dataclass(frozen=True)
class Taken:
    """What is written into the item of a flight."""

    id: str
    form: FlightForm
    footprint_wgs84: BaseGeometry
    assets: Mapping[str, dict[str, Any]]
    sources: tuple[Source, ...]
    covered: tuple[Covered, ...]
    tool: str
    crs: str
    gsd_m: float | None
    valid_share: float | None
    answered_by: str = ""  # who of the office answers for what it supersedes


def item_of(taken: Taken) -> dict[str, Any]:
    """Make the STAC 1.0 item of a flight."""
    form = taken.form
    properties: dict[str, Any] = {
        "datetime": f"{form.flown_utc:%Y-%m-%dT%H:%M:%SZ}",
        "platform": form.drone,
        "instruments": [form.camera],
        "gsd": taken.gsd_m,
        "proj:code": taken.crs if taken.crs.startswith("EPSG:") else None,
        "siluan:team": form.team,
        "siluan:vertical": form.vertical,
        "siluan:rtk": form.rtk,
        "siluan:gcp": form.gcp,
        "siluan:tool": taken.tool,
        "siluan:history": form.history,
        "siluan:supersedes": form.supersedes,
        "siluan:supersedes_accepted_by": taken.answered_by or None,
        "siluan:note": form.note,
        "siluan:valid_share": taken.valid_share,
        "siluan:sources": [vars(s) for s in taken.sources],
        **_placing(taken.covered),
    }
    before = {"rel": "predecessor-version", "href": f"../{form.supersedes}/{ITEM}"}
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "stac_extensions": [],
        "id": taken.id,
        "geometry": mapping(taken.footprint_wgs84),
        "bbox": list(taken.footprint_wgs84.bounds),
        "properties": properties,
        "assets": dict(taken.assets),
        "links": [
            {"rel": "root", "href": "../catalog.json"},
            {"rel": "parent", "href": "../catalog.json"},
            *([before] if form.supersedes else []),
        ],
    }


def _placing(found: Sequence[Covered]) -> dict[str, Any]:
    return {
        "siluan:corridors": [
            {
                "id": c.id,
                "name_zh": c.name_zh,
                "area_m2": round(c.area_m2, 1),
                "length_m": None if c.length_m is None else round(c.length_m, 1),
                "photos": c.photos,
            }
            for c in found
        ],
        "siluan:awaiting_corridor": not found,
    }


def place_again(flight: Flight, found: Sequence[Covered]) -> None:
    """Write the corridors that a waiting flight turned out to cover."""
    properties = {**flight.item["properties"], **_placing(found)}
    write_json(flight.folder / ITEM, {**flight.item, "properties": properties})


def write_index(root: Path) -> None:
    """Write the catalogue over all flights; nothing changes where nothing is new."""
    ids = [f.id for f in flights_in(root)]
    content = {
        "type": "Catalog",
        "stac_version": "1.0.0",
        "id": _COLLECTION,
        "description": "Drone flights that were taken in",
        "links": [
            {"rel": "root", "href": "./catalog.json"},
            *({"rel": "item", "href": f"./{i}/{ITEM}"} for i in ids),
        ],
    }
    data = json.dumps(content, ensure_ascii=False, indent=1) + "\n"
    write_if_changed(root / "catalog.json", data.encode())
