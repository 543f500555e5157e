"""Permits and authorised works: whether they explain an outline on every day it was seen.

A paper counts from its first to its last day, both included, and for the ground it names. An
outline is explained if on each day from its first to its last sighting the papers valid on that day
hold it together; so a permit that was renewed, or two side by side, are enough. What reaches beyond
their ground by more than position errors allow is an overrun and stays a case of its own reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import shapely
from pydantic import BaseModel, ConfigDict, Field

from pipeline.adjudicate.papers import Paper, papers_near
from pipeline.adjudicate.rules import Asked, Rule, Subject, in_order, say
from pipeline.adjudicate.wording import allows
from pipeline.model import Kind, PermitRef, Spoken

_DIGGING = (Kind.CAI, Kind.DUI)
_BUILDING = (Kind.JIAN, Kind.DUI, Kind.ZHAN)


class AuthorisedOptions(BaseModel):
    """When permits and works explain a case."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    accuracy_m: float = Field(
        default=20.0,
        ge=0,
        description="of the layer and the outline together; registration is added [m]",
    )
    overrun_m2: float = Field(
        default=200.0, gt=0, description="beyond that accuracy, from which it is an overrun [m²]"
    )
    held_share: float = Field(
        default=0.5, gt=0, le=1, description="of an outline that must lie inside to be explained"
    )
    beside_share: float = Field(
        default=0.1, ge=0, le=1, description="of an outline inside, below which papers are beside"
    )
    line_m: float = Field(
        default=30.0, ge=0, description="ground on each side of works drawn as a line [m]"
    )
    permit_kinds: Mapping[str, tuple[Kind, ...]] = Field(
        default={
            "采砂|采石|采矿|疏浚|清淤": _DIGGING,
            "建设|建筑|工程|桥|码头|管线|施工": _BUILDING,
            "占用|围垦|养殖|种植|填": (Kind.ZHAN, Kind.JIAN),
            "堆|弃渣|弃土|渣场": (Kind.DUI, Kind.JIAN),
        },
        description="what a permit allows, by words in its field 'what' that are not denied there",
    )


@dataclass(frozen=True)
class Authorised:
    """What permits and works say."""

    spoken: tuple[Spoken, ...] = ()
    permit: PermitRef | None = None
    overrun_m2: float | None = None


@dataclass(frozen=True)
class _Held:
    """How much of an outline papers hold."""

    inside: float  # share, 0..1
    beyond_m2: float  # outside by more than position errors allow


def authorised(asked: Asked, options: AuthorisedOptions) -> Authorised:
    """Ask permits and works about an outline."""
    first, last = asked.subject.first, asked.subject.last
    if first is None or last is None:
        return Authorised()
    spoken: list[Spoken] = []
    counting: list[Paper] = []
    for paper in papers_near(asked, options.line_m, tolerance(asked, options)):
        why = _not_counting(paper, asked, options)
        if why is None:
            counting.append(paper)
        if paper.share < options.beside_share:
            spoken.append(say(paper.rule("BESIDE"), f"与{paper.called}范围相邻"))
        elif why is not None:
            spoken.append(why)
    told = [p for p in counting if p.share >= options.beside_share]
    if not told:
        return Authorised(in_order(spoken))
    days = _days(counting, first, last)
    held = [_held([p for p in counting if p.valid(d, first)], asked, options) for d in days]
    over = round(max(h.beyond_m2 for h in held), 1)
    best = max(told, key=lambda p: (p.valid(last, first), p.share, p.key))
    if over < options.overrun_m2 and all(h.inside >= options.held_share for h in held):
        spoken.append(_explains(best, asked.subject, last))
        return Authorised(in_order(spoken), best.ref)
    if over >= options.overrun_m2 and all(h.inside >= options.beside_share for h in held):
        spoken.append(_over(best, over, tolerance(asked, options)))
        return Authorised(in_order(spoken), best.ref, over)
    spoken += [_out_of_time(p, first, last) for p in told]
    return Authorised(in_order(spoken), best.ref)


def tolerance(asked: Asked, options: AuthorisedOptions) -> float:
    """Give how far a layer and an outline may be apart by their errors [m]."""
    return options.accuracy_m + asked.subject.residual_m


def _not_counting(paper: Paper, asked: Asked, options: AuthorisedOptions) -> Spoken | None:
    """Say why a paper explains nothing, or None."""
    no = "，不作排除依据"
    if paper.ground is None:
        return say(paper.rule("NO_EXTENT"), f"{paper.called}只有点位、没有范围{no}")
    if not paper.area.trusted:
        return say(Rule.UNVERIFIED, f"{paper.called}的位置未经核验{no}")
    if paper.start is None or paper.end is None:
        return say(paper.rule("UNDATED"), f"{paper.called}未载明有效期{no}")
    what = paper.area.fields.get("what") if paper.layer == "permits" else None
    if what and not asked.subject.kinds & kinds_of(what, options):
        text = f"{paper.called}的许可事项（{what}）不含此类疑似问题，或未能识别{no}"
        return say(Rule.PERMIT_OTHER_KIND, text)
    if paper.layer == "permits" and Kind.CAI in asked.subject.kinds and _always_forbidden(asked):
        return say(Rule.PERMIT_IN_BAN, f"{paper.called}与全年禁采区重叠，请核对两者{no}", "for")
    return None


def kinds_of(what: str, options: AuthorisedOptions) -> set[Kind]:
    """Give the kinds of case that a permit for something (许可事项) can explain."""
    return {
        kind
        for words, kinds in options.permit_kinds.items()
        if allows(what, words)
        for kind in kinds
    }


def _always_forbidden(asked: Asked) -> bool:
    """Tell whether most of an outline lies where mining is forbidden all year."""
    bans = asked.areas.covering("no-mining", asked.subject.spot)
    always = (b for b in bans if not any(b.area.fields.get(n) for n in ("from", "stage_m")))
    return any(b.share >= 0.5 for b in always)


def _days(papers: Sequence[Paper], first: date, last: date) -> list[date]:
    """Give the days between two sightings on which another set of papers may be valid."""
    turns = {first, last}
    for p in papers:
        turns |= {p.start} if p.start else set()
        turns |= {p.end + timedelta(days=1)} if p.end and p.end < date.max else set()
    return sorted(d for d in turns if first <= d <= last)


def _held(papers: Sequence[Paper], asked: Asked, options: AuthorisedOptions) -> _Held:
    outline = asked.subject.spot.outline
    union = shapely.union_all([p.ground for p in papers if p.ground is not None])
    beyond = outline.difference(union.buffer(tolerance(asked, options)))
    return _Held(outline.intersection(union).area / outline.area, float(beyond.area))


def _explains(paper: Paper, subject: Subject, last: date) -> Spoken:
    when = f"{paper.start} 至 {paper.end}"
    if paper.end is not None and last > paper.end:
        text = f"{paper.called}（{when}）施工期内出现，登记为工程成果保留，已重新建立基准"
        return say(Rule.WORKS_REBASED, text)
    text = f"在{paper.called}范围内，且在有效期（{when}）内"
    if _over_unseen(paper, subject):
        text += f"；该{'许可' if paper.layer == 'permits' else '工程'}已到期，尚无新影像"
    return say(paper.rule("VALID"), text)


def _over_unseen(paper: Paper, subject: Subject) -> bool:
    """Tell whether a paper ended, and nobody could see the place since."""
    end, looked, newest = paper.end, subject.looked, subject.newest
    if end is None or looked is None or newest is None:
        return False
    return looked <= end < newest


def _over(paper: Paper, beyond_m2: float, within_m: float) -> Spoken:
    word = "许可范围" if paper.layer == "permits" else "已批准工程范围"
    where = f"{paper.called}之外约 {beyond_m2:.0f} m²"
    text = f"疑似超出{word}：{where}（已扣除位置误差 {within_m:.0f} m）"
    return say(paper.rule("OVERRUN"), text, "for")


def _out_of_time(paper: Paper, first: date, last: date) -> Spoken:
    """Say why a paper with ground under the outline does not explain it."""
    if paper.start is not None and first < paper.start:
        text = f"首次发现（{first}）早于{paper.called}生效之日（{paper.start}）"
        return say(paper.rule("NOT_YET"), text, "for")
    if paper.end is not None and not paper.valid(last, first):
        seen = f"{last} 仍可见" if first <= paper.end else f"{first} 才首次发现"
        end = "到期" if paper.layer == "permits" else "结束"
        text = f"{paper.called}已于 {paper.end} {end}，{seen}"
        return say(paper.rule("ENDED"), text, "for")
    return say(paper.rule("BESIDE"), f"与{paper.called}范围仅部分重叠（{paper.share:.0%}）")
