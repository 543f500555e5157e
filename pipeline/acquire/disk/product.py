"""One recognised product, before any of its pixels is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from shapely.geometry.base import BaseGeometry

from pipeline.io.archives import Package


class How(StrEnum):
    """How its pixels become readable."""

    TRANSCODE = "transcode"  # JPEG 2000: written once as tiled GeoTIFF
    READ = "read"  # as it lies; unpacked first if it lies in an archive
    ORTHO = "ortho"  # without georeference: orthorectified once


@dataclass(frozen=True, slots=True)
class File:
    """A member that carries bands."""

    member: str
    size: int | None = None  # bytes that the product's own manifest states
    checksum: tuple[str, str] | None = None  # (name of the algorithm, hexadecimal digest)
    beside: tuple[str, ...] = ()  # members that must lie beside it (.rpb)


@dataclass(frozen=True, slots=True)
class BandOf:
    """A band inside a file; ``reflectance = DN * scale + offset``, None for classes."""

    file: str  # key of Product.files
    scale: float | None
    offset: float | None


@dataclass(frozen=True, slots=True)
class Product:
    """A product that was recognised and whose metadata hold together."""

    id: str
    sensor: str  # band table in config/sensors
    acquired: datetime  # UTC; of a mosaic the end of its range
    footprint_wgs84: BaseGeometry
    package: Package
    how: How
    files: Mapping[str, File]
    bands: Mapping[str, BandOf]
    gsd_m: float
    properties: Mapping[str, Any] = field(default_factory=dict)  # of the STAC item

    @property
    def where(self) -> str:
        """Path for messages."""
        return str(self.package.path)
