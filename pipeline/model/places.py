"""Corridors, reaches, and what the office's layers say of a place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from shapely.geometry.base import BaseGeometry


@dataclass(frozen=True, slots=True)
class Reach:
    """A stretch of corridor that shares one water level on one date."""

    index: int  # 1-based; 0 in a reach raster means outside
    id: str
    polygon: BaseGeometry  # grid CRS


@dataclass(frozen=True, slots=True)
class Corridor:
    """A river or reservoir as the office configures it; a working geometry, never a legal one."""

    id: str
    name_zh: str
    water: str  # "river" | "reservoir"
    polygon_wgs84: BaseGeometry  # where cases may lie
    centreline_wgs84: BaseGeometry | None
    accuracy_m: float  # of the geometry
    provenance: str
    reach_length_m: float = 5000.0
    centreline_accuracy_m: float | None = None  # where it is another than the polygon's
    chainage_from_m: float = 0.0  # 桩号 of the first point of the centreline [m]
    downstream_known: bool = True  # the centreline runs downstream; else no chainage and no bank


@dataclass(frozen=True)
class LayerArea:
    """One feature of a layer that the office imported."""

    geometry: BaseGeometry  # lon/lat (CGCS2000, taken for WGS 84)
    fields: Mapping[str, str | None]
    verified: bool = True  # its position was held against something known
    answered_by: str | None = None  # who answers for a position that was not, or that looked wrong

    @property
    def trusted(self) -> bool:
        """Whether a case may be put aside because of where it lies."""
        return self.verified or self.answered_by is not None


@dataclass(frozen=True, slots=True)
class PermitRef:
    """A permit or authorised works that a case lies in; ISO days."""

    id: str  # of the permit, or the name of the works
    valid_from: str | None
    valid_to: str | None
    layer: Literal["permits", "works"] = "permits"


@dataclass(frozen=True, slots=True)
class Spoken:
    """What one rule says of a case."""

    code: str  # stable
    says: Literal["against", "for", "note"]  # that the case deserves an official's time
    text: str  # for the reader, Chinese


DECIDED_BY_PEOPLE = "decided-by-people"
"""Code of the rule that people decided on a case and that it is still the same."""


@dataclass(frozen=True)
class Ruling:
    """What the office's layers say of a case; it moves no status and ends no evidence."""

    outcome: Literal["kept", "suppressed"] = "kept"
    rule: str | None = None  # code of the rule that suppresses; the first, where several do
    spoken: tuple[Spoken, ...] = ()  # against, for, notes; each in the order of the rules
    permit: PermitRef | None = None  # of those it lies in, the one that holds most of it
    overrun_m2: float | None = None  # beyond what is permitted, where that is the reason

    @property
    def word(self) -> str:
        """The outcome in a word, with the rule: ``kept``, ``suppressed:works-valid``."""
        return self.outcome if self.rule is None else f"{self.outcome}:{self.rule}"


@dataclass(frozen=True, slots=True)
class Visit:
    """One place on watch in the order of flights and visits."""

    rank: int  # 1 is first, of the run
    score: float  # for ordering only, no probability
    why: tuple[str, ...]  # what keeps it on watch, Chinese, for the reader


@dataclass(frozen=True)
class Attribution:
    """Where a case lies; null where the office has not supplied the layer."""

    chainage_m: float | None = None
    chainage_accuracy_m: float | None = None
    bank: Literal["left", "right"] | None = None  # looking downstream
    county_code: str | None = None
    county_zh: str | None = None
    township_code: str | None = None
    township_zh: str | None = None
    reservoir_zh: str | None = None
    in_management_area: Literal["yes", "no", "unknown"] = "unknown"
    boundary_used: Literal["legal", "working"] = "working"
    zone: str | None = None
    no_mining: str | None = None
    boundary_verified: bool = False  # somebody knows that the boundary asked is where it says
    notes: tuple[str, ...] = ()  # for the reader, Chinese
    # Of the no-mining area on the day of the first sighting; None: no area, or no day.
    no_mining_in_force: Literal["yes", "no", "unknown"] | None = None
