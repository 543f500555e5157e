"""Band tables: what a source calls its bands, and how its numbers become reflectance."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from pipeline.errors import ConfigurationError
from pipeline.io.settings import load_model
from pipeline.model import Asset

REQUIRED = ("green", "red", "nir")
"""Without which a scene is no scene."""
JUDGED_BY = ("blue", *REQUIRED)
"""Without which a look is set aside: near infrared tells water and plants, blue tells clouds."""
READ = (*JUDGED_BY, "nir08", "swir16", "swir22", "scl")
"""All that is read."""
# Of STAC's electro-optical extension (2.0) and its first version: a table may name them.
_UNREAD = (
    *("pan", "coastal", "green05", "yellow", "nir09", "cirrus", "lwir", "lwir11", "lwir12"),
    *("rededge", "rededge071", "rededge075", "rededge078", "rededge1", "rededge2", "rededge3"),
)
_STRICT = ConfigDict(frozen=True, extra="forbid")


def nearest(name: str, known: Iterable[str]) -> str:
    """Give " (did you mean 'swir16'?)" where a name is like a known one, else ""."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean '{near[0]}'?)" if near else ""


class Band(BaseModel):
    """One band of a sensor."""

    model_config = _STRICT

    keys: tuple[str, ...] = Field(
        default=(), description="asset keys, or names of files of a folder, that may carry it"
    )
    called: tuple[str, ...] = Field(
        default=(), description="what a file may call it beside keys, in its band descriptions"
    )
    index: int = Field(default=1, ge=1, description="1-based band inside a stacked file")
    gsd_m: float = Field(gt=0, description="ground sample distance [m]")
    scale: float | None = Field(default=None, description="default: the sensor's")
    offset: float | None = Field(default=None, description="default: the sensor's")
    decode: Literal["", "qa_pixel"] = Field(
        default="", description="what the codes of a band of classes are, if not SCL's own"
    )


class Camera(BaseModel):
    """How numbers of one camera become radiance and reflectance; ``*`` holds for all cameras."""

    model_config = _STRICT

    gain: Mapping[str, float] = Field(description="by band [W m-2 sr-1 um-1 per number]")
    bias: Mapping[str, float] = Field(default={}, description="by band [W m-2 sr-1 um-1]")
    esun: Mapping[str, float] = Field(description="solar irradiance by band [W m-2 um-1]")


class Calibration(BaseModel):
    """Absolute calibration, for products whose own metadata give none."""

    model_config = _STRICT

    verified: bool = Field(description="false until somebody checked it against its publisher")
    stated_gains: int | None = Field(
        default=None, ge=1, description="gains in a product's XML; default: the highest index"
    )
    cameras: Mapping[str, Camera] = Field(description='by name: "GF1 PMS1", "PMS1", or "*"')

    def camera(self, satellite: str, name: str) -> Camera | None:
        """Give the values of a camera, or None."""
        keys = (f"{satellite} {name}", name, satellite, "*")
        return next((self.cameras[k] for k in keys if k in self.cameras), None)


class SinceBaseline(BaseModel):
    """An offset that a processing baseline introduced."""

    model_config = _STRICT

    baseline: str = Field(pattern=r"^\d\d\.\d\d$", description="first baseline with the offset")
    offset: float = Field(description="added after scaling [reflectance]")


class SensorTable(BaseModel):
    """A band table of ``config/sensors``."""

    model_config = _STRICT

    name: str
    title: str
    source: str = Field(description="where the numbers come from")
    scale: float = Field(gt=0, description="reflectance per digital number")
    offset: float = Field(default=0.0, description="added after scaling [reflectance]")
    since: SinceBaseline | None = None
    nodata: float | None = Field(default=None, description="digital number without data")
    bands_in_file: int | None = Field(
        default=None, ge=1, description="of a stacked file; one with another number is not read"
    )
    calibration: Calibration | None = None
    bands: dict[str, Band]

    @field_validator("bands")
    @classmethod
    def _known_bands(cls, value: dict[str, Band]) -> dict[str, Band]:
        """Refuse misspelt bands: without them a table reads on, without SWIR or classes."""
        unknown = [b for b in value if b not in (*READ, *_UNREAD)]
        if unknown:
            named = ", ".join(f"'{b}'{nearest(b, READ)}" for b in unknown)
            raise ValueError(f"no band is called {named}; bands that are read: {', '.join(READ)}")
        return value

    def default_offset(self, baseline: str) -> float:
        """Give the offset for a processing baseline ("05.09"; "" if unknown)."""
        if self.since is not None and baseline and baseline >= self.since.baseline:
            return self.since.offset
        return self.offset

    def find(self, assets: dict[str, Any], band: str) -> str | None:
        """Give the key under which an item carries a band."""
        return next((k for k in (band, *self.bands[band].keys) if k in assets), None)

    def asset(self, band: str, href: str, scale: float, offset: float) -> Asset:
        """Make an asset of a band; classes (``scl``) keep their codes."""
        entry = self.bands[band]
        classes = band == "scl"
        return Asset(
            band=band,
            href=href,
            band_index=entry.index,
            scale=1.0 if classes else scale,
            offset=0.0 if classes else offset,
            nodata=self.nodata,
            gsd_m=entry.gsd_m,
            decode=entry.decode,
        )


def load_sensor_table(folder: Path, name: str) -> SensorTable:
    """Read ``folder/name.yaml``.

    Raises
    ------
    ConfigurationError
        No such table (those there are named), or it does not fit.
    """
    path = folder / f"{name}.yaml"
    if not path.exists():
        known = ", ".join(sorted(p.stem for p in folder.glob("*.yaml")))
        remedy = (
            f"Tables there: {known}"
            if known
            else "No table is there: write 'sensors: FOLDER' into the workflow, the folder of "
            "siluan's band tables (config/sensors), as seen from the workflow"
        )
        raise ConfigurationError(f"{folder} holds no band table '{name}'", remedy)
    return load_model(path, SensorTable)


def load_look_table(folder: Path, name: str) -> SensorTable:
    """Read ``folder/name.yaml`` for a source whose scenes are looks, each with the bands it needs.

    Raises
    ------
    ConfigurationError
        As :func:`load_sensor_table`, or the table has not the bands of a look.
    """
    table = load_sensor_table(folder, name)
    lacking = [b for b in JUDGED_BY if b not in table.bands]
    if lacking:
        why = "three colours alone tell neither water nor plants"
        raise ConfigurationError(
            f"the band table {folder / name}.yaml has no {', '.join(lacking)}, and a satellite's "
            "look is judged by blue, green, red and nir"
            f"{f': {why}' if 'nir' in lacking else ''}",
            "Give images with these bands, and a table that names them (docs/folders.md); "
            "mosaics of colours are taken from a drone (docs/flights.md), or as 'mosaics' of a "
            "disk (docs/disk.md)",
        )
    return table
