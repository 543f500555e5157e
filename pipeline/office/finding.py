"""What the doctor says."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Weight(IntEnum):
    """How bad a finding is."""

    NOTE = 0  # works, and says less than it could
    WRONG = 1  # a run would be refused, or would lie


@dataclass(frozen=True)
class Finding:
    """One thing that is missing or wrong."""

    group: str
    what: str
    cost: str
    remedy: str
    weight: Weight = Weight.NOTE
