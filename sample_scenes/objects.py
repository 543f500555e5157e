"""What people, boats and plants do to the ground: a description of each object over time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from shapely.geometry import LineString, Polygon
from shapely.geometry.base import BaseGeometry

from sample_scenes.options import RESERVOIR, RIVER


def utc(year: int, month: int, day: int) -> datetime:
    """Midnight UTC of a day."""
    return datetime(year, month, day, tzinfo=UTC)


@dataclass(frozen=True)
class SceneObject:
    """An object that is drawn into the scenes, and its entry in the truth."""

    id: str
    kind: str | None  # zhan | cai | dui | jian; None for a trap
    trap: str | None  # what it might be mistaken for, in words; None for a true event
    corridor_id: str
    shape: Polygon  # local m, what is drawn at full growth
    truth: BaseGeometry  # local m, what a detector should find
    material: str
    steps: tuple[tuple[datetime, float], ...]  # (from, grown 0..1), ascending
    until: datetime | None = None
    crest: float | None = None  # m; under water when the body stands higher; None: never
    drowns: bool = False  # lies as low as the ground: what water covers of it is not seen
    afloat: bool = False  # only where there is water
    grows_from: LineString | None = None  # local m
    green_from: datetime | None = None  # weeds take it over within half a year
    strength: float = 1.0  # 0..1, share of the covered area that really changes

    @property
    def body(self) -> int:
        """1 river, 2 reservoir."""
        return 1 if self.corridor_id == RIVER else 2

    def grown(self, when: datetime) -> float:
        """Share of the object that is there, 0 before and after."""
        if self.until is not None and when >= self.until:
            return 0.0
        return max((g for t, g in self.steps if t <= when), default=0.0)

    def green(self, when: datetime) -> float:
        """Share of it that weeds have covered."""
        if self.green_from is None or when < self.green_from:
            return 0.0
        return min(0.6, (when - self.green_from) / timedelta(days=200))


@dataclass(frozen=True)
class StaticTrap:
    """Something that is in the scenes anyway and invites a false alarm."""

    id: str
    trap: str
    corridor_id: str
    truth: BaseGeometry  # local m


__all__ = ["RESERVOIR", "RIVER", "SceneObject", "StaticTrap", "utc"]
