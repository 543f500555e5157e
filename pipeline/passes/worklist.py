"""The worklist of an inspection: what flights say of each open case that they cover.

It rests on looks and outlines alone, and a case was open for a flight by the looks of before that
flight: the same flights again give the same list.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from shapely.geometry.base import BaseGeometry

from pipeline.adjudicate.evidence import FoldOptions, fold
from pipeline.grid import reproject
from pipeline.io.flights import FlightFolder
from pipeline.model import (
    DRONE_SINGLE,
    DRONE_SURFACES,
    Case,
    EvidenceState,
    Look,
    Seen,
    Status,
    office_day,
)
from pipeline.passes.flight_joining import misses
from pipeline.passes.flight_looks import look_name, surface_miss
from pipeline.passes.flight_pairs import FlightPair, LoneFlight, Pairing
from pipeline.passes.inspect import Inspected

_ENDED = (Status.CLOSED, Status.REJECTED, Status.PERMITTED, Status.WITHDRAWN)
_COVERED = 0.9  # share of a place that a frame must hold
_LATE = "两次飞行之间没有看到物体，但前一次飞行可能晚于问题出现"
_TOUCHING_M = 3.0  # an object this near keeps a place from being empty


class Answer(StrEnum):
    """What flights say of a case."""

    CONFIRMED = "confirmed"  # something is seen there
    REFINED = "refined"  # ... and measured: outline, kind and measures are the drone's now
    CONTRADICTED = "contradicted"  # nothing is there
    UNDECIDED = "undecided"

    @property
    def zh(self) -> str:
        """For the reader."""
        return {"confirmed": "证实", "refined": "证实并测量", "contradicted": "未见"}.get(
            self.value, "不能判断"
        )


@dataclass(frozen=True)
class Item:
    """One line of the worklist."""

    case: Case  # after the run
    answer: Answer
    flights: tuple[str, ...]  # ids of those that cover it
    why_zh: str


@dataclass(frozen=True)
class Asked:
    """What flights say of known cases, before the ledger hears of it."""

    looks: Mapping[str, tuple[Look, ...]]  # misses, by case id
    why_zh: Mapping[tuple[str, str], str]  # what keeps it no miss, by case and later flight
    # Why what was seen is no look either, likewise.
    withheld_zh: Mapping[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])


def ask(
    pairing: Pairing,
    found: Sequence[Inspected],
    known: Iterable[Case],
    corridors: Collection[str],
    options: FoldOptions,
) -> Asked:
    """Ask flights about the open cases that they cover.

    Parameters
    ----------
    found
        One for each pair, in their order; then one for each lone flight.
    corridors
        Ids of the workflow's.

    Notes
    -----
    A miss is added where both flights of a pair of surfaces see the ground of the place, the
    earlier one was flown before the last look without the thing, nothing changed between them in
    height or picture, and nothing stands there. One flight alone never rules anything out: what it
    does not see may be flat, or as wide as the ground is guessed.
    """
    everything = list(known)
    looks = {k: list(v) for k, v in misses(found, everything).items()}
    why: dict[tuple[str, str], str] = {}
    for one, part in zip(_ones(pairing), found, strict=True):
        if part.ask is None or isinstance(one, LoneFlight):
            continue
        name = look_name(one.after)
        under = [
            (case, place)
            for case, place, since in _under(one, everything, corridors, options)
            if _unasked(one, part, place, since) is None
            and not any(k.pass_id == name for k in looks.get(case.case_id, ()))
        ]
        said = part.ask([place for _, place in under])
        for (case, _), answer in zip(under, said, strict=True):
            if answer.nothing:
                missed = surface_miss(one.after, answer.seen, part.error_m)
                looks.setdefault(case.case_id, []).append(missed)
            else:
                why[case.case_id, one.after.id] = answer.why_zh
    return Asked({k: tuple(v) for k, v in looks.items()}, why)


def _ones(pairing: Pairing) -> list[FlightPair | LoneFlight]:
    return [*pairing.pairs, *pairing.lone]


def _last(one: FlightPair | LoneFlight) -> FlightFolder:
    return one.flight if isinstance(one, LoneFlight) else one.after


def _under(
    one: FlightPair | LoneFlight,
    cases: Iterable[Case],
    corridors: Collection[str],
    options: FoldOptions,
) -> list[tuple[Case, BaseGeometry, datetime | None]]:
    """Give the cases that were open when a flight over them was flown, by its date alone.

    With each its place (lon/lat) and the last look (UTC) before its first sighting that saw the
    ground without it. What only a lead points at was open from the day of the lead on; no look says
    when it was not there, so that no flight contradicts it.
    """
    flown = _last(one).flown
    day = office_day(flown)
    found: list[tuple[Case, BaseGeometry, datetime | None]] = []
    for case in cases:
        if case.corridor_id not in corridors or case.status in _ENDED:
            continue
        before = fold((k for k in case.looks if k.on < flown), options)
        ended = before.state is EvidenceState.EXPIRED and not case.held
        told = any(k.on <= day for k in case.leads)
        ended = ended and not told
        if case.merged_into is not None or ended or (before.hits == 0 and not told):
            continue
        place = reproject(case.seen_polygon, case.crs, "EPSG:4326")
        if _holds(one, place):
            found.append((case, place, before.appeared_after))
    return found


def in_time_order(pairing: Pairing, found: Sequence[Inspected]) -> tuple[Inspected, ...]:
    """Give what was found, oldest later flight first, as :func:`joined` wants it."""
    flown = [p.after.flown for p in pairing.pairs] + [one.flight.flown for one in pairing.lone]
    return tuple(part for _, part in sorted(zip(flown, found, strict=True), key=lambda f: f[0]))


def _holds(one: FlightPair | LoneFlight, place: BaseGeometry) -> bool:
    if isinstance(one, LoneFlight):
        frame = one.flight.extent_wgs84
    else:
        frame = one.before.extent_wgs84.intersection(one.after.extent_wgs84)
    return bool(frame.intersection(place).area >= _COVERED * place.area)


def _unasked(
    one: FlightPair | LoneFlight, part: Inspected, place: BaseGeometry, since: datetime | None
) -> str | None:
    """Say why a place cannot be empty, or cannot be judged; None where it is to be asked about."""
    if part.failed or part.refused:
        why = part.set_aside[0].reason if part.refused else ""
        return "本次比较失败，不能判断" if part.failed else f"两次飞行不能配准：{why}"
    wide = place.buffer(_TOUCHING_M / 111_000)
    if any(reproject(c.polygon, c.crs, "EPSG:4326").intersects(wide) for c in part.candidates):
        return "飞行看到了物体，但与原轮廓大小相差太多，另立一项"
    if any(g.polygon_wgs84.intersects(wide) for g in part.gone):
        return "其中一部分已清除"
    if isinstance(one, LoneFlight):
        return "只有一次飞行，没有看到高出地面的物体，平铺或成片的不能判断"
    late = since is None or one.before.flown > since
    if part.ask is not None and not late:
        return None
    return _LATE if part.ask is not None else "没有地表模型，只比较了影像，没有看到变化"


def worklist(
    asked: Asked,
    after: Iterable[Case],
    work: tuple[Pairing, Sequence[Inspected]],
    corridors: Collection[str],
    options: FoldOptions,
) -> tuple[Item, ...]:
    """Say what became of each open case that flights cover, by id.

    Parameters
    ----------
    after : iterable of Case
        The ledger after the run.
    work
        The flights, and what each pair and each lone flight said, as :func:`ask` took them.
    """
    cases = {c.case_id: c for c in after}
    flights: dict[str, list[str]] = {}
    why: dict[str, str] = {}
    for one, part in zip(_ones(work[0]), work[1], strict=True):
        name = _last(one).id
        for case, place, since in _under(one, cases.values(), corridors, options):
            before = flights.setdefault(case.case_id, [])
            before.append(name)
            if name in before[:-1] and part.ask is None:
                continue  # of several pairs of one flight that which judged the ground says why
            key = case.case_id, name
            reason = asked.withheld_zh.get(key) or _unasked(one, part, place, since)
            why[case.case_id] = reason or asked.why_zh.get(key, "")
    order = [_last(one) for one in _ones(work[0])]
    return tuple(
        _item(cases[i], _with_newer(cases[i], tuple(dict.fromkeys(own)), order), why[i])
        for i, own in sorted(flights.items())
    )


def _with_newer(case: Case, own: tuple[str, ...], order: Sequence[FlightFolder]) -> tuple[str, ...]:
    """Add newer flights of the run that saw the case: one may have ended it, and it be back."""
    newest = max(f.flown for f in order if f.id in own)
    saw = {k.pass_id for k in case.looks if k.of_drone and not k.of_earlier_flight}
    newer = sorted({(f.flown, f.id) for f in order if f.flown > newest})
    more = [name for _, name in newer if any(p.endswith(f"_{name}") for p in saw)]
    return (*own, *more)


def _item(case: Case, flights: tuple[str, ...], why: str) -> Item:
    ends = tuple(f"_{f}" for f in flights)
    own = [k for k in case.looks if k.of_drone and k.pass_id.endswith(ends)]
    own = [k for k in own if not k.of_earlier_flight]
    if not own:
        return Item(case, Answer.UNDECIDED, flights, why)
    last = max(own, key=lambda k: (k.on, k.certain, k.pass_id))
    if last.seen is Seen.MISS:
        return Item(case, Answer.CONTRADICTED, flights, "地表模型未见该物体")
    if last.certain and case.detector == DRONE_SURFACES:
        return Item(case, Answer.REFINED, flights, _measured(case))
    alone = case.detector == DRONE_SINGLE or "_alone_" in last.pass_id
    how = "一次飞行可见，何时出现不明" if alone else "影像有变化，没有地表模型可量"
    return Item(case, Answer.CONFIRMED, flights, how)


def _measured(case: Case) -> str:
    m = case.measures
    parts = [f"占地{case.area_m2:.0f}平方米"]
    if "height_m" in m:
        parts.append(f"高差{m['height_m']:.1f}米")
    if "net_m3" in m:
        parts.append(f"净方量{m['net_m3']:.0f}立方米")
    return "，".join(parts)
