"""The frozen types that pass between stages.

Conventions, everywhere: times are timezone-aware UTC; reflectance is a float32 ratio (it may leave
0..1); arrays are indexed ``[time, row, column]``; row 0 is the northern edge; a mask is true where
it says yes (``clear`` is true where the ground was seen); areas are in m², distances in m.
Geometry in WGS 84 (EPSG:4326, lon/lat) is called ``*_wgs84``; all other geometry is in the CRS of
the grid it travels with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import IntEnum, StrEnum
from typing import Any, Literal, Protocol

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from pipeline.access import Access


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """Half-open pixel ranges ``[row0, row1) x [col0, col1)``; may reach outside the grid."""

    row0: int
    row1: int
    col0: int
    col1: int

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        return self.row1 - self.row0, self.col1 - self.col0

    @property
    def slices(self) -> tuple[slice, slice]:
        """For indexing an array that covers the whole grid."""
        return slice(self.row0, self.row1), slice(self.col0, self.col1)

    def pad(self, pixels: int) -> Window:
        """Grown by ``pixels`` on each side."""
        return Window(
            self.row0 - pixels, self.row1 + pixels, self.col0 - pixels, self.col1 + pixels
        )

    def intersect(self, other: Window) -> Window | None:
        """Give the common part, or None."""
        r0, r1 = max(self.row0, other.row0), min(self.row1, other.row1)
        c0, c1 = max(self.col0, other.col0), min(self.col1, other.col1)
        return Window(r0, r1, c0, c1) if r0 < r1 and c0 < c1 else None

    def within(self, outer: Window) -> tuple[slice, slice]:
        """Slices of this window inside an array that covers ``outer``."""
        return (
            slice(self.row0 - outer.row0, self.row1 - outer.row0),
            slice(self.col0 - outer.col0, self.col1 - outer.col0),
        )


@dataclass(frozen=True, slots=True)
class Grid:
    """A north-up raster geometry.

    ``crs`` is an authority string ("EPSG:32649"); ``transform`` maps (col, row) of a pixel corner
    to (x, y); ``shape`` is (rows, columns).
    """

    crs: str
    transform: Affine
    shape: tuple[int, int]

    @property
    def res_m(self) -> float:
        """Pixel size [m] (CRS units)."""
        return float(self.transform.a)

    @property
    def pixel_area_m2(self) -> float:
        """Area of a pixel [m²]."""
        return abs(self.transform.a * self.transform.e)

    @property
    def window(self) -> Window:
        """All of it."""
        return Window(0, self.shape[0], 0, self.shape[1])

    def sub(self, window: Window) -> Grid:
        """Give the grid of a window of this grid."""
        return Grid(
            self.crs, self.transform * Affine.translation(window.col0, window.row0), window.shape
        )

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """(left, bottom, right, top) in CRS units."""
        t = self.transform
        return t.c, t.f + self.shape[0] * t.e, t.c + self.shape[1] * t.a, t.f


@dataclass(frozen=True, slots=True)
class Tile:
    """A window that a worker owns (``core``) and what it may look at (``halo``, core included)."""

    core: Window
    halo: Window


class Kind(StrEnum):
    """The four chaos (四乱)."""

    ZHAN = "zhan"
    CAI = "cai"
    DUI = "dui"
    JIAN = "jian"

    @property
    def zh(self) -> str:
        """The Chinese word."""
        return {"zhan": "乱占", "cai": "乱采", "dui": "乱堆", "jian": "乱建"}[self.value]


class EvidenceState(StrEnum):
    """Moved by imagery alone (contracts.md, *Two states, never mixed*)."""

    FIRST = "first"
    PROVISIONAL = "provisional"
    SUSPECTED = "suspected"
    EXPIRED = "expired"
    RELAPSED = "relapsed"


class Status(StrEnum):
    """Moved by people; imagery only opens a case as ``watch`` or ``suspected``."""

    WATCH = "watch"
    SUSPECTED = "suspected"
    ISSUED = "issued"
    VERIFIED = "verified"
    REJECTED = "rejected"
    PERMITTED = "permitted"
    RECTIFYING = "rectifying"
    CLOSED = "closed"
    RELAPSED = "relapsed"
    WITHDRAWN = "withdrawn"


class Seen(StrEnum):
    """What one look says of one object."""

    HIT = "hit"
    MISS = "miss"
    UNKNOWN = "unknown"


class Ground(IntEnum):
    """What one look says of one pixel (uint8 code)."""

    UNKNOWN = 0  # not clear, no data, or too close to the threshold to say
    WET = 1
    DRY = 2  # bare, built, or sparsely vegetated
    GREEN = 3  # vegetation dense enough to be afloat or to hide what is below


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

    id: str
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


@dataclass(frozen=True, slots=True)
class DateQuality:
    """What the reach-wide reduction says of one pass."""

    pass_id: str
    shift_px: tuple[float, float]  # (row, col) to add to grid coordinates to find the pixel
    residual_m: float  # registration residual rho after the shift, 1 sigma
    reflectance_offset: float  # added to all bands by the dark-target check; 0.0 normally
    clear_share: float  # 0..1 of the corridor
    changed_stable_share: float  # 0..1 of stable ground that looks changed


class Cover(IntEnum):
    """What one flight says of one cell (uint8 code)."""

    VOID = 0  # no picture
    GROUND = 1  # bare, built or sealed: its surface can be compared
    VEGETATION = 2  # green and rough: its surface moves with wind and season
    WATER = 3  # has no surface
    GRASS = 4  # green and smooth: it hides a little of the ground


@dataclass(frozen=True)
class FlightPixels:
    """A window of one flight as its reader gives it; pixels outside the mosaic are not valid."""

    colour: NDArray[Any]  # uint8 or uint16 (band, H, W): red, green, blue, then maybe near infrared
    valid: NDArray[np.bool_]  # (H, W) has a picture
    height: NDArray[np.float32] | None  # (H, W) surface [m], NaN where there is none


class FlightReader(Protocol):
    """Gives windows of one flight on a grid that both flights of a pair share.

    ``window`` counts full pixels and may reach outside the mosaic; ``step`` asks for one value per
    ``step`` by ``step`` pixels (an overview will do), shape ``ceil(window.shape / step)``.
    """

    def __call__(self, window: Window, step: int) -> FlightPixels:
        """Read."""
        ...


@dataclass(frozen=True)
class FlightCells:
    """A window of one flight in cells of a few pixels."""

    colour: NDArray[np.float32]  # (3, H, W) red, green, blue as shares of full scale, 0..1
    nir: NDArray[np.float32] | None  # (H, W), the same
    valid: NDArray[np.bool_]  # (H, W) more than half of the cell has a picture
    height: NDArray[np.float32] | None  # (H, W) [m], NaN where less than half has a surface
    cell_m: float  # side of a cell [m]


@dataclass(frozen=True)
class SurfaceNoise:
    """How much two co-registered surfaces of unchanged ground differ.

    ``sigma_m`` [m] is of the difference of one cell, by class of slope and of roughness, whose
    upper bounds are ``slopes`` [1] and ``roughs`` [m]. The correlation at a distance h [m] is
    ``sum(shares * exp(-(h / ranges_m) ** powers))``; a share of range 0 is the cell's own.
    """

    slopes: tuple[float, ...]  # ascending, one less than rows of sigma_m
    roughs: tuple[float, ...]  # ascending, one less than columns of sigma_m
    sigma_m: NDArray[np.float64]  # (slope, rough)
    ranges_m: tuple[float, ...]
    powers: tuple[int, ...]  # 1 exponential, 2 Gaussian
    shares: tuple[float, ...]  # sum to 1


@dataclass(frozen=True)
class SurfaceFit:
    """What moves the later surface onto the earlier one.

    ``after(row + shift[0], col + shift[1]) - plane`` is comparable with ``before(row, col)``, with
    ``plane = tilt[0] + tilt[1] * (row - middle[0]) + tilt[2] * (col - middle[1])``; all in metres
    from the grid's corner, rows southwards.
    """

    shift_m: tuple[float, float]
    tilt: tuple[float, float, float]  # [m], [1], [1]
    middle_m: tuple[float, float]
    covariance: NDArray[np.float64]  # (5, 5) of tilt and shift, what is left of their errors
    horizontal_by: Literal["surface", "picture"]
    stable_share: float  # 0..1 of the cells that both surfaces show
    nmad_m: float  # of stable ground after the fit
    residual_m: NDArray[np.float32]  # (8, 8) median of stable ground by block, NaN without any

    def plane(self, rows_m: NDArray[Any], cols_m: NDArray[Any]) -> NDArray[np.float32]:
        """Give what to take off the later surface at these places [m]."""
        c0, cr, cc = self.tilt
        value = c0 + cr * (rows_m - self.middle_m[0]) + cc * (cols_m - self.middle_m[1])
        return np.asarray(value, np.float32)


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
    pending: bool = False  # a hit that only the time the object has stood keeps from being certain
    strong: bool = False  # a hit of many pixels with nothing to wait for: few such confirm

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

    @property
    def of_pictures(self) -> bool:
        """Whether it rests on pictures alone, uncalibrated ones or a drone's, or on one flight."""
        return self.detector in (PICTURES, DRONE_PICTURES, DRONE_SINGLE)

    @property
    def of_drone(self) -> bool:
        """Whether its outline is a drone's."""
        return self.detector in DRONE_DETECTORS


@dataclass(frozen=True, slots=True)
class PeopleRecord:
    """What named people last said of a case; imagery never changes it."""

    by: str  # who said it last
    on: date  # the day it holds for, in the office's zone (Asia/Shanghai)
    reason: str | None = None  # code of ledger.status.Reason
    verdict: str | None = None  # as the inspector wrote it, of the closed list
    note: str | None = None
    due: date | None = None  # of the rectification, in the office's zone
    overdue: bool = False  # 逾期
    on_account: bool = False  # 挂账: known, historic, under supervision
    kind_fixed: bool = False  # the kind was corrected: imagery no longer changes it
    outline_fixed: bool = False  # the same of the outline
    known_until: date | None = None  # UTC day of the last sighting that a decision knew of
    decided_on: date | None = None  # day of the last status or verdict; a note is neither
    rectified_on: date | None = None  # day after which looks say what became of a rectification
    subtype: str | None = None  # code of a sub-type that was corrected: none is suggested then
    subtype_by: str | None = None  # who corrected it


class LeadSource(StrEnum):
    """Who points at a place without an image of ours."""

    REGISTER = "register"
    LIST = "list"
    REPORT = "report"
    PATROL = "patrol"

    @property
    def zh(self) -> str:
        """The Chinese word."""
        return {
            "register": "存量台账",
            "list": "下发图斑",
            "report": "举报",
            "patrol": "巡查",
        }[self.value]


@dataclass(frozen=True, slots=True, order=True)
class Lead:
    """Somebody's word that something is at a place; who complained is never part of it."""

    on: date  # the day it speaks of, in the office's zone (Asia/Shanghai)
    source: LeadSource
    ref: str  # its number at the source
    kind: Kind  # as it was said; imagery may see another
    origin: str  # the list or office it came from; not published
    key: str  # of what was said, so that it is not said twice


LEAD_POINT = "lead-point/1"
"""The detector of a case that rests on a lead that was a point or a line: its outline is made."""

LEAD_OUTLINE = "lead-outline/1"
"""The detector of a case that rests on a lead whose outline somebody drew."""

NO_PLACE_ZH = "未定县区"
"""The pot of cases whose county is not known."""


@dataclass(frozen=True, slots=True)
class Severity:
    """How grave, by a table that is the office's to confirm."""

    grade: str  # word of the table
    verified: bool  # somebody confirmed that row
    row: int  # of the table
    measure: Literal["m2", "m3"]
    lower: float  # 95 % lower bound that decided [m², m³]


@dataclass(frozen=True, slots=True)
class Grade:
    """Sub-type and severity by configuration; a suggestion, as the kind is."""

    subtype: str | None = None  # code
    subtype_zh: str | None = None
    severity: Severity | None = None


@dataclass(frozen=True, slots=True)
class Proposed:
    """Where a case stands among those that could be issued in a month."""

    rank: int  # 1 is first, in its county
    of: int  # so many of the county could be issued
    month: str  # "2026-03", in the office's zone
    county: str  # code, else name; ``NO_PLACE_ZH`` where it is not known
    score: float  # for ordering only, no probability
    waits: str | None = None  # why it is not proposed this month, Chinese; None: it is


@dataclass(frozen=True, slots=True)
class ReceiverAnswer:
    """What a receiving case system last said of a case; it moves nothing by itself."""

    source: str  # name of the receiver
    on: date  # in the office's zone
    status: str | None = None  # in the receiver's own words
    unit: str | None = None  # responsible unit
    due: date | None = None  # as the receiver set it, in the office's zone


RESTORED = "已恢复"
"""What imagery proposes where something is gone."""

UNRESTORED = "未恢复"
"""What imagery proposes where something is still seen."""

RELAPSE = "回弹"
"""What imagery proposes where something came back."""


@dataclass(frozen=True)
class Inherited:
    """How a patrol found a case in the ledger when it first came upon it.

    Looks before the patrol can only have been touched by what the case was then. What its own looks
    made of the outline since must not change its history, or no rerun would say the same.
    """

    start: datetime  # of the patrol, UTC
    crs: str
    detector: str
    outline: BaseGeometry | None  # in crs, m; None: nobody had seen it before this patrol


_HELD = frozenset({Status.ISSUED, Status.VERIFIED, Status.RECTIFYING, Status.RELAPSED})
_DECIDED = frozenset({Status.REJECTED, Status.PERMITTED, Status.WITHDRAWN})


@dataclass(frozen=True)
class Case:
    """A tracked problem (问题) of the ledger; its id was minted once and never changes.

    What is said of it (kind, outline, evidence, status) may change; each change that a reader can
    see counts ``revision`` up, wall time never does.
    """

    case_id: str  # e.g. "ZZ-2025-zhan-3f9a1c07"
    kind: Kind
    corridor_id: str
    polygon: BaseGeometry  # in ``crs``, m; valid Polygon or MultiPolygon
    crs: str  # of polygon, e.g. "EPSG:32649"
    area_m2: float
    status: Status  # moved by people; imagery only between watch and suspected
    evidence: Evidence
    looks: tuple[Look, ...]  # of all runs, time order, one per pass
    score: float  # 0..1, not yet calibrated
    measures: Mapping[str, float]
    scene_ids: tuple[str, ...]  # of all runs, sorted
    detector: str  # "zhan/1", of the last candidate
    revision: int  # 1, 2, ...
    run_id: str  # of the run that made this revision
    code_version: str  # of that run
    config_hash: str  # of that run
    parent: str | None = None  # case it split from
    merged_from: tuple[str, ...] = ()  # younger cases that turned out to be this one, sorted
    merged_into: str | None = None  # the case that took this one over; then it is no longer open
    produced: bool = True  # false: a run over its own dates no longer produced it
    proposal: str | None = None  # what imagery proposes for an issued case: 已恢复 | 未恢复 | 回弹
    external_id: str | None = None  # id in the receiving case system
    attribution: Attribution | None = None  # by the layers of the last run that looked
    ruling: Ruling | None = None  # likewise
    people: PeopleRecord | None = None  # what people said; None: nobody yet
    traced: BaseGeometry | None = None  # imagery's own outline, in crs, where people drew another
    leads: tuple[Lead, ...] = ()  # that point at it, oldest first
    grade: Grade | None = None  # by the configuration of the last run that looked
    answer: ReceiverAnswer | None = None  # of the system that the case was handed over to
    # Start (UTC) of the earliest patrol that a look of satellites is of: what was before it was
    # history to whoever looked. None: no patrol's, or of a ledger from before there was this.
    patrolled_from: datetime | None = None
    inherited: Inherited | None = None  # by the patrol that last outlined it; None: by none yet

    @property
    def of_lead(self) -> bool:
        """Whether no imagery of ours has shown it yet: its outline and kind are a lead's."""
        return self.detector in (LEAD_POINT, LEAD_OUTLINE)

    @property
    def sized(self) -> bool:
        """Whether its area says something; that of the circle around a lead's point does not."""
        drawn = self.people is not None and self.people.outline_fixed
        return drawn or self.detector != LEAD_POINT

    @property
    def unanswered(self) -> tuple[Lead, ...]:
        """Leads that came after the last status or verdict of people: a note answers none."""
        if self.people is None:
            return self.leads
        # Ledgers of before that field know the day of whatever was said last.
        said = self.people.decided_on or self.people.on
        return tuple(k for k in self.leads if k.on > said)

    @property
    def seen_polygon(self) -> BaseGeometry:
        """Imagery's own outline, in crs: by it the case is found again."""
        return self.polygon if self.traced is None else self.traced

    def as_found(self, start: datetime) -> Inherited:
        """Give how a patrol from ``start`` (UTC) on finds it, or found it at its first run."""
        if self.inherited is not None and self.inherited.start == start:
            return self.inherited
        first = self.evidence.first_seen
        before = first is not None and first < start
        outline = self.seen_polygon if before else None
        return Inherited(start, self.crs, self.detector, outline)

    @property
    def of_pictures(self) -> bool:
        """Whether it rests on pictures alone, uncalibrated ones or a drone's, or on one flight."""
        return self.detector in (PICTURES, DRONE_PICTURES, DRONE_SINGLE)

    @property
    def of_drone(self) -> bool:
        """Whether its outline is a drone's: satellites do not see it well enough to follow it."""
        return self.detector in DRONE_DETECTORS

    @property
    def suppressed(self) -> bool:
        """Whether the office's layers, or what people decided, explain what is still seen."""
        if self.ruling is None or self.ruling.outcome != "suppressed":
            return False
        return not self.issued or (self.decided and self.ruling.rule == DECIDED_BY_PEOPLE)

    @property
    def issued(self) -> bool:
        """True once people moved it: imagery then adds evidence and never moves the status."""
        return self.status not in (Status.WATCH, Status.SUSPECTED)

    @property
    def held(self) -> bool:
        """Whether people work on it."""
        return self.status in _HELD

    @property
    def decided(self) -> bool:
        """Whether people decided that nothing is to be done; that does not hold for ever."""
        return self.status in _DECIDED


UNKNOWN_ZH = "不明"
"""What a recheck says where nobody could tell."""


@dataclass(frozen=True)
class Rechecked:
    """What newer imagery says of a case that people hold or have closed."""

    case: Case
    word: str  # 已恢复 | 未恢复 | 回弹 | 不明
    why: str  # a Chinese sentence
    since: date | None  # UTC day of the first look that says so
    after: date | None  # office's day after which looks count; None: all of them
    seen: tuple[date, ...]  # UTC days of hits that count, in order
    missed: tuple[date, ...]  # UTC days of clear misses that count
    unclear: int  # looks that count and could not see
    unseen_days: int | None  # since the last clear look that counts, or since ``after``
    looked_until: date | None  # UTC day of the newest pass over its corridor
    watch_until: date | None  # office's day on which the watch after 销号 ends


@dataclass(frozen=True, slots=True)
class NotObserved:
    """A reach that nobody could look at, and for how long."""

    corridor_id: str
    reach_id: str
    polygon_wgs84: BaseGeometry
    last_clear: date | None  # UTC date of the newest look with enough clear sky
    days: int  # up to the end of the period


@dataclass(frozen=True)
class RunRecord:
    """What a run did, for run.json."""

    run_id: str
    workflow: str
    period: tuple[datetime, datetime]
    inputs: tuple[Mapping[str, Any], ...]  # per scene: id, href(s), fingerprint
    config_hash: str
    code_version: str
    counts: Mapping[str, Any]
    seconds: Mapping[str, float]
    set_aside: tuple[SetAside, ...]
