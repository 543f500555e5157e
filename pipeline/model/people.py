"""What people say of a case, and what is reckoned for them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Literal

from pipeline.model.words import Kind


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
