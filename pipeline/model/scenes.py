"""Scenes, passes, and what is found of each before it is judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from shapely.geometry.base import BaseGeometry

from pipeline.access import Access


@dataclass(frozen=True, slots=True)
class Asset:
    """One band of one scene as a file.

    ``reflectance = DN * scale + offset`` where DN is not ``nodata``; categorical bands (``scl``)
    have scale 1 and offset 0.
    """

    band: str  # common name: blue green red nir rededge1..3 nir08 swir16 swir22 scl
    href: str  # http(s) URL or absolute path
    band_index: int  # 1-based band inside the file
    scale: float
    offset: float
    nodata: float | None  # DN
    gsd_m: float  # ground sample distance [m]
    decode: str = ""  # of classes: "" for SCL's own codes, "qa_pixel" for Landsat's bits
    access: Access | None = None  # how its catalogue is read; None: nothing special


@dataclass(frozen=True, slots=True)
class Scene:
    """One item of a catalogue, checked, before any pixel is read."""

    id: str  # no other scene of a corridor has it
    sensor: str  # key of config/sensors, e.g. "sentinel-2-l2a"
    platform: str  # e.g. "sentinel-2a"; "" if unknown
    acquired: datetime  # UTC
    footprint_wgs84: BaseGeometry
    assets: Mapping[str, Asset]  # by band
    tile: str  # MGRS square or path/row; "" if the source has none
    datatake: str  # id of the datatake; "" if the source has none
    baseline: str  # processing baseline, "05.09"; "" if unknown
    sun_azimuth_deg: float | None  # clockwise from north
    sun_elevation_deg: float | None
    cloud_share: float | None  # 0..1, as the producer says
    properties: Mapping[str, Any] = field(default_factory=dict)
    listed_as: str = ""  # its catalogue's id for it, where another scene has the same; "": ``id``

    @property
    def catalogue_id(self) -> str:
        """What its catalogue calls it: what stores know it by, whatever sources are added."""
        return self.listed_as or self.id


@dataclass(frozen=True, slots=True)
class Pass:
    """Scenes of one overflight of one sensor, mosaicked when read; first valid scene wins."""

    id: str  # "20240105T030112_sentinel-2a_sentinel-2-l2a": datatake or day, platform, sensor
    sensor: str
    acquired: datetime  # UTC, of the earliest scene
    scenes: tuple[Scene, ...]  # sorted by id


@dataclass(frozen=True, slots=True, order=True)
class SetAside:
    """An input that was not used, by name, with the reason and the remedy."""

    what: str  # id of the scene, pass or file
    stage: str  # acquire | gather | prepare | detect
    reason: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Level:
    """Water level of one reach on one date, as a rank and not in metres.

    ``rank`` 0..1: share of the ever-wet pixels of the reach expected to be wet; ``saturated`` when
    the water was lower than the history has ever seen it (then the rank says only "below").
    """

    rank: float
    saturated: bool
    misfit: float  # 0..1, share of pixels that contradict the fitted rank
    pixels: int  # clear pixels that voted
    least: float | None = None  # rank that it surely reached; None: too little ground tells


@dataclass(frozen=True, slots=True)
class DateQuality:
    """What the reach-wide reduction says of one pass."""

    pass_id: str
    shift_px: tuple[float, float]  # (row, col) to add to grid coordinates to find the pixel
    residual_m: float  # registration residual rho after the shift, 1 sigma
    reflectance_offset: float  # added to all bands by the dark-target check; 0.0 normally
    clear_share: float  # 0..1 of the corridor
    changed_stable_share: float  # 0..1 of stable ground that looks changed
