"""Screening by the office's layers: what each rule says of a case, and what follows.

Pure. A rule that explains a case away suppresses it: it leaves the list of cases for that of
suppressed ones, its evidence goes on being collected, and it comes back on the sighting that the
rule no longer explains. A rule never suppresses by an area whose position nobody vouches for, by a
working boundary, or on a day outside the validity of a paper. Zones and no-mining areas are reasons
for looking at a case, never against.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict, Field

from pipeline.adjudicate.areas import AreaIndex
from pipeline.adjudicate.authorised import AuthorisedOptions, authorised
from pipeline.adjudicate.rules import Asked, Rule, Subject, in_order, say
from pipeline.adjudicate.standing import StandingOptions, existing, history
from pipeline.adjudicate.wording import PROTECTED, zone_of
from pipeline.model import Attribution, Kind, Ruling, Spoken


class ScreenOptions(BaseModel):
    """How layers explain cases, and how that is checked."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    authorised: AuthorisedOptions = Field(
        default=AuthorisedOptions(), description="permits and authorised works"
    )
    standing: StandingOptions = Field(
        default=StandingOptions(), description="existing works and judged places"
    )
    audit_share: float = Field(
        default=0.05, ge=0, le=1, description="of suppressed cases put forward for a check, a run"
    )
    audit_least: int = Field(default=3, ge=0, description="of them, at least so many")


@dataclass
class Screener:
    """Rules with the office's layers bound."""

    areas: AreaIndex
    options: ScreenOptions = field(default_factory=ScreenOptions)

    def __call__(self, subject: Subject) -> Ruling:
        """Ask every rule about one subject."""
        asked = Asked(subject, self.areas)
        papers = authorised(asked, self.options.authorised)
        spoken = in_order(
            [
                *_boundary(subject.place),
                *papers.spoken,
                *existing(asked, self.options.standing),
                *history(asked, self.options.standing),
                *_reasons(subject),
            ]
        )
        rule = next((s.code for s in spoken if s.says == "against"), None)
        return Ruling(
            outcome="kept" if rule is None else "suppressed",
            rule=rule,
            spoken=spoken,
            permit=papers.permit,
            overrun_m2=papers.overrun_m2,
        )


def _boundary(place: Attribution) -> list[Spoken]:
    """Let the legal boundary speak; a working one says nothing that could put a case aside."""
    if place.boundary_used != "legal":
        return []
    if place.in_management_area == "yes":
        return [say(Rule.BOUNDARY_INSIDE, "位于管理范围内", "for")]
    if place.in_management_area == "unknown":
        return [say(Rule.BOUNDARY_UNCLEAR, "在位置精度内无法判断是否位于管理范围内")]
    if not place.boundary_verified:
        return [say(Rule.UNVERIFIED, "位于管理范围线外，但该线位置未经核验，不作排除依据")]
    if place.zone or place.no_mining:
        text = "位于管理范围线外，却在岸线功能区或禁采区内：请核对图层，不作排除依据"
        return [say(Rule.BOUNDARY_CONTRADICTED, text, "for")]
    return [say(Rule.BOUNDARY_OUTSIDE, "位于管理范围线外")]


def _reasons(subject: Subject) -> list[Spoken]:
    """Give what makes a case more pressing."""
    place, out = subject.place, list[Spoken]()
    if place.zone:
        says = "for" if zone_of(place.zone) in PROTECTED else "note"
        out.append(say(Rule.ZONE, f"位于岸线功能区：{place.zone}", says))
    if place.no_mining and Kind.CAI in subject.kinds:
        says = "note" if place.no_mining_in_force == "no" else "for"
        out.append(say(Rule.NO_MINING, f"位于禁采区：{place.no_mining}", says))
    return out


def chosen_for_audit(
    run_id: str, case_ids: Collection[str], options: ScreenOptions
) -> frozenset[str]:
    """Draw the suppressed cases of a run that somebody should check.

    As good as random, and the same for the same run and cases.
    """
    wanted = max(options.audit_least, math.ceil(options.audit_share * len(case_ids)))

    def lot(case_id: str) -> tuple[str, str]:
        return hashlib.sha256(f"{run_id} {case_id}".encode()).hexdigest(), case_id

    return frozenset(sorted(case_ids, key=lot)[:wanted])
