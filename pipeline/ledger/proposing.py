"""What imagery proposes of a case that people hold, have closed, or decided on. Pure.

It is told from the looks alone, so that a patrol, a recheck and an edit of a person agree. Clear
misses in a row say that something is gone (已恢复); of what is being rectified, or was closed, only
those after the day of the rectification count: what was not seen before it was hidden, or was
already there. One miss of a drone's surfaces says as much, as it does to the evidence. What was
gone and is confirmed anew came back (回弹); what is still seen after that day is not restored
(未恢复). Four in a row are the number at which an object expires; the numbers
that confirm are those of :mod:`pipeline.adjudicate.evidence`, strong hits among them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from pydantic import BaseModel, ConfigDict, Field

from pipeline.model import RELAPSE, RESTORED, UNRESTORED, Case, Look, Seen, Status, office_day


class ProposeOptions(BaseModel):
    """When imagery takes something for gone, and for back."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    restored_misses: int = Field(
        default=4,
        ge=1,
        le=20,
        description="clear misses in a row, after the rectification, that say it is gone: as many "
        "as expire an object, since one look may miss what haze or a level hides",
    )
    confirm_hits: int = Field(
        default=3, ge=1, le=20, description="certain hits that say it is there ..."
    )
    swift_hits: int = Field(
        default=2,
        ge=1,
        le=20,
        description="strong hits without a clear miss between that say as much: of what is large "
        "and has nothing to wait for",
    )
    confirm_window: int = Field(
        default=4, ge=1, le=20, description="... among so many last certain hits and misses"
    )


@dataclass(frozen=True, slots=True)
class Standing:
    """What the looks of a case come to."""

    proposal: str | None  # 已恢复 | 未恢复 | 回弹; None: nothing can be said
    there: bool  # confirmed, and surely seen on a look that counts
    since: date | None  # UTC day of the first look of the run of looks that says so
    seen: tuple[Look, ...]  # hits after ``after``, in order
    missed: tuple[Look, ...]  # clear misses after it
    unclear: tuple[Look, ...]  # looks after it that could not see
    after: date | None  # office's day after which looks count; None: all of them
    ever: bool = True  # it was surely seen on some look, whether that counts or not

    @property
    def in_a_row(self) -> int:
        """Clear misses since the last hit."""
        last = self.seen[-1].on if self.seen else None
        return sum(last is None or k.on > last for k in self.missed)


def counted_from(case: Case) -> date | None:
    """Give the office's day after which looks of a case count; None: all of them."""
    if case.status not in (Status.RECTIFYING, Status.CLOSED) or case.people is None:
        return None
    return case.people.rectified_on


def propose(case: Case, options: ProposeOptions | None = None) -> str | None:
    """Say what imagery proposes to the people who hold a case."""
    if case.status in (Status.WATCH, Status.SUSPECTED):
        return None
    return standing(case.looks, case.status, counted_from(case), options).proposal


def standing(
    looks: Iterable[Look],
    status: Status,
    after: date | None,
    options: ProposeOptions | None = None,
) -> Standing:
    """Say what looks come to, in any order.

    Parameters
    ----------
    after : date, optional
        Office's day of the rectification: only looks of later days speak of it.
    """
    told = _Told(options or ProposeOptions())
    seen, missed, unclear = list[Look](), list[Look](), list[Look]()
    for look in sorted(looks, key=lambda k: (k.on, k.pass_id)):
        counts = after is None or office_day(look.on) > after
        if counts:
            {Seen.HIT: seen, Seen.MISS: missed, Seen.UNKNOWN: unclear}[look.seen].append(look)
        if look.seen is Seen.HIT:
            told.hit(look, counts=counts)
        elif look.seen is Seen.MISS and not look.of_earlier_flight:
            told.miss(look, counts=counts)
    said, since = told.conclude(status, known=after is not None)
    since = since or (told.first_seen if told.there else None)
    day = since.on.date() if since is not None else None
    looked = tuple(seen), tuple(missed), tuple(unclear)
    return Standing(said, told.there, day, *looked, after, told.ever)


@dataclass
class _Told:
    """What the looks so far have told."""

    options: ProposeOptions
    recent: tuple[bool, ...] = ()  # newest last: certain hits, and misses
    strong: int = 0  # strong hits since the last clear miss
    absent: int = 0  # clear misses in a row, whether they count or not
    run: tuple[Look, ...] = ()  # those of them that count
    weight: int = 0  # of ``run``: a drone's surfaces count as often as it takes
    ever: bool = False  # it was surely seen
    confirmed: bool = False  # ... often enough, and not gone since
    gone: bool = False  # misses that count ended it, and it is not confirmed anew
    back: bool = False  # confirmed anew since
    returned: Look | None = None  # first hit since it was gone
    first_seen: Look | None = None  # first certain hit that counts

    def hit(self, look: Look, *, counts: bool) -> None:
        """Add a sighting."""
        # One that may be a shadow or a wave ends a run of misses, and shows nothing that was there.
        self.ever = self.ever or look.certain or look.pending or look.of_surface
        self.absent, self.run, self.weight = 0, (), 0
        if self.gone and self.returned is None:
            self.returned = look
        self.strong += look.certain and look.strong
        if look.certain:
            self._recall(hit=True)
            if counts and self.first_seen is None:
                self.first_seen = look
        o = self.options
        often = sum(self.recent) >= o.confirm_hits or self.strong >= o.swift_hits
        sure = look.certain and often
        if look.of_surface or sure:
            self.confirmed, self.back, self.gone = True, self.back or self.gone, False

    def miss(self, look: Look, *, counts: bool) -> None:
        """Add a clear miss; one of a drone's surfaces ends it, as it ends the evidence."""
        weight = self.options.restored_misses if look.rules_out else 1
        for _ in range(self.options.confirm_window if look.rules_out else 1):
            self._recall(hit=False)
        self.strong = 0
        self.absent += weight
        self.run = (*self.run, look) if counts else ()
        self.weight = self.weight + weight if counts else 0
        if self.absent >= self.options.restored_misses:
            self.confirmed = False
        if self.ended:
            self.gone, self.back, self.returned, self.first_seen = True, False, None, None

    def conclude(self, status: Status, *, known: bool) -> tuple[str | None, Look | None]:
        """Say what it amounts to, and the look from which on; ``known``: so is the day."""
        if self.ended:
            return RESTORED, self.run[0]
        if self.back:
            return RELAPSE, self.returned
        # Of what was closed before a ledger kept the day, nobody knows which hits came after it.
        asked = status is Status.RECTIFYING or (status is Status.CLOSED and known)
        return (UNRESTORED, self.first_seen) if asked and self.there else (None, None)

    @property
    def ended(self) -> bool:
        """Whether it was seen, and the misses since that count say that it is gone."""
        return self.ever and self.weight >= self.options.restored_misses

    @property
    def there(self) -> bool:
        """Whether it is confirmed, and was surely seen on a look that counts."""
        return self.confirmed and self.first_seen is not None

    def _recall(self, *, hit: bool) -> None:
        self.recent = (*self.recent, hit)[-self.options.confirm_window :]
