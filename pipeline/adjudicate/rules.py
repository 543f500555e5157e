"""The rules of screening by the office's layers: their codes, and what they are asked about.

A code is stable: readers count by it. What a rule says is a Chinese sentence for the reader; it
states what a layer says and never that anybody is right or wrong.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from statistics import median
from typing import Literal

from pipeline.adjudicate.areas import AreaIndex, Spot
from pipeline.adjudicate.evidence import FoldOptions, since
from pipeline.model import DECIDED_BY_PEOPLE, Attribution, Case, Kind, Seen, Spoken, office_day

Says = Literal["against", "for", "note"]


MOST_RESIDUAL_M = 20.0
"""Of registration that is put down to the place of a case [m]: two pixels, and no source."""


class Rule(StrEnum):
    """Codes of all rules, in the order in which their sentences stand."""

    DECIDED_BY_PEOPLE = DECIDED_BY_PEOPLE
    BOUNDARY_OUTSIDE = "boundary-outside"
    BOUNDARY_INSIDE = "boundary-inside"
    BOUNDARY_UNCLEAR = "boundary-unclear"
    BOUNDARY_CONTRADICTED = "boundary-contradicted"
    PERMIT_VALID = "permit-valid"
    PERMIT_OVERRUN = "permit-overrun"
    PERMIT_ENDED = "permit-ended"
    PERMIT_NOT_YET = "permit-not-yet"
    PERMIT_UNDATED = "permit-undated"
    PERMIT_OTHER_KIND = "permit-other-kind"
    PERMIT_IN_BAN = "permit-in-ban"
    PERMIT_BESIDE = "permit-beside"
    PERMIT_NO_EXTENT = "permit-no-extent"
    WORKS_VALID = "works-valid"
    WORKS_REBASED = "works-rebased"
    WORKS_OVERRUN = "works-overrun"
    WORKS_ENDED = "works-ended"
    WORKS_NOT_YET = "works-not-yet"
    WORKS_UNDATED = "works-undated"
    WORKS_NO_EXTENT = "works-no-extent"
    WORKS_BESIDE = "works-beside"
    EXISTING_WORK = "existing-work"
    EXISTING_BESIDE = "existing-beside"
    HISTORY_NO_PROBLEM = "history-no-problem"
    HISTORY_PROBLEM = "history-problem"
    HISTORY_LAPSED = "history-lapsed"
    ZONE = "zone"
    NO_MINING = "no-mining"
    UNVERIFIED = "position-unverified"


ORDER = {rule.value: i for i, rule in enumerate(Rule)}
AGAINST = frozenset(
    {
        Rule.BOUNDARY_OUTSIDE,
        Rule.PERMIT_VALID,
        Rule.WORKS_VALID,
        Rule.WORKS_REBASED,
        Rule.EXISTING_WORK,
        Rule.HISTORY_NO_PROBLEM,
    }
)
_SAYS: tuple[Says, ...] = ("against", "for", "note")


@dataclass(frozen=True)
class Subject:
    """What is asked about."""

    kinds: frozenset[Kind]  # its kind, and others that are not told apart from it
    spot: Spot
    # Days are the office's, as those of its layers are.
    first: date | None  # of the first sighting since it (re)appeared
    last: date | None  # of the last one
    residual_m: float  # median registration residual of its sightings, 1 sigma
    place: Attribution
    looked: date | None = None  # of the last look that could tell
    newest: date | None = None  # of the newest pass over its corridor


@dataclass(frozen=True)
class Asked:
    """One subject before the office's areas."""

    subject: Subject
    areas: AreaIndex


def subject_of(
    case: Case, options: FoldOptions | None = None, newest: datetime | None = None
) -> Subject:
    """Give what is asked about a case; it was placed before.

    Parameters
    ----------
    newest : datetime, optional
        UTC time of the newest pass over its corridor.
    """
    evidence = case.evidence
    first = since(case.looks, options) or evidence.first_seen
    told = (office_day(k.on) for k in case.looks if k.seen is not Seen.UNKNOWN)
    hits = [k.residual_m for k in case.looks if k.seen is Seen.HIT and k.residual_m is not None]
    return Subject(
        kinds=plausible(case),
        spot=Spot.of(case.polygon, case.crs),
        first=office_day(first) if first else None,
        last=office_day(evidence.last_seen) if evidence.last_seen else None,
        residual_m=min(median(hits), MOST_RESIDUAL_M) if hits else 0.0,
        place=case.attribution or Attribution(),
        looked=max(told, default=None),
        newest=office_day(newest) if newest else None,
    )


def plausible(case: Case) -> frozenset[Kind]:
    """Give the kind of a case, and the kinds that imagery does not tell apart from it."""
    like = set(case.kinds_alike)
    # At 10 m a heap and a building are often the same few bright pixels.
    if like & {Kind.DUI, Kind.JIAN} or case.kind in (Kind.DUI, Kind.JIAN):
        like |= {Kind.DUI, Kind.JIAN}
    return frozenset({case.kind, *like})


def say(rule: Rule, text: str, says: Says = "note") -> Spoken:
    """Let a rule speak; those that explain a case away always speak against it."""
    return Spoken(rule.value, "against" if rule in AGAINST else says, text)


def in_order(spoken: Iterable[Spoken]) -> tuple[Spoken, ...]:
    """Sort what was said: against, for, notes; by rule; each sentence once."""
    return tuple(sorted(set(spoken), key=lambda s: (_SAYS.index(s.says), ORDER[s.code], s.text)))


def day_of(text: str | None) -> date | None:
    """Read an ISO day of a layer; None if there is none."""
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        return None
