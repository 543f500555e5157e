"""Where a case lies: chainage, bank, county, township, reservoir, management area.

Pure. What the office has not supplied stays null or *unknown*; what cannot be told within the
accuracy of a line or a boundary is not told. What permits and known works say is ``screen``'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Literal

import shapely
from pydantic import BaseModel, ConfigDict, Field
from shapely.geometry.base import BaseGeometry

from pipeline.adjudicate.areas import LONLAT, AreaIndex, Covering, Spot
from pipeline.grid import reproject
from pipeline.model import Attribution, Corridor, LayerArea


class AttributeOptions(BaseModel):
    """How exact an answer must be."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    boundary_m: float = Field(
        default=20.0, ge=0, description="of a management boundary and a case's outline [m]"
    )
    inside_m2: float = Field(default=100.0, ge=0, description="certainly inside makes a yes [m²]")
    boundary_near_m: float = Field(
        default=1000.0, ge=0, description="no boundary within this: nothing is said [m]"
    )
    share: float = Field(default=0.5, gt=0, le=1, description="of a case that makes it covered")
    vessel_m: float = Field(default=100.0, ge=0, description="of a mooring that is named [m]")
    named_share: float = Field(default=0.05, ge=0, le=1, description="smaller shares go unnamed")


@dataclass
class Attributor:
    """Answers for the cases of a run.

    Parameters
    ----------
    corridors : mapping
        By id; a case of another corridor gets no chainage.
    areas : AreaIndex
        The office's layers.
    """

    corridors: Mapping[str, Corridor]
    areas: AreaIndex
    options: AttributeOptions = field(default_factory=AttributeOptions)

    def __call__(
        self, corridor_id: str, polygon: BaseGeometry, crs: str, on: date | None = None
    ) -> Attribution:
        """Attribute one outline.

        Parameters
        ----------
        polygon : geometry in ``crs``, m
        on : date, optional
            Day on which it was first seen, for no-mining periods.
        """
        spot = Spot.of(polygon, crs)
        corridor = self.corridors.get(corridor_id)
        found = Attribution()
        if corridor is not None:
            found = _along(found, corridor, spot)
        found = self._admin(found, spot)
        found = self._inside(found, spot)
        return self._rules(found, spot, on)

    def _admin(self, found: Attribution, spot: Spot) -> Attribution:
        notes = list(found.notes)
        counties = _by(self.areas.covering("counties", spot), "code")
        towns = _by(self.areas.covering("townships", spot), "name")
        for what, parts in (("跨县", counties), ("跨乡镇", towns)):
            named = [p for p in parts if p.share >= self.options.named_share]
            if len(named) > 1:
                texts = (
                    f"{p.area.fields.get('name') or p.area.fields.get('code')} {p.share:.0%}"
                    for p in named
                )
                notes.append(f"{what}：{'，'.join(texts)}")
        county = counties[0].area.fields if counties else {}
        town = towns[0].area.fields if towns else {}
        return replace(
            found,
            county_code=county.get("code"),
            county_zh=county.get("name"),
            township_code=town.get("code"),
            township_zh=town.get("name"),
            notes=tuple(notes),
        )

    def _inside(self, found: Attribution, spot: Spot) -> Attribution:
        """Say whether a case lies in the management area, where the boundary is exact enough."""
        o = self.options
        near = self.areas.near("boundary", spot, o.boundary_near_m)
        if not near:
            why = ("附近没有管理范围线",) if "boundary" in self.areas.layers else ()
            return replace(found, notes=(*found.notes, *why))
        # Cut first: a boundary is a hundred kilometres long, and it is about to be buffered.
        case = spot.outline
        frame = case.buffer(10 * o.boundary_m + 100).bounds
        area = shapely.union_all(
            [shapely.clip_by_rect(self.areas.metric(a, spot), *frame) for a in near]
        )
        share = case.intersection(area).area / case.area
        sure = case.intersection(area.buffer(-o.boundary_m)).area
        answer: Literal["yes", "no", "unknown"] = "unknown"
        if sure >= min(o.inside_m2, case.area):
            answer = "yes"
        elif area.is_empty or case.distance(area) > o.boundary_m:
            answer = "no"
        names = sorted({n for a in near if (n := a.fields.get("name") or a.fields.get("river"))})
        notes = [f"管理范围线{'（' + '、'.join(names) + '）' if names else ''}：{share:.0%} 在内"]
        if not all(a.verified for a in near):
            notes.append("管理范围线位置未经核验")
        return replace(
            found,
            in_management_area=answer,
            boundary_used="legal",
            boundary_verified=all(a.trusted for a in near),
            notes=(*found.notes, *notes),
        )

    def _rules(self, found: Attribution, spot: Spot, on: date | None) -> Attribution:
        """Name the zone, the no-mining area and the moorings of a case; facts, no ruling."""
        zones = _by(self.areas.covering("zones", spot), "zone")
        bans = self.areas.covering("no-mining", spot)
        notes = list(found.notes)
        moored = (a.fields for a in self.areas.near("vessels", spot, self.options.vessel_m))
        notes += sorted(f"紧邻采砂船停泊点：{f.get('name') or f.get('id')}" for f in moored)
        forbidding = [b.area for b in bans if b.share >= self.options.share]
        # Stable: of those that are equally in force the largest part.
        forbidding.sort(key=lambda b: _FORCE.index(in_force(b, on, self.areas.stages)))
        ban = next(iter(forbidding), None)
        force = None if ban is None else in_force(ban, on, self.areas.stages)
        if ban is not None and on is not None:
            notes += _period_note(ban, on, force, self.areas.stages)
        return replace(
            found,
            zone=zones[0].area.fields.get("zone") if zones else None,
            no_mining=None if ban is None else no_mining_text(ban),
            no_mining_in_force=force if on is not None else None,
            notes=tuple(notes),
        )


def _along(found: Attribution, corridor: Corridor, spot: Spot) -> Attribution:
    """Add chainage and bank from the centreline, to the accuracy of the corridor."""
    case, metric = spot.outline, spot.crs
    found = replace(found, reservoir_zh=corridor.name_zh if corridor.water == "reservoir" else None)
    if corridor.centreline_wgs84 is None or not corridor.downstream_known:
        return found
    exact = corridor.centreline_accuracy_m or corridor.accuracy_m
    line = shapely.line_merge(reproject(corridor.centreline_wgs84, LONLAT, metric))
    point = case.centroid
    at = line.project(point)
    bank: Literal["left", "right"] | None = None
    # Within its own accuracy of the line nobody knows on which side a case lies.
    if case.distance(line) > exact:
        behind, ahead = line.interpolate(max(0.0, at - 25)), line.interpolate(at + 25)
        along = (ahead.x - behind.x, ahead.y - behind.y)
        aside = (point.x - behind.x, point.y - behind.y)
        bank = "left" if along[0] * aside[1] - along[1] * aside[0] > 0 else "right"
    return replace(
        found,
        chainage_m=round(corridor.chainage_from_m + at),
        chainage_accuracy_m=exact,
        bank=bank,
    )


def no_mining_text(area: LayerArea) -> str:
    """Say in words what a no-mining area forbids and when."""
    f = area.fields
    when = []
    if f.get("from"):
        when.append(f"{f['from']} 至 {f['to']}")
    if f.get("stage_m"):
        when.append(f"{f.get('station')}水位达 {f['stage_m']} m 时")
    return f"{f.get('name') or '禁采区'}（{'，或'.join(when) or '全年'}）"


Force = Literal["yes", "no", "unknown"]
_FORCE: tuple[Force, ...] = ("yes", "unknown", "no")


def in_force(area: LayerArea, on: date | None, stages: Mapping[str, Mapping[date, float]]) -> Force:
    """Tell whether a no-mining area was in force on a day: by its season, or by a stage.

    One without either forbids all year. A stage is that of its gauge on that day (the highest
    reading); without a reading nobody knows.

    Parameters
    ----------
    stages : mapping of gauge to day to float
        Highest stage of the day [m].
    """
    start, end = area.fields.get("from"), area.fields.get("to")
    trigger = area.fields.get("stage_m")
    if not trigger and not (start and end):
        return "yes"
    if on is None:
        return "unknown"
    if start and end and in_period(start, end, on):
        return "yes"
    if not trigger:
        return "no"
    reading = _reading(area, on, stages)
    if reading is None:
        return "unknown"
    return "yes" if reading >= float(trigger) else "no"


def _reading(area: LayerArea, on: date, stages: Mapping[str, Mapping[date, float]]) -> float | None:
    return stages.get((area.fields.get("station") or "").strip(), {}).get(on)


def _period_note(
    area: LayerArea, on: date, force: Force | None, stages: Mapping[str, Mapping[date, float]]
) -> list[str]:
    """Say what the season or the stage of the first sighting's day says; facts, no ruling."""
    text, gauge = no_mining_text(area), area.fields.get("station")
    reading = _reading(area, on, stages)
    level = f"（{gauge}当日水位 {reading:g} m）" if reading is not None else ""
    if force == "no":
        return [f"首次发现之日（{on.isoformat()}）在禁采期之外{level}：{text}"]
    if force == "unknown":
        return [
            f"首次发现之日（{on.isoformat()}）没有{gauge}的水位记录，是否在禁采期内不明：{text}"
        ]
    return [f"首次发现之日（{on.isoformat()}）在禁采期内{level}：{text}"] if level else []


def in_period(start: str, end: str, day: date) -> bool:
    """Tell whether a day lies in a no-mining period: MM-DD each year, or whole dates.

    A period whose end comes before its start in the year crosses the new year; both days count.
    """
    text = day.isoformat() if len(start) == 10 else day.isoformat()[5:]
    return start <= text <= end if start <= end else text >= start or text <= end


def _by(parts: Iterable[Covering], key: str) -> list[Covering]:
    """Join the parts of areas that have the same value, such as a county in several pieces."""
    joined: dict[str, Covering] = {}
    for part in parts:
        value = str(part.area.fields.get(key))
        known = joined.get(value)
        joined[value] = replace(known, share=known.share + part.share) if known else part
    return sorted(joined.values(), key=lambda p: (-p.share, str(p.area.fields.get(key))))
