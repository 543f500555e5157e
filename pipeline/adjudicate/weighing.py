"""What the looks at one object are worth, once all of them together show what it is.

The fold counts looks; here they are marked before it does: as strong where two are enough, as
counting after a wait, as uncertain where a flood explains them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise

from pydantic import BaseModel, ConfigDict, Field

from pipeline.adjudicate.evidence import FoldOptions, fold
from pipeline.model import Candidate, Case, Look, Seen

_PUDDLES, _ON_BAR = 0.2, 0.5  # shares of an object from which it comes and goes with the water
_LAKE = 0.5  # share of water from which an object is a pond
_MOSTLY = 0.5  # share of certain sightings below which two of them are no two dates
_DOUBTED = 0.5  # of what is a strip, a line or a thing of the season
_LINE = 3.0  # length over width of a bridge, a drift line, a row of boats
_LIGHT_Z, _BARREN = 5.0, 0.15  # deviations lighter, and NDVI, of a roof of painted steel
_CLEARLY = 0.75  # share of certain sightings from which only the season is waited for


class DryOptions(BaseModel):
    """When a new pond was there before any high water could have left it.

    A flood wave of these rivers passes in days to two weeks; that no high water came is known only
    where looks lie closer than that. The numbers are reasoned, none has a source.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    high: float = Field(default=0.75, ge=0, le=1, description="level rank from which water is high")
    days: float = Field(
        default=60.0,
        ge=0,
        le=150,
        description="before the first sighting that it must be low [d]; looks are asked for from "
        "200 days before it",
    )
    gap_days: float = Field(
        default=12.0, ge=1, le=60, description="between two low looks, or a flood is missed [d]"
    )
    low_looks: int = Field(
        default=5, ge=2, le=100, description="looks at low water without which nothing is known"
    )
    crop_share: float = Field(
        default=0.2, ge=0, le=1, description="share of cropland from which it may be a paddy"
    )
    crop_gap_days: float = Field(
        default=60.0,
        ge=10,
        le=366,
        description="longest part of the year without a clear look in any year, or what grew there "
        "was not seen: it may be cropland [d]",
    )


def weighed(candidate: Candidate, options: FoldOptions, until: datetime) -> Candidate:
    """Weigh looks by what all of them together show.

    In turn :func:`above_floods`, :func:`after_floods`, :func:`swiftly`, :func:`waited_out` and
    :func:`outlasted`.
    """
    looks = tuple(_weighed(candidate.looks, _of(candidate), options))
    if looks == candidate.looks:
        return candidate
    return replace(candidate, looks=looks, evidence=fold(looks, options, until))


def weighed_again(
    cases: Iterable[Case], looks: Mapping[str, Sequence[Look]], options: FoldOptions
) -> dict[str, list[Look]]:
    """Say the same of looks at known cases, by case id; those without looks are left out."""
    return {
        c.case_id: _weighed(looks[c.case_id], _of(c), options) for c in cases if c.case_id in looks
    }


def swiftly(
    looks: Iterable[Look], measures: Mapping[str, float], options: FoldOptions | None = None
) -> list[Look]:
    """Mark what two certain hits are enough for (``strong``), or one after a wait (``pending``).

    Persistence is asked for because of what a single date may show: a cloud's edge, a raft, a
    flood, a shore. What is as large as ten pixels, has no such thing to wait for, and is neither
    water nor on a bar, where the level comes and goes, would have to be the same mistake on two
    dates; and what dates share, season and level, the normal and the waiting answer for. In the
    water history must have seen three lower levels itself. Of changed ground half of the sightings
    must have been certain: two of many are what was looked for. A pond that was dug
    (:func:`below_floods`) is as plain as a heap; what doubts its other sightings is their level.

    What only waits for a season to pass (bare soil, most of whose sightings were certain by
    themselves) has been seen often enough by then: its hits are ``pending``, and count with the
    first certain one.

    Parameters
    ----------
    measures : mapping
        Of the object as it was sighted: ``area_m2``, ``wait_days``, ``bar_share``; in the water
        ``known_looks``; of changed ground ``wet_share``, ``certain_share`` and what doubts it.
    """
    o = options or FoldOptions()
    waits = measures.get("wait_days", 0.0) > 0
    if "wet_share" in measures:
        dug = measures.get("dug", 0.0) > 0
        ashore = measures.get("bar_share", 1.0) < _ON_BAR
        plain = ashore and (dug or measures["wet_share"] < _PUDDLES)
        doubts = max(measures.get(n, 0.0) for n in ("strip", "precedents", "linear"))
        clear = measures.get("certain_share", 0.0) >= _CLEARLY and doubts < _DOUBTED
        sound = dug or measures.get("certain_share", 0.0) >= _MOSTLY
        counted = waits and plain and clear
    else:
        sound = measures.get("bar_share", 0.0) < _ON_BAR
        plain = measures.get("known_looks", 0.0) >= o.confirm_hits
        counted = False
    swift = plain and sound and not waits and measures.get("area_m2", 0.0) >= o.swift_area_m2
    return [
        replace(k, strong=swift and k.certain, pending=k.pending or (counted and not k.certain))
        if k.seen is Seen.HIT
        else k
        for k in looks
    ]


def above_floods(
    looks: Iterable[Look], measures: Mapping[str, float], options: FoldOptions | None = None
) -> list[Look]:
    """Let no hit of new water on land be certain that was seen at high water.

    A flood fills hollows and fields that no level of the history did, keeps them full for as long
    as it lasts, and outlasts every wait. A pit is still there when the river has fallen.
    """
    o = options or FoldOptions()
    lake = measures.get("wet_share", 0.0) >= _LAKE or measures.get("mixed_water", 0.0) > 0
    water = lake and measures.get("bar_share", 1.0) < _ON_BAR
    if not water:
        return list(looks)
    return [
        replace(k, certain=False, pending=False)
        if k.seen is Seen.HIT and not k.of_drone and _stands_high(k, o)
        else k
        for k in looks
    ]


class _Flood:
    """Whether looks, given in time order, are of one flood with the last at high water."""

    def __init__(self, options: FoldOptions) -> None:
        self._options = options
        self._peak: datetime | None = None  # the last look at high water of a flood that lasts

    def lasts(self, look: Look) -> bool:
        """Tell it of a look's level; one that is not known ends no flood, and is none."""
        o, rank = self._options, look.level_rank
        if rank is None:
            return False
        # Where a low level explains the look nearly as well, it shows no flood.
        least = rank if look.level_least is None else look.level_least
        if rank >= o.flood_rank and least >= o.flood_over:
            self._peak = look.on
        elif self._peak and (
            rank < o.flood_over or look.on - self._peak > timedelta(days=o.flood_most_days)
        ):
            self._peak = None
        return self._peak is not None


def flooded_before(looks: Iterable[Look], on: datetime, options: FoldOptions) -> bool:
    """Tell whether a flood stood at a place within ``flood_days`` before ``on`` (UTC), as far as
    its looks know the level, whatever they saw of the place.
    """
    flood, last = _Flood(options), None
    for look in sorted(looks, key=lambda k: (k.on, k.pass_id)):
        if look.on <= on and flood.lasts(look):
            last = look.on
    return last is not None and on - last <= timedelta(days=options.flood_days)


def after_floods(
    looks: Iterable[Look], measures: Mapping[str, float], options: FoldOptions | None = None
) -> list[Look]:
    """Let no hit of bare ground at the shore be certain that a flood may have bared.

    High water leaves silt and drowned plants on the bank. Until they have grown again the bank is
    lighter and barer than it ever was in that season, all along the river, and for weeks. What is
    still bare ``flood_days`` after the last high water was not bared by it: what was seen meanwhile
    counts with the first look after that (``pending``), if no clear miss lies between, as where it
    was green again. A look at high water comes late enough to be counted as the flood itself, which
    lasts until a look shows the river below ``flood_over``, and no longer than ``flood_most_days``
    after the last such look. What was certain before the water rose, and was there ever since, no
    flood of these has bared; nor does one leave what is light and blue (``flood_redness``): of it
    only looks at high water itself are uncertain.
    """
    o = options or FoldOptions()
    bare = measures.get("wet_share", 1.0) < _LAKE and not measures.get("mixed_water", 0.0)
    near = measures.get("shore_px", o.flood_reach_px + 1) <= o.flood_reach_px
    if not (bare and near):
        return list(looks)
    painted = _painted(measures, o)
    wait = timedelta(days=0 if painted else o.flood_days)
    high, out = None, list[Look]()
    stood = held = False  # certain and not gone since; waiting for the flood's end
    flood = _Flood(o)
    for look in sorted(looks, key=lambda k: (k.on, k.pass_id)):
        stood = stood and look.seen is not Seen.MISS
        lasts = flood.lasts(look) and (not painted or _stands_high(look, o))
        if lasts and not stood:
            high = look.on
        if look.seen is Seen.MISS:
            out.append(_undoing(look) if held else look)
            held = False
        elif look.seen is not Seen.HIT:
            out.append(look)
        elif high and not stood and not look.of_drone and look.on - high <= wait:
            counts = look.pending or look.certain
            held = held or counts
            out.append(replace(look, certain=False, pending=counts, strong=False))
        else:
            stood, held = stood or look.certain, held and not look.certain
            out.append(look)
    return out


def _stands_high(look: Look, o: FoldOptions) -> bool:
    """Tell a look at high water from one at which a flood may not be over yet."""
    return (look.level_rank or 0.0) >= o.flood_rank


def _painted(measures: Mapping[str, float], o: FoldOptions) -> bool:
    """Tell light ground that is too blue for silt and has too few plants for its green.

    The bluer paint is, the more near infrared it may have beside its red (0.1 on a mixed roof, 0.28
    on a large one). Ice and clear water over sand, as blue, have less of it than of red.
    """
    blue = measures.get("redness", 1.0)
    light = measures.get("z_bright", 0.0) >= _LIGHT_Z
    return blue <= o.flood_redness and light and 0 <= measures.get("ndvi", 1.0) < _BARREN - blue


def below_floods(looks: Iterable[Look], since: datetime, options: DryOptions | None = None) -> bool:
    """Tell whether the river was low, as far as looks tell, for long before ``since`` (UTC).

    From the last clear look at which a pond was not there, and for ``days`` before its first
    sighting: no level was high or unknown, there are enough looks, and neither between them nor at
    an end of that time is a gap so long that a flood came and went in it.
    """
    o = options or DryOptions()
    until_then = [k for k in looks if k.on <= since]
    gone = [k.on for k in until_then if k.seen is Seen.MISS]
    if not gone:
        return False
    begin = min(max(gone), since - timedelta(days=o.days))
    lately = sorted((k for k in until_then if k.on >= begin), key=lambda k: (k.on, k.pass_id))
    if len(lately) < o.low_looks:
        return False
    gaps = [b - a for a, b in pairwise([begin, *(k.on for k in lately), since])]
    low = all(k.level_rank is not None and k.level_rank < o.high for k in lately)
    return low and max(gaps) <= timedelta(days=o.gap_days)


def waited_out(
    looks: Iterable[Look], measures: Mapping[str, float], options: FoldOptions | None = None
) -> list[Look]:
    """Count what was seen of a fill while it might have been debris or boats.

    What has outlasted both was neither, so that its first certain hit is not the first thing known
    of it: hits that were certain but for the wait are ``pending``
    (:func:`pipeline.adjudicate.evidence.lasting`), and stay it. That holds for what history knows
    as water at three lower levels and more, and is no line: drift wood, decks and a bridge's parts
    are long, and may come again. A clear miss undoes what only waited before it. A hit that is
    uncertain for its level says no more here than it does of a fill without a wait.
    """
    o = options or FoldOptions()
    if "wet_share" in measures or not measures.get("wait_days", 0.0) > 0:
        return list(looks)
    if not _known_fill(measures, o) or measures.get("elongation", 99) >= _LINE:
        return [replace(k, pending=False) for k in looks]
    return [_undoing(k) for k in looks]


def outlasted(
    looks: Iterable[Look], measures: Mapping[str, float], options: FoldOptions | None = None
) -> list[Look]:
    """Let hits that say less than a certain one prove a large fill together (``outlast_hits``).

    As the water falls below all that history knows, no look can be certain any more. A fill at the
    shore of 1,000 m2 and more, of which three lower levels said on one date that water belongs
    there, and that on each of several later dates reaches further out than the shore of the reach
    fell back, is no cloud's edge and no misread level: those are of one date.
    """
    o = options or FoldOptions()
    ashore = measures.get("bar_share", 0.0) < _ON_BAR and not measures.get("wait_days", 0.0)
    large = measures.get("area_m2", 0.0) >= o.swift_area_m2
    if not (ashore and large and _known_fill(measures, o)):
        return list(looks)
    proved, more, out = False, 0, list[Look]()
    for look in sorted(looks, key=lambda k: (k.on, k.pass_id)):
        if look.seen is Seen.MISS:
            proved, more = False, 0
        elif look.seen is Seen.HIT and look.certain:
            proved = True
        elif look.seen is Seen.HIT and proved:
            more += 1
            out.append(replace(look, certain=more >= o.outlast_hits, pending=True))
            continue
        out.append(look)
    return out


def _known_fill(measures: Mapping[str, float], o: FoldOptions) -> bool:
    """Tell a fill that history knows as water at several lower levels, and no bridge."""
    water = "wet_share" not in measures and not measures.get("deep", 0.0)
    known = measures.get("known_looks", 0.0) >= o.confirm_hits
    return water and known and not measures.get("strip", 0.0)


def _undoing(look: Look) -> Look:
    return replace(look, undoes=True) if look.seen is Seen.MISS else look


def _weighed(
    looks: Sequence[Look], measures: Mapping[str, float], options: FoldOptions
) -> list[Look]:
    found = after_floods(above_floods(looks, measures, options), measures, options)
    found = swiftly(found, measures, options)
    return outlasted(waited_out(found, measures, options), measures, options)


def _of(found: Candidate | Case) -> Mapping[str, float]:
    """Give what was measured, with no more ground than the outline holds.

    Measures are those of the strongest sighting, which may have been larger than what all show.
    """
    area = min(found.measures.get("area_m2", 0.0), found.area_m2)
    return {**found.measures, "area_m2": area}
