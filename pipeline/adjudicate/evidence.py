"""Memory over looks: what many dates say of one object.

A look is clear or not, and if clear it sees the object (hit) or the ground without it (miss). The
fold follows the idea of forest alerts that repeated looks confirm (GLAD: Hansen et al. 2016,
doi:10.1088/1748-9326/11/3/034008), as OPERA DIST-ALERT does: few hits open, repeated hits confirm,
repeated clear misses expire, and a look that could not see is no observation at all. A hit of two
surfaces of a drone confirms by itself: it measured what stands there; and a miss of them ends it
by itself: it measured the ground without it. The earlier flight of a pair says only after when
something appeared. Three of the last four and four in a row are starting values without a source.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import reduce

from pydantic import BaseModel, ConfigDict, Field

from pipeline.model import Evidence, EvidenceState, Look, Seen

_SAME_DAY = timedelta(hours=12)


class FoldOptions(BaseModel):
    """When looks open, confirm, expire and freeze an object."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    provisional_hits: int = Field(
        default=2, ge=1, le=10, description="hits that make it provisional"
    )
    confirm_hits: int = Field(default=3, ge=1, le=20, description="certain hits that confirm ...")
    confirm_window: int = Field(
        default=4,
        ge=1,
        le=20,
        description="... among this many last looks that are a miss or a certain hit",
    )
    proved_hits: int = Field(
        default=2,
        ge=1,
        le=20,
        description="certain hits since the last clear miss after which a fill is proved, and "
        "further hits at levels that history does not know are as good",
    )
    outlast_hits: int = Field(
        default=2,
        ge=1,
        le=20,
        description="hits after one certain one, without a clear miss, that prove a large fill "
        "together where no level that history knows can",
    )
    swift_hits: int = Field(
        default=2,
        ge=1,
        le=20,
        description="certain hits without a clear miss between that confirm what is large and has "
        "nothing to wait for",
    )
    swift_area_m2: float = Field(
        default=1000.0, ge=0, le=1e6, description="area from which that is so [m²]"
    )
    flood_rank: float = Field(
        default=0.9,
        ge=0,
        le=1,
        description="level rank from which water on land that was dry proves nothing: the river "
        "stands as high on one look in ten",
    )
    flood_over: float = Field(
        default=0.75,
        ge=0,
        le=1,
        description="level rank below which a flood is over: until then the river may have risen "
        "again between two looks",
    )
    flood_most_days: float = Field(
        default=120.0,
        ge=0,
        le=366,
        description="after a look at high water for which a flood may last so; a reservoir stands "
        "as high for most of a year [d]",
    )
    flood_days: float = Field(
        default=60.0,
        ge=0,
        le=200,
        description="ground at the shore is bare for as long after such a level [d]",
    )
    flood_reach_px: float = Field(
        default=4.0,
        ge=0,
        le=20,
        description="from water that history saw, within which a flood that it did not see may "
        "have stood on ground [px]",
    )
    flood_redness: float = Field(
        default=-0.04,
        ge=-1,
        le=1,
        description="(red - green) / (red + green) up to which light bare ground is no silt: "
        "sediment is brown, and roofs of blue steel have -0.08 to -0.22",
    )
    expire_misses: int = Field(
        default=4, ge=1, le=20, description="clear misses in a row that expire it"
    )
    freeze_days: int = Field(
        default=60, ge=1, le=730, description="days without a clear look after which it is frozen"
    )


@dataclass(frozen=True, slots=True)
class Memory:
    """What the fold carries from look to look; the episode is the time since (re)appearance."""

    state: EvidenceState | None = None  # None: never seen
    confirmed: bool = False  # was suspected once
    recent: tuple[bool, ...] = ()  # newest last: certain and pending hits, and misses
    missed: int = 0  # clear misses in a row
    strong: int = 0  # strong hits since the last clear miss
    hits: int = 0  # of this episode
    misses: int = 0  # of this episode
    first_seen: datetime | None = None  # of this episode
    last_seen: datetime | None = None
    appeared_after: datetime | None = None  # last clear miss before first_seen
    last_miss: datetime | None = None
    last_clear: datetime | None = None


def fold(
    looks: Iterable[Look], options: FoldOptions | None = None, until: datetime | None = None
) -> Evidence:
    """Fold looks, in any order, into evidence.

    Parameters
    ----------
    looks : iterable of Look
        Of one object. Two looks of one pass count once (a hit outweighs a miss, a miss an unknown).
    until : datetime, optional
        UTC end of the period, for ``frozen``; the newest look of any kind if not given.

    Returns
    -------
    Evidence
        Hits, misses and clear looks are counted since the object (re)appeared. An object that was
        never seen is ``expired`` with no hits.
    """
    options = options or FoldOptions()
    ordered = one_per_pass(looks)
    memory = reduce(lambda m, look: step(m, look, options), _undone(ordered), Memory())
    return conclude(memory, options, until or (ordered[-1].on if ordered else None))


def one_per_pass(looks: Iterable[Look]) -> tuple[Look, ...]:
    """Sort looks by time and keep one per pass: the one that says most."""
    best: dict[str, Look] = {}
    for look in looks:
        if look.pass_id not in best or _weight(look) > _weight(best[look.pass_id]):
            best[look.pass_id] = look
    return tuple(sorted(best.values(), key=lambda look: (look.on, look.pass_id)))


def step(memory: Memory, look: Look, options: FoldOptions) -> Memory:
    """Add one look, newer than all before it; an unknown look changes nothing."""
    if look.seen is Seen.UNKNOWN:
        return memory
    if look.of_earlier_flight:
        there = memory.state not in (None, EvidenceState.EXPIRED)
        return memory if there else replace(memory, last_miss=look.on, last_clear=look.on)
    hit = look.seen is Seen.HIT
    recent = memory.recent
    strong = memory.strong + (look.certain and look.strong) if hit else 0
    # An uncertain hit speaks neither for the object nor against it; one that only waits is counted
    # by the first that is certain.
    if look.rules_out:
        recent = (False,) * options.confirm_window  # satellites begin anew after it
    elif look.certain or look.pending or not hit:
        recent = (*recent, hit)[-options.confirm_window :]
    memory = replace(memory, recent=recent, strong=strong, last_clear=look.on)
    return _hit(memory, look, options) if hit else _miss(memory, look, options)


def conclude(memory: Memory, options: FoldOptions, until: datetime | None) -> Evidence:
    """Say what the memory amounts to at ``until`` (UTC)."""
    clear, patience = memory.last_clear, timedelta(days=options.freeze_days)
    idle = clear is not None and until is not None and until - clear > patience
    return Evidence(
        state=memory.state or EvidenceState.EXPIRED,
        hits=memory.hits,
        misses=memory.misses,
        clear_looks=memory.hits + memory.misses,
        first_seen=memory.first_seen,
        last_seen=memory.last_seen,
        appeared_after=memory.appeared_after,
        frozen=idle and memory.hits > 0,
    )


def lasting(
    looks: Iterable[Look],
    since: datetime,
    wait: timedelta,
    options: FoldOptions | None = None,
    *,
    counted: bool = False,
) -> list[Look]:
    """Let no hit be certain before the object has stood for ``wait`` without being gone.

    Hits before that say nothing, or are ``counted`` with the first certain one (``pending``).

    ``since`` (UTC) is the first sighting that anybody had of it. A wait is told in days, and a look
    half a day early is on its last one: a satellite is back at nearly the same time of day, and
    sometimes seconds earlier. Where clear misses say that it was gone (``expire_misses`` in a row),
    waiting begins anew with the next hit: a boat that comes back to its mooring has not stood there
    in between.
    """
    least = (options or FoldOptions()).expire_misses
    begin: datetime | None = since
    missed, out = 0, list[Look]()
    for look in sorted(looks, key=lambda k: (k.on, k.pass_id)):
        if look.seen is Seen.HIT:
            missed = 0
            begin = begin or look.on
            sure = look.certain and look.on >= begin + wait - min(wait, _SAME_DAY)
            pending = look.pending or (counted and look.certain and not sure)
            out.append(replace(look, certain=sure, pending=pending, strong=look.strong and sure))
            continue
        if look.seen is Seen.MISS and look.on >= since:
            missed += least if look.rules_out else 1
            begin = None if missed >= least else begin
        out.append(look)
    return out


def unbroken(looks: Iterable[Look]) -> list[Look]:
    """Let clear misses undo the hits before them that only waited: asked for of water.

    A heap that one look misses still lies there. A pool that was gone on one look came back with
    the river, and what was seen of the one before says nothing of how long the other stays. The
    miss says so itself, because the hits may be an earlier patrol's.
    """
    return [replace(k, undoes=True) if k.seen is Seen.MISS else k for k in looks]


def _undone(ordered: Sequence[Look]) -> list[Look]:
    """Give looks in time order without what misses undid."""
    last = max((i for i, k in enumerate(ordered) if k.undoes), default=-1)
    return [replace(k, pending=k.pending and i > last) for i, k in enumerate(ordered)]


def stood_since(looks: Iterable[Look], sighted: datetime) -> datetime:
    """Give since when (UTC) an object has stood that a detector sighted first at ``sighted``.

    A detector must see an object whole and sharply; a look only asks whether the place resembles
    it. Hits before the first sighting count as far back as no clear miss lies between.
    """
    begin = sighted
    before = [k for k in looks if k.on < sighted]
    for look in sorted(before, key=lambda k: (k.on, k.pass_id), reverse=True):
        if look.seen is Seen.MISS:
            break
        begin = look.on if look.seen is Seen.HIT else begin
    return begin


def since(looks: Iterable[Look], options: FoldOptions | None = None) -> datetime | None:
    """Give the first sighting (UTC) since the object last stood there anew; None if never seen.

    It stands there anew with the first hit after the last run of ``expire_misses`` clear misses.
    The evidence keeps the first sighting of all through a relapse; papers are asked about this one.
    """
    least = (options or FoldOptions()).expire_misses
    begin: datetime | None = None
    missed = 0
    for look in one_per_pass(looks):
        if look.seen is Seen.HIT:
            begin = look.on if begin is None or missed >= least else begin
            missed = 0
        elif look.seen is Seen.MISS:
            missed += least if look.rules_out else 1
    return begin


def carried(looks: Iterable[Look], options: FoldOptions | None = None) -> list[Look]:
    """Let hits be certain that follow ``proved_hits`` certain ones without a clear miss between.

    Two independent dates at which the pixels' own history asks for water say *what* stands there;
    it takes one more to say that it stays, and for that a look is as good at a level that history
    never saw, as most are once a flood has fallen. Asked for of fills alone: the level is the only
    reason for which their hits are uncertain.
    """
    least = (options or FoldOptions()).proved_hits
    proved, out = 0, list[Look]()
    for look in sorted(looks, key=lambda k: (k.on, k.pass_id)):
        if look.seen is Seen.MISS:
            proved = 0
        elif look.seen is Seen.HIT:
            proved += look.certain
            out.append(replace(look, certain=look.certain or proved >= least))
            continue
        out.append(look)
    return out


LASTING_DOUBTS = ("strip", "afloat")
"""Measures of what all dates together explain, a bridge or a pontoon: no hit of it is certain."""


def doubtful(looks: Iterable[Look]) -> list[Look]:
    """Let no hit be certain: only all dates together show what explains the object."""
    return [
        replace(k, certain=k.certain and k.seen is not Seen.HIT, pending=False, strong=False)
        for k in looks
    ]


def came_with(looks: Iterable[Look], since: datetime, rank: float, within: timedelta) -> bool:
    """Tell whether the water stood as high as ``rank`` when an object came to be there.

    That is from the last clear look before ``since`` (UTC, its first sighting) at which it was not
    there up to that sighting, and at most ``within`` before it. Drift wood and what hangs in it
    come to rest as a flood falls (Ruiz-Villanueva 2016, doi:10.1002/2015RG000514); nobody fills
    land by the water level.
    """
    ordered = sorted((k for k in looks if k.on <= since), key=lambda k: (k.on, k.pass_id))
    gone = [i for i, k in enumerate(ordered) if k.seen is Seen.MISS]
    between = [k for k in ordered[gone[-1] if gone else 0 :] if k.on >= since - within]
    return any(k.level_rank is not None and k.level_rank >= rank for k in between)


def describe_transitions(options: FoldOptions | None = None) -> str:
    """Give the table of transitions, for the documentation and for a puzzled reader."""
    o = options or FoldOptions()
    confirm = f"{o.confirm_hits} of the last {o.confirm_window} looks that count are hits"
    confirm += f", or {o.swift_hits} strong hits"
    expire = f"{o.expire_misses} clear misses in a row"
    rows = [
        ("(never seen)", "a hit", "first"),
        ("first", f"{o.provisional_hits} hits since it appeared", "provisional"),
        ("first, provisional", confirm, "suspected"),
        ("first, provisional, suspected, relapsed", expire, "expired"),
        ("expired, never suspected", "a hit (counting starts anew)", "first"),
        ("expired, once suspected", confirm, "relapsed"),
        ("any", "a hit of a drone's surfaces", "suspected, or relapsed as above"),
        ("any but expired", "a miss of a drone's surfaces", "expired"),
        ("any", "a look that is not clear", "unchanged"),
        ("any", f"more than {o.freeze_days} days without a clear look", "unchanged, frozen"),
    ]
    widths = [max(len(row[i]) for row in rows) for i in range(2)]
    return "\n".join(f"{a:<{widths[0]}} | {b:<{widths[1]}} | {c}" for a, b, c in rows)


def _weight(look: Look) -> tuple[int, bool, float, str]:
    """Order looks of one pass; total, so that the order of arrival cannot matter."""
    rank = {Seen.UNKNOWN: 0, Seen.MISS: 1, Seen.HIT: 2}[look.seen]
    return rank, look.certain, look.clear_share, repr(look)


def _hit(memory: Memory, look: Look, options: FoldOptions) -> Memory:
    anew = memory.state is None or (memory.state is EvidenceState.EXPIRED and not memory.confirmed)
    if anew:
        memory = replace(
            memory,
            state=EvidenceState.FIRST,
            hits=0,
            misses=0,
            first_seen=look.on,
            appeared_after=memory.last_miss,
        )
    memory = replace(memory, hits=memory.hits + 1, missed=0, last_seen=look.on)
    often = sum(memory.recent) >= options.confirm_hits
    swift = look.strong and memory.strong >= options.swift_hits
    if look.of_surface or (look.certain and (often or swift)):
        back = memory.state in (EvidenceState.EXPIRED, EvidenceState.RELAPSED)
        state = EvidenceState.RELAPSED if back else EvidenceState.SUSPECTED
        return replace(memory, state=state, confirmed=True)
    if memory.state is EvidenceState.FIRST and memory.hits >= options.provisional_hits:
        return replace(memory, state=EvidenceState.PROVISIONAL)
    return memory


def _miss(memory: Memory, look: Look, options: FoldOptions) -> Memory:
    memory = replace(memory, last_miss=look.on)
    if memory.state is None:
        return memory
    weight = options.expire_misses if look.rules_out else 1
    memory = replace(memory, misses=memory.misses + 1, missed=memory.missed + weight)
    if memory.missed >= options.expire_misses:
        return replace(memory, state=EvidenceState.EXPIRED)
    return memory
