"""The words that cases and looks are told in."""

from __future__ import annotations

from enum import IntEnum, StrEnum


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
