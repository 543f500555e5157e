"""Accepted flights on disk: what they say of themselves, and windows of their rasters.

A folder holds ``ortho.tif`` (red, green, blue and maybe near infrared, 8 or 16 bit, with a mask, an
alpha band or nodata), maybe ``dsm.tif`` (heights [m]), and when it was flown: ``item.json`` as a
submission leaves it, else ``flight.yaml``. A folder with ``catalog.json`` holds such folders.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import rasterio
import shapely
from affine import Affine
from pydantic import AwareDatetime, BaseModel, ConfigDict
from rasterio.errors import RasterioError
from shapely.errors import ShapelyError
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from pipeline.errors import ConfigurationError, SceneUnusableError, SiluanError
from pipeline.grid import geodesic_area_m2, reproject
from pipeline.io import GDAL_CACHE_BYTES
from pipeline.io.flight_levels import HeldRasters, Places, read_colours, read_heights
from pipeline.io.raster import crs_text, open_raster
from pipeline.io.settings import load_model
from pipeline.model import FlightPixels, Grid, Window
from pipeline.pixel_map import SAME, PixelMap

A = TypeVar("A")
ORTHO, DSM, ITEM, FORM = "ortho.tif", "dsm.tif", "item.json", "flight.yaml"
CATALOG = "catalog.json"


class _Form(BaseModel):
    """Of what a pilot says: the rest was looked at when the flight was taken in."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    flown: AwareDatetime


@dataclass(frozen=True)
class FlightFolder:
    """A flight that can be read."""

    id: str
    folder: Path
    flown: datetime  # UTC
    crs: str  # of the mosaic
    gsd_m: float  # of the mosaic, on the ground
    lattice: Affine | None  # of the mosaic's pixels, where they are square and north is up
    has_surface: bool
    extent_wgs84: BaseGeometry  # of the mosaic's frame
    shown_wgs84: BaseGeometry  # of it, where pixels show ground; the frame where nobody has said
    fingerprint: str  # SHA-256 of its rasters and of when it was flown


def open_flights(folders: Sequence[Path]) -> tuple[FlightFolder, ...]:
    """Read what flights say of themselves, oldest first; no pixel is looked at.

    Raises
    ------
    ConfigurationError
        Every folder that is no flight, with what it lacks: rasters, a CRS, a date with a zone.
    """
    found: list[FlightFolder] = []
    wrong: list[str] = []
    for named in folders:
        try:
            each = _catalogued(named) if (named / CATALOG).is_file() else (named,)
        except ConfigurationError as error:
            wrong.append(error.what)
            continue
        for folder in each:
            try:
                found.append(_open(folder))
            except SiluanError as error:
                wrong.append(error.what)
    ids = [f.id for f in found]
    wrong += [f"two flights are called {i}" for i in sorted({i for i in ids if ids.count(i) > 1})]
    if wrong:
        raise ConfigurationError("; ".join(wrong), "Name folders that siluan submit has taken in")
    return tuple(sorted(found, key=lambda f: (f.flown, f.id)))


def superseded(folders: Sequence[Path]) -> frozenset[str]:
    """Give the ids of flights that others in these folders and catalogues supersede.

    Raises
    ------
    ConfigurationError
        An item that cannot be read.
    """
    found = [f for named in folders for f in sorted(named.glob(f"[!.]*/{ITEM}"))
             if (named / CATALOG).is_file()]  # fmt: skip
    found += [named / ITEM for named in folders if (named / ITEM).is_file()]
    said = [_item(path)["properties"].get("siluan:supersedes") for path in found]
    return frozenset(str(name) for name in said if name)


def _catalogued(root: Path) -> tuple[Path, ...]:
    """Give the flights of a catalogue that have a mosaic and that no later one supersedes."""
    items = {path.parent: _item(path) for path in sorted(root.glob(f"[!.]*/{ITEM}"))}
    gone = {item["properties"].get("siluan:supersedes") for item in items.values()}
    kept = [f for f, item in items.items() if item["id"] not in gone and (f / ORTHO).is_file()]
    if not kept:
        raise ConfigurationError(f"the catalogue {root} holds no flight with a mosaic")
    return tuple(kept)


def _item(path: Path) -> dict[str, Any]:
    """Read a flight's item, whose date and id are there."""
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        flown, _ = datetime.fromisoformat(content["properties"]["datetime"]), str(content["id"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(f"{path} is damaged ({type(error).__name__})") from error
    if flown.tzinfo is None:
        raise ConfigurationError(f"{path} says when it was flown without a zone")
    return content


def _open(folder: Path) -> FlightFolder:
    ortho, dsm = folder / ORTHO, folder / DSM
    if not ortho.is_file():
        raise ConfigurationError(f"{folder} holds no {ORTHO}")
    name, flown = _said(folder)
    with open_raster(str(ortho)) as source:
        if source.count < 3 or source.dtypes[0] not in ("uint8", "uint16"):
            kinds = f"{source.count} bands of {source.dtypes[0]}"
            raise ConfigurationError(f"{ortho} holds {kinds}, not red, green, blue of 8 or 16 bit")
        crs = crs_text(source.crs)
        frame = reproject(shapely.box(*source.bounds).segmentize(100.0), crs, "EPSG:4326")
        area = geodesic_area_m2(frame, "EPSG:4326")
        gsd_m = float(np.sqrt(area / (source.width * source.height)))
        lattice = source.transform if _upright(source.transform) else None
    if dsm.is_file():
        with open_raster(str(dsm)) as source:
            if source.count != 1:
                raise ConfigurationError(f"{dsm} holds {source.count} bands, not heights alone")
    return FlightFolder(
        id=name,
        folder=folder,
        flown=flown,
        crs=crs,
        gsd_m=round(gsd_m, 5),
        lattice=lattice,
        has_surface=dsm.is_file(),
        extent_wgs84=frame,
        shown_wgs84=_shown(folder, frame),
        fingerprint=_fingerprint(folder, flown),
    )


def _upright(t: Affine) -> bool:
    return t.b == 0 == t.d and t.a > 0 and abs(t.a + t.e) < 1e-6 * t.a


def _said(folder: Path) -> tuple[str, datetime]:
    """Give the id of a flight and when it was flown (UTC)."""
    item = folder / ITEM
    if not item.is_file():
        return folder.name, load_model(folder / FORM, _Form).flown.astimezone(UTC)
    content = _item(item)
    flown = datetime.fromisoformat(content["properties"]["datetime"])
    return str(content["id"]), flown.astimezone(UTC)


def _shown(folder: Path, frame: BaseGeometry) -> BaseGeometry:
    """Give the outline of a flight's picture (lon/lat) as its item has it, inside the frame."""
    item = folder / ITEM
    said = _item(item).get("geometry") if item.is_file() else None
    if not said:
        return frame
    try:
        ground = shapely.make_valid(shape(said)).intersection(frame)
    except (ShapelyError, KeyError, TypeError, ValueError) as error:
        raise ConfigurationError(
            f"{item} is damaged: its geometry is none ({type(error).__name__})"
        ) from error
    return ground if ground.area > 0 else frame  # of photos an item has the points


def _fingerprint(folder: Path, flown: datetime) -> str:
    sums = hashlib.sha256(flown.isoformat().encode())
    for name in (ORTHO, DSM):
        path = folder / name
        if path.is_file():
            with path.open("rb") as stream:
                sums.update(hashlib.file_digest(stream, "sha256").digest())
    return sums.hexdigest()


@dataclass(frozen=True)
class DiskFlight:
    """A :class:`pipeline.model.FlightReader` of rasters on disk.

    Each window is sampled by itself, from overviews where ``step`` allows: nothing is held but what
    is returned and GDAL's cache of blocks. Threads share no open file; each keeps its own open,
    because neighbouring windows need the same blocks.
    """

    folder: Path
    grid: Grid  # that both flights of a pair share
    surface: bool  # whether heights are read
    by: PixelMap = SAME  # where the grid's pixels are read
    held: HeldRasters = field(default_factory=HeldRasters, compare=False, repr=False)

    def through(self, by: PixelMap) -> DiskFlight:
        """Give the same flight read through one more map, in the same sampling."""
        return replace(self, by=self.by.after(by))

    def __call__(self, window: Window, step: int) -> FlightPixels:
        """Read a window.

        Raises
        ------
        SceneUnusableError
            A raster that cannot be read to its end.
        """
        places = Places(self.grid, window, step, self.by)
        colour, valid = self._read(ORTHO, places, read_colours)
        height = self._read(DSM, places, read_heights) if self.surface else None
        return FlightPixels(colour, valid, height)

    def _read(self, name: str, places: Places, take: Callable[[HeldRasters, Path, Places], A]) -> A:
        path = self.folder / name
        try:
            return take(self.held, path, places)
        except RasterioError as error:
            raise SceneUnusableError(
                f"{path} cannot be read to its end", "Restore the file, or submit the flight again"
            ) from error


@contextmanager
def reading_flights() -> Generator[None]:
    """Bound what GDAL keeps of the blocks it decoded, whatever the machine's memory."""
    with rasterio.Env(GDAL_CACHEMAX=GDAL_CACHE_BYTES):
        yield
