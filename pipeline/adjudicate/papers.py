"""Permits and authorised works as papers: a name, a ground, and the days on which they count."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

import shapely
from shapely.geometry.base import BaseGeometry

from pipeline.adjudicate.rules import Asked, Rule, day_of
from pipeline.model import LayerArea, PermitRef

STAYS = "stays"
"""Value of the field ``after`` of works whose product stays."""


@dataclass(frozen=True)
class Paper:
    """One permit or works near an outline."""

    layer: Literal["permits", "works"]
    name: str
    ground: BaseGeometry | None  # metric; None: a point, which says no extent
    start: date | None
    end: date | None
    area: LayerArea
    share: float  # of the outline, 0..1

    @property
    def called(self) -> str:
        """How a sentence names it."""
        return f"{'许可' if self.layer == 'permits' else '已批准工程'}「{self.name}」"

    @property
    def key(self) -> tuple[str, ...]:
        """What tells it from others, whatever the order of a layer."""
        return (self.layer, self.name, str(self.start), str(self.end))

    @property
    def ref(self) -> PermitRef:
        """What a case says of it."""
        start, end = (d.isoformat() if d else None for d in (self.start, self.end))
        return PermitRef(self.name, start, end, self.layer)

    def rule(self, what: str) -> Rule:
        """Give the rule of its layer that ends with a word, such as VALID or ENDED."""
        return Rule[f"{'PERMIT' if self.layer == 'permits' else 'WORKS'}_{what}"]

    def valid(self, on: date, first: date) -> bool:
        """Tell whether it counts on a day for what was first seen on ``first``.

        What works built while they were valid, and leave behind by their own record, counts on.
        """
        if self.start is None or self.end is None or on < self.start:
            return False
        stays = self.layer == "works" and self.area.fields.get("after") == STAYS
        return on <= self.end or (stays and first <= self.end)


def papers_near(asked: Asked, line_m: float, within_m: float) -> list[Paper]:
    """Give the permits and works within ``within_m`` of an outline, most of it first.

    Parameters
    ----------
    line_m : float
        Ground on each side of works that are drawn as a line [m].
    """
    spot = asked.subject.spot
    out: list[Paper] = []
    layers: tuple[Literal["permits", "works"], ...] = ("permits", "works")
    for layer in layers:
        for area in asked.areas.near(layer, spot, within_m + line_m):
            extent = _extent(asked.areas.metric(area, spot), line_m)
            if extent is not None and extent.distance(spot.outline) > within_m:
                continue
            common = extent.intersection(spot.outline).area if extent is not None else 0.0
            share = 1.0 if extent is None else common / spot.outline.area
            f = area.fields
            name = f.get("id") if layer == "permits" else f.get("name")
            start, end = (day_of(f.get(n)) for n in ("from", "to"))
            out.append(Paper(layer, str(name or "未命名"), extent, start, end, area, share))
    return sorted(out, key=lambda p: (-p.share, p.key))


def _extent(shape: BaseGeometry, line_m: float) -> BaseGeometry | None:
    dimension = int(shapely.get_dimensions(shape))
    if dimension == 2:
        return shape
    return shape.buffer(line_m) if dimension == 1 and line_m > 0 else None
