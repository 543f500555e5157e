"""Cases of the ledger, and what a run says beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from shapely.geometry.base import BaseGeometry

from pipeline.model.days import OFFICE_ZONE
from pipeline.model.findings import (
    DRONE_DETECTORS,
    DRONE_PICTURES,
    DRONE_SINGLE,
    PICTURES,
    Evidence,
    Look,
)
from pipeline.model.people import (
    LEAD_OUTLINE,
    LEAD_POINT,
    Grade,
    Lead,
    PeopleRecord,
    ReceiverAnswer,
)
from pipeline.model.places import (
    DECIDED_BY_PEOPLE,
    Attribution,
    Ruling,
)
from pipeline.model.scenes import SetAside
from pipeline.model.words import Kind, Seen, Status

RESTORED = "已恢复"
"""What imagery proposes where something is gone."""


UNRESTORED = "未恢复"
"""What imagery proposes where something is still seen."""


RELAPSE = "回弹"
"""What imagery proposes where something came back."""


@dataclass(frozen=True)
class Standing:
    """What stood at a place before a patrol, as far as the ledger knew when the patrol came."""

    outline: BaseGeometry  # imagery's own, in crs, m
    crs: str
    detector: str
    first_seen: datetime  # UTC
    shown: tuple[str, ...]  # passes from then to the patrol that showed it, sorted
    missed: tuple[str, ...]  # those that did not, sorted


@dataclass(frozen=True)
class Inherited:
    """How a patrol found a case in the ledger when it first came upon it.

    Looks before the patrol can only have been touched by what stood there then. What its own looks
    made of the case since must not change its history, or no rerun would say the same.
    """

    start: datetime  # of the patrol, UTC
    pieces: tuple[Standing, ...] = ()  # none: nobody had seen it before this patrol


NO_SWIR = "no_swir"
"""Measure of what no look with short-wave infrared has shown; what one has does not have it."""

_KINDS_APART, _EPSILON = 0.15, 1e-9  # scores nearer than this are not told apart

_SEEN_TO_BE = frozenset({Status.VERIFIED, Status.RECTIFYING, Status.CLOSED, Status.RELAPSED})
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
    inherited: Inherited | None = None  # by the patrol that last came upon it; None: by none yet

    @property
    def kinds_alike(self) -> tuple[Kind, ...]:
        """Its kind, and those that imagery does not tell from it: as good or nearly (science, 4).

        Best first; the kind alone where no others were weighed, or where people have said it or
        have verified the case as it is.
        """
        if self.kind_settled:
            return (self.kind,)
        scores = {k: self.measures.get(f"kind_{k.value}", 0.0) for k in Kind}
        least = scores[self.kind] - _KINDS_APART
        others = [k for k in Kind if k is not self.kind and scores[k] > max(0.0, least - _EPSILON)]
        return (self.kind, *sorted(others, key=lambda k: -scores[k]))

    @property
    def verified(self) -> bool:
        """Whether people have verified it, whatever became of it since."""
        return self.status in _SEEN_TO_BE

    @property
    def kind_settled(self) -> bool:
        """Whether people have said its kind, or verified the case as it is: imagery leaves it."""
        return self.verified or (self.people is not None and self.people.kind_fixed)

    @property
    def unsupported(self) -> bool:
        """Whether all imagery that showed it was taken back: it rests on superseded flights."""
        return self.of_drone and self.evidence.hits == 0 and not self.leads

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
        if first is None or first >= start:
            return Inherited(start)
        before = [k for k in self.looks if first <= k.on < start]
        shown, missed = (
            tuple(sorted(k.pass_id for k in before if k.seen is seen))
            for seen in (Seen.HIT, Seen.MISS)
        )
        piece = Standing(self.seen_polygon, self.crs, self.detector, first, shown, missed)
        return Inherited(start, (piece,))

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
    cpu_seconds: Mapping[str, float] = field(default_factory=dict[str, float])  # of this process
    zone: str = OFFICE_ZONE.key  # whose day the period ends on, for names of folders

    @property
    def last_day(self) -> date:
        """The last day of the period, in its zone."""
        return self.period[1].astimezone(ZoneInfo(self.zone)).date()
