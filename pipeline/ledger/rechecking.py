"""Which cases a recheck looks at, and what it says of them. Pure.

The word is what :mod:`pipeline.ledger.proposing` proposes, so a recheck and a patrol over the same
looks agree. Of what is issued or verified a patrol proposes nothing while it is still seen; a
recheck says 未恢复 there too, since that is what it was asked.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import date, datetime, timedelta

from pipeline.ledger.proposing import ProposeOptions, Standing, counted_from, standing
from pipeline.model import RELAPSE, RESTORED, UNKNOWN_ZH, UNRESTORED, Case, Rechecked, Status

ASKED = frozenset(
    {Status.ISSUED, Status.VERIFIED, Status.RECTIFYING, Status.RELAPSED, Status.CLOSED}
)
"""Statuses of cases that a recheck looks at; closed ones for a while."""


def may_be_asked(case: Case, corridors: Collection[str]) -> bool:
    """Tell whether a recheck of some corridors is about a case, whatever day it is."""
    return case.merged_into is None and case.status in ASKED and case.corridor_id in corridors


def watch_until(case: Case, watch_days: int) -> date | None:
    """Give the last day of the watch after 销号; None where it is not closed, or no day is known.

    Ledgers from before a record kept the day of a status have that of whatever was said last.
    """
    if case.status is not Status.CLOSED or case.people is None:
        return None
    return (case.people.decided_on or case.people.on) + timedelta(days=watch_days)


def due(case: Case, newest: datetime, watch_days: int) -> bool:
    """Tell whether a case is to be looked at in imagery up to ``newest`` (UTC)."""
    end = watch_until(case, watch_days)
    return end is None or newest.date() <= end


def recheck(
    cases: Iterable[Case],
    newest: dict[str, datetime],
    watch_days: int,
    options: ProposeOptions | None = None,
) -> tuple[Rechecked, ...]:
    """Say what the looks of cases come to, by id.

    Parameters
    ----------
    newest : dict of corridor id to datetime
        UTC time of the newest pass; corridors without any are missing.
    """
    o = options or ProposeOptions()
    ordered = sorted(cases, key=lambda c: c.case_id)
    return tuple(_one(c, newest.get(c.corridor_id), watch_days, o) for c in ordered)


def _one(case: Case, newest: datetime | None, watch_days: int, o: ProposeOptions) -> Rechecked:
    found = standing(case.looks, case.status, counted_from(case), o)
    word = found.proposal or (UNRESTORED if found.there else UNKNOWN_ZH)
    until = newest.date() if newest is not None else None
    unseen = _unseen_days(case, found, until)
    return Rechecked(
        case=case,
        word=word,
        why=_why(case, found, word, (o, until)),
        since=found.since if word != UNKNOWN_ZH else None,
        after=found.after,
        seen=tuple(k.on.date() for k in found.seen),
        missed=tuple(k.on.date() for k in found.missed),
        unclear=len(found.unclear),
        unseen_days=unseen,
        looked_until=until,
        watch_until=watch_until(case, watch_days),
    )


def _unseen_days(case: Case, found: Standing, until: date | None) -> int | None:
    clear = [k.on.date() for k in (*found.seen, *found.missed)]
    last = max(clear, default=found.after or case.evidence.first_seen)
    last = last.date() if isinstance(last, datetime) else last
    return None if last is None or until is None else max(0, (until - last).days)


def _why(case: Case, found: Standing, word: str, given: tuple[ProposeOptions, date | None]) -> str:
    """Say in a sentence what was seen, and when."""
    options, until = given
    days = f"整改日（{found.after}）之后" if found.after else ""
    if word == RESTORED:
        last = found.seen[-1].on if found.seen else None
        flown = [k for k in found.missed if k.rules_out and (last is None or k.on > last)]
        if flown:
            return f"{days}无人机地表模型未见（{flown[-1].on.date()}）"
        return f"{days}自 {found.since} 起连续 {found.in_a_row} 次晴空影像未见"
    if word == RELAPSE:
        return f"{days}曾连续多次未见，自 {found.since} 起再次出现"
    if word == UNRESTORED:
        return f"{days}仍可见 {len(found.seen)} 次，最近一次 {found.seen[-1].on.date()}"
    if until is None:
        return "本期没有影像，尚不能判断"
    return f"{days}{_undecided(case, found, options)}"


def _undecided(case: Case, found: Standing, options: ProposeOptions) -> str:
    """Say why nothing can be said yet."""
    if case.of_lead:
        return "仅有线索，影像未测得轮廓，不能判断，请现场或无人机核查"
    if not found.ever and found.missed:
        return f"影像从未确实见到，{len(found.missed)} 次未见不能说明已恢复，请现场核查"
    if not found.seen and not found.missed:
        unclear = f"{len(found.unclear)} 次影像均看不清（云、阴影或水位）"
        why = unclear if found.unclear else "没有影像"
        if case.of_pictures or case.of_drone:
            why += "；轮廓由无人机测得，卫星影像不能判断，请安排无人机核查"
        return f"{why}，尚不能判断"
    if found.in_a_row:
        return (
            f"最近连续 {found.in_a_row} 次晴空影像未见，"
            f"需连续 {options.restored_misses} 次，尚不能判断"
        )
    return f"见 {len(found.seen)} 次、未见 {len(found.missed)} 次，尚不足以判断"
