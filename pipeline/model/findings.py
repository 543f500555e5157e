"""Sightings, looks, evidence and candidates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from pipeline.model.words import EvidenceState, Kind, Seen


@dataclass(frozen=True)
class Sighting:
    """One object on one date: a 图斑, not yet a case.

    Pixels are indices into the corridor's grid, sorted by row then column, so that two sightings
    compare without rasterising.
    """

    kind: Kind
    pass_id: str
    on: datetime  # UTC
    rows: NDArray[np.int32]
    cols: NDArray[np.int32]
    score: float  # 0..1 strength on this date alone
    measures: Mapping[str, float]
    certain: bool  # false: cannot be told from a mere change of level; stays on watch as 待核


PICTURE = "picture_"
"""Ids of passes that are uncalibrated pictures begin so."""


PICTURES = "image-change/1"
"""The detector of what uncalibrated pictures show; nothing of it can be followed."""


DRONE = "drone"
"""The sensor of a look from a drone's flight."""


DRONE_SURFACES = "drone/1"
"""The detector of what two surfaces of a drone show."""


DRONE_PICTURES = "drone-picture/1"
"""The detector of what two orthomosaics show where there is no surface to hold them against."""


DRONE_SINGLE = "drone-single/1"
"""The detector of what stands out of the ground at one flight, where there is no earlier one."""


DRONE_DETECTORS = (DRONE_SURFACES, DRONE_PICTURES, DRONE_SINGLE)
"""Detectors that saw from a drone."""


@dataclass(frozen=True, slots=True)
class Look:
    """What one pass says of one tracked object; a clear miss is an observation too."""

    on: datetime  # UTC
    pass_id: str
    sensor: str
    clear_share: float  # 0..1 of the object's pixels
    seen: Seen
    certain: bool = True
    level_rank: float | None = None
    residual_m: float | None = None
    level_least: float | None = None  # rank that the level surely reached; None: not known
    pending: bool = False  # a hit that only the time the object has stood keeps from being certain
    strong: bool = False  # a hit of many pixels with nothing to wait for: few such confirm
    undoes: bool = False  # a miss after which hits that only waited say nothing of what comes

    @property
    def of_picture(self) -> bool:
        """Whether it is a look at an uncalibrated picture, or of one flight: it decides nothing."""
        return self.pass_id.startswith(PICTURE)

    @property
    def of_drone(self) -> bool:
        """Whether a drone looked; what satellites say afterwards does not replace it."""
        return self.sensor == DRONE

    @property
    def of_surface(self) -> bool:
        """Whether two surfaces of a drone show it: one such look confirms."""
        return self.of_drone and self.certain and self.seen is Seen.HIT

    @property
    def rules_out(self) -> bool:
        """Whether a drone's surfaces show the ground without it: one such look ends it."""
        return self.of_drone and self.certain and self.seen is Seen.MISS

    @property
    def of_earlier_flight(self) -> bool:
        """Whether it is the earlier flight of a pair: the ground without what the later one shows.

        It says after when something appeared. Of what was seen by then, and has grown, it is
        silent.
        """
        return self.of_drone and not self.certain and self.seen is Seen.MISS


@dataclass(frozen=True, slots=True)
class Evidence:
    """The fold over looks."""

    state: EvidenceState
    hits: int
    misses: int
    clear_looks: int
    first_seen: datetime | None
    last_seen: datetime | None
    appeared_after: datetime | None  # last clear look without it before the first hit
    frozen: bool  # nobody could look since the last verdict of the fold


@dataclass(frozen=True)
class Candidate:
    """A tracked object with all its looks, ready for adjudication and the ledger."""

    kind: Kind
    corridor_id: str
    polygon: BaseGeometry  # grid CRS, m; valid Polygon or MultiPolygon
    crs: str  # of polygon, e.g. "EPSG:32649"
    area_m2: float
    looks: tuple[Look, ...]  # time order
    evidence: Evidence
    score: float  # 0..1, not yet calibrated
    measures: Mapping[str, float]
    scene_ids: tuple[str, ...]
    detector: str  # "zhan/1"
    # Ids of known cases at its place that it is not, however much of the ground they share.
    apart_from: frozenset[str] = frozenset()

    @property
    def seen_on(self) -> frozenset[str]:
        """Passes that saw it."""
        return frozenset(k.pass_id for k in self.looks if k.seen is Seen.HIT)

    @property
    def of_pictures(self) -> bool:
        """Whether it rests on pictures alone, uncalibrated ones or a drone's, or on one flight."""
        return self.detector in (PICTURES, DRONE_PICTURES, DRONE_SINGLE)

    @property
    def of_drone(self) -> bool:
        """Whether its outline is a drone's."""
        return self.detector in DRONE_DETECTORS
