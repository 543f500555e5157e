"""What a workflow says of a disk."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

_STRICT = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


def known_zone(value: str) -> str:
    """Check the name of a time zone."""
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(f"no time zone is called '{value}' (try Asia/Shanghai)") from error
    return value


class DemOptions(BaseModel):
    """The office's terrain model, for products without a georeference."""

    model_config = _STRICT

    path: str = Field(description="raster of heights [m] with a CRS, relative to the workflow")
    heights: Literal["ellipsoid", "geoid"] = Field(
        description="above the WGS 84 ellipsoid, or above the geoid (EGM, 1985 国家高程基准)"
    )
    undulation_m: float | None = Field(
        default=None,
        ge=-110,
        le=90,
        description="height of the geoid above the ellipsoid here [m]; needed for 'geoid'",
    )

    @model_validator(mode="after")
    def _complete(self) -> DemOptions:
        if self.heights == "geoid" and self.undulation_m is None:
            raise ValueError(
                "heights above the geoid need undulation_m, the geoid's own height above the "
                "ellipsoid there (in southern China some -10 to -30 m)"
            )
        if self.heights == "ellipsoid" and self.undulation_m is not None:
            raise ValueError("heights above the ellipsoid take no undulation_m")
        return self


class DateLayer(BaseModel):
    """Polygons that say when each part of a mosaic was taken."""

    model_config = _STRICT

    file: str = Field(description="vector file, relative to the workflow")
    field: str = Field(description="its date field: a date, or text such as 2023-11-05")


class MosaicOptions(BaseModel):
    """An 8-bit mosaic, whose file says nothing of its dates."""

    model_config = _STRICT

    pattern: str = Field(description="names of its files, for example '*_mosaic.tif'")
    start: date | None = Field(default=None, alias="from", description="first day it may show")
    end: date | None = Field(default=None, alias="to", description="last day it may show")
    dates: DateLayer | None = Field(default=None, description="instead of from and to")
    zone: str = Field(description="IANA time zone of the dates")

    _zone = field_validator("zone")(known_zone)

    @model_validator(mode="after")
    def _dated(self) -> MosaicOptions:
        if (self.dates is None) != (self.start is not None and self.end is not None):
            raise ValueError("a mosaic needs either from and to, or dates")
        if self.start and self.end and self.end < self.start:
            raise ValueError(f"the mosaic ends ({self.end}) before it begins ({self.start})")
        return self

    def instants(self, first: date, last: date) -> tuple[datetime, datetime]:
        """Give the start of the first and the end of the last day, UTC."""
        zone = ZoneInfo(self.zone)
        begin = datetime.combine(first, time(), zone)
        return begin.astimezone(UTC), datetime.combine(last, time(23, 59, 59), zone).astimezone(UTC)


class DiskSource(BaseModel):
    """A folder full of product folders and archives."""

    model_config = _STRICT

    type: Literal["disk"] = "disk"
    path: str = Field(description="the folder, relative to the workflow")
    dem: DemOptions | None = Field(
        default=None, description="terrain for products without a georeference (GF, ZY level 1A)"
    )
    gaofen_zone: str = Field(
        default="Asia/Shanghai",
        description="IANA time zone of the times in GF and ZY metadata; checked against the sun",
    )
    mosaics: tuple[MosaicOptions, ...] = Field(
        default=(), description="8-bit mosaics and when they were taken"
    )
    max_unpacked_gb: float = Field(
        default=20.0, gt=0, le=1000, description="an archive that unpacks to more is refused [GiB]"
    )

    _zone = field_validator("gaofen_zone")(known_zone)

    def anchored(self, base: Path) -> DiskSource:
        """Give the source with relative paths made absolute."""

        def absolute(path: str) -> str:
            return str((base / path).resolve())

        dem = self.dem and self.dem.model_copy(update={"path": absolute(self.dem.path)})
        mosaics = tuple(
            m
            if m.dates is None
            else m.model_copy(
                update={"dates": m.dates.model_copy(update={"file": absolute(m.dates.file)})}
            )
            for m in self.mosaics
        )
        return self.model_copy(update={"path": absolute(self.path), "dem": dem, "mosaics": mosaics})
