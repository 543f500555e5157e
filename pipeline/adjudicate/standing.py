"""What is known to stand there: works that exist, and places that were judged before."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import shapely
from pydantic import BaseModel, ConfigDict, Field
from shapely.geometry.base import BaseGeometry

from pipeline.adjudicate.rules import Asked, Rule, day_of, say
from pipeline.model import Kind, LayerArea, Spoken

NO_PROBLEM = ("不是问题", "不是问题·历史不碍洪")
"""Verdicts that explain a place; the others say that there was a problem."""


class StandingOptions(BaseModel):
    """When what is known to stand there explains a case."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    accuracy_m: float = Field(
        default=20.0,
        ge=0,
        description="of the layer and the outline together; registration is added [m]",
    )
    half_width_m: float = Field(
        default=15.0, ge=0, description="of a work that is drawn as a line or a point [m]"
    )
    share: float = Field(
        default=0.9, gt=0, le=1, description="of an outline over or along a work, to be explained"
    )
    over_share: float = Field(
        default=0.5, gt=0, le=1, description="of it on the work itself: a new house stands beside"
    )
    kinds: tuple[Kind, ...] = Field(
        default=(Kind.ZHAN, Kind.DUI, Kind.JIAN),
        description="that a bridge, weir, sluice or house may look like; nobody digs by standing",
    )
    history_days: int = Field(
        default=365, ge=0, description="for which a verdict of no problem explains its place [d]"
    )


def existing(asked: Asked, options: StandingOptions) -> list[Spoken]:
    """Ask whether an outline lies over or along works that exist."""
    near = _near(asked, "existing", options)
    known = [n for n in near if n.area.trusted and _of_a_size(asked, n, options)]
    explained = (
        asked.subject.kinds <= set(options.kinds)  # what may be a pit is none of them
        and _share(asked, [n.shape for n in known]) >= options.over_share
        and _share(asked, [n.grown for n in known]) >= options.share
    )
    out: list[Spoken] = []
    for one in near:
        area = one.area
        name = area.fields.get("name") or "未命名"
        if not area.trusted:
            out.append(say(Rule.UNVERIFIED, f"既有建筑物「{name}」的位置未经核验，不作排除依据"))
        elif explained and one in known and one.shape.intersects(asked.subject.spot.outline):
            out.append(say(Rule.EXISTING_WORK, f"与既有建筑物「{name}」重合或沿其分布"))
        else:
            out.append(say(Rule.EXISTING_BESIDE, f"紧邻既有建筑物「{name}」"))
    return out


def history(asked: Asked, options: StandingOptions) -> list[Spoken]:
    """Ask what was said of this place before; a verdict of no problem lapses.

    It is of what stood there, so it says nothing of what came after it.
    """
    first, last = asked.subject.first, asked.subject.last
    out: list[Spoken] = []
    for one in _near(asked, "history", options):
        area = one.area
        called = f"历史问题「{area.fields.get('id') or '未命名'}」"
        verdict, on = area.fields.get("verdict"), day_of(area.fields.get("on"))
        share = _share(asked, [one.grown])
        if share < options.over_share:
            continue
        if verdict not in NO_PROBLEM:
            text = f"与{called}同处（结论：{verdict or '未载明'}）"
            out.append(say(Rule.HISTORY_PROBLEM, text, "for"))
        elif not area.trusted:
            out.append(say(Rule.UNVERIFIED, f"{called}的位置未经核验，不作排除依据"))
        elif on is None or last is None or last > on + timedelta(days=options.history_days):
            text = f"{called}曾认定为{verdict}（{on or '日期不详'}），已超过有效期，不作排除依据"
            out.append(say(Rule.HISTORY_LAPSED, text))
        elif first is None or first > on:
            text = f"{called}认定为{verdict}（{on}）之后才首次发现（{first}），不作排除依据"
            out.append(say(Rule.HISTORY_LAPSED, text))
        elif _back(asked, one.shape) < options.over_share:
            text = f"{called}曾认定为{verdict}（{on}），其范围远大于现范围，不作排除依据"
            out.append(say(Rule.HISTORY_LAPSED, text))
        elif share >= options.share and _share(asked, [one.shape]) >= options.over_share:
            text = f"{called}已于 {on} 认定为{verdict}，位置和范围一致"
            out.append(say(Rule.HISTORY_NO_PROBLEM, text))
        else:
            text = f"{called}曾认定为{verdict}（{on}），现范围已超出，不作排除依据"
            out.append(say(Rule.HISTORY_LAPSED, text))
    return out


@dataclass(frozen=True)
class _Near:
    """An area near an outline."""

    area: LayerArea
    shape: BaseGeometry  # metric; a line or a point has the width of a work
    grown: BaseGeometry  # what it may take up within the accuracy
    areal: bool  # drawn as an area: its size says something


def _near(asked: Asked, kind: str, options: StandingOptions) -> list[_Near]:
    spot = asked.subject.spot
    within = options.accuracy_m + asked.subject.residual_m
    out: list[_Near] = []
    for area in asked.areas.near(kind, spot, within + options.half_width_m):
        shape = asked.areas.metric(area, spot)
        areal = int(shapely.get_dimensions(shape)) == 2
        if not areal:
            shape = shape.buffer(options.half_width_m)
        grown = shape.buffer(within)
        if grown.intersects(spot.outline):
            out.append(_Near(area, shape, grown, areal))
    return out


def _of_a_size(asked: Asked, one: _Near, options: StandingOptions) -> bool:
    """Tell whether a work that is drawn as an area is no larger than a case can show.

    An area that holds a village says of no house in it that it stood there. Of a line a case shows
    a piece.
    """
    within = options.accuracy_m + asked.subject.residual_m
    shown = asked.subject.spot.outline.buffer(within).intersection(one.shape).area
    return not one.areal or shown >= options.over_share * one.shape.area


def _back(asked: Asked, ground: BaseGeometry) -> float:
    """Give the share of an area that an outline takes up."""
    return float(asked.subject.spot.outline.intersection(ground).area / ground.area)


def _share(asked: Asked, grounds: list[BaseGeometry]) -> float:
    outline = asked.subject.spot.outline
    return float(outline.intersection(shapely.union_all(grounds)).area / outline.area)
